"""Compares the days of a dashboard, on standard input, with scikit-learn's metrics of the rows of `predictions`, to 1e-9.
Prints "same", or what differs. DATABASE_URL names the database, THRESHOLD and VERSION what was asked for."""
import json
import os
import sys

import numpy
import psycopg
from sklearn import metrics

threshold, version = float(os.environ["THRESHOLD"]), int(os.environ["VERSION"])
sql = (
    "SELECT (at AT TIME ZONE 'UTC')::date::text, y, probability, coalesce(weight, 1) FROM predictions"
    " WHERE model_version = %s AND y IS NOT NULL AND probability IS NOT NULL"
)
days, problems = {}, []
with psycopg.connect(os.environ["DATABASE_URL"]) as server:
    for day, *row in server.execute(sql, (version,)):
        days.setdefault(day, []).append(row)

measured = 0
for shown in json.load(sys.stdin):
    rows = days.get(shown["day"])
    if rows is None:
        if shown["accuracy"] is not None:
            problems.append(f"{shown['day']} has no labels: {shown}")
        continue
    label, score, weight = (numpy.array(column, dtype=float) for column in zip(*rows))
    weighed, predicted = {"sample_weight": weight}, score >= threshold
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(label, predicted, average="binary", **weighed)
    expected = {
        "base_rate": numpy.average(label, weights=weight),
        "accuracy": metrics.accuracy_score(label, predicted, **weighed),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "roc_auc": metrics.roc_auc_score(label, score, **weighed),
        "brier": metrics.brier_score_loss(label, score, **weighed),
    }
    for name, value in expected.items():
        measured += 1
        if abs(shown[name] - value) > 1e-9:
            problems.append(f"{shown['day']} {name}: is {shown[name]!r}, and scikit-learn's is {value!r}")
if measured == 0:
    problems.append("no day has labels")
print("same" if not problems else "\n".join(problems[:8]))
