//! Globs over keys.

/// Whether a key matches a glob in which `*` matches any characters except `/`.
pub fn matches(pattern: &str, key: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == key,
        Some((literal, rest)) => {
            let Some(tail) = key.strip_prefix(literal) else {
                return false;
            };
            let segment = tail.find('/').unwrap_or(tail.len());
            (0..=segment).any(|at| tail.is_char_boundary(at) && matches(rest, &tail[at..]))
        }
    }
}

/// The folder that holds all matches, and whether they lie directly in it.
pub(super) fn folder(pattern: &str) -> (&str, bool) {
    let literal = pattern.split('*').next().unwrap_or_default();
    let folder = literal.rsplit_once('/').map_or("", |(folder, _)| folder);
    let direct = !pattern[folder.len()..]
        .trim_start_matches('/')
        .contains('/');
    (folder, direct)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_stay_within_a_segment() {
        for (pattern, key, expected) in [
            ("train/*.parquet", "train/a.parquet", true),
            ("train/*.parquet", "train/a/b.parquet", false),
            ("train/*.parquet", "train/.parquet", true),
            ("train/*.parquet", "predict/a.parquet", false),
            ("p/*/x-*.csv", "p/2026-11-23/x-1.csv", true),
            ("p/*/x-*.csv", "p/2026-11-23/y-1.csv", false),
            ("one.csv", "one.csv", true),
        ] {
            assert_eq!(matches(pattern, key), expected, "{pattern} {key}");
        }
    }

    #[test]
    fn a_glob_is_listed_in_the_smallest_folder() {
        for (pattern, expected) in [
            ("train/*.parquet", ("train", true)),
            ("train/2026/part-*.parquet", ("train/2026", true)),
            ("p/*/x-*.csv", ("p", false)),
            ("*.csv", ("", true)),
            ("*/a.csv", ("", false)),
            ("one.csv", ("", true)),
            ("a/one.csv", ("a", true)),
        ] {
            assert_eq!(folder(pattern), expected, "{pattern}");
        }
    }
}
