"""Peak memory of `data-prep map` on wide rows and long texts, by format and budget.

    cargo build --release --locked
    python3 -m venv venv && venv/bin/pip install numpy pyarrow
    just benchmark-memory venv/bin/python

Two files of each case are prepared on two threads with a holdout, so each thread has two splits to write. A step may take
64 MiB beyond its budget. The script fails if parts differ between budgets.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUDGETS = ["128MiB", "256MiB"]
FORMATS = ["parquet", "csv", "csv.gz", "csv.zst"]
BATCH = 512


def column(name, type, role):
    return {"name": name, "type": type, "role": role}


KEY = [column("id", "int64", "id"), column("x", "float64", "feature")]
TARGET = [column("y", "int64", "target")]
TEXT = [column("text", "utf8", "ignored")]


def features(count):
    return [column(f"f{i}", "float64", "feature") for i in range(count)]


# Rows of a file, characters of a text, whether all texts are the same, numbers, columns of the contract, and the SQL.
CASES = {
    "8,192 of one text of 300 kB, not in the contract": (8192, 300_000, True, 0, [], "*"),
    "8,192 of one text of 300 kB, not returned by features.sql": (8192, 300_000, True, 0, TEXT, "id, x, y"),
    "8,192 of one text of 300 kB, returned by features.sql": (8192, 300_000, True, 0, TEXT, "*"),
    "2,000 texts of 100 kB, returned by features.sql": (2000, 100_000, False, 0, TEXT, "*"),
    "20,000 of 1,000 numbers": (20_000, 0, False, 1_000, features(1_000), "*"),
    "2,000 of 10,000 numbers, 2 in the contract": (2_000, 0, False, 10_000, features(2), "*"),
    "2,000 of 10,000 numbers": (2_000, 0, False, 10_000, features(10_000), "*"),
    "4,000 of 10,000 numbers": (4_000, 0, False, 10_000, features(10_000), "*"),
}


def tables(seed, rows, characters, same, numbers):
    import numpy
    import pyarrow

    random = numpy.random.default_rng(seed)
    for start in range(0, rows, BATCH):
        ids = numpy.arange(start, min(start + BATCH, rows)) + seed * 10**7
        columns = {"id": ids, "x": random.normal(size=len(ids)), "y": ids % 2}
        if same:
            columns["text"] = ["x" * characters] * len(ids)
        elif characters:
            letters = random.integers(97, 123, size=(len(ids), characters), dtype=numpy.uint8)
            columns["text"] = [row.tobytes().decode() for row in letters]
        for i in range(numbers):
            columns[f"f{i}"] = random.normal(size=len(ids))
        yield pyarrow.table(columns)


def write(path, format, *shape):
    """Runs in a process of its own: the peak that the system reports of a step is never below the memory of the process
    that started it."""
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    if format == "parquet":
        # With pyarrow's defaults: one row group of all rows.
        pyarrow.parquet.write_table(pyarrow.concat_tables(tables(*shape)), path)
        return
    codec = {"csv.gz": "gzip", "csv.zst": "zstd"}.get(format)
    stream = pyarrow.CompressedOutputStream(path, codec) if codec else pyarrow.OSFile(path, "wb")
    with stream:
        for number, table in enumerate(tables(*shape)):
            options = pyarrow.csv.WriteOptions(include_header=number == 0, quoting_style="needed")
            pyarrow.csv.write_csv(table, stream, options)


def prepared(program, home, budget):
    """Runs `plan` and `map`; gives the peak of `map` in MiB, and the digest of the parts."""
    store = home / f"store-{budget}"
    store.mkdir()
    environment = os.environ | {
        "STORE_URL": str(store),
        "RAW_URL": str(home / "raw"),
        "ALAMEDA_CONFIG": str(home / "config"),
        "ALAMEDA_WORK": str(home),
        "ALAMEDA_OUT": str(home / "out"),
        "ALAMEDA_MEMORY": budget,
        "ALAMEDA_THREADS": "2",
        "HOLDOUT": "fraction=0.3",
        "TRAIN_GLOB": "train/*",
        # As in the images.
        "MALLOC_ARENA_MAX": "2",
    }
    step = [program, "data-prep"]
    plan = [*step, "plan", "--split=train", "--data-version=1", "--parallelism=1"]
    subprocess.run(plan, env=environment, check=True, capture_output=True)
    key = (home / "out/plan").read_text()
    map = [*step, "map", f"--plan={key}", "--group=000-of-001"]
    process = subprocess.Popen(map, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(errors)
    digest = hashlib.sha256()
    for part in sorted(store.rglob("part-*")):
        digest.update(part.read_bytes())
    return usage.ru_maxrss >> 10, digest.hexdigest()


def measure(program, format, rows, characters, same, numbers, contract, sql):
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for place in ["raw/train", "config", "out"]:
            (home / place).mkdir(parents=True)
        (home / "config/dataset.json").write_text(json.dumps({"columns": KEY + contract + TARGET}))
        (home / "config/features.sql").write_text(f"SELECT {sql} FROM raw")
        for seed in [1, 2]:
            arguments = (home / f"raw/train/{seed}.{format}", format, seed, rows, characters, same, numbers)
            writer = multiprocessing.Process(target=write, args=arguments)
            writer.start()
            writer.join()
        measured = [prepared(program, home, budget) for budget in BUDGETS]
        assert len({digest for _, digest in measured}) == 1, "the parts differ"
        return [peak for peak, _ in measured]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--formats", nargs="*", default=FORMATS)
    parser.add_argument("--cases", default="", help="only cases whose name holds this")
    arguments = parser.parse_args()
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    heads = [f"{format}, {budget}" for format in arguments.formats for budget in BUDGETS]
    print("| rows of a file |", " | ".join(heads), "|")
    print("|---" * (1 + len(heads)) + "|")
    for case, shape in CASES.items():
        if arguments.cases not in case:
            continue
        peaks = [measure(target / "release/alameda", format, *shape) for format in arguments.formats]
        print(f"| {case} |", " | ".join(f"{peak} MiB" for pair in peaks for peak in pair), "|", flush=True)


main()
