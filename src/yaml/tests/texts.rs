//! Texts that are refused or cut, and what of them is shown.

use super::*;

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
    let source = SourceText::from_bytes("t.yaml", b"\xef\xbb\xbfflag: 1.10\n").expect("UTF-8");
    let doc = Document::parse(source).expect("YAML");
    let node = doc.root.get("flag").expect("flag");
    assert_eq!(node.text(), Some("1.10"));
    assert_eq!(doc.problem(node.id, "").column, Some(7));
}

#[test]
fn files_over_the_limit_are_refused_unread() {
    let bytes = vec![b'#'; usize::try_from(MAX_BYTES).expect("a size") + 1];
    let problem = SourceText::from_bytes("big.yaml", &bytes).expect_err("too large");
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
    let mut report = ProblemReport::new(&doc);
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
        let mut report = ProblemReport::new(&doc);
        let _: Shape = read(&doc.root, &mut report);
        assert!((1..=20).contains(&report.finish().len()));
    }
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
        let shown = match Document::parse(SourceText::new("t.yaml", text)) {
            Err(problem) => format!("{problem}{problem:?}"),
            Ok(doc) => {
                let mut report = ProblemReport::new(&doc);
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
