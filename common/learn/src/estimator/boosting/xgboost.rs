//! XGBoost's JSON of a model, which its `Booster.load_model` reads, and reading that of others.
//!
//! The format: <https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html>.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{GradientBoosting, Loss, Node, Tree};
use crate::estimator::trees::{Columns, short};
use crate::estimator::{Estimator, EstimatorError};

/// Name of the file beside `model.json`.
pub(super) const FILE: &str = "xgboost.json";
/// The root's parent.
const NO_PARENT: u32 = i32::MAX as u32;
/// What XGBoost refuses in the name of a feature.
const FORBIDDEN: [char; 3] = ['[', ']', '<'];
/// Features of a file at most: a damaged number must not ask for memory.
const MOST_FEATURES: usize = 1 << 20;
/// Splits on the way to a leaf at most: contributions walk down a tree by recursion.
pub(super) const DEEPEST: usize = 1000;
/// What the leaves of a row may add up to, with room for what their sums round.
const LARGEST: f64 = f32::MAX as f64 / 2.0;

/// What is read of a file of XGBoost.
#[derive(Deserialize)]
struct File<L> {
    learner: L,
}

/// What is read first: files of other boosters have other fields.
#[derive(Deserialize)]
struct Kind {
    gradient_booster: Named,
}

#[derive(Deserialize)]
struct Learner {
    #[serde(default)]
    attributes: Attributes,
    #[serde(default)]
    feature_names: Vec<String>,
    gradient_booster: Booster,
    learner_model_param: LearnerParam,
    objective: Named,
}

#[derive(Default, Deserialize)]
struct Attributes {
    /// The round, from 0, after which the loss on validation rows was least.
    best_iteration: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct LearnerParam {
    base_score: String,
    num_class: String,
    num_feature: String,
    #[serde(default)]
    num_target: Option<String>,
}

#[derive(Deserialize)]
struct Booster {
    model: BoosterModel,
}

#[derive(Deserialize)]
struct BoosterModel {
    #[serde(default)]
    gbtree_model_param: BoosterParam,
    tree_info: Vec<usize>,
    trees: Vec<FileTree>,
}

#[derive(Default, Deserialize)]
struct BoosterParam {
    num_parallel_tree: Option<String>,
}

#[derive(Default, Deserialize)]
struct TreeParam {
    size_leaf_vector: Option<String>,
}

#[derive(Deserialize)]
struct FileTree {
    #[serde(default)]
    tree_param: TreeParam,
    left_children: Vec<i64>,
    right_children: Vec<i64>,
    split_indices: Vec<u32>,
    split_conditions: Vec<f64>,
    default_left: Vec<u8>,
    sum_hessian: Vec<f64>,
    loss_changes: Vec<f64>,
    #[serde(default)]
    split_type: Vec<u8>,
}

impl GradientBoosting {
    /// The model in XGBoost's JSON, with names of its inputs where XGBoost takes them.
    ///
    /// # Errors
    /// Numbers beyond single precision, and what JSON cannot hold.
    pub fn to_xgboost(&self, names: &[String]) -> Result<Vec<u8>, EstimatorError> {
        if self.units.is_some() {
            return Err(EstimatorError::invalid(
                "XGBoost adds up numbers of single precision, which do not hold its target",
            ));
        }
        let outputs = self.base_score.len();
        let all = self.by_rounds()?;
        let trees = all.iter().enumerate();
        let trees: Vec<Value> = trees.map(|(id, of)| tree(id, of, self.inputs)).collect();
        let info: Vec<usize> = all.iter().map(|tree| tree.output()).collect();
        // Trees of a round that add to the same score are side by side.
        let parallel = info.iter().take_while(|output| **output == 0).count();
        let parallel = match outputs {
            1 => 1,
            _ => parallel,
        };
        let of_round = (parallel * outputs).max(1);
        let rounds: Vec<usize> = (0..=info.len() / of_round).map(|i| i * of_round).collect();
        let (name, targets) = match self.loss() {
            // The shares and quantiles are numbers to XGBoost, of which it knows several.
            Some(Loss::Shares { .. } | Loss::Interval) => (Loss::Squared.objective(), outputs),
            _ => (self.objective.as_str(), 1),
        };
        let classes = if outputs > targets { outputs } else { 0 };
        let mut objective = json!({"name": name});
        if classes > 0 {
            objective["softmax_multiclass_param"] = json!({"num_class": classes.to_string()});
        } else {
            objective["reg_loss_param"] = json!({"scale_pos_weight": "1"});
        }
        // The link of one half is exactly 0, and the other losses have none.
        let base_score = match self.loss() {
            Some(Loss::Logistic) => "5E-1",
            _ => "0E0",
        };
        let taken = |name: &String| !name.is_empty() && !name.contains(FORBIDDEN);
        let names = match names.iter().all(taken) {
            true => names,
            false => &[],
        };
        let types = vec!["float"; names.len()];
        let file = json!({
            "version": [2, 1, 4],
            "learner": {
                "attributes": {},
                "feature_names": names,
                "feature_types": types,
                "gradient_booster": {
                    "name": "gbtree",
                    "model": {
                        "gbtree_model_param": {
                            "num_parallel_tree": parallel.to_string(),
                            "num_trees": trees.len().to_string(),
                        },
                        "iteration_indptr": rounds,
                        "tree_info": info,
                        "trees": trees,
                    },
                },
                "learner_model_param": {
                    "base_score": base_score,
                    "boost_from_average": "1",
                    "num_class": classes.to_string(),
                    "num_feature": self.inputs.to_string(),
                    "num_target": targets.to_string(),
                },
                "objective": objective,
            },
        });
        Ok(serde_json::to_vec(&file)?)
    }

    /// The trees in XGBoost's order, each round of as many. Those of a quantile are apart, and may
    /// be of fewer rounds, which trees that add nothing make up for.
    fn by_rounds(&self) -> Result<Vec<Cow<'_, Tree>>, EstimatorError> {
        if !self.predicts_quantiles() {
            return Ok(self.trees.iter().map(Cow::Borrowed).collect());
        }
        let of = |output| {
            self.trees
                .iter()
                .filter(move |tree| tree.output() == output)
        };
        let outputs = 0..self.base_score.len();
        let rounds = outputs.clone().map(|output| of(output).count()).max();
        let mut queues: Vec<_> = outputs.map(of).collect();
        let mut all = Vec::new();
        for _ in 0..rounds.unwrap_or(0) {
            for (output, queue) in queues.iter_mut().enumerate() {
                all.push(match queue.next() {
                    Some(tree) => Cow::Borrowed(tree),
                    None => Cow::Owned(Tree::new(output, vec![Node::leaf(0.0, 0.0)])?),
                });
            }
        }
        Ok(all)
    }

    /// A model of XGBoost's, from its JSON: its rounds up to the best one, where it was stopped
    /// early, as `XGBClassifier` and `XGBRegressor` predict.
    ///
    /// # Errors
    /// Another booster than trees, an objective that is not known here, splits by category, and
    /// what is no model.
    pub fn from_xgboost(bytes: &[u8]) -> Result<Self, EstimatorError> {
        Ok(Self::of_file(bytes)?.0)
    }

    /// As [`GradientBoosting::from_xgboost`], for a model that is kept: raw scores begin with 0.
    /// Gives the names of its inputs too; none where the file has none.
    ///
    /// # Errors
    /// Those of [`GradientBoosting::from_xgboost`], and leaves that add up to infinite scores.
    pub fn import(bytes: &[u8]) -> Result<(Self, Vec<String>), EstimatorError> {
        let (mut trees, names) = Self::of_file(bytes)?;
        let outputs = trees.base_score.len();
        let base_score = std::mem::replace(&mut trees.base_score, vec![0.0; outputs]);
        let trees = trees.from(&base_score)?;
        let mut largest = vec![0.0; outputs];
        for tree in &trees.trees {
            let leaves = tree.nodes().iter().filter(|node| node.is_leaf());
            let sizes = leaves.map(|leaf| f64::from(leaf.value.abs()));
            largest[tree.output()] += sizes.fold(0.0, f64::max);
        }
        if largest.iter().any(|sum| *sum > LARGEST) {
            return Err(EstimatorError::invalid(
                "its leaves add up to more than single precision holds",
            ));
        }
        Ok((trees, names))
    }

    fn of_file(bytes: &[u8]) -> Result<(Self, Vec<String>), EstimatorError> {
        let File::<Kind> { learner } = serde_json::from_slice(bytes)?;
        let booster = learner.gradient_booster.name;
        if booster != "gbtree" {
            let reason = format!("booster {booster:?}: only gbtree is read");
            return Err(EstimatorError::Invalid(reason));
        }
        let File::<Learner> { learner } = serde_json::from_slice(bytes)?;
        let number = |name: &str, text: &str| {
            let number = text.parse::<usize>().ok();
            number.ok_or_else(|| EstimatorError::Invalid(format!("{name} is {text:?}")))
        };
        let booster = learner.gradient_booster;
        let param = learner.learner_model_param;
        let targets = param.num_target.as_deref().unwrap_or("1");
        if number("num_target", targets)? > 1 {
            let reason = format!("it predicts {targets} targets, and a model here predicts one");
            return Err(EstimatorError::Invalid(reason));
        }
        let (inputs, classes) = (
            number("num_feature", &param.num_feature)?,
            number("num_class", &param.num_class)?,
        );
        if inputs > MOST_FEATURES {
            let reason = format!("num_feature is {inputs}: it must be {MOST_FEATURES} at most");
            return Err(EstimatorError::Invalid(reason));
        }
        let named = learner.feature_names.len();
        if named != 0 && named != inputs {
            let reason = format!("it has {named} names of {inputs} features");
            return Err(EstimatorError::Invalid(reason));
        }
        let losses = [Loss::Squared, Loss::Logistic, Loss::Softmax { classes }];
        let name = match learner.objective.name.as_str() {
            "multi:softmax" => "multi:softprob",
            name => name,
        };
        let loss = losses.into_iter().find(|loss| loss.objective() == name);
        let loss = loss.ok_or_else(|| {
            let known = losses.map(Loss::objective).join(", ");
            EstimatorError::Invalid(format!(
                "objective {name:?} is not known here; those that are: {known}"
            ))
        })?;
        let BoosterModel {
            gbtree_model_param: of_model,
            tree_info,
            trees,
        } = booster.model;
        if trees.len() != tree_info.len() {
            let (trees, of) = (trees.len(), tree_info.len());
            let reason = format!("it has {trees} trees, and tree_info is of {of}");
            return Err(EstimatorError::Invalid(reason));
        }
        // Each class has a tree in every round.
        if classes > trees.len() {
            let reason = format!("it has {} trees of {classes} classes", trees.len());
            return Err(EstimatorError::Invalid(reason));
        }
        let kept = match learner.attributes.best_iteration {
            None => trees.len(),
            Some(best) => {
                let parallel = of_model.num_parallel_tree.as_deref().unwrap_or("1");
                let parallel = number("num_parallel_tree", parallel)?.max(1);
                let of_round = parallel.saturating_mul(classes.max(1));
                let rounds = number("best_iteration", &best)?.saturating_add(1);
                rounds.saturating_mul(of_round)
            }
        };
        let trees = trees.into_iter().zip(tree_info).take(kept);
        let names = &learner.feature_names;
        let trees = trees.map(|(tree, output)| read_tree(tree, output, names));
        let trees = trees.collect::<Result<_, _>>()?;
        let mut boosting = Self::new(inputs, loss, trees, vec![0.0; inputs])?;
        boosting.base_score = base_score(&param.base_score, loss)?;
        boosting.validate()?;
        Ok((boosting, learner.feature_names))
    }
}

/// Raw scores of XGBoost's base score: a number, or since its version 3.1 a list of them.
fn base_score(text: &str, loss: Loss) -> Result<Vec<f32>, EstimatorError> {
    let numbers = text.trim_start_matches('[').trim_end_matches(']');
    let numbers: Result<Vec<f32>, _> = numbers.split(',').map(|of| of.trim().parse()).collect();
    let numbers =
        numbers.map_err(|_| EstimatorError::Invalid(format!("base_score is {text:?}")))?;
    let link = |score: f32| match loss {
        Loss::Logistic => -libm::logf(1.0 / score - 1.0),
        Loss::Squared | Loss::Softmax { .. } | Loss::Shares { .. } | Loss::Interval => score,
    };
    let scores: Vec<f32> = numbers.into_iter().map(link).collect();
    Ok(match scores.as_slice() {
        [one] => vec![*one; loss.outputs()],
        _ => scores,
    })
}

fn read_tree(tree: FileTree, output: usize, names: &[String]) -> Result<Tree, EstimatorError> {
    let mut splits = tree.split_type.iter().zip(&tree.split_indices);
    if let Some((_, input)) = splits.find(|(kind, _)| **kind != 0) {
        let name = names.get(*input as usize);
        let name = name.map_or_else(|| format!("f{input}"), String::clone);
        return Err(EstimatorError::Invalid(of_categories(&name)));
    }
    let numbers = tree.tree_param.size_leaf_vector.as_deref();
    if numbers.is_some_and(|numbers| !["0", "1"].contains(&numbers)) {
        return Err(EstimatorError::invalid(
            "a leaf has a number for each class (multi_strategy \"multi_output_tree\"): train with \
             \"one_output_per_tree\"",
        ));
    }
    // A leaf's children are -1 there, and 0 here.
    let children = |of: Vec<i64>| {
        let child = |child| u32::try_from(child).unwrap_or(0);
        of.into_iter().map(child).collect()
    };
    let columns = Columns {
        output,
        left_children: children(tree.left_children),
        right_children: children(tree.right_children),
        split_indices: tree.split_indices,
        split_conditions: tree.split_conditions,
        default_left: tree.default_left,
        sum_hessian: tree.sum_hessian,
        loss_changes: tree.loss_changes,
    };
    let tree = Tree::try_from(columns.in_levels())?;
    match tree.depth() {
        depth if depth > DEEPEST => Err(EstimatorError::Invalid(format!(
            "a tree has {depth} splits on the way to a leaf: {DEEPEST} are read at most"
        ))),
        _ => Ok(tree),
    }
}

/// Why trees of another program are refused that split a feature by its categories.
pub fn of_categories(feature: &str) -> String {
    format!(
        "a tree splits feature {feature:?} by categories, and Alameda imports trees that compare \
         numbers: encode the categories in features.sql, and train the model on the result"
    )
}

/// A tree as XGBoost keeps it.
fn tree(id: usize, tree: &Tree, inputs: usize) -> Value {
    let nodes = tree.nodes();
    let mut parents = vec![NO_PARENT; nodes.len()];
    for (at, node) in nodes.iter().enumerate().filter(|(_, node)| !node.is_leaf()) {
        parents[node.left as usize] = at as u32;
        parents[node.right as usize] = at as u32;
    }
    let child = |node: &Node, child: u32| if node.is_leaf() { -1 } else { i64::from(child) };
    fn column<T>(nodes: &[Node], of: impl Fn(&Node) -> T) -> Vec<T> {
        nodes.iter().map(of).collect()
    }
    let leaf = |node: &Node| {
        if node.is_leaf() {
            short(node.value)
        } else {
            0.0
        }
    };
    json!({
        "id": id,
        "tree_param": {
            "num_deleted": "0",
            "num_feature": inputs.to_string(),
            "num_nodes": nodes.len().to_string(),
            "size_leaf_vector": "1",
        },
        "left_children": column(nodes, |node| child(node, node.left)),
        "right_children": column(nodes, |node| child(node, node.right)),
        "parents": parents,
        "split_indices": column(nodes, |node| node.input),
        "split_conditions": column(nodes, |node| short(node.value)),
        "default_left": column(nodes, |node| u8::from(node.missing_left)),
        "base_weights": column(nodes, leaf),
        "loss_changes": column(nodes, |node| short(node.gain)),
        "sum_hessian": column(nodes, |node| short(node.cover)),
        "split_type": vec![0; nodes.len()],
        "categories": [],
        "categories_nodes": [],
        "categories_segments": [],
        "categories_sizes": [],
    })
}
