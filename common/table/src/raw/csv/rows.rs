//! The rows of a CSV file, one after another, each with the line on which it begins.

use std::io::{self, Read};

use memchr::memchr;

use super::scan::{self, Found, Keep, Scan, Span, line_breaks};

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

/// Reads rows.
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
}

/// A row.
pub(super) struct Row<'a> {
    /// The line on which it begins; lines count from 1.
    pub(super) line: u64,
    /// How many fields it has.
    pub(super) fields: usize,
    text: &'a str,
    found: &'a Found,
}

impl Rows {
    /// Begins at the header.
    pub(super) fn new(source: Box<dyn Read + Send>) -> Result<Self, Fault> {
        Self::with(source, READ, ROW_BYTES)
    }

    fn with(source: Box<dyn Read + Send>, read: usize, limit: usize) -> Result<Self, Fault> {
        let mut rows = Self {
            source,
            buffer: vec![0; read],
            start: 0,
            end: 0,
            last: false,
            line: 1,
            found: Found::default(),
            limit,
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

    /// The next row, with the wanted ones of its fields; blank lines are no rows.
    pub(super) fn next(&mut self, keep: Keep<'_>) -> Result<Option<Row<'_>>, Fault> {
        if !self.skip_blank_lines()? {
            return Ok(None);
        }
        let length = loop {
            let bytes = &self.buffer[self.start..self.end];
            match scan::row(bytes, self.last, keep, &mut self.found) {
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
        self.start += length;
        self.line += if self.found.quoted {
            line_breaks(bytes)
        } else {
            1
        };
        let found = &self.found;
        Ok(Some(Row {
            line,
            fields: found.fields,
            text,
            found,
        }))
    }

    /// Whether anything follows.
    fn skip_blank_lines(&mut self) -> Result<bool, Fault> {
        loop {
            match self.buffer[self.start..self.end] {
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

    /// Reads on until the buffer is full, which grows when a row fills it.
    fn fill(&mut self) -> Result<(), Fault> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end == self.buffer.len() {
            // One byte more than a row may have: it tells whether the row ends there.
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
        Fault::AfterQuote {
            open: self.line_at(open),
            close: self.line_at(close),
            field,
            text: self.excerpt(close + 1, self.end - self.start),
        }
    }

    fn too_long(&self, quote: Option<(usize, usize)>) -> Fault {
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
        for (index, piece) in text.split("\"\"").enumerate() {
            if index > 0 {
                scratch.push('"');
            }
            scratch.push_str(piece);
        }
        scratch
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
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}
