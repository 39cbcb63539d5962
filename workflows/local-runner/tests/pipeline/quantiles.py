"""LightGBM's quantiles beside the intervals of gradient boosting.

quantiles.py STORE FILE LEVEL: of the rows that the store holds out, the share within the scored
intervals; and for each end its pinball loss, divided by that of LightGBM with the same options on
all rows that the store trains on.
"""

import glob
import json
import sys

import lightgbm
import pandas as pd
import pyarrow.parquet as pq
from sklearn.metrics import mean_pinball_loss


def reach(store, file, level):
    frame = pd.read_csv(file, float_precision="round_trip").set_index("id")

    def ids(split):
        parts = sorted(glob.glob(f"{store}/{split}/*/part-*.parquet"))
        return pd.concat([pq.read_table(part).to_pandas()["id"] for part in parts])

    train, holdout = frame.loc[ids("train")], frame.loc[ids("holdout")]
    parts = sorted(glob.glob(f"{store}/results/*/*/*/part-*.parquet"))
    scored = pd.concat([pq.read_table(part).to_pandas() for part in parts]).set_index("id").loc[holdout.index]
    labels = holdout.pop("target")
    within = (scored["lower"] <= labels) & (labels <= scored["upper"])
    found = {"rows": len(labels), "coverage": within.mean()}
    rows = lightgbm.Dataset(train.drop(columns="target"), train["target"])
    for end, share in ("lower", (1 - level) / 2), ("upper", (1 + level) / 2):
        options = {
            "objective": "quantile",
            "alpha": share,
            "num_leaves": 31,
            "learning_rate": 0.1,
            "min_sum_hessian_in_leaf": 1,
            "min_data_in_leaf": 1,
            "lambda_l2": 1.0,
            "num_threads": 1,
            "deterministic": True,
            "verbose": -1,
        }
        theirs = lightgbm.train(options, rows, 100).predict(holdout)
        lost = [mean_pinball_loss(labels, of, alpha=share) for of in (scored[end], theirs)]
        found[end] = lost[0] / lost[1]
    print(json.dumps(found))


store, file, level = sys.argv[1:]
reach(store, file, float(level))
