//! The pages of the dashboard, made of the report's own sections. Pure.

mod compare;
mod data;
mod model;
mod overview;
mod prediction;
mod runs;

use std::fmt::Display;

use chrono::{DateTime, Utc};
use pages::format::count;
use pages::html::{self, Markup, escaped, leaf, nothing, tag, tagged, text};
use pages::page::note;

pub(crate) use compare::compare;
pub(crate) use data::{data, data_set};
pub(crate) use model::model;
pub(crate) use overview::overview;
pub(crate) use prediction::prediction;
pub(crate) use runs::runs;

/// The icon of each page.
pub(crate) const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 24 24\" fill=\"none\" stroke=\"#1d5fd0\" \
     stroke-width=\"2.4\" stroke-linecap=\"round\" stroke-linejoin=\"round\"><path d=\"M3 17l5-6 4 3 8-10\"/><path d=\"M3 21h18\"/></svg>";

/// What makes the pages quicker.
pub(crate) const SCRIPT: &str = include_str!("page/app.js");

/// Places that every page leads to.
const PLACES: [(&str, &str); 4] = [
    ("/", "Models"),
    ("/runs", "Runs"),
    ("/data", "Data"),
    ("/prediction", "Prediction"),
];

/// The style of the pages: the report's, and a little more.
pub(crate) fn style() -> String {
    format!("{}\n{}", pages::page::STYLE, include_str!("page/style.css"))
}

/// A whole page; `here` is the place that it belongs to.
fn document(title: &str, here: &str, main: impl IntoIterator<Item = Markup>) -> String {
    let assets = [
        leaf("link rel=\"stylesheet\" href=\"/assets/style.css\""),
        tagged("script type=\"module\" src=\"/assets/app.js\"", ""),
        leaf("link rel=\"icon\" type=\"image/svg+xml\" href=\"/assets/icon.svg\""),
    ];
    let head = html::head(format!("{title} · Alameda"), assets);
    let place = |(path, name): (&str, &str)| {
        let current = if path == here {
            " aria-current=\"page\""
        } else {
            ""
        };
        tagged(&format!("a href=\"{path}\"{current}"), name)
    };
    let brand = tag(
        "a class=\"brand\" href=\"/\"",
        [html::icon(), text("Alameda")],
    );
    let places = tag(
        "nav aria-label=\"Pages\"",
        std::iter::once(brand).chain(PLACES.map(place)),
    );
    html::document(
        head,
        [
            pages::page::patterns(),
            tag("header class=\"top\"", [places]),
            tag("main", main),
        ]
        .into_iter()
        .collect(),
    )
}

/// The head of a page.
fn heading(title: impl Display, below: Markup) -> Markup {
    tag(
        "div class=\"title\"",
        [tagged("h1", title), tag("p class=\"muted\"", [below])],
    )
}

/// A link; the address is escaped here.
fn link(address: &str, name: impl Display) -> Markup {
    tagged(&format!("a href=\"{}\"", escaped(address)), name)
}

/// A moment, to the minute.
fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}

/// Links to a table as files, after what it holds; `query` begins with a question mark, or is
/// empty.
fn files(what: &str, name: &str, query: &str) -> Markup {
    let file = |kind: &str| {
        link(
            &format!("/tables/{name}.{kind}{query}"),
            kind.to_uppercase(),
        )
    };
    tag(
        "p class=\"note files\"",
        [
            text(format!("{what} as ")),
            file("csv"),
            text(" or "),
            file("json"),
        ],
    )
}

/// How many are not listed; nothing when all are.
fn older(more: usize) -> Markup {
    if more > 0 {
        note(format!("And {} older ones.", count(more as u64)))
    } else {
        nothing()
    }
}

/// Shown where there is nothing yet, with what to do next.
fn empty(what: &str, next: &str) -> Markup {
    tag(
        "div class=\"empty\"",
        [
            tagged("p", what),
            if next.is_empty() {
                nothing()
            } else {
                tagged("pre", next)
            },
        ],
    )
}

/// A part of a page that can't be shown now.
fn failed(what: &str, error: impl Display) -> Markup {
    tag(
        "div class=\"empty failed\"",
        [
            tagged("p", format!("{what} can't be shown now.")),
            tagged("pre", format!("{error:#}")),
        ],
    )
}

/// All parts that can't be shown now.
fn troubled(troubles: &[(&str, String)]) -> Markup {
    troubles
        .iter()
        .map(|(what, error)| failed(what, error))
        .collect()
}

/// A page that says what is wrong.
pub(crate) fn problem(what: &str, why: &str) -> String {
    let back = tag("p", [link("/", "All models")]);
    document(
        what,
        "",
        [
            heading(what, nothing()),
            tag("div class=\"empty failed\"", [tagged("pre", why)]),
            back,
        ],
    )
}
