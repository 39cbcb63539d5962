//! What MLflow takes as a key or a value.

use store::digest;

/// Characters of a key, at most.
const KEY: usize = 250;
/// Characters of a parameter's value, at most: MLflow cuts longer ones without a word.
pub(super) const PARAM: usize = 6000;
/// Characters of a tag's value, at most.
pub(super) const TAG: usize = 8000;
/// Characters of a registered model's tag, at most.
pub(super) const MODEL_TAG: usize = 5000;
/// Characters of the description of a registered model or of a version, at most.
pub(super) const DESCRIPTION: usize = 5000;
/// Characters of the name of a run, an experiment or a data set, at most.
pub(super) const NAME: usize = 250;
/// Hexadecimal digits of a data set's digest.
pub(super) const DIGEST: usize = 36;
/// Hexadecimal digits that distinguish changed keys.
const SUFFIX: usize = 8;

/// The key for a name: the name itself where MLflow takes it, else one that follows from it, and
/// from no other name.
///
/// Keys become paths: nothing in them may look like `..`, and only a few characters are allowed.
/// Letters of most alphabets stay.
pub(super) fn key(name: &str) -> String {
    let clean = |c: char| if is_allowed(c) { c } else { '_' };
    let segment = |text: &str| match text {
        "" | "." | ".." => "_".to_owned(),
        text => text.chars().map(clean).collect(),
    };
    let key = name.split('/').map(segment).collect::<Vec<_>>().join("/");
    if key == name && key.chars().count() <= KEY {
        return key;
    }
    let short: String = key.chars().take(KEY - SUFFIX - 1).collect();
    format!("{short}-{}", &digest::hex(name.as_bytes())[..SUFFIX])
}

/// Letters and digits as Python's `\w` knows them too, in the blocks where there is nothing else;
/// and what keys may hold besides.
fn is_allowed(c: char) -> bool {
    matches!(c,
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' | '.' | ' '
        | 'À'..='Ö' | 'Ø'..='ö' | 'ø'..='ſ' | 'А'..='я' | 'α'..='ω'
        | 'ぁ'..='ゖ' | 'ァ'..='ヺ' | '一'..='鿿' | '가'..='힣'
    )
}

/// A value within a limit; a longer one is cut, and says so.
pub(super) fn value(text: &str, limit: usize) -> String {
    let length = text.chars().count();
    if length <= limit {
        return text.to_owned();
    }
    let mark = format!("... (cut: {length} characters)");
    let kept: String = text.chars().take(limit - mark.chars().count()).collect();
    kept + &mark
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_mlflow_takes_stay_and_others_follow_from_the_name() {
        for name in [
            "roc_auc",
            "importance.x 1",
            "drift/psi/größe",
            "день",
            "顧客",
            "a-b.c",
        ] {
            assert_eq!(key(name), name);
        }
        for (name, start) in [
            ("price (EUR)", "price _EUR_-"),
            ("a:b", "a_b-"),
            ("a//b", "a/_/b-"),
            ("/a", "_/a-"),
            ("a/../b", "a/_/b-"),
            (".", "_-"),
            ("", "_-"),
            ("x@y#z%", "x_y_z_-"),
            ("line\nbreak", "line_break-"),
        ] {
            let key = key(name);
            assert!(
                key.starts_with(start) && key.len() == start.len() + SUFFIX,
                "{name:?}: {key}"
            );
        }
        assert_ne!(key("a(b"), key("a)b"));
        let long = key(&"é".repeat(400));
        assert_eq!(long.chars().count(), KEY);
    }

    #[test]
    fn a_value_that_is_cut_says_so() {
        assert_eq!(value("short", 10), "short");
        let cut = value(&"é".repeat(6001), PARAM);
        assert_eq!(cut.chars().count(), PARAM);
        assert!(cut.ends_with("é... (cut: 6001 characters)"), "{cut}");
    }
}
