"""XGBoost's own package beside gradient boosting.

trees.py compare MODEL RESULTS RAW: scores the rows of a raw CSV by an exported xgboost.json, and
compares with the scored parts of a folder.
trees.py reach STORE FILE: the log loss of XGBoost on the rows that the store holds out, fitted on
those that it trains on with the defaults of the family.
"""

import glob
import json
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import xgboost
from sklearn.metrics import log_loss


def inputs(frame, names):
    """Columns of a raw frame as preprocessing makes them, by their names."""

    def column(name):
        if name in frame:
            return frame[name].astype(float)
        feature, category = name.split(" = ")
        texts = frame[feature].map(lambda value: str(value).lower() if isinstance(value, bool) else value)
        return (texts == category).astype(float)

    return np.column_stack([column(name) for name in names])


def compare(model, results, raw):
    booster = xgboost.Booster(model_file=model)
    parts = sorted(glob.glob(f"{results}/part-*.parquet"))
    scored = pd.concat([pq.read_table(part).to_pandas() for part in parts])
    frame = pd.read_csv(raw, keep_default_na=False, na_values=[""], float_precision="round_trip")
    key = next(name for name in frame if name in scored)
    frame[key] = frame[key].astype(scored[key].dtype)
    scored = scored.set_index(key).loc[frame[key]]
    matrix = xgboost.DMatrix(inputs(frame, booster.feature_names), feature_names=booster.feature_names)
    margins = booster.predict(matrix, output_margin=True).astype(np.float64)
    objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
    if objective == "reg:squarederror":
        shares = sorted(name for name in scored if name.startswith("probability"))
        # A forest's shares, of several classes those of each.
        names = shares[1:] or shares or ["prediction"]
        ours, theirs = scored[names].to_numpy(), margins.reshape(len(scored), -1)
        if shares:
            # Sums of single precision may lie a little beyond 0 and 1.
            theirs = np.clip(theirs, 0.0, 1.0)
        if len(names) > 1:
            theirs = theirs / theirs.sum(axis=1, keepdims=True)
    elif objective == "binary:logistic":
        ours, theirs = scored["probability"].to_numpy(), 1.0 / (1.0 + np.exp(-margins))
    else:
        names = [name for name in scored if name.startswith("probability_")]
        raised = np.exp(margins - margins.max(axis=1, keepdims=True))
        ours, theirs = scored[names].to_numpy(), raised / raised.sum(axis=1, keepdims=True)
    assert np.isfinite(ours).all() and ours.shape == theirs.shape
    apart = np.abs(ours - theirs)
    print(json.dumps({"rows": len(ours), "different": int((apart > 0).sum()), "largest": apart.max()}))


def reach(store, file):
    frame = pd.read_csv(file, keep_default_na=False, na_values=[""])
    key = frame.columns[0]
    frame = frame.set_index(key)

    def rows(split):
        parts = sorted(glob.glob(f"{store}/{split}/*/part-*.parquet"))
        keys = pd.concat([pq.read_table(part).to_pandas()[key] for part in parts])
        return frame.loc[keys.astype(frame.index.dtype)]

    features = pd.get_dummies(frame.drop(columns="churn")).astype(float)
    label = (frame["churn"] == "Yes").astype(int)
    train, holdout = rows("train").index, rows("holdout").index
    params = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "max_leaves": 31,
        "max_depth": 0,
        "learning_rate": 0.1,
        "nthread": 1,
    }
    booster = xgboost.train(params, xgboost.DMatrix(features.loc[train], label[train]), 100)
    print(log_loss(label[holdout], booster.predict(xgboost.DMatrix(features.loc[holdout]))))


{"compare": compare, "reach": reach}[sys.argv[1]](*sys.argv[2:])
