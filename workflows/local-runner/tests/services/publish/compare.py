"""Compares tables of predictions with the parts that were published, read by DuckDB; one question a line, as JSON."""

import json
import sys

import duckdb
import psycopg

store, url = sys.argv[1:]
KEYS = "customerId, date, model_name"


def plain(row):
    """A row in which equal instants are equal, whatever zone they are told in."""
    return tuple(value.timestamp() if getattr(value, "tzinfo", None) else value for value in row)


def difference(schema, results):
    """The first difference, or `same`. Of each key the row stands that was scored last; a label that is known is kept."""
    db = duckdb.connect()
    selects = [
        f"SELECT *, TIMESTAMPTZ '{one['scored_at']}' AS scored_at, '{one['fingerprint']}' AS fingerprint"
        f" FROM read_parquet('{store}/{one['folder']}/*.parquet')"
        for one in results
    ]
    newest = f"row_number() OVER (PARTITION BY {KEYS} ORDER BY scored_at DESC, fingerprint DESC) = 1"
    db.execute(
        f"CREATE TABLE expected AS SELECT * EXCLUDE (fingerprint) REPLACE (max(target) OVER (PARTITION BY {KEYS}) AS target)"
        f" FROM ({' UNION ALL BY NAME '.join(selects)}) QUALIFY {newest}"
    )
    names = sorted(row[0] for row in db.execute("DESCRIBE expected").fetchall())
    listed = ", ".join(f'"{name}"' for name in names)
    expected = sorted(map(repr, map(plain, db.execute(f"SELECT {listed} FROM expected").fetchall())))
    with psycopg.connect(url) as server:
        query = f'SELECT {listed} FROM "{schema}".predictions'
        found = sorted(map(repr, map(plain, server.execute(query).fetchall())))
        ledger = server.execute(f'SELECT fingerprint, rows FROM "{schema}".prediction_publications ORDER BY 1').fetchall()
    rows = {one["fingerprint"]: db.execute(f"SELECT count(*) FROM read_parquet('{store}/{one['folder']}/*.parquet')").fetchone()[0] for one in results}
    if ledger != sorted(rows.items()):
        return f"the ledger holds {ledger}, expected {sorted(rows.items())}"
    if found != expected:
        table, parts = sorted(set(found) - set(expected))[:2], sorted(set(expected) - set(found))[:2]
        return f"{len(found)} rows in the table, {len(expected)} expected; in the table only {table}, in the parts only {parts}"
    return "same"


for line in sys.stdin:
    print(difference(**json.loads(line)), flush=True)
