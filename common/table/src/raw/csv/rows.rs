//! The rows of a CSV file, one after another, each with the line on which it begins.

use std::io::{self, Read};

use memchr::{memchr, memchr2};

use super::Shape;
use super::scan::{self, Found, Keep, Marks, Scan, Span, line_breaks};
use crate::dataset::Csv;
use runtime::failure::shortened;

/// Bytes of the longest row, quotes and line break included. A row is what has to fit in memory.
pub(super) const ROW_BYTES: usize = 16 << 20;
/// Bytes that are read at once.
const READ: usize = 1 << 18;

/// Why a file is no table, with the line of the file.
#[derive(Debug)]
pub(super) enum Fault {
    /// It can't be read or decompressed.
    Source(io::Error),
    /// There is nothing but blank lines, which end in this line.
    NoHeader { line: u64 },
    /// It is in another encoding.
    Encoding { encoding: &'static str },
    /// A byte that no text holds.
    Nul { line: u64 },
    /// A byte that is not part of UTF-8.
    NotUtf8 { line: u64, byte: u8 },
    /// A quoted field that the end of the file ends.
    Unclosed {
        line: u64,
        field: usize,
        text: String,
    },
    /// Something follows the quote that closes a field.
    AfterQuote {
        open: u64,
        close: u64,
        field: usize,
        text: String,
        /// Whether a backslash is before that quote, as other programs write one of a text.
        is_escaped: bool,
    },
    /// A quoted text that holds rows.
    Swallowed {
        line: u64,
        field: usize,
        rows: usize,
    },
    /// A quote in a field of the header that is not quoted.
    Stray {
        line: u64,
        field: usize,
        text: String,
    },
    /// The last row has no line break.
    Cut { line: Option<u64> },
    /// A row of more than [`ROW_BYTES`], and where a quote is open in it.
    TooLong {
        line: u64,
        quote: Option<(u64, usize)>,
    },
    /// A row that has not as many fields as the header.
    Fields { line: u64, fields: usize },
}

/// Reads the rows of a CSV file one by one, and keeps the text of the last one.
pub(super) struct Rows {
    source: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// What of `buffer` was read from the file, and not given yet.
    start: usize,
    end: usize,
    last: bool,
    /// Line at `start`.
    line: u64,
    found: Found,
    limit: usize,
    marks: Marks,
    /// What a line begins with that is no row.
    comment: Option<u8>,
}

pub(super) struct Row<'a> {
    /// The line on which it begins; lines count from 1.
    pub(super) line: u64,
    pub(super) fields: usize,
    text: &'a str,
    found: &'a Found,
    marks: &'a Marks,
    /// Whether it goes over several lines, which only a quoted field does.
    has_lines: bool,
}

impl Rows {
    /// Begins at the header.
    pub(super) fn new(source: Box<dyn Read + Send>, dialect: &Csv) -> Result<Self, Fault> {
        Self::with(source, dialect, READ, ROW_BYTES)
    }

    fn with(
        source: Box<dyn Read + Send>,
        dialect: &Csv,
        read: usize,
        limit: usize,
    ) -> Result<Self, Fault> {
        // A dialect that was validated has bytes of ASCII.
        let byte = |mark: char| u8::try_from(mark).unwrap_or_default();
        let mut rows = Self {
            source,
            buffer: vec![0; read],
            start: 0,
            end: 0,
            last: false,
            line: 1,
            found: Found::default(),
            limit,
            marks: Marks::new(
                byte(dialect.separator),
                dialect.quote.map(byte).unwrap_or_default(),
            ),
            comment: dialect.comment.map(byte),
        };
        rows.fill()?;
        Ok(rows)
    }

    /// The first bytes of the file.
    pub(super) fn head(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The line of what comes next.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Passes over bytes that belong to no line.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.start += bytes;
    }

    /// The fields of the next row, which comes all the same.
    pub(super) fn look(&mut self) -> Result<Option<Vec<String>>, Fault> {
        let Some(row) = self.next(Keep::All)? else {
            return Ok(None);
        };
        let mut scratch = String::new();
        let text = |span: &Span| row.text(*span, &mut scratch).to_owned();
        let (fields, length, line) = (
            row.spans().iter().map(text).collect(),
            row.text.len(),
            row.line,
        );
        self.start -= length;
        self.line = line;
        Ok(Some(fields))
    }

    /// The next row, with the wanted ones of its fields; blank lines and comments are no rows.
    pub(super) fn next(&mut self, keep: Keep<'_>) -> Result<Option<Row<'_>>, Fault> {
        if !self.skip_to_row()? {
            return Ok(None);
        }
        let length = loop {
            let bytes = &self.buffer[self.start..self.end];
            match scan::row(bytes, self.last, keep, &self.marks, &mut self.found) {
                Scan::Row(length) if length <= self.limit => break length,
                Scan::Row(_) => return Err(self.too_long(None)),
                Scan::More { quote } if bytes.len() > self.limit => {
                    return Err(self.too_long(quote));
                }
                Scan::More { quote } if self.last => return Err(self.cut(quote)),
                Scan::More { .. } => self.fill()?,
                Scan::AfterQuote { open, close, field } => {
                    return Err(self.after_quote(open, close, field));
                }
            }
        };
        let (start, line) = (self.start, self.line);
        let bytes = &self.buffer[start..start + length];
        if memchr(0, bytes).is_some() {
            return Err(self.nul());
        }
        let text = std::str::from_utf8(bytes).map_err(|error| Fault::NotUtf8 {
            line: line + line_breaks(&bytes[..error.valid_up_to()]),
            byte: bytes[error.valid_up_to()],
        })?;
        let lines = if self.found.quoted {
            line_breaks(bytes)
        } else {
            1
        };
        self.start += length;
        self.line += lines;
        let found = &self.found;
        Ok(Some(Row {
            line,
            fields: found.fields,
            text,
            found,
            marks: &self.marks,
            has_lines: lines > 1,
        }))
    }

    /// Whether a row follows.
    fn skip_to_row(&mut self) -> Result<bool, Fault> {
        loop {
            match self.buffer[self.start..self.end] {
                [first, ..] if self.comment == Some(first) => {
                    self.skip_comment()?;
                    continue;
                }
                [b'\r', b'\n', ..] => self.start += 2,
                [b'\r'] if !self.last => {
                    self.fill()?;
                    continue;
                }
                [b'\r' | b'\n', ..] => self.start += 1,
                [] if !self.last => {
                    self.fill()?;
                    continue;
                }
                [] => return Ok(false),
                _ => return Ok(true),
            }
            self.line += 1;
        }
    }

    /// Passes over a line, but for its line break.
    fn skip_comment(&mut self) -> Result<(), Fault> {
        loop {
            let bytes = &self.buffer[self.start..self.end];
            match memchr2(b'\r', b'\n', bytes) {
                Some(end) => {
                    self.start += end;
                    return Ok(());
                }
                None if self.last => return Err(self.cut(None)),
                None => {
                    self.start = self.end;
                    self.fill()?;
                }
            }
        }
    }

    /// Reads on until the buffer is full, which grows when a row fills it.
    fn fill(&mut self) -> Result<(), Fault> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end == self.buffer.len() {
            // One byte more than a row may have: it says whether the row ends there.
            let length = (2 * self.end).min(self.limit + 1).max(self.end + 1);
            self.buffer.resize(length, 0);
        }
        while self.end < self.buffer.len() && !self.last {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(read) => {
                    self.end += read;
                    self.last = read == 0;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::Source(error)),
            }
        }
        Ok(())
    }

    /// The line at a place of the row.
    fn line_at(&self, place: usize) -> u64 {
        self.line + line_breaks(&self.buffer[self.start..self.start + place])
    }

    /// The beginning of what lies between two places of the row.
    fn excerpt(&self, from: usize, to: usize) -> String {
        excerpt(&self.buffer[self.start + from..self.start + to])
    }

    fn nul(&self) -> Fault {
        let bytes = &self.buffer[self.start..self.end];
        Fault::Nul {
            line: self.line_at(memchr(0, bytes).unwrap_or(0)),
        }
    }

    fn cut(&self, quote: Option<(usize, usize)>) -> Fault {
        let bytes = &self.buffer[self.start..self.end];
        match quote {
            _ if memchr(0, bytes).is_some() => self.nul(),
            Some((open, field)) => Fault::Unclosed {
                line: self.line_at(open),
                field,
                text: self.excerpt(open, bytes.len()),
            },
            None => Fault::Cut {
                line: Some(self.line),
            },
        }
    }

    fn after_quote(&self, open: usize, close: usize, field: usize) -> Fault {
        if self.marks.quote == 0 {
            return self.nul();
        }
        Fault::AfterQuote {
            open: self.line_at(open),
            close: self.line_at(close),
            field,
            text: self.excerpt(close + 1, self.end - self.start),
            is_escaped: close.checked_sub(1).map(|at| self.buffer[self.start + at]) == Some(b'\\'),
        }
    }

    fn too_long(&self, quote: Option<(usize, usize)>) -> Fault {
        if self.marks.quote == 0 && quote.is_some() {
            return self.nul();
        }
        Fault::TooLong {
            line: self.line,
            quote: quote.map(|(open, field)| (self.line_at(open), field)),
        }
    }
}

impl<'a> Row<'a> {
    /// The wanted fields in their order, as they are in the file.
    pub(super) fn spans(&self) -> &'a [Span] {
        &self.found.spans
    }

    /// The text of a field; doubled quotes are made single in `scratch`.
    pub(super) fn text<'b>(&'b self, span: Span, scratch: &'b mut String) -> &'b str {
        let text = &self.text[span.start..span.end];
        if !span.doubled {
            return text;
        }
        scratch.clear();
        let quote = char::from(self.marks.quote);
        for (index, piece) in text.split(&*String::from_iter([quote; 2])).enumerate() {
            if index > 0 {
                scratch.push(quote);
            }
            scratch.push_str(piece);
        }
        scratch
    }

    /// The first quoted field that holds rows besides its own, and how many. All fields are looked
    /// at, also those that nobody wants: rows are lost in any.
    pub(super) fn swallowed(&self, shape: &Shape) -> Option<(usize, usize)> {
        if !self.has_lines {
            return None;
        }
        let mut found = Found::default();
        scan::row(
            self.text.as_bytes(),
            true,
            Keep::All,
            self.marks,
            &mut found,
        );
        let mut fields = found.spans.iter().enumerate();
        fields.find_map(|(field, span)| {
            let rows = shape.rows(&self.text[span.start..span.end], field)?;
            Some((field, rows))
        })
    }

    /// The first field that holds a quote without being quoted: its place and text.
    pub(super) fn stray(&self) -> Option<(usize, String)> {
        let (field, span) = self.found.stray?;
        Some((field, excerpt(&self.text.as_bytes()[span.start..span.end])))
    }
}

/// The first characters of a text, within one line.
fn excerpt(bytes: &[u8]) -> String {
    const SHOWN: usize = 30;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * SHOWN)]);
    let line = text.split(['\r', '\n']).next().unwrap_or_default();
    shortened(line, SHOWN)
}
