"""Windows beside DuckDB.

windows.py write RAW: events of customers who are in all files, in any order, as raw parquet files.
windows.py compare RAW STORE: the same windows by DuckDB over the raw files, compared with the
prepared parts of training and holdout, which have to hold each row once.
"""

import glob
import json
import sys

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 12_000
FILES = 5
LONG = "RANGE BETWEEN INTERVAL 30 DAYS PRECEDING AND CURRENT ROW"
BEFORE = "RANGE BETWEEN INTERVAL 7 DAYS PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING"
BY = 'PARTITION BY "customerId" ORDER BY date'


def write(raw):
    random = np.random.default_rng(7)
    # Four of ten rows are of one customer; no two rows are at the same time.
    customer = np.where(random.random(ROWS) < 0.4, 0, random.integers(1, 200, ROWS))
    seconds = random.permutation(200 * 86_400)[:ROWS]
    dates = np.datetime64("2024-01-01", "us") + seconds.astype("timedelta64[s]")
    amount = np.round(random.gamma(2.0, 30.0, ROWS), 2)
    target = (random.random(ROWS) < 1 / (1 + np.exp(-(amount - 60) / 40))).astype("int64")
    table = pa.table({
        "customerId": pa.array([f"c{number}" for number in customer]),
        "date": pa.array(dates, pa.timestamp("us")),
        "amount": pa.array(amount),
        "target": pa.array(target),
    })
    # The last file has no rows.
    ends = np.linspace(0, ROWS, FILES).astype(int)
    for file, (begin, end) in enumerate(zip(ends, [*ends[1:], ROWS])):
        pq.write_table(table.slice(begin, end - begin), f"{raw}/train/{file}.parquet")
        if file == 0:
            pq.write_table(table.slice(begin, 50), f"{raw}/predict/0.parquet")


def compare(raw, store):
    parts = [part for split in ("train", "holdout") for part in glob.glob(f"{store}/{split}/1/part-*.parquet")]
    differing, rows, first = duckdb.sql(f"""
        WITH theirs AS (
            SELECT "customerId", date, target,
                count(amount) OVER ({BY} {LONG}) AS events,
                min(amount) OVER ({BY} {LONG}) AS least,
                max(amount) OVER ({BY} {LONG}) AS most,
                coalesce(last_value(amount) OVER ({BY} {BEFORE}), -1) AS last
            FROM read_parquet('{raw}/train/*.parquet')),
        ours AS (
            SELECT "customerId", date, target, events, least, most, last
            FROM read_parquet({parts}))
        SELECT
            (SELECT count(*) FROM (FROM theirs EXCEPT ALL FROM ours)),
            (SELECT count(*) FROM ours),
            (SELECT count(*) FROM ours WHERE last = -1)
    """).limit(1).fetchall()[0]
    print(json.dumps({"differing": differing, "rows": rows, "first": first, "parts": len(parts)}))


if __name__ == "__main__":
    {"write": write, "compare": compare}[sys.argv[1]](*sys.argv[2:])
