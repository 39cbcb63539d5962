//! Several classes: rows by label and prediction, and each class by itself.

use learn::metrics::multiclass::Report;

use crate::content::OfTask;
use crate::format::{count, metric, share};
use crate::html::{Markup, tag, tagged, text};
use crate::page::parts::table;

/// Classes up to which the matrix is drawn; each class has a line below in any case.
const MATRIX: usize = 20;

/// The confusion matrix and a line for each class; nothing without labels.
pub(super) fn drawn(of: &OfTask) -> Markup {
    let Some(report) = of.now.as_ref().and_then(|now| now.read::<Report>()) else {
        return Markup::default();
    };
    tag("div", [matrix(of, &report), lines(of, &report)])
}

fn matrix(of: &OfTask, report: &Report) -> Markup {
    if of.classes.len() > MATRIX {
        return Markup::default();
    }
    let row = |(class, (name, rows)): (usize, (&String, &Vec<f64>))| {
        let all: f64 = rows.iter().sum();
        let cell = |(predicted, rows): (usize, &f64)| {
            let part = if all > 0.0 { rows / all } else { 0.0 };
            let kind = match predicted == class {
                true => "right",
                false => "wrong",
            };
            let head = format!("td class=\"{kind}\" style=\"--part:{:.1}%\"", part * 100.0);
            let shown = tagged("span class=\"muted\"", share(Some(part)));
            tag(&head, [tagged("strong", count(*rows as u64)), shown])
        };
        let head = tagged("th scope=\"row\"", format!("is {name}"));
        tag(
            "tr",
            [head].into_iter().chain(rows.iter().enumerate().map(cell)),
        )
    };
    let corner = tag("td", [tagged("span class=\"hidden\"", "actual class")]);
    let names = of.classes.iter();
    let names = names.map(|name| tagged("th scope=\"col\"", format!("predicted {name}")));
    let body = of
        .classes
        .iter()
        .zip(&report.confusion)
        .enumerate()
        .map(row);
    let matrix = tag(
        "table class=\"confusion\"",
        [
            tagged("caption", "Rows by label and prediction"),
            tag("thead", [tag("tr", [corner].into_iter().chain(names))]),
            tag("tbody", body),
        ],
    );
    tag("div", [tagged("h3", "Confusion matrix"), matrix])
}

fn lines(of: &OfTask, report: &Report) -> Markup {
    let then = of.holdout.as_ref().and_then(|of| of.read::<Report>());
    let row = |(index, name): (usize, &String)| {
        let now = report.classes.get(index);
        let before = then.as_ref().and_then(|then| then.classes.get(index));
        vec![
            text(name),
            text(now.map_or_else(String::new, |of| count(of.support as u64))),
            text(metric(now.map(|of| of.precision))),
            text(metric(now.map(|of| of.recall))),
            text(metric(now.map(|of| of.f1))),
            text(metric(before.map(|of| of.f1))),
        ]
    };
    let columns = [
        "Class",
        "Rows",
        "Precision",
        "Recall",
        "F1",
        "F1 on the holdout",
    ];
    let rows = of.classes.iter().enumerate().map(row);
    let table = table("numbers", "Each class by itself", &columns, rows);
    tag("div", [tagged("h3", "By class"), table])
}
