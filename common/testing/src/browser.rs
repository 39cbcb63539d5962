//! A browser without a window, driven over a pipe by Chrome's DevTools protocol.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use services::place;

/// Time for an answer; a machine that compiles beside it is slow.
const ANSWER: Duration = Duration::from_secs(120);
/// Names under which Chromium is found on the path.
const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
/// The protocol is spoken on the descriptors 3 and 4, each message ended by a zero.
const PIPED: &str = r#"exec 3<&0 4>&1 </dev/null >/dev/null 2>"$LOG"; exec "$@""#;

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Width of the window in pixels; below 600 it is a phone.
    pub width: u32,
    /// Height of the window in pixels.
    pub height: u32,
    /// Whether the user prefers dark colours.
    pub dark: bool,
}

/// What a visit brought to light.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Errors and warnings of the console, violations of a content security policy among them.
    pub console: Vec<String>,
    /// Everything that was asked for, the page itself first.
    pub requests: Vec<String>,
    /// Width that the page takes in pixels: more than that of the window is a scroll bar.
    pub width: u32,
}

/// A running Chromium with one page. It ends when it is dropped, and when the process that started
/// it does.
pub struct Browser {
    process: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    last: u64,
    session: String,
    seen: Seen,
    loaded: bool,
    folder: tempfile::TempDir,
}

#[expect(clippy::disallowed_methods, reason = "a variable of tests")]
fn program() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = PROGRAMS
        .iter()
        .flat_map(|name| std::env::split_paths(&path).map(move |folder| folder.join(name)));
    found
        .into_iter()
        .find(|program| program.is_file())
        .with_context(|| {
            format!(
                "there is no browser on the path ({}): run `just install-services`",
                PROGRAMS.join(", ")
            )
        })
}

impl Browser {
    /// Starts it, with an empty page.
    pub fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut process = Command::new("sh")
            .args(["-c", PIPED, "browser"])
            .arg(program()?)
            .args([
                "--headless=new",
                "--remote-debugging-pipe",
                "--no-first-run",
                "--disable-background-networking",
            ])
            // It runs as root in a container, without shared memory of a useful size.
            .args([
                "--no-sandbox",
                "--disable-dev-shm-usage",
                "--disable-gpu",
                "--hide-scrollbars",
            ])
            .arg(format!(
                "--user-data-dir={}",
                folder.path().join("profile").display()
            ))
            .env("LOG", folder.path().join("log"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the browser")?;
        let (input, output) = (
            process.stdin.take().context("a pipe")?,
            process.stdout.take().context("a pipe")?,
        );
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            let whole = BufReader::new(output).split(0).map_while(Result::ok);
            for message in whole.filter_map(|bytes| serde_json::from_slice(&bytes).ok()) {
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let (session, seen) = (String::new(), Seen::default());
        let mut browser = Self {
            process,
            input,
            messages,
            last: 0,
            session,
            seen,
            loaded: false,
            folder,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}))?;
        let attached = browser.call(
            "Target.attachToTarget",
            json!({"targetId": target["targetId"], "flatten": true}),
        )?;
        browser.session = attached["sessionId"]
            .as_str()
            .context("a session")?
            .to_owned();
        for domain in ["Page", "Network", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}))?;
        }
        Ok(browser)
    }

    /// Opens a page and waits until it is loaded.
    ///
    /// # Errors
    /// A page that can't be had.
    pub fn visit(&mut self, url: &str, look: Look) -> Result<Seen> {
        let Look {
            width,
            height,
            dark,
        } = look;
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", metrics)?;
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", features)?;
        (self.seen, self.loaded) = (Seen::default(), false);
        let opened = self.call("Page.navigate", json!({"url": url}))?;
        if let Some(error) = opened["errorText"].as_str() {
            bail!("opening {url}: {error}");
        }
        self.wait().with_context(|| format!("opening {url}"))?;
        let wide = self.call("Page.getLayoutMetrics", json!({}))?;
        let width = wide["cssContentSize"]["width"]
            .as_f64()
            .context("a width")?;
        Ok(Seen {
            width: width.ceil() as u32,
            ..self.seen.clone()
        })
    }

    /// Runs a script in the page and gives its value; a promise is waited for.
    ///
    /// # Errors
    /// What the script throws.
    pub fn evaluate(&mut self, script: &str) -> Result<Value> {
        let asked = json!({"expression": script, "awaitPromise": true, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", asked)?;
        match answer.get("exceptionDetails") {
            Some(details) => bail!("the script failed: {details}"),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// Lets pages that are opened from now on run their scripts, or not. [`Browser::evaluate`]
    /// works either way.
    pub fn script(&mut self, runs: bool) -> Result<()> {
        self.call(
            "Emulation.setScriptExecutionDisabled",
            json!({"value": !runs}),
        )
        .map(drop)
    }

    /// Presses a key, by the name that the web gives it, such as `ArrowRight`, `Tab` or `a`.
    pub fn press(&mut self, key: &str) -> Result<()> {
        // Only keys with a code of old move the focus.
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            "ArrowLeft" => 37,
            "ArrowRight" => 39,
            _ => 0,
        };
        let mut pressed = json!({"type": "keyDown", "key": key, "windowsVirtualKeyCode": code});
        if key.chars().count() == 1 {
            pressed["text"] = json!(key);
        }
        self.call("Input.dispatchKeyEvent", pressed)?;
        self.call(
            "Input.dispatchKeyEvent",
            json!({"type": "keyUp", "key": key, "windowsVirtualKeyCode": code}),
        )
        .map(drop)
    }

    /// Clicks what `selector` finds, which opens another page, and waits until that is loaded.
    ///
    /// # Errors
    /// Nothing to click, or a page that can't be had.
    pub fn submit(&mut self, selector: &str) -> Result<()> {
        self.loaded = false;
        self.evaluate(&format!(
            "document.querySelector({}).click()",
            json!(selector)
        ))?;
        self.wait().with_context(|| format!("clicking {selector}"))
    }

    fn wait(&mut self) -> Result<()> {
        while !self.loaded {
            self.receive()?;
        }
        Ok(())
    }

    /// What axe-core finds serious or critical in the page that is open, one line each.
    ///
    /// # Errors
    /// axe-core that is not installed.
    pub fn violations(&mut self) -> Result<Vec<String>> {
        let axe = place().join("node_modules/axe-core/axe.min.js");
        let source = std::fs::read_to_string(&axe).with_context(|| {
            format!("{} is missing: run `just install-services`", axe.display())
        })?;
        self.evaluate(&source)?;
        let found = self.evaluate(
            "axe.run().then(found => found.violations.filter(v => v.impact == 'serious' || v.impact == 'critical')
             .map(v => v.id + ': ' + v.help + ' ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 200)
             + ' ' + (n.failureSummary || '')).join(' | ')))",
        )?;
        let found = found.as_array().context("axe-core gives a list")?;
        Ok(found
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect())
    }

    /// A picture of the whole page, as PNG, encoded in base 64.
    pub fn screenshot(&mut self) -> Result<String> {
        let asked = json!({"format": "png", "captureBeyondViewport": true});
        let answer = self.call("Page.captureScreenshot", asked)?;
        Ok(answer["data"].as_str().context("a picture")?.to_owned())
    }

    /// The page as it is printed: a PDF, encoded in base 64.
    pub fn print(&mut self) -> Result<String> {
        let answer = self.call("Page.printToPDF", json!({"printBackground": true}))?;
        Ok(answer["data"].as_str().context("a document")?.to_owned())
    }

    fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.input
            .write_all(&bytes)
            .and_then(|()| self.input.flush())
            .with_context(|| self.printed())?;
        loop {
            let answer = self.receive().with_context(|| method.to_owned())?;
            if answer["id"].as_u64() == Some(self.last) {
                match answer.get("error") {
                    Some(error) => bail!("{method}: {error}"),
                    None => return Ok(answer["result"].clone()),
                }
            }
        }
    }

    /// The next message; what it says of the page is kept.
    fn receive(&mut self) -> Result<Value> {
        let message = self
            .messages
            .recv_timeout(ANSWER)
            .map_err(|error| match error {
                RecvTimeoutError::Timeout => {
                    anyhow::anyhow!("the browser did not answer in {ANSWER:?}")
                }
                RecvTimeoutError::Disconnected => {
                    anyhow::anyhow!("the browser ended: {}", self.printed())
                }
            })?;
        let params = &message["params"];
        match message["method"].as_str() {
            Some("Page.loadEventFired") => self.loaded = true,
            Some("Network.requestWillBeSent") => {
                self.seen
                    .requests
                    .extend(params["request"]["url"].as_str().map(str::to_owned));
            }
            Some("Log.entryAdded")
                if matches!(params["entry"]["level"].as_str(), Some("error" | "warning")) =>
            {
                self.seen.console.push(params["entry"]["text"].to_string());
            }
            Some("Runtime.consoleAPICalled")
                if matches!(params["type"].as_str(), Some("error" | "warning")) =>
            {
                self.seen.console.push(params["args"].to_string());
            }
            Some("Runtime.exceptionThrown") => self
                .seen
                .console
                .push(params["exceptionDetails"].to_string()),
            _ => {}
        }
        Ok(message)
    }

    fn printed(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.call("Browser.close", json!({}));
        let started = Instant::now();
        while !matches!(self.process.try_wait(), Ok(Some(_)) | Err(_)) {
            if started.elapsed() > ANSWER
                || self
                    .messages
                    .recv_timeout(Duration::from_millis(20))
                    .is_err()
            {
                let _ = self.process.kill();
                let _ = self.process.wait();
                return;
            }
        }
    }
}

/// A server of one page, with such headers as `Content-Security-Policy: ...`; it ends with the
/// process.
///
/// # Errors
/// When there is no free port.
pub fn serve_page(html: &str, headers: &[&str]) -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let headers: String = headers
        .iter()
        .map(|header| format!("{header}\r\n"))
        .collect();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n{headers}Connection: close\r\n\r\n{html}",
        html.len()
    );
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                match stream.read(&mut byte) {
                    Ok(1) => request.push(byte[0]),
                    _ => break,
                }
            }
            // A browser that goes away early is no failure of the page.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    Ok(address)
}

/// The address of a file.
pub fn file_url(path: &Path) -> String {
    format!("file://{}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Look = Look {
        width: 800,
        height: 600,
        dark: true,
    };

    fn visit(html: &str, headers: &[&str]) -> (Browser, Seen) {
        let address = serve_page(html, headers).unwrap();
        let mut browser = Browser::start().unwrap();
        let seen = browser
            .visit(&format!("http://{address}/"), WINDOW)
            .unwrap();
        (browser, seen)
    }

    #[test]
    fn a_faulty_page_is_found_out() {
        let html = "<!doctype html><title>t</title><style>p{width:1200px;color:#999;background:#aaa}</style><p>faint</p>\
                    <img src='http://127.0.0.1:9/x.png'><script>console.error('oh'); undefined_function()</script>";
        let (mut browser, seen) = visit(html, &[]);
        assert!(seen.width >= 1200, "{}", seen.width);
        assert!(
            seen.requests.iter().any(|url| url.ends_with("/x.png")),
            "{:?}",
            seen.requests
        );
        assert!(
            seen.console.iter().any(|line| line.contains("oh")),
            "{:?}",
            seen.console
        );
        assert!(
            seen.console
                .iter()
                .any(|line| line.contains("undefined_function")),
            "{:?}",
            seen.console
        );
        let found = browser.violations().unwrap().join("\n");
        assert!(
            found.contains("color-contrast") && found.contains("image-alt"),
            "{found}"
        );
    }

    #[test]
    fn a_policy_that_is_violated_stands_in_the_console() {
        let policy = "Content-Security-Policy: default-src 'none'";
        let (_browser, seen) = visit(
            "<!doctype html><title>t</title><style>p{color:red}</style><p>x</p>",
            &[policy],
        );
        assert!(
            seen.console
                .iter()
                .any(|line| line.contains("Content Security Policy")),
            "{:?}",
            seen.console
        );
    }

    #[test]
    fn colours_follow_the_users_preference() {
        let (mut browser, seen) = visit("<!doctype html><title>t</title><p>x</p>", &[]);
        let dark = browser
            .evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
            .unwrap();
        assert_eq!((dark, seen.width), (json!(true), 800));
        assert!(browser.screenshot().unwrap().starts_with("iVBOR"), "a PNG");
        assert!(browser.print().unwrap().starts_with("JVBER"), "a PDF");
        assert!(browser.visit("http://127.0.0.1:9/", WINDOW).is_err());
    }
}
