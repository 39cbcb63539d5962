//! Files whose rows are computed together, as a workflow brings them together: windows look at the
//! rows of an entity in all files, and aggregates at all rows to train on.

use anyhow::Result;
use arrow::array::RecordBatch;
use runtime::failure;
use runtime::step::Step;
use sql::prepare::{OfFile, Preparation};
use sql::session::Fit;
use table::shuffled::{Once, RowSorter, Shape};

/// Places from here on are those of files that others look back at: of two rows with the same key
/// the one of the first place counts.
const EARLIER: u32 = 1 << 31;

/// The files to train on, and those to score.
pub(crate) struct Together<'a> {
    train: Option<Rows<'a>>,
    score: Option<Rows<'a>>,
}

impl<'a> Together<'a> {
    /// Of no file yet; `score` is `None` where there are none to score.
    ///
    /// # Errors
    /// Columns that have no order.
    pub(crate) fn new(
        train: &'a Preparation,
        score: Option<&'a Preparation>,
        step: &Step,
    ) -> Result<Self> {
        let score = score.map(|score| Rows::of(score, step)).transpose()?;
        Ok(Self {
            train: Rows::of(train, step)?,
            score: score.flatten(),
        })
    }

    /// Whether the rows of a file are taken in.
    pub(crate) fn takes(&self, score: bool) -> bool {
        let rows = if score { &self.score } else { &self.train };
        rows.is_some()
    }

    /// Takes in the next rows of a file, which is one to score or to train on.
    ///
    /// # Errors
    /// A row without an entity, and one that an aggregate can't be computed from: exit 10.
    pub(crate) fn take(&mut self, key: &str, score: bool, rows: &RecordBatch) -> Result<()> {
        if score {
            return match &mut self.score {
                Some(score) => score.take(key, rows, 0),
                None => Ok(()),
            };
        }
        if let Some(train) = &mut self.train {
            train.take(key, rows, 0)?;
        }
        match &mut self.score {
            Some(score) => score.take(key, rows, EARLIER),
            None => Ok(()),
        }
    }

    /// Computes all rows; gives what the queries can't be computed from.
    ///
    /// # Errors
    /// A fault of the SQL, and texts that get too long: exit 2.
    pub(crate) fn finish(self) -> Result<Vec<String>> {
        let mut faults = Vec::new();
        for (rows, what) in [
            (self.train, "the files to train on"),
            (self.score, "the files to score"),
        ] {
            match rows.map_or(Ok(()), |rows| rows.finish(what)) {
                Err(error) if failure::exit_code(&error) == failure::CONTRACT => {
                    faults.push(format!("{error:#}"));
                }
                done => done?,
            }
        }
        Ok(faults)
    }
}

/// The rows of some files.
struct Rows<'a> {
    preparation: &'a Preparation,
    shape: Shape,
    sorter: RowSorter,
    fit: Option<Fit>,
    /// The files by their places, without [`EARLIER`], each with its rows so far.
    files: Vec<(String, u64)>,
}

impl<'a> Rows<'a> {
    /// Of no file yet; `None` where each row is computed alone.
    fn of(preparation: &'a Preparation, step: &Step) -> Result<Option<Self>> {
        let fits = preparation.fits_aggregates();
        if !fits && !preparation.has_windows() {
            return Ok(None);
        }
        let shape = preparation.shape()?;
        let memory = preparation.sort_memory(step);
        let fit = fits.then(|| preparation.fit(&step.with_threads(1)));
        Ok(Some(Self {
            preparation,
            sorter: RowSorter::new(&shape.sorted_schema(), step.work(), memory)?,
            shape,
            fit: fit.transpose()?,
            files: Vec::new(),
        }))
    }

    /// Takes in the next rows of a file, whose place is counted from `from` on.
    fn take(&mut self, key: &str, rows: &RecordBatch, from: u32) -> Result<()> {
        if let Some(fit) = &mut self.fit {
            fit.add(key, rows)?;
        }
        if self.files.last().is_none_or(|(last, _)| last != key) {
            self.files.push((key.to_owned(), 0));
        }
        let file = from + u32::try_from(self.files.len() - 1)?;
        let first = self.files.last().map_or(0, |(_, rows)| *rows);
        self.sorter
            .push(&self.shape.sorted(key, rows, file, first)?)?;
        if let Some((_, count)) = self.files.last_mut() {
            *count += rows.num_rows() as u64;
        }
        Ok(())
    }

    fn finish(self, what: &str) -> Result<()> {
        if let Some(fit) = self.fit {
            fit.finish()?;
        }
        let data_set = |file: u32| usize::from(file >= EARLIER);
        let target = self.preparation.target();
        let rows = Once::new(self.sorter.finish()?, &self.shape, data_set, &[target]);
        let of_file = |file: u32| match file >= EARLIER {
            true => OfFile::Earlier,
            false => OfFile::Other,
        };
        let name = |file: u32| {
            let file = self.files.get((file % EARLIER) as usize);
            file.map(|(name, _)| name.clone())
        };
        self.preparation
            .entities(what, &self.shape, rows, of_file, name, |_, _| Ok(()))
    }
}
