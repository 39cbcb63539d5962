//! The closed grammar of conditions that `workflows/` uses: `depends`, `when`,
//! `retryStrategy.expression`, `{{=…}}`.
//!
//! Argo evaluates these with two large libraries (expr-lang and govaluate). Here are literals,
//! names, lists, `! && || == != < <= > >= in contains ??`, parentheses and `asInt()`; anything else
//! is refused by name.

use std::fmt;

/// Where an expression stands, which decides what a bare word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `depends`: names are tasks, may hold hyphens, and may end in `.Succeeded` and the like.
    Depends,
    /// `when`: evaluated on substituted text, so a bare word is text, as in Argo.
    When,
    /// `retryStrategy.expression` and `{{=…}}`: names are variables.
    Variables,
}

/// What an expression evaluates to.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `nil`: a variable without a value.
    Nil,
    /// `true` or `false`.
    Bool(bool),
    /// Any number.
    Number(f64),
    /// Quoted text.
    Text(String),
    /// `[1, 2]`.
    List(Vec<Value>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nil => f.write_str("nil"),
            Value::Bool(v) => write!(f, "{v}"),
            Value::Number(v) => write!(f, "{v}"),
            Value::Text(v) => f.write_str(v),
            Value::List(v) => f
                .debug_list()
                .entries(v.iter().map(ToString::to_string))
                .finish(),
        }
    }
}

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A constant.
    Literal(Value),
    /// A dotted name, such as `lastRetry.exitCode` or `plan.Succeeded`.
    Name(String),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `asInt(a)`
    AsInt(Box<Expr>),
    /// `!a`
    Not(Box<Expr>),
    /// `a OP b`
    Binary(&'static str, Box<Expr>, Box<Expr>),
}

/// Parses `text`; the error says what was found and where.
pub fn parse(text: &str, dialect: Dialect) -> Result<Expr, String> {
    let tokens = tokenize(text, dialect)?;
    let mut parser = Parser {
        tokens,
        at: 0,
        dialect,
    };
    let expr = parser.binary(0)?;
    match parser.peek() {
        None => Ok(expr),
        Some(token) => Err(format!("unexpected `{token}` in `{text}`")),
    }
}

/// Parses and evaluates `text` to a truth value. `lookup` gives a name's value, `None` when there
/// is no such name.
pub fn holds(
    text: &str,
    dialect: Dialect,
    lookup: &dyn Fn(&str) -> Option<Value>,
) -> Result<bool, String> {
    match parse(text, dialect)?.eval(dialect, lookup)? {
        Value::Bool(value) => Ok(value),
        other => Err(format!("`{text}` is `{other}`, not true or false")),
    }
}

impl Expr {
    /// Evaluates with the values that `lookup` gives to names.
    pub fn eval(
        &self,
        dialect: Dialect,
        lookup: &dyn Fn(&str) -> Option<Value>,
    ) -> Result<Value, String> {
        let eval = |expr: &Expr| expr.eval(dialect, lookup);
        let truth = |expr: &Expr| match eval(expr)? {
            Value::Bool(value) => Ok(value),
            other => Err(format!("`{other}` is not true or false")),
        };
        Ok(match self {
            Expr::Literal(value) => value.clone(),
            Expr::Name(name) if dialect == Dialect::When => Value::Text(name.clone()),
            Expr::Name(name) => lookup(name).ok_or_else(|| format!("unknown name `{name}`"))?,
            Expr::List(items) => Value::List(items.iter().map(eval).collect::<Result<_, _>>()?),
            Expr::AsInt(inner) => match eval(inner)? {
                Value::Text(text) => match text.trim().parse::<i64>() {
                    Ok(number) => Value::Number(number as f64),
                    Err(_) => return Err(format!("asInt: `{text}` is not a whole number")),
                },
                number @ Value::Number(_) => number,
                other => return Err(format!("asInt: `{other}` is not a number")),
            },
            Expr::Not(inner) => Value::Bool(!truth(inner)?),
            Expr::Binary("&&", a, b) => Value::Bool(truth(a)? && truth(b)?),
            Expr::Binary("||", a, b) => Value::Bool(truth(a)? || truth(b)?),
            Expr::Binary("??", a, b) => match eval(a)? {
                Value::Nil => eval(b)?,
                value => value,
            },
            Expr::Binary("in", a, b) => match eval(b)? {
                Value::List(items) => Value::Bool(items.contains(&eval(a)?)),
                other => return Err(format!("`in` needs a list, not `{other}`")),
            },
            Expr::Binary("contains", a, b) => match (eval(a)?, eval(b)?) {
                (Value::Text(text), Value::Text(part)) => Value::Bool(text.contains(&part)),
                (a, b) => return Err(format!("`contains` needs two texts, not `{a}` and `{b}`")),
            },
            Expr::Binary(op, a, b) => {
                let (a, b) = (eval(a)?, eval(b)?);
                // govaluate calls values of different kinds unequal; expr-lang refuses to compare
                // them.
                let same_kind = std::mem::discriminant(&a) == std::mem::discriminant(&b);
                if dialect == Dialect::Variables && !same_kind && a != Value::Nil && b != Value::Nil
                {
                    return Err(format!(
                        "`{a}` and `{b}` are of different kinds and cannot be compared"
                    ));
                }
                match *op {
                    "==" => Value::Bool(a == b),
                    "!=" => Value::Bool(a != b),
                    op => Value::Bool(is_ordered(op, &a, &b)?),
                }
            }
        })
    }

    /// Every name in the expression, in the order of the text.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Expr::Literal(_) => Vec::new(),
            Expr::Name(name) => vec![name],
            Expr::List(items) => items.iter().flat_map(Expr::names).collect(),
            Expr::AsInt(inner) | Expr::Not(inner) => inner.names(),
            Expr::Binary(_, a, b) => a.names().into_iter().chain(b.names()).collect(),
        }
    }
}

/// `a < b` and the like, of two numbers or two texts.
fn is_ordered(op: &str, a: &Value, b: &Value) -> Result<bool, String> {
    let order = match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.partial_cmp(b),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        _ => None,
    };
    let order = order.ok_or_else(|| format!("`{a}` and `{b}` cannot be compared by `{op}`"))?;
    Ok(match op {
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    })
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Symbol(&'static str),
    Word(String),
    Number(f64),
    Text(String),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Symbol(text) => f.write_str(text),
            Token::Word(text) => f.write_str(text),
            Token::Number(number) => write!(f, "{number}"),
            Token::Text(text) => write!(f, "'{text}'"),
        }
    }
}

const SYMBOLS: [&str; 16] = [
    "&&", "||", "==", "!=", "<=", ">=", "??", "<", ">", "!", "(", ")", "[", "]", ",", ".",
];

fn tokenize(text: &str, dialect: Dialect) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let word_end = |rest: &str| {
            let hyphen = dialect == Dialect::Depends;
            rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || hyphen && c == '-'))
                .unwrap_or(rest.len())
        };
        if first == '\'' || first == '"' {
            let body = &rest[1..];
            let end = body
                .find(first)
                .ok_or_else(|| format!("quote without end in `{text}`"))?;
            tokens.push(Token::Text(body[..end].to_owned()));
            rest = &body[end + 1..];
        } else if dialect != Dialect::Depends && (first.is_ascii_digit() || first == '-') {
            let end = rest[1..]
                .find(|c: char| !(c.is_alphanumeric() || c == '.'))
                .map_or(rest.len(), |i| i + 1);
            let number = rest[..end].parse();
            tokens.push(Token::Number(number.map_err(|_| {
                format!("`{}` is not a number: quote it", &rest[..end])
            })?));
            rest = &rest[end..];
        } else if first.is_alphanumeric() || first == '_' {
            let end = word_end(rest);
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            tokens.push(Token::Symbol(symbol));
            rest = &rest[symbol.len()..];
        } else {
            return Err(format!(
                "`{first}` is not understood in `{text}` (a value may need quotes)"
            ));
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

/// Binary operators, the loosest first.
const LEVELS: [&[&str]; 4] = [
    &["||"],
    &["&&"],
    &["==", "!=", "<", "<=", ">", ">=", "in", "contains"],
    &["??"],
];

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    dialect: Dialect,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = match self.peek() {
            Some(Token::Symbol(text)) => *text == symbol,
            Some(Token::Word(text)) => {
                let is_operator = ["in", "contains"].contains(&symbol) && text == symbol;
                is_operator && self.dialect == Dialect::Variables
            }
            _ => false,
        };
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), String> {
        if self.take(symbol) {
            Ok(())
        } else {
            Err(format!("`{symbol}` expected, found {}", self.found()))
        }
    }

    fn found(&self) -> String {
        self.peek()
            .map_or_else(|| "the end".to_owned(), |token| format!("`{token}`"))
    }

    fn binary(&mut self, level: usize) -> Result<Expr, String> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = operators.iter().find(|operator| self.take(operator)) {
            let right = self.binary(level + 1)?;
            left = Expr::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, String> {
        if self.take("!") {
            return Ok(Expr::Not(Box::new(self.unary()?)));
        }
        if self.take("(") {
            let inner = self.binary(0)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.take("[") {
            let mut items = Vec::new();
            while !self.take("]") {
                items.push(self.binary(0)?);
                if !self.take(",") {
                    self.expect("]")?;
                    break;
                }
            }
            return Ok(Expr::List(items));
        }
        let token = self.peek().cloned();
        self.at += 1;
        match token {
            Some(Token::Number(number)) => Ok(Expr::Literal(Value::Number(number))),
            Some(Token::Text(text)) => Ok(Expr::Literal(Value::Text(text))),
            Some(Token::Word(word)) => self.word(word),
            _ => {
                self.at -= 1;
                Err(format!("a value expected, found {}", self.found()))
            }
        }
    }

    fn word(&mut self, word: String) -> Result<Expr, String> {
        match word.as_str() {
            "true" => return Ok(Expr::Literal(Value::Bool(true))),
            "false" => return Ok(Expr::Literal(Value::Bool(false))),
            "nil" if self.dialect == Dialect::Variables => return Ok(Expr::Literal(Value::Nil)),
            _ => {}
        }
        if self.take("(") {
            if word != "asInt" || self.dialect != Dialect::Variables {
                return Err(format!("the function `{word}` is not supported"));
            }
            let inner = self.binary(0)?;
            self.expect(")")?;
            return Ok(Expr::AsInt(Box::new(inner)));
        }
        let mut name = word;
        loop {
            let part = if self.take(".") {
                // Argo would look for the field of a variable.
                if self.dialect == Dialect::When {
                    return Err(format!("`{name}.` and what follows need quotes"));
                }
                let part = self.peek().cloned();
                self.at += 1;
                part
            } else if self.dialect == Dialect::Variables && self.take("[") {
                let part = self.peek().cloned();
                self.at += 1;
                self.expect("]")?;
                part
            } else {
                return Ok(Expr::Name(name));
            };
            match part {
                Some(Token::Word(part) | Token::Text(part)) => name = format!("{name}.{part}"),
                _ => return Err(format!("a name expected after `{name}`")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_evaluate_as_argo_evaluates_them() {
        let lookup = |name: &str| match name {
            "lastRetry.status" | "inputs.parameters.a-b" => Some(Value::Text("Failed".into())),
            "lastRetry.exitCode" => Some(Value::Text("75".into())),
            "workflow.failures" => Some(Value::Nil),
            "plan.Succeeded" | "data-prep.Skipped" => Some(Value::Bool(true)),
            "data-prep.Succeeded" | "map.AllFailed" => Some(Value::Bool(false)),
            _ => None,
        };
        use Dialect::{Depends, Variables, When};
        let retry =
            r#"lastRetry.status == "Error" || asInt(lastRetry.exitCode) in [64, 75, 137, 143]"#;
        for (dialect, text, expected) in [
            (Variables, retry, Ok(true)),
            (Variables, "asInt(lastRetry.exitCode) in [1, 2]", Ok(false)),
            (
                Variables,
                "!(lastRetry.status contains 'ail') || lastRetry.status contains 'e' && true",
                Ok(true),
            ),
            (
                Variables,
                "workflow.failures contains 'a'",
                Err("`contains` needs two texts"),
            ),
            (When, "a contains b", Err("unexpected `contains`")),
            (Variables, "inputs.parameters['a-b'] != 'Failed'", Ok(false)),
            (Variables, "(workflow.failures ?? 'x') == 'x'", Ok(true)),
            (
                Variables,
                "lastRetry.exitCode == 75",
                Err("different kinds"),
            ),
            (
                Variables,
                "lastRetry.message == ''",
                Err("unknown name `lastRetry.message`"),
            ),
            (
                Variables,
                "now() == 1",
                Err("function `now` is not supported"),
            ),
            (
                Depends,
                "plan.Succeeded && (data-prep.Succeeded || data-prep.Skipped)",
                Ok(true),
            ),
            (Depends, "!map.AllFailed && !data-prep.Skipped", Ok(false)),
            (Depends, "plan.Succeeded &&", Err("found the end")),
            (When, "true == true", Ok(true)),
            (When, "'true' == true", Ok(false)),
            (When, "alert != ok && 2 == 2.0", Ok(true)),
            (When, "\"25.05.1\" == '25.05.1' || false", Ok(true)),
            (When, "25.05.1 == 25.05.1", Err("quote it")),
            (When, "a =~ b", Err("not understood")),
            (When, "9 < 10 && 'b' >= 'a'", Ok(true)),
            (When, "9 < '10'", Err("cannot be compared by `<`")),
            (When, "part.parquet == 'part.parquet'", Err("need quotes")),
            (When, "a in ('a', 'b')", Err("unexpected `in`")),
            (
                Variables,
                "asInt(lastRetry.exitCode) > 74 && asInt(lastRetry.exitCode) <= 75",
                Ok(true),
            ),
            (Variables, "lastRetry.exitCode > 1", Err("different kinds")),
            (When, "(a == a", Err("`)` expected")),
            (When, "alert", Err("not true or false")),
        ] {
            match (holds(text, dialect, &lookup), expected) {
                (Ok(got), Ok(expected)) => assert_eq!(got, expected, "{text}"),
                (Err(got), Err(part)) => assert!(got.contains(part), "{text}: {got}"),
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
    }
}
