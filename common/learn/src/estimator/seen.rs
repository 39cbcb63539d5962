//! What a first pass over the training rows saw.

use crate::model::Moments;

use super::CoMoments;

/// What a first pass saw.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Training rows.
    pub rows: u64,
    /// Of two classes: rows of the second.
    pub positives: Option<u64>,
    /// By input.
    pub inputs: Vec<InputSeen>,
}

/// What a first pass saw of one input.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSeen {
    /// Name of the input.
    pub name: String,
    /// Mean.
    pub mean: f64,
    /// Population standard deviation, exactly 0 for a constant.
    pub std: f64,
    /// Least value.
    pub min: f64,
    /// Greatest value.
    pub max: f64,
}

impl Seen {
    /// Of rows of two classes.
    pub(super) fn of_two(moments: &Moments) -> Self {
        let input = |(j, name): (usize, &String)| InputSeen {
            name: name.clone(),
            mean: moments.mean(j).unwrap_or(0.0),
            std: moments.std(j).unwrap_or(0.0),
            min: moments.min(j).unwrap_or(0.0),
            max: moments.max(j).unwrap_or(0.0),
        };
        Self {
            rows: moments.rows(),
            positives: Some(moments.classes()[1]),
            inputs: moments.features().iter().enumerate().map(input).collect(),
        }
    }
}

impl From<&CoMoments> for Seen {
    fn from(moments: &CoMoments) -> Self {
        let input = |(j, name): (usize, &String)| {
            let [min, max] = moments.range(j);
            InputSeen {
                name: name.clone(),
                mean: moments.mean(j),
                std: moments.std(j),
                min,
                max,
            }
        };
        Self {
            rows: moments.rows(),
            positives: None,
            inputs: moments.features().iter().enumerate().map(input).collect(),
        }
    }
}
