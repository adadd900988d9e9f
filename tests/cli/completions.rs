//! What is offered when Tab is pressed: asked of the shells themselves, each with the
//! script that it gets. zsh and fish are asked where they are installed.

use super::*;
use std::process::{Command, Output};

const BASH: &str = r#"
    source "$SCRIPT"
    function=$(complete -p talos-order | sed 's/.* -F \([^ ]*\) .*/\1/')
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE} COMP_TYPE=9
    "$function" talos-order "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    printf '%s\n' "${COMPREPLY[@]}"
"#;

/// The file is loaded as zsh loads one of its `fpath`. Without a terminal there is no
/// completion system, so what would be shown is printed.
const ZSH: &str = r#"
    compdef() { }
    _describe() { local name=${@[$#]}; [[ $# -gt 3 ]] && name=$3; print -rl -- "${(@P)name}" }
    fpath=(${SCRIPT:h} $fpath)
    autoload -U _talos-order
    words=("$@") CURRENT=$#
    _talos-order
"#;

const FISH: &str = r#"
    source $SCRIPT
    complete -C (string join ' ' -- $argv)
"#;

/// A shell with its completions, and the program on its path.
struct Shell<'a> {
    name: &'static str,
    world: &'a World,
    script: std::path::PathBuf,
}

impl<'a> Shell<'a> {
    /// `None` where the shell is not installed.
    fn new(name: &'static str, world: &'a World) -> Option<Self> {
        let there = Command::new(name).arg("--version").output().is_ok();
        if !there {
            eprintln!("skipped: {name} is not installed");
            return None;
        }
        let script = world.dir.path().join("completions").join(name);
        fs::create_dir_all(&script).unwrap();
        let script = script.join("_talos-order");
        let text = Program::new(world.dir.path()).run(&["completions", name]);
        fs::write(&script, text.expect(0).stdout).unwrap();
        Some(Self {
            name,
            world,
            script,
        })
    }

    fn ask(&self, words: &[&str]) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_talos-order"));
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", program.parent().unwrap().display());
        let mut shell = Command::new(self.name);
        match self.name {
            "bash" => shell.args(["--norc", "--noprofile", "-c", BASH, "bash"]),
            "zsh" => shell.args(["-f", "-c", ZSH, "zsh"]),
            _ => shell.args(["--no-config", "-c", FISH, "--"]),
        };
        shell
            .args(words)
            .env("PATH", path)
            .env("SCRIPT", &self.script);
        shell.env("HOME", self.world.dir.path());
        shell.current_dir(self.world.dir.path()).output().unwrap()
    }

    /// What is offered for the last of these words, without the explanations.
    #[track_caller]
    fn offers(&self, words: &[&str], expected: &[&str]) {
        let output = self.ask(words);
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        // Outside of a completion bash refuses to change how one is shown.
        let complaints = complaints.lines().filter(|line| !line.contains("compopt"));
        assert_eq!(
            complaints.count(),
            0,
            "{}: {words:?}: {output:?}",
            self.name
        );
        let offered = String::from_utf8(output.stdout).unwrap();
        let apart = if self.name == "zsh" { ':' } else { '\t' };
        let offered = offered.lines().filter(|line| !line.is_empty());
        let offered: Vec<&str> = offered
            .map(|line| line.split(apart).next().unwrap())
            .collect();
        assert_eq!(offered, expected, "{}: {words:?}", self.name);
    }
}

fn in_every_shell(world: &World, check: impl Fn(&Shell<'_>)) {
    assert!(Shell::new("bash", world).is_some(), "bash is always there");
    for name in ["bash", "zsh", "fish"] {
        if let Some(shell) = Shell::new(name, world) {
            check(&shell);
        }
    }
}

#[test]
fn commands_options_and_values_are_completed() {
    in_every_shell(&World::new(), |shell| {
        for (words, expected) in [
            (&["pl"][..], &["plan"][..]),
            (&["re"], &["resume", "reconcile"]),
            (&["--dry"], &["--dry-run"]),
            (&["plan", "--det"], &["--detailed-exitcode"]),
            (&["plan", "--output", ""], &["text", "json", "yaml"]),
            (&["plan", "--color", "a"], &["auto", "always"]),
            (&["plan", "--config", "con"], &["config.yaml"]),
            (
                &["schema", "get-"],
                &["get-images", "get-nodes", "get-orders"],
            ),
            (&["notify", ""], &["test", "list", "help"]),
            (&["outputs", "-o", "c"], &["capmox"]),
            (&["suspend", "n"], &["node"]),
            (&["completions", "z"], &["zsh"]),
            (&["help", "stat"], &["status"]),
        ] {
            shell.offers(&[&["talos-order"], words].concat(), expected);
        }
    });
}

#[test]
fn names_are_completed_from_disk() {
    let world = World::new();
    world.order("other", "latest");
    world.program.run(&["run", "--once"]).expect(0);
    world.program.run(&["versions"]).expect(0);
    // A refused order can be asked for, too; a file that is none hides no other.
    world.order("refused", "{type: newest}");
    fs::write(world.dir.path().join("orders/torn.yaml"), "- orderid: [").unwrap();
    world.program.run(&["suspend", "order", "other"]).expect(0);
    // As a prune over the budget leaves it.
    let status = world.dir.path().join("cache/.talos-order/status.json");
    let text = fs::read_to_string(&status).unwrap();
    let mut told: serde_json::Value = serde_json::from_str(&text).unwrap();
    told["held"] = serde_json::json!([{
        "step": "prune-node/pve-1/iso/talos-v1.10.7-nocloud-amd64-376567988ad3.iso",
        "reason": "PruneBlocked", "message": "more than the limit", "approval": "f00d",
    }]);
    fs::write(&status, told.to_string()).unwrap();
    let config = world.dir.path().join("config.yaml");
    let providers = "notifications: {providers: [\n  \
        {name: team-chat, type: slack, url_file: /nowhere}]}\n";
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text + providers).unwrap();
    let config = config.to_str().unwrap();
    in_every_shell(&world, |shell| {
        let offers = |words: &[&str], expected: &[&str]| {
            let line = [&["talos-order", "--config", config], words].concat();
            shell.offers(&line, expected);
        };
        offers(&["outputs", "--position", ""], &["image"]);
        for verb in ["plan", "status", "outputs", "reconcile"] {
            offers(&[verb, "--order", ""], &["good", "other", "refused"]);
            offers(&[verb, "--order", "o"], &["other"]);
            offers(&[verb, "--node", ""], &["pve-1"]);
        }
        offers(&["get", "orders", ""], &["good", "other"]);
        offers(&["get", "orders", "good", "o"], &["other"]);
        offers(&["get", "node", ""], &["pve-1"]);
        offers(
            &["get", "images", "talos-v1.11"],
            &["talos-v1.11.3-nocloud-amd64-376567988ad3.iso"],
        );
        offers(&["suspend", "order", ""], &["good", "refused"]);
        offers(&["resume", "order", ""], &["other"]);
        offers(&["suspend", "node", ""], &["pve-1"]);
        offers(&["approve", ""], &["f00d"]);
        offers(&["notify", "test", ""], &["team-chat"]);
        offers(
            &["versions", "--minor", "v1.1"],
            &["v1.10", "v1.11", "v1.12", "v1.13"],
        );
        // The option after the verb, and the configuration that is found by itself.
        shell.offers(
            &["talos-order", "plan", "--config", config, "--node", "p"],
            &["pve-1"],
        );
        shell.offers(&["talos-order", "plan", "--order", "g"], &["good"]);
        let elsewhere = ["plan", "--orders", "/nowhere", "--order", "r"];
        offers(&elsewhere, &[]);
    });
}

#[test]
fn nothing_is_said_into_a_line_that_is_being_typed() {
    let world = World::new();
    let broken = world.dir.path().join("config.yaml");
    fs::write(broken, "defaults: [").unwrap();
    in_every_shell(&world, |shell| {
        shell.offers(&["talos-order", "plan", "--order", ""], &[]);
        shell.offers(&["talos-order", "approve", "x"], &[]);
        shell.offers(
            &["talos-order", "plan", "--config", "/nowhere", "--node", "x"],
            &[],
        );
    });
}

#[test]
fn the_variable_of_the_scripts_means_nothing_elsewhere() {
    let world = World::new();
    let mut program = world.program.clone();
    program.env = vec![("TALOS_ORDER_COMPLETE".into(), "nonsense".into())];
    program.run(&["validate"]).expect(0).says("1 order");
}
