//! The pages in a real browser, served as a controller serves them.

#![expect(clippy::disallowed_methods, reason = "writes pictures")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::browser::{Browser, DESK, PHONE, PageLook};
use super::fleet::{Fleet, now};
use super::run_now::{active_steps, with_drift};
use super::small;
use crate::conclude::alerts::DeliveryNumbers;
use crate::conclude::{Scope, Status, StepEnd, StepRecord};
use crate::facts::{Outcome, RolloutChange, SourceUse, UpstreamUse};
use crate::live::Live;
use crate::model::{OrderId, Trigger, WebToken};
use crate::plan::Step;
use crate::store::StateDir;
use crate::web::{Control, Instructed, Vitals, WebConfig, WebParts, WebServer};

struct Nobody;

impl Control for Nobody {
    fn reconcile(&self, _: Scope) {}

    fn look(&self) {}

    fn instruct(&self, _: OrderId, _: RolloutChange) -> Instructed<'_> {
        Box::pin(std::future::ready(Err(String::new())))
    }
}

impl Vitals for Nobody {
    fn is_alive(&self) -> Result<(), Duration> {
        Ok(())
    }

    fn waiting(&self) -> usize {
        0
    }

    fn upstream(&self) -> UpstreamUse {
        UpstreamUse::default()
    }

    fn source(&self) -> SourceUse {
        SourceUse::default()
    }

    fn notifications(&self) -> BTreeMap<String, DeliveryNumbers> {
        BTreeMap::new()
    }
}

/// A fleet behind a real server.
struct Served {
    url: String,
    live: Live,
    status: Status,
    _server: WebServer,
    _dir: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

const TOKEN: &str = "a-token-of-alice";

fn serve(fleet: Fleet) -> Served {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path());
    for run in &fleet.history {
        state.add_to_history(run).unwrap();
    }
    let status = Status::clone(&fleet.view.status);
    let live = Live::new(status.clone(), fleet.view.started);
    let last = fleet.view.last.map(|last| Arc::into_inner(last).unwrap());
    live.run_finished(Some(&status), last);
    let config = WebConfig {
        tokens: Some(vec![WebToken {
            name: "alice".to_owned(),
            token: SecretString::from(TOKEN.to_owned()),
        }]),
        network: fleet.network,
        node_reserve: 2 << 30,
        ..WebConfig::default()
    };
    let parts = WebParts {
        live: live.clone(),
        state,
        control: Arc::new(Nobody),
        vitals: Arc::new(Nobody),
        config,
    };
    let address = "127.0.0.1:0".parse().unwrap();
    let server = runtime.block_on(WebServer::open(&address, parts)).unwrap();
    Served {
        url: format!("http://{}", server.address()),
        live,
        status,
        _server: server,
        _dir: dir,
        _runtime: runtime,
    }
}

impl Served {
    /// A run begins, and some of its steps.
    fn begin(&self) {
        let last = self.live.view().last.unwrap();
        let plan = &last.report.look.plan;
        let since = now();
        self.live.run_begun(&self.status, Trigger::Change, since);
        let plan = with_drift(plan, "dune", "fra-pve-03");
        let plan = &plan;
        self.live.planned(plan);
        for step in plan.steps.iter().filter(|step| !step.action.brings()) {
            let done = Outcome::Cancelled;
            let record = StepRecord::new(None, &step.id, None, &done);
            self.live.step_finished(&StepRecord {
                end: StepEnd::Done,
                ..record
            });
        }
        // What was fetched for the order `nightly` failed at once.
        let nightly = |step: &&Step| {
            let mut orders = step.wanted_by.iter();
            orders.any(|at| at.order.as_str() == "nightly") && step.action.brings()
        };
        for step in plan.steps.iter().filter(nightly) {
            let outcome = super::run_now::downloads_fail(step);
            let record = StepRecord::new(None, &step.id, None, &outcome);
            self.live.step_finished(&record);
        }
        for step in active_steps(plan) {
            self.live.step_started(&step.step, step.meter, step.since);
        }
    }
}

const PAGES: [&str; 9] = [
    "/",
    "/?state=failed&order=f",
    "/orders/harbor",
    "/orders/fjord",
    "/nodes/fra-pve-01",
    "/plan",
    "/removals",
    "/history",
    "/login",
];

/// Everything that is wider than the page, but for what scrolls on its own.
const TOO_WIDE: &str = "(() => {
    const wide = document.documentElement.scrollWidth;
    if (wide <= innerWidth) return [];
    return [...document.querySelectorAll('body *')]
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll, pre'))
        .map(e => e.outerHTML.slice(0, 120) + ' ' + wide);
})()";

/// Texts whose contrast with what is behind them is below 4.5.
const TOO_PALE: &str = "(() => {
    const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
        .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const found = new Set();
    for (const e of document.querySelectorAll('body *')) {
        const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
        if (!own || e.closest('.vh, svg, .skip') || !e.checkVisibility()) continue;
        let back = e;
        while (back && (parse(getComputedStyle(back).backgroundColor)[3] ?? 1) === 0) back = back.parentElement;
        const pair = [getComputedStyle(e).color, back ? getComputedStyle(back).backgroundColor : 'rgb(255,255,255)'];
        const [a, b] = pair.map(c => light(parse(c))).sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < 4.5) found.add(e.tagName + '.' + e.className + ' ' + ratio.toFixed(2) + ' ' + pair);
    }
    return [...found];
})()";

#[test]
fn pages_are_right_in_a_browser() {
    let served = serve(small());
    let browser = Browser::start();
    let dark = PageLook {
        is_dark: true,
        ..DESK
    };
    let plain = PageLook {
        has_scripts: false,
        ..DESK
    };
    for look in [DESK, PHONE, dark, plain] {
        let page = browser.page(look);
        for path in PAGES {
            page.open(&format!("{}{path}", served.url));
            assert_eq!(page.errors(), Vec::<String>::new(), "{path}");
            assert_eq!(page.eval(TOO_WIDE), json!([]), "{path} at {}", look.width);
            assert_eq!(page.eval(TOO_PALE), json!([]), "{path} {}", look.is_dark);
            let style = "getComputedStyle(document.querySelector('main')).maxWidth";
            assert_eq!(page.eval(style), "1360px", "{path}");
        }
    }
    for is_running in [false, true] {
        if is_running {
            served.begin();
        }
        changes_arrive(&served, &browser);
    }
    names_are_read_aloud(&served, &browser);
    whoever_logs_in_acts(&served, &browser);
    hostile_names_stay_names(&browser);
}

/// The part that changes is exchanged, and nothing else is touched.
fn changes_arrive(served: &Served, browser: &Browser) {
    let page = browser.page(DESK);
    page.open(&format!("{}/", served.url));
    page.wait_for("document.getElementById('link-state').textContent === 'live'");
    page.eval(
        "document.querySelector('input[name=order]').value = 'half a wo';
         document.querySelector('.legend').open = true;
         document.querySelector('.matrix tbody a').focus();
         scrollTo(0, 300); window.mark = document.querySelector('.filter'); 1",
    );
    let before = page.eval("document.activeElement.getAttribute('href')");
    // What is above it may grow; what is looked at stays where it is.
    let place = "Math.round(document.activeElement.getBoundingClientRect().top)";
    let placed = page.eval(place);
    let mut status = served.status.clone();
    status.notes.push("something new".to_owned());
    status.conditions[0].message = "another message".to_owned();
    served.live.status_changed(&status);
    page.wait_for("document.querySelector('#facts').textContent.includes('something new')");
    for (code, expected) in [
        (
            "document.querySelector('input[name=order]').value",
            json!("half a wo"),
        ),
        ("document.querySelector('.legend').open", json!(true)),
        (
            "window.mark === document.querySelector('.filter')",
            json!(true),
        ),
        ("document.activeElement.getAttribute('href')", before),
        (place, placed),
    ] {
        assert_eq!(page.eval(code), expected, "{code}");
    }
    served.live.status_changed(&served.status);
    page.wait_for("!document.querySelector('#facts').textContent.includes('something new')");
    assert_eq!(page.errors(), Vec::<String>::new());
}

/// What a screen reader is told of, and what the keyboard reaches first.
fn names_are_read_aloud(served: &Served, browser: &Browser) {
    let page = browser.page(DESK);
    page.open(&format!("{}/", served.url));
    let found = page.accessible();
    let has = |role: &str, name: &str| {
        let is_it = |one: &(String, String)| one.0 == role && one.1.contains(name);
        assert!(found.iter().any(is_it), "{role} {name}: {found:?}");
    };
    has("navigation", "Main");
    has("main", "");
    has("search", "Filter the matrix");
    has("textbox", "Order or customer");
    has("combobox", "State");
    has("status", "");
    has("columnheader", "fra-pve-01");
    has("rowheader", "harbor");
    has("progressbar", "Steps of the run");
    has("image", "48 runs:");
    has("link", "failed");
    let nameless: Vec<_> = found
        .iter()
        .filter(|(role, name)| {
            ["link", "button", "textbox", "combobox", "heading"].contains(&role.as_str())
                && name.trim().is_empty()
        })
        .collect();
    assert!(nameless.is_empty(), "{nameless:?}");
    page.press("Tab");
    assert_eq!(page.eval("document.activeElement.className"), "skip");
    let outline = "getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(page.eval(outline), "solid");
    page.press("Enter");
    page.wait_for("document.activeElement.id === 'main'");
}

fn whoever_logs_in_acts(served: &Served, browser: &Browser) {
    let page = browser.page(DESK);
    page.open(&format!("{}/login?back=/orders/harbor", served.url));
    let send = |token: &str| {
        page.eval(&format!(
            "document.querySelector('input[name=token]').value = '{token}';
             document.querySelector('.login').requestSubmit(); 1"
        ));
    };
    send("wrong");
    page.wait_for(
        "document.querySelector('[role=alert]')?.textContent === 'this token is not known'",
    );
    send(TOKEN);
    page.wait_for("location.pathname === '/orders/harbor' && document.readyState === 'complete'");
    page.eval("document.querySelector('form[action=\"/actions/suspend\"]').requestSubmit(); 1");
    page.wait_for(
        "document.readyState === 'complete' &&
         document.querySelector('.facts .state')?.textContent === 'suspended'",
    );
    page.eval("document.querySelector('form[action=\"/actions/resume\"]').requestSubmit(); 1");
    page.wait_for(
        "document.readyState === 'complete' &&
         document.querySelector('form[action=\"/actions/suspend\"]') !== null",
    );
    page.open(&format!("{}/orders/harbor", served.url));
    assert_eq!(
        page.eval("document.querySelector('.session').innerText.includes('alice')"),
        json!(true)
    );
    page.open(&format!("{}/orders/nothing", served.url));
    let title = "document.querySelector('h1').textContent";
    assert_eq!(page.eval(title), "Not found");
}

/// Names that would do something if they were not text.
fn hostile_names_stay_names(browser: &Browser) {
    let served = serve(super::hostile());
    let page = browser.page(DESK);
    let mut paths: Vec<String> = ["/", "/history", "/plan", "/orders/evil"]
        .map(str::to_owned)
        .into();
    let status = served.live.view();
    let name = status.status.conditions[0].order.clone().unwrap();
    paths.push(format!("/orders/{}", crate::web::pages::text::part(&name)));
    for path in paths {
        page.open(&format!("{}{path}", served.url));
        assert_eq!(page.errors(), Vec::<String>::new(), "{path}");
        let found = page.eval("document.querySelectorAll('main img, main script').length");
        assert_eq!(found, json!(0), "{path}");
        let text = page.eval("document.querySelector('main').textContent");
        let text = text.as_str().unwrap_or_default();
        let is_there = text.contains("<script>alert(2)</script>") || path == "/plan";
        assert!(is_there, "{path}: {text}");
    }
}

/// Makes the pictures of docs/images anew.
#[test]
#[ignore = "writes docs/images; see docs/status-page.md"]
fn screenshots() {
    let served = serve(small());
    served.begin();
    let browser = Browser::start();
    let dark = PageLook {
        is_dark: true,
        ..DESK
    };
    let phone = PHONE;
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images");
    std::fs::create_dir_all(&dir).unwrap();
    for (name, path, look) in [
        ("overview-light", "/", DESK),
        ("overview-dark", "/", dark),
        ("overview-phone", "/", phone),
        ("order-dark", "/orders/fjord", dark),
        ("node-light", "/nodes/fra-pve-01", DESK),
        ("removals-light", "/removals", DESK),
    ] {
        let url = format!("{}{path}", served.url);
        shoot(&browser, look, &url, &dir.join(format!("{name}.png")));
    }
}

fn shoot(browser: &Browser, look: PageLook, url: &str, file: &Path) {
    let page = browser.page(look);
    page.open(url);
    let seen: Value = page.eval("document.fonts.ready.then(() => 1)");
    assert_eq!(seen, json!(1));
    std::fs::write(file, page.screenshot(true)).unwrap();
}
