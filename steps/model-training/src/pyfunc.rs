//! What makes the folder of a model one that MLflow loads: `mlflow.pyfunc.load_model`, and
//! `mlflow models serve`. Nothing of ours has to be installed there: `alameda_model.py` scores by
//! numpy and pandas.
//!
//! The format: <https://mlflow.org/docs/latest/ml/model/>.

use anyhow::Result;
use learn::estimator::Seen;
use learn::fitted_model::FittedModel;
use learn::model::ClassValue;
use learn::preprocessing::FittedColumn;
use serde_json::{Value, json};
use store::json_bytes;

const LOADER: &str = include_str!("../python/alameda_model.py");
const LOADER_MODULE: &str = "alameda_model";
/// Without MLflow itself `alameda_model.py` runs as well.
const REQUIREMENTS: [&str; 3] = ["mlflow>=2.16", "numpy>=1.26", "pandas>=2.0"];
/// A version that all of the requirements have wheels for; it counts where MLflow makes the
/// environment.
const PYTHON: &str = "3.11";
const EXAMPLE: &str = "input_example.json";
const SERVING_EXAMPLE: &str = "serving_input_example.json";

/// The files, by name; none of a task or an estimator that `alameda_model.py` does not know, as
/// those of another program.
pub(crate) fn files(model: &FittedModel, seen: &Seen) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let knows = |name: &str| LOADER.contains(&format!("\"{name}\""));
    if !knows(model.task.name()) || !knows(model.estimator.kind()) {
        return Ok(Vec::new());
    }
    let dependencies = json!([
        format!("python={PYTHON}"), "pip", {"pip": REQUIREMENTS}
    ]);
    let conda = json!({
        "name": "alameda", "channels": ["conda-forge"], "dependencies": dependencies
    });
    let environment = json!({
        "python": PYTHON, "build_dependencies": ["pip"],
        "dependencies": ["-r requirements.txt"]
    });
    let split = example(model, seen);
    // YAML is a superset of JSON.
    Ok(vec![
        ("MLmodel", json_bytes(&ml_model(model))?),
        ("alameda_model.py", LOADER.as_bytes().to_vec()),
        ("requirements.txt", (REQUIREMENTS.join("\n") + "\n").into()),
        ("conda.yaml", json_bytes(&conda)?),
        ("python_env.yaml", json_bytes(&environment)?),
        (EXAMPLE, json_bytes(&split)?),
        (
            SERVING_EXAMPLE,
            json_bytes(&json!({"dataframe_split": split}))?,
        ),
    ])
}

fn ml_model(model: &FittedModel) -> Value {
    // Of type `any`: MLflow would refuse whole numbers in a column of type `double`, missing ones
    // in one of type `long`, and pandas' categories in one of type `string`.
    let inputs = model.features().into_iter();
    let inputs: Value = inputs
        .map(|name| json!({"type": "any", "name": name, "required": true}))
        .collect();
    json!({
        "flavors": {"python_function": {
            "loader_module": LOADER_MODULE,
            "code": ".",
            "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
            "python_version": PYTHON,
        }},
        "signature": {
            "inputs": inputs.to_string(),
            "outputs": outputs(model).to_string(),
            "params": null,
        },
        "saved_input_example_info": {
            "artifact_path": EXAMPLE,
            "serving_input_path": SERVING_EXAMPLE,
            "type": "dataframe",
            "pandas_orient": "split",
        },
    })
}

/// The columns of predictions.
fn outputs(model: &FittedModel) -> Value {
    let class = model.target.classes.first().map(|class| match class {
        ClassValue::Bool(_) => "boolean",
        ClassValue::Int(_) => "long",
        ClassValue::Text(_) => "string",
    });
    let predictions = model.task.predictions(&model.target, &model.rule, &[]);
    let column = |(at, name): (usize, String)| {
        let kind = class.filter(|_| at == 0).unwrap_or("double");
        json!({"type": kind, "name": name, "required": false})
    };
    let names = predictions.into_iter().map(|of| of.name);
    names.enumerate().map(column).collect()
}

/// A row that no training row has to be: the mean of each number, or what is imputed for it, and
/// the first category of each text.
fn example(model: &FittedModel, seen: &Seen) -> Value {
    let mean = |name: &str| {
        let input = seen.inputs.iter().find(|input| input.name == name);
        input.map(|input| input.mean)
    };
    let value = |column: &FittedColumn| match column {
        FittedColumn::Numeric(of) => {
            let scaled = of.scale.map(|scale| scale.mean);
            json!(scaled.or(of.impute).or_else(|| mean(&of.name)))
        }
        FittedColumn::Categorical(of) => json!(of.categories.first()),
        FittedColumn::Dropped(_) => Value::Null,
    };
    let values: Vec<Value> = model.preprocessing.columns().iter().map(value).collect();
    json!({"columns": model.features(), "data": [values]})
}
