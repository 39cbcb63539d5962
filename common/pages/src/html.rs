//! Writing HTML and SVG: what is not markup already is escaped, and every tag is closed. Pure.

use std::fmt::{self, Display, Write};

/// Well-formed HTML or SVG.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Markup(String);

impl Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromIterator<Markup> for Markup {
    fn from_iter<I: IntoIterator<Item = Markup>>(parts: I) -> Self {
        Self(parts.into_iter().map(|part| part.0).collect())
    }
}

/// Nothing.
pub fn nothing() -> Markup {
    Markup::default()
}

/// Text, escaped.
pub fn text(value: impl Display) -> Markup {
    Markup(escaped(value))
}

/// A value of an attribute, escaped, to be put between double quotes.
pub fn escaped(value: impl Display) -> String {
    let value = value.to_string();
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\'' => text.push_str("&#39;"),
            // No document holds them, whatever a column's name does.
            c if c.is_control() && c != '\n' && c != '\t' => text.push('\u{fffd}'),
            c => text.push(c),
        }
    }
    text
}

/// An element: `head` is its name and attributes, as in `p class="note"`. The values of the
/// attributes must be escaped.
pub fn tag(head: &str, inner: impl IntoIterator<Item = Markup>) -> Markup {
    let name = head.split_whitespace().next().unwrap_or(head);
    let mut html = format!("<{head}>");
    inner.into_iter().for_each(|part| html.push_str(&part.0));
    // A string takes everything.
    let _ = write!(html, "</{name}>");
    if matches!(
        name,
        "section" | "div" | "table" | "tr" | "svg" | "header" | "footer" | "style" | "head"
    ) {
        html.push('\n');
    }
    Markup(html)
}

/// An element that holds a text.
pub fn tagged(head: &str, value: impl Display) -> Markup {
    tag(head, [text(value)])
}

/// An element that holds nothing, as in `circle r="3"`.
pub fn leaf(head: &str) -> Markup {
    Markup(format!("<{head}/>"))
}

/// The style sheet, which is taken as it is.
pub(crate) fn style(css: &'static str) -> Markup {
    tag("style", [Markup(css.to_owned())])
}

/// The sign of this project.
pub fn icon() -> Markup {
    let strokes = [
        leaf("path d=\"M3 17l5-6 4 3 8-10\""),
        leaf("path d=\"M3 21h18\""),
    ];
    tag(
        "svg class=\"icon\" viewBox=\"0 0 24 24\" aria-hidden=\"true\"",
        strokes,
    )
}

/// The whole document.
pub fn document(head: Markup, body: Markup) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>{head}</head>\n<body>{body}</body>\n</html>\n"
    )
}

/// The head of a document: what every page has, its title, and what else belongs there.
pub fn head(title: impl Display, more: impl IntoIterator<Item = Markup>) -> Markup {
    let all = [
        leaf("meta charset=\"utf-8\""),
        leaf("meta name=\"viewport\" content=\"width=device-width, initial-scale=1\""),
        leaf("meta name=\"color-scheme\" content=\"light dark\""),
        tagged("title", title),
    ];
    all.into_iter().chain(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_columns_can_hold_anything() {
        let name = "<b>\"x\"</b> & 'y'\u{0}";
        assert_eq!(
            text(name).to_string(),
            "&lt;b&gt;&quot;x&quot;&lt;/b&gt; &amp; &#39;y&#39;\u{fffd}"
        );
        assert_eq!(
            tagged("td class=\"n\"", name).to_string(),
            format!("<td class=\"n\">{}</td>", escaped(name))
        );
    }
}
