"""Times the whole pipeline on real services of this machine, and counts its calls to the object store.

It starts MinIO, MLflow and Postgres by `alameda services`, runs the demo with 7 million rows on them, and prints, as
Markdown tables: seconds and peak memory of each step, and calls and bytes as MinIO itself counts them.

    python3 docs/benchmark_services.py

Needs a built `alameda` (cargo build --release --locked), `just install-services`, and about 4 GB of disk.
"""

import argparse
import json
import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import time
import urllib.request

from benchmark import find_binary, seconds


def start(binary: pathlib.Path) -> tuple[subprocess.Popen, dict[str, str]]:
    """The servers, which end with their standard input, and the variables that they print."""
    servers = subprocess.Popen([binary, "services"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    variables = {}
    for line in servers.stdout:
        name, _, value = line.removeprefix("export ").strip().partition("=")
        variables[name] = shlex.split(value)[0]
        if name == "DATABASE_URL":
            return servers, variables
    raise SystemExit("the services did not start")


def counted(endpoint: str) -> dict[str, int]:
    """Calls by kind, and bytes in and out, since MinIO started."""
    with urllib.request.urlopen(f"{endpoint}/minio/v2/metrics/cluster") as answer:
        text = answer.read().decode()
    counts = {api: int(float(n)) for api, n in re.findall(r'^minio_s3_requests_total\{api="(\w+)".*\} (\S+)$', text, re.M)}
    for name in ("received", "sent"):
        found = re.search(rf"^minio_s3_traffic_{name}_bytes\S* (\S+)$", text, re.M)
        counts[f"bytes {name}"] = int(float(found[1])) if found else 0
    return counts


def settled(endpoint: str) -> dict[str, int]:
    """Counts that have stopped growing: MinIO gathers them with a delay."""
    before = None
    while (now := counted(endpoint)) != before:
        before = now
        time.sleep(12)
    return now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows-per-file", type=int, default=500_000)
    parser.add_argument("--train-files", type=int, default=10)
    parser.add_argument("--predict-files", type=int, default=4)
    options = parser.parse_args()
    binary = find_binary()
    servers, variables = start(binary)
    try:
        environment = {**os.environ, **variables}
        with tempfile.TemporaryDirectory(prefix="alameda-benchmark-") as home:
            size = ["--rows-per-file", options.rows_per_file, "--train-files", options.train_files]
            size += ["--predict-files", options.predict_files]

            def alameda(*arguments: object) -> str:
                command = [binary, "--home", home, *map(str, arguments)]
                return subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True).stdout

            alameda("sample-data", *size)
            before = settled(variables["AWS_ENDPOINT_URL"])
            started = time.perf_counter()
            alameda("submit", "--from", "workflowtemplate/alameda-pipeline", "-p", "data-version=benchmark")
            wall = time.perf_counter() - started
            after = settled(variables["AWS_ENDPOINT_URL"])
            workflow = json.loads(alameda("get", "@latest", "-o", "json"))

        pods = [node for node in workflow["status"]["nodes"].values() if node["type"] == "Pod"]
        print(f"\nThe whole pipeline: {wall:.1f} s\n\n| step | s | peak MiB |\n|---|---|---|")
        for pod in sorted(pods, key=lambda node: node["startedAt"]):
            print(f"| {pod['templateName']} | {seconds(pod):.2f} | {pod.get('peakMemoryBytes', 0) / 2**20:.0f} |")
        print("\n| object store | |\n|---|---|")
        for name, count in after.items():
            count -= before.get(name, 0)
            shown = f"{count / 2**20:.0f} MiB" if name.startswith("bytes") else count
            if count:
                print(f"| {name} | {shown} |")
    finally:
        # Closing its input alone would do on a terminal.
        servers.terminate()
        servers.wait()


if __name__ == "__main__":
    main()
