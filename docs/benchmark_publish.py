"""Times publishing, compared with psql on the same rows, in one run, and prints both as Markdown tables.

It scores sample data (2,000,000 rows), and writes the rows into Postgres by

* `publish-predictions publish`, reading the parquet parts, its sort included;
* `psql \\copy` of a CSV file, which is there already, into a table of the same columns, key and indexes;
* the way of the original, the Python pipeline that Alameda replaces: `\\copy` of that file into a temporary table, then
  `INSERT ... ON CONFLICT DO UPDATE`.

Each into an empty table, and then once more, as another model version of the same rows, over what is there.

Then it compares formats: the published rows, sorted by the key, from a file of binary COPY and from a CSV file
that Postgres wrote, each into the empty table.

    python3 docs/benchmark_publish.py

Needs a built `alameda` (cargo build --release --locked), `just install-services`, psql, and about 4 GB of disk. It starts a
Postgres of its own with the server's default settings, or uses the one of DATABASE_URL, in a schema of its own.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

from benchmark import find_binary
from benchmark_services import start

SCHEMA = "alameda_benchmark"
TABLE = f"{SCHEMA}.predictions"
KEY = '"customerId", date, model_name'
FORMATS = {"binary": "format binary", "csv": "format csv, header true"}


def services_python() -> pathlib.Path:
    """The Python that `just install-services` made, which has DuckDB."""
    cache = os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")
    return pathlib.Path(os.environ.get("ALAMEDA_SERVICES", f"{cache}/alameda/services")) / "venv/bin/python"


class Bench:
    def __init__(self, binary: pathlib.Path, home: pathlib.Path, database: str) -> None:
        self.binary, self.home, self.database = binary, home, database
        self.environment = {**os.environ, "DATABASE_URL": database, "DATABASE_SCHEMA": SCHEMA, "RUST_LOG": "warn"}

    def alameda(self, *arguments: object, **more: str) -> None:
        command = [self.binary, "--home", self.home, *map(str, arguments)]
        subprocess.run(command, check=True, env={**os.environ, **more}, capture_output=True)

    def psql(self, *statements: str) -> str:
        command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self.database]
        for statement in statements:
            command += ["-c", statement]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def publish(self, key: str) -> tuple[float, float]:
        """Seconds and peak MiB of one publishing."""
        command = [self.binary, "publish-predictions", "publish", f"--results-manifest={key}", "--log=text"]
        command += [f"--store-url={self.home}/store", f"--work={self.home}", f"--out={self.home}/out"]
        command += ["--termination-log=/dev/null"]
        self.psql("CHECKPOINT")
        started = time.perf_counter()
        child = subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        if status != 0:
            raise SystemExit("publishing failed")
        return time.perf_counter() - started, usage.ru_maxrss / 1024

    def timed(self, *statements: str) -> float:
        self.psql("CHECKPOINT")
        started = time.perf_counter()
        self.psql(*statements)
        return time.perf_counter() - started

    def digest(self) -> str:
        """Rows and a digest of all that does not tell which of the two was published."""
        return self.psql(
            f"SELECT count(*), sum(hashtext(\"customerId\" || date || coalesce(probability, 0) || prediction)::bigint) FROM {TABLE}"
        )

    def empty(self) -> None:
        self.psql(f"TRUNCATE {TABLE}", f"DELETE FROM {SCHEMA}.prediction_publications")


def second(store: pathlib.Path, first: str) -> str:
    """The same rows as results of another model version, scored later."""
    manifest = json.loads((store / first).read_text())
    manifest.update(model_version=2, fingerprint="2" * 64, created_at="2100-01-01T00:00:00Z")
    key = first.replace("/v1/", "/v2/")
    (store / key).parent.mkdir()
    (store / key).write_text(json.dumps(manifest))
    return key


def export(store: pathlib.Path, key: str, target: pathlib.Path) -> None:
    """The rows of results as a CSV file, in the order of the parts."""
    manifest = json.loads((store / key).read_text())
    parts = [str(store / part["key"]) for part in manifest["parts"]]
    names = [column["name"] for column in manifest["columns"] if column["name"] != "model_version"]
    listed = ", ".join(f'"{name}"' for name in names)
    query = f"SELECT {listed}, {manifest['model_version']} AS model_version, '{manifest['created_at']}' AS scored_at"
    script = f"import duckdb; duckdb.sql({query + f' FROM read_parquet({parts})'!r}).write_csv({str(target)!r})"
    subprocess.run([services_python(), "-c", script], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows-per-file", type=int, default=500_000)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--format-rounds", type=int, default=3)
    options = parser.parse_args()
    binary = find_binary()
    servers, database = None, os.environ.get("DATABASE_URL")
    if not database:
        servers, variables = start(binary)
        database = variables["DATABASE_URL"]
    try:
        with tempfile.TemporaryDirectory(prefix="alameda-benchmark-") as folder:
            compare(Bench(binary, pathlib.Path(folder), database), options)
    finally:
        if servers:
            servers.terminate()
            servers.wait()


def compare(bench: Bench, options: argparse.Namespace) -> None:
    nothing = {"DATABASE_URL": "", "PGHOST": ""}
    size = ["--rows-per-file", options.rows_per_file, "--train-files", 2, "--predict-files", options.files]
    bench.alameda("demo", *size, **nothing)
    store = bench.home / "store"
    first = str(next(store.glob("results/*/*/v1/_manifest.json")).relative_to(store))
    keys = [first, second(store, first)]
    files = [bench.home / "first.csv", bench.home / "second.csv"]
    for key, file in zip(keys, files):
        export(store, key, file)
    header = files[0].open().readline().strip().split(",")
    columns = ", ".join(f'"{name}"' for name in header)
    updates = ", ".join(f'"{name}" = excluded."{name}"' for name in header if name not in ("customerId", "date", "model_name"))

    bench.psql(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE", f"CREATE SCHEMA {SCHEMA}")
    ways = {}

    def note(way: str, over: str, seconds: float) -> None:
        ways.setdefault((over, way), []).append(seconds)

    peaks, digests = [], set()
    try:
        for _ in range(options.rounds):
            for over, results in zip(["empty table", "same keys"], keys):
                seconds, peak = bench.publish(results)
                note("publish-predictions", over, seconds)
                peaks.append(peak)
                digests.add(bench.digest())
            bench.empty()
            copy = [f"\\copy {TABLE} ({columns}) FROM '{file}' WITH (FORMAT csv, HEADER true)" for file in files]
            note("psql \\copy", "empty table", bench.timed(copy[0]))
            digests.add(bench.digest())
            bench.empty()
            for over, statement in zip(["empty table", "same keys"], copy):
                staged = statement.replace(TABLE, "stage", 1)
                merge = f"INSERT INTO {TABLE} ({columns}) SELECT {columns} FROM stage ON CONFLICT ({KEY}) DO UPDATE SET {updates}"
                temporary = f"CREATE TEMPORARY TABLE stage (LIKE {TABLE})"
                note("original's way", over, bench.timed(temporary, staged, merge))
                digests.add(bench.digest())
            bench.empty()
        if len(digests) != 1:
            raise SystemExit(f"the ways do not agree: {digests}")
        formats, sizes = compare_formats(bench, first, columns, options.format_rounds)
    finally:
        bench.psql(f"DROP SCHEMA {SCHEMA} CASCADE")

    rows = options.rows_per_file * options.files
    raw = statistics.median(ways["empty table", "psql \\copy"])
    print(f"\n{rows} rows; peak memory of publish-predictions {max(peaks):.0f} MiB\n")
    print("| over | way | s (median) | all | speed relative to \\copy into an empty table |\n|---|---|---|---|---|")
    for (over, way), seconds in sorted(ways.items()):
        median, all_of_them = statistics.median(seconds), ", ".join(f"{second:.1f}" for second in seconds)
        print(f"| {over} | {way} | {median:.1f} | {all_of_them} | {raw / median:.2f} |")

    csv = statistics.median(formats["csv"])
    print("\n| format of the sorted rows | MiB | s (median) | all | speed relative to CSV |\n|---|---|---|---|---|")
    for name, seconds in formats.items():
        median, all_of_them = statistics.median(seconds), ", ".join(f"{second:.2f}" for second in seconds)
        print(f"| {name} | {sizes[name]:.0f} | {median:.2f} | {all_of_them} | {csv / median:.2f} |")


def compare_formats(bench: Bench, results: str, columns: str, rounds: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Seconds of each copy of the published rows, sorted by the key, into the empty table, and MiB of the file, by format."""
    bench.publish(results)
    expected = bench.digest()
    files = {name: bench.home / f"sorted.{name}" for name in FORMATS}
    for name, file in files.items():
        bench.psql(f"\\copy (SELECT {columns} FROM {TABLE} ORDER BY {KEY}) TO '{file}' WITH ({FORMATS[name]})")
    times = {name: [] for name in FORMATS}
    for _ in range(rounds):
        for name, file in files.items():
            bench.empty()
            times[name].append(bench.timed(f"\\copy {TABLE} ({columns}) FROM '{file}' WITH ({FORMATS[name]})"))
            if (found := bench.digest()) != expected:
                raise SystemExit(f"{name} brought other rows: {found} instead of {expected}")
    return times, {name: file.stat().st_size / 2**20 for name, file in files.items()}


if __name__ == "__main__":
    main()
