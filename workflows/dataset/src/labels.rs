//! Label files, read as by the steps that join them to rows.

use anyhow::Result;
use arrow::array::RecordBatch;
use catalog::manifest::{LeftOut, TimeRange};
use runtime::failure;
use runtime::step::Step;
use store::LocalFile;
use table::dataset::Dataset;
use table::dates;
use table::labels::LabelReader;

use crate::check::Checked;
use crate::source::Source;

/// Checks a label file by those columns of the contract that it has.
///
/// # Errors
/// Those of [`LabelReader::new`]. What breaks the contract is no error, but for what it gives.
pub(crate) fn check(source: &Source, dataset: &Dataset, step: &Step) -> Result<Checked> {
    let mut checked = Checked {
        key: source.key.clone(),
        score: false,
        bytes: source.bytes,
        rows: None,
        time: None,
        left_out: LeftOut::default(),
        broken: None,
        extra: Vec::new(),
    };
    match read(source, dataset, step) {
        Ok((rows, time)) => {
            checked.rows = Some(rows);
            checked.time = time;
        }
        Err(error) if failure::exit_code(&error) == failure::CONTRACT => {
            checked.broken = Some(format!("{error:#}"));
        }
        Err(error) => return Err(error),
    }
    Ok(checked)
}

/// The rows of a label file, and their times.
fn read(source: &Source, dataset: &Dataset, step: &Step) -> Result<(u64, Option<TimeRange>)> {
    let names = dataset.key();
    let reader = LabelReader::new(dataset, &names)?;
    let time = dataset.time().map(|column| column.name.as_str());
    let file = LocalFile::from(source.path.clone());
    let (mut count, mut range) = (0, None);
    for rows in reader.read_file(&source.key, file, step.work())? {
        step.check()?;
        let rows = rows?;
        count += rows.labels.len() as u64;
        for (name, values) in names.iter().zip(rows.keys) {
            if Some(name.as_str()) == time {
                let times = RecordBatch::try_from_iter([(name, values)])?;
                range = dates::widened(range, &times, name)?;
            }
        }
    }
    Ok((count, range))
}
