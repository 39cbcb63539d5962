"""What scikit-learn's pipeline reaches on the rows of data sets of other people, and metrics of theirs.

other_people.py reach STORE FILE DATASET_JSON [NAME=COLUMN] [NAME=]: fits on the rows that the
prepared parts of the store train on, and measures on those that they hold out. NAME is a text that
copies a column, or a number that is no feature.
other_people.py measured STORE: metrics of the scored rows of the store.
other_people.py by_version STORE FOLDER DATE: metrics of the flights since a date by version of the model.
other_people.py by_night STORE FOLDER: metrics of the scored flights by data version.
"""

import glob
import json
import os
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    f1_score,
    log_loss,
    mean_absolute_error,
    precision_score,
    r2_score,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler


def by_version(store, folder, first):
    """Metrics of each version of the model on the same rows, those of a date and later."""
    key = ["carrier", "flight", "time_hour"]
    files = [file for file in glob.glob(f"{folder}/labels/*.csv") if first <= file[-14:-4]]
    labels = pd.concat([pd.read_csv(file) for file in files])
    labels["time_hour"] = pd.to_datetime(labels["time_hour"])
    reached = {}
    for version in ["v1", "v2"]:
        parts = glob.glob(f"{store}/results/all/*/{version}/part-*.parquet")
        rows = pd.concat([pq.read_table(part).to_pandas() for part in parts]).drop(columns="late")
        both = rows.merge(labels, on=key, validate="one_to_one")
        scored = both["late"], both["probability"]
        reached[version] = {
            "rows": len(both),
            "roc_auc": roc_auc_score(*scored),
            "log_loss": log_loss(*scored),
        }
    print(json.dumps(reached))


def by_night(store, folder):
    key = ["carrier", "flight", "time_hour"]
    labels = pd.concat([pd.read_csv(file) for file in glob.glob(f"{folder}/labels/*.csv")])
    labels["time_hour"] = pd.to_datetime(labels["time_hour"])
    reached = {}
    for version in sorted(os.listdir(f"{store}/results")):
        parts = glob.glob(f"{store}/results/{version}/*/*/part-*.parquet")
        rows = pd.concat([pq.read_table(part).to_pandas() for part in parts]).drop(columns="late")
        both = rows.merge(labels, on=key, validate="one_to_one")
        scored = both["late"], both["probability"]
        reached[version] = {
            "rows": len(rows),
            "labelled": len(both),
            "roc_auc": roc_auc_score(*scored),
            "log_loss": log_loss(*scored),
        }
    print(json.dumps(reached))


def measured(store):
    """Metrics of scored rows by their weights, 1 where there is none, in the parts of the report."""
    with open(f"{store}/reports/1/m/v1/report.json") as file:
        report = json.load(file)
    performance = report["performance"]
    parts = glob.glob(f"{store}/results/*/*/*/part-*.parquet")
    rows = pd.concat([pq.read_table(part).to_pandas() for part in parts], ignore_index=True)
    labels, weights = (rows["dead"] == "dead").astype(int), rows["weight"].fillna(1.0)
    scored, weigh = (labels, rows["probability"]), {"sample_weight": weights}
    reached = {
        "rows": len(rows),
        "weight": weights.sum(),
        "base_rate": np.average(labels, weights=weights),
        "accuracy": accuracy_score(labels, rows["prediction"] == "dead", **weigh),
        "roc_auc": roc_auc_score(*scored, **weigh),
        "pr_auc": average_precision_score(*scored, **weigh),
        "log_loss": log_loss(*scored, **weigh),
        "brier": brier_score_loss(*scored, **weigh),
        "thresholds": [
            at_threshold(at["threshold"], *scored, weights) for at in performance["thresholds"]
        ],
        "score": [
            of_scores(segment, *scored, weights) for segment in report["segments"]["score"]
        ],
        "sex": {
            value: shares(labels[of], rows["prediction"][of] == "dead", weights[of])
            for value, of in rows.groupby("sex").groups.items()
        },
    }
    print(json.dumps(reached))


def shares(labels, predicted, weights):
    weigh = {"sample_weight": weights, "zero_division": 0.0}
    return {
        "accuracy": accuracy_score(labels, predicted, sample_weight=weights),
        "precision": precision_score(labels, predicted, **weigh),
        "recall": recall_score(labels, predicted, **weigh),
        "f1": f1_score(labels, predicted, **weigh),
    }


def at_threshold(threshold, labels, scores, weights):
    predicted = scores >= threshold
    rate = {"predicted_positive_rate": np.average(predicted, weights=weights)}
    return rate | shares(labels, predicted, weights)


def of_scores(segment, labels, scores, weights):
    """Rows whose scores lie in a range, at the threshold 0.5."""
    lower = -1.0 if segment["lower"] is None else segment["lower"]
    upper = 2.0 if segment["upper"] is None else segment["upper"]
    of = (scores >= lower) & (scores < upper)
    rate = {"base_rate": np.average(labels[of], weights=weights[of])}
    return rate | shares(labels[of], scores[of] >= 0.5, weights[of])


def reach(store, file, dataset, *changes):
    contract = json.load(open(dataset))
    columns, csv = contract["columns"], contract.get("csv", {})

    def names(role, types=("int64", "float64", "utf8", "bool")):
        return [of["name"] for of in columns if of["role"] == role and of["type"] in types]

    times = names("time", ("timestamptz",))
    key, (target,) = names("id") + times, names("target")
    contract = next(of for of in columns if of["role"] == "target")
    weight = next(iter(names("weight")), None)
    classes = contract.get("allowed", [])
    positive = str(contract.get("positive", classes[-1])) if len(classes) == 2 else None
    numbers = names("feature", ("int64", "float64"))
    texts = names("feature", ("utf8", "bool"))
    dialect = {"sep": csv.get("separator", ","), "decimal": csv.get("decimal", ".")}
    frame = pd.read_csv(file, keep_default_na=False, na_values=[""], **dialect)
    if contract["type"] == "int64":
        frame[target] = frame[target].astype("Int64")  # Some are null.
    for time in times:
        frame[time] = pd.to_datetime(frame[time])
    for name, column in [change.split("=") for change in changes]:
        if column:
            frame[name] = frame[column]
            texts.append(name)
        else:
            numbers.remove(name)
    frame = frame.set_index(key)

    def rows(split):
        parts = sorted(glob.glob(f"{store}/{split}/*/part-*.parquet"))
        keys = pd.concat([pq.read_table(part).to_pandas()[key] for part in parts])
        return frame.loc[pd.MultiIndex.from_frame(keys) if len(key) > 1 else keys[key[0]]]

    def features(frame):
        categories = [frame[name].astype(object) for name in texts]
        categories = [column.where(column.notna(), None) for column in categories]
        return np.column_stack([*[frame[name] for name in numbers], *categories]).astype(object)

    def labels(frame):
        if positive is None:
            return frame[target].astype(int if classes else float)
        return (frame[target].astype(str) == positive).astype(int)

    def weights(frame):
        return frame[weight] if weight else np.ones(len(frame))

    train, holdout = rows("train"), rows("holdout")
    places = list(range(len(numbers)))
    # The indicators of missing numbers are not standardised.
    imputer = SimpleImputer(strategy="median", add_indicator=True)
    # Weights reach whatever takes some.
    sklearn.set_config(enable_metadata_routing=True)
    scale = StandardScaler().set_fit_request(sample_weight=True)
    scaler = ColumnTransformer([("numbers", scale, places)], remainder="passthrough")
    floats = FunctionTransformer(lambda x: x.astype(float))
    steps = [("numbers", make_pipeline(floats, imputer, scaler), places)]
    if texts:
        one_hot = OneHotEncoder(
            min_frequency=10,
            max_categories=100,
            handle_unknown="infrequent_if_exist",
            sparse_output=False,
        )
        steps.append(("texts", one_hot, list(range(len(numbers), len(numbers) + len(texts)))))
    if classes:
        model = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-12, max_iter=1000)
    else:
        model = Ridge(alpha=1.0, solver="cholesky")
    model = model.set_fit_request(sample_weight=True)
    pipeline = make_pipeline(ColumnTransformer(steps), model)
    pipeline.fit(features(train), labels(train), sample_weight=weights(train))
    of_holdout = {"sample_weight": weights(holdout)}
    predict = pipeline.predict_proba if classes else pipeline.predict
    measured = labels(holdout), predict(features(holdout))
    if not classes:
        reached = {
            "rmse": root_mean_squared_error(*measured, **of_holdout),
            "mae": mean_absolute_error(*measured, **of_holdout),
            "r2": r2_score(*measured, **of_holdout),
        }
    elif positive is None:
        decided = labels(holdout), pipeline.predict(features(holdout))
        reached = {
            "log_loss": log_loss(*measured, labels=classes, **of_holdout),
            "accuracy": accuracy_score(*decided, **of_holdout),
        }
    else:
        measured = labels(holdout), measured[1][:, 1]
        reached = {
            "roc_auc": roc_auc_score(*measured, **of_holdout),
            "pr_auc": average_precision_score(*measured, **of_holdout),
            "log_loss": log_loss(*measured, **of_holdout),
            "brier": brier_score_loss(*measured, **of_holdout),
        }
    both = [labels(train), labels(holdout)]
    reached["rows"] = len(train) + len(holdout)
    if positive is not None:
        reached["positives"] = int(sum(of.sum() for of in both))
    print(json.dumps(reached))


verbs = {
    "reach": reach,
    "measured": measured,
    "by_night": by_night,
    "by_version": by_version,
}
verbs[sys.argv[1]](*sys.argv[2:])
