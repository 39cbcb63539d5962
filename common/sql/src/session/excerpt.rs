//! Errors about SQL, with the line and a caret under the place.

use arrow::error::ArrowError;
use datafusion_common::SchemaError;
use datafusion_common::error::DataFusionError;
use datafusion_sql::sqlparser::dialect::GenericDialect;
use datafusion_sql::sqlparser::tokenizer::{Token, Tokenizer};

use runtime::failure::Failure;

/// SQL that a person wrote.
pub(super) struct Query<'a> {
    /// Where it stands.
    pub(super) name: &'a str,
    pub(super) sql: &'a str,
}

/// A place in SQL: line and column, both from 1.
pub(super) type Place = (u64, u64);

impl Query<'_> {
    /// Where a word comes first, letter case aside.
    pub(super) fn find(&self, word: &str) -> Option<Place> {
        let tokens = Tokenizer::new(&GenericDialect {}, self.sql)
            .tokenize_with_location()
            .ok()?;
        tokens.iter().find_map(|token| match &token.token {
            Token::Word(found) if found.value.eq_ignore_ascii_case(word) => {
                Some((token.span.start.line, token.span.start.column))
            }
            _ => None,
        })
    }

    /// The first function that is called and is one of those asked for, in small letters.
    pub(super) fn find_call(&self, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let tokens = Tokenizer::new(&GenericDialect {}, self.sql)
            .tokenize()
            .ok()?;
        tokens.windows(2).find_map(|pair| match pair {
            [Token::Word(name), Token::LParen] => {
                Some(name.value.to_lowercase()).filter(|name| wanted(name))
            }
            _ => None,
        })
    }

    /// The error for SQL that DataFusion refuses.
    pub(super) fn failure(&self, error: &DataFusionError) -> anyhow::Error {
        let text = text(error);
        let (text, place) = match text.rsplit_once(" at Line: ") {
            Some((before, place)) => {
                let place = place.split_once(", Column: ");
                let number = |digits: &str| {
                    digits
                        .trim_end_matches(|c: char| !c.is_ascii_digit())
                        .parse()
                        .ok()
                };
                (
                    before.to_owned(),
                    place.and_then(|(line, column)| Some((number(line)?, number(column)?))),
                )
            }
            None => {
                let span = error.diagnostic().and_then(|diagnostic| diagnostic.span);
                (text, span.map(|span| (span.start.line, span.start.column)))
            }
        };
        self.refusal(place, &text)
    }

    /// An error for all that is wrong; one alone comes with the line that it is about.
    pub(super) fn refusals(&self, wrong: Vec<(Option<Place>, String)>) -> anyhow::Error {
        const SHOWN: usize = 20;
        if let [(place, text)] = &wrong[..] {
            return self.refusal(*place, text);
        }
        let mut lines = vec![format!("{}: {} columns are wrong:", self.name, wrong.len())];
        lines.extend(wrong.iter().take(SHOWN).map(|(place, text)| match place {
            Some((line, column)) => format!("  line {line}, column {column}: {text}"),
            None => format!("  {text}"),
        }));
        if wrong.len() > SHOWN {
            lines.push(format!("  and {} more", wrong.len() - SHOWN));
        }
        Failure::usage(lines.join("\n"))
    }

    /// An error with the line that it is about.
    pub(super) fn refusal(&self, place: Option<Place>, text: &str) -> anyhow::Error {
        let Self { name, sql } = self;
        let shown = place.and_then(|(line, column)| {
            let at = usize::try_from(line).ok()?.checked_sub(1)?;
            Some((line, column, sql.lines().nth(at)?.replace('\t', " ")))
        });
        Failure::usage(match shown {
            Some((line, column, excerpt)) => {
                let (margin, indent) = (
                    " ".repeat(line.to_string().len()),
                    " ".repeat(column.saturating_sub(1) as usize),
                );
                format!(
                    "{name}, line {line}, column {column}: {text}\n {margin} |\n {line} | {excerpt}\n {margin} | {indent}^"
                )
            }
            None => format!("{name}: {text}"),
        })
    }
}

/// Whether values may be what DataFusion can't compute from, and not the SQL itself.
pub(super) fn is_of_values(error: &DataFusionError) -> bool {
    !matches!(
        error.find_root(),
        DataFusionError::Plan(_)
            | DataFusionError::NotImplemented(_)
            | DataFusionError::Internal(_)
            | DataFusionError::Configuration(_)
            | DataFusionError::SchemaError(..)
            | DataFusionError::ResourcesExhausted(_)
    ) && !matches!(
        error.find_root(),
        DataFusionError::ArrowError(error, _) if matches!(
            error.as_ref(),
            ArrowError::MemoryError(_)
                | ArrowError::NotYetImplemented(_)
                | ArrowError::OffsetOverflowError(_)
                | ArrowError::SchemaError(_)
        )
    )
}

/// What DataFusion says of values that it can't compute from, with what keeps them from failing, or
/// of a fault of the SQL, with what to write.
pub(super) fn of_values(error: &DataFusionError) -> String {
    const ADVICE: [(&str, &str); 20] = [
        (
            "date part",
            "write year, quarter, month, week, day, dow, doy, hour, minute, second or epoch",
        ),
        (
            "the format",
            "write codes such as '%Y-%m-%d %H:%M:%S', with all that a date or a time needs",
        ),
        (
            "using format",
            "nullif(x, 'n/a') gives null for a text that is not a time, and more formats may follow",
        ),
        ("look-around", "write it without look-ahead and look-behind"),
        ("size limit", "make the pattern shorter"),
        (
            "unrecognized flag",
            "the flags are i, m, s, U and x, and g in regexp_replace()",
        ),
        ("regular expression", "write \\( for a bracket itself"),
        (
            "the clocks change",
            "arrow_try_cast(x, 'Timestamp(us, \"Europe/Berlin\")') gives null instead; for times \
             of UTC write x AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Berlin'",
        ),
        (
            "timezone",
            "write a name such as 'Europe/Berlin', or an offset such as '+02:00'",
        ),
        ("offset overflow", "make the texts shorter"),
        ("divide by zero", "divide by nullif(x, 0) for null instead"),
        ("overflow", "compute with cast(x AS double)"),
        ("cast", "try_cast(x AS type) gives null instead"),
        (
            "error parsing",
            "try_cast(x AS timestamp) gives null instead",
        ),
        (
            "is out of range",
            "CASE WHEN x BETWEEN ... THEN x END gives null instead",
        ),
        ("negative count", "write greatest(x, 0)"),
        (
            "a negative number",
            "CASE WHEN x >= 0 THEN x END gives null instead",
        ),
        ("zero raised", "power(nullif(x, 0), y) gives null instead"),
        (
            "unicode scalar",
            "CASE WHEN x BETWEEN 1 AND 55295 THEN x END gives null instead",
        ),
        (
            "unable to parse date",
            "try_cast(concat(year, '-', month, '-', day) AS date) gives null instead",
        ),
    ];
    let text = text(error);
    let said = text.to_lowercase();
    let advice = ADVICE.iter().find(|(part, _)| said.contains(part));
    match advice {
        Some((_, advice)) => format!("{text} ({advice})"),
        None => text,
    }
}

/// What DataFusion says, without its own framing.
pub(super) fn text(error: &DataFusionError) -> String {
    match error {
        DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => text(inner),
        DataFusionError::Collection(errors) => {
            let mut texts: Vec<String> = errors.iter().map(text).collect();
            texts.dedup();
            texts.join("; ")
        }
        DataFusionError::SQL(error, _) => {
            let text = error.to_string();
            text.strip_prefix("sql parser error: ")
                .unwrap_or(&text)
                .to_owned()
        }
        DataFusionError::SchemaError(error, _) => match error.as_ref() {
            SchemaError::FieldNotFound {
                field,
                valid_fields,
            } => {
                let mut names: Vec<String> = valid_fields
                    .iter()
                    .take(12)
                    .map(|field| format!("{:?}", field.name))
                    .collect();
                if valid_fields.len() > 12 {
                    names.push("...".to_owned());
                }
                format!(
                    "there is no column {:?}; there are {}",
                    field.name,
                    names.join(", ")
                )
            }
            other => other.to_string(),
        },
        DataFusionError::ArrowError(error, _) => {
            let text = error.to_string();
            let known = of_pattern(&text).or_else(|| of_hour(&text));
            known.unwrap_or(text)
        }
        DataFusionError::Shared(inner) => text(inner),
        other => {
            let text = other.message();
            let first = || text.lines().next().unwrap_or_default().to_owned();
            let known = of_pattern(&text).or_else(|| of_unavailable(&text));
            let known = known.or_else(|| of_arguments(&text));
            known.or_else(|| of_hour(&first())).unwrap_or_else(first)
        }
    }
}

/// The functions that there are, by what they are of.
const FAMILIES: &str = "available are functions of numbers, texts, regular expressions, dates, \
     times and encodings, and coalesce() and the like; none of arrays, maps, JSON or digests";

/// What is not there: DataFusion would show how it read the expression.
fn of_unavailable(text: &str) -> Option<String> {
    const KINDS: [(&str, &str); 4] = [
        ("Could not plan array literal", "an array [...]"),
        ("GetFieldAccess not supported", "an element x[...]"),
        ("MAP not supported", "a map"),
        ("Struct not supported", "a struct"),
    ];
    const SYNTAX: [(&str, &str); 2] = [
        ("Unsupported binary operator", "this operator"),
        (
            "Unsupported ast node in sqltorel",
            "an expression of this kind, such as AT TIME ZONE of what is not a text in quotes,",
        ),
    ];
    let first = text.lines().next()?;
    let name = first.strip_prefix("Invalid function '");
    if let Some(name) = name.and_then(|name| name.strip_suffix("'.")) {
        return Some(format!("there is no function {name}(): {FAMILIES}"));
    }
    let of = |kinds: &'static [(&str, &str)]| {
        let kind = kinds.iter().find(|(said, _)| first.starts_with(said));
        kind.map(|(_, kind)| format!("{kind} is not available"))
    };
    if let Some(syntax) = of(&SYNTAX) {
        return Some(syntax);
    }
    if let Some(kind) = of(&KINDS) {
        return Some(format!("{kind}: {FAMILIES}"));
    }
    let shown = ["Ident {", "Column {", "Span(", "ValueWithSpan"];
    let place = shown.iter().filter_map(|shown| first.find(shown)).min()?;
    let (said, _) = first[..place].split_once(": ")?;
    Some(format!("{said}: {FAMILIES}"))
}

/// What is wrong with arguments that a function does not take: DataFusion would show how it
/// declares them.
fn of_arguments(text: &str) -> Option<String> {
    const SAID: [&str; 2] = [
        "failed to match any signature",
        "Failed to coerce arguments",
    ];
    let first = text.lines().next()?;
    if !SAID.iter().any(|said| first.contains(said)) {
        return None;
    }
    // The call with its types is named where it is planned, and the function anywhere.
    let call = text.split_once("name and argument types '");
    let call = call.and_then(|(_, call)| call.split_once("'."));
    let call = match call {
        Some((call, _)) => call.to_owned(),
        None => format!("{}()", first.split('\'').nth(1)?),
    };
    Some(format!(
        "{call} does not take arguments of these types: cast them, such as CAST(x AS BIGINT)"
    ))
}

/// What is wrong with a regular expression, which is shown over several lines before the reason, or
/// without one.
fn of_pattern(text: &str) -> Option<String> {
    let reason = match text.split_once("regex parse error:") {
        Some((_, shown)) => shown
            .lines()
            .find_map(|line| line.trim().strip_prefix("error: "))?,
        None => {
            let (_, pattern) = text.split_once("Regular expression did not compile: (?")?;
            let (flags, _) = pattern.split_once(')')?;
            let is_flags = flags.chars().all(|flag| flag.is_ascii_alphanumeric());
            let is_unknown = flags.chars().any(|flag| !"imsUxuR".contains(flag));
            (is_flags && is_unknown).then_some("unrecognized flag")?
        }
    };
    Some(format!("a regular expression is wrong: {reason}"))
}

/// What is wrong with a time that is not put into a known zone: Arrow does not name the reason.
fn of_hour(text: &str) -> Option<String> {
    const SAID: [&str; 2] = [
        "Cannot cast timezone to different timezone",
        "error computing timezone offset",
    ];
    let said = SAID.iter().find(|said| text.contains(**said))?;
    let reason = "this hour does not exist in the time zone, or exists twice, as the clocks change";
    Some(text.replace(*said, reason))
}
