"""Gradient boosting compared with XGBoost, LightGBM and scikit-learn's HistGradientBoosting: time, peak memory, log loss.

    cargo build --release --locked
    python3 -m venv venv
    venv/bin/pip install numpy pandas pyarrow scikit-learn==1.9.1 xgboost==3.2.0 lightgbm==4.7.0
    just benchmark-trees venv/bin/python

100 trees of 31 leaves with a learning rate of 0.1 on two threads, on the same prepared rows; each fits in a process of
its own. The time is that of the fit and its binning, without reading files; that of Alameda includes one pass that
decodes the parts. The peak is that of the whole process: that of Python includes the frame.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Rows to train on, numbers, categories of each text column.
CASES = {
    "x 4": (5_000_000, 4, []),
    "x 100, 2 % missing, 2 columns of categories": (1_000_000, 98, [12, 40]),
}
LIBRARIES = ["Alameda", "XGBoost", "LightGBM", "HistGradientBoosting"]
HELD_OUT = 200_000
FILE = 250_000


def table(seed, rows, numbers, categories):
    import numpy
    import pyarrow

    random = numpy.random.default_rng(seed)
    x = random.normal(size=(rows, numbers))
    score = x[:, 0] * x[:, 1] + numpy.abs(x[:, 2]) - 0.5 * (x[:, 3] > 0.5)
    texts = {}
    for at, count in enumerate(categories):
        values = random.integers(0, count, rows)
        score = score + numpy.sin(values)
        texts[f"c{at}"] = pyarrow.array([f"v{value:02}" for value in values])
    if categories:
        x[random.random(x.shape) < 0.02] = numpy.nan
    y = (random.random(rows) < 1.0 / (1.0 + numpy.exp(-score))).astype(int)
    columns = {f"x{j}": pyarrow.array(x[:, j], from_pandas=True) for j in range(numbers)}
    return pyarrow.table({"id": numpy.arange(rows) + seed * 10**7, **columns, **texts, "y": y})


def write(folder, rows, numbers, categories):
    """In a process of its own, whose memory is not that of the steps it starts."""
    import pyarrow.parquet

    sizes = [HELD_OUT] + [min(FILE, rows - start) for start in range(0, rows, FILE)]
    for seed, size in enumerate(sizes):
        made = table(seed, size, numbers, categories)
        pyarrow.parquet.write_table(made, folder / f"{seed:03}.parquet")


def apart(function, *arguments):
    """What a function gives in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def ours(home, program, numbers, categories, candidate):
    """Seconds of the fit, the peak of `train` in MiB, and the log loss."""
    kinds = {f"x{j}": "float64" for j in range(numbers)} | {f"c{at}": "utf8" for at in range(len(categories))}
    columns = [{"name": "id", "type": "int64", "role": "id"}, {"name": "y", "type": "int64", "role": "target"}]
    columns += [{"name": name, "type": kind, "role": "feature", "nullable": True} for name, kind in kinds.items()]
    for place in ["config", "out", "store"]:
        (home / place).mkdir(exist_ok=True)
    (home / "config/dataset.json").write_text(json.dumps({"columns": columns}))
    (home / "config/features.sql").write_text("SELECT * FROM raw")
    (home / "config/models.json").write_text(json.dumps({"candidates": [candidate]}))
    environment = os.environ | {
        "STORE_URL": str(home / "store"),
        "RAW_URL": str(home / "raw"),
        "ALAMEDA_CONFIG": str(home / "config"),
        "ALAMEDA_WORK": str(home),
        "ALAMEDA_OUT": str(home / "out"),
        "ALAMEDA_MEMORY": os.environ.get("ALAMEDA_MEMORY", "4GiB"),
        "ALAMEDA_THREADS": "2",
        "ALAMEDA_LOG": "json",
        "HOLDOUT": "first-shard",
        # As in the images, and in the template of training.
        "MALLOC_ARENA_MAX": "2",
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    }
    # A fit that is there would be reused.
    shutil.rmtree(home / "store/models", ignore_errors=True)

    def step(*arguments):
        process = subprocess.Popen(
            [program, *arguments], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        log = process.stderr.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            sys.exit(log)
        return log, usage.ru_maxrss >> 10

    def output(name):
        return (home / "out" / name).read_text()

    step("data-prep", "plan", "--split=train", "--data-version=1", "--parallelism=1")
    plan = output("plan")
    step("data-prep", "map", f"--plan={plan}", "--group=000-of-001")
    step("data-prep", "commit", f"--plan={plan}")
    train, holdout = output("manifest"), output("holdout-manifest")
    log, peak = step(
        "model-training",
        "train",
        "--model-name=trees",
        f"--train-manifest={train}",
        f"--holdout-manifest={holdout}",
    )
    lines = [json.loads(line) for line in log.splitlines()]
    said = json.dumps(lines)
    fit = next(line for line in lines if "fitted the model" in json.dumps(line))
    seconds = int(re.search(r'"elapsed_ms": (\d+)', json.dumps(fit)).group(1)) / 1000
    guess = re.search(r"takes about ([0-9.]+ \w+) of memory", said)
    metrics = json.loads((home / "store" / output("model").replace("_manifest", "metrics")).read_text())
    return {"seconds": seconds, "peak": peak, "log_loss": metrics["holdout"]["log_loss"]} | (
        {"guess": guess.group(1)} if guess else {}
    )


def frames(home):
    import pandas
    import pyarrow.parquet

    paths = sorted((home / "raw/train").glob("*.parquet"))
    read = [pyarrow.parquet.read_table(path).to_pandas() for path in paths]
    held_out, train = read[0], pandas.concat(read[1:], ignore_index=True)
    del read
    texts = [name for name in train if name.startswith("c")]
    for frame in (held_out, train):
        for name in texts:
            frame[name] = frame[name].astype(pandas.CategoricalDtype(sorted(train[name].unique())))
        numbers = [name for name in frame if name.startswith("x")]
        frame[numbers] = frame[numbers].astype("float32")
    return train, held_out


def theirs(home, library):
    import resource

    from sklearn.metrics import log_loss

    train, held_out = frames(home)
    y, x = train.pop("y"), train.drop(columns="id")
    of_holdout, holdout = held_out.pop("y"), held_out.drop(columns="id")
    start = time.perf_counter()
    if library == "XGBoost":
        import xgboost

        options = {"max_leaves": 31, "max_depth": 0, "grow_policy": "lossguide", "learning_rate": 0.1}
        options |= {"objective": "binary:logistic", "tree_method": "hist", "max_bin": 255, "nthread": 2}
        matrix = xgboost.QuantileDMatrix(x, y, max_bin=255, enable_categorical=True, nthread=2)
        booster = xgboost.train(options, matrix, 100)
        seconds = time.perf_counter() - start
        scores = booster.predict(xgboost.DMatrix(holdout, enable_categorical=True))
    elif library == "LightGBM":
        import lightgbm

        options = {"num_leaves": 31, "learning_rate": 0.1, "objective": "binary", "num_threads": 2, "verbose": -1}
        booster = lightgbm.train(options, lightgbm.Dataset(x, y), 100)
        seconds = time.perf_counter() - start
        scores = booster.predict(holdout)
    else:
        from sklearn.ensemble import HistGradientBoostingClassifier

        model = HistGradientBoostingClassifier(
            max_iter=100, max_leaf_nodes=31, early_stopping=False, categorical_features="from_dtype"
        )
        model.fit(x, y)
        seconds = time.perf_counter() - start
        scores = model.predict_proba(holdout)[:, 1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return {"seconds": seconds, "peak": peak, "log_loss": float(log_loss(of_holdout, scores))}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", default="", help="only cases whose name holds this")
    parser.add_argument("--libraries", nargs="+", choices=LIBRARIES, help="only these")
    parser.add_argument("--home", type=Path, help="a folder where rows stay, for another call")
    parser.add_argument("--share", type=float, default=1.0, help="share of the rows, to try it out")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "2"
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    print("| rows | | s | peak, MiB | log loss |\n|---|---|---|---|---|")
    for case, (rows, numbers, categories) in CASES.items():
        if arguments.cases not in case:
            continue
        count = int(rows * arguments.share)
        kept = arguments.home and contextlib.nullcontext(arguments.home / f"{count} {numbers}")
        with kept or tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            if not (home / "raw/train").exists():
                (home / "raw/train").mkdir(parents=True)
                apart(write, home / "raw/train", count, numbers, categories)
            for library in arguments.libraries or LIBRARIES:
                if library == "Alameda":
                    candidate = {"family": "gradient-boosting", "max_bin": 255}
                    of = ours(home, target / "release/alameda", numbers, categories, candidate)
                else:
                    of = apart(theirs, home, library)
                guess = f" (announced {of['guess']})" if "guess" in of else ""
                peak, loss = f"{of['peak']}{guess}", f"{of['log_loss']:.5f}"
                print(f"| {count:,} {case} | {library} | {of['seconds']:.1f} | {peak} | {loss} |", flush=True)


if __name__ == "__main__":
    main()
