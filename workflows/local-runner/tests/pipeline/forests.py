"""scikit-learn's random forests on the rows that a model was trained on.

forests.py STORE RAW TASK: the mean of five forests' log loss (RMSE of a number) on the rows that the
store holds out, of RAW's CSV files, with the options that the family has by default.
"""

import glob
import sys

import pandas as pd
import pyarrow.parquet as pq
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import log_loss, root_mean_squared_error

store, raw, task = sys.argv[1:]
files = sorted(glob.glob(f"{raw}/*.csv"))
frame = pd.concat([pd.read_csv(file, keep_default_na=False, na_values=[""]) for file in files])
key, target = frame.columns[0], "churn" if task == "churn" else "y"
frame = frame.set_index(key)
label = frame[target]
features = pd.get_dummies(frame.drop(columns=[target, "day"], errors="ignore")).astype(float)


def rows(split):
    parts = sorted(glob.glob(f"{store}/{split}/*/part-*.parquet"))
    keys = pd.concat([pq.read_table(part).to_pandas()[key] for part in parts])
    return keys.astype(frame.index.dtype)


train, holdout = rows("train"), rows("holdout")
reached = []
for seed in range(5):
    options = {"min_samples_leaf": 5, "random_state": seed}
    if task == "number":
        model = RandomForestRegressor(max_features=1 / 3, **options).fit(features.loc[train], label[train])
        reached.append(root_mean_squared_error(label[holdout], model.predict(features.loc[holdout])))
    else:
        model = RandomForestClassifier(**options).fit(features.loc[train], label[train])
        reached.append(log_loss(label[holdout], model.predict_proba(features.loc[holdout]), labels=model.classes_))
print(sum(reached) / len(reached))
