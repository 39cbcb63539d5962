//! Files in which some lines are UTF-8 and others are not: no encoding reads them.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::encoding::windows_1252;
use super::source;
use crate::raw::Compression;
use runtime::failure::shortened;

/// Bytes of a file that are looked at.
const LOOKED: u64 = 64 << 20;
/// Lines that are named.
const NAMED: usize = 3;

/// What lines of a file are.
#[derive(Debug, Default)]
pub(in crate::raw) struct Mixture {
    /// Lines with characters of UTF-8 beyond ASCII.
    utf8: u64,
    /// Lines with other bytes, and the first of them.
    others: u64,
    first: Vec<u64>,
    /// A word with such a character.
    word: String,
}

impl Mixture {
    /// Looks at a file; `None` of one that has not both kinds of lines.
    pub(in crate::raw) fn of(path: &Path, compression: Compression) -> Option<Self> {
        let source = source::open(path, compression).ok()?;
        let mut lines = BufReader::new(source.take(LOOKED));
        let (mut found, mut line, mut number) = (Self::default(), Vec::new(), 0);
        while lines.read_until(b'\n', &mut line).ok()? > 0 {
            number += 1;
            found.see(&line, number);
            line.clear();
        }
        (found.utf8 > 0 && found.others > 0).then_some(found)
    }

    fn see(&mut self, line: &[u8], number: u64) {
        let mut texts = line.utf8_chunks().map(|chunk| chunk.valid());
        if let Some(text) = texts.find(|text| !text.is_ascii()) {
            self.utf8 += 1;
            if self.word.is_empty() {
                self.word = word(text);
            }
        }
        if std::str::from_utf8(line).is_err() {
            self.others += 1;
            if self.first.len() < NAMED {
                self.first.push(number);
            }
        }
    }

    /// Whether it is a file of UTF-8 with a few wrong lines.
    pub(in crate::raw) fn is_mostly_utf8(&self) -> bool {
        self.utf8 > self.others
    }

    /// What is wrong.
    pub(in crate::raw) fn said(&self) -> String {
        let first: Vec<String> = self.first.iter().map(u64::to_string).collect();
        let more = match self.others - self.first.len() as u64 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!(
            "it mixes encodings: characters of UTF-8 are in {}, and bytes of another encoding in line {}{more}",
            lines(self.utf8),
            first.join(", ")
        )
    }

    /// What to do.
    pub(in crate::raw) fn advice(&self) -> String {
        let garbled: String = self.word.bytes().map(windows_1252).collect();
        format!(
            "write those lines in UTF-8, or export the file again in UTF-8: with \"encoding\": \
             \"windows-1252\" {} would be garbled, {:?} as {garbled:?}",
            lines(self.utf8),
            self.word
        )
    }
}

fn lines(count: u64) -> String {
    match count {
        1 => "1 line".to_owned(),
        count => format!("{count} lines"),
    }
}

/// The first word, or character, beyond ASCII.
fn word(text: &str) -> String {
    let mut words = text.split(|c: char| !c.is_alphanumeric());
    match words.find(|word| !word.is_ascii()) {
        Some(word) => shortened(word, 24),
        None => text.chars().find(|c| !c.is_ascii()).into_iter().collect(),
    }
}
