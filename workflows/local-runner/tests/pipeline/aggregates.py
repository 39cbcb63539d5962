"""Aggregates over the rows to train on beside DuckDB.

aggregates.py TRAIN PARTS: the values of AGGREGATE by DuckDB over the raw files TRAIN, looked up for
the rows of PARTS, both lists of globs in JSON; prints how many rows there are, how many differ in
whole numbers, and by how much the others do.
"""

import glob
import json
import sys

import duckdb

AGGREGATE = """SELECT "customerId", count(*) AS rows, sum(amount) AS total, avg(amount) AS mean,
    max(amount) AS most, stddev_samp(amount) AS deviation FROM train GROUP BY "customerId\""""


def files(globs):
    return sorted(file for pattern in json.loads(globs) for file in glob.glob(pattern))


def main(train, parts):
    duckdb.sql(f"CREATE VIEW train AS SELECT * FROM read_parquet({files(train)}, union_by_name = true)")
    duckdb.sql(f"CREATE VIEW ours AS SELECT * FROM read_parquet({files(parts)}, union_by_name = true)")
    duckdb.sql(f"CREATE TABLE theirs AS {AGGREGATE}")
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
    main(*sys.argv[1:])
