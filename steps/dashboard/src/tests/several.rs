//! Several tables of predictions, and one prediction by its whole key.

use catalog::manifest::Role;

use super::*;

/// Eight rows for each id: two regions, four days each.
fn rows() -> Rows {
    let mut rows = Rows::simple(800);
    rows.id = (0..800).map(|i| format!("c{}", i / 8)).collect();
    rows
}

/// A home with rows of two ids, one of which is a region, in two tables of a database of its own.
async fn two_tables(database: &str) -> (Home, SocketAddr) {
    let mut home = home().await;
    home.region = Some(|i| Some(["north", "south"][i / 4 % 2]));
    home.region_role = Role::Id;
    let url = postgres().create_database(database).unwrap();
    let tables = vec![table_of("daily"), table_of("weekly")];
    publish_to(&tables[0], &home, &url, rows(), ("m", 3, "1")).await;
    publish_to(&tables[1], &home, &url, rows().slice(0, 400), ("n", 5, "2")).await;
    let at = serve_tables(&home, &url, tables).await;
    (home, at)
}

#[tokio::test(flavor = "multi_thread")]
async fn models_of_all_tables_are_shown_each_with_its_own_rows() {
    let (_home, at) = two_tables("several").await;
    let front = page(at, "/").await;
    let metrics = page(at, "/metrics").await;
    for (model, version, rows) in [("m", 3, 800), ("n", 5, 400)] {
        assert!(front.contains(&format!("/models/{model}?")), "{front}");
        let line = format!("alameda_model_rows{{model=\"{model}\",version=\"{version}\"}} {rows}");
        assert!(metrics.contains(&line), "{line}\n{metrics}");
        let days = page(at, &format!("/tables/days.json?model={model}")).await;
        let days: Vec<Value> = serde_json::from_str(&days).unwrap();
        let counted: u64 = days.iter().map(|day| day["rows"].as_u64().unwrap()).sum();
        assert_eq!((days.len(), counted), (4, rows));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prediction_is_found_by_each_part_of_its_key_and_in_its_table() {
    let (_home, at) = two_tables("by_key").await;
    let found = async |query: &str| -> Vec<Value> {
        let text = page(at, &format!("/tables/predictions.json?{query}")).await;
        serde_json::from_str(&text).unwrap()
    };
    for (query, count) in [
        ("id=c7", 8),
        ("id=c7&id2=south", 4),
        ("id=c7&id2=south&id3=2025-03-03T00:00:00Z", 1),
        ("id=c7&id3=2025-03-03", 2),
        ("id=c7&id2=west", 0),
        ("table=weekly&id=c7&id2=north", 4),
        ("table=daily&id=c70", 8),
        ("table=weekly&id=c70", 0),
    ] {
        let rows = found(query).await;
        assert_eq!(rows.len(), count, "{query}: {rows:?}");
        let model = if query.contains("weekly") { "n" } else { "m" };
        for row in &rows {
            assert_eq!(row["model_name"], model, "{query}");
            assert!(!query.contains("south") || row["region"] == "south");
            assert!(!query.contains("id3") || row["at"].to_string().contains("2025-03-03"));
        }
    }
    let form = page(at, "/prediction?table=weekly&id=c7").await;
    for part in [
        "name=\"id\"",
        "name=\"id2\"",
        "name=\"id3\"",
        "daily",
        "weekly",
        "region",
    ] {
        assert!(form.contains(part), "no {part}: {form}");
    }
    assert!(form.contains("Prediction 8") && !form.contains("Prediction 9"));
    // Of the eight rows of the key one has no reason, and one has no list of them.
    for part in [
        "&lt;/script&gt;</th><td>+0.8125</td>",
        "x1</th><td>−0.25</td>",
    ] {
        assert_eq!(form.matches(part).count(), 6, "{part}: {form}");
    }
    assert!(!form.contains("contribution&quot;") && !form.contains("[]"));
    let none = page(at, "/prediction?table=weekly&id=c70&id2=north").await;
    assert!(
        none.contains("No prediction has the id c70, region north"),
        "{none}"
    );
    let other = page(at, "/prediction?table=monthly&id=c7").await;
    assert!(
        other.contains("No table monthly of predictions is shown here"),
        "{other}"
    );
}
