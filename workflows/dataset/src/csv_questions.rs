//! What `infer` does not read out of CSV files by itself, and asks about: quotes other than ",
//! files without a header, and quotes that are parts of texts.

use table::dataset::{ColumnType, Dataset};
use table::raw::probe::swallowed;

use crate::question::Question;
use crate::sample::Sampled;

/// What the names of the columns say of the files.
pub(crate) fn of_names<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<Question> {
    let mut questions = Vec::new();
    let quoted = |name: &&str| name.len() > 1 && name.starts_with('\'') && name.ends_with('\'');
    if let Some(name) = names.clone().find(quoted) {
        questions.push(Question::new(
            "csv",
            format!("the header names {name}: fields are in single quotes"),
            "the quotes are read as part of each field: with \"csv\": {\"quote\": \"'\"} in dataset.json \
             they are removed, so write the names and values there without them",
        ));
    }
    let is_value = |name: &&str| name.trim_matches('\'').parse::<f64>().is_ok();
    let values: Vec<&str> = names.filter(is_value).collect();
    if let Some(first) = values.first() {
        questions.push(Question::new(
            "csv",
            format!(
                "{} names of the header are numbers, such as {first}: it may be a row",
                values.len()
            ),
            "the first row is taken for the header: files without one need \"csv\": {\"header\": \
             false}, and in dataset.json a name for each column, in their order",
        ));
    }
    questions
}

/// What texts of several lines say of the files: by the types that the columns got, some read as
/// rows.
pub(crate) fn of_texts(sampled: &Sampled, dataset: &Dataset) -> Vec<Question> {
    // A row has the unusable columns too, and where they are is not known here.
    if !sampled.is_csv || !sampled.unusable.is_empty() {
        return Vec::new();
    }
    let held = swallowed(dataset);
    let columns = sampled.columns.iter().enumerate();
    let texts = columns.filter(|(_, column)| column.column_type == ColumnType::Utf8);
    let questions = texts.filter_map(|(at, column)| {
        let mut rows = column.distinct.iter().map(|&(_, _, row)| row);
        let row = rows.find(|&row| held(column.text(row), at).is_some())?;
        Some(Question::new(
            &column.name,
            format!(
                "the text in {} holds other rows: two quotes that are parts of texts probably close \
                 each other",
                sampled.places.of(row)
            ),
            "the steps refuse such a file: put a field that holds quotes in quotes, and double its \
             quotes, or say \"csv\": {\"quote\": null} in dataset.json if no field is quoted",
        ))
    });
    questions.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_of_values_or_of_quotes_is_asked_about() {
        let asked = |names: &[&str]| {
            let questions = of_names(names.iter().copied());
            questions
                .into_iter()
                .map(|question| question.seen)
                .collect::<Vec<_>>()
        };
        assert_eq!(asked(&["id", "x1", "churned"]), [""; 0]);
        assert_eq!(
            asked(&["7", "0.5", "yes"]),
            ["2 names of the header are numbers, such as 7: it may be a row"]
        );
        assert_eq!(
            asked(&["'id'", "'x'"]),
            ["the header names 'id': fields are in single quotes"]
        );
    }
}
