//! Performance: overall, by day, by threshold and by parts of the rows.

use std::collections::BTreeMap;

use learn::metrics::{CurvePoint, Intervals};
use learn::task::{Better, Report};
use pages::content::{
    ClassNames, Day, FarPredictions, MetricNow, OfTask, Performance, Segment, SegmentedColumn,
    Segments,
};
use pages::judge::performance::{at_threshold, segment};
use pages::judge::ratio;
use pages::judge::window::Window;
use profile::days;
use profile::profiles::ScoreCounts;

use crate::column::{ColumnScan, FarRows};
use crate::joined::{DayCounts, Joined, OfTask as Measured};
use crate::segments::{Dictionaries, Segmentation};
use crate::subject::Subject;

pub(super) fn performance(
    subject: &Subject,
    joined: &Joined,
    window: &Window,
    score: &ColumnScan<ScoreCounts>,
) -> Performance {
    let mut all: Option<DayCounts> = None;
    for counts in joined.days.values() {
        match &mut all {
            None => all = Some(counts.clone()),
            Some(all) => {
                all.rows += counts.rows;
                all.scored_rows += counts.scored_rows;
                all.score_sum += counts.score_sum;
                all.predicted_positives += counts.predicted_positives;
                all.labelled_rows += counts.labelled_rows;
                all.metrics.merge(&counts.metrics);
                match (&mut all.weighted, &counts.weighted) {
                    (Some(all), Some(of_day)) => all.merge(of_day),
                    (all @ None, of_day) => all.clone_from(of_day),
                    (Some(_), None) => {}
                }
            }
        }
    }
    let of_all = |number: fn(&DayCounts) -> u64| all.as_ref().map_or(0, number);
    let (rows, labelled_rows) = (of_all(|all| all.rows), of_all(|all| all.labelled_rows));
    let (scored_rows, predicted_positives) = (
        of_all(|all| all.scored_rows),
        of_all(|all| all.predicted_positives),
    );
    let score_sum = all.as_ref().map_or(0.0, |all| all.score_sum);
    let overall = all
        .map(|all| all.report(&joined.ranks))
        .filter(|overall| overall.rows > 0);
    let classes = subject.of_two.as_ref().map(|of_two| &of_two.classes);
    let confusion = overall
        .as_ref()
        .map(|overall| overall.confusion)
        .unwrap_or_default();
    let (positives, negatives) = (
        confusion.positives(),
        confusion.rows() - confusion.positives(),
    );
    // The curve ends with all rows.
    let whole = joined.curve.last();
    let at = |point: &CurvePoint| {
        let weighted = whole.and_then(|whole| point.weighted(whole));
        let confusion = point.confusion(positives, negatives);
        at_threshold(point.threshold, confusion, weighted)
    };
    let thresholds = if overall.is_some() {
        joined.at_thresholds.iter().map(at).collect()
    } else {
        Vec::new()
    };
    Performance {
        scored_rows,
        predicted_positives,
        mean_score: (scored_rows > 0).then(|| score_sum / scored_rows as f64),
        highest_score: score.seen.ends().map(|(_, max)| max),
        labelled_rows,
        label_coverage: ratio(labelled_rows, rows),
        majority_accuracy: overall
            .as_ref()
            .and_then(|overall| overall.base_rate)
            .map(|rate| rate.max(1.0 - rate)),
        intervals: match subject.weight() {
            // They are of shares of rows.
            Some(_) => Intervals::default(),
            None => confusion.intervals(),
        },
        curve: joined.curve.clone(),
        thresholds,
        overall,
        holdout: subject.metrics.holdout.binary().cloned(),
        classes: classes.map(|classes| ClassNames {
            negative: classes.negative.to_string(),
            positive: classes.positive.to_string(),
        }),
        of_task: (joined.of_task.as_ref()).map(|of| of_task(subject, of, &score.far)),
        time_column: subject.time().map(str::to_owned),
        days: joined
            .days
            .iter()
            .filter_map(|(number, counts)| Some((days::date((*number)?)?, (number, counts))))
            .filter(|(date, _)| window.holds(*date))
            .map(|(date, (number, counts))| match &joined.of_task {
                None => day(date, counts),
                Some(of) => {
                    let mut day = day_of_task(date, counts, of.days.get(number));
                    let measured = of.days.get(number).filter(|_| subject.weight().is_some());
                    let weight = measured.and_then(|of| of.number("weight"));
                    day.metrics
                        .extend(weight.map(|weight| ("weight".to_owned(), weight)));
                    day
                }
            })
            .collect(),
    }
}

fn day(date: chrono::NaiveDate, counts: &DayCounts) -> Day {
    let metrics = counts.report(&counts.ranks);
    Day {
        predicted_positive_rate: ratio(counts.predicted_positives, counts.scored_rows),
        base_rate: metrics.base_rate,
        accuracy: metrics.accuracy,
        precision: metrics.precision,
        recall: metrics.recall,
        f1: metrics.f1,
        roc_auc: metrics.roc_auc,
        log_loss: metrics.log_loss,
        brier: metrics.brier,
        intervals: match metrics.weight {
            Some(_) => Intervals::default(),
            None => metrics.confusion.intervals(),
        },
        confusion: metrics.confusion,
        weights: (counts.weighted.as_ref()).map(|weighted| weighted.report().confusion),
        ..counted(date, counts)
    }
}

/// How right the predictions of another task were, beside the holdout.
fn of_task(subject: &Subject, measured: &Measured, far: &FarRows) -> OfTask {
    let (model, holdout) = (&subject.model, &subject.metrics.holdout);
    let now = measured.overall.as_ref();
    let own = model.task.metrics();
    let own = own.iter().map(|of| (of.name.to_owned(), Some(of.better)));
    let known: Vec<String> = own.clone().map(|(name, _)| name).collect();
    let besides = holdout.numbers().into_iter().map(|(name, _)| name);
    let besides = besides.filter(|name| !known.contains(name));
    let metric = |(name, better): (String, Option<Better>)| MetricNow {
        now: now.and_then(|now| now.number(&name)),
        holdout: holdout.number(&name),
        name,
        better,
    };
    OfTask {
        task: model.task.name().to_owned(),
        classes: model.target.class_names(),
        metrics: own
            .chain(besides.map(|name| (name, None)))
            .map(metric)
            .collect(),
        now: now.cloned(),
        holdout: Some(holdout.clone()),
        deciding: measured.deciding.clone(),
        far: far.farthest.map(|row| FarPredictions {
            rows: far.rows,
            key: measured.farthest.clone().unwrap_or_default(),
            prediction: row.value,
        }),
    }
}

fn day_of_task(date: chrono::NaiveDate, counts: &DayCounts, measured: Option<&Report>) -> Day {
    Day {
        metrics: measured.map(by_name).unwrap_or_default(),
        ..counted(date, counts)
    }
}

/// A day of any task, not measured yet.
fn counted(date: chrono::NaiveDate, counts: &DayCounts) -> Day {
    Day {
        date,
        rows: counts.rows,
        scored_rows: counts.scored_rows,
        labelled_rows: counts.labelled_rows,
        label_coverage: ratio(counts.labelled_rows, counts.rows),
        mean_score: (counts.scored_rows > 0).then(|| counts.score_sum / counts.scored_rows as f64),
        ..Day::default()
    }
}

/// Every number that was measured of some rows; none without rows.
fn by_name(report: &Report) -> BTreeMap<String, f64> {
    match report.rows() {
        0 => BTreeMap::new(),
        _ => report.numbers().into_iter().collect(),
    }
}

/// Parts of the rows, with what was measured of them where they are of another task than two
/// classes. `reference` holds the shares of the training data's scores in the same ranges.
pub(super) fn segments(
    joined: &Joined,
    dictionaries: &Dictionaries,
    reference: &[u64],
) -> Segments {
    let mut segments = of_counts(&joined.segmentation, dictionaries, reference);
    let Some(of) = &joined.of_task else {
        return segments;
    };
    let measure = |segment: &mut Segment, report: &Report| {
        (segment.measured_rows, segment.metrics) = (report.rows(), by_name(report));
    };
    for (segment, report) in segments.score.iter_mut().zip(&of.by_score) {
        measure(segment, report);
    }
    for (named, reports) in dictionaries.named().iter().zip(&of.by_value) {
        let column = segments.columns.iter_mut();
        let Some(column) = column.into_iter().find(|of| of.column == named.column) else {
            continue;
        };
        for segment in &mut column.values {
            let name = segment.name.as_ref();
            let mut reports = reports.iter();
            let found = reports.find(|(code, _)| named.values.get(code) == name);
            if let Some((_, report)) = found {
                measure(segment, report);
            }
        }
    }
    segments
}

/// Parts of the rows, without the metrics of another task than two classes.
pub(crate) fn of_counts(
    parts: &Segmentation,
    dictionaries: &Dictionaries,
    reference: &[u64],
) -> Segments {
    let scored: u64 = parts.score.iter().map(|counts| counts.rows).sum();
    let trained: u64 = reference.iter().sum();
    let cuts = parts.cuts();
    let score =
        parts
            .score
            .iter()
            .zip(reference)
            .enumerate()
            .map(|(index, (counts, reference))| Segment {
                lower: index.checked_sub(1).map(|below| cuts[below]),
                upper: cuts.get(index).copied(),
                reference_share: ratio(*reference, trained),
                ..segment(None, counts, scored)
            });
    let (mut columns, mut too_many_values) = (Vec::new(), Vec::new());
    for (named, counts) in dictionaries.named().into_iter().zip(&parts.values) {
        if named.has_too_many(counts) {
            too_many_values.push(named.column);
            continue;
        }
        let rows: u64 = counts.values().map(|counts| counts.rows).sum();
        let mut values: Vec<Segment> = counts
            .iter()
            .map(|(code, counts)| segment(named.values.get(code).cloned(), counts, rows))
            .collect();
        values.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.name.cmp(&b.name)));
        columns.push(SegmentedColumn {
            column: named.column,
            values,
        });
    }
    Segments {
        score: score.collect(),
        columns,
        too_many_values,
    }
}
