"""Windows beside DuckDB.

windows.py write RAW: events of customers who are in all files, in any order, as raw parquet files.
windows.py nights RAW PATTERN: the rows of the first 170 days to train on, and those of each of the
30 days after them without labels as a file of its own, named by the pattern in which {} is the day;
some rows of the last day to train on are in the first of them again. Prints the days.
windows.py scored RAW STORE: the same windows by DuckDB over all raw files, compared with the rows
that were prepared to be scored for each day, and the scores of each day with those of data version
`all`, if there are any; prints how many differ.
windows.py compare RAW STORE: the same windows by DuckDB over the raw files, compared with the
prepared parts of training and holdout, which have to hold each row once.
"""

import glob
import json
import pathlib
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


def events():
    random = np.random.default_rng(7)
    # Four of ten rows are of one customer; no two rows are at the same time.
    customer = np.where(random.random(ROWS) < 0.4, 0, random.integers(1, 200, ROWS))
    seconds = random.permutation(200 * 86_400)[:ROWS]
    dates = np.datetime64("2024-01-01", "us") + seconds.astype("timedelta64[s]")
    amount = np.round(random.gamma(2.0, 30.0, ROWS), 2)
    target = (random.random(ROWS) < 1 / (1 + np.exp(-(amount - 60) / 40))).astype("int64")
    return pa.table({
        "customerId": pa.array([f"c{number}" for number in customer]),
        "date": pa.array(dates, pa.timestamp("us")),
        "amount": pa.array(amount),
        "target": pa.array(target),
    })


def write(raw):
    table = events()
    # The last file has no rows.
    ends = np.linspace(0, ROWS, FILES).astype(int)
    for file, (begin, end) in enumerate(zip(ends, [*ends[1:], ROWS])):
        pq.write_table(table.slice(begin, end - begin), f"{raw}/train/{file}.parquet")
        if file == 0:
            pq.write_table(table.slice(begin, 50), f"{raw}/predict/0.parquet")


def nights(raw, pattern):
    table = events()
    day = (table["date"].to_numpy() - np.datetime64("2024-01-01", "us")) // np.timedelta64(1, "D")
    train = table.filter(day < 170)
    for file in range(4):
        pq.write_table(train.slice(file * 3_000, 3_000), f"{raw}/train/{file}.parquet")
    days = []
    for at in range(170, 200):
        rows = table.filter(day == at)
        if at == 170:
            rows = pa.concat_tables([rows, table.filter(day == 169).slice(0, 20)])
        days.append(str(np.datetime64("2024-01-01") + at))
        path = pathlib.Path(raw, pattern.format(days[-1]))
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows.drop_columns("target"), path)
    print(json.dumps(days))


def scored(raw, store):
    ours = glob.glob(f"{store}/predict/2024-*/*/part-*.parquet")
    columns = '"customerId", date, events, least, most, last'
    count = lambda sql: duckdb.sql(f"SELECT count(*) FROM ({sql})").fetchall()[0][0]
    duckdb.sql(f"""CREATE VIEW theirs AS SELECT *,
            count(amount) OVER ({BY} {LONG}) AS events,
            min(amount) OVER ({BY} {LONG}) AS least,
            max(amount) OVER ({BY} {LONG}) AS most,
            coalesce(last_value(amount) OVER ({BY} {BEFORE}), -1) AS last
        FROM (SELECT DISTINCT "customerId", date, amount
            FROM read_parquet('{raw}/*/**/*.parquet', union_by_name = true))""")
    duckdb.sql(f"CREATE VIEW ours AS SELECT * FROM read_parquet({ours})")
    answer = {
        "rows": count("FROM ours"),
        "differing": count(f"""SELECT {columns} FROM ours
            EXCEPT ALL SELECT {columns} FROM theirs"""),
        "looking-back": count("FROM ours WHERE events > 1 AND last <> -1"),
    }
    together = glob.glob(f"{store}/results/all/m/v1/part-*.parquet")
    if together:
        nights = glob.glob(f"{store}/results/2024-*/m/v1/part-*.parquet")
        of = lambda files: f"SELECT * EXCLUDE (data_version) FROM read_parquet({files})"
        answer["together"] = count(of(together))
        answer["other-scores"] = count(f"({of(nights)}) EXCEPT ALL ({of(together)})")
    print(json.dumps(answer))


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
    {"write": write, "nights": nights, "scored": scored, "compare": compare}[sys.argv[1]](*sys.argv[2:])
