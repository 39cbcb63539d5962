"""Counts the rows of `predictions` with numpy, and compares the counts with the tables of profiles. Prints "same", or what
differs. DATABASE_URL names the database, DAY is the SQL expression of a row's day."""
import os
import numpy
import psycopg

UNIT, SCORE_UNIT, WEIGHT_UNIT = 2.0**50, 2.0**30, 2.0**64
found, problems = {}, []

with psycopg.connect(os.environ["DATABASE_URL"]) as server:
    server.execute("SET TimeZone = 'UTC'")
    baselines = dict(server.execute("SELECT model_version, baseline FROM prediction_baselines").fetchall())
    names = sorted({feature["name"] for baseline in baselines.values() for feature in baseline["features"]})
    columns = ", ".join(f'"{name}"' for name in names)
    weights = sorted({baseline["weight"] for baseline in baselines.values() if "weight" in baseline})
    columns += "".join(f', coalesce("{name}", 1)' for name in weights)
    kept = server.execute("SELECT to_regclass('prediction_retention') IS NOT NULL").fetchone()[0]
    dropped = "SELECT FROM prediction_retention AS r WHERE r.model_name = p.model_name AND p.day < r.first_day"
    condition = f"NOT EXISTS ({dropped})" if kept else "true"
    for row in server.execute(
        "SELECT model_version, data_version, day, rows, labelled_rows, unscored_rows, true_negatives, false_positives,"
        " false_negatives, true_positives, unlabelled, negatives, positives, unscored, score_sums, score_squares, features, weights"
        f" FROM prediction_profiles AS p WHERE {condition}"
    ):
        found[row[:3]] = row[3:]
    groups = {}
    sql = f"SELECT model_version, data_version, {os.environ['DAY']}, y, probability, {columns} FROM predictions"
    for row in server.execute(sql):
        if row[0] in baselines:
            groups.setdefault(row[:3], []).append(row[3:])


def compare(group, what, is_, expected):
    if is_ != expected:
        problems.append(f"{group} {what}: is {is_}, and should be {expected}")


def floats(values):
    return numpy.array([float(value) for value in values if value is not None])


def cells(values, cuts):
    return numpy.bincount(numpy.searchsorted(cuts, values, side="right"), minlength=len(cuts) + 1).tolist()


compare("all", "groups", sorted(found, key=repr), sorted(groups, key=repr))
for group in found.keys() & groups.keys():
    baseline, rows, profile = baselines[group[0]], groups[group], found[group]
    labels = [row[0] for row in rows]
    compare(group, "rows", profile[0], len(rows))
    compare(group, "labelled rows", profile[1], sum(label is not None for label in labels))
    compare(group, "unscored rows", profile[2], sum(row[1] is None for row in rows))
    threshold, cuts = baseline["threshold"], baseline["score"]["cells"]["cuts"]
    count = lambda label, above: sum(row[0] == label and row[1] is not None and (row[1] >= threshold) == above for row in rows)
    compare(group, "confusion", list(profile[3:7]), [count(0, False), count(0, True), count(1, False), count(1, True)])
    for index, label in enumerate([None, 0, 1]):
        scores = floats(row[1] for row in rows if row[0] == label)
        compare(group, f"scores of label {label}", profile[7 + index], cells(scores, cuts))
        compare(group, f"unscored of {label}", profile[10][index], sum(row[0] == label and row[1] is None for row in rows))
        compare(group, f"sum of {label}", profile[11][index], int(numpy.rint(scores * SCORE_UNIT).sum()))
        compare(group, f"squares of {label}", profile[12][index], int(numpy.rint(scores * scores * SCORE_UNIT).sum()))
    compare(group, "weighs", profile[14] is not None, "weight" in baseline)
    for label, of in enumerate(["negative", "positive"] if "weight" in baseline else []):
        at = 2 + len(names) + weights.index(baseline["weight"])
        known = [(row[1], row[at]) for row in rows if row[0] == label and row[1] is not None]
        by_cell = [0] * (len(cuts) + 1)
        for score, weight in known:
            by_cell[numpy.searchsorted(cuts, score, side="right")] += round(weight * WEIGHT_UNIT)
        units = lambda power: sum(round(weight * score**power * WEIGHT_UNIT) for score, weight in known)
        near = lambda a, b: abs(a - b) <= 1e-14 * abs(b)
        sums = profile[14][of]
        compare(group, f"weights of {of}", sums["cells"], by_cell)
        compare(group, f"weighted sum of {of}", near(sums["sum"], units(1)) or sums["sum"], True)
        compare(group, f"weighted squares of {of}", near(sums["squares"], units(2)) or sums["squares"], True)
    for feature in baseline["features"]:
        name, counts, by = feature["name"], profile[13][feature["name"]], feature["cells"]
        values = [row[2 + names.index(name)] for row in rows]
        if feature["kind"] == "categories":
            known, there = feature["values"], [value for value in values if value is not None]
            count = [there.count(value) for value in known] + [sum(value not in known for value in there)]
            compare(group, f"{name} nulls", counts["nulls"], len(values) - len(there))
            compare(group, f"{name} cells", counts["cells"], count)
            continue
        numbers = floats(values)
        finite = numbers[numpy.isfinite(numbers)]
        compare(group, f"{name} nulls", counts["nulls"], sum(value is None for value in values))
        compare(group, f"{name} nans", counts["nans"], int(numpy.isnan(numbers).sum()))
        compare(group, f"{name} -inf", counts["minus_infinities"], int((numbers == -numpy.inf).sum()))
        compare(group, f"{name} +inf", counts["plus_infinities"], int((numbers == numpy.inf).sum()))
        compare(group, f"{name} cells", counts["cells"], cells(finite, by["cuts"]))
        if len(finite):
            mean = by["center"] + by["scale"] * (counts["sum"] / UNIT / len(finite))
            square = counts["squares"] / UNIT / len(finite) - (counts["sum"] / UNIT / len(finite)) ** 2
            std = by["scale"] * max(square, 0.0) ** 0.5
            near = lambda a, b: abs(a - b) <= 1e-7 * by["scale"]
            compare(group, f"{name} mean", near(mean, finite.mean()) or mean, True)
            compare(group, f"{name} std", near(std, finite.std()) or std, True)

print("same" if not problems else "\n".join(problems[:8]))
