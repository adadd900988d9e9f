//! Just enough of JSON Schema to compare a value with the schemas we make: types,
//! keys, words, numbers, references and choices.
#![allow(dead_code, reason = "each test file uses its part")]

use serde_json::Value;

/// What does not fit, with paths; empty where all does.
pub fn misfits(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, schema, value, "$", &mut found);
    found
}

fn check(root: &Value, schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    let schema = resolve(root, schema);
    if let Some(choices) = schema["anyOf"].as_array() {
        let fits = |choice: &Value| {
            let mut inner = Vec::new();
            check(root, choice, value, path, &mut inner);
            inner.is_empty()
        };
        if !choices.iter().any(fits) {
            found.push(format!("{path}: fits none of the choices"));
        }
        return;
    }
    if !has_type(&schema["type"], value) {
        found.push(format!("{path}: {value} is not of type {}", schema["type"]));
        return;
    }
    if let Some(words) = words(root, schema)
        && !words.contains(value)
        && !value.is_null()
    {
        found.push(format!("{path}: {value} is none of the words"));
    }
    if let Some(number) = value.as_i64() {
        let at_least = schema["minimum"].as_i64().unwrap_or(i64::MIN);
        let at_most = schema["maximum"].as_i64().unwrap_or(i64::MAX);
        if !(at_least..=at_most).contains(&number) {
            found.push(format!(
                "{path}: {number} is not within {at_least}..={at_most}"
            ));
        }
    }
    if let Some(map) = value.as_object() {
        check_map(root, schema, map, path, found);
    }
    for (index, element) in value.as_array().into_iter().flatten().enumerate() {
        check(
            root,
            &schema["items"],
            element,
            &format!("{path}[{index}]"),
            found,
        );
    }
}

fn check_map(
    root: &Value,
    schema: &Value,
    map: &serde_json::Map<String, Value>,
    path: &str,
    found: &mut Vec<String>,
) {
    for key in schema["required"].as_array().into_iter().flatten() {
        if key.as_str().is_some_and(|key| !map.contains_key(key)) {
            found.push(format!("{path}: {key} is missing"));
        }
    }
    for (key, value) in map {
        let path = format!("{path}.{key}");
        match schema["properties"].get(key) {
            Some(inner) => check(root, inner, value, &path, found),
            None if schema["additionalProperties"] == Value::Bool(false) => {
                found.push(format!("{path}: unknown key"));
            }
            None => {}
        }
    }
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(at) => resolve(
            root,
            root.pointer(at.trim_start_matches('#'))
                .expect("a definition"),
        ),
        None => schema,
    }
}

fn words(_: &Value, schema: &Value) -> Option<Vec<Value>> {
    let choices = schema["oneOf"].as_array();
    let consts = choices.map(|all| all.iter().map(|one| one["const"].clone()).collect());
    consts.or_else(|| schema["enum"].as_array().cloned())
}

fn has_type(wanted: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("type {other} is not expected in our schemas"),
    };
    match wanted {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        _ => true,
    }
}

/// Every key that a schema names, at any depth.
pub fn keys(schema: &Value, into: &mut std::collections::BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            for (name, inner) in map {
                if name == "properties"
                    && let Some(properties) = inner.as_object()
                {
                    into.extend(properties.keys().cloned());
                }
                keys(inner, into);
            }
        }
        Value::Array(all) => all.iter().for_each(|inner| keys(inner, into)),
        _ => {}
    }
}
