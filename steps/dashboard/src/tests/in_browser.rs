//! The dashboard in a real browser: every page on every screen, with and without its script, by
//! mouse and by keyboard.

use serde_json::json;
use testing::browser::{Browser, Look, Seen};

use super::{page, published};

const PAGES: [&str; 10] = [
    "/",
    "/models/m",
    "/models/m?version=3&by=week&threshold=0.3&from=2025-03-01&to=2025-03-03&segment=score",
    "/models/m?from=2001-01-01&to=2001-01-02",
    "/models/m/compare?a-version=3&b-version=4",
    "/runs",
    "/data",
    "/prediction",
    "/prediction?id=c7",
    "/prediction?id=%3Cscript%3Ealert(1)%3C/script%3E",
];

const WIDE: Look = Look {
    width: 1600,
    height: 900,
    dark: false,
};

fn is_quiet(seen: &Seen, own: &str) {
    assert_eq!(seen.console, [] as [&str; 0]);
    // Chromium draws the icon of a date's field from itself.
    let foreign = seen
        .requests
        .iter()
        .find(|url| !url.starts_with(own) && !url.starts_with("data:"));
    assert_eq!(foreign, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_every_screen_and_asks_nobody_else() {
    let (_home, at, _) = published("pages").await;
    let own = format!("http://{at}/");
    let mut browser = Browser::start().unwrap();
    for path in PAGES {
        let html = page(at, path).await;
        assert_eq!(
            html.matches("<script").count(),
            1,
            "{path}: only the page's own script"
        );
        for (width, dark) in [(360, false), (360, true), (1600, false), (1600, true)] {
            let seen = browser
                .visit(
                    &format!("http://{at}{path}"),
                    Look {
                        width,
                        height: 900,
                        dark,
                    },
                )
                .unwrap();
            is_quiet(&seen, &own);
            assert!(
                seen.width <= width,
                "{path}: at {width} the page is {} wide",
                seen.width
            );
            assert_eq!(
                browser.violations().unwrap(),
                [] as [&str; 0],
                "{path} {width} {dark}"
            );
        }
    }
    // What the names of columns hold is shown as it is.
    assert!(
        page(at, "/models/m")
            .await
            .contains("&lt;script&gt;alert(1)&lt;/script&gt;")
    );
    assert!(page(at, "/prediction?id=c7").await.contains("Prediction 1"));
}

/// Waits in the page until `condition` holds, for a minute at most.
fn wait(browser: &mut Browser, condition: &str) {
    let held = browser
        .evaluate(&format!(
            "new Promise(done => {{
                 const begun = Date.now();
                 const look = () => ({condition}) ? done(true) : Date.now() - begun > 60000 ? done(false) : setTimeout(look, 20);
                 look();
             }})"
        ))
        .unwrap();
    assert_eq!(
        held,
        json!(true),
        "{condition}: {:?}",
        browser.evaluate("document.body.innerText")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_is_shown_without_loading_the_page_anew() {
    let (_home, at, _) = published("choices").await;
    let mut browser = Browser::start().unwrap();
    browser
        .visit(&format!("http://{at}/models/m"), WIDE)
        .unwrap();
    browser
        .evaluate("window.same = true; document.querySelector('[name=version]').focus()")
        .unwrap();
    browser
        .evaluate("{ const v = document.querySelector('[name=version]'); v.value = '3'; v.dispatchEvent(new Event('change', {bubbles: true})) }")
        .unwrap();
    wait(
        &mut browser,
        "location.search === '?version=3' && document.querySelector('.verdict-line').textContent.includes('v3')",
    );
    assert_eq!(
        browser
            .evaluate("window.same && document.activeElement.name")
            .unwrap(),
        json!("version")
    );
    // The slider and the number say the same, and the address is what another viewer opens.
    browser
        .evaluate("{ const s = document.querySelector('[type=range]'); s.value = 0.3; for (const e of ['input', 'change']) s.dispatchEvent(new Event(e, {bubbles: true})) }")
        .unwrap();
    wait(
        &mut browser,
        "location.search === '?version=3&threshold=0.3' && document.querySelector('.verdict-line').textContent.includes('threshold 0.3')",
    );
    let shown = browser
        .evaluate("document.querySelector('main').innerText")
        .unwrap();
    let address = browser.evaluate("location.href").unwrap();
    browser.visit(address.as_str().unwrap(), WIDE).unwrap();
    assert_eq!(
        browser
            .evaluate("document.querySelector('main').innerText")
            .unwrap(),
        shown
    );
    // Back leads to what was shown before.
    browser
        .visit(&format!("http://{at}/models/m"), WIDE)
        .unwrap();
    browser
        .evaluate("{ const v = document.querySelector('[name=by]'); v.value = 'month'; v.dispatchEvent(new Event('change', {bubbles: true})) }")
        .unwrap();
    wait(&mut browser, "location.search === '?version=4&by=month'");
    browser.evaluate("history.back()").unwrap();
    wait(
        &mut browser,
        "location.search === '' && document.querySelector('[name=by]').value === ''",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_that_cannot_be_shown_says_why_and_leaves_the_form() {
    let (_home, at, _) = published("refused").await;
    let mut browser = Browser::start().unwrap();
    browser
        .visit(&format!("http://{at}/models/m"), WIDE)
        .unwrap();
    let choose = "{ const set = (name, value) => { document.querySelector(`[name=${name}]`).value = value };
                    set('from', '2025-03-03'); set('to', '2025-03-01'); document.querySelector('form.choice').requestSubmit() }";
    browser.evaluate(choose).unwrap();
    wait(
        &mut browser,
        "document.querySelector('.refused')?.textContent.includes('from is after to')",
    );
    let left = "[location.search, document.querySelector('[name=from]').value, document.querySelector('[role=status]').textContent]";
    assert_eq!(
        browser.evaluate(left).unwrap(),
        json!(["", "2025-03-03", "from is after to"])
    );
    browser
        .evaluate("document.querySelector('[name=to]').value = '2025-03-04'")
        .unwrap();
    browser
        .evaluate("document.querySelector('form.choice').requestSubmit()")
        .unwrap();
    wait(
        &mut browser,
        "location.search.includes('from=2025-03-03') && !document.querySelector('.refused')",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn charts_tell_their_values_by_keyboard_and_pointer() {
    let (_home, at, _) = published("keys").await;
    let mut browser = Browser::start().unwrap();
    let seen = browser
        .visit(&format!("http://{at}/models/m"), WIDE)
        .unwrap();
    is_quiet(&seen, &format!("http://{at}/"));
    browser.press("/").unwrap();
    assert_eq!(
        browser.evaluate("document.activeElement.name").unwrap(),
        json!("version")
    );
    // By tab alone one comes through all controls to the charts.
    browser
        .evaluate(
            "[...document.querySelectorAll('.scroll')].find(chart => chart.querySelector('.hit')).dataset.first = 1",
        )
        .unwrap();
    for _ in 0..60 {
        if browser
            .evaluate("'first' in document.activeElement.dataset")
            .unwrap()
            == json!(true)
        {
            break;
        }
        browser.press("Tab").unwrap();
    }
    assert_eq!(
        browser
            .evaluate("'first' in document.activeElement.dataset")
            .unwrap(),
        json!(true)
    );
    let tip =
        "document.querySelector('.tip').hidden ? null : document.querySelector('.tip').textContent";
    assert_eq!(browser.evaluate(tip).unwrap(), json!(null));
    browser.press("ArrowRight").unwrap();
    let first = browser.evaluate(tip).unwrap();
    assert!(first.as_str().unwrap().starts_with("2025-03-01"), "{first}");
    assert_eq!(
        browser
            .evaluate("document.querySelector('[role=status]').textContent")
            .unwrap(),
        first
    );
    browser.press("ArrowRight").unwrap();
    assert!(
        browser
            .evaluate(tip)
            .unwrap()
            .as_str()
            .unwrap()
            .starts_with("2025-03-02")
    );
    browser.press("Escape").unwrap();
    assert_eq!(browser.evaluate(tip).unwrap(), json!(null));
    browser
        .evaluate("document.querySelector('.hit').dispatchEvent(new PointerEvent('pointerover', {bubbles: true}))")
        .unwrap();
    assert!(browser.evaluate(tip).unwrap().as_str().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_works_without_its_script() {
    let (_home, at, _) = published("unscripted").await;
    let mut browser = Browser::start().unwrap();
    browser.script(false).unwrap();
    for path in PAGES {
        is_quiet(
            &browser.visit(&format!("http://{at}{path}"), WIDE).unwrap(),
            &format!("http://{at}/"),
        );
    }
    browser
        .visit(&format!("http://{at}/models/m"), WIDE)
        .unwrap();
    assert_eq!(
        browser
            .evaluate("document.querySelectorAll('[type=range], .tip').length")
            .unwrap(),
        json!(0)
    );
    browser
        .evaluate("document.querySelector('[name=version]').value = '3'")
        .unwrap();
    browser.submit("form.choice button").unwrap();
    let shown = browser
        .evaluate("document.querySelector('.verdict-line').textContent")
        .unwrap();
    assert!(shown.as_str().unwrap().contains("v3"), "{shown}");
    assert!(
        browser
            .evaluate("location.search")
            .unwrap()
            .as_str()
            .unwrap()
            .contains("version=3")
    );
}
