use super::*;

#[test]
fn ranks_equal_those_of_one_list_whatever_thread_added_them() {
    let folder = tempfile::tempdir().unwrap();
    let ranks = Ranks::new(folder.path());
    let other = ranks.clone();
    let (labels, scores) = ([1, 0, 1, 0, 1, 0], [0.9, 0.9, 0.4, 0.1, 0.8, 1e-300]);
    std::thread::scope(|scope| {
        scope.spawn(|| ranks.add(&labels[..2], &scores[..2]).unwrap());
        scope.spawn(|| other.add(&labels[2..], &scores[2..]).unwrap());
    });
    // By hand: of 9 pairs of a positive and a negative, 6 are in order and one is a tie. Scores from the highest: a
    // positive and a negative at 0.9, then positives at 0.8 and 0.4.
    let found = ranks.metrics().unwrap();
    assert_eq!(found.roc_auc, Some((6.0 + 0.5) / 9.0));
    assert_eq!(found.pr_auc, Some((1.0 / 2.0 + 2.0 / 3.0 + 3.0 / 4.0) / 3.0));
    assert_eq!(ranks.metrics().unwrap(), RankMetrics::default(), "nothing is left");
}
