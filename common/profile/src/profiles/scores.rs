//! What is counted of scores, whatever a model predicts.

use serde::{Deserialize, Serialize};

use super::{ClassCounts, ClassScores, FeatureBaseline, LabelCounts, NumberCounts, NumberScores};
use crate::cells::{Cells, Compared, Counts, Side};

/// How scores are counted, and what the model gave on its training data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, try_from = "ScoresFile")]
pub enum ScoreBaseline {
    /// Probabilities.
    Classes(Box<ClassScores>),
    /// Numbers.
    Numbers(Box<NumberScores>),
}

/// What is counted of scores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, try_from = "CountsFile")]
pub enum ScoreCounts {
    /// Of probabilities.
    Classes(ClassCounts),
    /// Of numbers.
    Numbers(Box<NumberCounts>),
}

impl From<ClassScores> for ScoreBaseline {
    fn from(scores: ClassScores) -> Self {
        Self::Classes(Box::new(scores))
    }
}

impl ScoreBaseline {
    /// The column that scoring writes.
    pub fn name(&self) -> &str {
        match self {
            Self::Classes(of) => &of.name,
            Self::Numbers(of) => &of.prediction.name,
        }
    }

    /// The cells that scores are counted in.
    pub fn cells(&self) -> &Cells {
        match self {
            Self::Classes(of) => &of.cells,
            Self::Numbers(of) => &of.prediction.cells,
        }
    }

    /// The scores of the training data.
    pub fn side(&self) -> Side {
        match self {
            Self::Classes(of) => of.reference.side(),
            Self::Numbers(of) => of.prediction.side(),
        }
    }

    /// What was counted by these cells, beside the scores of the training data.
    pub fn compared(&self, now: &ScoreCounts) -> Compared<'_> {
        Compared::new(self.cells(), self.side(), now.side(self))
    }

    /// That of probabilities.
    pub fn classes(&self) -> Option<&ClassScores> {
        match self {
            Self::Classes(of) => Some(of),
            Self::Numbers(_) => None,
        }
    }

    /// That of numbers.
    pub fn numbers(&self) -> Option<&NumberScores> {
        match self {
            Self::Classes(_) => None,
            Self::Numbers(of) => Some(of),
        }
    }

    /// What decides what is counted.
    pub(super) fn decides(&self) -> impl PartialEq + use<> {
        let of = |of: &FeatureBaseline| (of.cells.decides(), of.reference.clone());
        let classes = self.classes();
        (
            self.name().to_owned(),
            classes.map(|of| (of.cells.decides(), of.reference.clone())),
            self.numbers()
                .map(|numbers| numbers.as_ref().map(of).into_array()),
        )
    }

    /// Whole numbers that are counted.
    pub(super) fn counters(&self) -> usize {
        match self {
            Self::Classes(of) => 3 * (of.cells.len() + 3),
            Self::Numbers(of) => {
                let counters = of.as_ref().as_ref().map(FeatureBaseline::counters);
                counters.into_array().into_iter().sum()
            }
        }
    }
}

impl ScoreCounts {
    /// Of no rows yet.
    pub fn new(baseline: &ScoreBaseline) -> Self {
        match baseline {
            ScoreBaseline::Classes(of) => Self::Classes(ClassCounts::new(&of.cells)),
            ScoreBaseline::Numbers(of) => {
                let counts = of.as_ref().as_ref().map(|of| Counts::new(&of.cells));
                Self::Numbers(Box::new(counts))
            }
        }
    }

    /// Adds a row `times` times; -1 takes it off. The label is what [`Baseline::label`] makes of
    /// it.
    ///
    /// # Panics
    /// When `baseline` counts another kind of scores: a bug of the caller.
    ///
    /// [`Baseline::label`]: super::Baseline::label
    #[inline]
    pub fn add(
        &mut self,
        baseline: &ScoreBaseline,
        score: Option<f64>,
        label: Option<f64>,
        times: i64,
    ) {
        match (self, baseline) {
            (Self::Classes(counts), ScoreBaseline::Classes(of)) => {
                let label = label.map(|label| u8::from(label > 0.0));
                counts.add(&of.cells, score, label, times);
            }
            (Self::Numbers(counts), ScoreBaseline::Numbers(of)) => {
                counts.add(of, score, label, times);
            }
            _ => panic!("counts of another baseline: a bug of the caller"),
        }
    }

    /// That of probabilities.
    pub fn classes(&self) -> Option<&ClassCounts> {
        match self {
            Self::Classes(of) => Some(of),
            Self::Numbers(_) => None,
        }
    }

    /// That of numbers.
    pub fn numbers(&self) -> Option<&NumberCounts> {
        match self {
            Self::Classes(_) => None,
            Self::Numbers(of) => Some(of),
        }
    }

    /// All rows, as one side of a comparison by the cells of `baseline`.
    pub fn side(&self, baseline: &ScoreBaseline) -> Side {
        match self {
            Self::Classes(of) => of.side(),
            Self::Numbers(of) => Side::of(baseline.cells(), &of.prediction),
        }
    }

    /// Whether sums may count a number as nearer than it is: see [`Counts::is_bounded`].
    pub fn is_bounded(&self, baseline: &ScoreBaseline) -> bool {
        let (Self::Numbers(counts), ScoreBaseline::Numbers(of)) = (self, baseline) else {
            return false;
        };
        let pairs = counts.as_ref().as_ref().zip(of.as_ref().as_ref());
        let mut pairs = pairs.into_array().into_iter();
        pairs.any(|(counts, of)| counts.is_bounded(&of.cells))
    }

    pub(super) fn rows(&self) -> i64 {
        match self {
            Self::Classes(of) => {
                let all = of.all().into_iter();
                all.map(|of| of.unscored + of.scored()).sum()
            }
            Self::Numbers(of) => of.prediction.rows(),
        }
    }

    pub(super) fn labelled_rows(&self) -> i64 {
        match self {
            Self::Classes(of) => self.rows() - of.unlabelled.unscored - of.unlabelled.scored(),
            Self::Numbers(of) => of.label.rows(),
        }
    }

    pub(super) fn unscored_rows(&self) -> i64 {
        match self {
            Self::Classes(of) => of.all().into_iter().map(|of| of.unscored).sum(),
            Self::Numbers(of) => of.prediction.nulls,
        }
    }

    /// Adds others, whose cells are the same; `None` when a number overflows, or they are of
    /// another kind of scores.
    pub fn merge(&mut self, other: &Self) -> Option<()> {
        match (self, other) {
            (Self::Classes(ours), Self::Classes(theirs)) => ours.merge(theirs),
            (Self::Numbers(ours), Self::Numbers(theirs)) => ours.merge(theirs),
            _ => None,
        }
    }

    /// How many cells each count has.
    pub(super) fn widths(&self) -> Vec<usize> {
        match self {
            Self::Classes(of) => of.all().map(|of| of.cells.len()).to_vec(),
            Self::Numbers(of) => {
                let widths = of.as_ref().as_ref().map(|of| of.cells.len());
                widths.into_array().to_vec()
            }
        }
    }

    /// Whether the numbers fit a baseline and none is negative.
    pub(super) fn is_sound(&self, baseline: &ScoreBaseline) -> bool {
        match (self, baseline) {
            (Self::Classes(of), ScoreBaseline::Classes(baseline)) => {
                let cells = baseline.cells.len();
                of.all().into_iter().all(|of| of.is_sound(cells))
            }
            (Self::Numbers(of), ScoreBaseline::Numbers(baseline)) => of.is_sound(baseline),
            _ => false,
        }
    }
}

/// Counts as they are stored. An untagged enum would be read by way of a value that holds no
/// number of 128 bits.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CountsFile {
    unlabelled: Option<LabelCounts>,
    negative: Option<LabelCounts>,
    positive: Option<LabelCounts>,
    prediction: Option<Counts>,
    label: Option<Counts>,
    error: Option<Counts>,
    absolute_error: Option<Counts>,
}

/// A baseline as it is stored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScoresFile {
    name: Option<String>,
    kind: Option<super::Kind>,
    cells: Option<Cells>,
    reference: Option<ClassCounts>,
    prediction: Option<FeatureBaseline>,
    label: Option<FeatureBaseline>,
    error: Option<FeatureBaseline>,
    absolute_error: Option<FeatureBaseline>,
}

/// Fields of probabilities and of numbers, together or some of either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scores are counted neither as probabilities nor as numbers")]
struct Neither;

impl TryFrom<CountsFile> for ScoreCounts {
    type Error = Neither;

    fn try_from(file: CountsFile) -> Result<Self, Neither> {
        let classes = (file.unlabelled, file.negative, file.positive);
        let numbers = of_number(file.prediction, file.label, file.error, file.absolute_error);
        match (classes, numbers) {
            ((Some(unlabelled), Some(negative), Some(positive)), None) => {
                Ok(Self::Classes(ClassCounts {
                    unlabelled,
                    negative,
                    positive,
                }))
            }
            ((None, None, None), Some(numbers)) => Ok(Self::Numbers(Box::new(numbers))),
            _ => Err(Neither),
        }
    }
}

impl TryFrom<ScoresFile> for ScoreBaseline {
    type Error = Neither;

    fn try_from(file: ScoresFile) -> Result<Self, Neither> {
        let classes = (file.name, file.kind, file.cells, file.reference);
        let numbers = of_number(file.prediction, file.label, file.error, file.absolute_error);
        match (classes, numbers) {
            ((Some(name), Some(kind), Some(cells), Some(reference)), None) => {
                let scores = ClassScores {
                    name,
                    kind,
                    cells,
                    reference,
                };
                Ok(scores.into())
            }
            ((None, None, None, None), Some(numbers)) => Ok(Self::Numbers(Box::new(numbers))),
            _ => Err(Neither),
        }
    }
}

fn of_number<T>(
    prediction: Option<T>,
    label: Option<T>,
    error: Option<T>,
    absolute_error: Option<T>,
) -> Option<super::OfNumber<T>> {
    Some(super::OfNumber {
        prediction: prediction?,
        label: label?,
        error: error?,
        absolute_error: absolute_error?,
    })
}
