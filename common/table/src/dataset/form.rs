//! How dates and times are spelt, as `strftime` of Python and C names it: `%d.%m.%Y %H:%M`.

use std::fmt;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::ColumnType;

/// What a form may hold, for messages.
const KNOWN: &str = "%Y, %y, %m, %d, %b, %B, %H, %I, %M, %S, %f, %p, %z and %%";

/// Names of months, in English; the first three letters are the short ones.
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A form of dates and times. A text either is of the form, or has no value.
///
/// ```
/// use table::dataset::Form;
///
/// let form: Form = serde_json::from_str(r#""%d.%m.%Y %H:%M""#)?;
/// let moment = form.read("31.12.2024 23:59").map(|moment| moment.to_string());
/// assert_eq!(moment.as_deref(), Some("2024-12-31 23:59:00 UTC"));
/// assert!(form.read("2024-12-31 23:59").is_none());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Form {
    text: String,
    items: Vec<Item>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Text(char),
    /// Four digits.
    Year,
    /// Two digits: 69 to 99 are of the 20th century, as POSIX has it.
    ShortYear,
    Month,
    MonthName,
    ShortMonthName,
    Day,
    /// 0 to 23.
    Hour,
    /// 1 to 12.
    HalfDayHour,
    Minute,
    Second,
    /// Digits after a point.
    Fraction,
    /// AM or PM.
    HalfDay,
    /// `Z`, `+01:00` or `+0100`.
    Offset,
}

impl TryFrom<String> for Form {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut items = Vec::new();
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            let item = match char {
                '%' => match chars.next() {
                    Some('Y') => Item::Year,
                    Some('y') => Item::ShortYear,
                    Some('m') => Item::Month,
                    Some('b') => Item::ShortMonthName,
                    Some('B') => Item::MonthName,
                    Some('d') => Item::Day,
                    Some('H') => Item::Hour,
                    Some('I') => Item::HalfDayHour,
                    Some('M') => Item::Minute,
                    Some('S') => Item::Second,
                    Some('f') => Item::Fraction,
                    Some('p') => Item::HalfDay,
                    Some('z') => Item::Offset,
                    Some('%') => Item::Text('%'),
                    Some(other) => return Err(format!("%{other} is none of {KNOWN}")),
                    None => return Err(format!("it ends with %, which is none of {KNOWN}")),
                },
                other => Item::Text(other),
            };
            if !matches!(item, Item::Text(_)) && items.contains(&item) {
                return Err(format!("it has %{} twice", letter(item)));
            }
            items.push(item);
        }
        let form = Self { text, items };
        form.check()?;
        Ok(form)
    }
}

impl From<Form> for String {
    fn from(form: Form) -> Self {
        form.text
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn letter(item: Item) -> char {
    match item {
        Item::Text(char) => char,
        Item::Year => 'Y',
        Item::ShortYear => 'y',
        Item::Month => 'm',
        Item::MonthName => 'B',
        Item::ShortMonthName => 'b',
        Item::Day => 'd',
        Item::Hour => 'H',
        Item::HalfDayHour => 'I',
        Item::Minute => 'M',
        Item::Second => 'S',
        Item::Fraction => 'f',
        Item::HalfDay => 'p',
        Item::Offset => 'z',
    }
}

impl Form {
    /// Refuses a form that names no moment, or the same thing in two ways.
    fn check(&self) -> Result<(), String> {
        let count = |items: &[Item]| items.iter().filter(|item| self.has(**item)).count();
        for (items, what) in [
            (&[Item::Year, Item::ShortYear][..], "%Y or %y"),
            (
                &[Item::Month, Item::MonthName, Item::ShortMonthName],
                "%m, %b or %B",
            ),
            (&[Item::Day], "%d"),
        ] {
            if count(items) != 1 {
                return Err(format!("a date has {what} once"));
            }
        }
        if count(&[Item::Hour, Item::HalfDayHour]) > 1 {
            return Err("it has both %H and %I".to_owned());
        }
        if self.has(Item::HalfDayHour) != self.has(Item::HalfDay) {
            return Err("%I and %p go together".to_owned());
        }
        let has_hour = self.has(Item::Hour) || self.has(Item::HalfDayHour);
        for (item, needs, met) in [
            (Item::Minute, "an hour", has_hour),
            (Item::Second, "%M", self.has(Item::Minute)),
            (Item::Fraction, "%S", self.has(Item::Second)),
            (Item::Offset, "an hour", has_hour),
        ] {
            if self.has(item) && !met {
                return Err(format!("%{} needs {needs}", letter(item)));
            }
        }
        Ok(())
    }

    fn has(&self, item: Item) -> bool {
        self.items.contains(&item)
    }

    /// Whether values of a type can be spelt so.
    ///
    /// # Errors
    /// What the form lacks, or has in excess.
    pub(crate) fn suits(&self, column_type: ColumnType) -> Result<(), String> {
        match (column_type, self.has(Item::Offset)) {
            (ColumnType::Date | ColumnType::Timestamp, false) | (ColumnType::TimestampTz, true) => {
                Ok(())
            }
            (ColumnType::Date | ColumnType::Timestamp, true) => Err(format!(
                "has %z, which {column_type} can't hold: that is timestamptz"
            )),
            (ColumnType::TimestampTz, false) => Err(
                "lacks %z, without which it is not an instant: a clock reading is of type timestamp"
                    .to_owned(),
            ),
            _ => Err("is for dates and times only".to_owned()),
        }
    }

    /// The moment that a text of this form spells; without an offset it is that of UTC.
    pub fn read(&self, text: &str) -> Option<DateTime<Utc>> {
        let mut read = Read {
            rest: text,
            ..Read::default()
        };
        let mut items = self.items.iter().peekable();
        while let Some(item) = items.next() {
            // Digits that follow each other are separated by their number alone.
            let is_tight = items
                .peek()
                .is_some_and(|next| !matches!(next, Item::Text(char) if !char.is_ascii_digit()));
            read.item(*item, is_tight)?;
        }
        if !read.rest.is_empty() {
            return None;
        }
        let hour = match read.afternoon {
            Some(afternoon) => read.hour % 12 + if afternoon { 12 } else { 0 },
            None => read.hour,
        };
        let time = NaiveTime::from_hms_nano_opt(hour, read.minute, read.second, read.nanos)?;
        let date = NaiveDate::from_ymd_opt(read.year, read.month, read.day)?;
        let moment = NaiveDateTime::new(date, time);
        let offset = TimeDelta::seconds(read.offset.into());
        Some(moment.checked_sub_signed(offset)?.and_utc())
    }

    /// Whether a text of this form is finer than a nanosecond, which a moment does not show.
    pub(crate) fn is_finer(&self, text: &str) -> bool {
        let fraction = text.rsplit_once('.').map_or("", |(_, fraction)| fraction);
        let digits = fraction.bytes().take_while(u8::is_ascii_digit);
        self.has(Item::Fraction) && digits.skip(9).any(|digit| digit != b'0')
    }

    /// Forms in use that a text of a column of this type has, the likelier ones first.
    pub(crate) fn of(text: &str, column_type: ColumnType) -> Vec<Self> {
        const DATES: [&str; 14] = [
            "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%Y.%m.%d",
            "%Y%m%d", "%Y-%m-%d", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%b-%Y", "%d %b %Y",
        ];
        const TIMES: [&str; 9] = [
            "",
            " %H:%M",
            " %H:%M:%S",
            " %H:%M:%S.%f",
            "T%H:%M:%S",
            "T%H%M%S",
            "%H%M%S",
            " %I:%M %p",
            " %I:%M:%S %p",
        ];
        let offsets: &[&str] = match column_type {
            ColumnType::TimestampTz => &["%z", " %z"],
            _ => &[""],
        };
        let mut forms = Vec::new();
        for date in DATES {
            for time in TIMES {
                for offset in offsets {
                    let form = Self::try_from(format!("{date}{time}{offset}"));
                    let fits =
                        |form: &Self| form.suits(column_type).is_ok() && form.read(text).is_some();
                    forms.extend(form.ok().filter(fits));
                }
            }
        }
        forms
    }
}

/// What was read of a text so far.
#[derive(Default)]
struct Read<'a> {
    rest: &'a str,
    year: i32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
    afternoon: Option<bool>,
    /// Seconds east of UTC.
    offset: i32,
}

impl Read<'_> {
    fn item(&mut self, item: Item, is_tight: bool) -> Option<()> {
        let least = if is_tight { 2 } else { 1 };
        match item {
            Item::Text(char) => self.rest = self.rest.strip_prefix(char)?,
            Item::Year => self.year = i32::try_from(self.digits(4, 4)?).ok()?,
            Item::ShortYear => {
                let year = i32::try_from(self.digits(2, 2)?).ok()?;
                self.year = year + if year < 69 { 2000 } else { 1900 };
            }
            Item::Month => self.month = self.digits(least, 2)?,
            Item::Day => self.day = self.digits(least, 2)?,
            Item::Hour => self.hour = self.digits(least, 2)?,
            Item::HalfDayHour => {
                self.hour = self.digits(least, 2)?;
                if !(1..=12).contains(&self.hour) {
                    return None;
                }
            }
            Item::Minute => self.minute = self.digits(least, 2)?,
            Item::Second => self.second = self.digits(least, 2)?,
            Item::Fraction => {
                let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
                let (fraction, rest) = self.rest.split_at(digits);
                self.rest = rest;
                let places = digits.min(9);
                let shown: u32 = fraction.get(..places)?.parse().ok()?;
                self.nanos = shown * 10_u32.pow(9 - u32::try_from(places).ok()?);
            }
            Item::MonthName => self.month = self.name(MONTHS.into_iter())?,
            Item::ShortMonthName => {
                self.month = self.name(MONTHS.iter().filter_map(|name| name.get(..3)))?;
            }
            Item::HalfDay => self.afternoon = Some(self.name(["AM", "PM"].into_iter())? == 2),
            Item::Offset => self.offset()?,
        }
        Some(())
    }

    /// The number of as many digits as there are, within the bounds.
    fn digits(&mut self, least: usize, most: usize) -> Option<u32> {
        let digits = self.rest.bytes().take(most).take_while(u8::is_ascii_digit);
        let digits = digits.count();
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        (digits >= least).then(|| number.parse().ok())?
    }

    /// The place of the name that comes next, from 1; letter case does not matter.
    fn name<'n>(&mut self, names: impl Iterator<Item = &'n str>) -> Option<u32> {
        for (place, name) in (1..).zip(names) {
            let begins = |text: &str| text.eq_ignore_ascii_case(name);
            if self.rest.get(..name.len()).is_some_and(begins) {
                self.rest = self.rest.get(name.len()..)?;
                return Some(place);
            }
        }
        None
    }

    fn offset(&mut self) -> Option<()> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Some(());
        }
        let sign = match self.rest.chars().next()? {
            '+' => 1,
            '-' => -1,
            _ => return None,
        };
        self.rest = self.rest.get(1..)?;
        let hours = self.digits(2, 2)?;
        self.rest = self.rest.strip_prefix(':').unwrap_or(self.rest);
        let minutes = self.digits(2, 2)?;
        if minutes > 59 {
            return None;
        }
        let seconds = sign * i32::try_from(3600 * hours + 60 * minutes).ok()?;
        FixedOffset::east_opt(seconds)?;
        self.offset = seconds;
        Some(())
    }
}
