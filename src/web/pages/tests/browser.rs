//! A real browser, driven over a pipe with its DevTools protocol: Debian's chromium.
//!
//! The protocol over a pipe is one JSON object after another, each ended by a zero byte,
//! so a hundred lines serve. The crates for it bring a client for WebSockets and the whole
//! protocol as generated types, which take longer to compile than the tests take to run.

#![expect(
    clippy::disallowed_methods,
    reason = "starts a program and waits for it"
)]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};

/// How long the browser may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser without a window.
pub(super) struct Browser {
    child: Child,
    wire: RefCell<Wire>,
    _profile: tempfile::TempDir,
}

struct Wire {
    to: ChildStdin,
    from: Receiver<Value>,
    last_id: u64,
    events: VecDeque<Value>,
}

/// How a page is looked at.
#[derive(Clone, Copy)]
pub(super) struct PageLook {
    /// In CSS pixels.
    pub width: u32,
    pub height: u32,
    pub is_dark: bool,
    pub has_scripts: bool,
}

/// A desk's screen.
pub(super) const DESK: PageLook = PageLook {
    width: 1280,
    height: 900,
    is_dark: false,
    has_scripts: true,
};

/// A phone.
pub(super) const PHONE: PageLook = PageLook {
    width: 360,
    height: 740,
    ..DESK
};

impl Browser {
    /// Starts one, with an empty profile.
    pub(super) fn start() -> Self {
        let profile = tempfile::Builder::new()
            .prefix("browser-")
            .tempdir()
            .unwrap();
        // A shell gives it the two pipes under the numbers that it expects.
        let mut child = Command::new("sh")
            .args([
                "-c",
                "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1",
                "sh",
            ])
            .args([
                "--headless",
                "--remote-debugging-pipe",
                // The tests may run as root, for whom it has no sandbox.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--font-render-hinting=none",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, from) = channel();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            loop {
                let mut message = Vec::new();
                let end = answers.read_until(0, &mut message);
                if end.is_err() || message.pop() != Some(0) {
                    return;
                }
                let message = serde_json::from_slice(&message).expect("JSON");
                if send.send(message).is_err() {
                    return;
                }
            }
        });
        let to = child.stdin.take().unwrap();
        Self {
            child,
            wire: RefCell::new(Wire {
                to,
                from,
                last_id: 0,
                events: VecDeque::new(),
            }),
            _profile: profile,
        }
    }

    /// A new page.
    pub(super) fn page(&self, look: PageLook) -> Page<'_> {
        // A context of its own: nothing is remembered from page to page.
        let context = self.call("", "Target.createBrowserContext", &json!({}));
        let target = self.call(
            "",
            "Target.createTarget",
            &json!({"url": "about:blank", "browserContextId": context["browserContextId"]}),
        );
        let target = target["targetId"].clone();
        let session = self.call(
            "",
            "Target.attachToTarget",
            &json!({"targetId": target, "flatten": true}),
        );
        let page = Page {
            browser: self,
            session: session["sessionId"].as_str().unwrap().to_owned(),
            found: RefCell::new(Vec::new()),
        };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), &json!({}));
        }
        page.call(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": look.width, "height": look.height, "deviceScaleFactor": 1,
                "mobile": look.width < 500}),
        );
        let scheme = if look.is_dark { "dark" } else { "light" };
        page.call(
            "Emulation.setEmulatedMedia",
            &json!({"features": [{"name": "prefers-color-scheme", "value": scheme},
                {"name": "prefers-reduced-motion", "value": "reduce"}]}),
        );
        if !look.has_scripts {
            page.call(
                "Emulation.setScriptExecutionDisabled",
                &json!({"value": true}),
            );
        }
        page
    }

    fn call(&self, session: &str, method: &str, params: &Value) -> Value {
        let mut wire = self.wire.borrow_mut();
        wire.last_id += 1;
        let id = wire.last_id;
        let mut request = json!({"id": id, "method": method, "params": params});
        if !session.is_empty() {
            request["sessionId"] = json!(session);
        }
        let mut bytes = serde_json::to_vec(&request).unwrap();
        bytes.push(0);
        wire.to.write_all(&bytes).unwrap();
        loop {
            let message = wire.from.recv_timeout(PATIENCE);
            let message = message.unwrap_or_else(|why| panic!("{method}: {why}"));
            if message["id"] != json!(id) {
                wire.events.push_back(message);
                continue;
            }
            assert!(message["error"].is_null(), "{method}: {}", message["error"]);
            return message["result"].clone();
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A page of the browser.
pub(super) struct Page<'a> {
    browser: &'a Browser,
    session: String,
    /// Errors so far.
    found: RefCell<Vec<String>>,
}

impl Page<'_> {
    pub(super) fn call(&self, method: &str, params: &Value) -> Value {
        self.browser.call(&self.session, method, params)
    }

    /// Opens an address and waits until it is loaded.
    pub(super) fn open(&self, url: &str) {
        self.browser.wire.borrow_mut().events.clear();
        let answer = self.call("Page.navigate", &json!({"url": url}));
        assert!(answer["errorText"].is_null(), "{url}: {answer}");
        self.wait_event("Page.loadEventFired");
    }

    fn wait_event(&self, name: &str) {
        let begin = Instant::now();
        loop {
            let next = {
                let mut wire = self.browser.wire.borrow_mut();
                match wire.events.pop_front() {
                    Some(event) => event,
                    None => wire.from.recv_timeout(PATIENCE).unwrap(),
                }
            };
            self.note(&next);
            if next["method"] == name && next["sessionId"] == json!(self.session) {
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "{name} does not come");
        }
    }

    /// What an expression comes to; a promise is awaited.
    pub(super) fn eval(&self, code: &str) -> Value {
        let answer = self.call(
            "Runtime.evaluate",
            &json!({"expression": code, "returnByValue": true, "awaitPromise": true}),
        );
        assert!(answer["exceptionDetails"].is_null(), "{code}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub(super) fn wait_for(&self, code: &str) {
        let begin = Instant::now();
        while self.eval(code) != json!(true) {
            assert!(begin.elapsed() < PATIENCE, "never true: {code}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses a key, such as `Tab`.
    pub(super) fn press(&self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            let code = if key == "Tab" { 9 } else { 13 };
            let params = json!({"type": kind, "key": key, "code": key,
                "windowsVirtualKeyCode": code, "text": if key == "Enter" { "\r" } else { "" }});
            self.call("Input.dispatchKeyEvent", &params);
        }
    }

    /// Everything that went wrong so far: errors of scripts, violations of the content
    /// policy, resources that did not come, dialogs.
    pub(super) fn errors(&self) -> Vec<String> {
        // Whatever came before this answer is there then.
        self.eval("1");
        let events: Vec<Value> = self.browser.wire.borrow_mut().events.drain(..).collect();
        for event in &events {
            self.note(event);
        }
        self.found.borrow().clone()
    }

    fn note(&self, event: &Value) {
        if event["sessionId"] != json!(self.session) {
            return;
        }
        let params = &event["params"];
        let text = match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => params["exceptionDetails"].to_string(),
            "Runtime.consoleAPICalled" if params["type"] == "error" => params["args"].to_string(),
            "Log.entryAdded" if params["entry"]["level"] != "verbose" => {
                format!("{} {}", params["entry"]["text"], params["entry"]["url"])
            }
            "Page.javascriptDialogOpening" => format!("dialog {}", params["message"]),
            "Network.loadingFailed" if params["canceled"] != json!(true) => {
                format!("not loaded: {}", params["errorText"])
            }
            _ => return,
        };
        self.found.borrow_mut().push(text);
    }

    /// The page as a picture: PNG, the whole height if asked for.
    pub(super) fn screenshot(&self, is_whole: bool) -> Vec<u8> {
        let mut params = json!({"format": "png"});
        if is_whole {
            params["captureBeyondViewport"] = json!(true);
            let size = self.call("Page.getLayoutMetrics", &json!({}));
            let size = &size["cssContentSize"];
            params["clip"] = json!({"x": 0, "y": 0, "width": size["width"],
                "height": size["height"], "scale": 1});
        }
        let answer = self.call("Page.captureScreenshot", &params);
        let data = answer["data"].as_str().unwrap();
        let engine = base64::engine::general_purpose::STANDARD;
        engine.decode(data).unwrap()
    }

    /// The nodes that a screen reader is told of: role and name of each.
    pub(super) fn accessible(&self) -> Vec<(String, String)> {
        let tree = self.call("Accessibility.getFullAXTree", &json!({}));
        let nodes = tree["nodes"].as_array().unwrap().iter();
        let seen = nodes.filter(|node| node["ignored"] != json!(true));
        let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        seen.map(|node| (text(&node["role"]), text(&node["name"])))
            .collect()
    }
}
