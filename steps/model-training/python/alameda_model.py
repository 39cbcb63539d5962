"""Scores rows with a model.json of Alameda, by numpy and pandas alone.

`mlflow.pyfunc.load_model` finds `_load_pyfunc`; without MLflow:

    import alameda_model, pandas
    alameda_model.load("folder/of/the/model").predict(pandas.DataFrame({"age": [41], "city": ["Oslo"]}))

A frame has a column for each feature: what features.sql makes, not what it reads. Further columns
are left out. Categories are texts or booleans. A value may be missing (None, NaN, NA).
"""

import json
import os

import numpy as np
import pandas as pd

# The version that is written, and that of calibrated models.
FORMAT_VERSIONS = (2, 3)
FIELDS = {
    "format_version",
    "task",
    "target",
    "signature",
    "preprocessing",
    "estimator",
    "calibration",
    "threshold",
    "interval",
    "explanation",
    "training",
}


class ModelError(ValueError):
    """A model that this file does not know, or a frame that is not of its features."""


def load(folder):
    """The model in a folder that holds model.json."""
    with open(os.path.join(folder, "model.json"), encoding="utf-8") as file:
        return Model(json.load(file))


def _load_pyfunc(path):
    return load(path)


class Model:
    """A fitted model: preprocessing, estimator, and the rule that makes predictions of scores."""

    def __init__(self, model):
        version, unknown = model.get("format_version"), sorted(set(model) - FIELDS)
        if version not in FORMAT_VERSIONS or unknown:
            raise ModelError(
                f"model.json has format_version {version} and unknown fields {unknown}: "
                f"take the alameda_model.py that lies beside it"
            )
        self.task = model["task"]
        self.classes = model["target"].get("classes", [])
        self.threshold = model.get("threshold", 0.5)
        self.interval = model.get("interval")
        self.columns = [next(iter(column.items())) for column in model["preprocessing"]]
        self.kinds = {feature["name"]: feature["kind"] for feature in model["signature"]}
        self.estimator = model["estimator"]
        self.calibration = model.get("calibration")
        if self.estimator["kind"] not in SCORES:
            raise ModelError(f"an estimator of kind {self.estimator['kind']!r} is not known here")
        if self.task not in ("binary", "multiclass", "regression"):
            raise ModelError(f"task {self.task!r} is not known here")

    def predict(self, frame, params=None):
        """Predictions of each row, with the index of the frame.

        binary: prediction (a class), probability (of the positive class); multiclass: prediction,
        probability (of that class), probability_CLASS; regression: prediction, and lower and upper
        where the model has an interval. A row that lacks a number which nothing is imputed for, or
        has an infinite one, has no prediction: None and NaN. Reasons are left out.
        """
        matrix, refused = self.matrix(frame)
        raw, link = SCORES[self.estimator["kind"]]
        scores = raw(self.estimator, matrix)
        if self.calibration:
            scores = calibrated(self.calibration, scores)
        else:
            scores = link(self.estimator)(scores)
        scores[refused] = np.nan
        return pd.DataFrame(self.predictions(scores), index=frame.index)

    def matrix(self, frame):
        """The numbers that preprocessing makes of a frame, and the rows with an infinite one."""
        missing = [name for name in self.kinds if name not in frame.columns]
        if missing:
            raise ModelError(f"the frame lacks the columns {missing}; it has {list(frame.columns)}")
        parts, refused = [], np.zeros(len(frame), dtype=bool)
        for kind, column in self.columns:
            values = frame[column["name"]]
            if kind == "numeric":
                parts.extend(numeric(column, numbers(values, column["name"]), refused))
            elif kind == "categorical":
                parts.extend(categorical(column, texts(values, column["name"])))
        return np.column_stack(parts), refused

    def predictions(self, scores):
        """The columns of predictions, from one row of scores for each row."""
        if self.task == "regression":
            prediction = scores[:, 0]
            columns = {"prediction": prediction}
            if self.interval:
                # Of a model of quantiles they follow the prediction, which lies within the interval.
                quantiles = scores.shape[1] == 3
                lower, upper = (scores[:, 1], scores[:, 2]) if quantiles else (prediction, prediction)
                lower, upper = lower + self.interval[0], upper + self.interval[1]
                columns["lower"] = np.minimum(lower, prediction) if quantiles else lower
                columns["upper"] = np.maximum(upper, prediction) if quantiles else upper
            return columns
        known = ~np.isnan(scores).any(axis=1)
        if self.task == "binary":
            probability = scores[:, 0]
            chosen = (probability >= self.threshold).astype(int)
            return {"prediction": self.names(chosen, known), "probability": probability}
        chosen = np.argmax(np.where(known[:, None], scores, 0.0), axis=1)
        probability = np.where(known, scores[np.arange(len(scores)), chosen], np.nan)
        columns = {"prediction": self.names(chosen, known), "probability": probability}
        for at, of_class in enumerate(self.classes):
            columns[f"probability_{text(of_class)}"] = scores[:, at]
        return columns

    def names(self, chosen, known):
        """Classes by their place; None where a row has no prediction."""
        classes = np.array(self.classes, dtype=object)[chosen]
        if known.all():
            return pd.Series(classes).infer_objects().to_numpy()
        return np.where(known, classes, None)


def numbers(values, name):
    """A column as numbers, NaN where they are missing."""
    try:
        return pd.to_numeric(values).astype("Float64").to_numpy(dtype="float64", na_value=np.nan, copy=True)
    except (TypeError, ValueError) as error:
        raise ModelError(f"column {name!r} takes numbers: {error}") from error


def text(value):
    """A class or a category as text."""
    return str(value).lower() if isinstance(value, (bool, np.bool_)) else str(value)


def texts(values, name):
    """A column as texts, None where they are missing."""
    values = values.astype(object)
    values = values.where(values.notna(), None)
    wrong = [value for value in values if not isinstance(value, (str, bool, np.bool_, type(None)))]
    if wrong:
        raise ModelError(f"column {name!r} takes texts or booleans, and has {wrong[0]!r}")
    return [None if value is None else text(value) for value in values]


def scaled(values, scale):
    return values if scale is None else (values - scale["mean"]) / scale["deviation"]


def numeric(column, values, refused):
    """Clips, imputes and standardises; marks rows with an infinite number as refused."""
    low, high = column["clip"]
    known = ~np.isnan(values)
    values[known] = np.clip(values[known], low if low is not None else -np.inf, high if high is not None else np.inf)
    infinite = np.isinf(values)
    refused |= infinite
    values[infinite] = np.nan
    missing = np.isnan(values)
    if column["impute"] is not None:
        values[missing] = column["impute"]
    parts = [scaled(values, column["scale"])]
    if column["missing_indicator"]:
        parts.append(missing.astype("float64"))
    return parts


def categorical(column, values):
    """Imputes, encodes and standardises categories."""
    missing = np.array([value is None for value in values], dtype=bool)
    values = [column["impute"] if value is None else value for value in values]
    places = {category: place for place, category in enumerate(column["categories"])}
    other = len(places) if column["other"] else -1
    places = np.array([places.get(value, other) for value in values], dtype=int)
    parts = [scaled(part, scale) for part, scale in zip(*encoded(column, places, values))]
    if column["missing_indicator"]:
        parts.append(missing.astype("float64"))
    return parts


def encoded(column, places, values):
    """The columns of an encoding, and what standardises each."""
    encoding, groups = column["encoding"], len(column["categories"]) + column["other"]
    if encoding == "one-hot":
        parts = [(places == group).astype("float64") for group in range(groups)]
    elif encoding == "ordinal":
        parts = [places.astype("float64")]
        parts[0][[value is None for value in values]] = np.nan
    else:
        table, frequencies = encoding["target"]["table"], encoding["target"].get("frequencies")
        # The last row is of unknown categories, whose place is -1.
        rows = np.array(table["encodings"] + table["unknown"]).reshape(groups + 1, -1)
        parts = list(rows[places].T)
        if frequencies is not None:
            # 0 for rare categories, which share a place, and for unknown ones.
            rows = np.array(frequencies + [0] * (groups + 1 - len(frequencies)), dtype="float64")
            parts.append(rows[places])
    return parts, column["scales"] or [None] * len(parts)


def sigmoid(scores):
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-scores))


def calibrated(of, scores):
    """Probabilities of raw scores of two classes: as scikit-learn's CalibratedClassifierCV."""
    if of["method"] == "sigmoid":
        return sigmoid(-(of["a"] * scores + of["b"]))
    return np.interp(scores, of["x"], of["y"])


def softmax(scores):
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def shares(scores):
    """Shares of classes, which rounding may have taken a little beyond 0 and 1."""
    scores = np.clip(scores, 0.0, 1.0)
    return scores / scores.sum(axis=1, keepdims=True) if scores.shape[1] > 1 else scores


def linear(of, matrix):
    return (matrix @ np.array(of["coefficients"]) + of["intercept"])[:, None]


def multinomial(of, matrix):
    return matrix @ np.array(of["coefficients"]).T + np.array(of["intercepts"])


def constant(of, matrix):
    return np.tile(np.array(of["values"], dtype="float64"), (len(matrix), 1))


def trees(of, matrix):
    """Sums in single precision, tree after tree, as XGBoost adds them."""
    bound = float(np.finfo("float32").max)
    rows = np.clip(matrix, -bound, bound).astype("float32")
    scores = np.tile(np.array(of["base_score"], dtype="float32"), (len(rows), 1))
    for tree in of["trees"]:
        scores[:, tree.get("output", 0)] += tree_values(tree, rows)
    scores = scores.astype("float64")
    units = of.get("units")
    return units["offset"] + units["scale"] * scores if units else scores


def trees_link(of):
    links = {
        "binary:logistic": sigmoid,
        "multi:softprob": softmax,
        "reg:squarederror": np.asarray,
        "interval": np.asarray,
        "shares": shares,
    }
    return links[of["objective"]]


def tree_values(tree, rows):
    """What the leaf of each row adds."""
    left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
    inputs, default = np.array(tree["split_indices"]), np.array(tree["default_left"]) != 0
    conditions = np.array(tree["split_conditions"], dtype="float64").astype("float32")
    at, open_rows = np.zeros(len(rows), dtype=int), np.arange(len(rows))
    while True:
        # A leaf has no children: 0, the root, which is nobody's child.
        open_rows = open_rows[left[at[open_rows]] != 0]
        if not len(open_rows):
            return conditions[at]
        node = at[open_rows]
        values = rows[open_rows, inputs[node]]
        to_left = np.where(np.isnan(values), default[node], values < conditions[node])
        at[open_rows] = np.where(to_left, left[node], right[node])


# By kind: what makes raw scores, and what makes predictions of them where nothing calibrates them.
SCORES = {
    "logistic-regression": (linear, lambda of: sigmoid),
    "multinomial-logistic-regression": (multinomial, lambda of: softmax),
    "linear-regression": (linear, lambda of: np.asarray),
    "constant": (constant, lambda of: np.asarray),
    "gradient-boosting": (trees, trees_link),
    "random-forest": (trees, trees_link),
}
