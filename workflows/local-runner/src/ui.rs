//! What a person sees: the tree while it runs, the table after it, and what to do about a failure.

mod live;

use std::fmt::Write as _;
use std::io::Write as _;

use chrono::{DateTime, Utc};
use console::{Style, measure_text_width, truncate_str};

use crate::runs::folder_name;
use crate::workflow::{Kind, Node, Phase, Workflow, natural, now, progress};

pub(crate) use live::{View, view};

/// Prints text to stdout. A reader that went away, such as `head`, is no failure.
pub(crate) fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Prints text to stderr.
pub(crate) fn eprint(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// One line of the tree.
struct Row<'a> {
    prefix: String,
    name: &'a str,
    node: &'a Node,
}

impl Row<'_> {
    fn step(&self, stderr: bool) -> String {
        let style = style(self.node.phase);
        let style = if stderr { style.for_stderr() } else { style };
        format!(
            "{}{} {}",
            self.prefix,
            style.apply_to(glyph(self.node.phase)),
            self.name
        )
    }

    fn duration(&self) -> String {
        match self.node.kind {
            Kind::Skipped => String::new(),
            _ => duration(self.node.started_at, self.node.finished_at),
        }
    }

    fn note(&self) -> &str {
        if self.node.reused() && self.node.kind == Kind::Pod {
            "reused"
        } else {
            first_line(&self.node.message)
        }
    }

    /// A bar while it runs, then what came of it.
    fn state(&self) -> String {
        let running = self.node.phase == Phase::Running && self.node.kind == Kind::Pod;
        match progress(&self.node.progress).filter(|(done, _)| running && *done > 0) {
            Some((done, total)) => {
                let filled = (done as f64 / total as f64 * 20.0) as usize;
                format!(
                    "{}{} {:>3} %",
                    "━".repeat(filled),
                    "╌".repeat(20 - filled),
                    done * 100 / total
                )
            }
            None => self.note().to_owned(),
        }
    }
}

/// The nodes as `argo get` shows them: without groups and omitted tasks, and a leaf with one
/// attempt as one line.
fn rows(workflow: &Workflow) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for root in [workflow.root(), workflow.exit_root()]
        .into_iter()
        .flatten()
    {
        let name = if root.name == workflow.name() {
            workflow.name()
        } else {
            "onExit"
        };
        add_rows(
            workflow,
            root,
            name,
            (String::new(), String::new()),
            &mut rows,
        );
    }
    rows
}

fn add_rows<'a>(
    workflow: &'a Workflow,
    node: &'a Node,
    name: &'a str,
    (prefix, below): (String, String),
    rows: &mut Vec<Row<'a>>,
) {
    let nodes = &workflow.status.nodes;
    let get = |id: &String| nodes.get(id);
    let shown = if let (Kind::Retry, [only]) = (node.kind, node.children.as_slice()) {
        get(only)
    } else {
        None
    };
    rows.push(Row {
        prefix,
        name,
        node: shown.unwrap_or(node),
    });
    let mut children: Vec<&Node> = match node.kind {
        Kind::Dag => {
            let attempts = |id: &String| {
                nodes
                    .values()
                    .any(|retry| retry.kind == Kind::Retry && retry.children.contains(id))
            };
            let part = |child: &&Node| {
                child.boundary_id.as_ref() == Some(&node.id)
                    && child.kind != Kind::TaskGroup
                    && child.phase != Phase::Omitted
                    && !(child.kind == Kind::Pod && attempts(&child.id))
            };
            nodes.values().filter(part).collect()
        }
        Kind::Retry if shown.is_none() => node.children.iter().filter_map(get).collect(),
        _ => Vec::new(),
    };
    children.sort_by(|a, b| natural(a).cmp(&natural(b)));
    let last = children.len().saturating_sub(1);
    for (i, child) in children.into_iter().enumerate() {
        let (branch, line) = if i == last {
            ("└─", "  ")
        } else {
            ("├─", "│ ")
        };
        let prefixes = (format!("{below}{branch}"), format!("{below}{line}"));
        add_rows(workflow, child, &child.display_name, prefixes, rows);
    }
}

/// The workflow as `argo get` prints it.
pub(crate) fn describe(workflow: &Workflow, wide: bool) -> String {
    let status = &workflow.status;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{:<20} {value}", format!("{name}:"));
    };
    let stamp = |time: DateTime<Utc>| time.format("%a %b %d %H:%M:%S +0000").to_string();
    line("Name", workflow.name());
    line("Status", &format!("{:?}", status.phase));
    if !status.message.is_empty() {
        line("Message", &status.message);
    }
    line("Created", &stamp(workflow.metadata.creation_timestamp));
    if let Some(started) = status.started_at {
        line("Started", &stamp(started));
        if let Some(finished) = status.finished_at {
            line("Finished", &stamp(finished));
        }
        line("Duration", &duration(started, status.finished_at));
    }
    line("Progress", &status.progress);
    line("Parameters", "");
    for parameter in &workflow.spec.arguments.parameters {
        line(
            &format!("  {}", parameter.name),
            parameter.value.as_deref().unwrap_or_default(),
        );
    }
    let outputs = workflow.root().and_then(|root| root.outputs.as_ref());
    if let Some(outputs) = outputs.filter(|outputs| !outputs.parameters.is_empty()) {
        line("Output Parameters", "");
        for output in &outputs.parameters {
            line(
                &format!("  {}", output.name),
                output.value.as_deref().unwrap_or_default(),
            );
        }
    }
    let rows = rows(workflow);
    if rows.is_empty() {
        return text;
    }
    let mut cells = vec![
        [
            "STEP", "TEMPLATE", "DURATION", "MEMORY", "FOLDER", "MESSAGE",
        ]
        .map(str::to_owned),
    ];
    cells.extend(rows.iter().map(|row| {
        let node = row.node;
        let template = match &node.template_ref {
            Some(target) => format!("{}/{}", target.name, target.template),
            None => node.template_name.clone(),
        };
        let folder = if node.kind == Kind::Pod {
            folder_name(workflow, node)
        } else {
            String::new()
        };
        let memory = node.peak_memory_bytes.map(mebibytes).unwrap_or_default();
        [
            row.step(false),
            template,
            row.duration(),
            memory,
            folder,
            row.note().to_owned(),
        ]
    }));
    let columns: &[usize] = if wide {
        &[0, 1, 2, 3, 4, 5]
    } else {
        &[0, 1, 2, 5]
    };
    let rows: Vec<Vec<String>> = cells
        .iter()
        .map(|row| columns.iter().map(|i| row[*i].clone()).collect())
        .collect();
    format!("{text}\n{}", table(&rows))
}

/// Columns of equal width, two blanks apart.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| measure_text_width(cell))
            .max()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line += cell;
            line += &" ".repeat(width - measure_text_width(cell) + 2);
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// The failed steps, why they failed, and what to do; `command` writes a command line of this
/// program.
pub(crate) fn explain_failure(workflow: &Workflow, command: &dyn Fn(&[&str]) -> String) -> String {
    let red = Style::new().red();
    let name = workflow.name();
    let head = format!(
        "{name}: {:?} {}",
        workflow.status.phase, workflow.status.message
    );
    let mut text = format!("\n{}\n", red.apply_to(head.trim_end()));
    let failures = workflow.failures();
    for node in failures.iter().take(5) {
        let _ = writeln!(
            text,
            "\n{} {}",
            red.apply_to(glyph(node.phase)),
            folder_name(workflow, node)
        );
        for line in node.message.lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    if failures.len() > 5 {
        let _ = writeln!(
            text,
            "\nand {} more: {}",
            failures.len() - 5,
            command(&["get", name])
        );
    }
    text += "\nNext:\n";
    if let Some(node) = failures.iter().find(|node| node.kind == Kind::Pod) {
        let _ = writeln!(
            text,
            "  {}",
            command(&["logs", name, &folder_name(workflow, node)])
        );
    }
    let _ = writeln!(text, "  {}", command(&["retry", name]));
    text
}

/// A table of workflows as `argo list` prints it.
pub(crate) fn list(workflows: &[Workflow], wide: bool) -> String {
    if workflows.is_empty() {
        return "No workflows found\n".to_owned();
    }
    let head = [
        "NAME",
        "STATUS",
        "AGE",
        "DURATION",
        "PROGRESS",
        "MESSAGE",
        "PARAMETERS",
    ];
    let columns = if wide { 7 } else { 6 };
    let mut rows = vec![
        head[..columns]
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>(),
    ];
    for workflow in workflows {
        let status = &workflow.status;
        let reason = workflow
            .failures()
            .first()
            .map(|node| node.message.clone())
            .unwrap_or_default();
        let message = if status.message.is_empty() {
            &reason
        } else {
            &status.message
        };
        let parameters = workflow.spec.arguments.parameters.iter();
        let parameters =
            parameters.map(|p| format!("{}={}", p.name, p.value.as_deref().unwrap_or_default()));
        let mut row = vec![
            workflow.name().to_owned(),
            style(status.phase)
                .apply_to(format!("{:?}", status.phase))
                .to_string(),
            duration(workflow.metadata.creation_timestamp, None),
            status
                .started_at
                .map(|start| duration(start, status.finished_at))
                .unwrap_or_default(),
            status.progress.clone(),
            truncate_str(first_line(message), 80, "…").into_owned(),
        ];
        if wide {
            row.push(parameters.collect::<Vec<_>>().join(","));
        }
        rows.push(row);
    }
    table(&rows)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn glyph(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "◷",
        Phase::Running => "●",
        Phase::Succeeded => "✔",
        Phase::Skipped | Phase::Omitted => "○",
        Phase::Failed => "✖",
        Phase::Error => "⚠",
    }
}

fn style(phase: Phase) -> Style {
    match phase {
        Phase::Pending => Style::new().yellow(),
        Phase::Running => Style::new().cyan(),
        Phase::Succeeded => Style::new().green(),
        Phase::Skipped | Phase::Omitted => Style::new().dim(),
        Phase::Failed | Phase::Error => Style::new().red(),
    }
}

/// `0.4s`, `12s`, `3m 5s`, `2h 10m`, `3d 4h`.
pub(crate) fn duration(start: DateTime<Utc>, end: Option<DateTime<Utc>>) -> String {
    let milliseconds = (end.unwrap_or_else(now) - start).num_milliseconds().max(0);
    let seconds = milliseconds / 1000;
    match seconds {
        0..10 => format!("{:.1}s", milliseconds as f64 / 1e3),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// `123 MiB`
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1024 * 1024))
}
