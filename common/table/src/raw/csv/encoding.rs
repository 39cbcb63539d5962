//! The text of a file as UTF-8, whatever its encoding.

use std::fmt;
use std::io::{self, Read};

use crate::dataset::Encoding;

/// Bytes that are decoded at once.
const READ: usize = 1 << 16;

/// What Windows-1252 has from 0x80 to 0x9F; a replacement character represents no character.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{fffd}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{fffd}', 'Ž',
    '\u{fffd}', '\u{fffd}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{fffd}',
    'ž', 'Ÿ',
];

/// The character of a byte in Windows-1252.
pub(super) fn windows_1252(byte: u8) -> char {
    match byte {
        0x80..0xa0 => WINDOWS_1252[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

/// Bytes that are no text of the encoding.
#[derive(Debug)]
pub(super) struct Undecodable {
    /// Line of the file.
    pub(super) line: u64,
    /// What the line, or the file, does.
    pub(super) what: String,
}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} {}", self.line, self.what)
    }
}

impl std::error::Error for Undecodable {}

/// Decodes a file as a stream.
pub(super) struct Decoded {
    source: Box<dyn Read + Send>,
    encoding: Encoding,
    /// Bytes that were read and not decoded: the beginning of a character.
    bytes: Vec<u8>,
    /// What is decoded, and how much of it was given.
    text: Vec<u8>,
    given: usize,
    /// Line of what is decoded next.
    line: u64,
    after_return: bool,
    begun: bool,
    big_endian: bool,
    failed: Option<Undecodable>,
}

/// The text of a file in this encoding.
pub(super) fn decoded(source: Box<dyn Read + Send>, encoding: Encoding) -> Box<dyn Read + Send> {
    match encoding {
        // The reader of rows looks at those bytes itself.
        Encoding::Utf8 => source,
        encoding => Box::new(Decoded {
            source,
            encoding,
            bytes: Vec::new(),
            text: Vec::new(),
            given: 0,
            line: 1,
            after_return: false,
            begun: false,
            big_endian: false,
            failed: None,
        }),
    }
}

impl Read for Decoded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            if let Some(failed) = self.failed.take() {
                return Err(io::Error::other(failed));
            }
            self.given = 0;
            self.text.clear();
            let before = self.bytes.len();
            self.bytes.resize(before + READ, 0);
            let read = self.source.read(&mut self.bytes[before..]);
            self.bytes.truncate(before + *read.as_ref().unwrap_or(&0));
            let last = read? == 0;
            if let Err(failed) = self.decode(last) {
                self.failed = Some(failed);
            } else if last && self.text.is_empty() {
                return Ok(0);
            }
        }
        let text = &self.text[self.given..];
        let length = text.len().min(buffer.len());
        buffer[..length].copy_from_slice(&text[..length]);
        self.given += length;
        Ok(length)
    }
}

impl Decoded {
    /// Decodes what was read, but for the beginning of a character.
    fn decode(&mut self, last: bool) -> Result<(), Undecodable> {
        if !self.begun {
            if self.bytes.len() < 4 && !last {
                return Ok(());
            }
            self.begin()?;
        }
        let bytes = std::mem::take(&mut self.bytes);
        match self.encoding {
            Encoding::Utf16 => self.units(&bytes, last),
            _ => bytes.iter().try_for_each(|byte| self.byte(*byte)),
        }
    }

    /// Looks at the mark that a file may begin with.
    fn begin(&mut self) -> Result<(), Undecodable> {
        self.begun = true;
        let is_utf16 = self.encoding == Encoding::Utf16;
        let what = match self.bytes[..] {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] if is_utf16 => {
                self.big_endian = self.bytes[0] == 0xfe;
                self.bytes.drain(..2);
                return Ok(());
            }
            _ if is_utf16 => "does not begin with the byte order mark that a file in UTF-16 has",
            [0xef, 0xbb, 0xbf, ..] => "begins with the byte order mark of UTF-8",
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "begins with the byte order mark of UTF-16",
            _ => return Ok(()),
        };
        Err(self.failure(what.to_owned()))
    }

    fn byte(&mut self, byte: u8) -> Result<(), Undecodable> {
        let char = match self.encoding {
            Encoding::Windows1252 => windows_1252(byte),
            _ => char::from(byte),
        };
        if char == '\u{fffd}' {
            let what = format!("holds byte 0x{byte:02X}, which is not a character of Windows-1252");
            return Err(self.failure(what));
        }
        self.push(char);
        Ok(())
    }

    fn units(&mut self, bytes: &[u8], last: bool) -> Result<(), Undecodable> {
        let unit = |at: usize| {
            let pair = [*bytes.get(at)?, *bytes.get(at + 1)?];
            Some(match self.big_endian {
                true => u16::from_be_bytes(pair),
                false => u16::from_le_bytes(pair),
            })
        };
        let mut units = (0..).step_by(2).map_while(unit).collect::<Vec<u16>>();
        let mut rest = bytes.len() % 2;
        // The first half of a character waits for the other one.
        if !last
            && units
                .last()
                .is_some_and(|unit| (0xd800..0xdc00).contains(unit))
        {
            units.pop();
            rest += 2;
        }
        for char in char::decode_utf16(units) {
            match char {
                Ok(char) => self.push(char),
                Err(_) => return Err(self.failure("is not UTF-16".to_owned())),
            }
        }
        if last && rest > 0 {
            return Err(self.failure("ends within a character of UTF-16".to_owned()));
        }
        self.bytes = bytes[bytes.len() - rest..].to_vec();
        Ok(())
    }

    fn push(&mut self, char: char) {
        self.line += u64::from(char == '\r' || char == '\n' && !self.after_return);
        self.after_return = char == '\r';
        let mut buffer = [0; 4];
        self.text.extend(char.encode_utf8(&mut buffer).as_bytes());
    }

    fn failure(&self, what: String) -> Undecodable {
        Undecodable {
            line: self.line,
            what,
        }
    }
}
