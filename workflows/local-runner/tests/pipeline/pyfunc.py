"""A model's folder as MLflow loads it, in an environment without anything of ours.

pyfunc.py write RAW: raw files with whole numbers, texts, booleans and missing values.
pyfunc.py compare RAW [MODEL RESULTS]...: what `mlflow.pyfunc` predicts of the rows to score, beside
the scored parts of a folder, and what it says of frames that are not of the model's features.
pyfunc.py onnx RAW [MODEL RESULTS]...: the same of what onnxruntime predicts.
pyfunc.py grow RAW: for each of three targets trees of XGBoost and LightGBM in a folder below RAW, and
what they predict of the rows to score.
pyfunc.py beside RAW [FILE RESULTS]...: results beside what such a file predicts.

Those that take several models print a line for each, in their order.
"""

import glob
import json
import multiprocessing
import os
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

FEATURES = ["visits", "amount", "wild", "city", "store", "member"]
STORES = np.array([1.0 / (1.0 + place) for place in range(40)])


def write(raw):
    random = np.random.default_rng(11)
    for name, rows in [("train/0", 3000), ("train/1", 5000), ("predict/0", 100_000)]:
        visits = random.poisson(3.0, rows)
        amount = random.gamma(2.0, 50.0, rows)
        wild = random.normal(0.0, 1e9, rows)
        city = random.choice(["Oslo", "Lima", "Graz", "Pune"], rows, p=[0.5, 0.3, 0.195, 0.005])
        of_stores = np.random.default_rng(rows)
        store = of_stores.choice(len(STORES), rows, p=STORES / STORES.sum())
        member = random.random(rows) < 0.3
        score = 0.4 * visits - 0.01 * amount + wild / 1e9 + (city == "Lima") - member - (store > 20)
        score += random.logistic(0.0, 1.0, rows)
        store = np.char.add("store ", store.astype(str))
        if name.startswith("predict"):
            city[:100], store[50:150] = "Nowhere", "unknown"
            amount[:7], wild[:7] = np.inf, 1e300
        table = {
            "id": pa.array([f"{name}-{row}" for row in range(rows)]),
            "visits": pa.array(visits, mask=random.random(rows) < 0.05),
            "amount": pa.array(amount, mask=random.random(rows) < 0.1),
            "wild": pa.array(wild),
            "city": pa.array(city, mask=random.random(rows) < 0.02),
            "store": pa.array(store, mask=of_stores.random(rows) < 0.02),
            "member": pa.array(member, mask=random.random(rows) < 0.02),
            "binary": pa.array((score > 0).astype(np.int64)),
            "multiclass": pa.array(np.array(["low", "middle", "high"])[np.digitize(score, [-0.5, 1.0])]),
            "regression": pa.array(score),
            "far": pa.array((1e5 + score) * 1e-3),
        }
        file = os.path.join(raw, f"{name}.parquet")
        os.makedirs(os.path.dirname(file), exist_ok=True)
        pq.write_table(pa.table(table), file)


def each(check, models):
    """Checks every model in a fork: each has a module `alameda_model`, and MLflow is slow to import.

    Nothing is computed before that: a fork has no threads of pools, and would wait for them.
    """
    fork = multiprocessing.get_context("fork")
    for model, results in pairs(models):
        # The traceback of one that fails begins with its name.
        process = fork.Process(target=check, args=(model, results), name=model)
        process.start()
        process.join()
        if process.exitcode != 0:
            sys.exit(f"{model}: exit code {process.exitcode}")


def pairs(arguments):
    return zip(arguments[::2], arguments[1::2], strict=True)


def to_score(raw):
    return pq.read_table(f"{raw}/predict/0.parquet")


def parts(results):
    files = sorted(glob.glob(f"{results}/part-*.parquet"))
    return pd.concat([pq.read_table(file).to_pandas() for file in files]).set_index("id")


def frames(raw):
    """The features as pandas reads them in two ways: with numpy's types, and with its own."""
    table = to_score(raw)
    # A column that the contract does not have for this model is passed over.
    yield table.to_pandas().set_index("id").drop(columns=["wild"]).assign(wild=table["wild"].to_numpy(), more=1)
    own = table.select(["id", *FEATURES]).to_pandas(types_mapper=pd.ArrowDtype).set_index("id")
    yield own.astype({"visits": "Int64", "city": "category", "member": "boolean"})


def apart(ours, theirs):
    """The largest difference; a missing value is one of ours and theirs."""
    if ours.dtype.kind == "f":
        # pandas reads whole numbers of which some are missing as floats.
        theirs = pd.to_numeric(pd.Series(theirs)).to_numpy(dtype="float64")
        assert (np.isnan(ours) == np.isnan(theirs)).all()
        known = ~np.isnan(ours)
        return float((np.abs(ours - theirs)[known] / np.maximum(1.0, np.abs(ours[known]))).max())
    equal = (pd.isna(ours) & pd.isna(theirs)) | (ours == theirs)
    return float(~equal.all())


def refused(loaded, frame):
    said = []
    for wrong in [
        frame.drop(columns=["city"]),
        frame.assign(amount=["1", "many"]),
        frame.assign(city=[1.5, 2.5]),
    ]:
        try:
            loaded.predict(wrong)
            said.append("")
        except Exception as error:
            said.append(str(error))
    return said


def compare(raw, *models):
    import mlflow

    def compared(model, results):
        loaded = mlflow.pyfunc.load_model(model)
        scored = parts(results)
        largest, columns = 0.0, set()
        for frame in frames(raw):
            predicted = loaded.predict(frame)
            ours = scored.loc[predicted.index]
            columns = set(predicted)
            for name in columns:
                largest = max(largest, apart(ours[name].to_numpy(), predicted[name].to_numpy()))
        example = loaded.predict(loaded.input_example if loaded.input_example is not None else frame[:1])
        print(
            json.dumps(
                {
                    "rows": len(ours),
                    "missing": int(predicted.iloc[:, 0].isna().sum()),
                    "largest": largest,
                    "columns": sorted(columns),
                    "examples": len(example),
                    "refused": refused(loaded, next(frames(raw))[:2]),
                    "imported": sorted(name for name in sys.modules if "alameda" in name or name == "xgboost"),
                }
            )
        )

    each(compared, models)


def of_onnx(raw, *models):
    import onnx
    import onnxruntime

    def compared(model, results):
        file = os.path.join(model, "model.onnx")
        onnx.checker.check_model(onnx.load(file), full_check=True)
        session = onnxruntime.InferenceSession(file)
        about = session.get_modelmeta().custom_metadata_map
        frame = to_score(raw).to_pandas().set_index("id")
        rows = frame[json.loads(about["features"])].to_numpy(dtype="float64")
        scored = parts(results).loc[frame.index]
        names = [output.name for output in session.get_outputs()]
        predicted = dict(zip(names, session.run(names, {"features": rows})))
        assert set(names) >= {"lower", "upper"} & set(scored), names
        if "probabilities" in names:
            classes = [name for name in scored if name.startswith("probability_")]
            # In the order of the model's classes.
            with open(os.path.join(model, "model.json")) as of:
                ordered = [f"probability_{name}" for name in json.load(of)["target"]["classes"]]
            assert sorted(classes) == sorted(ordered)
            predicted |= dict(zip(ordered, predicted.pop("probabilities").T))
        numbers = [name for name in predicted if predicted[name].dtype.kind == "f"]
        missing = np.isnan(predicted[numbers[0]])
        largest = max(apart(scored[name].to_numpy(), predicted[name]) for name in numbers)
        for name in set(predicted) - set(numbers):
            same = scored[name].to_numpy()[~missing] == predicted[name][~missing]
            assert same.all(), name
        print(json.dumps({"rows": len(rows), "missing": int(missing.sum()), "largest": largest}))

    each(compared, models)


def grow(raw):
    import lightgbm
    import xgboost

    names = ["wild", "visits", "amount"]
    frame = pd.concat([pq.read_table(f"{raw}/train/{file}.parquet").to_pandas() for file in (0, 1)])
    scored = to_score(raw).to_pandas()[names]
    classifiers = {"xgboost.json": xgboost.XGBClassifier, "lightgbm.txt": lightgbm.LGBMClassifier}
    regressors = {"xgboost.json": xgboost.XGBRegressor, "lightgbm.txt": lightgbm.LGBMRegressor}
    for target, kinds in [("binary", classifiers), ("multiclass", classifiers), ("regression", regressors)]:
        folder = f"{raw}/models/{target}"
        os.makedirs(folder)
        y = frame[target]
        if kinds is classifiers:
            y = y.map(sorted(y.unique()).index)
        for file, kind in kinds.items():
            model = kind(n_estimators=20, n_jobs=1, **({"verbose": -1} if file == "lightgbm.txt" else {}))
            model.fit(frame[names], y)
            (model if file == "xgboost.json" else model.booster_).save_model(f"{folder}/{file}")
            predict = model.predict if kinds is regressors else model.predict_proba
            np.save(f"{folder}/{file}.npy", predict(scored))


def beside(raw, *models):
    ids = to_score(raw)["id"].to_pandas()
    for file, results in pairs(models):
        predicted = np.load(f"{raw}/{file}.npy").reshape(100_000, -1)
        scored = parts(results).loc[ids]
        of_classes = sorted(column for column in scored if column.startswith("probability_"))
        columns = of_classes or (["probability"] if "probability" in scored else ["prediction"])
        ours = scored[columns].to_numpy()
        theirs = predicted[:, -len(columns) :]
        known = ~np.isnan(ours).any(axis=1)
        apart = np.abs(ours - theirs)[known] / np.maximum(1.0, np.abs(theirs[known]))
        print(json.dumps({"rows": int(known.sum()), "largest": float(apart.max())}))


if __name__ == "__main__":
    {"write": write, "compare": compare, "onnx": of_onnx, "grow": grow, "beside": beside}[sys.argv[1]](*sys.argv[2:])
