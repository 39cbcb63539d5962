//! `when`.

use super::dag;

/// workflow/controller/steps.go `shouldExecute`: govaluate on the text after substitution, where a
/// variable becomes text; docs/walk-through/conditionals.md.
#[test]
fn a_condition_is_evaluated_as_text_in_which_a_bare_word_stands_for_itself() {
    let cases = [
        ("x == x", "Succeeded", ""),
        ("x == 'x'", "Succeeded", ""),
        ("'x y' != x", "Succeeded", ""),
        ("x == y", "Skipped", "when 'x == y' evaluated false"),
        ("'' == ''", "Succeeded", ""),
        // A number is no text.
        ("1 == 1.0", "Succeeded", ""),
        ("1 == '1'", "Skipped", "evaluated false"),
        ("'true' == true", "Skipped", "evaluated false"),
        ("2 < 10 && 'b' > 'a'", "Succeeded", ""),
        ("true || false && false", "Succeeded", ""),
        ("!(1 == 2) && true", "Succeeded", ""),
        ("{{workflow.name}} == w", "Succeeded", ""),
        ("{{=workflow.name == 'w'}}", "Succeeded", ""),
        // Neither true nor false, or not to be parsed.
        ("x", "Error", "not true or false"),
        ("x y", "Error", "Invalid 'when' expression 'x y'"),
        ("25.05.1 == x", "Error", "quote it"),
        ("part.parquet == x", "Error", "need quotes"),
        ("== x", "Error", "a value expected"),
        // Argo takes these, and the runner refuses them by name.
        ("x in ('x', 'y')", "Error", "unexpected `in`"),
        ("x =~ 'x'", "Error", "not understood"),
        ("1 + 1 == 2", "Error", "not understood"),
    ];
    let names: Vec<String> = (0..cases.len()).map(|index| format!("t{index}")).collect();
    let tasks: Vec<_> = names
        .iter()
        .zip(&cases)
        .map(|(name, case)| (name.as_str(), 0, "", case.0))
        .collect();
    let ended = dag(&tasks).submit(&["--name", "w"]);
    for (name, (when, phase, message)) in names.iter().zip(cases) {
        assert_eq!(
            ended.phase_of(name),
            phase,
            "{when}: {}",
            ended.message(name)
        );
        assert!(
            ended.message(name).contains(message),
            "{when}: {}",
            ended.message(name)
        );
    }
}
