"""Times the report, and pandas, scipy and scikit-learn computing the same numbers, in one run, and prints a Markdown table.

It scores sample data: 2,000,000 predictions with 5 features, against a reference of 4,500,000 rows.
Both sides read the parquet parts from disk. Python reads the training rows too, since nobody keeps profiles for it.

    python3 docs/benchmark_report.py

Needs a built `alameda` (cargo build --release --locked), an environment with numpy, pandas, pyarrow, scipy and scikit-learn
(--python), and about 3 GB of disk.
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

TOLERANCE = {"accuracy": 1e-9, "f1": 1e-9, "roc_auc": 1e-9, "pr_auc": 1e-9, "log_loss": 1e-9, "brier": 1e-9, "ks": 0.002, "psi": 0.002}


def measured(command: list, **more: str) -> tuple[str, float, float]:
    """What a command printed, its seconds, and its peak MiB."""
    started = time.perf_counter()
    child = subprocess.Popen(list(map(str, command)), env={**os.environ, **more}, stdout=subprocess.PIPE, text=True)
    printed = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        raise SystemExit(f"{command[0]} failed")
    return printed, time.perf_counter() - started, usage.ru_maxrss / 1024


def in_python(store: pathlib.Path, key: str) -> dict:
    """The numbers of a report, as a data scientist computes them."""
    import numpy as np
    import pandas as pd
    from scipy import stats
    from scipy.spatial import distance
    from sklearn import calibration, metrics

    results = json.loads((store / key).read_text())
    manifest = json.loads((store / results["model"]).read_text())
    model = json.loads((store / next(f["key"] for f in manifest["files"] if f["key"].endswith("/model.json"))).read_text())
    features, threshold = model["features"], model["threshold"]
    read = lambda parts, columns: pd.concat([pd.read_parquet(store / part["key"], columns=columns) for part in parts])
    train = json.loads((store / manifest["train_manifest"]).read_text())
    then = read(train["parts"], features)
    now = read(results["parts"], [*features, "customerId", "date", "target", "probability"])
    then["probability"] = 1 / (1 + np.exp(-(then[features].to_numpy() @ np.array(model["coefficients"]) + model["intercept"])))
    day = now["date"].dt.floor("D")

    answer = {"rows": len(now), "repeated": int(now.duplicated(["customerId", "date"]).sum()), "drift": {}}
    for name in [*features, "probability"]:
        a, b = then[name].to_numpy(), now[name].to_numpy()
        edges = np.unique(np.quantile(a, np.arange(1, 10) / 10))
        bins = np.concatenate([[-np.inf, a.min()], edges, [np.nextafter(a.max(), np.inf), np.inf]])
        expected, actual = np.histogram(a, bins)[0], np.histogram(b, bins)[0]
        used = expected + actual > 0
        share = lambda counts: np.maximum(counts[used] / counts.sum(), 1e-4)
        psi = lambda counts: float(((share(counts) - share(expected)) * np.log(share(counts) / share(expected))).sum())
        cells = pd.cut(now[name], bins, labels=False, right=False)
        by_day = pd.crosstab(day, cells).reindex(columns=range(len(bins) - 1), fill_value=0)
        low, high = np.quantile(np.concatenate([a, b]), [0.002, 0.998])
        answer["drift"][name] = {
            "psi": psi(actual),
            "psi_by_day": [psi(counts) for counts in by_day.to_numpy()],
            "ks": float(stats.ks_2samp(a, b, method="asymp").statistic),
            "js": float(distance.jensenshannon(expected, actual, base=2)),
            "nulls": int(now[name].isna().sum()),
            "out of range": [int((b < a.min()).sum()), int((b > a.max()).sum())],
            "moments": [[float(f(side)) for f in (np.mean, np.std, np.median, np.min, np.max)] for side in (a, b)],
            "histograms": [np.histogram(side, 32, (low, high))[0].tolist() for side in (a, b)],
        }

    def performance(y, p):
        predicted = p >= threshold
        right = int((y == predicted).sum())
        return {
            "accuracy": metrics.accuracy_score(y, predicted),
            "precision": metrics.precision_score(y, predicted, zero_division=0),
            "recall": metrics.recall_score(y, predicted, zero_division=0),
            "f1": metrics.f1_score(y, predicted, zero_division=0),
            "roc_auc": metrics.roc_auc_score(y, p),
            "log_loss": metrics.log_loss(y, p, labels=[0, 1]),
            "brier": metrics.brier_score_loss(y, p),
            "confusion": metrics.confusion_matrix(y, predicted, labels=[0, 1]).tolist(),
            "interval": list(stats.binomtest(right, len(y)).proportion_ci(method="wilson")),
        }

    y, p = now["target"].to_numpy(), now["probability"].to_numpy()
    answer |= performance(y, p)
    answer["pr_auc"] = metrics.average_precision_score(y, p)
    metrics.roc_curve(y, p)
    metrics.precision_recall_curve(y, p)
    calibration.calibration_curve(y, p, n_bins=10)
    answer["thresholds"] = [metrics.confusion_matrix(y, p >= t / 20).tolist() for t in range(1, 20)]
    cuts = np.quantile(then["probability"], np.arange(1, 10) / 10)
    answer["segments"] = [performance_of for _, performance_of in now.groupby(np.digitize(p, cuts)).apply(
        lambda part: performance(part["target"].to_numpy(), part["probability"].to_numpy()) if part["target"].nunique() > 1 else {}
    ).items()]
    answer["days"] = [performance(part["target"].to_numpy(), part["probability"].to_numpy()) for _, part in now.groupby(day)]
    return answer


def same(report: dict, answer: dict) -> None:
    """Both sides found the same."""
    pairs = [(name, report["performance"]["overall"][name], answer[name]) for name in ("accuracy", "f1", "roc_auc", "pr_auc", "log_loss", "brier")]
    for column in [report["drift"]["score"], *report["drift"]["features"]]:
        found = answer["drift"]["probability" if column["name"] == "score" else column["name"]]
        pairs += [("psi", column["psi"]["value"], found["psi"]), ("ks", column["ks"]["statistic"], found["ks"])]
    for name, ours, theirs in pairs:
        if abs(ours - theirs) > TOLERANCE[name]:
            raise SystemExit(f"{name} is {ours}, and in Python {theirs}")
    if len(report["performance"]["days"]) != len(answer["days"]) or report["quality"]["duplicate_rows"] != answer["repeated"]:
        raise SystemExit("days or repeated rows differ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="Python with pandas, scipy and scikit-learn")
    parser.add_argument("--rows-per-file", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-python", nargs=2, metavar=("STORE", "KEY"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_python:
        print(json.dumps(in_python(pathlib.Path(options.in_python[0]), options.in_python[1])))
        return
    from benchmark import find_binary

    binary = find_binary()
    with tempfile.TemporaryDirectory(prefix="alameda-benchmark-") as folder:
        home, maps = pathlib.Path(folder) / "home", pathlib.Path(folder) / "config-maps"
        shutil.copytree(pathlib.Path(__file__).parent.parent / "config-maps", maps)
        features = maps / "features.sql"
        features.write_text(features.read_text().replace("FROM raw", ", feature2 * feature2 AS feature2_squared\nFROM raw"))
        nothing = {"DATABASE_URL": "", "PGHOST": "", "MLFLOW_TRACKING_URI": "", "RUST_LOG": "warn"}
        demo = [binary, "--home", home, "--config-maps", maps, "demo", "--rows-per-file", options.rows_per_file]
        measured(demo, **nothing)
        store = home / "store"
        key = str(next(store.glob("results/*/*/v1/_manifest.json")).relative_to(store))
        raw = next((home / "raw").iterdir())
        command = [binary, "model-monitoring", "report", f"--store-url={store}", f"--raw-url={raw}", f"--results-manifest={key}"]
        command += [f"--work={folder}", f"--out={folder}/out", "--termination-log=/dev/null", "--cache=refresh"]
        ours, theirs = [], []
        for _ in range(options.rounds):
            ours.append(measured(command, **nothing)[1:])
            printed, *figures = measured([options.python, __file__, "--in-python", store, key])
            theirs.append(figures)
        same(json.loads(next(store.glob("reports/*/*/v1/report.json")).read_text()), json.loads(printed))
        (ours_s, theirs_s) = (min(seconds for seconds, _ in side) for side in (ours, theirs))
        print(f"\n{len(ours)} rounds each, in turn; the quickest\n\n| way | s | peak MiB |\n|---|---|---|")
        print(f"| pandas, scipy and scikit-learn | {theirs_s:.2f} | {max(peak for _, peak in theirs):.0f} |")
        print(f"| model-monitoring report | {ours_s:.2f} | {max(peak for _, peak in ours):.0f} |")
        print(f"\n{theirs_s / ours_s:.1f} times as fast")


if __name__ == "__main__":
    main()
