//! Units as systemd reads them.

use std::collections::BTreeMap;

use super::*;

/// A unit file, as systemd reads it: the values of each directive in their order.
pub struct Unit(pub BTreeMap<(String, String), Vec<String>>);

impl Unit {
    pub fn read(name: &str) -> Self {
        let mut values: BTreeMap<_, Vec<String>> = BTreeMap::new();
        let mut section = None;
        for line in text(&format!("systemd/{name}")).lines() {
            assert!(!line.ends_with('\\'), "{name}: this reader joins no lines");
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(header) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                section = Some(header.to_owned());
                continue;
            }
            let (key, value) = line.split_once('=').expect("a directive has a value");
            let section = section.clone().expect("a directive stands in a section");
            let key = (section, key.to_owned());
            values.entry(key).or_default().push(value.to_owned());
        }
        Self(values)
    }

    pub fn all(&self, section: &str, key: &str) -> &[String] {
        let key = (section.to_owned(), key.to_owned());
        self.0.get(&key).map_or(&[], Vec::as_slice)
    }

    pub fn service(&self, key: &str) -> &str {
        self.all("Service", key).first().map_or("", String::as_str)
    }

    /// The words of `ExecStart`, with the variables that the unit itself sets.
    pub fn command(&self) -> Vec<String> {
        let variables: BTreeMap<&str, &str> = (self.all("Service", "Environment").iter())
            .filter_map(|pair| pair.trim_matches('"').split_once('='))
            .collect();
        let word = |word: String| match word.strip_prefix("${").and_then(|w| w.strip_suffix('}')) {
            Some(name) => variables[name].to_owned(),
            None => word,
        };
        let words = shell_words::split(self.service("ExecStart")).expect("balanced quotes");
        words.into_iter().map(word).collect()
    }
}
