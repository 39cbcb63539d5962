//! What to do about a column of a type that no value of the contract's type can have.

use arrow::datatypes::DataType;

use super::change::typed;
use super::remedy::{Rounds, with};
use super::tried::Tried;
use super::{noted, nullable};
use crate::dataset::{ColumnContract, ColumnType};
use crate::raw::convert;
use catalog::manifest::Role;

/// How the column of a file may be written instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    WithoutZone,
    WithZone,
    Text,
    TextOfNumbers,
    Numbers,
    NumbersOfTexts,
    Booleans,
    Moments,
    /// No type of the contract has such values.
    AnyType,
}

impl Way {
    fn said(self, found: &DataType, tried: &Tried<'_>) -> String {
        let Tried { file, column, .. } = tried;
        let text = match self {
            Self::WithoutZone => "write it without a time zone (pandas: dt.tz_localize(None))",
            Self::WithZone => "write it with a time zone (pandas: dt.tz_localize(\"UTC\"))",
            Self::Text => "write it as text",
            Self::TextOfNumbers => "write it as text (pandas: astype(str))",
            Self::Numbers => "write it as numbers",
            Self::NumbersOfTexts => return numbers_of_texts(tried),
            Self::Booleans => "write it as booleans",
            Self::Moments => {
                "write it as a time (pandas: pd.to_datetime with format=\"%Y%m%d\" or unit=\"s\")"
            }
            Self::AnyType => {
                let how = expression(found);
                return match column.role {
                    _ if file.pinned => format!("write it as the contract says{how}"),
                    Role::Feature | Role::Ignored => format!(
                        "write it as one of the contract's types{how}, or remove it from dataset.json"
                    ),
                    _ => format!("write it as one of the contract's types{how}"),
                };
            }
        };
        text.to_owned()
    }
}

/// What makes values of the contract's types of others.
fn expression(found: &DataType) -> &'static str {
    use DataType::{
        Duration, FixedSizeList, Interval, LargeList, LargeListView, List, ListView, Map, Struct,
        Time32, Time64,
    };
    match found {
        Duration(_) => ", such as seconds (pandas: dt.total_seconds())",
        Time32(_) | Time64(_) | Interval(_) => ", such as text (pandas: astype(str))",
        List(_) | LargeList(_) | FixedSizeList(..) | ListView(_) | LargeListView(_) => {
            ", such as a column for each element (pandas: str[0], str[1]) or their number (str.len())"
        }
        Struct(_) | Map(..) => {
            ", such as a column for each field (pandas: pd.json_normalize; of intervals \
             .array.left and .array.right)"
        }
        _ => "",
    }
}

/// How to write texts as numbers: a program that converts them stops at those that are none.
fn numbers_of_texts(tried: &Tried<'_>) -> String {
    const WRITE: &str = "write it as numbers";
    let Tried { file, column, .. } = tried;
    let strays = tried.strays();
    if let Some(text) = strays.other {
        return format!("{WRITE}: {text:?} can't be read as {}", column.column_type);
    }
    let Some(text) = strays.null else {
        return format!("{WRITE} (pandas: pd.to_numeric)");
    };
    let write = format!(
        "{WRITE}, with null in place of {text:?} (pandas: pd.to_numeric with errors=\"coerce\")"
    );
    match nullable(column) {
        Some(nullable) => format!("{write} {}", with(file.pinned, nullable)),
        None => write,
    }
}

/// How to write such a column, and the type of the contract that may have its values.
fn ways(found: &DataType, wanted: ColumnType) -> (Way, Option<ColumnType>) {
    use ColumnType::{Bool, Date, Float64, Int64, TimestampTz, Utf8};
    use DataType::{Boolean, Date32, Date64, Timestamp};
    let of_zone = |has_zone: bool| match has_zone {
        true => TimestampTz,
        false => ColumnType::Timestamp,
    };
    match (found, wanted) {
        (Timestamp(_, Some(_)), Date | ColumnType::Timestamp) => {
            (Way::WithoutZone, Some(TimestampTz))
        }
        (Timestamp(_, None) | Date32 | Date64, TimestampTz) => {
            (Way::WithZone, Some(ColumnType::Timestamp))
        }
        (Timestamp(_, zone), Utf8) => (Way::Text, Some(of_zone(zone.is_some()))),
        (Date32 | Date64, Utf8) => (Way::Text, Some(Date)),
        (Boolean, Utf8) => (Way::Text, Some(Bool)),
        (number, Utf8) if number.is_integer() => (Way::TextOfNumbers, Some(Int64)),
        (number, Utf8) if number.is_numeric() => (Way::TextOfNumbers, Some(Float64)),
        (text, Bool) if convert::is_plain_text(text) => (Way::Booleans, Some(Utf8)),
        (text, _) if convert::is_plain_text(text) => (Way::NumbersOfTexts, Some(Utf8)),
        (number, Date | ColumnType::Timestamp | TimestampTz) if number.is_integer() => {
            (Way::Moments, Some(Int64))
        }
        (Timestamp(_, zone), _) => (Way::Numbers, Some(of_zone(zone.is_some()))),
        (Date32 | Date64, _) => (Way::Numbers, Some(Date)),
        _ => (Way::AnyType, None),
    }
}

/// What to do about a column of a type that no value of the contract's type can have.
pub(in crate::raw) fn of_type(found: &DataType, tried: &Tried<'_>) -> String {
    if let DataType::Dictionary(_, values) = found {
        return of_type(values, tried);
    }
    let Tried { file, column, .. } = tried;
    let (way, other) = ways(found, column.column_type);
    let line = other.and_then(|other| {
        let line = typed(column, other)?;
        tried.takes_all(other, &line).then(|| {
            let rounds = match tried.rounds(other) {
                true => Rounds::Large,
                false => Rounds::None,
            };
            (line, rounds.said())
        })
    });
    let write = way.said(found, tried);
    let advised = line.is_some();
    let text = match line {
        None => write,
        Some((line, rounds)) if file.pinned => {
            format!("{write}, or train a model with {line}{rounds}")
        }
        Some((line, rounds)) => format!("{write}, or give it {line} in dataset.json{rounds}"),
    };
    noted(text, tried, advised)
}

/// What a column needs besides a type that is advised: what computes and prepares features of it
/// is no part of the contract.
pub(super) fn needs(column: &ColumnContract, advised: &str) -> Vec<String> {
    use ColumnType::{Bool, Date, Timestamp, TimestampTz, Utf8};
    if !matches!(column.role, Role::Feature | Role::Ignored) {
        return Vec::new();
    }
    let name = &column.name;
    let is_moment = |of: ColumnType| matches!(of, Date | Timestamp | TimestampTz);
    let is_advised = |other: &ColumnType| advised.contains(&format!("\"type\": \"{other}\""));
    let need = |other: ColumnType| match other {
        // No model takes it as it is, so features.sql computes with it, if anything does.
        Utf8 if is_moment(column.column_type) => Some(format!(
            "features.sql then reads {name:?} as a text: use try_cast there"
        )),
        _ if column.role != Role::Feature => None,
        // Both are categories.
        Utf8 if column.column_type == Bool => None,
        Utf8 => Some(format!(
            "as utf8, a feature is a category: remove \"clip\" and a numeric \"impute\" of {name:?} \
             from models.json, or compute a number from it by try_cast in features.sql"
        )),
        moment if is_moment(moment) => (!is_moment(column.column_type)).then(|| {
            format!("a model takes no {moment}: compute a number from {name:?} in features.sql")
        }),
        number => (matches!(column.column_type, Utf8 | Bool) && number != Bool).then(|| {
            format!(
                "as {number}, a feature is a number: remove \"encode\" and other settings of \
                 categories of {name:?} from models.json"
            )
        }),
    };
    let others = ColumnType::ALL.into_iter();
    others.filter(is_advised).filter_map(need).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_of_another_kind_needs_other_settings() {
        use ColumnType::{Bool, Date, Float64, Int32, Int64, Timestamp, Utf8};
        const CATEGORY: &str = "as utf8, a feature is a category: remove \"clip\" and a numeric \
            \"impute\" of \"c\" from models.json, or compute a number from it by try_cast in features.sql";
        const TEXT: &str = "features.sql then reads \"c\" as a text: use try_cast there";
        const NUMBER: &str = "as int64, a feature is a number: remove \"encode\" and other settings \
            of categories of \"c\" from models.json";
        const MOMENT: &str = "a model takes no date: compute a number from \"c\" in features.sql";
        for (column_type, other, expected) in [
            (Float64, Utf8, Some(CATEGORY)),
            (Bool, Utf8, None),
            (Date, Utf8, Some(TEXT)),
            (Bool, Int64, Some(NUMBER)),
            (Utf8, Int64, Some(NUMBER)),
            (Float64, Date, Some(MOMENT)),
            (Int32, Int64, None),
            (Date, Timestamp, None),
            (Utf8, Bool, None),
        ] {
            let mut column = ColumnContract::new("c", column_type, Role::Feature);
            let line = typed(&column, other).unwrap();
            assert_eq!(needs(&column, &line), Vec::from_iter(expected), "{line}");
            column.role = Role::Ignored;
            let of_ignored = expected.filter(|need| *need == TEXT);
            assert_eq!(needs(&column, &line), Vec::from_iter(of_ignored), "{line}");
            column.role = Role::Id;
            assert!(needs(&column, &line).is_empty());
        }
    }
}
