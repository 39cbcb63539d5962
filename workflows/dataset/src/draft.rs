//! A contract that is being made of a sample.

use anyhow::Result;
use catalog::manifest::Role;
use learn::model::ClassValue;
use runtime::failure::{Failure, shortened};
use serde_json::{Value, json};
use settings::published;
use sql::session::{Features, PLANNING_MEMORY};
use table::config::Config;
use table::dataset::{ColumnContract, ColumnType, Csv, Dataset, Unlabelled};
use table::features;

use crate::column::{Column, in_line};
use crate::csv_questions;
use crate::findings::Findings;
use crate::goal::Goal;
use crate::leaks::Target;
use crate::project::DATASET_SCHEMA;
use crate::question::{Question, quoted};
use crate::roles::Roles;
use crate::sample::{Sampled, by_files};
use crate::spellings;
use crate::target_questions;

/// Distinct values up to which `--strict` takes them down.
const ALLOWED: usize = 20;
/// Characters of a name in a table.
const SHOWN: usize = 60;
/// Columns that an error names.
const NAMED: usize = 12;

/// A contract that is being made.
pub(crate) struct Draft {
    contracts: Vec<ColumnContract>,
    /// Why a column is no feature, for the table.
    left_out: Vec<Option<&'static str>>,
    findings: Vec<Findings>,
    task: Option<&'static str>,
    unlabelled: Unlabelled,
    csv: Csv,
    /// Bounds of columns that hold infinite values.
    pub(crate) clips: Vec<(String, [f64; 2])>,
    notes: Vec<Question>,
}

impl Draft {
    pub(crate) fn of(sampled: &Sampled, roles: &Roles, goal: &Goal, strict: bool) -> Result<Self> {
        let columns = &sampled.columns;
        let target = &columns[roles.target];
        let mut draft = Self {
            contracts: Vec::new(),
            left_out: Vec::new(),
            findings: Vec::new(),
            task: goal.task,
            unlabelled: match target.has_nulls {
                true => Unlabelled::Drop,
                false => Unlabelled::Fail,
            },
            csv: sampled.dialect.clone(),
            clips: Vec::new(),
            notes: Vec::new(),
        };
        if target.has_nulls {
            let seen = format!(
                "{} of {} values of the target are null",
                target.nulls(),
                target.rows()
            );
            let advice = "dataset.json says \"unlabelled\": \"drop\": such rows are not trained on";
            draft.notes.push(Question::new(&target.name, seen, advice));
        }
        let of_target = target_questions::questions(target, goal, &sampled.places)?;
        draft.notes.extend(of_target);
        let related = Target::of(target, goal)?;
        let is_plain =
            |at: usize| at != roles.target && !roles.ids.contains(&at) && Some(at) != roles.time;
        for (at, column) in columns.iter().enumerate() {
            let findings = match is_plain(at) {
                true => {
                    let before: Vec<&Column> = (0..at)
                        .filter(|&other| is_plain(other))
                        .map(|other| &columns[other])
                        .collect();
                    Findings::of(column, &before, &related, &sampled.places)?
                }
                false => Findings {
                    others: spellings::footer(column, &sampled.places)
                        .into_iter()
                        .collect(),
                    ..Findings::default()
                },
            };
            let role = match () {
                () if at == roles.target => Role::Target,
                () if roles.ids.contains(&at) => Role::Id,
                () if Some(at) == roles.time => Role::Time,
                () if findings.left_out.is_some() => Role::Ignored,
                () => Role::Feature,
            };
            if let Some(clip) = findings.clip {
                draft.clips.push((column.name.clone(), clip));
            }
            draft.contracts.push(contract(column, role, goal, strict)?);
            draft.left_out.push(findings.left_out);
            draft.findings.push(findings);
        }
        draft.leave_out_taken();
        Ok(draft)
    }

    /// Leaves out columns with the names of those that scoring adds: the first step refuses them.
    fn leave_out_taken(&mut self) {
        // A contract that is wrong otherwise is refused for that.
        let predictions = published::predictions_of(&self.dataset()).unwrap_or_default();
        for (at, contract) in self.contracts.iter_mut().enumerate() {
            let name = contract.name.clone();
            if contract.role == Role::Ignored || !published::is_taken(&name, &predictions) {
                continue;
            }
            let advice = match contract.role {
                Role::Feature => {
                    contract.role = Role::Ignored;
                    self.left_out[at] = Some("a name of scoring");
                    self.clips.retain(|(of, _)| *of != name);
                    let (of, new) = (quoted(&name), quoted(&format!("{name}_given")));
                    format!(
                        "it is not a feature: SELECT *, {of} AS {new} FROM raw in features.sql makes \
                         it one by another name"
                    )
                }
                _ => "the first step refuses it: give it another name in the files, and run this again"
                    .to_owned(),
            };
            let seen = "scoring adds a column of that name";
            self.findings[at]
                .others
                .push(Question::new(&name, seen, advice));
        }
    }

    fn dataset(&self) -> Dataset {
        Dataset {
            task: self.task.map(str::to_owned),
            unlabelled: self.unlabelled,
            csv: self.csv.clone(),
            schema: Some(DATASET_SCHEMA.to_owned()),
            ..Dataset::new(self.contracts.clone())
        }
    }

    /// The configuration.
    ///
    /// # Errors
    /// No feature, a name that no feature can have, and the like: exit 2.
    pub(crate) fn config(&self, sampled: &Sampled) -> Result<Config> {
        if !self.contracts.iter().any(|of| of.role == Role::Feature) {
            return Err(Failure::usage(self.why_no_feature(sampled)));
        }
        let mut config = Config::parse(
            dataset_json(&self.dataset()),
            "SELECT * FROM raw\n".to_owned(),
        )?;
        // models.json lies beside it.
        config.categories = true;
        let prepared = Features::new(&config, PLANNING_MEMORY)?;
        features::signature(prepared.columns(), true)?;
        Ok(config)
    }

    fn why_no_feature(&self, sampled: &Sampled) -> String {
        let unusable = sampled.unusable.iter();
        let mut whys: Vec<String> = unusable
            .map(|(name, why)| format!("column {name:?}: {why}"))
            .collect();
        let left_out = self
            .contracts
            .iter()
            .zip(&self.left_out)
            .zip(&self.findings);
        whys.extend(left_out.filter_map(|((of, why), findings)| {
            let why = (*why)?;
            // Without a draft nobody is asked.
            let seen = findings
                .others
                .iter()
                .map(|question| question.seen.as_str());
            let seen = seen.collect::<Vec<_>>().join("; ");
            Some(format!("column {:?} is left out: {why} ({seen})", of.name))
        }));
        if whys.is_empty() {
            return "no column is left as a feature: every column is the target, an id or the \
                    time; deliver files with other columns too"
                .to_owned();
        }
        let more = whys.len().saturating_sub(NAMED);
        whys.truncate(NAMED);
        if more > 0 {
            whys.push(format!("and {more} more"));
        }
        // Where the files are read wrongly, the columns are not what is to be corrected.
        let names = sampled.columns.iter().map(|column| column.name.as_str());
        let of_names = sampled.is_csv.then(|| csv_questions::of_names(names));
        let of_texts = sampled.questions.iter().filter(|of| of.about == "csv");
        let of_files = of_names.into_iter().flatten();
        let of_files = of_files.chain(of_texts.cloned());
        whys.extend(of_files.map(|of| format!("csv: {}", of.seen)));
        format!(
            "no column is left as a feature:\n{}\nnothing was written: correct one of them in the \
             files, or deliver files with other columns too",
            whys.join("\n")
        )
    }

    /// Leaks first, then the rest in the order of the columns.
    pub(crate) fn questions(&self, sampled: &Sampled) -> Vec<Question> {
        let leaks = self
            .findings
            .iter()
            .flat_map(|findings| findings.leaks.iter().cloned());
        let mut questions: Vec<Question> = leaks.collect();
        questions.extend(self.notes.iter().cloned());
        for (column, contract) in sampled.columns.iter().zip(&self.contracts) {
            if contract.role == Role::Feature {
                questions.extend(spellings::missing(column, &self.csv));
            }
            if let [chosen, others @ ..] = &column.forms[..]
                && !others.is_empty()
            {
                let others = others
                    .iter()
                    .map(|form| format!("{form:?}", form = form.to_string()));
                let others = others.collect::<Vec<_>>().join(" or ");
                let seen = format!(
                    "its dates may be spelt {:?}, or {others}",
                    chosen.to_string()
                );
                let advice =
                    "the first is taken: \"format\" in dataset.json says which one is right";
                questions.push(Question::new(&column.name, seen, advice));
            }
            if column.spelled.len() > 1 {
                let seen = format!("its type differs: {}", by_files(&column.spelled));
                let advice = format!("{} takes the values of all", column.column_type);
                questions.push(Question::new(&column.name, seen, advice));
            }
        }
        questions.extend(
            self.findings
                .iter()
                .flat_map(|findings| findings.others.iter().cloned()),
        );
        questions.extend(sampled.unusable.iter().map(|(name, why)| {
            Question::new(
                name,
                why.clone(),
                "it is not in dataset.json, and is ignored",
            )
        }));
        questions
    }

    pub(crate) fn table(&self, columns: &[Column]) -> Vec<Vec<String>> {
        let titles = ["COLUMN", "TYPE", "ROLE", "NULLS", "DISTINCT", "EXAMPLES"];
        let mut table = vec![titles.map(str::to_owned).to_vec()];
        for ((column, contract), why) in columns.iter().zip(&self.contracts).zip(&self.left_out) {
            let examples = column
                .distinct
                .iter()
                .take(3)
                .map(|&(_, _, row)| column.example(row));
            let role = match why {
                Some(why) => format!("{} ({why})", contract.role),
                None => contract.role.to_string(),
            };
            table.push(vec![
                shortened(&in_line(&column.name), SHOWN),
                contract.column_type.to_string(),
                role,
                nulls(column),
                column.distinct.len().to_string(),
                examples.collect::<Vec<_>>().join(", "),
            ]);
        }
        table
    }
}

fn nulls(column: &Column) -> String {
    match (column.nulls(), column.rows()) {
        (0, _) if column.has_nulls => "some".to_owned(),
        (0, _) => "0".to_owned(),
        (nulls, rows) => format!("{:.1} %", (100.0 * nulls as f64 / rows as f64).max(0.1)),
    }
}

/// A column of the contract. A rule that was made of a sample refuses tomorrow's file for one new
/// value, so only the target's classes are one; `strict` asks for more.
fn contract(column: &Column, role: Role, goal: &Goal, strict: bool) -> Result<ColumnContract> {
    let mut contract = ColumnContract {
        nullable: matches!(role, Role::Feature | Role::Ignored),
        format: column.forms.first().cloned(),
        ..ColumnContract::new(&column.name, column.column_type, role)
    };
    if role == Role::Target {
        contract.column_type = goal.column_type;
        if goal.column_type != ColumnType::Bool || goal.classes.len() != 2 {
            contract.allowed.clone_from(&goal.classes);
        }
        if let [_, positive @ ClassValue::Text(_)] = &goal.classes[..] {
            contract.positive = Some(positive.clone());
        }
        return Ok(contract);
    }
    if !strict || role == Role::Id {
        return Ok(contract);
    }
    contract.nullable &= column.has_nulls;
    let few = column.distinct.len() <= ALLOWED && column.distinct.len() as u64 * 5 <= column.rows();
    match column.column_type {
        ColumnType::Utf8 if few && role == Role::Feature => {
            let values = column
                .distinct
                .iter()
                .filter_map(|&(_, _, row)| column.class(row));
            contract.allowed = values.collect();
            contract.allowed.sort_by_key(ToString::to_string);
        }
        ColumnType::Utf8 | ColumnType::Bool => {}
        _ if column.is_moment() => {}
        ColumnType::Int32 | ColumnType::Int64 => {
            // As floats, large ones would be others.
            let whole = column.ticks()?;
            let whole = whole.iter().flatten();
            contract.min = whole.clone().min().map(|value| json!(value));
            contract.max = whole.max().map(|value| json!(value));
        }
        _ => {
            let numbers = column.numbers()?.unwrap_or_default();
            let finite = numbers.into_iter().filter(|value| value.is_finite());
            let ends = finite.fold(None, |ends: Option<(f64, f64)>, value| {
                let (least, most) = ends.unwrap_or((value, value));
                Some((least.min(value), most.max(value)))
            });
            contract.min = ends.map(|ends| json!(ends.0));
            contract.max = ends.map(|ends| json!(ends.1));
        }
    }
    Ok(contract)
}

/// `dataset.json` with one column a line.
pub(crate) fn dataset_json(dataset: &Dataset) -> String {
    let Ok(Value::Object(mut keys)) = serde_json::to_value(dataset) else {
        return String::new();
    };
    keys.remove("columns");
    // Only what differs from the default dialect.
    if let (Some(Value::Object(csv)), Ok(default)) = (keys.get_mut("csv"), json_of(&Csv::default()))
    {
        csv.retain(|key, value| default.get(key) != Some(value));
    }
    let columns = dataset.columns.iter().map(|column| {
        let mut text = String::new();
        if let Ok(Value::Object(all)) = serde_json::to_value(column) {
            // In the order in which a person reads them.
            let order = ["name", "type", "role", "nullable"];
            let others = all.keys().map(String::as_str);
            let others = others.filter(|key| !order.contains(key));
            let said = order.iter().copied().chain(others);
            let said = said.filter_map(|key| Some((key, all.get(key)?)));
            let said = said.filter(|(key, value)| *key != "nullable" || **value == json!(true));
            let pairs = said.map(|(key, value)| format!("{}: {}", json!(key), spaced(value)));
            text = pairs.collect::<Vec<_>>().join(", ");
        }
        format!("    {{{text}}}")
    });
    let columns = columns.collect::<Vec<_>>().join(",\n");
    let others = keys
        .iter()
        .map(|(key, value)| format!("  {}: {value},\n", json!(key)));
    format!(
        "{{\n{}  \"columns\": [\n{columns}\n  ]\n}}\n",
        others.collect::<String>()
    )
}

fn json_of(csv: &Csv) -> Result<Value> {
    Ok(serde_json::to_value(csv)?)
}

/// JSON with a blank after each comma.
fn spaced(value: &Value) -> String {
    match value {
        Value::Array(values) => {
            let values = values.iter().map(ToString::to_string);
            format!("[{}]", values.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
