//! Variables for Ansible, in YAML.

use serde_json::Value;

use super::escape::escape;
use super::tree;
use crate::conclude::outputs::Outputs;

/// A file of variables: images and templates by node, order and position.
///
/// # Errors
/// When two outputs have the same place.
pub(super) fn vars(outputs: &Outputs) -> anyhow::Result<String> {
    let maps = tree::maps(outputs, |place| {
        [&place.node, &place.order, &place.position].map(String::as_str)
    })?;
    let mut text = String::from("---\n");
    for (name, value) in &maps {
        text.push_str(&format!("{name}:{}\n", node(value, 1)));
    }
    Ok(text)
}

/// What follows a colon. The writer of the other YAML forms has no tags.
fn node(value: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) if map.is_empty() => " {}".to_owned(),
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| {
                let value = node(value, depth + 1);
                format!("\n{indent}{}:{value}", quoted(key))
            });
            entries.collect()
        }
        Value::Array(items) if items.is_empty() => " []".to_owned(),
        Value::Array(items) => {
            let items = items
                .iter()
                .map(|item| format!("\n{indent}-{}", node(item, depth + 1)));
            items.collect()
        }
        // Ansible would evaluate a template in it, and run what that says.
        Value::String(text) if ["{{", "{%", "{#"].iter().any(|open| text.contains(open)) => {
            format!(" !unsafe {}", quoted(text))
        }
        Value::String(text) => format!(" {}", quoted(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => format!(" {value}"),
    }
}

/// A text in the double quotes of YAML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c => match escape(c) {
                Some(escaped) => quoted.push_str(&escaped),
                None => quoted.push(c),
            },
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_the_same_after_reading_it() {
        for text in [
            "plain",
            "a: \"quoted\" \\ 'one'\nand\ttwo\r # no comment",
            "*alias &anchor !tag - [] {}",
            "no",
            "\u{7f}\u{85}\u{2028}\u{202e}\u{e0041}é\u{1f600}",
            "",
        ] {
            let found: Value = serde_yaml::from_str(&format!("value:{}\n", node(&text.into(), 1)))
                .unwrap_or_else(|why| panic!("{text:?}: {why}"));
            assert_eq!(found["value"], text);
        }
    }

    #[test]
    fn a_template_is_not_evaluated() {
        for text in ["{{ lookup('pipe', 'id') }}", "{% raw %}", "{# a #}"] {
            assert!(node(&text.into(), 1).starts_with(" !unsafe \""), "{text}");
        }
        assert_eq!(node(&"{ a }".into(), 1), " \"{ a }\"");
    }
}
