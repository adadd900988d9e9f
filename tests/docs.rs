//! The documentation is true: every block of YAML in it loads, and every key that
//! the program accepts is in it.

#![expect(clippy::disallowed_methods, reason = "reads the pages")]

use std::collections::BTreeSet;

use clap::Parser;
use serde_json::Value;
use talos_order::cli::Cli;
use talos_order::model::OrderDefaults;
use talos_order::{config, orders};

#[path = "support/schema.rs"]
mod schema;

/// The fenced blocks of YAML in a page, each with the line it starts on.
fn yaml_blocks(page: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in page.lines().enumerate() {
        match &mut open {
            None if line.trim() == "```yaml" => open = Some((number + 2, String::new())),
            None => {}
            Some(_) if line.trim() == "```" => blocks.extend(open.take()),
            Some((_, text)) => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

fn page(name: &str) -> String {
    std::fs::read_to_string(name).expect("a readable page")
}

/// Every page that a user reads.
fn pages() -> Vec<String> {
    let mut pages: Vec<String> = std::fs::read_dir("docs")
        .expect("the pages")
        .map(|entry| entry.expect("an entry").path().display().to_string())
        .filter(|name| name.ends_with(".md"))
        .collect();
    pages.extend(["README.md", "SECURITY.md", "CHANGELOG.md"].map(str::to_owned));
    pages.sort();
    pages
}

/// What GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn every_link_between_the_pages_leads_somewhere() {
    let mut seen = 0;
    for name in pages() {
        let text = page(&name);
        let folder = std::path::Path::new(&name).parent().expect("a folder");
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap_or_default();
            if link.contains("://") {
                continue;
            }
            let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => std::path::PathBuf::from(&name),
                path => folder.join(path),
            };
            assert!(target.exists(), "{name} links to {link}");
            if !fragment.is_empty() {
                let target = page(&target.display().to_string());
                let found = target
                    .lines()
                    .any(|line| line.starts_with('#') && anchor(line) == fragment);
                assert!(found, "{name} links to {link}");
            }
            seen += 1;
        }
    }
    assert!(seen >= 20, "only {seen} links were found");
}

/// The README is the index of the pages, and its tables say nothing twice.
#[test]
fn the_readme_leads_to_every_page_and_repeats_nothing() {
    let readme = page("README.md");
    for name in pages().iter().filter(|name| name.starts_with("docs/")) {
        assert!(
            readme.contains(&format!("]({name})")),
            "{name} is not linked"
        );
    }
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut seen = BTreeSet::new();
    for command in rows.filter_map(|row| row.split("` ").next()) {
        assert!(seen.insert(command.to_owned()), "{command} is there twice");
    }
    assert!(seen.len() > 10, "only {} rows", seen.len());
}

/// The secrets that the page names are not there, and not needed.
fn read_config(file: &str, text: &str) -> config::Settings {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("config.yaml");
    std::fs::write(&path, text).expect("a file");
    config::load_without_secrets(Some(&path))
        .unwrap_or_else(|why| panic!("{file}: {why}: {:#?}", why.problems()))
}

/// The inventory that the page on orders speaks of.
fn example_defaults() -> OrderDefaults {
    read_config("examples/config.yaml", &page("examples/config.yaml")).orders
}

/// The blocks of YAML in all pages, each with its place; of configurations, or of
/// orders.
fn examples(of_orders: bool) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in pages() {
        for (line, text) in yaml_blocks(&page(&name)) {
            if text.contains("orderid:") == of_orders {
                found.push((format!("{name}:{line}"), text));
            }
        }
    }
    found
}

#[test]
fn every_configuration_in_the_docs_loads() {
    let blocks = examples(false);
    assert!(
        blocks.len() >= 15,
        "only {} blocks were found",
        blocks.len()
    );
    for (place, text) in blocks {
        read_config(&place, &text);
    }
}

/// Every command line in the docs is one that the program accepts.
#[test]
fn every_command_in_the_docs_is_accepted() {
    let mut seen = 0;
    for name in pages() {
        let mut in_console = false;
        for line in page(&name).lines() {
            // A prompt makes a line of a console a command; the rest is prose or an answer.
            let line = line.trim();
            in_console = match line {
                "```console" => true,
                "```" => false,
                _ => in_console,
            };
            let prompt = ["$ ", "# "]
                .iter()
                .find_map(|prompt| line.strip_prefix(prompt));
            let Some(command) = prompt.filter(|_| in_console) else {
                continue;
            };
            let user = "runuser -u talos-order -- ";
            let command = command.strip_prefix(user).unwrap_or(command);
            let command = command.strip_prefix("sudo ").unwrap_or(command);
            let Some(rest) = command.strip_prefix("talos-order") else {
                continue;
            };
            if !rest.is_empty() && !rest.starts_with(' ') {
                continue;
            }
            // What a shell would do with the rest is not the program's.
            let words = rest.split(['|', '>', '#', '&']).next().unwrap_or_default();
            let words = shell_words::split(words).expect("words");
            let line = std::iter::once("talos-order".to_owned()).chain(words);
            Cli::try_parse_from(line).unwrap_or_else(|why| panic!("{name}: {command}: {why}"));
            seen += 1;
        }
    }
    assert!(seen >= 12, "only {seen} command lines were found");
}

#[test]
fn every_order_in_the_docs_loads() {
    let defaults = example_defaults();
    let blocks = examples(true);
    assert!(blocks.len() >= 8, "only {} blocks were found", blocks.len());
    for (place, text) in blocks {
        let set = orders::parse(&place, &text, &defaults);
        let problems: Vec<String> = set.problems().map(ToString::to_string).collect();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        assert!(!set.orders.is_empty());
    }
}

/// The words in headings and in code spans: where a page tells of a key.
fn named_words(page: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut add = |text: &str| {
        let parts = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.extend(parts.map(str::to_owned));
    };
    for line in page.lines() {
        if line.starts_with('#') {
            add(line);
        }
        line.split('`').skip(1).step_by(2).for_each(&mut add);
    }
    words
}

fn assert_documented(schema: &Value, page_name: &str) {
    let mut keys = BTreeSet::new();
    schema::keys(schema, &mut keys);
    assert!(keys.len() > 20, "the schema has keys");
    let missing: Vec<String> = keys
        .difference(&named_words(&page(page_name)))
        .cloned()
        .collect();
    assert!(
        missing.is_empty(),
        "{page_name} does not tell of {missing:?}"
    );
}

#[test]
fn every_key_is_documented() {
    assert_documented(&config::json_schema(), "docs/configuration.md");
    assert_documented(&orders::json_schema(), "docs/orders.md");
}

/// The keys of a file of YAML in block style.
fn keys_of(file: &str) -> BTreeSet<String> {
    let keys = page(file);
    let keys = keys.lines().filter_map(|line| {
        let (key, _) = line.trim_start_matches([' ', '-']).split_once(':')?;
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        key.chars().all(word).then(|| key.to_owned())
    });
    keys.collect()
}

#[test]
fn the_migration_tells_of_every_key_of_the_original() {
    let named = named_words(&page("docs/migration.md"));
    for file in [
        "examples/legacy/config.yaml",
        "examples/legacy/orders.yaml",
        "tests/golden/manifest.yaml",
    ] {
        let keys = keys_of(file);
        assert!(keys.len() > 10, "{file} has keys");
        let missing: Vec<&String> = keys.difference(&named).collect();
        assert!(missing.is_empty(), "{file} has {missing:?}");
    }
}
