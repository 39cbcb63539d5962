//! A workflow while it runs: the tree on a terminal, lines elsewhere.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use console::{Term, measure_text_width, truncate_str};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Row, duration, eprint, first_line, glyph, rows};
use crate::runs::folder_name;
use crate::workflow::{Kind, Phase, Workflow, now};

/// Sees every state that a running workflow goes through.
pub(crate) trait View {
    /// Shows the state.
    fn update(&mut self, workflow: &Workflow);
    /// Shows a line of text.
    fn say(&mut self, text: &str);
    /// Makes room for a question on the terminal, until the next update.
    fn make_room(&mut self) {}
}

/// The view for where stderr goes.
pub(crate) fn view() -> Box<dyn View> {
    let term = Term::stderr();
    if !term.is_term() {
        return Box::new(Lines {
            seen: BTreeMap::new(),
        });
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.set_style(
        ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    Box::new(Tree {
        term,
        bar,
        drawn: None,
    })
}

/// The tree, drawn again in place.
struct Tree {
    term: Term,
    bar: ProgressBar,
    drawn: Option<DateTime<Utc>>,
}

impl View for Tree {
    fn update(&mut self, workflow: &Workflow) {
        if workflow.status.phase.fulfilled() {
            return self.bar.finish_and_clear();
        }
        if self
            .drawn
            .is_some_and(|time| (now() - time).num_milliseconds() < 80)
        {
            return;
        }
        self.drawn = Some(now());
        let (height, width) = self.term.size();
        let (height, width) = (
            usize::from(height).max(8) - 3,
            usize::from(width).max(40) - 1,
        );
        let mut rows = rows(workflow);
        let all = rows.len();
        if all > height {
            let finished = |row: &Row| matches!(row.node.phase, Phase::Succeeded | Phase::Skipped);
            rows.retain(|row| row.node.kind == Kind::Dag || !finished(row));
            rows.drain(..rows.len().saturating_sub(height));
        }
        let status = &workflow.status;
        let elapsed = status
            .started_at
            .map(|start| duration(start, None))
            .unwrap_or_default();
        let pods = workflow.pods();
        let done = pods.iter().filter(|pod| pod.phase.fulfilled()).count();
        let mut lines = vec![format!(
            "{}  {done} of {} steps  {elapsed}",
            workflow.name(),
            pods.len()
        )];
        if rows.len() < all {
            lines.push(format!(
                "… and {} finished or waiting steps",
                all - rows.len()
            ));
        }
        let names = rows
            .iter()
            .map(|row| measure_text_width(&row.step(true)))
            .max()
            .unwrap_or(0)
            .min(width / 2);
        lines.extend(rows.iter().map(|row| {
            let pad = " ".repeat(names.saturating_sub(measure_text_width(&row.step(true))));
            let time = if row.node.phase == Phase::Pending {
                String::new()
            } else {
                row.duration()
            };
            format!("{}{pad}  {time:>7}  {}", row.step(true), row.state())
        }));
        let lines: Vec<_> = lines
            .iter()
            .map(|line| truncate_str(line, width, "…"))
            .collect();
        self.bar.set_message(lines.join("\n"));
        self.bar.tick();
    }

    fn say(&mut self, text: &str) {
        self.bar.println(text);
    }

    fn make_room(&mut self) {
        self.bar.set_message("");
        self.bar.tick();
        self.drawn = None;
    }
}

/// A line for each step that begins or ends.
struct Lines {
    seen: BTreeMap<String, Phase>,
}

impl View for Lines {
    fn update(&mut self, workflow: &Workflow) {
        for node in workflow.pods() {
            // Kept by a retry, and printed at that time.
            let is_old = node
                .finished_at
                .is_some_and(|end| workflow.status.started_at.is_some_and(|start| end < start));
            if is_old
                || node.phase == Phase::Pending
                || self.seen.insert(node.id.clone(), node.phase) == Some(node.phase)
            {
                continue;
            }
            let name = folder_name(workflow, node);
            let time = node
                .finished_at
                .unwrap_or(node.started_at)
                .format("%H:%M:%S");
            let line = match node.phase {
                Phase::Running => format!("{time} ● {name}\n"),
                phase => {
                    let note = if node.reused() {
                        "reused"
                    } else {
                        first_line(&node.message)
                    };
                    let end = format!(
                        "{time} {} {name} {} {note}",
                        glyph(phase),
                        duration(node.started_at, node.finished_at)
                    );
                    format!("{}\n", end.trim_end())
                }
            };
            eprint(&line);
        }
    }

    fn say(&mut self, text: &str) {
        eprint(&format!("{text}\n"));
    }
}
