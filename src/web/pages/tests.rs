//! Pages of a made-up fleet: what they show, what they never do, and how large they get.

mod attention;
mod browser;
mod copies;
mod fleet;
mod hostile;
mod in_browser;
mod markup;
mod orders_text;
mod rollout;
mod run_now;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::conclude::{SourceLine, SourceState};
use crate::facts::ApprovalId;
use crate::live::ManifestUpdate;
use fleet::{Fleet, Trouble, fleet, now};
use hostile::{EVIL, hostile};
use orders_text::{CONFIG, orders_text, removed_text};
use run_now::{all_is_done, downloads_fail, running};

/// What a test asks a page with.
struct Asked {
    access: Access,
    approved: BTreeSet<ApprovalId>,
}

impl Asked {
    fn reader() -> Self {
        Self {
            access: Access::ReadOnly,
            approved: BTreeSet::new(),
        }
    }

    fn operator() -> Self {
        Self {
            access: Access::LoggedIn {
                name: "alice".to_owned(),
                csrf: "the-key".to_owned(),
            },
            approved: BTreeSet::new(),
        }
    }

    fn visit<'a>(&'a self, fleet: &'a Fleet) -> Visit<'a> {
        Visit {
            view: &fleet.view,
            network: &fleet.network,
            node_reserve: 2 << 30,
            access: &self.access,
            approved: &self.approved,
            path: "/orders/a?x=\"><b>",
            now: now(),
        }
    }

    /// Every page of the fleet, by its path.
    fn pages(&self, fleet: &Fleet) -> Vec<(String, String)> {
        let visit = self.visit(fleet);
        let overview_all = OverviewQuery::default();
        let mut found = vec![
            (
                "/".to_owned(),
                overview(&visit, &overview_all, &fleet.history).unwrap(),
            ),
            (
                "/plan".to_owned(),
                plan(&visit, &PlanQuery::default()).unwrap(),
            ),
            ("/removals".to_owned(), removals(&visit).unwrap()),
            (
                "/history".to_owned(),
                history(&visit, &HistoryQuery::default(), &fleet.history).unwrap(),
            ),
            ("/login".to_owned(), login("/", Some("no")).unwrap()),
            ("404".to_owned(), message("Not found", "nothing").unwrap()),
        ];
        let status = &fleet.view.status;
        let names: BTreeSet<&str> = status
            .conditions
            .iter()
            .filter_map(|one| one.order.as_deref())
            .collect();
        let files = OrderFiles {
            manifest: Some(Ok("entries:\n  - <b>\n".to_owned())),
        };
        for name in names {
            let page = order(&visit, name, &files).unwrap().unwrap();
            found.push((format!("/orders/{name}"), page));
        }
        for name in status.nodes.keys() {
            let page = node(&visit, name.as_str()).unwrap().unwrap();
            found.push((format!("/nodes/{name}"), page));
        }
        for name in status.images.keys() {
            let page = image(&visit, name.as_str()).unwrap().unwrap();
            found.push((format!("/images/{name}"), page));
        }
        found
    }
}

fn small() -> Fleet {
    let trouble = Trouble {
        unreachable: &["edge-02"],
        full: &["ber-pve-03"],
        missing: &["fjord", "nightly"],
        removed: &removed_text(),
    };
    fleet(CONFIG, &orders_text(), &trouble, downloads_fail)
}

/// The page of a path.
fn page<'a>(pages: &'a [(String, String)], path: &str) -> &'a str {
    let found = pages.iter().find(|(at, _)| at == path);
    let known: Vec<&String> = pages.iter().map(|(at, _)| at).collect();
    &found.unwrap_or_else(|| panic!("{path}: {known:?}")).1
}

#[test]
fn pages_show_what_is_known() {
    let mut fleet = small();
    let pages = Asked::reader().pages(&fleet);
    for (path, says) in [
        ("/", "class=\"verdict stalled\""),
        (
            "/",
            "<a href=\"/orders/harbor\">harbor</a> <small>Harbor Clinics</small>",
        ),
        ("/", "<b class=\"count\">"),
        ("/", "<option>fra</option>"),
        ("/orders/fjord", "answer 404 Not Found"),
        (
            "/orders/harbor",
            "the newest release in the list of the Image Factory",
        ),
        ("/orders/harbor", "officialExtensions"),
        ("/orders/paused", "the order has `suspend: true`"),
        ("/nodes/fra-pve-02", "through relay fra-pve-01"),
        ("/nodes/fra-pve-01", "it is the relay of its site"),
        ("/nodes/fra-pve-01", "11.0 MiB/s, measured"),
        ("/nodes/fra-pve-01", "debian-13.1.iso"),
        ("/nodes/fra-pve-01", "not wanted any more"),
        ("/nodes/fra-pve-01", "has to stay free"),
        ("/nodes/edge-02", "No route to host"),
        ("/removals", "at most 3 may go without approval"),
        ("/removals", "<code>talos-order approve "),
        ("/plan", "<span class=\"stop\">"),
        ("/plan", "answer 404 Not Found"),
        ("/history", "the last one first"),
    ] {
        let page = page(&pages, path);
        assert!(page.contains(says), "{path}: {says}\n{page}");
    }
    let iso = pages.iter().find(|(path, _)| path.starts_with("/images/"));
    let (_, image) = iso.expect("an image");
    for says in [
        "https://factory.talos.dev/image/",
        "checksum file",
        "whole, 11",
    ] {
        assert!(image.contains(says), "{says}\n{image}");
    }

    let change = ManifestUpdate {
        at: now(),
        diff: "--- old\n+++ new\n-version: v1\n+version: <v2>\n".to_owned(),
    };
    let changes = BTreeMap::from([("harbor".parse().unwrap(), Arc::new(change))]);
    fleet.view.manifest_changes = Arc::new(changes);
    Arc::make_mut(&mut fleet.view.status).source = Some(SourceLine {
        commit: Some("4f1c9a7be2d05c31aa".to_owned()),
        author: Some("Ada <ada@example.org>".to_owned()),
        subject: Some("Borealis gets the guest agent".to_owned()),
        state: SourceState::Rejected,
        message: Some("the commit is not signed".to_owned()),
        ..SourceLine::default()
    });
    running(&mut fleet);
    let pages = Asked::reader().pages(&fleet);
    for (path, says) in [
        (
            "/",
            "<code title=\"4f1c9a7be2d05c31aa\">4f1c9a7be2d0</code>",
        ),
        ("/", "is not in effect:</strong> the commit is not signed"),
        ("/orders/harbor", "by Ada &#60;ada@example.org&#62;"),
        (
            "/orders/harbor",
            "<span class=\"prune\">-version: v1</span>",
        ),
        (
            "/orders/harbor",
            "<span class=\"add\">+version: &#60;v2&#62;</span>",
        ),
        ("/", "role=\"status\">Run (change): "),
        ("/", "73 % · 71.0 MiB of 96.0 MiB · 10.1 MiB/s · 2 s left"),
        ("/", "data-running=\"true\""),
        (
            "/plan",
            "<span class=\"state in-progress\">in progress</span>",
        ),
    ] {
        let page = page(&pages, path);
        assert!(page.contains(says), "{path}: {says}\n{page}");
    }
}

/// A run observes before it acts; what it did is shown all the same.
#[test]
fn what_the_run_did_is_added_to_what_it_observed() {
    let trouble = Trouble {
        missing: &["fjord"],
        ..Trouble::default()
    };
    let fleet = fleet(CONFIG, &orders_text(), &trouble, all_is_done);
    let pages = Asked::reader().pages(&fleet);
    let order = page(&pages, "/orders/fjord");
    assert!(order.contains("in the cache, 11"), "{order}");
    assert!(order.contains("3 of 3 places"), "{order}");
    let node = page(&pages, "/nodes/ber-pve-01");
    assert!(!node.contains("out of sync"), "{node}");
    assert!(
        node.contains("8 files: 6 wanted, in sync, 2 foreign"),
        "{node}"
    );
    assert!(page(&pages, "/removals").contains("No removal waits for approval."));
}

#[test]
fn forms_are_for_whoever_is_logged_in() {
    let fleet = small();
    for (path, page) in Asked::reader().pages(&fleet) {
        let is_form = page.contains("method=\"post\"") && path != "/login";
        assert!(!is_form, "{path}");
    }
    let pages = Asked::operator().pages(&fleet);
    for (path, action) in [
        ("/", "/actions/suspend"),
        ("/", "/actions/reconcile"),
        ("/", "/logout"),
        ("/orders/harbor", "/actions/suspend"),
        ("/nodes/fra-pve-01", "/actions/reconcile"),
        ("/removals", "/actions/approve"),
    ] {
        let page = page(&pages, path);
        let form = format!(
            "<form method=\"post\" action=\"{action}\"><input type=\"hidden\" name=\"csrf\" \
             value=\"the-key\">"
        );
        assert!(page.contains(&form), "{path}: {action}\n{page}");
    }
    let mut asked = Asked::operator();
    let approvals = page(&pages, "/removals");
    let id = approvals.split("name=\"id\" value=\"").nth(1).unwrap();
    asked.approved.insert(ApprovalId(id[..12].to_owned()));
    let pages = asked.pages(&fleet);
    assert!(page(&pages, "/removals").contains("Approved. The next run removes them."));
}

#[test]
fn every_page_is_well_formed_and_says_what_is_what() {
    let mut fleet = small();
    for is_running in [false, true] {
        if is_running {
            running(&mut fleet);
        }
        for asked in [Asked::reader(), Asked::operator()] {
            for (path, page) in asked.pages(&fleet) {
                let found = markup::problems(&page);
                assert!(found.is_empty(), "{path}: {found:#?}\n{page}");
            }
        }
    }
}

#[test]
fn text_of_others_is_no_markup_and_hides_nothing() {
    let fleet = hostile();
    for (path, page) in Asked::operator().pages(&fleet) {
        for bad in [
            "<img",
            "<script>",
            "onerror=alert(1)>",
            "\u{202e}",
            "\u{200b}",
        ] {
            assert!(!page.contains(bad), "{path}: {bad:?}\n{page}");
        }
        let found = markup::problems(&page);
        assert!(found.is_empty(), "{path}: {found:#?}\n{page}");
    }
    let found = message("x", EVIL).unwrap();
    assert!(
        found.contains("&#60;script&#62;alert(2)&#60;/script&#62;\\u{202e}gnp"),
        "{found}"
    );
}

#[test]
fn the_matrix_is_filtered_and_paged() {
    let fleet = small();
    let asked = Asked::reader();
    let rows = |query: &OverviewQuery| -> Vec<String> {
        let page = overview(&asked.visit(&fleet), query, &fleet.history).unwrap();
        let table = page.split("<tbody>").nth(1).unwrap_or_default();
        let table = table.split("</tbody>").next().unwrap_or_default();
        let rows = table.split("<th scope=\"row\"><a href=\"/orders/").skip(1);
        let name = |row: &str| row.split('"').next().unwrap_or_default().to_owned();
        rows.map(name).collect()
    };
    let all = OverviewQuery::default();
    assert_eq!(rows(&all).len(), 13);
    let acme = OverviewQuery {
        order: "acme".to_owned(),
        ..all.clone()
    };
    assert_eq!(rows(&acme), ["acme-prod", "acme-stage"]);
    let edge = OverviewQuery {
        node: "edge".to_owned(),
        ..all.clone()
    };
    assert_eq!(rows(&edge), ["cobalt-edge"]);
    let site = OverviewQuery {
        site: "ber".to_owned(),
        state: "in-sync".to_owned(),
        ..all.clone()
    };
    assert!(rows(&site).contains(&"harbor".to_owned()));
    assert!(!rows(&site).contains(&"fjord".to_owned()));
    let failed = OverviewQuery {
        state: "failed".to_owned(),
        ..all.clone()
    };
    assert_eq!(rows(&failed), ["fjord", "nightly"]);
    let none = OverviewQuery {
        order: "<b>".to_owned(),
        ..all
    };
    assert_eq!(rows(&none), Vec::<String>::new());
}

/// What a thousand orders on a hundred nodes come to. How long it takes is printed: a
/// machine that is busy proves nothing.
#[test]
fn a_thousand_orders_on_a_hundred_nodes_are_a_page() {
    let fleet = fleet::large(1000, 100);
    let asked = Asked::reader();
    let begin = std::time::Instant::now();
    let page = overview(
        &asked.visit(&fleet),
        &OverviewQuery::default(),
        &fleet.history,
    );
    let page = page.unwrap();
    let size = page.len();
    println!("overview: {size} bytes in {:?}", begin.elapsed());
    assert!(size < 512 << 10, "{size}");
    assert!(page.contains("Orders 1–50 of 1000, nodes 1–40 of 100"));
    let found = markup::problems(&page);
    assert!(found.is_empty(), "{found:#?}");
    for (path, page) in [
        (
            "order",
            order(&asked.visit(&fleet), "order-0001", &OrderFiles::default()),
        ),
        ("node", node(&asked.visit(&fleet), "pve-001")),
    ] {
        let size = page.unwrap().unwrap().len();
        println!("{path}: {size} bytes");
        assert!(size < 2 << 20, "{path}: {size}");
    }
}
