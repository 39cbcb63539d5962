"""A model's folder as MLflow loads it, in an environment without anything of ours.

pyfunc.py write RAW: raw files with whole numbers, texts, booleans and missing values.
pyfunc.py compare MODEL RESULTS RAW: what `mlflow.pyfunc` predicts of the rows of a raw file, beside
the scored parts of a folder, and what it says of frames that are not of the model's features.
pyfunc.py onnx MODEL RESULTS RAW: the same of what onnxruntime predicts.
pyfunc.py grow RAW TARGET: trees of XGBoost and LightGBM below RAW, and what they predict of the
rows to score.
pyfunc.py beside RESULTS RAW NAME: results beside these.
"""

import glob
import json
import os
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

FEATURES = ["visits", "amount", "wild", "city", "member"]


def write(raw):
    random = np.random.default_rng(11)
    for name, rows in [("train/0", 3000), ("train/1", 5000), ("predict/0", 100_000)]:
        visits = random.poisson(3.0, rows)
        amount = random.gamma(2.0, 50.0, rows)
        wild = random.normal(0.0, 1e9, rows)
        city = random.choice(["Oslo", "Lima", "Graz", "Pune"], rows, p=[0.5, 0.3, 0.195, 0.005])
        member = random.random(rows) < 0.3
        score = 0.4 * visits - 0.01 * amount + wild / 1e9 + (city == "Lima") - member
        score += random.logistic(0.0, 1.0, rows)
        if name.startswith("predict"):
            city[:100] = "Nowhere"
            amount[:7], wild[:7] = np.inf, 1e300
        table = {
            "id": pa.array([f"{name}-{row}" for row in range(rows)]),
            "visits": pa.array(visits, mask=random.random(rows) < 0.05),
            "amount": pa.array(amount, mask=random.random(rows) < 0.1),
            "wild": pa.array(wild),
            "city": pa.array(city, mask=random.random(rows) < 0.02),
            "member": pa.array(member, mask=random.random(rows) < 0.02),
            "binary": pa.array((score > 0).astype(np.int64)),
            "multiclass": pa.array(np.array(["low", "middle", "high"])[np.digitize(score, [-0.5, 1.0])]),
            "regression": pa.array(score),
            "far": pa.array((1e5 + score) * 1e-3),
        }
        file = os.path.join(raw, f"{name}.parquet")
        os.makedirs(os.path.dirname(file), exist_ok=True)
        pq.write_table(pa.table(table), file)


def frames(raw):
    """The features as pandas reads them in two ways: with numpy's types, and with its own."""
    table = pq.read_table(raw)
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


def compare(model, results, raw):
    import mlflow

    loaded = mlflow.pyfunc.load_model(model)
    parts = sorted(glob.glob(f"{results}/part-*.parquet"))
    scored = pd.concat([pq.read_table(part).to_pandas() for part in parts]).set_index("id")
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


def of_onnx(model, results, raw):
    import onnx
    import onnxruntime

    file = os.path.join(model, "model.onnx")
    onnx.checker.check_model(onnx.load(file), full_check=True)
    session = onnxruntime.InferenceSession(file)
    about = session.get_modelmeta().custom_metadata_map
    frame = pq.read_table(raw).to_pandas().set_index("id")
    rows = frame[json.loads(about["features"])].to_numpy(dtype="float64")
    parts = sorted(glob.glob(f"{results}/part-*.parquet"))
    scored = pd.concat([pq.read_table(part).to_pandas() for part in parts]).set_index("id").loc[frame.index]
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


def grow(raw, target):
    import lightgbm
    import xgboost

    names = ["wild", "visits", "amount"]
    frame = pd.concat([pq.read_table(f"{raw}/train/{file}.parquet").to_pandas() for file in (0, 1)])
    scored = pq.read_table(f"{raw}/predict/0.parquet").to_pandas()
    classes = sorted(frame[target].unique()) if target != "regression" else None
    y = frame[target] if classes is None else frame[target].map(classes.index)
    kinds = (
        (xgboost.XGBRegressor, lightgbm.LGBMRegressor)
        if classes is None
        else (xgboost.XGBClassifier, lightgbm.LGBMClassifier)
    )
    os.makedirs(f"{raw}/models", exist_ok=True)
    for kind, name in zip(kinds, ["xgboost.json", "lightgbm.txt"]):
        model = kind(n_estimators=20, n_jobs=1, **({"verbose": -1} if name == "lightgbm.txt" else {}))
        model.fit(frame[names], y)
        (model if name == "xgboost.json" else model.booster_).save_model(f"{raw}/models/{name}")
        predict = model.predict if classes is None else model.predict_proba
        np.save(f"{raw}/models/{name}.npy", predict(scored[names]))


def beside(results, raw, name):
    predicted = np.load(f"{raw}/models/{name}.npy").reshape(100_000, -1)
    ids = pq.read_table(f"{raw}/predict/0.parquet", columns=["id"]).to_pandas()["id"]
    parts = sorted(glob.glob(f"{results}/part-*.parquet"))
    scored = pd.concat([pq.read_table(part).to_pandas() for part in parts]).set_index("id").loc[ids]
    of_classes = sorted(column for column in scored if column.startswith("probability_"))
    columns = of_classes or (["probability"] if "probability" in scored else ["prediction"])
    ours = scored[columns].to_numpy()
    theirs = predicted[:, -len(columns) :]
    known = ~np.isnan(ours).any(axis=1)
    apart = np.abs(ours - theirs)[known] / np.maximum(1.0, np.abs(theirs[known]))
    print(json.dumps({"rows": int(known.sum()), "largest": float(apart.max())}))


if __name__ == "__main__":
    {"write": write, "compare": compare, "onnx": of_onnx, "grow": grow, "beside": beside}[sys.argv[1]](*sys.argv[2:])
