//! Where the fields of one row begin and end: a function of bytes alone.

use memchr::{memchr, memchr2_iter, memchr3};

/// Bytes of a field that are looked at one by one, before the search for long fields begins.
const SHORT: usize = 32;

/// The bytes that part a row into fields.
#[derive(Debug)]
pub(super) struct Marks {
    separator: u8,
    /// 0, which is no byte of a text, where no field is quoted.
    pub(super) quote: u8,
    /// The bytes at which an unquoted field ends or is wrong.
    special: [bool; 256],
}

impl Marks {
    pub(super) fn new(separator: u8, quote: u8) -> Self {
        let mut special = [false; 256];
        for byte in [separator, quote, b'\r', b'\n'] {
            special[usize::from(byte)] = true;
        }
        Self {
            separator,
            quote,
            special,
        }
    }
}

/// Which fields of a row are kept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Keep<'a> {
    All,
    /// Those at these places, which ascend.
    At(&'a [usize]),
}

/// A field of a row, as places in its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether quotes in it are doubled.
    pub(super) doubled: bool,
}

/// What was found of a row.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The wanted fields.
    pub(super) spans: Vec<Span>,
    pub(super) fields: usize,
    /// The first field that holds a quote without being quoted.
    pub(super) stray: Option<(usize, Span)>,
    /// Whether any field is quoted, so that line breaks may be inside the row.
    pub(super) quoted: bool,
}

/// How a scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// A row of so many bytes, its line break included.
    Row(usize),
    /// The row goes on after these bytes.
    More {
        /// Where the quote is that is not closed yet, and its field.
        quote: Option<(usize, usize)>,
    },
    /// Something follows a closing quote.
    AfterQuote {
        open: usize,
        close: usize,
        field: usize,
    },
}

/// Finds the fields of the row that begins at the first byte, which is no line break. At the end of
/// the file (`last`) a row ends without a line break as [`Scan::More`].
pub(super) fn row(
    bytes: &[u8],
    last: bool,
    keep: Keep<'_>,
    marks: &Marks,
    found: &mut Found,
) -> Scan {
    found.spans.clear();
    (found.fields, found.stray, found.quoted) = (0, None, false);
    let mut at = 0;
    let mut next = 0;
    loop {
        let field = found.fields;
        let (span, end) = if bytes.get(at) == Some(&marks.quote) {
            found.quoted = true;
            match quoted(bytes, at, last, marks.quote) {
                Some((span, end)) if !ends_field(bytes, end, marks.separator) => {
                    return Scan::AfterQuote {
                        open: at,
                        close: span.end,
                        field,
                    };
                }
                Some(quoted) => quoted,
                None => {
                    return Scan::More {
                        quote: Some((at, field)),
                    };
                }
            }
        } else {
            let (end, stray) = unquoted(bytes, at, marks);
            let span = Span {
                start: at,
                end,
                doubled: false,
            };
            if stray && found.stray.is_none() {
                found.stray = Some((field, span));
            }
            (span, end)
        };
        let kept = match keep {
            Keep::All => true,
            Keep::At(places) => places.get(next) == Some(&field),
        };
        if kept {
            found.spans.push(span);
            next += 1;
        }
        found.fields += 1;
        match bytes.get(end) {
            Some(&byte) if byte == marks.separator => at = end + 1,
            Some(b'\r') if end + 1 < bytes.len() => {
                return Scan::Row(end + 1 + usize::from(bytes[end + 1] == b'\n'));
            }
            // What follows decides whether this is all of the line break.
            Some(b'\r') if !last => return Scan::More { quote: None },
            Some(_) => return Scan::Row(end + 1),
            None => return Scan::More { quote: None },
        }
    }
}

/// The content of the quoted field that begins at `open`, and the place after its closing quote;
/// `None` when it is not closed, or when the next byte is needed to know.
fn quoted(bytes: &[u8], open: usize, last: bool, mark: u8) -> Option<(Span, usize)> {
    let (mut at, mut doubled) = (open + 1, false);
    loop {
        let quote = at + memchr(mark, bytes.get(at..)?)?;
        match bytes.get(quote + 1) {
            Some(&byte) if byte == mark => (at, doubled) = (quote + 2, true),
            None if !last => return None,
            _ => {
                let span = Span {
                    start: open + 1,
                    end: quote,
                    doubled,
                };
                return Some((span, quote + 1));
            }
        }
    }
}

fn ends_field(bytes: &[u8], at: usize, separator: u8) -> bool {
    let ends = |&byte: &u8| byte == separator || matches!(byte, b'\r' | b'\n');
    bytes.get(at).is_none_or(ends)
}

/// Where the unquoted field that begins at `start` ends, and whether it holds a quote.
fn unquoted(bytes: &[u8], start: usize, marks: &Marks) -> (usize, bool) {
    let mut stray = false;
    let short = bytes.len().min(start + SHORT);
    for (offset, &byte) in bytes[start..short].iter().enumerate() {
        if marks.special[usize::from(byte)] {
            if byte != marks.quote {
                return (start + offset, stray);
            }
            stray = true;
        }
    }
    let rest = &bytes[short..];
    let end = memchr3(marks.separator, b'\r', b'\n', rest).unwrap_or(rest.len());
    (
        short + end,
        stray || memchr(marks.quote, &rest[..end]).is_some(),
    )
}

/// How many lines end in these bytes: with `\n`, `\r\n` or `\r`.
pub(super) fn line_breaks(bytes: &[u8]) -> u64 {
    let breaks = memchr2_iter(b'\r', b'\n', bytes);
    let ends = breaks.filter(|&at| bytes[at] == b'\n' || bytes.get(at + 1) != Some(&b'\n'));
    ends.count() as u64
}
