//! `model.onnx`: preprocessing, estimator and prediction of a model whose features are numbers, in
//! double precision.
//!
//! It takes `features`, a table of doubles with a column for each feature, in the order of the
//! model's signature, NaN where a value is missing. It gives, a value for each row:
//!
//! | task | results |
//! |---|---|
//! | `binary` | `prediction` (a class), `probability` of the positive class |
//! | `multiclass` | `prediction`, `probability` of it, and `probabilities`, one for each class |
//! | `regression` | `prediction`, and `lower` and `upper` where the model has an interval |
//!
//! A row that the model has no prediction for has NaN in all numbers; a class can't be missing, so
//! `prediction` says nothing where `probability` is NaN.

mod proto;

use anyhow::Result;
use learn::calibration::Calibration;
use learn::estimator::boosting::Tree;
use learn::estimator::{Formula, Link};
use learn::fitted_model::FittedModel;
use learn::model::ClassValue;
use learn::preprocessing::{FittedColumn, Numeric};
use learn::task::{LOWER, PREDICTION, PROBABILITY, UPPER};

use self::proto::{Attribute, Element, Graph, Name, Tensor, Values};

/// Name of the file.
pub(crate) const FILE: &str = "model.onnx";
const FEATURES: &str = "features";

/// The file; `None` of a model that the format does not hold: one with categories, with an
/// isotonic calibration, or of another program's estimator or task.
pub(crate) fn file(model: &FittedModel) -> Result<Option<Vec<u8>>> {
    let columns = model.preprocessing.columns().iter().enumerate();
    let mut numbers = Vec::new();
    for (place, column) in columns {
        match column {
            FittedColumn::Numeric(column) => numbers.push((place, column)),
            FittedColumn::Dropped(_) => {}
            FittedColumn::Categorical(_) => return Ok(None),
        }
    }
    let Some(formula) = model.estimator.formula() else {
        return Ok(None);
    };
    if matches!(model.calibration, Some(Calibration::Isotonic { .. })) {
        return Ok(None);
    }
    let mut builder = Builder {
        graph: Graph::default(),
        model,
    };
    builder.graph.takes(FEATURES, model.features().len());
    let inputs = builder.inputs(&numbers);
    let raw = builder.raw(&formula, &inputs);
    let scores = builder.scores(&raw, &inputs);
    if !builder.predictions(&scores) {
        return Ok(None);
    }
    let features = serde_json::to_string(&model.features())?;
    let about = [("task", model.task.name()), ("features", &features)];
    Ok(Some(builder.graph.model(env!("CARGO_PKG_VERSION"), &about)))
}

struct Builder<'a> {
    graph: Graph,
    model: &'a FittedModel,
}

/// What the estimator gets.
struct Inputs {
    /// A table of the numbers that preprocessing makes.
    numbers: Name,
    /// For each row 1 where a number is infinite, which has no prediction, and else 0.
    infinite: Name,
}

impl Builder<'_> {
    fn doubles(&mut self, values: impl IntoIterator<Item = f64>) -> Name {
        let values = Values::Doubles(values.into_iter().collect());
        self.graph.constant(&Tensor::list(values))
    }

    fn ints(&mut self, values: impl IntoIterator<Item = i64>) -> Name {
        let values = Values::Ints(values.into_iter().collect());
        self.graph.constant(&Tensor::list(values))
    }

    fn scalar(&mut self, value: f64) -> Name {
        self.graph.constant(&Tensor::scalar(value))
    }

    fn apply(&mut self, operator: &str, inputs: &[&str]) -> Name {
        self.graph.operator(operator, inputs, &[])
    }

    fn cast(&mut self, value: &str, to: Element) -> Name {
        let to = [("to", Attribute::Int(to as i64))];
        self.graph.operator("Cast", &[value], &to)
    }

    /// Some of the columns of a table, by their places.
    fn columns(&mut self, table: &str, places: impl IntoIterator<Item = usize>) -> Name {
        let places = self.ints(places.into_iter().map(|place| place as i64));
        let axis = [("axis", Attribute::Int(1))];
        self.graph.operator("Gather", &[table, &places], &axis)
    }

    /// Clips, imputes, standardises.
    fn inputs(&mut self, columns: &[(usize, &Numeric)]) -> Inputs {
        let of = |number: fn(&Numeric) -> f64| columns.iter().map(move |(_, of)| number(of));
        let given = self.columns(FEATURES, columns.iter().map(|(place, _)| *place));
        let missing = self.apply("IsNaN", &[&given]);
        let low = self.doubles(of(|of| of.clip[0].unwrap_or(f64::NEG_INFINITY)));
        let high = self.doubles(of(|of| of.clip[1].unwrap_or(f64::INFINITY)));
        let clipped = self.apply("Max", &[&given, &low]);
        let clipped = self.apply("Min", &[&clipped, &high]);
        let infinite = self.apply("IsInf", &[&clipped]);
        let infinite = self.cast(&infinite, Element::Double);
        let of_row = [
            ("axes", Attribute::Ints(vec![1])),
            ("keepdims", Attribute::Int(0)),
        ];
        let infinite = self.graph.operator("ReduceMax", &[&infinite], &of_row);
        // Where nothing is imputed, what is missing stays so.
        let imputed = self.doubles(of(|of| of.impute.unwrap_or(f64::NAN)));
        let whole = self.apply("Where", &[&missing, &imputed, &clipped]);
        let mean = self.doubles(of(|of| of.scale.map_or(0.0, |scale| scale.mean)));
        let deviation = self.doubles(of(|of| of.scale.map_or(1.0, |scale| scale.deviation)));
        let centred = self.apply("Sub", &[&whole, &mean]);
        let scaled = self.apply("Div", &[&centred, &deviation]);
        let marked = columns.iter().enumerate();
        let marked = marked.filter(|(_, (_, of))| of.missing_indicator);
        let marked: Vec<usize> = marked.map(|(place, _)| place).collect();
        let numbers = match marked.is_empty() {
            true => scaled,
            false => {
                let missing = self.cast(&missing, Element::Double);
                let indicators = self.columns(&missing, marked.iter().copied());
                let axis = [("axis", Attribute::Int(1))];
                let all = self
                    .graph
                    .operator("Concat", &[&scaled, &indicators], &axis);
                // An indicator is behind its number.
                let order = (0..columns.len()).flat_map(|place| {
                    let indicator = marked.iter().position(|of| *of == place);
                    let indicator = indicator.map(|of| columns.len() + of);
                    std::iter::once(place).chain(indicator)
                });
                self.columns(&all, order)
            }
        };
        Inputs { numbers, infinite }
    }

    /// A table of raw scores, a column for each.
    fn raw(&mut self, formula: &Formula<'_>, inputs: &Inputs) -> Name {
        match formula {
            Formula::Linear {
                coefficients,
                intercepts,
            } => {
                let (rows, outputs) = (self.model.estimator.inputs(), intercepts.len());
                let by_input =
                    (0..rows).flat_map(|input| coefficients.iter().map(move |of| of[input]));
                let table = Tensor::table(rows, outputs, by_input.collect());
                let table = self.graph.constant(&table);
                let product = self.apply("MatMul", &[&inputs.numbers, &table]);
                let intercepts = self.doubles(intercepts.iter().copied());
                self.apply("Add", &[&product, &intercepts])
            }
            Formula::Constant(values) => {
                let (rows, outputs) = (self.model.estimator.inputs(), values.len());
                let zeros = Tensor::table(rows, outputs, vec![0.0; rows * outputs]);
                let zeros = self.graph.constant(&zeros);
                // A missing number makes its row's product NaN, and is predicted for all the same.
                let product = self.apply("MatMul", &[&inputs.numbers, &zeros]);
                let missing = self.apply("IsNaN", &[&product]);
                let zero = self.scalar(0.0);
                let nothing = self.apply("Where", &[&missing, &zero, &product]);
                let values = self.doubles(values.iter().copied());
                self.apply("Add", &[&nothing, &values])
            }
            Formula::Trees {
                base_score,
                trees,
                units,
            } => {
                // Single precision decides which way a row goes; the operator adds doubles, and
                // gives their sum in single precision.
                let single = self.cast(&inputs.numbers, Element::Float);
                let rows = self.cast(&single, Element::Double);
                let attributes = ensemble(base_score, trees);
                let operator = "TreeEnsembleRegressor";
                let sums = self.graph.operator(operator, &[&rows], &attributes);
                let sums = self.cast(&sums, Element::Double);
                let Some(units) = units else {
                    return sums;
                };
                let [offset, scale] = [units.offset(), units.scale()].map(|of| self.scalar(of));
                let scaled = self.apply("Mul", &[&sums, &scale]);
                self.apply("Add", &[&scaled, &offset])
            }
        }
    }

    /// Probabilities or numbers of raw scores, NaN where a number is infinite.
    fn scores(&mut self, raw: &str, inputs: &Inputs) -> Name {
        let scores = match (&self.model.calibration, self.model.estimator.link()) {
            (Some(Calibration::Sigmoid { a, b }), _) => {
                let [a, b] = [*a, *b].map(|of| self.scalar(of));
                let scaled = self.apply("Mul", &[raw, &a]);
                let moved = self.apply("Add", &[&scaled, &b]);
                let negative = self.apply("Neg", &[&moved]);
                self.apply("Sigmoid", &[&negative])
            }
            (_, Link::Identity) => raw.to_owned(),
            (_, Link::Logistic) => self.apply("Sigmoid", &[raw]),
            (_, Link::Softmax) => {
                let axis = [("axis", Attribute::Int(1))];
                self.graph.operator("Softmax", &[raw], &axis)
            }
            (_, Link::Shares) => {
                let [none, all] = [0.0, 1.0].map(|of| self.scalar(of));
                let above = self.apply("Max", &[raw, &none]);
                let shares = self.apply("Min", &[&above, &all]);
                match self.model.estimator.outputs() {
                    1 => shares,
                    _ => {
                        let axis = self.ints([1]);
                        let total = self.apply("ReduceSum", &[&shares, &axis]);
                        self.apply("Div", &[&shares, &total])
                    }
                }
            }
        };
        let zero = self.scalar(0.0);
        let refused = self.apply("Greater", &[&inputs.infinite, &zero]);
        let axis = self.ints([1]);
        let refused = self.apply("Unsqueeze", &[&refused, &axis]);
        let none = self.scalar(f64::NAN);
        self.apply("Where", &[&refused, &none, &scores])
    }

    /// Names the results; `false` of a task that is not known here.
    fn predictions(&mut self, scores: &str) -> bool {
        let classes = &self.model.target.classes;
        match self.model.task.name() {
            "regression" => {
                let axis = self.ints([1]);
                let quantiles = self.model.rule.quantiles;
                let of_prediction = match quantiles {
                    true => self.columns(scores, [0]),
                    false => scores.to_owned(),
                };
                self.graph
                    .operator_named("Squeeze", &[&of_prediction, &axis], &[], PREDICTION);
                self.graph.gives(PREDICTION, Element::Double, None);
                let interval = self.model.rule.interval.into_iter().flatten();
                let ends = [(LOWER, "Min"), (UPPER, "Max")].into_iter().enumerate();
                for ((at, (name, farther)), by) in ends.zip(interval) {
                    let by = self.scalar(by);
                    if quantiles {
                        let quantile = self.columns(scores, [at + 1]);
                        let quantile = self.apply("Squeeze", &[&quantile, &axis]);
                        let moved = self.apply("Add", &[&quantile, &by]);
                        self.graph
                            .operator_named(farther, &[&moved, PREDICTION], &[], name);
                    } else {
                        self.graph
                            .operator_named("Add", &[PREDICTION, &by], &[], name);
                    }
                    self.graph.gives(name, Element::Double, None);
                }
            }
            "binary" => {
                let axis = self.ints([1]);
                self.graph
                    .operator_named("Squeeze", &[scores, &axis], &[], PROBABILITY);
                let threshold = self.scalar(self.model.rule.threshold);
                let positive = self.apply("GreaterOrEqual", &[PROBABILITY, &threshold]);
                let place = self.cast(&positive, Element::Int64);
                self.class(&place, classes);
                self.graph.gives(PROBABILITY, Element::Double, None);
            }
            "multiclass" => {
                let axis = [("axis", Attribute::Int(1)), ("keepdims", Attribute::Int(0))];
                let place = self.graph.operator("ArgMax", &[scores], &axis);
                self.class(&place, classes);
                let axes = [
                    ("axes", Attribute::Ints(vec![1])),
                    ("keepdims", Attribute::Int(0)),
                ];
                self.graph
                    .operator_named("ReduceMax", &[scores], &axes, PROBABILITY);
                self.graph.gives(PROBABILITY, Element::Double, None);
                self.graph
                    .operator_named("Identity", &[scores], &[], "probabilities");
                self.graph
                    .gives("probabilities", Element::Double, Some(classes.len()));
            }
            _ => return false,
        }
        true
    }

    /// The classes by their places.
    fn class(&mut self, place: &str, classes: &[ClassValue]) {
        let whole = |class: &ClassValue| match class {
            ClassValue::Int(value) => Some(*value),
            _ => None,
        };
        let truth = |class: &ClassValue| match class {
            ClassValue::Bool(value) => Some(*value),
            _ => None,
        };
        let values = classes
            .iter()
            .map(whole)
            .collect::<Option<_>>()
            .map(Values::Ints);
        let values = values.or_else(|| {
            classes
                .iter()
                .map(truth)
                .collect::<Option<_>>()
                .map(Values::Bools)
        });
        let texts = || Values::Texts(classes.iter().map(ClassValue::to_string).collect());
        let values = values.unwrap_or_else(texts);
        let element = values.element();
        let classes = self.graph.constant(&Tensor::list(values));
        self.graph
            .operator_named("Gather", &[&classes, place], &[], PREDICTION);
        self.graph.gives(PREDICTION, element, None);
    }
}

/// The nodes of trees as columns.
fn ensemble(base_score: &[f32], trees: &[Tree]) -> Vec<(&'static str, Attribute)> {
    let mut columns = Columns::default();
    for (of, tree) in trees.iter().enumerate() {
        columns.add(of as i64, tree);
    }
    let doubles = |values| Attribute::Tensor(Tensor::list(Values::Doubles(values)));
    let base = base_score.iter().copied().map(f64::from).collect();
    vec![
        ("n_targets", Attribute::Int(base_score.len() as i64)),
        ("aggregate_function", Attribute::Text("SUM")),
        ("base_values_as_tensor", doubles(base)),
        ("nodes_treeids", Attribute::Ints(columns.trees)),
        ("nodes_nodeids", Attribute::Ints(columns.nodes)),
        ("nodes_featureids", Attribute::Ints(columns.inputs)),
        ("nodes_modes", Attribute::Texts(columns.modes)),
        ("nodes_values_as_tensor", doubles(columns.bounds)),
        ("nodes_truenodeids", Attribute::Ints(columns.left)),
        ("nodes_falsenodeids", Attribute::Ints(columns.right)),
        (
            "nodes_missing_value_tracks_true",
            Attribute::Ints(columns.missing_left),
        ),
        ("target_treeids", Attribute::Ints(columns.leaf_trees)),
        ("target_nodeids", Attribute::Ints(columns.leaves)),
        ("target_ids", Attribute::Ints(columns.outputs)),
        ("target_weights_as_tensor", doubles(columns.weights)),
    ]
}

#[derive(Default)]
struct Columns {
    trees: Vec<i64>,
    nodes: Vec<i64>,
    inputs: Vec<i64>,
    modes: Vec<&'static str>,
    bounds: Vec<f64>,
    left: Vec<i64>,
    right: Vec<i64>,
    missing_left: Vec<i64>,
    leaf_trees: Vec<i64>,
    leaves: Vec<i64>,
    outputs: Vec<i64>,
    weights: Vec<f64>,
}

impl Columns {
    fn add(&mut self, of: i64, tree: &Tree) {
        for (place, node) in tree.nodes().iter().enumerate() {
            let leaf = node.is_leaf();
            let inner = |value: i64| if leaf { 0 } else { value };
            self.trees.push(of);
            self.nodes.push(place as i64);
            self.inputs.push(inner(node.input.into()));
            self.modes.push(if leaf { "LEAF" } else { "BRANCH_LT" });
            self.bounds.push(if leaf { 0.0 } else { node.value.into() });
            self.left.push(inner(node.left.into()));
            self.right.push(inner(node.right.into()));
            self.missing_left.push(inner(node.missing_left.into()));
            if leaf {
                self.leaf_trees.push(of);
                self.leaves.push(place as i64);
                self.outputs.push(tree.output() as i64);
                self.weights.push(node.value.into());
            }
        }
    }
}
