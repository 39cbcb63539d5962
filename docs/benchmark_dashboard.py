"""Times the dashboard over 2,000,000 predictions, in Postgres and in the object store, also with fifty concurrent viewers.

It starts MinIO, MLflow and Postgres by `alameda services`, runs the demo on them (2,000,000 predictions), serves the
dashboard over each source, and prints Markdown tables: the first answer of each page after a start, the median of the
following ones, then time and errors under fifty viewers at once, and peak memory. All of it stays on this machine.

    python3 docs/benchmark_dashboard.py

Needs a built `alameda` (cargo build --release --locked), `just install-services`, and about 4 GB of disk.
"""

import argparse
import concurrent.futures
import contextlib
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from benchmark import find_binary
from benchmark_services import start


def ask(url: str) -> tuple[float, int, str]:
    """Seconds, status and body."""
    started = time.perf_counter()
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            status, body = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        status, body = error.code, ""
    return time.perf_counter() - started, status, body


@contextlib.contextmanager
def serving(binary: pathlib.Path, home: str, environment: dict[str, str]):
    """A dashboard on a free port, and its address."""
    command = [binary, "--home", home, "dashboard", "--bind", "127.0.0.1:0"]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        lines = (re.search(r"http://[\d.:]+", line) for line in child.stderr)
        yield child, next(line[0] for line in lines if line)
    finally:
        child.terminate()
        child.wait()


def peak(process: int) -> int:
    """Its peak resident memory, in MiB."""
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) // 1024


def pages(url: str, prediction: str | None) -> dict[str, str]:
    model = re.search(r'href="/models/([^?"]+)', ask(f"{url}/")[2])[1]
    found = {"all models": "/", "model": f"/models/{model}", "model, by month": f"/models/{model}?by=month"}
    found |= {"compare": f"/models/{model}/compare", "runs": "/runs", "data": "/data", "metrics": "/metrics"}
    return found | ({"one prediction": f"/prediction?id={prediction}"} if prediction else {})


def crowd(url: str, paths: list[str], options: argparse.Namespace) -> tuple[int, int, float, float, float]:
    """Pages, errors, median and 95 % seconds of a page, and pages a second, while many people look at the same time."""
    looks = [url + paths[look % len(paths)] for look in range(options.viewers * options.looks)]
    started = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(options.viewers) as viewers:
        answers = list(viewers.map(ask, looks))
    took = [answer[0] for answer in answers]
    errors = sum(answer[1] != 200 for answer in answers)
    rate = len(looks) / (time.perf_counter() - started)
    return len(looks), errors, statistics.median(took), statistics.quantiles(took, n=20)[-1], rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows-per-file", type=int, default=500_000)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--looks", type=int, default=20, help="pages that each viewer opens")
    options = parser.parse_args()
    binary = find_binary()
    servers, variables = start(binary)
    try:
        with tempfile.TemporaryDirectory(prefix="alameda-benchmark-") as home:
            database = {**os.environ, **variables}
            store = {name: value for name, value in database.items() if name != "DATABASE_URL"}
            demo = [binary, "--home", home, "demo", "--rows-per-file", str(options.rows_per_file)]
            subprocess.run(demo, check=True, env=database, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            sql = ["psql", variables["DATABASE_URL"], "-Atc", 'SELECT count(*), max("customerId") FROM predictions']
            rows, customer = subprocess.run(sql, check=True, stdout=subprocess.PIPE, text=True).stdout.strip().split("|")
            print(f"\n{int(rows):,} predictions, {options.viewers} viewers with {options.looks} pages each\n")
            print("| source | page | first, ms | then, ms |\n|---|---|---|---|")
            crowds = []
            for source, environment in (("Postgres", database), ("store", store)):
                with serving(binary, home, environment) as (_, url):
                    found = pages(url, customer if source == "Postgres" else None)
                for name, path in found.items():
                    # Each is the first page of a fresh program.
                    with serving(binary, home, environment) as (_, url):
                        first, status, _ = ask(url + path)
                        then = statistics.median(ask(url + path)[0] for _ in range(20))
                    if status != 200:
                        raise SystemExit(f"{path} over {source} gives {status}")
                    print(f"| {source} | {name} | {first * 1000:.0f} | {then * 1000:.0f} |")
                with serving(binary, home, environment) as (child, url):
                    crowds.append((source, *crowd(url, list(found.values()), options), peak(child.pid)))
            print("\n| source | pages | errors | median, ms | 95 %, ms | pages a second | peak MiB |\n|---|---|---|---|---|---|---|")
            for source, count, errors, median, most, rate, memory in crowds:
                print(f"| {source} | {count} | {errors} | {median * 1000:.0f} | {most * 1000:.0f} | {rate:.0f} | {memory} |")
    finally:
        servers.terminate()
        servers.wait()


if __name__ == "__main__":
    main()
