//! Laws of the tree and of reading from it.

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
    Document::parse(Source::new("t.yaml", text)).expect("YAML")
}

fn read_shape(text: &str) -> (Shape, Vec<Problem>) {
    let doc = document(text);
    let mut report = Report::new(&doc);
    let shape = read(&doc.root, &mut report);
    (shape, report.finish())
}

fn refused(text: &str) -> Problem {
    *Document::parse(Source::new("t.yaml", text)).expect_err("not accepted")
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
fn excerpts_are_safe_for_a_terminal() {
    let long = "x".repeat(500);
    let doc = document(&format!("a: \"\t{long}\"\n"));
    let node = doc.root.get("a").expect("a");
    let problems = [
        doc.problem(node.id, "here"),
        refused(&format!("a: \"\u{1b}[31m{long}\"\n")),
    ];
    for shown in problems.map(|problem| problem.to_string()) {
        assert!(!shown.contains(['\u{1b}', '\t']));
        assert!(shown.lines().all(|line| line.chars().count() < 130));
    }
}

#[test]
fn a_byte_order_mark_is_dropped_and_columns_stay_right() {
    let source = Source::from_bytes("t.yaml", b"\xef\xbb\xbfflag: 1.10\n").expect("UTF-8");
    let doc = Document::parse(source).expect("YAML");
    let node = doc.root.get("flag").expect("flag");
    assert_eq!(node.text(), Some("1.10"));
    assert_eq!(doc.problem(node.id, "").column, Some(7));
}

#[test]
fn files_over_the_limit_are_refused_unread() {
    let bytes = vec![b'#'; usize::try_from(MAX_BYTES).expect("a size") + 1];
    let problem = Source::from_bytes("big.yaml", &bytes).expect_err("too large");
    assert_eq!(
        problem.headline(),
        "big.yaml: the file is larger than 1 MiB"
    );
}

/// Each of these is under the size limit and would take gigabytes or minutes
/// without a limit of its own.
#[test]
fn bombs_end_with_a_reason() {
    let half = 500_000;
    let aliases = format!(
        "a: &a \"{}\"\nb: [{}]\n",
        "x".repeat(half),
        "*a,".repeat(1_500)
    );
    let long_key = format!("? \"{}\"\n: [{}]\n", "k".repeat(half), "1,".repeat(90_000));
    let many_keys: String = (0..70_000).map(|n| format!("k{n}: 1\n")).collect();
    let same_keys = "k: 1\n".repeat(90_000);
    let values = format!("[{}]", "1,".repeat(250_000));
    let deep_block: String = (0..400).map(|n| format!("{}- \n", " ".repeat(n))).collect();
    // On one line, each with a mistake beside it: nothing may go through the line anew
    // for each of its values.
    let one_line = format!(
        "[{}{{flag: 1, url: \"{}\"}}]",
        "a,".repeat(150_000),
        "://@".repeat(50_000)
    );
    let doc = document(&one_line);
    let last = doc.root.elements().last().expect("a map");
    let mut report = Report::new(&doc);
    let _: Shape = read(last, &mut report);
    assert_eq!(report.finish().len(), 2);
    assert!(
        refused(&aliases).message.contains("MiB of text"),
        "{}",
        refused(&aliases)
    );
    assert!(refused(&values).message.contains("more than 200000 values"));
    assert!(
        refused(&deep_block)
            .message
            .contains("nested deeper than 32")
    );
    for text in [&long_key, &many_keys, &same_keys] {
        let doc = document(text);
        let mut report = Report::new(&doc);
        let _: Shape = read(&doc.root, &mut report);
        assert!((1..=20).contains(&report.finish().len()));
    }
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
        if let Ok(doc) = Document::parse(Source::new("t.yaml", &text)) {
            let mut report = Report::new(&doc);
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
fn tags_that_change_a_scalar_are_refused() {
    for tag in [
        "!!int",
        "!!float",
        "!!bool",
        "!!null",
        "!!binary",
        "!!timestamp",
        "!mine",
    ] {
        for text in ["text: {} \"10\"\n", "- &a {} 10\n", "text: {} &a 10\n"] {
            refused(&text.replace("{}", tag));
        }
    }
}

#[test]
fn empty_documents_are_no_second_document() {
    for text in [
        "flag: yes\n---\n",
        "flag: yes\n---",
        "flag: yes\n---\n# the end\n---\n...\n",
        "---\nflag: yes\n---\n",
        "# a remark\n---\nflag: yes\n...\n",
        "---\n---\nflag: yes\n",
        "--- # first\n---\nflag: yes\n--- # last\n",
        "%YAML 1.2\n---\nflag: yes\n---\n",
        "text: |\n  ---\n  ...\nflag: yes\n---\n",
    ] {
        let (shape, problems) = read_shape(text);
        assert!(problems.is_empty(), "{text:?}: {problems:?}");
        assert_eq!(shape.flag, Some(true), "{text:?}");
    }
    for text in ["a: 1\n---\nb: 2\n", "a: 1\n--- b\n", "--- a\n--- b\n"] {
        let message = refused(text).message;
        assert!(
            message.contains("second YAML document") || message.contains("neither"),
            "{text:?}: {message}"
        );
    }
}

#[test]
fn a_blank_that_is_none_is_named_where_it_stands() {
    for (text, line, column, words) in [
        (
            "- orderid: a\n\u{a0}\u{a0}positions: []\n",
            2,
            1,
            "a no-break space (U+00A0)",
        ),
        (
            "- orderid: a\n\tpositions: []\n",
            2,
            1,
            "indented with a tab",
        ),
        (
            "- orderid: a\n  \tpositions: []\n",
            2,
            3,
            "indented with a tab",
        ),
        ("a: 1\n\u{feff}b: : 2\n", 2, 1, "a byte order mark (U+FEFF)"),
        (
            "a: [1,\u{3000}2\nb: 3\n",
            1,
            7,
            "an ideographic space (U+3000)",
        ),
    ] {
        let problem = refused(text);
        assert_eq!(
            (problem.line, problem.column),
            (Some(line), Some(column)),
            "{problem}"
        );
        assert!(problem.message.contains(words), "{problem}");
        assert!(problem.hint.is_some());
    }
}

#[test]
fn nothing_is_repeated_of_a_file_that_is_no_map_and_no_list() {
    let secrets = [
        "hunter2\n",
        "hunter2 hunter2\n",
        "root:hunter2:19000:0:99999:7:::\n",
        "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n",
        "TOKEN=hunter2\n",
        "machine x login y password hunter2\n",
        "\"hunter2\n",
        "@hunter2\n",
        "*hunter2\n",
        "!hunter2 x\n",
        "'hunter2' x\n",
        "12345hunter2\n",
        "eyJhbGciOi.hunter2.x\n",
    ];
    for text in secrets {
        let shown = match Document::parse(Source::new("t.yaml", text)) {
            Err(problem) => format!("{problem}{problem:?}"),
            Ok(doc) => {
                let mut report = Report::new(&doc);
                let _: Shape = read(&doc.root, &mut report);
                report.at(doc.root.id, doc.describe(&doc.root));
                let problems = report.finish();
                format!("{problems:?}")
            }
        };
        assert!(!shown.contains("hunter2") && !shown.is_empty(), "{shown}");
    }
}

#[test]
fn excerpts_leave_secrets_out() {
    for text in [
        "password: hunter2\nflag: 1\n",
        "factory:\n  token: hunter2\nflag: 1\n",
        "token: |\n  hunter2\nflag: 1\n",
        "secret:\n  - hunter2\nflag: 1\n",
        "url: https://u:hunter2@host/\nflag: 1\n",
        "flag: 1 # x\npassword: hunter2\n",
        "{password: hunter2, flag: 1}\n",
    ] {
        let (_, problems) = read_shape(text);
        let shown = format!("{problems:?}");
        assert!(
            shown.contains("flag") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
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
