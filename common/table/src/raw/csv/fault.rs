//! What is said of a file that is no table.

use std::io;
use std::path::Path;

use super::encoding::Undecodable;
use super::mixture::Mixture;
use super::named;
use super::rows::{Fault, ROW_BYTES};
use crate::dataset::{Csv, Encoding};
use crate::raw::{Compression, RawFile, advice, unreadable};
use runtime::failure::Failure;

const AGAIN: &str = "deliver it again, or remove it";
const SPARK: &str = "option(\"escape\", \"\\\"\")";
const QUOTES: &str = "a field that holds quotes is put in quotes, and its quotes are doubled";

/// What messages about a file go by.
pub(super) struct About<'a> {
    pub(super) key: &'a str,
    pub(super) path: &'a Path,
    pub(super) compression: Compression,
    /// The names of its columns, as far as they are known.
    pub(super) names: &'a [String],
    pub(super) dialect: &'a Csv,
    /// Whether the contract is that of a trained model.
    pub(super) pinned: bool,
}

impl<'a> About<'a> {
    pub(super) fn of(raw: &'a RawFile, compression: Compression, names: &'a [String]) -> Self {
        Self {
            key: &raw.key,
            path: &raw.path,
            compression,
            names,
            dialect: &raw.dataset.csv,
            pinned: raw.pinned,
        }
    }

    /// The line of the contract that reads the file.
    fn encoded(&self, encoding: &str) -> String {
        let line = format!("\"csv\": {{\"encoding\": \"{encoding}\"}}");
        format!("{} it", advice::accepts(self.pinned, &line))
    }
}

impl Fault {
    /// The error of a file.
    pub(super) fn error(self, about: &About<'_>) -> anyhow::Error {
        let About {
            key,
            compression,
            names,
            dialect,
            ..
        } = *about;
        let column = |field: usize| match names.get(field) {
            Some(name) => format!("column {name:?}"),
            None => format!("field {}", field + 1),
        };
        let unquoted = format!("; {}", advice::unquoted(about.pinned));
        let (line, what, advice) = match self {
            Self::Source(error) => return source(about, error),
            Self::NoHeader { line } => {
                let holds = if line == 1 {
                    "is empty"
                } else {
                    "holds only blank lines"
                };
                let begins = match dialect.header {
                    true => "a CSV file begins with a header, the names of its columns",
                    false => "a CSV file holds rows",
                };
                return Failure::contract(format!("{key} {holds}: {begins}\n{AGAIN}"));
            }
            Self::Encoding { encoding } => {
                let convert = convert(encoding);
                let advice = match encoding == super::UTF_16 {
                    true => format!("{}, or {convert}", about.encoded("utf-16")),
                    false => convert,
                };
                return Failure::contract(format!(
                    "{key} is not UTF-8: it looks like {encoding}\n{advice}"
                ));
            }
            Self::Nul { line } => (
                Some(line),
                "holds a NUL byte, which no text does: the file may be damaged".to_owned(),
                AGAIN.to_owned(),
            ),
            Self::NotUtf8 { line, byte } => {
                let what = format!("is not UTF-8: it holds byte 0x{byte:02X}");
                match Mixture::of(about.path, compression) {
                    Some(mixture) => {
                        let said = mixture.said();
                        (Some(line), format!("{what}; {said}"), mixture.advice())
                    }
                    None => (
                        Some(line),
                        format!("{what}, as Windows-1252 and other encodings do"),
                        format!(
                            "{}, or {}; for another encoding, such as SHIFT_JIS or WINDOWS-1251, \
                             put its name there",
                            about.encoded("windows-1252"),
                            convert("WINDOWS-1252")
                        ),
                    ),
                }
            }
            Self::Unclosed { line, field, text } => (
                Some(line),
                format!(
                    "the quote that opens {} is never closed: {text}",
                    column(field)
                ),
                format!("{QUOTES}; if the file was cut, deliver it again{unquoted}"),
            ),
            Self::Swallowed { line, field, rows } => (
                Some(line),
                format!(
                    "the quoted text of {} holds {}: two quotes that are parts of texts probably \
                     close each other",
                    column(field),
                    match rows {
                        1 => "another row".to_owned(),
                        rows => format!("{rows} other rows"),
                    }
                ),
                format!("{QUOTES}; if the lines are a text, replace its line breaks{unquoted}"),
            ),
            Self::AfterQuote {
                open,
                close,
                field,
                text,
                is_escaped,
            } => (
                Some(open),
                format!(
                    "the quote that opens {} is closed in line {close}, and {text:?} follows",
                    column(field)
                ),
                match is_escaped {
                    true => format!(
                        "{QUOTES}: \\\" is not an escape (pandas: doublequote=True, Spark: {SPARK})"
                    ),
                    false => format!("{QUOTES}{unquoted}"),
                },
            ),
            Self::Stray { line, field, text } => (
                Some(line),
                format!(
                    "a quote is inside {}, which is not quoted: {text}",
                    column(field)
                ),
                format!("{QUOTES}{unquoted}"),
            ),
            Self::Cut { line } => (
                line,
                "the last row has no line break at its end: the file may be cut there".to_owned(),
                format!(
                    "deliver it again; if it is whole, end its last line with a line break{}",
                    line_break(compression, dialect)
                ),
            ),
            Self::TooLong { line, quote } => {
                let open = quote.map(|(line, field)| {
                    format!(
                        ": the quote that opens {} in line {line} is not closed",
                        column(field)
                    )
                });
                let unquoted = open.as_ref().map(|_| unquoted).unwrap_or_default();
                let limit = ROW_BYTES >> 20;
                let what = format!(
                    "the row is longer than {limit} MiB{}",
                    open.unwrap_or_default()
                );
                (
                    Some(line),
                    what,
                    format!("{QUOTES}; keep larger values elsewhere{unquoted}"),
                )
            }
            Self::Fields { line, fields } => (
                Some(line),
                format!(
                    "the row has {fields} fields, and {} {}",
                    if dialect.header {
                        "the header"
                    } else {
                        "the first one"
                    },
                    names.len()
                ),
                format!(
                    "a field that holds {} or line breaks is put in quotes; if the file was cut, \
                     deliver it again",
                    named(dialect.separator)
                ),
            ),
        };
        let line = line
            .map(|line| format!(", line {line}"))
            .unwrap_or_default();
        Failure::contract(format!("{key}{line}: {what}\n{advice}"))
    }
}

/// The command that ends the last line of a file; compressed files are read to their last member.
fn line_break(compression: Compression, dialect: &Csv) -> &'static str {
    match compression {
        _ if dialect.encoding == Encoding::Utf16 => "",
        Compression::None => ": echo >> FILE.csv",
        Compression::Gzip => ": echo | gzip >> FILE.csv.gz",
        Compression::Zstd => ": echo | zstd >> FILE.csv.zst",
    }
}

fn convert(encoding: &str) -> String {
    format!("convert it: iconv -f {encoding} -t UTF-8 OLD.csv > NEW.csv")
}

/// An error of the disk is one of the disk; every other one is of the decoder.
fn source(about: &About<'_>, error: io::Error) -> anyhow::Error {
    let key = about.key;
    let inner = error.get_ref();
    if let Some(wrong) = inner.and_then(|inner| inner.downcast_ref::<Undecodable>()) {
        let takes = advice::accepts(about.pinned, "another \"encoding\" of \"csv\"");
        return Failure::contract(format!(
            "{key}, line {}: {}\n{takes} it; if the file was cut, deliver it again",
            wrong.line, wrong.what
        ));
    }
    let kind = match about.compression {
        Compression::Gzip if error.raw_os_error().is_none() => "gzip",
        Compression::Zstd if error.raw_os_error().is_none() => "zstd",
        _ => return anyhow::Error::new(error).context(format!("reading {key}")),
    };
    let text = error.to_string();
    if text.contains("too much memory") {
        return Failure::contract(format!(
            "{key} needs a window of more than 32 MiB to be decompressed\n\
             compress it again without --long and --ultra"
        ));
    }
    unreadable(key, kind, &text)
}
