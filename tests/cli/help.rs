//! Help, completions and manual pages.

use super::*;

#[test]
fn help_fits_eighty_columns() {
    let (_dir, program) = plain();
    let mut texts = vec![program.run(&["--help"]), program.run(&["-h"])];
    for command in COMMANDS {
        texts.push(program.run(&[command, "--help"]));
        texts.push(program.run(&[command, "-h"]));
        texts.push(program.run(&["help", command]));
    }
    for text in texts {
        let text = text.expect(0);
        assert_eq!(text.stderr, "");
        for line in text.stdout.lines() {
            assert!(line.chars().count() <= 80, "{line}");
            assert!(!line.contains(ESCAPE), "{line}");
        }
        assert!(text.stdout.contains("Usage: talos-order"), "{text}");
    }
    let help = program.run(&["--help"]).stdout;
    for command in COMMANDS {
        assert!(help.contains(&format!("\n  {command} ")), "{command}");
    }
    assert!(help.contains("Exit codes:"));
}

#[test]
fn completions_and_manual_pages_are_written() {
    let (dir, program) = plain();
    for shell in ["bash", "zsh", "fish"] {
        let text = program.run(&["completions", shell]).expect(0);
        text.says("talos-order")
            .says("purge-cache")
            .says("schematic");
    }
    program.run(&["man"]).expect(0).says(".TH");
    let pages = dir.path().join("made/man1");
    let written = program.run(&["man", pages.to_str().unwrap()]).expect(0);
    assert_eq!(written.stdout, "");
    for page in COMMANDS.map(|command| format!("talos-order-{command}.1")) {
        let text = fs::read_to_string(pages.join(&page)).expect(&page);
        assert!(text.contains(".TH"), "{page}");
    }
    assert!(pages.join("talos-order.1").exists());
    for file in ["config", "orders"] {
        let schema = program.run(&["schema", file]).expect(0).json();
        assert!(schema["$schema"].is_string(), "{file}");
    }
}

/// What bash offers for the last of these words.
fn offered_by_bash(script: &Path, words: &[&str]) -> Vec<String> {
    let ask = r#"
        source "$1" && shift
        function=$(complete -p talos-order | sed 's/.* -F \([^ ]*\) .*/\1/')
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
        "$function" talos-order "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let output = std::process::Command::new("bash")
        .args(["--norc", "--noprofile", "-c", ask, "bash"])
        .arg(script)
        .args(words)
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    // Outside of a completion bash refuses to change how one is shown.
    let complaints = complaints.lines().filter(|line| !line.contains("compopt"));
    assert_eq!(complaints.count(), 0, "{output:?}");
    let offered = String::from_utf8(output.stdout).unwrap();
    offered.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    let (dir, program) = plain();
    let script = dir.path().join("talos-order.bash");
    let text = program.run(&["completions", "bash"]).expect(0).stdout;
    fs::write(&script, text).unwrap();
    for (words, expected) in [
        (&["talos-order", "pl"][..], &["plan"][..]),
        (&["talos-order", "re"], &["resume", "reconcile"]),
        (&["talos-order", "--dry"], &["--dry-run"]),
        (&["talos-order", "plan", "--det"], &["--detailed-exitcode"]),
        (
            &["talos-order", "plan", "--output", ""],
            &["text", "json", "yaml"],
        ),
        (&["talos-order", "get", "n"], &["nodes"]),
        (&["talos-order", "schema", "o"], &["orders"]),
        (&["talos-order", "suspend", "n"], &["node"]),
        (&["talos-order", "completions", "z"], &["zsh"]),
        (&["talos-order", "help", "stat"], &["status"]),
    ] {
        assert_eq!(offered_by_bash(&script, words), expected, "{words:?}");
    }
}
