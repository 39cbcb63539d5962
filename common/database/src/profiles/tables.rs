//! The tables of profiles and of what they are counted by.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use chrono::NaiveDate;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::Key;
use crate::names::Table;
use crate::retention::RETENTION;
use crate::session::{Session, get};
use crate::side_table::SideTable;
use profile::cells::Counts;
use profile::profiles::{
    Baseline, ClassCounts, FORMAT_VERSION, FORMER_VERSION, FeatureBaseline, FormerBaseline,
    LabelCounts, Profile, ReadCounts, ReadProfile, ScoreBaseline, ScoreCounts,
};
use runtime::retry::Trouble;

/// What the first release wrote has no such column: it is added with the number of that format.
const VERSION: (&str, &str, &str) = (
    "format_version",
    "integer NOT NULL DEFAULT 1",
    "Version of the format of this row: 2, or 1 for the first release.",
);

/// What the first release wrote has no such column either.
const WEIGHTS: (&str, &str, &str) = (
    "weights",
    "jsonb",
    "Weights of the rows with a label and a score, by cell, in units of 2^-64; null if the model has no weight column.",
);

const TABLE: (&str, &str, &str) = (
    "predictions_table",
    "text NOT NULL",
    "The table whose rows are counted.",
);
const MODEL_NAME: (&str, &str, &str) = (
    "model_name",
    "text NOT NULL",
    "Registered name of the model.",
);
const MODEL_VERSION: (&str, &str, &str) =
    ("model_version", "bigint NOT NULL", "Version of that model.");

pub(crate) const PROFILES: SideTable = SideTable {
    name: "prediction_profiles",
    comment: "Counts of the predictions, by model version, data version and day.",
    columns: &[
        TABLE,
        MODEL_NAME,
        MODEL_VERSION,
        (
            "data_version",
            "text NOT NULL",
            "Data version that the rows were scored in.",
        ),
        (
            "day",
            "date",
            "Day of the rows; null if there is no time column.",
        ),
        ("rows", "bigint NOT NULL", "Rows in all."),
        (
            "labelled_rows",
            "bigint NOT NULL",
            "Rows whose label is known.",
        ),
        (
            "unscored_rows",
            "bigint NOT NULL",
            "Rows without a prediction.",
        ),
        (
            "true_negatives",
            "bigint NOT NULL",
            "Scored rows of the negative class below the model's threshold; 0 for other tasks.",
        ),
        (
            "false_positives",
            "bigint NOT NULL",
            "Scored rows of the negative class from the threshold on; 0 for other tasks.",
        ),
        (
            "false_negatives",
            "bigint NOT NULL",
            "Scored rows of the positive class below the threshold; 0 for other tasks.",
        ),
        (
            "true_positives",
            "bigint NOT NULL",
            "Scored rows of the positive class from the threshold on; 0 for other tasks.",
        ),
        (
            "unlabelled",
            "bigint[] NOT NULL",
            "Scored rows without a label, by cell of the score: see prediction_baselines.",
        ),
        (
            "negatives",
            "bigint[] NOT NULL",
            "Scored rows of the negative class, or wrong predictions of more classes, by cell of the score.",
        ),
        (
            "positives",
            "bigint[] NOT NULL",
            "Scored rows of the positive class, or right predictions, by cell of the score.",
        ),
        (
            "unscored",
            "bigint[] NOT NULL",
            "Rows without a score: unlabelled, negative, positive.",
        ),
        (
            "score_sums",
            "bigint[] NOT NULL",
            "Sum of the scores, times 2^30: unlabelled, negative, positive.",
        ),
        (
            "score_squares",
            "bigint[] NOT NULL",
            "Sum of the squared scores, times 2^30: unlabelled, negative, positive.",
        ),
        (
            "features",
            "jsonb NOT NULL",
            "By feature: counts of values that are not finite numbers, sums of (value - center) / \
             scale, times 2^50, and rows by cell; for predicted numbers also of predictions, \
             labels and errors.",
        ),
        WEIGHTS,
        VERSION,
    ],
    key: "UNIQUE NULLS NOT DISTINCT (predictions_table, model_name, model_version, data_version, day)",
};
/// Columns of the key, which come first.
const PROFILE_KEY: usize = 5;

const BASELINES: SideTable = SideTable {
    name: "prediction_baselines",
    comment: "The cells in which prediction_profiles counts, and the counts of the training data in them.",
    columns: &[
        TABLE,
        MODEL_NAME,
        MODEL_VERSION,
        (
            "threshold",
            "double precision NOT NULL",
            "Probability from which the positive class is predicted; NaN for other tasks.",
        ),
        (
            "score_cuts",
            "double precision[] NOT NULL",
            "Cut points between the cells of the score, as width_bucket takes them.",
        ),
        (
            "baseline",
            "jsonb NOT NULL",
            "Cells of every feature, with centre and scale, and the training data in the same cells.",
        ),
        VERSION,
    ],
    key: "PRIMARY KEY (predictions_table, model_name, model_version)",
};

/// Makes the tables when they are missing.
pub(super) async fn ensure(session: &Session<'_>, table: &Table) -> Result<(), Trouble> {
    PROFILES.ensure(session, table).await?;
    BASELINES.ensure(session, table).await
}

/// Adds what tables of the first release lack. It keeps readers out until its transaction ends.
pub(super) async fn add_columns(session: &Session<'_>, table: &Table) -> Result<(), Trouble> {
    for (side, column) in [
        (&PROFILES, VERSION),
        (&PROFILES, WEIGHTS),
        (&BASELINES, VERSION),
    ] {
        if side.exists(session, table).await? {
            side.ensure_column(session, table, column).await?;
        }
    }
    Ok(())
}

/// What the profiles of each version of a model are counted by, whatever release wrote it.
pub(crate) async fn baselines(
    session: &Session<'_>,
    table: &Table,
    model_name: &str,
) -> Result<BTreeMap<i64, Arc<Baseline>>, Trouble> {
    let read = read_baselines(session, table, model_name).await?;
    let baselines = read.into_iter().map(|(version, (_, of))| (version, of));
    Ok(baselines.collect())
}

/// The same, each with the format that it is written in.
pub(super) async fn read_baselines(
    session: &Session<'_>,
    table: &Table,
    model_name: &str,
) -> Result<BTreeMap<i64, (u32, Arc<Baseline>)>, Trouble> {
    let sql = format!(
        "SELECT model_version, baseline::text, baseline->>'format_version' FROM {} \
         WHERE predictions_table = $1 AND model_name = $2",
        BASELINES.beside(table)
    );
    let parameters: [(&(dyn ToSql + Sync), Type); 2] =
        [(&table.name, Type::TEXT), (&model_name, Type::TEXT)];
    let mut baselines = BTreeMap::new();
    for row in session
        .query("reading the baselines", &sql, &parameters)
        .await?
    {
        let (version, text): (i64, String) = (get(&row, 0)?, get(&row, 1)?);
        // One that was written by another version of the code is as good as none.
        let format: Option<String> = get(&row, 2)?;
        let format = format.and_then(|format| format.parse().ok());
        let format = format.unwrap_or(FORMAT_VERSION);
        match read_baseline(format, &text) {
            Ok(baseline) => drop(baselines.insert(version, (format, Arc::new(baseline)))),
            Err(error) => tracing::warn!(
                "the baseline of {model_name} version {version} can't be read: {error:#}"
            ),
        }
    }
    Ok(baselines)
}

fn read_baseline(format: u32, text: &str) -> Result<Baseline> {
    match format {
        FORMER_VERSION => Ok(serde_json::from_str::<FormerBaseline>(text)?.now()?),
        _ => Ok(serde_json::from_str(text)?),
    }
}

/// Says what the profiles of a version are counted by.
pub(super) async fn set_baseline(
    session: &Session<'_>,
    table: &Table,
    model_name: &str,
    version: i64,
    baseline: &Baseline,
) -> Result<(), Trouble> {
    let text = serde_json::to_string(baseline)
        .context("writing a baseline")
        .map_err(Trouble::Lasting)?;
    let sql = format!(
        "INSERT INTO {} (predictions_table, model_name, model_version, threshold, score_cuts, baseline, format_version) \
         VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, {FORMAT_VERSION}) \
         ON CONFLICT (predictions_table, model_name, model_version) \
         DO UPDATE SET threshold = excluded.threshold, score_cuts = excluded.score_cuts, \
         baseline = excluded.baseline, format_version = excluded.format_version",
        BASELINES.beside(table)
    );
    let cuts = baseline.score.cells().cuts();
    let threshold = baseline.threshold.unwrap_or(f64::NAN);
    let parameters: [(&(dyn ToSql + Sync), Type); 6] = [
        (&table.name, Type::TEXT),
        (&model_name, Type::TEXT),
        (&version, Type::INT8),
        (&threshold, Type::FLOAT8),
        (&cuts, Type::FLOAT8_ARRAY),
        (&text, Type::TEXT),
    ];
    session
        .execute("writing a baseline", &sql, &parameters)
        .await
        .map(drop)
}

/// Forgets all profiles of a model version.
pub(super) async fn clear_version(
    session: &Session<'_>,
    table: &Table,
    model_name: &str,
    version: i64,
) -> Result<(), Trouble> {
    let sql = format!(
        "DELETE FROM {} WHERE predictions_table = $1 AND model_name = $2 AND model_version = $3",
        PROFILES.beside(table)
    );
    let parameters: [(&(dyn ToSql + Sync), Type); 3] = [
        (&table.name, Type::TEXT),
        (&model_name, Type::TEXT),
        (&version, Type::INT8),
    ];
    session
        .execute("clearing profiles", &sql, &parameters)
        .await
        .map(drop)
}

/// Forgets all profiles, but for those of days that retention has dropped.
pub(super) async fn clear(session: &Session<'_>, table: &Table) -> Result<(), Trouble> {
    ensure(session, table).await?;
    let mut sql = format!(
        "DELETE FROM {} AS profile WHERE predictions_table = $1",
        PROFILES.beside(table)
    );
    if RETENTION.exists(session, table).await? {
        sql += &format!(
            " AND NOT EXISTS (SELECT FROM {} AS dropped WHERE dropped.predictions_table = profile.predictions_table \
             AND dropped.model_name = profile.model_name AND profile.day < dropped.first_day)",
            RETENTION.beside(table)
        );
    }
    session
        .execute("clearing profiles", &sql, &[(&table.name, Type::TEXT)])
        .await
        .map(drop)
}

/// The columns that make a [`Profile`].
pub(super) const NUMBERS: &str = "unlabelled, negatives, positives, unscored, score_sums, \
     score_squares, features::text, weights::text";

/// The same for who only reads, and may meet a table of the first release.
pub(crate) async fn numbers(session: &Session<'_>, table: &Table) -> Result<String, Trouble> {
    let (name, _, _) = WEIGHTS;
    let there = PROFILES.has_column(session, table, name).await?;
    Ok(match there {
        true => NUMBERS.to_owned(),
        false => NUMBERS.replace(name, "NULL"),
    })
}

/// The profiles of the given days, and the one without a day.
pub(super) async fn profiles(
    session: &Session<'_>,
    table: &Table,
    key: &Key<'_>,
    days: &[NaiveDate],
    baseline: &Baseline,
) -> Result<BTreeMap<Option<NaiveDate>, Profile>, Trouble> {
    let sql = format!(
        "SELECT day, {NUMBERS} FROM {} \
         WHERE predictions_table = $1 AND model_name = $2 AND model_version = $3 AND data_version = $4 \
         AND (day = ANY ($5) OR day IS NULL)",
        PROFILES.beside(table)
    );
    let mut parameters = key.parameters().to_vec();
    parameters.push((&days, Type::DATE_ARRAY));
    let rows = session.query("reading profiles", &sql, &parameters).await?;
    // One that can't be read counts as none: the rows are then counted again.
    let readable =
        |row: &Row| Ok(profile(row, baseline)?.unwrap_or_else(|| Profile::new(baseline)));
    rows.iter()
        .map(|row| Ok((get(row, 0)?, readable(row)?)))
        .collect()
}

/// The profile in columns 1 to 8 of a row, as [`NUMBERS`] names them; `None` when a person has made
/// it unreadable.
pub(crate) fn profile(row: &Row, baseline: &Baseline) -> Result<Option<Profile>, Trouble> {
    let numbers = |index: usize| get::<Vec<i64>>(row, index);
    let (unscored, sums, squares) = (numbers(4)?, numbers(5)?, numbers(6)?);
    let number = |numbers: &[i64], label: usize| numbers.get(label).copied().unwrap_or(0);
    let counts = |label: usize, cells: Vec<i64>| LabelCounts {
        unscored: number(&unscored, label),
        sum: number(&sums, label),
        squares: number(&squares, label),
        cells,
    };
    let mut features: BTreeMap<String, ReadCounts> =
        serde_json::from_str(&get::<String>(row, 7)?).unwrap_or_default();
    let mut of = |column: &FeatureBaseline| features.remove(&column.name).unwrap_or_default();
    let score = match &baseline.score {
        ScoreBaseline::Classes(_) => ScoreCounts::Classes(ClassCounts {
            unlabelled: counts(0, numbers(1)?),
            negative: counts(1, numbers(2)?),
            positive: counts(2, numbers(3)?),
        }),
        ScoreBaseline::Numbers(numbers) => {
            let numbers = numbers.as_ref().as_ref();
            let counted = numbers.map(|column| of(column).now(&column.cells));
            ScoreCounts::Numbers(Box::new(counted))
        }
    };
    let in_order = baseline.features.iter().map(&mut of);
    let weights = get::<Option<String>>(row, 8)?;
    let weights = weights.and_then(|weights| serde_json::from_str(&weights).ok());
    Ok(ReadProfile::new(score, in_order.collect(), weights).now(baseline))
}

/// Puts a profile in the place of the one of its day; one of no rows is removed.
pub(super) async fn write(
    session: &Session<'_>,
    table: &Table,
    key: &Key<'_>,
    day: Option<NaiveDate>,
    profile: &Profile,
    baseline: &Baseline,
) -> Result<(), Trouble> {
    let table = PROFILES.beside(table);
    let mut parameters = key.parameters().to_vec();
    parameters.push((&day, Type::DATE));
    if profile.rows() == 0 {
        let sql = format!(
            "DELETE FROM {table} WHERE predictions_table = $1 AND model_name = $2 AND model_version = $3 \
             AND data_version = $4 AND day IS NOT DISTINCT FROM $5"
        );
        return session
            .execute("removing a profile", &sql, &parameters)
            .await
            .map(drop);
    }
    let confusion = baseline.confusion(&profile.score).unwrap_or_default();
    let counts = [
        profile.rows(),
        profile.labelled_rows(),
        profile.unscored_rows(),
        confusion.true_negatives as i64,
        confusion.false_positives as i64,
        confusion.false_negatives as i64,
        confusion.true_positives as i64,
    ];
    parameters.extend(
        counts
            .iter()
            .map(|count| (count as &(dyn ToSql + Sync), Type::INT8)),
    );
    let none = ClassCounts::default();
    let classes = profile.score.classes().unwrap_or(&none);
    let labels = [&classes.unlabelled, &classes.negative, &classes.positive];
    let of_labels = |number: fn(&LabelCounts) -> i64| labels.map(number).to_vec();
    let numbers: [Vec<i64>; 3] = [
        of_labels(|counts| counts.unscored),
        of_labels(|counts| counts.sum),
        of_labels(|counts| counts.squares),
    ];
    let arrays = labels
        .into_iter()
        .map(|counts| &counts.cells)
        .chain(&numbers);
    parameters.extend(arrays.map(|array| (array as &(dyn ToSql + Sync), Type::INT8_ARRAY)));
    let features = baseline.features.iter().zip(&profile.features);
    let numbers = baseline.score.numbers().zip(profile.score.numbers());
    let numbers = numbers.map(|(of, counts)| of.as_ref().zip(counts.as_ref()).into_array());
    let features: BTreeMap<&str, &Counts> = features
        .chain(numbers.into_iter().flatten())
        .map(|(of, counts)| (of.name.as_str(), counts))
        .collect();
    let features = serde_json::to_string(&features)
        .context("writing a profile")
        .map_err(Trouble::Lasting)?;
    let weights = profile.weights.as_ref().map(serde_json::to_string);
    let weights = weights.transpose().context("writing a profile");
    let weights = weights.map_err(Trouble::Lasting)?;
    parameters.push((&features, Type::TEXT));
    parameters.push((&weights, Type::TEXT));

    let names = PROFILES.names();
    // The last three are features and weights, which are written as texts, and the version.
    let texts = names.len() - 2;
    let value = |number: usize| match number < texts {
        true => format!("${number}"),
        false => format!("${number}::text::jsonb"),
    };
    let values: Vec<String> = (1..names.len()).map(value).collect();
    let updates: Vec<String> = names[PROFILE_KEY..]
        .iter()
        .map(|name| format!("{name} = excluded.{name}"))
        .collect();
    let sql = format!(
        "INSERT INTO {table} ({}) VALUES ({}, {FORMAT_VERSION}) \
         ON CONFLICT ({}) DO UPDATE SET {}",
        names.join(", "),
        values.join(", "),
        names[..PROFILE_KEY].join(", "),
        updates.join(", ")
    );
    session
        .execute("writing a profile", &sql, &parameters)
        .await
        .map(drop)
}
