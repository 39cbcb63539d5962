//! Label files, read as by the steps that join them to rows.

use anyhow::Result;
use arrow::array::RecordBatch;
use catalog::manifest::TimeRange;
use runtime::step::Step;
use store::LocalFile;
use table::dataset::Dataset;
use table::dates;
use table::labels::LabelReader;

use crate::source::Source;

/// The rows of a label file, and their times, by those columns of the contract that it has.
///
/// # Errors
/// What breaks the contract: exit 10. A contract whose target no task takes: exit 2.
pub(crate) fn read(
    source: &Source,
    dataset: &Dataset,
    step: &Step,
) -> Result<(u64, Option<TimeRange>)> {
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
