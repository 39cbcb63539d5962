//! What only the store can do.

use super::*;
use catalog::layout;

#[tokio::test]
async fn a_run_is_one_object_and_the_workflows_another() {
    let home = Home::embedded();
    for _ in 0..2 {
        home.tracking
            .in_run(&home.spec(1), async |_| Ok(()))
            .await
            .unwrap();
    }
    assert_eq!(home.store.list(layout::RUNS).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_version_of_a_release_that_described_none_is_read() {
    let home = Home::embedded();
    let before = serde_json::json!({
        "model_name": home.name, "version": 1, "model": "models/m/_manifest.json",
        "fingerprint": fingerprint(7), "run_id": "r", "created_at": "2026-01-01T00:00:00Z"
    });
    let key = layout::version(&home.name, 1);
    home.store.put_json(&key, &before).await.unwrap();
    let known = home.register(7).await;
    assert_eq!((known.version, known.description.as_str()), (1, ""));
    assert_eq!(home.register(8).await.version, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_those_who_move_an_alias_at_once_one_wins() {
    let home = std::sync::Arc::new(Home::embedded());
    let tasks: Vec<_> = (1..=12)
        .map(|version| {
            let home = home.clone();
            tokio::spawn(async move { (version, home.set(version, None).await) })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        let (version, won) = task.await.unwrap();
        winners.extend(won.then_some(version));
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(
        home.tracking.alias(&home.name, CHAMPION).await.unwrap(),
        Some(winners[0])
    );
    assert_eq!(
        home.store
            .list(&layout::alias(&home.name, CHAMPION))
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn of_more_than_nine_moves_the_last_one_holds() {
    let home = Home::embedded();
    assert!(home.set(1, None).await);
    for version in 2..15 {
        assert!(home.set(version, Some(version - 1)).await);
    }
    assert_eq!(
        home.tracking.alias(&home.name, CHAMPION).await.unwrap(),
        Some(14)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn versions_that_are_registered_at_once_get_the_next_numbers() {
    let home = std::sync::Arc::new(Home::embedded());
    let tasks: Vec<_> = (0..24)
        .map(|i| {
            let home = home.clone();
            tokio::spawn(async move { home.register(i / 2).await.version })
        })
        .collect();
    let mut numbers = Vec::new();
    for task in tasks {
        numbers.push(task.await.unwrap());
    }
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (1..=12).collect::<Vec<u64>>());
}
