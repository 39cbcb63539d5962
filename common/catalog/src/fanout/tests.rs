use super::*;
use crate::manifest::Part;
use store::Store;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Done(Part);

impl Finished for Done {
    fn objects(&self) -> Vec<(&str, u64)> {
        vec![(&self.0.key, self.0.bytes)]
    }
}

fn plan(sizes: &[u64]) -> Plan<String> {
    let shard = |(ordinal, &bytes): (usize, &u64)| Shard {
        ordinal,
        key: format!("raw/{ordinal}"),
        bytes,
        stamp: "t".into(),
    };
    Plan {
        inputs: Inputs::new("probe", 1),
        job: "count".to_owned(),
        shards: sizes.iter().enumerate().map(shard).collect(),
    }
}

/// Writes one byte for the shard.
fn work(store: &Store) -> impl Fn(&Shard) -> Result<Done> + Clone + Send + 'static {
    let store = store.clone();
    move |shard| {
        let key = format!("out/{}", shard.ordinal);
        wait(store.put(&key, vec![shard.ordinal as u8]))?;
        Ok(Done(Part {
            key,
            rows: 1,
            bytes: 1,
            sha256: String::new(),
            ordinal: shard.ordinal,
        }))
    }
}

/// Works on the only group; gives what was done, and whether all of it was before.
async fn map_all(plan: &Plan<String>, step: &Step, store: &Store) -> (Vec<Done>, bool) {
    let mapped = plan.map(step, store, "000-of-001", work(store)).await;
    mapped.unwrap()
}

#[test]
fn groups_are_neighbours_of_about_equal_bytes() {
    for (sizes, at_most, expected) in [
        (&[][..], 4, vec![vec![]]),
        (&[9], 4, vec![vec![0]]),
        (&[1, 1, 1, 1], 2, vec![vec![0, 1], vec![2, 3]]),
        (&[1, 1, 1, 1], 9, vec![vec![0], vec![1], vec![2], vec![3]]),
        (&[100, 1, 1, 1], 2, vec![vec![0], vec![1, 2, 3]]),
        (&[1, 1, 1, 100], 2, vec![vec![0, 1, 2], vec![3]]),
        (&[0, 0, 0], 3, vec![vec![0], vec![1], vec![2]]),
        (&[1, 1, 100, 1, 1], 3, vec![vec![0, 1], vec![2], vec![3, 4]]),
    ] {
        assert_eq!(group(sizes, at_most), expected, "{sizes:?} in {at_most}");
    }
}

#[test]
fn any_number_of_shards_makes_as_many_groups_as_asked_for_and_loses_none() {
    let sizes: Vec<u64> = (0..300).map(|i| (i * 7919) % 1000).collect();
    for at_most in 1..=200 {
        let groups = group(&sizes, at_most);
        assert_eq!(groups.len(), at_most);
        assert!(groups.iter().all(|group| !group.is_empty()));
        assert_eq!(groups.concat(), (0..300).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_rerun_resumes_inside_the_group() {
    let home = tempfile::tempdir().unwrap();
    let step = Step::for_test("probe", home.path());
    let store = Store::of(&step).unwrap();
    let plan = plan(&[1; 5]);
    let (key, groups) = plan.write(&store, 1).await.unwrap();
    assert_eq!(groups, r#"["000-of-001"]"#);
    let plan = Plan::<String>::read(&store, &key).await.unwrap();

    // Killed at the third shard.
    let inner = work(&store);
    let dying = move |shard: &Shard| {
        if shard.ordinal == 3 {
            Err(Failure::Stopped.into())
        } else {
            inner(shard)
        }
    };
    plan.map(&step, &store, "000-of-001", dying)
        .await
        .unwrap_err();
    let uncommitted = plan.results::<Done>(&step, &store).await.unwrap_err();
    assert_eq!(runtime::failure::exit_code(&uncommitted), 2);

    // What was finished is not done again.
    let inner = work(&store);
    let first_again = move |shard: &Shard| {
        if shard.ordinal == 0 {
            Err(anyhow::anyhow!("done twice"))
        } else {
            inner(shard)
        }
    };
    let (done, reused) = plan
        .map(&step, &store, "000-of-001", first_again)
        .await
        .unwrap();
    assert_eq!((done.len(), reused), (5, false));
    assert_eq!(plan.results::<Done>(&step, &store).await.unwrap(), done);

    let (_, reused) = map_all(&plan, &step, &store).await;
    assert!(reused);
}

#[tokio::test]
async fn a_shard_whose_object_was_lost_is_done_again() {
    let home = tempfile::tempdir().unwrap();
    let step = Step::for_test("probe", home.path());
    let store = Store::of(&step).unwrap();
    let plan = plan(&[1; 2]);
    plan.write(&store, 1).await.unwrap();
    map_all(&plan, &step, &store).await;
    std::fs::remove_file(store.local_path("out/1").unwrap()).unwrap();
    let uncommitted = plan.results::<Done>(&step, &store).await.unwrap_err();
    assert!(
        uncommitted.to_string().contains("raw/1 is not done"),
        "{uncommitted}"
    );
    let (_, reused) = map_all(&plan, &step, &store).await;
    assert!(!reused);
    assert_eq!(store.size("out/1").await.unwrap(), Some(1));
}

#[tokio::test]
async fn a_refresh_does_every_shard_again() {
    let home = tempfile::tempdir().unwrap();
    let step = Step::for_test("probe", home.path());
    let store = Store::of(&step).unwrap();
    let plan = plan(&[1; 2]);
    plan.write(&store, 1).await.unwrap();
    map_all(&plan, &step, &store).await;

    let (_, reused) = map_all(&plan, &step.refreshing(), &store).await;
    assert!(reused, "the same workflow has done it already");
    let other = step.refreshing().in_workflow("another");
    let (_, reused) = map_all(&plan, &other, &store).await;
    assert!(!reused);
}

#[tokio::test]
async fn no_shards_are_one_group_that_does_nothing() {
    let home = tempfile::tempdir().unwrap();
    let step = Step::for_test("probe", home.path());
    let store = Store::of(&step).unwrap();
    let plan = plan(&[]);
    let (_, groups) = plan.write(&store, 4).await.unwrap();
    assert_eq!(groups, r#"["000-of-001"]"#);
    let (done, _) = map_all(&plan, &step, &store).await;
    assert_eq!(done, []);
}

#[tokio::test]
async fn unknown_groups_and_plans_are_refused_by_key() {
    let home = tempfile::tempdir().unwrap();
    let step = Step::for_test("probe", home.path());
    let store = Store::of(&step).unwrap();
    let plan = plan(&[1]);
    plan.write(&store, 1).await.unwrap();
    for id in ["007-of-009", "../../secret"] {
        let error = plan.map(&step, &store, id, work(&store)).await.unwrap_err();
        assert_eq!(runtime::failure::exit_code(&error), 2, "{error:#}");
    }
    for key in ["train/1/_manifest.json", "_work/none/plan.json"] {
        let error = Plan::<String>::read(&store, key).await.unwrap_err();
        assert_eq!(runtime::failure::exit_code(&error), 2, "{error:#}");
        assert!(error.to_string().contains(key), "{error:#}");
    }
}

/// The keys below a folder.
async fn keys(store: &Store, folder: &str) -> Vec<String> {
    store
        .list(folder)
        .await
        .unwrap()
        .into_iter()
        .map(|object| object.key)
        .collect()
}

#[tokio::test]
async fn a_group_of_many_shards_is_marked_as_a_whole_and_its_shards_marks_are_needed_no_more() {
    let home = tempfile::tempdir().unwrap();
    let step = Step::for_test("probe", home.path());
    let store = Store::of(&step).unwrap();
    let plan = plan(&[1; 2 * MARKED_TOGETHER + 1]);
    let (_, groups) = plan.write(&store, 2).await.unwrap();
    let groups: Vec<String> = serde_json::from_str(&groups).unwrap();
    let mut all = Vec::new();
    for id in &groups {
        all.extend(plan.map(&step, &store, id, work(&store)).await.unwrap().0);
    }
    assert_eq!(
        keys(&store, &layout::groups_done(&plan.folder()))
            .await
            .len(),
        2
    );
    let of_shards = keys(&store, &format!("{}/done", plan.folder())).await;
    assert_eq!(of_shards.len(), all.len());
    for key in of_shards {
        store.delete(&key).await.unwrap();
    }
    assert_eq!(plan.results::<Done>(&step, &store).await.unwrap(), all);

    // Of a group without its mark the shards' own are read.
    plan.map(&step, &store, &groups[1], work(&store))
        .await
        .unwrap();
    store
        .delete(&layout::group_done(&plan.folder(), &groups[1]))
        .await
        .unwrap();
    assert_eq!(plan.results::<Done>(&step, &store).await.unwrap(), all);

    // And what is marked has to be there.
    store.delete("out/3").await.unwrap();
    let uncommitted = plan.results::<Done>(&step, &store).await.unwrap_err();
    assert!(
        uncommitted.to_string().contains("raw/3 is not done"),
        "{uncommitted}"
    );
}

/// Writes so many bytes for the shard.
fn of_size(store: &Store, bytes: u64) -> impl Fn(&Shard) -> Result<Done> + Clone + Send + 'static {
    let work = work(store);
    let store = store.clone();
    move |shard| {
        let Done(part) = work(shard)?;
        wait(store.put(&part.key, vec![0; bytes as usize]))?;
        Ok(Done(Part { bytes, ..part }))
    }
}

#[tokio::test]
async fn marks_of_groups_that_another_workflow_cut_do_not_count() {
    for parallelism in [2, 3, 4, 7] {
        let home = tempfile::tempdir().unwrap();
        let step = Step::for_test("probe", home.path());
        let store = Store::of(&step).unwrap();
        let plan = plan(&[1; 2 * MARKED_TOGETHER]);
        plan.write(&store, 1).await.unwrap();
        let whole = "000-of-001";
        plan.map(&step, &store, whole, of_size(&store, 1))
            .await
            .unwrap();
        // Another version of the program writes objects of other sizes; some of its groups are too
        // small for a mark.
        let other = step.refreshing().in_workflow("another");
        let (_, groups) = plan.write(&store, parallelism).await.unwrap();
        let groups: Vec<String> = serde_json::from_str(&groups).unwrap();
        for id in &groups {
            plan.map(&other, &store, id, of_size(&store, 2))
                .await
                .unwrap();
        }
        // The old mark of the group is there in every order of names.
        let mark = layout::group_done(&plan.folder(), whole);
        let last = layout::group_done(&plan.folder(), "999-of-999");
        let stale = store.require(&mark).await.unwrap();
        store.put(&last, stale).await.unwrap();
        let done: Vec<Done> = plan.results(&other, &store).await.unwrap();
        assert!(done.iter().all(|done| done.0.bytes == 2), "{parallelism}");
        // Also for one that only commits.
        let third = step.in_workflow("a third");
        let done: Vec<Done> = plan.results(&third, &store).await.unwrap();
        assert!(done.iter().all(|done| done.0.bytes == 2), "{parallelism}");
    }
}

#[tokio::test]
async fn what_went_wrong_in_a_marked_group_is_read_from_the_shards_own_mark() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Judged(bool);
    impl Finished for Judged {
        fn objects(&self) -> Vec<(&str, u64)> {
            Vec::new()
        }
        fn may_be_reused(&self) -> bool {
            self.0
        }
    }
    let home = tempfile::tempdir().unwrap();
    let step = Step::for_test("probe", home.path());
    let store = Store::of(&step).unwrap();
    let plan = plan(&[1; MARKED_TOGETHER]);
    plan.write(&store, 1).await.unwrap();
    let id = "000-of-001";
    plan.map(&step, &store, id, |shard| Ok(Judged(shard.ordinal != 5)))
        .await
        .unwrap();
    assert!(!plan.results::<Judged>(&step, &store).await.unwrap()[5].0);
    // Killed after the shard was done again, and before the group was marked again.
    let stale = store
        .require(&layout::group_done(&plan.folder(), id))
        .await
        .unwrap();
    plan.map(&step, &store, id, |_| Ok(Judged(true)))
        .await
        .unwrap();
    store
        .put(&layout::group_done(&plan.folder(), id), stale)
        .await
        .unwrap();
    assert!(plan.results::<Judged>(&step, &store).await.unwrap()[5].0);
}
