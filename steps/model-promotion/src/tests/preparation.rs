//! Which configurations have to prepare the holdout, and what is said where they did not.

use runtime::failure::exit_code;
use settings::GateArgs;

use super::configurations::{OTHER, left_out};
use super::home::{DATA, Data, FAIR, GOOD, Home, ROWS, USELESS, config, decided, flags, gate};
use super::verdict;
use crate::Promote;
use crate::holdout::AtPlan;

/// A champion, and a candidate of another configuration.
async fn of_two_configurations() -> (Home, u64) {
    let home = Home::new();
    home.promote(home.register(&DATA, FAIR).await)
        .await
        .unwrap();
    let candidate = home.register(&OTHER, GOOD).await;
    (home, candidate)
}

/// The promotion fails, and leaves nothing.
async fn fails(home: &Home, flags: &Promote) -> (u8, String) {
    let (before, champion) = (home.objects().await, home.champion().await);
    let error = home.promote_with(&home.step, flags).await.unwrap_err();
    assert_eq!(
        home.objects().await,
        before,
        "a verdict was written: {error:#}"
    );
    assert_eq!(home.champion().await, champion);
    (exit_code(&error), format!("{error:#}"))
}

/// Data of a configuration of their own.
fn of_configuration(sql: &'static str, version: &'static str) -> Data {
    Data {
        version,
        sql,
        ..DATA
    }
}

#[tokio::test]
async fn a_holdout_that_is_not_prepared_fails_with_the_commands_that_do_it() {
    let (home, candidate) = of_two_configurations().await;
    let digest = config(&DATA).digest();
    // As the last release was called.
    let raw_url = Some("s3://bucket/raw".to_owned());
    for planned_champion in [None, Some(AtPlan(Some(1)))] {
        let flags = Promote {
            planned_champion,
            raw_url: raw_url.clone(),
            ..flags(candidate)
        };
        let (code, text) = fails(&home, &flags).await;
        assert_eq!(code, 2, "{text}");
        for part in [
            "version 1 of churn has another configuration",
            &format!(
                "data-prep plan --split=holdout --data-version=2 \
                 --holdout-manifest=holdout/2/_manifest.json --config={digest} \
                 --raw-url=s3://bucket/raw\n"
            ),
            "data-prep map --plan=PLAN --group=GROUP --raw-url=s3://bucket/raw",
            "data-prep commit --plan=PLAN",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    home.prepare(&OTHER, &DATA, Ok(ROWS)).await;
    let parts = home.store.glob("compared/*/*/*.parquet").await.unwrap();
    home.store.delete(&parts[0].key).await.unwrap();
    assert_eq!(fails(&home, &flags(candidate)).await.0, 2, "parts are lost");
    home.prepare(&OTHER, &DATA, Ok(ROWS)).await;
    let old = Promote {
        raw_url,
        ..flags(candidate)
    };
    let outputs = home.promote_with(&home.step, &old).await.unwrap();
    assert_eq!(decided(&outputs).0, "true", "{outputs:?}");
}

#[tokio::test]
async fn a_champion_that_was_moved_since_the_plan_is_for_another_try() {
    let (home, candidate) = of_two_configurations().await;
    let planned = |champion| Promote {
        planned_champion: Some(AtPlan(champion)),
        ..flags(candidate)
    };
    for champion in [None, Some(7)] {
        let (code, text) = fails(&home, &planned(champion)).await;
        assert_eq!(code, 75, "{text}");
        assert!(
            text.contains("the champion was moved after the plan"),
            "{text}"
        );
    }
    // What it needs is prepared, whatever was planned.
    home.prepare(&OTHER, &DATA, Ok(ROWS)).await;
    let outputs = home.promote_with(&home.step, &planned(None)).await.unwrap();
    assert_eq!(decided(&outputs).0, "true", "{outputs:?}");
}

#[tokio::test]
async fn a_raw_file_that_is_gone_is_no_verdict_on_the_champion() {
    let (home, candidate) = of_two_configurations().await;
    let gone = "raw file train/0.parquet of the holdout is gone from s3://raw: restore it";
    home.prepare(&OTHER, &DATA, Err(left_out(gone, true))).await;
    let (code, text) = fails(&home, &flags(candidate)).await;
    assert_eq!((code, text.as_str()), (2, gone));
    // Restored, it is judged on its merits.
    home.prepare(&OTHER, &DATA, Ok(ROWS)).await;
    let outputs = home.promote(candidate).await.unwrap();
    assert_eq!(decided(&outputs).0, "true", "{outputs:?}");
}

#[tokio::test]
async fn a_plan_lists_a_champion_of_another_configuration_and_no_other() {
    let (home, candidate) = of_two_configurations().await;
    let of_champion = (vec![config(&DATA).digest()], "1".to_owned());
    assert_eq!(home.plan(candidate).await, of_champion);
    // Whether it is prepared is for data-prep to find out.
    home.prepare(&OTHER, &DATA, Ok(ROWS)).await;
    assert_eq!(home.plan(candidate).await, of_champion);
    home.promote(candidate).await.unwrap();
    for (version, why) in [(2, "it is champion already"), (1, "it is older")] {
        let planned = home.plan(version).await;
        assert_eq!(planned, (Vec::new(), "2".to_owned()), "{why}");
    }
    let same = home.register(&OTHER, FAIR).await;
    let window = config(&DATA).digest();
    assert_eq!(
        home.plan(same).await,
        (vec![window], "2".to_owned()),
        "the champion has its configuration, and one of the window has not"
    );
}

#[tokio::test]
async fn a_plan_lists_nothing_where_nothing_is_compared_on_other_features() {
    let home = Home::new();
    let first = home.register(&DATA, FAIR).await;
    assert_eq!(home.plan(first).await, (Vec::new(), "none".to_owned()));
    home.promote(first).await.unwrap();
    let same = home.register(&DATA, GOOD).await;
    // The file that the champion was trained on is its holdout.
    let seen = Data {
        version: "2",
        holdout: "train/1.parquet",
        train: "train/2.parquet",
        ..OTHER
    };
    let unfair = home.register(&seen, GOOD).await;
    for version in [same, unfair] {
        assert_eq!(home.plan(version).await, (Vec::new(), "1".to_owned()));
    }
}

#[tokio::test]
async fn a_plan_lists_as_many_champions_before_as_are_scored_again() {
    const SQL: [&str; 7] = [
        "SELECT * FROM raw WHERE 1 = 1",
        "SELECT * FROM raw WHERE 2 = 2",
        "SELECT * FROM raw WHERE 3 = 3",
        "SELECT * FROM raw WHERE 4 = 4",
        "SELECT * FROM raw WHERE 5 = 5",
        "SELECT * FROM raw WHERE 6 = 6",
        "SELECT * FROM raw WHERE 7 = 7",
    ];
    const VERSIONS: [&str; 7] = ["11", "12", "13", "14", "15", "16", "17"];
    let home = Home::new();
    let all: Vec<Data> = SQL
        .iter()
        .zip(VERSIONS)
        .map(|(sql, version)| of_configuration(sql, version))
        .collect();
    // Each is a little better than the one before, and all of a gate without a window.
    let alone = GateArgs {
        gate_window: 0,
        ..gate()
    };
    for (place, data) in all.iter().enumerate() {
        let version = home.register(data, [1.0, 0.7 - place as f64 * 0.1]).await;
        for before in &all[..place] {
            home.prepare(data, before, Ok(ROWS)).await;
        }
        let flags = Promote {
            gate: alone.clone(),
            ..flags(version)
        };
        let outputs = home.promote_with(&home.step, &flags).await.unwrap();
        assert_eq!(decided(&outputs).0, "true", "{outputs:?}");
    }
    let candidate = home.register(&OTHER, GOOD).await;
    let digest = |place: usize| config(&all[place]).digest();
    let digests = |places: &[usize]| {
        places
            .iter()
            .map(|&place| digest(place))
            .collect::<Vec<_>>()
    };
    // The champion, and the five of the best recorded metric.
    let planned = home.plan(candidate).await.0;
    assert_eq!(planned, digests(&[6, 5, 4, 3, 2, 1]));
    // One that is found wanting leaves its place to the next.
    let broken = left_out("signal is 0.5, and may be 0.1", false);
    home.prepare(&OTHER, &all[3], Err(broken)).await;
    let planned = home.plan(candidate).await.0;
    assert_eq!(planned, digests(&[6, 5, 4, 3, 2, 1, 0]));

    for place in [0, 1, 4, 5, 6] {
        home.prepare(&OTHER, &all[place], Ok(ROWS)).await;
    }
    let gone = left_out("raw file train/0.parquet of the holdout is gone", true);
    home.prepare(&OTHER, &all[2], Err(gone)).await;
    let outputs = home.promote(candidate).await.unwrap();
    let found = verdict(&home, &outputs).await;
    assert!(found.promoted, "{}", found.reason);
    let values = found.past.iter().map(|past| past.value.is_some());
    let scored: Vec<bool> = values.collect();
    assert_eq!(scored, [true, true, false, false, true, true]);
    for part in [
        "version 4 (signal is 0.5, and may be 0.1)",
        "version 3 (raw file train/0.parquet of the holdout is gone)",
    ] {
        assert!(found.reason.contains(part), "{}", found.reason);
    }
}

#[tokio::test]
async fn a_champion_before_whose_holdout_is_not_prepared_fails_the_promotion() {
    let (home, second) = of_two_configurations().await;
    home.prepare(&OTHER, &DATA, Ok(ROWS)).await;
    home.promote(second).await.unwrap();
    let third = home.register(
        &Data {
            version: "3",
            ..OTHER
        },
        GOOD,
    );
    let (code, text) = fails(&home, &flags(third.await)).await;
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains("version 1 of churn has another configuration"),
        "{text}"
    );
    // A candidate that is refused without it needs nothing.
    let useless = home.register(&OTHER, USELESS).await;
    let outputs = home.promote(useless).await.unwrap();
    assert_eq!(decided(&outputs).0, "false", "{outputs:?}");
}
