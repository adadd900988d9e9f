//! Laws of the tree and of reading from it.

mod texts;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::model::Problem;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    text: Option<At<String>>,
    flag: Option<bool>,
    port: Option<At<u16>>,
    list: Option<Vec<String>>,
    inner: Option<Box<Shape>>,
    either: Option<TextOr<Box<Shape>>>,
    any: Option<serde_json::Value>,
}

fn document(text: &str) -> Document {
    Document::parse(SourceText::new("t.yaml", text)).expect("YAML")
}

fn read_shape(text: &str) -> (Shape, Vec<Problem>) {
    let doc = document(text);
    let mut report = ProblemReport::new(&doc);
    let shape = read(&doc.root, &mut report);
    (shape, report.finish())
}

fn refused(text: &str) -> Problem {
    *Document::parse(SourceText::new("t.yaml", text)).expect_err("not accepted")
}

#[test]
fn scalars_keep_their_spelling() {
    for written in [
        "1.10",
        "0x1F",
        "007",
        "1_000",
        "1e999",
        "yes",
        "Off",
        "y",
        "12e45",
        "2026-01-01",
    ] {
        let (shape, problems) = read_shape(&format!("text: &anchor {written} # a remark\n"));
        assert!(problems.is_empty());
        assert_eq!(shape.text.expect("a text").value, written);
    }
}

#[test]
fn booleans_of_yaml_1_1_are_booleans_and_quoted_ones_are_not() {
    for (written, meant) in [
        ("yes", true),
        ("On", true),
        ("TRUE", true),
        ("no", false),
        ("off", false),
    ] {
        assert_eq!(read_shape(&format!("flag: {written}")).0.flag, Some(meant));
    }
    for written in ["\"yes\"", "y", "1", "[]"] {
        let (shape, problems) = read_shape(&format!("flag: {written}"));
        assert_eq!((shape.flag, problems.len()), (None, 1), "{written}");
    }
}

#[test]
fn null_is_as_good_as_absent() {
    let (shape, problems) = read_shape("text:\nflag: ~\nlist: null\ninner:\n");
    assert!(problems.is_empty());
    assert!(shape.text.is_none() && shape.flag.is_none() && shape.inner.is_none());
}

#[test]
fn everything_that_does_not_fit_is_told_and_the_rest_is_read() {
    let (shape, problems) = read_shape(
        "flag: maybe\ntxet: x\nport: 70000\ntext: good\nlist: {a: b}\ninner:\n  flag: 1\n  flag: no\n",
    );
    let places: Vec<(Option<u64>, &str)> = problems
        .iter()
        .map(|problem| (problem.line, problem.path.as_str()))
        .collect();
    assert_eq!(
        places,
        [
            (Some(1), "flag"),
            (Some(2), "txet"),
            (Some(3), "port"),
            (Some(5), "list"),
            (Some(7), "inner.flag"),
            (Some(8), "inner.flag"),
        ]
    );
    assert_eq!(shape.text.expect("the good one").value, "good");
    assert!(shape.port.is_none() && shape.list.is_none());
}

#[test]
fn merges_and_aliases_unfold() {
    let (shape, problems) = read_shape(
        "inner: &base\n  text: from base\n  flag: yes\neither:\n  <<: *base\n  flag: no\nany: *base\n",
    );
    assert!(problems.is_empty(), "{problems:?}");
    let Some(TextOr::Map(merged)) = shape.either else {
        panic!("a map");
    };
    assert_eq!(merged.flag, Some(false));
    assert_eq!(merged.text.expect("merged").value, "from base");
    assert_eq!(
        shape.any,
        Some(serde_json::json!({"text": "from base", "flag": true}))
    );
}

#[test]
fn places_are_where_the_text_stands() {
    let doc = document("ключ:\n  - a\n  - {b: \"x\"}\n");
    let inner = doc.root.get("ключ").expect("a key").elements()[1]
        .get("b")
        .expect("b");
    let problem = doc.problem(inner.id, "here");
    assert_eq!(
        problem.to_string(),
        "t.yaml:3:9: ключ[1].b: here\n  2 |   - a\n  3 |   - {b: \"x\"}\n    |         ^^^"
    );
}

#[test]
fn the_nearest_word_is_found_if_it_is_near() {
    let words = ["platform", "push", "name"];
    assert_eq!(one_of("platfrom", words), Some("platform"));
    assert_eq!(one_of("Plat-Form", words), Some("platform"));
    assert_eq!(one_of("zebra", words), None);
    assert_eq!(one_of(&"platform".repeat(1000), words), None);
}

proptest! {
    /// Whatever is in a file, reading it ends with a shape and problems.
    #[test]
    fn no_text_panics(text in "[-a-z:&*!|>'\"\\[\\]{}#<\n\t ,é0-9.~]{0,120}") {
        if let Ok(doc) = Document::parse(SourceText::new("t.yaml", &text)) {
            let mut report = ProblemReport::new(&doc);
            let _: Shape = read(&doc.root, &mut report);
            for problem in report.finish() {
                prop_assert!(!problem.to_string().is_empty());
            }
        }
    }

    /// What is written in quotes comes back as it was.
    #[test]
    fn quoted_text_comes_back(text in "[^\\p{C}'\u{2028}\u{2029}]{0,60}") {
        let (shape, problems) = read_shape(&format!("text: '{text}'\n"));
        prop_assert!(problems.is_empty());
        prop_assert_eq!(shape.text.expect("a text").value, text);
    }
}

#[test]
fn scalars_without_quotes_are_told_apart() {
    for (written, plain) in [
        ("abc", true),
        ("010", true),
        ("yes", true),
        ("2026-01-01", true),
        ("&anchor 1", true),
        ("\"abc\"", false),
        ("'010'", false),
        ("&anchor \"x\"", false),
        ("|\n  abc", false),
        (">-\n  abc", false),
        ("&anchor |\n  abc", false),
        ("!!str 010", false),
        ("&a !!str 010", false),
        ("!!str &a 010", false),
    ] {
        let doc = document(&format!("text: {written}\n"));
        let node = doc.root.get("text").expect("a value");
        assert_eq!(doc.is_plain(node.id), plain, "{written}");
    }
    let doc = document("list: [a, 'b', \"c\"]\nmap: {1: a, '2': b}\nalias: &a x\nsame: *a\n");
    let list = doc.root.get("list").expect("a list");
    let plain: Vec<bool> = list
        .elements()
        .iter()
        .map(|node| doc.is_plain(node.id))
        .collect();
    assert_eq!(plain, [true, false, false]);
    let map = doc.root.get("map").expect("a map");
    let plain: Vec<bool> = map
        .entries()
        .iter()
        .map(|entry| doc.is_plain_key(entry))
        .collect();
    assert_eq!(plain, [true, false]);
    assert!(doc.is_plain(doc.root.get("same").expect("an alias").id));
}

#[test]
fn numbers_that_readers_read_apart_are_refused() {
    for (written, port) in [("22", Some(22)), ("0x16", Some(22)), ("0", Some(0))] {
        let (shape, problems) = read_shape(&format!("port: {written}"));
        assert!(problems.is_empty());
        assert_eq!(shape.port.map(|at| at.value), port);
    }
    for (written, words) in [
        ("022", "write 22 or 18"),
        ("00", "write 0"),
        ("09", "write 9"),
    ] {
        let (_, problems) = read_shape(&format!("port: {written}"));
        assert!(
            problems[0].message.ends_with(words),
            "{}",
            problems[0].message
        );
    }
}
