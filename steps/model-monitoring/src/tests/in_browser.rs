//! The page in a real browser: at the width of a phone and of a desk, dark and light, from disk and
//! as Argo's UI serves it.

use testing::browser::{Browser, Look, file_url, serve_page};

use super::home::{Home, Names, Reported, Rows};

/// What Argo's server answers with an artifact.
const POLICY: &str = "Content-Security-Policy: sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self' 'unsafe-inline'";

const LOOKS: [Look; 4] = [
    Look {
        width: 360,
        height: 800,
        dark: false,
    },
    Look {
        width: 360,
        height: 800,
        dark: true,
    },
    Look {
        width: 1600,
        height: 1000,
        dark: false,
    },
    Look {
        width: 1600,
        height: 1000,
        dark: true,
    },
];

/// Kinds of pages: with drift, labels and warnings of training, without labels, of many features,
/// and of nothing.
async fn pages() -> Vec<(Home, &'static str)> {
    let mut pages = Vec::new();
    for kind in ["drift", "no labels", "many features", "no rows"] {
        let count = if kind == "many features" { 40 } else { 2 };
        let features: Vec<&'static str> = ["x1", "x2"]
            .into_iter()
            .cycle()
            .take(count)
            .enumerate()
            .map(named)
            .collect();
        let widen = |rows: Rows| Rows {
            features: (0..count).map(|i| rows.features[i % 2].clone()).collect(),
            ..rows
        };
        let names = Names {
            features,
            ..Names::default()
        };
        let reference = widen(Rows::simple(400));
        let mut home = Home::new(names, &reference).await;
        if kind == "drift" {
            home.warnings = vec![format!("a warning that is {}", "long and ".repeat(60)); 7];
            home.put_model(&reference).await;
        }
        let mut rows = widen(Rows::simple(if kind == "no rows" { 0 } else { 300 }));
        match kind {
            "drift" => rows.features[1]
                .iter_mut()
                .for_each(|value| *value = Some(3.0)),
            "no labels" => rows.label.iter_mut().for_each(|label| *label = None),
            _ => {}
        }
        let results = home.results(&[rows]).await;
        home.try_report(&results).await.unwrap();
        pages.push((home, kind));
    }
    pages
}

/// A leaked name, as names of tests are static; a test leaks little.
fn named((index, name): (usize, &'static str)) -> &'static str {
    if index < 2 {
        name
    } else {
        &*Box::leak(format!("{name} number {index}").into_boxed_str())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_every_screen_and_everybody_can_read_it() {
    let mut browser = Browser::start().unwrap();
    for (home, kind) in pages().await {
        let key = "reports/25.05.1/m/v3/report.html";
        let url = file_url(&home.store.local_path(key).unwrap());
        for look in LOOKS {
            let seen = browser.visit(&url, look).unwrap();
            assert_eq!(seen.console, [] as [&str; 0], "{kind} {look:?}");
            assert_eq!(
                seen.requests,
                [url.as_str()],
                "{kind} {look:?}: the page asks for more than itself"
            );
            assert!(
                seen.width <= look.width,
                "{kind} {look:?}: the page is {} wide",
                seen.width
            );
            let violations = browser.violations().unwrap();
            assert!(
                violations.is_empty(),
                "{kind} {look:?}:\n{}",
                violations.join("\n")
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn under_argos_policy_the_page_looks_the_same() {
    let (home, _) = pages().await.swap_remove(0);
    let html = home.html().await;
    let plain = serve_page(&html, &[]).unwrap();
    let guarded = serve_page(&html, &[POLICY]).unwrap();
    let framed = format!(
        "<!doctype html><title>t</title><body style=\"margin:0\"><iframe title=\"report\" sandbox=\"\" src=\"http://{guarded}/\" \
         style=\"border:0;width:1600px;height:1000px\"></iframe>"
    );
    let framed = serve_page(&framed, &[]).unwrap();
    let mut browser = Browser::start().unwrap();
    let mut pictures = Vec::new();
    for address in [plain, guarded] {
        let seen = browser
            .visit(&format!("http://{address}/"), LOOKS[2])
            .unwrap();
        let console: Vec<&String> = seen
            .console
            .iter()
            .filter(|line| !line.contains("favicon.ico"))
            .collect();
        assert!(console.is_empty(), "{console:?}");
        pictures.push(browser.screenshot().unwrap());
    }
    assert!(
        pictures[0] == pictures[1],
        "the policy changes how the page looks"
    );
    let seen = browser
        .visit(&format!("http://{framed}/"), LOOKS[2])
        .unwrap();
    assert!(
        seen.console.iter().all(|line| line.contains("favicon.ico")),
        "{:?}",
        seen.console
    );
}
