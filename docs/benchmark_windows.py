"""Times windows over the rows of a customer, compared with DuckDB and polars, in one run, and prints a Markdown table.

All compute a mean, a count and the last value of 30 days for every row of the raw files, and write parquet. Each program
is a process of its own, and so is each verb of data-prep. DuckDB and polars hold all rows in memory, and check nothing.

    python3 -m venv venv && venv/bin/pip install duckdb polars pyarrow
    venv/bin/python docs/benchmark_windows.py

Needs a built `alameda` (cargo build --release --locked) and about 2 GB of disk.
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

from benchmark import find_binary

DATASET = {
    "lookback": "30 days",
    "columns": [
        {"name": "customer", "type": "int64", "role": "id"},
        {"name": "date", "type": "timestamp", "role": "time"},
        {"name": "amount", "type": "float64", "role": "feature"},
        {"name": "target", "type": "int64", "role": "target", "allowed": [0, 1]},
    ],
}
SQL = """SELECT customer, date, target, amount,
    avg(amount) OVER month AS mean, count(amount) OVER month AS count,
    last_value(amount) OVER (PARTITION BY customer ORDER BY date
        RANGE BETWEEN INTERVAL '30 days' PRECEDING AND INTERVAL '1 microsecond' PRECEDING) AS last
FROM raw WINDOW month AS (PARTITION BY customer ORDER BY date
    RANGE BETWEEN INTERVAL '30 days' PRECEDING AND CURRENT ROW)"""


def write(raw: pathlib.Path, rows: int, customers: int, share: float, files: int) -> None:
    """A year of events in any order, each at a time of its own; a share of them is of one customer."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(7)
    (raw / "train").mkdir(parents=True)
    step = 365 * 86_400 * 1_000_000 // rows
    dates = random.permutation(rows) * step
    for file, part in enumerate(np.array_split(dates, files)):
        customer = np.where(random.random(len(part)) < share, 0, random.integers(1, customers, len(part)))
        table = pa.table({
            "customer": pa.array(customer),
            "date": pa.array(part + 1_704_067_200_000_000, pa.timestamp("us")),
            "amount": pa.array(np.round(random.gamma(2.0, 30.0, len(part)), 2)),
            "target": pa.array((random.random(len(part)) < 0.3).astype("int64")),
        })
        pq.write_table(table, raw / "train" / f"{file:02}.parquet")


def by_duckdb(raw: pathlib.Path, out: pathlib.Path) -> None:
    import duckdb

    sql = SQL.replace("FROM raw", f"FROM read_parquet('{raw}/train/*.parquet')")
    duckdb.sql(f"SET threads = {os.cpu_count()}; COPY ({sql}) TO '{out}' (FORMAT parquet)")


def by_polars(raw: pathlib.Path, out: pathlib.Path) -> None:
    import polars as pl

    frame = pl.read_parquet(raw / "train" / "*.parquet").sort("customer", "date")
    windows = frame.rolling("date", period="30d", closed="both", group_by="customer").agg(
        pl.col("amount").mean().alias("mean"),
        pl.col("amount").count().alias("count"),
        # No two rows are of the same time: the one before the last is the last one before.
        pl.col("amount").get(-2, null_on_oob=True).alias("last"),
    )
    frame.with_columns(windows["mean"], windows["count"], windows["last"]).write_parquet(out)


def run(command: list) -> tuple[float, float]:
    """Seconds and peak MiB of a process."""
    started = time.perf_counter()
    child = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    shown = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        raise SystemExit(f"{command} failed: {shown.decode()}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def prepare(binary: pathlib.Path, home: pathlib.Path, raw: pathlib.Path, memory: str) -> list[tuple[str, float, float]]:
    """Runs data-prep as a workflow does, in one group; gives each verb with its seconds and peak MiB."""
    config, out = home / "config", home / "out"
    config.mkdir()
    (config / "dataset.json").write_text(json.dumps(DATASET))
    (config / "features.sql").write_text(SQL)
    given = [f"--store-url={home / 'store'}", f"--out={out}", f"--work={home / 'work'}", f"--memory={memory}"]
    (home / "work").mkdir()
    (home / "store").mkdir()
    read = [f"--raw-url={raw}"]
    steps = []

    def verb(name: str, *more: str) -> None:
        steps.append((name, *run([binary, "data-prep", name, *given, *more])))

    verb("plan", *read, "--split=train", "--data-version=1", "--holdout=fraction=0.1", "--parallelism=1", f"--config-dir={config}")
    plan = f"--plan={(out / 'plan').read_text()}"
    (group,) = json.loads((out / "reduce-groups").read_text())
    verb("shuffle", *read, plan, "--group=000-of-001")
    verb("reduce", plan, f"--group={group}")
    verb("commit", plan)
    return steps


def compare(home: pathlib.Path, theirs: dict[str, pathlib.Path]) -> str:
    """How many rows differ from those of the others, the mean by more than 1e-9 of itself."""
    import duckdb

    answers = []
    for name, path in theirs.items():
        differing, rows = duckdb.sql(f"""
            SELECT count(*) FILTER (a.count <> b.count OR a.last IS DISTINCT FROM b.last
                OR abs(a.mean - b.mean) > 1e-9 * abs(b.mean)), count(*)
            FROM read_parquet('{home}/store/*/1/part-*.parquet') a
            JOIN read_parquet('{path}') b USING (customer, date)""").fetchall()[0]
        answers.append(f"{differing} of {rows} rows differ from {name}'s")
    return ", ".join(answers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--customers", type=int, default=200_000)
    parser.add_argument("--share", type=float, default=0.0, help="share of the rows that is of one customer")
    parser.add_argument("--files", type=int, default=10)
    parser.add_argument("--memory", default="1GiB")
    parser.add_argument("--alone", action="store_true", help="without DuckDB and polars")
    parser.add_argument("--binary", type=pathlib.Path)
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--write", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        raw, rows, customers, share, files = options.write
        write(pathlib.Path(raw), int(rows), int(customers), float(share), int(files))
        return
    if options.step:
        name, raw, out = options.step
        {"DuckDB": by_duckdb, "polars": by_polars}[name](pathlib.Path(raw), pathlib.Path(out))
        return

    home = pathlib.Path(tempfile.mkdtemp(prefix="alameda-benchmark-"))
    try:
        raw = home / "raw"
        given = [options.rows, options.customers, options.share, options.files]
        # A process begins with the memory of the one that starts it, so this one holds no data.
        run([sys.executable, __file__, "--write", raw, *given])
        theirs = {} if options.alone else {name: home / f"{name}.parquet" for name in ("DuckDB", "polars")}
        print("| program | s | peak MiB |\n|---|---|---|")
        for name, path in list(theirs.items()):
            try:
                seconds, peak = run([sys.executable, __file__, "--step", name, raw, path])
            except SystemExit:
                # Windows of one customer with very many rows take more memory than there is.
                theirs.pop(name)
                print(f"| {name} | failed | |")
                continue
            print(f"| {name} | {seconds:.2f} | {peak:.0f} |")
        steps = prepare(options.binary or find_binary(), home, raw, options.memory)
        for name, seconds, peak in steps:
            print(f"| data-prep {name} | {seconds:.2f} | {peak:.0f} |")
        print(f"| Alameda, all | {sum(step[1] for step in steps):.2f} | {max(step[2] for step in steps):.0f} |")
        size = lambda pattern: sum(file.stat().st_size for file in home.glob(pattern))
        shuffled, files = size("store/_work/*/shuffled/*"), size("raw/train/*")
        print(f"\nShuffled: {shuffled / files:.2f} bytes for each of the {files / 2**20:.0f} MiB of raw files.")
        if theirs:
            print(compare(home, theirs))
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
