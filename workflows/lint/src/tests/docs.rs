//! Keeps the table in `docs/lint.md` true.

use std::path::Path;

use crate::rules;

const BEGIN: &str = "<!-- generated from the code from here; `just accept` writes it again -->\n";
const END: &str = "<!-- to here -->\n";

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "renews what a test compares with"
)]
fn the_docs_tell_every_rule() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/lint.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    let mut made = "| rule | why | do this | Argo's documentation | `argo lint` finds it \
         |\n|---|---|---|---|---|\n"
        .to_owned();
    let cell = |text: &str| text.replace('|', "\\|");
    for rule in rules::all() {
        let help = if rule.help.is_empty() {
            "see the finding"
        } else {
            rule.help
        };
        let (name, why, help, source) = (rule.name, cell(rule.why), cell(help), cell(rule.source));
        made += &format!("| `{name}` | {why} | {help} | {source} | {} |\n", rule.argo);
    }
    if std::env::var("INSTA_UPDATE").as_deref() == Ok("always") {
        std::fs::write(&file, format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(
        written, made,
        "docs/lint.md is stale: run `just accept` and read what changed"
    );
}
