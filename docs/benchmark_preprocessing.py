"""Logistic regression on numbers with missing values and categories, compared with scikit-learn's pipeline: time, peak, log loss.

    cargo build --release --locked
    python3 -m venv venv
    venv/bin/pip install numpy pandas pyarrow scikit-learn==1.9.1
    just benchmark-preprocessing venv/bin/python

Four numeric columns with 2 % missing values, and two columns of 50 categories each, on two threads. Both sides impute the
median with an indicator, standardise, and encode one-hot; scikit-learn's matrix is sparse, and its solver the default.
The time is that of the fit with its preprocessing, without reading files; that of Alameda includes the passes that decode the
parts. The peak is that of the whole process: that of Python includes the frame.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from benchmark_trees import ROOT, apart, frames, ours, write

ROWS = [1_000_000, 5_000_000]
NUMBERS, CATEGORIES = 4, [50, 50]


def theirs(home):
    import resource

    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    train, held_out = frames(home)
    y, x = train.pop("y"), train.drop(columns="id")
    of_holdout, holdout = held_out.pop("y"), held_out.drop(columns="id")
    numbers = [name for name in x if name.startswith("x")]
    texts = [name for name in x if name.startswith("c")]
    imputed = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    one_hot = OneHotEncoder(min_frequency=10, max_categories=100, handle_unknown="infrequent_if_exist")
    columns = ColumnTransformer([("numbers", imputed, numbers), ("texts", one_hot, texts)])
    start = time.perf_counter()
    model = make_pipeline(columns, LogisticRegression(class_weight="balanced", tol=1e-6, max_iter=1000))
    model.fit(x, y)
    seconds = time.perf_counter() - start
    scores = model.predict_proba(holdout)[:, 1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return {"seconds": seconds, "peak": peak, "log_loss": float(log_loss(of_holdout, scores))}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", type=Path, help="the binary, where it is not in the target folder")
    parser.add_argument("--share", type=float, default=1.0, help="share of the rows, to try it out")
    parser.add_argument("--memory", nargs="+", default=["512MiB"], help="memory budgets for Alameda")
    parser.add_argument("--rows", nargs="+", type=int, default=ROWS)
    parser.add_argument("--alone", action="store_true", help="measure Alameda only")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "2"
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    program = arguments.program or target / "release/alameda"
    candidate = {"family": "logistic-regression", "class_weight": "balanced"}
    print("| rows | | s | peak, MiB | log loss |\n|---|---|---|---|---|")
    for rows in arguments.rows:
        count = int(rows * arguments.share)
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            (home / "raw/train").mkdir(parents=True)
            apart(write, home / "raw/train", count, NUMBERS, CATEGORIES)
            measured = {}
            for memory in arguments.memory:
                os.environ["ALAMEDA_MEMORY"] = memory
                (home / memory).mkdir()
                (home / memory / "raw").symlink_to(home / "raw")
                measured[f"Alameda, --memory={memory}"] = ours(home / memory, program, NUMBERS, CATEGORIES, candidate)
            if not arguments.alone:
                measured["scikit-learn"] = apart(theirs, home)
        for name, of in measured.items():
            print(f"| {count:,} | {name} | {of['seconds']:.1f} | {of['peak']} | {of['log_loss']:.5f} |", flush=True)


if __name__ == "__main__":
    main()
