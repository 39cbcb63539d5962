"""Aggregates over the rows to train on beside DuckDB.

aggregates.py TRAIN PARTS...: the values of AGGREGATE by DuckDB over the raw files TRAIN, a list of
globs in JSON, looked up for the rows of each glob PARTS; prints a line for each: how many rows there
are, how many differ in whole numbers, and by how much the others do.
"""

import glob
import json
import sys

import duckdb

AGGREGATE = """SELECT "customerId", count(*) AS rows, sum(amount) AS total, avg(amount) AS mean,
    max(amount) AS most, stddev_samp(amount) AS deviation FROM train GROUP BY "customerId\""""


def view(name, globs):
    files = sorted(file for pattern in globs for file in glob.glob(pattern))
    duckdb.sql(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM read_parquet({files}, union_by_name = true)")


def compare(parts):
    view("ours", [parts])
    compared = ", ".join(
        f"""coalesce(max(abs("customer.{name}" - {name}) / greatest(abs({name}), 1e-3)), 0)"""
        for name in ("total", "mean", "deviation"))
    rows, differing, *differences = duckdb.sql(f"""
        SELECT count(*),
            count(*) FILTER ("customer.rows" IS DISTINCT FROM rows OR "customer.most" IS DISTINCT FROM most
                OR ("customer.mean" IS NULL) <> (mean IS NULL)
                OR ("customer.deviation" IS NULL) <> (deviation IS NULL)),
            {compared}
        FROM ours LEFT JOIN theirs USING ("customerId")""").fetchall()[0]
    print(json.dumps({"rows": rows, "differing": differing, "by": max(differences)}))


if __name__ == "__main__":
    view("train", json.loads(sys.argv[1]))
    duckdb.sql(f"CREATE TABLE theirs AS {AGGREGATE}")
    for parts in sys.argv[2:]:
        compare(parts)
