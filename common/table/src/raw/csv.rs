//! CSV files in the dialect that the contract states: by default a header, commas, quotes doubled
//! inside quotes; an empty field is null. Values have no blanks around them.
//!
//! Nothing is repaired: what is not a table of that form is refused with the line of the file,
//! since a guess would lose rows.

mod encoding;
mod fault;
mod mixture;
mod rows;
mod scan;
mod source;
mod swallowed;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result};
use arrow::array::{Array, ArrayRef, RecordBatch, StringArray, StringBuilder};

use super::parquet::missing;
use super::{Chunk, Chunks, Compression, RawFile, Stray, Wanted, advice};
use crate::dataset::{ColumnContract, ColumnType, Csv};
use catalog::manifest::Role;
use fault::About;
pub(super) use mixture::Mixture;
use rows::{Fault, Rows};
use runtime::failure::Failure;
use scan::Keep;
pub(super) use swallowed::Shape;

/// Bytes of the texts of a batch, beyond which it ends: memory does not follow the width of rows. A
/// constant, since the bytes of parts depend on where batches end.
const BATCH_BYTES: usize = 32 << 20;

/// The rows of a file, and which columns of the contract are null in them because nobody reads
/// their values.
pub(super) fn open(raw: &RawFile, compression: Compression) -> Result<(Chunks, Vec<bool>)> {
    let unread = unread(raw)?;
    let mut reader = Reader::open(raw, compression, &unread)?;
    let chunks = std::iter::from_fn(move || reader.chunk().transpose());
    Ok((Box::new(chunks), unread))
}

/// Checks what can be seen of a plain file without reading all of it: its encoding, and that its
/// last line ends.
///
/// # Errors
/// Another encoding, or a last row without a line break: exit 10.
pub(super) fn check_ends(path: &Path, key: &str) -> Result<()> {
    let place = || format!("reading {}", path.display());
    let mut file = File::open(path).with_context(place)?;
    let mut head = Vec::new();
    file.by_ref()
        .take(4)
        .read_to_end(&mut head)
        .with_context(place)?;
    let mut last = [0; 2];
    let bytes = head.len().min(last.len());
    let last = &mut last[..bytes];
    file.seek(SeekFrom::End(-(bytes as i64)))
        .with_context(place)?;
    file.read_exact(last).with_context(place)?;
    let ends = match head[..] {
        // Whether the contract names this encoding is not known here.
        [0xff, 0xfe, ..] => matches!(last, [b'\r' | b'\n', 0]),
        [0xfe, 0xff, ..] => matches!(last, [0, b'\r' | b'\n']),
        _ => matches!(last, [.., b'\r' | b'\n']),
    };
    let fault = match wide_encoding(&head) {
        Some(encoding) if encoding != UTF_16 => Fault::Encoding { encoding },
        _ if ends => return Ok(()),
        _ => Fault::Cut { line: None },
    };
    let about = About {
        key,
        path,
        compression: Compression::None,
        names: &[],
        dialect: &Csv::default(),
        pinned: false,
    };
    Err(fault.error(&about))
}

/// UTF-16 in the byte order that its mark names.
const UTF_16: &str = "UTF-16";

/// Texts of some rows, column by column, the line on which each row begins, and a quote that is
/// astray.
type Texts = (Vec<StringArray>, Vec<u64>, Option<Stray>);

struct Reader {
    raw: RawFile,
    compression: Compression,
    rows: Rows,
    /// The header, or the names of the contract's columns that represent one.
    names: Vec<String>,
    /// Places in the header of the columns that the contract names, ascending.
    wanted: Vec<usize>,
    /// For each column of the contract, its place in `wanted`; `None` for labels that need not be
    /// there.
    order: Vec<Option<usize>>,
    /// Rows and bytes of each text of the last batch, which the next one is likely to have as
    /// well.
    capacity: Vec<(usize, usize)>,
    /// What each column of the contract becomes.
    becomes: Vec<Wanted>,
    nulls: HashSet<String>,
    /// What shows that a line is a row.
    shape: Shape,
}

impl Reader {
    fn open(raw: &RawFile, compression: Compression, unread: &[bool]) -> Result<Self> {
        let dialect = &raw.dataset.csv;
        let error = |fault: Fault| fault.error(&About::of(raw, compression, &[]));
        let mut rows = all_rows(raw, compression)?;
        let (names, positions) = match dialect.header {
            true => {
                let names = header(&mut rows).map_err(error)?;
                let positions = positions(raw, &names)?;
                (names, positions)
            }
            false => {
                let Some(first) = rows.look().map_err(error)? else {
                    return Err(error(Fault::NoHeader { line: rows.line() }));
                };
                by_position(raw, &first, rows.line())?
            }
        };
        let positions = positions.into_iter().zip(unread);
        let positions: Vec<Option<usize>> = positions
            .map(|(position, unread)| position.filter(|_| !unread))
            .collect();
        let mut wanted: Vec<usize> = positions.iter().copied().flatten().collect();
        wanted.sort_unstable();
        let place = |position: usize| wanted.binary_search(&position).ok();
        let order = positions
            .iter()
            .map(|position| position.and_then(place))
            .collect();
        Ok(Self {
            raw: raw.clone(),
            compression,
            rows,
            shape: Shape::new(raw, &positions, names.len()),
            names,
            capacity: vec![(0, 0); wanted.len()],
            wanted,
            order,
            becomes: raw.wanted(),
            nulls: dialect.nulls.iter().cloned().collect(),
        })
    }

    fn chunk(&mut self) -> Result<Option<Chunk>> {
        let (texts, lines, stray) = self
            .texts()
            .map_err(|fault| fault.error(&About::of(&self.raw, self.compression, &self.names)))?;
        if lines.is_empty() {
            return Ok(None);
        }
        let mut misfits = Vec::new();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.order.len());
        for (wanted, place) in self.becomes.iter().zip(&self.order) {
            columns.push(match place {
                Some(place) => wanted.texts(&texts[*place], &mut misfits),
                None => wanted.nulls(lines.len()),
            });
        }
        Ok(Some(Chunk {
            batch: RecordBatch::try_new(self.raw.dataset.raw_schema(), columns)?,
            misfits,
            lines,
            stray,
        }))
    }

    /// The texts of the next rows, the lines on which those begin, and where quotes are astray.
    fn texts(&mut self) -> Result<Texts, Fault> {
        let builder = |&(rows, bytes): &(usize, usize)| StringBuilder::with_capacity(rows, bytes);
        let mut texts: Vec<StringBuilder> = self.capacity.iter().map(builder).collect();
        let most_rows = self.raw.batch_rows();
        let (mut lines, mut bytes, mut scratch) = (Vec::new(), 0, String::new());
        let mut stray: Option<Stray> = None;
        while lines.len() < most_rows && bytes < BATCH_BYTES {
            let Some(row) = self.rows.next(Keep::At(&self.wanted))? else {
                break;
            };
            let (line, fields) = (row.line, row.fields);
            if fields != self.names.len() {
                return Err(Fault::Fields { line, fields });
            }
            if let Some((field, rows)) = row.swallowed(&self.shape) {
                return Err(Fault::Swallowed { line, field, rows });
            }
            for (texts, span) in texts.iter_mut().zip(row.spans()) {
                let text = row.text(*span, &mut scratch);
                if text.is_empty() || !self.nulls.is_empty() && self.nulls.contains(text) {
                    texts.append_null();
                } else {
                    texts.append_value(text);
                }
                bytes += text.len() + size_of::<i32>();
            }
            if let Some((field, text)) = row.stray() {
                let name = &self.names[field];
                let first = || Stray {
                    rows: 0,
                    line,
                    text: format!("column {name:?}, {text}"),
                };
                stray.get_or_insert_with(first).rows += 1;
            }
            lines.push(line);
        }
        let texts: Vec<StringArray> = texts.iter_mut().map(StringBuilder::finish).collect();
        let size = |texts: &StringArray| (texts.len(), texts.value_data().len());
        self.capacity = texts.iter().map(size).collect();
        Ok((texts, lines, stray))
    }
}

/// The fields of the first rows, the header included, whatever they are; at most so many rows.
///
/// # Errors
/// What is no table: exit 10.
pub(super) fn peek(
    raw: &RawFile,
    compression: Compression,
    most: usize,
) -> Result<Vec<Vec<String>>> {
    let error = |fault: Fault| fault.error(&About::of(raw, compression, &[]));
    let mut rows = all_rows(raw, compression)?;
    let mut found = Vec::new();
    while found.len() < most {
        let Some(row) = rows.next(Keep::All).map_err(error)? else {
            break;
        };
        let mut scratch = String::new();
        let spans = row.spans().iter().copied();
        found.push(
            spans
                .map(|span| row.text(span, &mut scratch).to_owned())
                .collect(),
        );
    }
    match found.is_empty() {
        true => Err(error(Fault::NoHeader { line: rows.line() })),
        false => Ok(found),
    }
}

/// Which columns are skipped: texts that nobody reads, and of which any is right.
fn unread(raw: &RawFile) -> Result<Vec<bool>> {
    if raw.reads.columns.is_none() {
        return Ok(vec![false; raw.dataset.columns.len()]);
    }
    let rules = raw.dataset.rules(raw.labels).map_err(Failure::usage)?;
    let columns = raw.dataset.columns.iter().zip(rules).enumerate();
    let unread = columns.map(|(index, (column, rule))| {
        !raw.reads(index)
            && column.column_type == ColumnType::Utf8
            && matches!(column.role, Role::Ignored | Role::Feature)
            && rule.holds_for_any_value(|| None)
    });
    Ok(unread.collect())
}

/// The rows of a file, its header included.
fn all_rows(raw: &RawFile, compression: Compression) -> Result<Rows> {
    let dialect = &raw.dataset.csv;
    let error = |fault: Fault| fault.error(&About::of(raw, compression, &[]));
    let source = source::open(&raw.path, compression)?;
    let source = encoding::decoded(source, dialect.encoding);
    let mut rows = Rows::new(source, dialect).map_err(error)?;
    begin(&mut rows).map_err(error)?;
    Ok(rows)
}

/// Looks at the first bytes of a file.
fn begin(rows: &mut Rows) -> Result<(), Fault> {
    let head = rows.head();
    if let Some(encoding) = wide_encoding(head) {
        return Err(Fault::Encoding { encoding });
    }
    if head.starts_with(b"\xef\xbb\xbf") {
        rows.skip(3);
    }
    Ok(())
}

/// The names of the columns.
fn header(rows: &mut Rows) -> Result<Vec<String>, Fault> {
    let Some(row) = rows.next(Keep::All)? else {
        return Err(Fault::NoHeader { line: rows.line() });
    };
    if let Some((field, text)) = row.stray() {
        return Err(Fault::Stray {
            line: row.line,
            field,
            text,
        });
    }
    let mut scratch = String::new();
    let name = |span| row.text(span, &mut scratch).to_owned();
    Ok(row.spans().iter().copied().map(name).collect())
}

/// Whether a file that begins with these bytes is UTF-16 or UTF-32: a mark says so, or which bytes
/// are 0.
fn wide_encoding(head: &[u8]) -> Option<&'static str> {
    match head {
        // Before UTF-16, whose mark begins the same.
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [first, 0, 0, 0, ..] if *first != 0 => Some("UTF-32LE"),
        [0, 0, 0, last, ..] if *last != 0 => Some("UTF-32BE"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some(UTF_16),
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => Some("UTF-16LE"),
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => Some("UTF-16BE"),
        _ => None,
    }
}

/// Where each column of the contract is in the header; `None` for labels that need not be there.
fn positions(raw: &RawFile, names: &[String]) -> Result<Vec<Option<usize>>> {
    let separator = raw.dataset.csv.separator;
    let other = |mark: &char| *mark != separator && names[0].contains(*mark);
    if let [one] = names
        && raw.dataset.columns.len() > 1
        && let Some(found) = [';', '\t', '|', ','].iter().find(|mark| other(mark))
    {
        let by = named(separator);
        let line = format!("\"csv\": {{\"separator\": {:?}}}", found.to_string());
        let takes = advice::accepts(raw.pinned, &line);
        return Err(raw.broken(&[format!(
            "its header is {one:?}: fields of a CSV file are separated by {by} ({takes} it)"
        )]));
    }
    let mut places: HashMap<&str, (usize, usize)> = HashMap::with_capacity(names.len());
    for (place, name) in names.iter().enumerate() {
        places.entry(name).or_insert((place, 0)).1 += 1;
    }
    let (mut positions, mut lines) = (Vec::new(), Vec::new());
    for column in &raw.dataset.columns {
        let found = places.get(column.name.as_str());
        positions.push(found.map(|(place, _)| *place));
        match found {
            Some((_, 1)) => {}
            Some((_, times)) => lines.push(format!(
                "column {:?} is in the header {times} times: keep one of them",
                column.name
            )),
            None if raw.labels.may_lack(column.role) => {}
            None => lines.push(missing(&column.name, names.iter().map(String::as_str))),
        }
    }
    if positions.iter().flatten().next().is_none() {
        let takes = advice::accepts(raw.pinned, "\"csv\": {\"header\": false}");
        lines.push(format!(
            "it names none of the columns: if its first row is data, {takes} it"
        ));
    }
    if lines.is_empty() {
        Ok(positions)
    } else {
        Err(raw.broken(&lines))
    }
}

/// Names of a file's columns, and where each column of the contract is among them.
type Placed = (Vec<String>, Vec<Option<usize>>);

/// The columns of a file without a header, whose first row this is: those of the contract in its
/// order, all of them, or all but those that need not be there.
fn by_position(raw: &RawFile, first: &[String], line: u64) -> Result<Placed> {
    let columns = &raw.dataset.columns;
    let may_lack = |column: &&ColumnContract| raw.labels.may_lack(column.role);
    let optional: Vec<&ColumnContract> = columns.iter().filter(may_lack).collect();
    let lacks_optional = first.len() + optional.len() == columns.len();
    let (mut names, mut positions) = (Vec::new(), Vec::new());
    for column in columns {
        let is_there = !(lacks_optional && may_lack(&column));
        positions.push(is_there.then_some(names.len()));
        if is_there {
            names.push(column.name.clone());
        }
    }
    if first.len() != names.len() {
        let expected: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let more = match optional.as_slice() {
            [] => "",
            [_] => ", the target may be missing",
            _ => ", the target and the weight may be missing together",
        };
        return Err(raw.broken(&[format!(
            "line {line} has {} fields, but a file without a header must have the columns of the \
             contract in their order{more}: {}",
            first.len(),
            expected.join(", ")
        )]));
    }
    if first == names {
        let takes = advice::accepts(raw.pinned, "\"csv\": {\"header\": true}");
        return Err(raw.broken(&[format!(
            "line {line} holds the names of the columns, but the contract says that there is no \
             header ({takes} it)"
        )]));
    }
    Ok((names, positions))
}

/// A separator as messages name it.
fn named(separator: char) -> String {
    match separator {
        ',' => "commas".to_owned(),
        ';' => "semicolons".to_owned(),
        '\t' => "tabs".to_owned(),
        other => format!("{other:?}"),
    }
}
