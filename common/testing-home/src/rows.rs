//! Rows that were scored, and what their columns are called.

/// Values of columns, one per row; the names of the columns are in [`Names`].
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// The id of each row.
    pub id: Vec<String>,
    /// Microseconds since 1970 in UTC.
    pub at: Vec<Option<i64>>,
    /// By feature.
    pub features: Vec<Vec<Option<f64>>>,
    /// Probability of the positive class.
    pub score: Vec<Option<f64>>,
    /// 0 or 1, where it is known.
    pub label: Vec<Option<i64>>,
}

/// What the columns are called.
#[derive(Clone, Debug)]
pub struct Names {
    /// The column of the id.
    pub id: &'static str,
    /// `None`: there is no time column.
    pub time: Option<&'static str>,
    /// The column of the label.
    pub target: &'static str,
    /// The columns of the features.
    pub features: Vec<&'static str>,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            id: "id",
            time: Some("at"),
            target: "y",
            features: vec!["x1", "x2"],
        }
    }
}

impl Rows {
    /// `count` rows over four days with two features, a score of every hundredth, and a label in
    /// three of four rows.
    pub fn simple(count: usize) -> Self {
        let score = |i: usize| (i * 37 % 101) as f64 / 100.0;
        Self {
            id: (0..count).map(|i| format!("c{i}")).collect(),
            at: (0..count)
                .map(|i| Some(1_740_787_200_000_000 + (i % 4) as i64 * 86_400_000_000))
                .collect(),
            features: vec![
                (0..count).map(|i| Some((i * 13 % 97) as f64)).collect(),
                (0..count).map(|i| Some((i % 5) as f64)).collect(),
            ],
            score: (0..count).map(|i| Some(score(i))).collect(),
            label: (0..count)
                .map(|i| (i % 4 > 0).then_some(i64::from(score(i) > 0.2 && i % 7 > 0)))
                .collect(),
        }
    }

    /// Rows from one place up to before another.
    pub fn slice(&self, from: usize, to: usize) -> Self {
        Self {
            id: self.id[from..to].to_vec(),
            at: self.at[from..to].to_vec(),
            features: self
                .features
                .iter()
                .map(|feature| feature[from..to].to_vec())
                .collect(),
            score: self.score[from..to].to_vec(),
            label: self.label[from..to].to_vec(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.id.len()
    }
}
