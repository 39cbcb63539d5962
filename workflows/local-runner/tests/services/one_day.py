"""Compares the profile of one day beside the results with what Postgres, the report and the dashboard hold of it.

one_day.py PROGRAM HOME MODEL: takes the day with the most rows; the dashboard reads Postgres.
"""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

import boto3
import numpy as np
import psycopg

program, home, model = sys.argv[1:]
LABELS = ["unlabelled", "negative", "positive"]


def stored(key):
    bucket, _, prefix = os.environ["STORE_URL"].removeprefix("s3://").partition("/")
    found = boto3.client("s3").get_object(Bucket=bucket, Key=f"{prefix}/{key}")
    return json.load(found["Body"])


def published():
    """The day with the most rows, what is counted of it, and by which cells."""
    columns = "day::text, rows, unlabelled, negatives, positives, score_sums, features"
    with psycopg.connect(os.environ["DATABASE_URL"]) as database:
        found = database.execute(f"SELECT {columns} FROM prediction_profiles ORDER BY rows DESC, day LIMIT 1").fetchone()
        (baseline,) = database.execute("SELECT baseline FROM prediction_baselines").fetchone()
    return *found, baseline


def read(page):
    """The JSON of a page, also where the database does not answer within the dashboard's limit at once."""
    for _ in range(60):
        try:
            with urllib.request.urlopen(page) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            time.sleep(1)
    raise TimeoutError(page)


def shown(day):
    """What the dashboard says of that day alone: of its rows, and of each column."""
    command = [program, "--home", home, "dashboard", "--bind", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as dashboard:
        try:
            line = next(line for line in dashboard.stderr if "the dashboard is at http://" in line)
            address = re.search("http://[0-9.:]+", line).group()
            tables = []
            for name in ["days", "features"]:
                tables.append(read(f"{address}/tables/{name}.json?model={model}&from={day}&to={day}"))
        finally:
            dashboard.terminate()
    (of_day,), columns = tables
    return of_day, {column["column"]: column for column in columns}


def psi(buckets, cuts, cells):
    """The population stability index of numbers by cell, in the tenths of training that the report shows."""
    tenths = [bucket for bucket in buckets if bucket["kind"] == "range"]
    assert {bucket["kind"] for bucket in buckets} <= {"below", "range", "above"}, buckets
    # The first cell lies below training, the last one above it; each of the others begins at a cut.
    place = np.searchsorted([bucket["upper"] for bucket in tenths[:-1]], cuts[:-1], side="right")
    now = np.append(np.bincount(place, cells[1:-1], len(tenths)), [cells[0], cells[-1]])
    then = np.append([bucket["reference"] for bucket in tenths], [0, 0])
    now, then = (np.maximum(rows / rows.sum(), 1e-4) for rows in (now, then))
    return ((now - then) * np.log(now / then)).sum()


day, rows, *scores, sums, features, baseline = published()
profile = stored(f"results/25.05.1/{model}/v1/_profiles/{day}.json")["profile"]
report = stored(f"reports/25.05.1/{model}/v1/report.json")
of_day, columns = shown(day)
(reported,) = [of for of in report["performance"]["days"] if of["date"] == day]

assert [profile["score"][label]["cells"] for label in LABELS] == scores
assert [profile["score"][label]["sum"] for label in LABELS] == sums
assert 0 < rows == sum(map(sum, scores)) == reported["rows"] == of_day["rows"]
mean = sum(sums) / 2**30 / rows
for found in [reported, of_day]:
    assert abs(found["mean_score"] - mean) < 1e-8, (found, mean)

at = baseline["score"]["cells"]["cuts"].index(baseline["threshold"]) + 1
confusion = {}
for cells, below, above in [
    (profile["score"]["negative"]["cells"], "true_negatives", "false_positives"),
    (profile["score"]["positive"]["cells"], "false_negatives", "true_positives"),
]:
    confusion |= {below: sum(cells[:at]), above: sum(cells[at:])}
assert confusion == reported["confusion"] == {name: of_day[name] for name in confusion}, confusion

periods = report["drift"]["periods"]
assert periods["unit"] == "day", periods
drift = {column["name"]: column for column in report["drift"]["features"]}
assert len(baseline["features"]) == len(profile["features"]) == len(drift) == 4
for feature, counts in zip(baseline["features"], profile["features"]):
    name = feature["name"]
    assert counts["cells"] == features[name]["cells"] and sum(counts["cells"]) == rows, name
    expected = psi(drift[name]["psi"]["buckets"], feature["cells"]["cuts"], counts["cells"])
    # The report rounds the index of a day to six places.
    found = drift[name]["psi_by_period"][periods["dates"].index(day)], columns[name]["psi"]
    assert np.allclose(found, expected, rtol=0, atol=1e-6), (name, found, expected)
