"""Times the pipeline and the same work in Python, in one run, and prints both as a Markdown table.

The Python side does what is usual: polars computes the features, scikit-learn fits the loaded frame, and the whole frame
is predicted. Each of its steps is a process of its own, as a step is a container of its own, so that its time holds the
imports and its memory is its own peak. It uploads nothing and tracks nothing.

    python3 -m venv venv && venv/bin/pip install polars scikit-learn pyarrow duckdb
    venv/bin/python docs/benchmark.py

Needs a built `alameda` (cargo build --release --locked) and about 3 GB of disk.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

FEATURES = ["feature1", "feature2", "feature1_times_feature2", "feature1_minus_feature2"]


def prep(raw: pathlib.Path, out: pathlib.Path) -> None:
    """Computes the features of every raw file."""
    import polars as pl

    for split in ("train", "predict"):
        (out / split).mkdir(parents=True, exist_ok=True)
        for file in sorted((raw / split).glob("*.parquet")):
            frame = pl.read_parquet(file).with_columns(
                (pl.col("feature1") * pl.col("feature2")).alias("feature1_times_feature2"),
                (pl.col("feature1") - pl.col("feature2")).alias("feature1_minus_feature2"),
            )
            frame.write_parquet(out / split / file.name, compression="snappy")


def prep_duckdb(raw: pathlib.Path, out: pathlib.Path) -> None:
    """The same by DuckDB, on two threads."""
    import duckdb

    connection = duckdb.connect(config={"threads": 2})
    for split in ("train", "predict"):
        (out / "duckdb" / split).mkdir(parents=True, exist_ok=True)
        for file in sorted((raw / split).glob("*.parquet")):
            features = "feature1 * feature2 AS feature1_times_feature2, feature1 - feature2 AS feature1_minus_feature2"
            target = out / "duckdb" / split / file.name
            connection.execute(f"COPY (SELECT *, {features} FROM '{file}') TO '{target}' (FORMAT parquet, COMPRESSION snappy)")


def train(out: pathlib.Path) -> None:
    """Fits on all train files but the first, which is the holdout, and evaluates on that one."""
    import pickle

    import polars as pl
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

    holdout, *rest = sorted((out / "train").glob("*.parquet"))
    frame = pl.concat([pl.read_parquet(file) for file in rest])
    model = LogisticRegression(class_weight="balanced", max_iter=1000)
    model.fit(frame.select(FEATURES).to_numpy(), frame["target"].to_numpy())
    (out / "model.pickle").write_bytes(pickle.dumps(model))
    frame = pl.read_parquet(holdout)
    rows, target = frame.select(FEATURES).to_numpy(), frame["target"].to_numpy()
    predicted = model.predict(rows)
    scores = {metric.__name__: float(metric(target, predicted)) for metric in (accuracy_score, precision_score, recall_score, f1_score)}
    scores["roc_auc"] = float(roc_auc_score(target, model.predict_proba(rows)[:, 1]))
    (out / "metrics.json").write_text(json.dumps(scores))


def predict(out: pathlib.Path) -> None:
    """Scores every predict file."""
    import pickle

    import polars as pl

    model = pickle.loads((out / "model.pickle").read_bytes())
    (out / "results").mkdir(exist_ok=True)
    for file in sorted((out / "predict").glob("*.parquet")):
        frame = pl.read_parquet(file)
        rows = frame.select(FEATURES).to_numpy()
        frame = frame.with_columns(
            pl.Series("prediction", model.predict(rows)),
            pl.Series("probability", model.predict_proba(rows)[:, 1]),
            pl.lit("customer-classifier").alias("model_name"),
            pl.lit("1").alias("model_version"),
        )
        frame.write_parquet(out / "results" / file.name, compression="snappy")


def python_step(name: str, *folders: pathlib.Path) -> tuple[float, float]:
    """Seconds and peak MiB of one Python step in a process of its own."""
    started = time.perf_counter()
    child = subprocess.Popen([sys.executable, __file__, "--step", name, *map(str, folders)])
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        raise SystemExit(f"the Python step {name} failed")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def alameda(binary: pathlib.Path, home: pathlib.Path, options: argparse.Namespace) -> dict:
    """Runs the demo on fresh data; gives its workflow, whose nodes hold times and peak memory."""
    run = [binary, "--home", home, "demo", "--rows-per-file", str(options.rows_per_file)]
    run += ["--train-files", str(options.train_files), "--predict-files", str(options.predict_files)]
    subprocess.run(run, check=True)
    shown = subprocess.run([binary, "--home", home, "get", "@latest", "-o", "json"], check=True, capture_output=True)
    return json.loads(shown.stdout)


def seconds(node: dict) -> float:
    """Wall time of a node."""
    import datetime

    begin, end = (datetime.datetime.fromisoformat(node[at].replace("Z", "+00:00")) for at in ("startedAt", "finishedAt"))
    return (end - begin).total_seconds()


def find_binary() -> pathlib.Path:
    """The release binary, wherever cargo builds."""
    shown = subprocess.run(["cargo", "metadata", "--format-version", "1", "--no-deps"], check=True, capture_output=True)
    return pathlib.Path(json.loads(shown.stdout)["target_directory"]) / "release" / "alameda"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows-per-file", type=int, default=500_000)
    parser.add_argument("--train-files", type=int, default=10)
    parser.add_argument("--predict-files", type=int, default=4)
    parser.add_argument("--keep", action="store_true", help="keep the data")
    parser.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        name, *folders = options.step
        {"prep": prep, "prep-duckdb": prep_duckdb, "train": train, "predict": predict}[name](*map(pathlib.Path, folders))
        return

    home = pathlib.Path(tempfile.mkdtemp(prefix="alameda-benchmark-"))
    try:
        workflow = alameda(find_binary(), home, options)
        pods = [node for node in workflow["status"]["nodes"].values() if node["type"] == "Pod"]
        print("\n| step | s | peak MiB |\n|---|---|---|")
        for pod in sorted(pods, key=lambda node: node["startedAt"]):
            print(f"| {pod['templateName']} | {seconds(pod):.2f} | {pod.get('peakMemoryBytes', 0) / 2**20:.0f} |")

        raw = next(home.glob("raw/*/train")).parent
        out = home / "python"
        steps = {
            "prep": (["data-prep-map"], python_step("prep", raw, out)),
            "prep, compared with DuckDB": (["data-prep-map"], python_step("prep-duckdb", raw, out)),
            "train": (["model-training-train"], python_step("train", out)),
            "predict": (["batch-inference-map"], python_step("predict", out)),
        }
        print("\n| work | Python s | MiB | Alameda s | MiB | Python s / Alameda s |\n|---|---|---|---|---|---|")
        for work, (templates, (python_seconds, python_peak)) in steps.items():
            ours = [pod for pod in pods if pod["templateName"] in templates]
            # Groups run side by side: from the first start to the last end within each DAG.
            wall = sum(span(ours))
            peak = max(pod.get("peakMemoryBytes", 0) for pod in ours) / 2**20
            print(f"| {work} | {python_seconds:.2f} | {python_peak:.0f} | {wall:.2f} | {peak:.0f} | {python_seconds / wall:.1f} |")
        print(f"\nPython's metrics on the holdout: {(out / 'metrics.json').read_text()}")
    finally:
        if options.keep:
            print(f"kept {home}")
        else:
            shutil.rmtree(home)


def span(pods: list[dict]) -> list[float]:
    """Lengths of the stretches in which at least one of the pods ran."""
    import datetime

    def at(node: dict, key: str) -> datetime.datetime:
        return datetime.datetime.fromisoformat(node[key].replace("Z", "+00:00"))

    stretches: list[list[datetime.datetime]] = []
    for pod in sorted(pods, key=lambda node: node["startedAt"]):
        if stretches and at(pod, "startedAt") <= stretches[-1][1]:
            stretches[-1][1] = max(stretches[-1][1], at(pod, "finishedAt"))
        else:
            stretches.append([at(pod, "startedAt"), at(pod, "finishedAt")])
    return [(end - begin).total_seconds() for begin, end in stretches]


if __name__ == "__main__":
    main()
