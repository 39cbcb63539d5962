"""Lints, runs every test program that `cargo test` would run, a few at a time, and then the doc tests:
run.py [CARGO OPTION...]

Most of the time of a test is spent waiting for services, so that one program after the other would leave cores idle.
"""

import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

# Where Linux keeps files in memory.
MEMORY = "/dev/shm"
# What the temporary files of programs that run side by side may take, with room to spare.
ROOM = 12 << 30


def folder_in_memory():
    """Gives a folder in memory for temporary files, or None if there is not enough of it.

    On a disk, creating and deleting so many small files takes a quarter of the processor time of all tests.
    """
    try:
        with open("/proc/meminfo") as file:
            kibibytes = dict(line.split()[:2] for line in file)["MemAvailable:"]
        room = min(int(kibibytes) << 10, shutil.disk_usage(MEMORY).free)
        runs_programs = not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC
    except (OSError, KeyError):
        return None
    return MEMORY if room >= ROOM and runs_programs and os.access(MEMORY, os.W_OK) else None


def built(options):
    """Builds the test programs; gives (path, title, folder of its package) of each."""
    command = ["cargo", "test", *options, "--no-run", "--message-format=json-render-diagnostics"]
    build = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if build.returncode != 0:
        sys.exit(build.returncode)
    programs = []
    for message in map(json.loads, build.stdout.splitlines()):
        if message["reason"] == "compiler-artifact" and message["profile"]["test"] and message["executable"]:
            folder = os.path.dirname(message["manifest_path"])
            title = f"{os.path.basename(folder)} {os.path.relpath(message['target']['src_path'], folder)}"
            programs.append((message["executable"], title, folder))
    return programs


def last_seconds(record):
    """Gives the seconds that each program took in the last run, by title."""
    try:
        with open(record) as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def run(program, temporary_files):
    """Runs one program; gives its exit code, its title, its seconds, and what it printed."""
    path, title, folder = program
    start = time.monotonic()
    # Servers and browsers of a program end after it, and may still write to its temporary files.
    with tempfile.TemporaryDirectory(
        prefix="alameda-", dir=temporary_files, ignore_cleanup_errors=True
    ) as temporary:
        # Postgres runs as another user where this is root.
        os.chmod(temporary, 0o755)
        done = subprocess.run(
            [path], cwd=folder, env={**os.environ, "TMPDIR": temporary},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )
    return done.returncode, title, time.monotonic() - start, done.stdout


def lint():
    """Lints, in the time that tests leave; gives the same as a program."""
    start = time.monotonic()
    done = subprocess.run(
        ["nice", "just", "lint"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    return done.returncode, "lint", time.monotonic() - start, done.stdout


def main():
    options = sys.argv[1:]
    programs = built(options)
    record = os.path.join(os.path.dirname(programs[0][0]), "test-seconds.json")
    taken = last_seconds(record)
    # The longest first, because a long one that begins last runs alone. Those never run go before them, unit tests last.
    programs.sort(key=lambda program: (-taken.get(program[1], float("inf")), " src/" in program[1]))
    failed, count = [], 0
    temporary_files = folder_in_memory()
    workers = (os.cpu_count() or 1) + 1
    with concurrent.futures.ThreadPoolExecutor(1) as beside, concurrent.futures.ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(run, program, temporary_files) for program in programs] + [beside.submit(lint)]
        for future in concurrent.futures.as_completed(running):
            code, title, seconds, output = future.result()
            count += 1
            taken[title] = round(seconds)
            print(f"     Running {title} ({count} of {len(running)}, {seconds:.0f} s)\n{output}", flush=True)
            if code != 0:
                failed.append(title)
    with open(record, "w") as file:
        json.dump(taken, file, indent=1)
    if subprocess.run(["cargo", "test", *options, "--doc"]).returncode != 0:
        failed.append("doc tests")
    if failed:
        sys.exit(f"error: tests failed: {', '.join(failed)}")


main()
