//! Keeps the table in `docs/lint.md` true.

use testing::generated::keep;

use crate::rules;

#[test]
fn the_docs_tell_every_rule() {
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
    keep("docs/lint.md", &made).unwrap();
}
