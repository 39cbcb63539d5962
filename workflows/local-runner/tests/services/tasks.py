"""Predictions of every task in Postgres, beside the scored parts and XGBoost's own contributions.

tasks.py write FOLDER: raw files with numbers, texts and missing values.
tasks.py compare STORE MODEL FOLDER: what the table `predictions` holds, beside the results; the
reasons, beside those that are computed here from model.json or xgboost.json; and the counts of
reasons in the report, beside those of the results.
"""

import glob
import json
import os
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

FEATURES = ["age", "amount", "city"]


def write(folder):
    random = np.random.default_rng(5)
    for name, rows in [("train/0", 1500), ("train/1", 2500), ("predict/0", 400)]:
        age, amount = random.normal(40.0, 10.0, rows), random.gamma(2.0, 50.0, rows)
        city = random.choice(["Oslo", "Lima", "Graz"], rows)
        score = (age - 40.0) / 10.0 + (city == "Lima") - amount / 100.0 + random.normal(0.0, 1.0, rows)
        missing = random.random(rows) < 0.05
        if name.startswith("predict"):
            age[0] = np.inf
        table = {
            "id": pa.array([f"{name}-{row}" for row in range(rows)]),
            "age": pa.array(age),
            "amount": pa.array(amount, mask=missing),
            "city": pa.array(city),
            "binary": pa.array(score > 0),
            "multiclass": pa.array(np.array(["low", "middle", "high"])[np.digitize(score, [-1.0, 0.5])]),
            "regression": pa.array(score),
        }
        file = os.path.join(folder, f"{name}.parquet")
        os.makedirs(os.path.dirname(file), exist_ok=True)
        pq.write_table(pa.table(table), file)


def published():
    import psycopg

    with psycopg.connect(os.environ["DATABASE_URL"]) as database:
        cursor = database.execute("SELECT * FROM predictions")
        columns = [column.name for column in cursor.description]
        return pd.DataFrame(cursor.fetchall(), columns=columns).set_index("id")


def inputs(model, frame):
    """The numbers that preprocessing makes, and the feature of each."""
    parts, features = [], []
    for column in model["preprocessing"]:
        ((kind, of),) = column.items()
        values = frame[of["name"]]
        if kind == "categorical":
            made = [(values == category).to_numpy(dtype=float) for category in of["categories"]]
            made = [(part - scale["mean"]) / scale["deviation"] for part, scale in zip(made, of["scales"])] or made
        else:
            made = [values.fillna(np.nan if of["impute"] is None else of["impute"]).to_numpy(dtype=float)]
            if of["scale"]:
                made[0] = (made[0] - of["scale"]["mean"]) / of["scale"]["deviation"]
            if of["missing_indicator"]:
                made.append(values.isna().to_numpy(dtype=float))
        parts += made
        features += [of["name"]] * len(made)
    return np.column_stack(parts), features


def contributions(model, folder, matrix, training):
    """By row, class and input, what the input adds to the raw score."""
    file = os.path.join(folder, "xgboost.json")
    if os.path.exists(file):
        import xgboost

        booster = xgboost.Booster(model_file=file)
        added = booster.predict(xgboost.DMatrix(matrix, feature_names=booster.feature_names), pred_contribs=True)
        return added.reshape(len(matrix), -1, matrix.shape[1] + 1)[:, :, :-1]
    # Of a linear model; another one would have to be computed here by itself.
    estimator = model["estimator"]
    slopes = np.atleast_2d(np.array(estimator["coefficients"]))
    return slopes[None] * (matrix - training.mean(axis=0))[:, None]


def reasons(model, folder, frame, training, scored):
    """The largest difference of a contribution, relative to the largest of its row."""
    if model["estimator"]["kind"] == "constant":
        mean = training[model["target"]["name"]].mean()
        expected = {"mean": mean, "constant": 0.25}[model["training"]["family"]]
        assert (scored["prediction"] - expected).abs().max() < 1e-12, (expected, scored["prediction"])
        assert (scored["top_reasons"] == "[]").all(), scored["top_reasons"]
        return 0.0
    matrix, features = inputs(model, frame)
    added = contributions(model, folder, matrix, inputs(model, training)[0])
    classes = [str(name) for name in model["target"].get("classes", [])]
    several = len(classes) > 2
    output = scored["prediction"].map(classes.index).to_numpy() if several else np.zeros(len(frame), dtype=int)
    largest = 0.0
    for row, text in enumerate(scored["top_reasons"]):
        theirs = pd.Series(added[row, output[row]]).groupby(features).sum()
        ours = json.loads(text)
        order = theirs.abs().sort_values(ascending=False)
        assert len(ours) == 2, text
        for reason, size in zip(ours, order):
            # Two features may add as much, to rounding.
            apart = max(
                abs(abs(reason["contribution"]) - size), abs(reason["contribution"] - theirs[reason["feature"]])
            )
            largest = max(largest, apart / order.iloc[0])
    return largest


def reported(store, scored):
    """Whether the report counts the reasons that come first as the parts hold them."""
    (path,) = glob.glob(f"{store}/reports/*/*/*/report.json")
    with open(path, encoding="utf-8") as file:
        found = json.load(file).get("reasons", [])
    counted = {}
    for first, *_ in filter(None, map(json.loads, scored["top_reasons"].dropna())):
        counted.setdefault(first["feature"], []).append(first["contribution"])
    total = sum(map(len, counted.values()))
    assert [of["rows"] for of in found] == sorted(map(len, counted.values()), reverse=True), (found, counted)
    for of in found:
        added = counted[of["feature"]]
        assert of["rows"] == len(added) and abs(of["share"] - len(added) / total) < 1e-12, (of, total)
        assert np.isclose(of["mean_contribution"], np.mean(added), rtol=1e-9, atol=1e-12), (of, added)


def compare(store, model_folder, raw):
    with open(os.path.join(model_folder, "model.json"), encoding="utf-8") as file:
        model = json.load(file)
    parts = sorted(glob.glob(f"{store}/results/*/*/*/part-*.parquet"))
    scored = pd.concat([pq.read_table(part).to_pandas() for part in parts]).set_index("id")
    table = published().loc[scored.index]
    assert len(table) == len(scored) == 400
    names = [name for name in scored if name not in FEATURES and name not in ("model_name", model["target"]["name"])]
    for name in names:
        ours, theirs = scored[name], table[name]
        same = (ours.isna() & theirs.isna()) | (ours == theirs)
        assert same.all(), (name, ours[~same].head(), theirs[~same].head())
    frame = pq.read_table(os.path.join(raw, "predict/0.parquet")).to_pandas().set_index("id")
    training = pq.read_table(os.path.join(raw, "train/1.parquet")).to_pandas()
    known = scored.index[1:]
    assert scored["prediction"].isna().sum() == scored["top_reasons"].isna().sum() == 1
    reported(store, scored)
    print(
        json.dumps(
            {
                "names": sorted(names),
                "apart": float(reasons(model, model_folder, frame.loc[known], training, scored.loc[known])),
            }
        )
    )


{"write": write, "compare": compare}[sys.argv[1]](*sys.argv[2:])
