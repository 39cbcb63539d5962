//! What is said of a file that is no table.

use std::io;

use super::rows::{Fault, ROW_BYTES};
use crate::raw::{Compression, unreadable};
use runtime::failure::Failure;

const AGAIN: &str = "deliver it again, or remove it";
const QUOTES: &str = "a field that holds quotes is put in quotes, and its quotes are doubled";

impl Fault {
    /// The error of the file `key`, whose header holds `names`.
    pub(super) fn error(
        self,
        key: &str,
        compression: Compression,
        names: &[String],
    ) -> anyhow::Error {
        let column = |field: usize| match names.get(field) {
            Some(name) => format!("column {name:?}"),
            None => format!("field {}", field + 1),
        };
        let (line, what, advice) = match self {
            Self::Source(error) => return source(key, compression, error),
            Self::NoHeader { line } => {
                let holds = if line == 1 {
                    "is empty"
                } else {
                    "holds only blank lines"
                };
                return Failure::contract(format!(
                    "{key} {holds}: a CSV file begins with a header, the names of its columns\n{AGAIN}"
                ));
            }
            Self::Encoding { encoding } => {
                return Failure::contract(format!(
                    "{key} is not UTF-8: it looks like {encoding}\n{}",
                    convert(encoding)
                ));
            }
            Self::Nul { line } => (
                Some(line),
                "holds a NUL byte, which no text does: the file may be damaged".to_owned(),
                AGAIN.to_owned(),
            ),
            Self::NotUtf8 { line, byte } => (
                Some(line),
                format!(
                    "is not UTF-8: it holds byte 0x{byte:02X}, as Windows-1252 and other encodings do"
                ),
                format!(
                    "{}; another encoding, such as SHIFT_JIS or WINDOWS-1251, is named in its place",
                    convert("WINDOWS-1252")
                ),
            ),
            Self::Unclosed { line, field, text } => (
                Some(line),
                format!(
                    "the quote that opens {} is never closed: {text}",
                    column(field)
                ),
                format!("{QUOTES}; if the file was cut, deliver it again"),
            ),
            Self::AfterQuote {
                open,
                close,
                field,
                text,
            } => (
                Some(open),
                format!(
                    "the quote that opens {} is closed in line {close}, and {text:?} follows",
                    column(field)
                ),
                QUOTES.to_owned(),
            ),
            Self::Stray { line, field, text } => (
                Some(line),
                format!(
                    "a quote is inside {}, which is not quoted: {text}",
                    column(field)
                ),
                QUOTES.to_owned(),
            ),
            Self::Cut { line } => (
                line,
                "the last row has no line break at its end: the file may be cut there".to_owned(),
                format!(
                    "deliver it again; if it is whole, end its last line with a line break: {}",
                    line_break(compression)
                ),
            ),
            Self::TooLong { line, quote } => {
                let open = quote.map(|(line, field)| {
                    format!(
                        ": the quote that opens {} in line {line} is not closed",
                        column(field)
                    )
                });
                let limit = ROW_BYTES >> 20;
                let what = format!(
                    "the row is longer than {limit} MiB{}",
                    open.unwrap_or_default()
                );
                (
                    Some(line),
                    what,
                    format!("{QUOTES}; keep larger values elsewhere"),
                )
            }
            Self::Fields { line, fields } => (
                Some(line),
                format!(
                    "the row has {fields} fields, and the header {}",
                    names.len()
                ),
                "a field that holds commas or line breaks is put in quotes; if the file was cut, \
                 deliver it again"
                    .to_owned(),
            ),
        };
        let line = line
            .map(|line| format!(", line {line}"))
            .unwrap_or_default();
        Failure::contract(format!("{key}{line}: {what}\n{advice}"))
    }
}

/// The command that ends the last line of a file; compressed files are read to their last member.
fn line_break(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "echo >> FILE.csv",
        Compression::Gzip => "echo | gzip >> FILE.csv.gz",
        Compression::Zstd => "echo | zstd >> FILE.csv.zst",
    }
}

fn convert(encoding: &str) -> String {
    format!("convert it: iconv -f {encoding} -t UTF-8 OLD.csv > NEW.csv")
}

/// An error of the disk is one of the disk; every other one is of the decoder.
fn source(key: &str, compression: Compression, error: io::Error) -> anyhow::Error {
    let kind = match compression {
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
