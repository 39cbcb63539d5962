//! From what is kept beside a model of its training data to what its profiles are counted by.

use chrono_tz::Tz;

use crate::categories;
use crate::cells::CellsError;
use crate::profiles::{
    Baseline, ClassCounts, ClassScores, FORMAT_VERSION, FeatureBaseline, Kind, OfNumber,
    ScoreBaseline, score_cuts, score_shares,
};
use crate::reference::{ColumnProfile, FeatureProfile, Reference, ScoreCells, ScoreProfile};
use learn::model::Classes;
use learn::task::{CountedAs, PREDICTION, Rule, Target, Task};

impl Baseline {
    /// From what was saved beside a model: what it does, what it predicts and how, and the column
    /// of weights that it was trained with. `fingerprint` is the model's.
    ///
    /// # Errors
    /// A reference whose numbers contradict each other, or that is of another kind of scores than
    /// the model's.
    pub fn new(
        fingerprint: &str,
        (task, target, rule): (&dyn Task, &Target, &Rule),
        weight: Option<&str>,
        reference: &Reference,
        timezone: Tz,
    ) -> Result<Self, CellsError> {
        let features = reference.features.iter().map(FeatureBaseline::new);
        let counted_as = task.counted_as();
        let score = reference.score.baseline(rule.threshold, &target.name)?;
        if (counted_as == CountedAs::Number) != score.numbers().is_some() {
            return Err(CellsError::new(
                "the scores are of another task than the model's",
            ));
        }
        let classes = match (counted_as, target.classes.as_slice()) {
            (CountedAs::PositiveClass, [negative, positive]) => Some(Classes {
                negative: negative.clone(),
                positive: positive.clone(),
            }),
            _ => None,
        };
        Ok(Self {
            format_version: FORMAT_VERSION,
            model: fingerprint.to_owned(),
            timezone: timezone.name().to_owned(),
            task: classes.is_none().then(|| task.name().to_owned()),
            target: target.name.clone(),
            threshold: classes.is_some().then_some(rule.threshold),
            values: match counted_as {
                CountedAs::PredictedClass => target.classes.clone(),
                CountedAs::PositiveClass | CountedAs::Number => Vec::new(),
            },
            classes,
            // Errors do not show whether an interval of quantiles holds a label.
            interval: rule.interval.filter(|_| !rule.quantiles),
            weight: weight.map(str::to_owned),
            features: features.collect::<Result<_, _>>()?,
            score,
        })
    }
}

impl FeatureBaseline {
    fn new(feature: &FeatureProfile) -> Result<Self, CellsError> {
        let counted = feature.profile.counted()?;
        let (kind, hidden, values) = match &feature.profile {
            ColumnProfile::Cells(_) => (Kind::Cells, 0.0, Vec::new()),
            ColumnProfile::Grid(grid) => (Kind::Grid, grid.hidden(), Vec::new()),
            ColumnProfile::Categories(of) => (Kind::Categories, 0.0, of.names()),
        };
        if kind == Kind::Categories {
            categories::check(&values, &counted.cells)?;
        }
        Ok(Self {
            name: feature.name.clone(),
            kind,
            hidden,
            values,
            cells: counted.cells,
            reference: counted.counts,
        })
    }
}

impl ClassScores {
    fn of_cells(score: &ScoreCells) -> Self {
        Self {
            name: score.name.clone(),
            kind: Kind::Cells,
            cells: score.cells.clone(),
            reference: score.counts.clone(),
        }
    }
}

impl ScoreProfile {
    /// What scores are counted by, by a model of this threshold that predicts `target`.
    ///
    /// # Errors
    /// A grid whose numbers contradict each other.
    pub fn baseline(&self, threshold: f64, target: &str) -> Result<ScoreBaseline, CellsError> {
        match self {
            Self::Cells(score) => Ok(ClassScores::of_cells(score).into()),
            Self::Grid(score) => {
                let all = score.negative.together(&score.positive);
                let mut cuts = all.cuts(&score_shares());
                cuts.retain(|cut| 0.0 < *cut && *cut < 1.0);
                cuts.extend(score_cuts(threshold));
                cuts.sort_unstable_by(f64::total_cmp);
                cuts.dedup();
                let reference = ClassCounts::of_grid(&score.negative, &score.positive, &cuts);
                ClassScores::of_grid(cuts, reference).map(ScoreBaseline::from)
            }
            Self::Numbers(numbers) => {
                let names = OfNumber {
                    prediction: PREDICTION.to_owned(),
                    label: target.to_owned(),
                    error: format!("{PREDICTION} - {target}"),
                    absolute_error: format!("|{PREDICTION} - {target}|"),
                };
                let numbers = names.zip(numbers.as_ref().as_ref());
                let numbers = numbers.map(|(name, of)| FeatureBaseline::of_cells(name, of));
                Ok(ScoreBaseline::Numbers(Box::new(numbers)))
            }
        }
    }
}
