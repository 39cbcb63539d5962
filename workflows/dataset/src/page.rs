//! The page of a profile: one self-contained document without scripts.

use pages::chart::{Spread, spread, spread_names};
use pages::format::{bytes, count, number, rows, share};
use pages::html::{Markup, icon, nothing, tag, tagged, text};
use pages::page::{self, folded, note, section};

use crate::counted::Described;
use crate::files::Files;
use crate::question::Question;

/// Lines of a table before the others are folded.
const SHOWN: usize = 40;
/// Columns with a chart of their own; the table holds all.
const CHARTS: usize = 200;

/// What a page shows.
pub(crate) struct Content<'a> {
    pub(crate) files: &'a Files,
    pub(crate) rows: u64,
    /// What the mean of the target is of, and the mean of all rows.
    pub(crate) target: Option<(String, f64)>,
    pub(crate) goal: Option<String>,
    pub(crate) columns: Vec<Described>,
    pub(crate) questions: Vec<Question>,
    /// Correlations with the target, and of columns with each other.
    pub(crate) related: Vec<(String, f64)>,
    pub(crate) alike: Vec<(String, String, f64)>,
}

/// The document.
pub(crate) fn render(content: &Content<'_>) -> String {
    let title = format!("A profile of {}", rows(content.rows));
    let main = [
        banner(content),
        cards(content),
        questions(&content.questions),
        overview(content),
        relations(content),
        columns(content),
    ];
    page::document(&title, tag("main", main))
}

fn banner(content: &Content<'_>) -> Markup {
    let files = content.files;
    let name = files
        .root
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let goal = content
        .goal
        .clone()
        .unwrap_or_else(|| "no column to predict is known".to_owned());
    let what = tag(
        "p class=\"subject\"",
        [
            tagged("strong", name.unwrap_or_default()),
            text(" · a profile of raw files"),
        ],
    );
    tag(
        "header class=\"banner unknown\"",
        [icon(), tag("div", [what, tagged("h1", goal)])],
    )
}

fn cards(content: &Content<'_>) -> Markup {
    let card = |what: &str, value: String, below: String| {
        let parts = [
            tagged("p class=\"what\"", what),
            tagged("p class=\"value\"", value),
            tagged("p class=\"below\"", below),
        ];
        tag("div class=\"card\"", parts)
    };
    let files = content.files.train.len() as u64;
    let empty: u64 = content.columns.iter().map(|column| column.nulls).sum();
    let values = content.rows * content.columns.len() as u64;
    let mean = match &content.target {
        Some((name, mean)) => card("Mean of the target", number(Some(*mean)), name.clone()),
        None => card(
            "Mean of the target",
            "none".to_owned(),
            "--target names it".to_owned(),
        ),
    };
    let cards = [
        card(
            "Rows",
            count(content.rows),
            match files {
                1 => "in 1 file".to_owned(),
                files => format!("in {} files", count(files)),
            },
        ),
        card(
            "Columns",
            count(content.columns.len() as u64),
            bytes(content.files.bytes()),
        ),
        card(
            "Null values",
            share((values > 0).then(|| empty as f64 / values as f64)),
            format!("{} of {}", count(empty), count(values)),
        ),
        mean,
    ];
    tag("div class=\"cards\"", cards)
}

fn questions(questions: &[Question]) -> Markup {
    if questions.is_empty() {
        return nothing();
    }
    let cells = |question: &Question| {
        let said = [
            tagged("div", &question.seen),
            tagged("div class=\"muted small\"", &question.advice),
        ];
        vec![text(&question.about), tag("div", said)]
    };
    let lead = text("Questions to check before training, as far as a sample shows them.");
    let table = folded(
        "texts",
        "Questions",
        &[
            "Column",
            "Observation, and what `alameda dataset infer` does",
        ],
        questions.iter().map(cells),
        SHOWN / 2,
    );
    section("questions", "Questions", lead, [table])
}

fn overview(content: &Content<'_>) -> Markup {
    let of_rows = |some: u64| share((content.rows > 0).then(|| some as f64 / content.rows as f64));
    let cells = |column: &Described| {
        let numbers = column.numbers;
        let of =
            |value: Option<f64>| text(value.map(|value| number(Some(value))).unwrap_or_default());
        let quantile = |at: usize| of(numbers.and_then(|numbers| numbers.quantiles[at]));
        vec![
            text(&column.name),
            text(column.column_type),
            text(of_rows(column.nulls)),
            text(distinct(column)),
            of(numbers.and_then(|numbers| numbers.mean)),
            of(numbers.and_then(|numbers| numbers.std)),
            of(numbers.and_then(|numbers| numbers.ends).map(|ends| ends.0)),
            quantile(0),
            quantile(1),
            quantile(2),
            of(numbers.and_then(|numbers| numbers.ends).map(|ends| ends.1)),
        ]
    };
    let titles = [
        "Column",
        "Type",
        "Null",
        "Distinct",
        "Mean",
        "Deviation",
        "Least",
        "5 %",
        "Median",
        "95 %",
        "Greatest",
    ];
    let lead = text(
        "Over all rows. Quantiles are exact within cells of a few thousandths of the rows; \
         distinct values are those of a sample where they end with +.",
    );
    let table = folded(
        "numbers",
        "Columns",
        &titles,
        content.columns.iter().map(cells),
        SHOWN,
    );
    section("overview", "Overview", lead, [table])
}

fn distinct(column: &Described) -> String {
    let (distinct, all) = column.distinct;
    format!("{}{}", count(distinct), if all { "" } else { "+" })
}

fn relations(content: &Content<'_>) -> Markup {
    if content.related.is_empty() && content.alike.is_empty() {
        return nothing();
    }
    let r = |r: f64| text(format!("{r:.3}"));
    let mut inner = Vec::new();
    if !content.related.is_empty() {
        let cells = content
            .related
            .iter()
            .map(|(name, value)| vec![text(name), r(*value)]);
        inner.push(tagged("h3 class=\"part\"", "With the target"));
        inner.push(page::table(
            "numbers",
            "With the target",
            &["Column", "Correlation"],
            cells,
        ));
    }
    if !content.alike.is_empty() {
        let cells = content.alike.iter();
        let cells = cells.map(|(one, other, value)| vec![text(one), text(other), r(*value)]);
        let titles = ["Column", "Other column", "Correlation"];
        inner.push(tagged("h3 class=\"part\"", "Highly correlated columns"));
        inner.push(page::table(
            "numbers",
            "Highly correlated columns",
            &titles,
            cells,
        ));
    }
    let lead = text("Pearson's correlation of numbers in the sample.");
    section("relations", "Relations", lead, inner)
}

fn columns(content: &Content<'_>) -> Markup {
    let of_rows = content.rows.max(1);
    let chart = |(at, column): (usize, &Described)| {
        let id = format!("c{at}");
        let target = content.target.as_ref().filter(|_| !column.is_target);
        let chart = Spread {
            id: &id,
            name: &column.name,
            target: target.map(|(name, mean)| (name.as_str(), *mean)),
            bars: &column.bars,
            rows: of_rows,
        };
        let drawn = match column.named {
            true if column.bars.is_empty() => nothing(),
            true => spread_names(&chart),
            false => spread(&chart),
        };
        let what = match column.is_target {
            true => format!("{}, the target", column.column_type),
            false => column.column_type.to_string(),
        };
        let head = [
            tagged("h3", &column.name),
            tagged("span class=\"muted small\"", what),
        ];
        let mut parts = vec![tag("div class=\"head\"", head), drawn];
        let nulls = share(Some(column.nulls as f64 / of_rows as f64));
        let mut said = vec![format!("{} distinct", distinct(column))];
        if column.nulls > 0 {
            said.push(format!("{nulls} null"));
        }
        if column.named && column.bars.is_empty() {
            said.push("nearly all differ".to_owned());
        }
        if column.infinite > 0 {
            said.push(format!("{} infinite", count(column.infinite)));
        }
        if column.misfits > 0 {
            said.push(format!(
                "{} are not of type {}",
                rows(column.misfits),
                column.column_type
            ));
        }
        parts.push(note(said.join(", ")));
        tag("div class=\"column\"", parts)
    };
    let charts = content.columns.iter().enumerate().take(CHARTS).map(chart);
    let more = content.columns.len().saturating_sub(CHARTS);
    let more = match more {
        0 => nothing(),
        more => note(format!(
            "{} more columns are only in the overview.",
            count(more as u64)
        )),
    };
    let lead = match &content.target {
        Some((name, _)) => text(format!(
            "Bars are shares of the rows; points are the mean of {name} over each, and the dashed \
             line that of all rows."
        )),
        None => text("Bars are shares of the rows."),
    };
    section(
        "columns",
        "Columns",
        lead,
        [tag("div class=\"features\"", charts), more],
    )
}
