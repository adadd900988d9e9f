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
        text.says("TALOS_ORDER_COMPLETE");
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
    for file in ["config", "orders", "outputs"] {
        let schema = program.run(&["schema", file]).expect(0).json();
        assert!(schema["$schema"].is_string(), "{file}");
    }
}
