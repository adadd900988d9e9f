//! Variables for Terraform and OpenTofu, in their own language.

use serde_json::Value;

use super::escape::escape;
use super::tree;
use crate::conclude::outputs::Outputs;

/// A `.tfvars` file: images and templates by order, position and node.
///
/// # Errors
/// When two outputs have the same place.
pub(super) fn tfvars(outputs: &Outputs) -> anyhow::Result<String> {
    let maps = tree::maps(outputs, |place| {
        [&place.order, &place.position, &place.node].map(String::as_str)
    })?;
    let lines = maps
        .iter()
        .map(|(name, value)| format!("{name} = {}\n", expression(value, 0)));
    Ok(lines.collect())
}

fn expression(value: &Value, depth: usize) -> String {
    match value {
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            let indent = "  ".repeat(depth + 1);
            let entries = map.iter().map(|(key, value)| {
                let value = expression(value, depth + 1);
                format!("{indent}{} = {value}\n", quoted(key))
            });
            let entries: String = entries.collect();
            format!("{{\n{entries}{}}}", "  ".repeat(depth))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| expression(item, depth)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::String(text) => quoted(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A string in which nothing is evaluated.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // Doubling it, as is usual, is ambiguous after another one.
            '$' | '%' if chars.peek() == Some(&'{') => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
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
    fn nothing_in_a_string_is_evaluated() {
        for text in [
            "plain",
            "a \"quoted\" \\ one\nand\ttwo\r",
            "${file(\"/etc/passwd\")}",
            "$${a} $$${b} %{ if true } %%{c} $ { 100% }",
            "\u{7f}\u{202e}\u{e0041}é\u{1f600}",
            "",
        ] {
            let body = format!("value = {}\n", quoted(text));
            let body: hcl::Body = hcl::parse(&body).unwrap_or_else(|why| panic!("{body}: {why}"));
            let found = body.attributes().next().unwrap().expr().clone();
            let found = hcl::eval::Evaluate::evaluate(&found, &hcl::eval::Context::new()).unwrap();
            assert_eq!(found.as_str(), Some(text), "{}", quoted(text));
        }
    }
}
