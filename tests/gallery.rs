//! The gallery of bad input: what a user sees for each mistake.
//!
//! Each directory of `tests/gallery` is a case: `config.yaml`, `orders.yaml` or a
//! directory `orders/`, and `expected.txt` with the whole text. A configuration
//! beside orders is the one they are read with. The texts are for people, so look
//! at them with a user's eyes, then accept them with
//! `SNAPSHOTS=overwrite cargo test --test gallery`. Each case is a test of its own.

#![expect(clippy::disallowed_methods, reason = "reads the gallery")]

use std::fmt::Write as _;
use std::path::Path;

use talos_order::config::{self, ConfigError};
use talos_order::model::{OrderDefaults, OrderSet};
use talos_order::orders;

#[path = "support/expected.rs"]
mod expected;

/// What a user sees of the case in this directory.
fn see(case: &Path) -> String {
    let config_file = case.join("config.yaml");
    let orders_file = case.join("orders.yaml");
    let orders_dir = case.join("orders");
    let config = config_file.exists().then(|| read_config(&config_file));
    let has_orders = orders_file.exists() || orders_dir.exists();
    let defaults = match config {
        Some(Err(why)) => return show_config_error(&why),
        Some(Ok(settings)) => settings.orders,
        None => defaults(),
    };
    assert!(
        has_orders,
        "{}: the configuration was accepted",
        case.display()
    );
    let set = if orders_dir.exists() {
        orders::load(&orders_dir, &defaults).expect("the directory is there")
    } else {
        orders::load(&orders_file, &defaults).expect("the file is there")
    };
    show_orders(&set)
}

/// A configuration as it would be read where one secret variable is set.
fn read_config(file: &Path) -> Result<config::Settings, ConfigError> {
    let text = std::fs::read_to_string(file).expect("a readable case");
    let env = |name: &str| (name == "FACTORY_PASSWORD").then(|| "secret".to_owned());
    config::parse("config.yaml", &text, &env)
}

fn defaults() -> OrderDefaults {
    config::parse("none", "", &|_| None)
        .expect("the defaults are valid")
        .orders
}

fn show_config_error(why: &ConfigError) -> String {
    let mut text = format!("{why}\n");
    for problem in why.problems() {
        writeln!(text, "\n{problem}").expect("a string takes everything");
    }
    text
}

/// The problems, the warnings, and what is used in spite of them.
fn show_orders(set: &OrderSet) -> String {
    let mut text = String::new();
    for problem in set.problems() {
        writeln!(text, "{problem}\n").expect("a string takes everything");
    }
    for warning in &set.warnings {
        writeln!(text, "warning: {warning}\n").expect("a string takes everything");
    }
    let mut used: Vec<String> = Vec::new();
    for order in &set.orders {
        let names = order.positions.iter().map(|position| &position.name);
        used.extend(names.map(|name| format!("{}/{name}", order.id)));
    }
    let used = if used.is_empty() {
        "nothing".to_owned()
    } else {
        used.join(", ")
    };
    writeln!(text, "still used: {used}").expect("a string takes everything");
    text
}

fn main() {
    expected::run_cases(Path::new("tests/gallery"), 130, "expected.txt", |case| {
        // Names are shown as if one stood in the directory of the case.
        see(case).replace(&format!("{}/", case.display()), "")
    });
}
