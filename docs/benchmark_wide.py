"""Peak memory of `data-prep map` on wide rows and long texts, with two budgets.

Takes the program `alameda`; needs numpy and pyarrow. Prints a table, and fails where parts differ between budgets.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ALAMEDA = os.path.abspath(sys.argv[1])
BUDGETS = ["128MiB", "256MiB"]
COLUMNS = [
    {"name": "id", "type": "int64", "role": "id"},
    {"name": "x", "type": "float64", "role": "feature"},
    {"name": "y", "type": "int64", "role": "target"},
]
TEXT = {"name": "text", "type": "utf8", "role": "ignored"}


def rows(seed, count, more):
    random = np.random.default_rng(seed)
    x = random.normal(size=count)
    y = (random.random(count) < 1 / (1 + np.exp(-x))).astype("int64")
    return {"id": np.arange(count) + seed * 10**7, "x": x, "y": y, **more(random, count)}


def texts(random, count):
    return {"text": pa.array(["x" * 300_000] * count)}


def floats(columns):
    return lambda random, count: {f"f{i}": random.normal(size=count) for i in range(columns)}


def features(columns):
    return [{"name": f"f{i}", "type": "float64", "role": "feature"} for i in range(columns)]


CASES = [
    ("8,192 texts of 300 kB, not in the contract", 8192, texts, [], "*"),
    ("8,192 texts of 300 kB, ignored", 8192, texts, [TEXT], "id, x, y"),
    ("8,192 texts of 300 kB, carried along", 8192, texts, [TEXT], "*"),
    ("20,000 of 1,000 floats", 20_000, floats(1_000), features(1_000), "*"),
    ("2,000 of 10,000 floats, 2 in the contract", 2_000, floats(10_000), features(2), "*"),
    ("2,000 of 10,000 floats", 2_000, floats(10_000), features(10_000), "*"),
]


def prepared(home, budget):
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
    }
    plan = ["plan", "--split=train", "--data-version=1", "--parallelism=1"]
    subprocess.run([ALAMEDA, "data-prep", *plan], env=environment, check=True, capture_output=True)
    key = (home / "out" / "plan").read_text()
    command = [ALAMEDA, "data-prep", "map", f"--plan={key}", "--group=000-of-001"]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    peak = 0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            # Before it is the program, the process is a copy of this one.
            if status.startswith("Name:\talameda"):
                lines = [line for line in status.splitlines() if line.startswith("VmHWM")]
                peak = max([peak, *(int(line.split()[1]) // 1024 for line in lines)])
        except OSError:
            pass
        time.sleep(0.002)
    assert process.returncode == 0, f"exit {process.returncode}"
    digest = hashlib.sha256()
    for part in sorted(store.rglob("part-*")):
        digest.update(part.read_bytes())
    return peak, digest.hexdigest()


def main():
    for name, count, more, contract, sql in CASES:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            for place in ["raw/train", "config", "out"]:
                (home / place).mkdir(parents=True)
            dataset = {"columns": COLUMNS + contract}
            (home / "config" / "dataset.json").write_text(json.dumps(dataset))
            (home / "config" / "features.sql").write_text(f"SELECT {sql} FROM raw")
            for seed in [1, 2]:
                table = pa.table(rows(seed, count, more))
                pq.write_table(table, home / "raw" / "train" / f"{seed}.parquet")
                del table
            measured = [prepared(home, budget) for budget in BUDGETS]
            assert len({digest for _, digest in measured}) == 1, "the parts differ"
            print("|", name, "|", " | ".join(f"{peak} MiB" for peak, _ in measured), "|", flush=True)


main()
