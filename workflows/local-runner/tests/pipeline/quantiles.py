"""LightGBM's quantiles beside the intervals of gradient boosting.

quantiles.py write FILE: rows as CSV whose noise is skewed, and wider or narrower by two of the eight
features.
quantiles.py reach STORE FILE LEVEL: of the rows that the store holds out, the share within the scored
intervals; and for each end its pinball loss, divided by that of LightGBM with the same options on
all rows that the store trains on.
"""

import glob
import json
import sys

import lightgbm
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from sklearn.metrics import mean_pinball_loss

ROWS, FEATURES = 26_000, 8


def write(file):
    draw = np.random.default_rng(1)
    x = draw.normal(size=(ROWS, FEATURES))
    mean = 2 * x[:, 0] + np.sin(2 * x[:, 1]) + x[:, 2] * x[:, 3]
    spread = 0.3 + np.exp(0.6 * x[:, 4]) * (1 + (x[:, 0] > 0))
    normal = draw.random(ROWS) < 0.5
    noise = np.where(normal, draw.normal(size=ROWS), draw.gamma(2, 1, size=ROWS) - 2)
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(FEATURES)])
    frame.insert(0, "id", np.arange(ROWS))
    frame["target"] = mean + spread * noise
    frame.to_csv(file, index=False)


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


arguments = sys.argv[2:]
write(*arguments) if sys.argv[1] == "write" else reach(*arguments[:2], float(arguments[2]))
