//! How much of a number the values of another column explain.

use std::collections::BTreeMap;

/// Rows of a sample below which nothing is said of a relation between columns.
pub(crate) const ROWS: usize = 50;
/// Rows of a group below which its mean says nothing.
const ROWS_OF_GROUP: usize = 5;
/// Groups into which numbers are divided.
const GROUPS: usize = 64;

/// Numbers to explain, and their ranks.
pub(crate) struct Ranked {
    pub(crate) values: Vec<f64>,
    ranks: Vec<f64>,
}

impl Ranked {
    pub(crate) fn of(values: Vec<f64>) -> Self {
        Self {
            ranks: ranks(&values, &order(&values)),
            values,
        }
    }
}

/// The largest share of the variance of `y`, or of its ranks, that means by group explain, and
/// whether that is the target's own or that of its ranks. The groups are the equal values of a
/// column, `keys`, or ranges of its numbers, `x`, whose ranks are compared too. Ranks find a target
/// in another scale, such as its logarithm. `None` of fewer than so many rows.
pub(crate) fn explained(
    keys: &[Option<u64>],
    x: Option<&[f64]>,
    y: &Ranked,
    rows: usize,
) -> Option<(f64, &'static str)> {
    const OF_RANKS: &str = "the target's ranks";
    let sorted = x.map(|x| (x, order(x)));
    let x_ranks = sorted.as_ref().map(|(x, order)| ranks(x, order));
    let monotone = x_ranks.and_then(|x_ranks| correlation(&x_ranks, &y.ranks));
    let monotone = monotone.map(|r| (r * r, OF_RANKS));
    let ranges = sorted.map(|(x, order)| ranges(x, &order));
    let groupings = [Some(keys), ranges.as_deref()].into_iter().flatten();
    let shares = groupings.flat_map(|groups| {
        [(&y.values, "the target"), (&y.ranks, OF_RANKS)]
            .map(|(of, what)| Some((share(groups, of, rows)?, what)))
    });
    let shares = shares.flatten().chain(monotone);
    shares.max_by(|a, b| a.0.total_cmp(&b.0))
}

/// The adjusted share of the variance that lies between the groups: on average 0 for groups by
/// chance, however many they are. Small groups are left out; `None` where they hold most rows.
fn share(groups: &[Option<u64>], y: &[f64], rows: usize) -> Option<f64> {
    let known = || y.iter().filter(|value| value.is_finite());
    let all = known().count();
    let center = known().sum::<f64>() / all.max(1) as f64;
    // Rows, the sum and the sum of squares of each group.
    let mut sums: BTreeMap<Option<u64>, [f64; 3]> = BTreeMap::new();
    for (group, value) in groups.iter().zip(y).filter(|(_, value)| value.is_finite()) {
        let apart = value - center;
        let sum = sums.entry(*group).or_default();
        *sum = [sum[0] + 1.0, sum[1] + apart, sum[2] + apart * apart];
    }
    sums.retain(|_, [count, _, _]| *count >= ROWS_OF_GROUP as f64);
    let total = |at: usize| sums.values().map(|sum| sum[at]).sum::<f64>();
    let (count, sum, squares) = (total(0), total(1), total(2));
    let has_enough = count >= rows as f64 && 2.0 * count >= all as f64;
    if sums.len() < 2 || !has_enough {
        return None;
    }
    let within: f64 = sums
        .values()
        .map(|[count, sum, squares]| (squares - sum * sum / count).max(0.0))
        .sum();
    let variance = (squares - sum * sum / count) / (count - 1.0);
    let share = 1.0 - within / (count - sums.len() as f64) / variance;
    share.is_finite().then_some(share)
}

/// Pearson's correlation of the rows that have both; `None` of too few, or of constants.
pub(crate) fn correlation(x: &[f64], y: &[f64]) -> Option<f64> {
    let pairs = x
        .iter()
        .zip(y)
        .filter(|(x, y)| x.is_finite() && y.is_finite());
    let pairs: Vec<(f64, f64)> = pairs.map(|(x, y)| (*x, *y)).collect();
    if pairs.len() < ROWS {
        return None;
    }
    let rows = pairs.len() as f64;
    let mean_x = pairs.iter().map(|pair| pair.0).sum::<f64>() / rows;
    let mean_y = pairs.iter().map(|pair| pair.1).sum::<f64>() / rows;
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        xy += (x - mean_x) * (y - mean_y);
        xx += (x - mean_x) * (x - mean_x);
        yy += (y - mean_y) * (y - mean_y);
    }
    let r = xy / (xx * yy).sqrt();
    r.is_finite().then_some(r)
}

/// The rows of numbers that are not NaN, by number.
fn order(x: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..x.len()).filter(|&row| !x[row].is_nan()).collect();
    order.sort_by(|&a, &b| x[a].total_cmp(&x[b]));
    order
}

/// Ranges of about as many rows, by number; equal numbers are in one, and all gaps in another.
fn ranges(x: &[f64], order: &[usize]) -> Vec<Option<u64>> {
    let size = order.len().div_ceil(GROUPS).max(ROWS_OF_GROUP);
    let mut ranges = vec![None; x.len()];
    let (mut range, mut from) = (0, 0);
    for (at, &row) in order.iter().enumerate() {
        if at >= from + size && x[order[at - 1]] != x[row] {
            (range, from) = (range + 1, at);
        }
        ranges[row] = Some(range);
    }
    ranges
}

/// The place of each number in their order, from 0; equal numbers have the mean of theirs, and NaN
/// stays NaN.
fn ranks(y: &[f64], order: &[usize]) -> Vec<f64> {
    let mut ranks = vec![f64::NAN; y.len()];
    let mut from = 0;
    for equal in order.chunk_by(|&a, &b| y[a] == y[b]) {
        let mean = from as f64 + (equal.len() - 1) as f64 / 2.0;
        equal.iter().for_each(|&row| ranks[row] = mean);
        from += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_ranks_are_those_of_numpy_and_scipy() {
        // numpy: 1 - sum of squares within the two groups / 8 / var(y, ddof=1), without the last
        // row; scipy: rankdata(y) - 1.
        let y = [1.0, 2.0, 3.0, 2.0, 4.0, 9.0, 8.0, 7.0, 9.0, 6.0, 100.0];
        let groups = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2].map(Some);
        let found = share(&groups, &y, 10).unwrap();
        assert!((found - 0.840_989_399_293_286_2).abs() < 1e-12, "{found}");
        assert_eq!(share(&groups, &y, 11), None);
        let expected = [0.0, 1.5, 3.0, 1.5, 4.0, 8.5, 7.0, 6.0, 8.5, 5.0, 10.0];
        assert_eq!(ranks(&y, &order(&y)), expected);
    }

    #[test]
    fn ranges_hold_about_as_many_rows_and_part_no_equal_numbers() {
        let x: Vec<f64> = (0..640).map(|row| f64::from(row % 320)).collect();
        let found = ranges(&x, &order(&x));
        assert_eq!(found[0], found[320]);
        assert_eq!(found[319], Some(63));
        let gaps = ranges(&[f64::NAN, 1.0], &[1]);
        assert_eq!(gaps, [None, Some(0)]);
    }

    #[test]
    fn many_rare_groups_and_one_absurd_number_explain_nothing() {
        let noise = |row: u64| (row * 7919 % 1009) as f64;
        let mut y: Vec<f64> = (0..3000).map(noise).collect();
        y[1234] = 1e9;
        let y = Ranked::of(y);
        let of =
            |size: u64| -> Vec<Option<u64>> { (0..3000).map(|row| Some(row / size)).collect() };
        for size in [1, 2, 5, 6, 100] {
            let found = explained(&of(size), None, &y, 50);
            assert!(
                found.is_none_or(|(share, _)| share < 0.5),
                "{size}: {found:?}"
            );
        }
    }
}
