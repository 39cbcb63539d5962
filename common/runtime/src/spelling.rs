//! Which of several names was meant by one that is none of them.

/// Names that a message lists at most.
const LISTED: usize = 20;

/// The name that differs least, letter case aside, if it differs by little.
///
/// ```
/// use runtime::spelling::nearest;
///
/// assert_eq!(nearest("regoin", ["region", "channel"]), Some("region"));
/// assert_eq!(nearest("X1", ["x1", "x2"]), Some("x1"));
/// assert_eq!(nearest("x3", ["x1", "x2"]), None);
/// ```
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    // `DATE` is not a slip in `GATE`.
    let allowed = match name.len() {
        0..=4 => 0,
        5..=7 => 1,
        _ => 2,
    };
    let close = known
        .into_iter()
        .map(|known| (distance(&name, &known.to_lowercase()), known))
        .filter(|(distance, _)| *distance <= allowed);
    close.min().map(|(_, known)| known)
}

/// Goes on a sentence about a name that is none of those `known`: the one that was meant, if there
/// is one.
///
/// ```
/// use runtime::spelling::meant;
///
/// assert_eq!(meant("regoin", ["region"]), " (did you mean \"region\"?)");
/// assert_eq!(meant("town", ["region"]), "");
/// ```
pub fn meant<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(name, known) {
        Some(meant) => format!(" (did you mean {meant:?}?)"),
        None => String::new(),
    }
}

/// Names with commas between, the first ones of many.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.len().saturating_sub(LISTED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..LISTED].join(", ")),
    }
}

/// Letters to insert, remove, replace or swap.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = vec![0; b.len() + 1];
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = row[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            next[j] = replaced.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                next[j] = next[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_are_listed_in_part() {
        let names: Vec<String> = (0..23).map(|i| format!("x{i}")).collect();
        let names = || names.iter().map(String::as_str);
        assert_eq!(listed(names().take(2)), "x0, x1");
        assert!(listed(names().take(20)).ends_with(", x18, x19"));
        assert!(listed(names()).ends_with(", x19 and 3 more"));
    }
}
