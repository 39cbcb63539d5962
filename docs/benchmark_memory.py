"""Peak memory of `data-prep map` over one file with wide rows, whatever its format.

    cargo build --release --locked
    python3 -m venv venv && venv/bin/pip install numpy pyarrow
    just benchmark-memory venv/bin/python

Each file is prepared with one thread and a budget of 256 MiB; a step may take 64 MiB beyond its budget.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUDGET = 256
FORMATS = ["csv", "csv.gz", "csv.zst", "parquet"]
BATCH = 512


def column(name, type, role, **more):
    return {"name": name, "type": type, "role": role, **more}


KEY = [column("id", "int64", "id"), column("x", "float64", "feature")]
TARGET = [column("y", "int64", "target")]
TEXT = [column("note", "utf8", "ignored")]
MANY = [column(f"c{i}", "float64", "feature") for i in range(10_000)]

# Rows, texts of so many characters, further numbers, and the contract.
CASES = {
    "8,192 texts of 100 kB, which the contract does not name": (8192, 100_000, 0, []),
    "2,000 texts of 300 kB, carried into the parts": (2000, 300_000, 0, TEXT),
    "4,000 rows of 10,000 numbers": (4000, 0, 10_000, MANY),
}


def batches(rows, characters, numbers):
    import numpy
    import pyarrow

    random = numpy.random.default_rng(1)
    for start in range(0, rows, BATCH):
        ids = numpy.arange(start, min(start + BATCH, rows))
        columns = {"id": ids, "x": random.normal(size=len(ids)), "y": ids % 2}
        if characters:
            letters = random.integers(97, 123, size=(len(ids), characters), dtype=numpy.uint8)
            columns["note"] = [row.tobytes().decode() for row in letters]
        for i in range(numbers):
            columns[f"c{i}"] = random.normal(size=len(ids)).astype("float32").astype("float64")
        yield pyarrow.table(columns)


def write(path, format, *shape):
    """Runs in a process of its own: the peak that the system reports of a step is never below the
    memory of the process that started it."""
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    tables = batches(*shape)
    if format == "parquet":
        sink = None
        for table in tables:
            sink = sink or pyarrow.parquet.ParquetWriter(path, table.schema)
            sink.write_table(table)
        sink.close()
        return
    codec = {"csv.gz": "gzip", "csv.zst": "zstd"}.get(format)
    stream = pyarrow.CompressedOutputStream(path, codec) if codec else pyarrow.OSFile(path, "wb")
    with stream:
        for number, table in enumerate(tables):
            options = pyarrow.csv.WriteOptions(include_header=number == 0, quoting_style="needed")
            pyarrow.csv.write_csv(table, stream, options)


def measure(program, home, format, contract):
    config = home / "config"
    config.mkdir()
    dataset = {"columns": KEY + contract + TARGET}
    (config / "dataset.json").write_text(json.dumps(dataset))
    (config / "features.sql").write_text("SELECT * FROM raw")
    (home / "store").mkdir()
    environment = os.environ | {
        "STORE_URL": str(home / "store"),
        "RAW_URL": str(home / "raw"),
        "ALAMEDA_CONFIG": str(config),
        "ALAMEDA_WORK": str(home),
        "ALAMEDA_OUT": str(home / "out"),
        "ALAMEDA_MEMORY": f"{BUDGET}MiB",
        "ALAMEDA_THREADS": "1",
        "TRAIN_GLOB": f"train/*.{format}",
        "HOLDOUT": "fraction=0.1",
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
    return usage.ru_maxrss >> 10


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--formats", nargs="*", default=FORMATS)
    formats = parser.parse_args().formats
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    print("| rows |", " | ".join(f"{format}, MiB" for format in formats), "|")
    print("|---" * (1 + len(formats)) + "|")
    for case, (rows, characters, numbers, contract) in CASES.items():
        peaks = []
        for format in formats:
            with tempfile.TemporaryDirectory() as folder:
                home = Path(folder)
                (home / "raw/train").mkdir(parents=True)
                path = str(home / "raw/train" / f"a.{format}")
                shape = (rows, characters, numbers)
                writer = multiprocessing.Process(target=write, args=(path, format, *shape))
                writer.start()
                writer.join()
                peaks.append(measure(target / "release/alameda", home, format, contract))
        print(f"| {case} |", " | ".join(map(str, peaks)), "|", flush=True)


main()
