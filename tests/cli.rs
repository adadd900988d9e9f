//! The command line as people and scripts meet it: texts, exit codes, streams.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test touches the world, and may fail where it stands"
)]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;

use common::factory::Factory;
use common::program::Program;
use common::snapshot::images;

const COMMANDS: [&str; 9] = [
    "plan",
    "apply",
    "validate",
    "schematic",
    "versions",
    "schema",
    "demo",
    "completions",
    "man",
];

const ESCAPE: char = '\u{1b}';

/// A small world: a factory, a local node, one order that can be done.
struct World {
    dir: tempfile::TempDir,
    program: Program,
    factory: Factory,
}

impl World {
    fn new() -> Self {
        let (dir, factory) = (tempfile::tempdir().unwrap(), Factory::small());
        let (config, orders) = (dir.path().join("config.yaml"), dir.path().join("orders"));
        let root = dir.path().display();
        let text = format!(
            "defaults: {{cache_dir: {root}/cache}}\nmanifest: {{dir: {root}/manifests}}\n\
             factory: {{url: \"{url}\"}}\ngithub: {{api_url: \"{url}\"}}\nlimits: {{retries: 0}}\n\
             nodes: [{{name: pve-1, local: true, iso_dir: {root}/iso}}]\n",
            url = factory.url()
        );
        fs::write(&config, text).unwrap();
        fs::create_dir(&orders).unwrap();
        let world = Self {
            program: Program::with_files(dir.path(), &config, &orders),
            dir,
            factory,
        };
        world.order("good", "{type: exact, value: v1.11.3}");
        world
    }

    fn order(&self, id: &str, version: &str) {
        let text = format!(
            "- orderid: {id}\n  positions:\n    - name: image\n      version: {version}\n      \
             push: {{enabled: true, hosts: [{{node: pve-1}}]}}\n"
        );
        let path = self.dir.path().join("orders").join(format!("{id}.yaml"));
        fs::write(path, text).unwrap();
    }
}

fn plain() -> (tempfile::TempDir, Program) {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::new(dir.path());
    (dir, program)
}

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
        (&["talos-order", "plan", "--output", ""], &["text", "json"]),
        (&["talos-order", "schema", "o"], &["orders"]),
        (&["talos-order", "suspend", "n"], &["node"]),
        (&["talos-order", "completions", "z"], &["zsh"]),
        (&["talos-order", "help", "stat"], &["status"]),
    ] {
        assert_eq!(offered_by_bash(&script, words), expected, "{words:?}");
    }
}

#[test]
fn bad_usage_and_bad_configuration_are_two() {
    let (dir, program) = plain();
    let at = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (bad, orders) = (at("bad.yaml", "default: {}\n"), at("orders.yaml", "[]\n"));
    let cases: [(&[&str], &str); 14] = [
        (&["--bogus"], "--bogus"),
        (&["plant"], "plan"),
        (&["schema"], "required"),
        (&["schema", "other"], "other"),
        (&["--detailed-exitcode"], "--dry-run"),
        (&["apply", "--lock-timeout", "soon"], "30s, 5m, 1h30m"),
        (&["apply", "--lock-timeout=-3s"], "negative"),
        (&["plan", "--log", "a=b=c"], "--log"),
        (&[], "--orders PATH"),
        (&["plan"], "no orders specified"),
        (
            &["plan", "--orders", &orders, "--config", &bad],
            "did you mean",
        ),
        (
            &["validate", "--orders", &orders, "--config", &bad],
            "bad.yaml:1:1",
        ),
        (&["plan", "--config", "/nowhere.yaml"], "does not exist"),
        (&["versions", "--minor", "new"], "--minor"),
    ];
    for (args, text) in cases {
        let ran = program.run(args);
        assert_eq!(ran.code, Some(2), "{args:?}: {ran}");
        assert_eq!(ran.stdout, "", "{args:?}");
        ran.complains(text);
    }
    // Orders that are not there may come back: no bad usage.
    let missing = program.run(&["plan", "--orders", "/nowhere"]).expect(1);
    missing.complains("the orders /nowhere do not exist");
}

#[test]
fn a_check_answers_json_whatever_is_wrong() {
    let world = World::new();
    let (bad, dir) = (world.dir.path().join("bad.yaml"), world.dir.path());
    fs::write(&bad, "default: {}\n").unwrap();
    let program = Program::new(dir);
    for (args, code, file, message) in [
        (&["--config", "bad.yaml"][..], 2, "bad.yaml", "unknown key"),
        (
            &["--config", "/nowhere.yaml"],
            2,
            "/nowhere.yaml",
            "does not exist",
        ),
        (&["--config", "orders"], 2, "orders", "cannot be read"),
        (&["--orders", "/nowhere"], 1, "/nowhere", "do not exist"),
    ] {
        let args = |form| [&["validate", "-o", form][..], args].concat();
        let ran = program.run(&args("json")).expect(code);
        assert_eq!(ran.stderr, "");
        let answer = ran.json();
        assert_eq!(answer["valid"], false);
        assert_eq!(answer["problems"][0]["file"], file);
        let said = answer["problems"][0]["message"].as_str().unwrap();
        assert!(said.contains(message), "{said}");
        let ran = program.run(&args("github")).expect(code);
        ran.says(&format!("::error file={file}")).says(message);
    }
    fs::rename(dir.join("orders"), dir.join("wanted")).unwrap();
    let ran = program.run(&["validate", "-o", "json"]).expect(2).json();
    assert_eq!(ran["problems"][0]["message"], "no orders specified");

    fs::write(
        dir.join("wanted/bad.yaml"),
        "- orderid: bad\n  positions: 3\n",
    )
    .unwrap();
    for orders in [
        "wanted",
        "./wanted",
        &dir.join("wanted").display().to_string(),
    ] {
        let ran = program.run(&["validate", "-o", "github", "--orders", orders]);
        let ran = ran
            .expect(1)
            .says("::error file=wanted/bad.yaml,line=2,col=");
        ran.says("1 problem");
    }
}

#[test]
fn the_configuration_names_the_orders() {
    let world = World::new();
    let (dir, orders) = (world.dir.path(), world.dir.path().join("orders"));
    let config = dir.join("config.yaml");
    let key = |path: &Path| {
        let text = fs::read_to_string(&config).unwrap();
        let rest = text.lines().filter(|line| !line.starts_with("orders:"));
        let rest: Vec<&str> = rest.collect();
        fs::write(
            &config,
            format!("orders: {}\n{}\n", path.display(), rest.join("\n")),
        )
        .unwrap();
    };
    // The directory beside the configuration, which is also found where we are.
    let alone = Program::new(dir);
    alone.run(&["validate"]).expect(0).says("1 order");
    let moved = dir.join("moved");
    fs::rename(&orders, &moved).unwrap();
    alone.run(&["plan"]).expect(2).complains("the key `orders`");
    key(&moved);
    for command in [
        &["validate"][..],
        &["plan"],
        &[],
        &["run", "--once"],
        &["status"],
    ] {
        alone.run(command).expect(0);
    }
    assert_eq!(images(&dir.join("iso")).len(), 1);
    // The command line wins.
    let other = alone.run(&["plan", "--orders", "/nowhere"]).expect(1);
    other.complains("/nowhere do not exist");
}

#[test]
fn users_have_directories_of_their_own() {
    if Path::new("/var/cache/talos-sync").exists() {
        eprintln!("skipped: this machine has the directory of the service");
        return;
    }
    let world = World::new();
    let dir = world.dir.path();
    let text = fs::read_to_string(dir.join("config.yaml")).unwrap();
    let rest = text.split_once('\n').unwrap().1;
    let home = dir.join("home");
    let own = home.join(".config/talos-order");
    fs::create_dir_all(&own).unwrap();
    let text = format!("orders: {}/orders\n{rest}", dir.display());
    fs::write(own.join("config.yaml"), text).unwrap();
    let mut program = Program::new(&home);
    program.env = vec![("HOME".into(), home.display().to_string())];
    for variable in ["XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"] {
        program.env.push((variable.into(), String::new()));
    }
    if rustix::process::geteuid().is_root() {
        const NOBODY: u32 = 65534;
        program.user = Some(NOBODY);
        let everything = std::process::Command::new("chown")
            .args(["-R", &NOBODY.to_string()])
            .arg(dir)
            .status();
        assert!(everything.unwrap().success());
    }
    program.run(&["apply"]).expect(0);
    program.run(&["status"]).expect(0).says("good");
    assert!(images(&home.join(".cache/talos-order")).len() == 1);
    assert!(home.join(".local/state/talos-order").is_dir());
    // Without a home directory there is no other default, so the key is named.
    program.args = vec![format!(
        "--config={}/.config/talos-order/config.yaml",
        home.display()
    )];
    program.env = vec![("HOME".into(), String::new())];
    let homeless = program.run(&["apply"]).expect(1);
    homeless.complains("set `state_dir`, and `defaults.cache_dir`");
}

#[test]
fn a_flag_before_a_command_is_never_ignored() {
    let world = World::new();
    for flags in [
        &["--dry-run"][..],
        &["--once"],
        &["--purge-cache"],
        &["--yes"],
        &["-v"],
        &["-o", "json"],
        &["--lock-timeout", "0s"],
    ] {
        let args: Vec<&str> = flags.iter().copied().chain(["apply"]).collect();
        let ran = world.program.run(&args).expect(2);
        ran.complains("applies only without a command");
    }
    assert!(!world.dir.path().join("cache").exists(), "nothing was done");
    world.program.run(&["--color", "never", "plan"]).expect(0);
}

#[test]
fn a_detailed_exit_code_tells_three_things_apart() {
    let world = World::new();
    let detailed = ["plan", "--detailed-exitcode"];
    world.program.run(&detailed).expect(2);
    world.program.run(&["plan"]).expect(0);
    world
        .program
        .run(&["--dry-run", "--detailed-exitcode"])
        .expect(2);
    world.program.run(&["--once", "--dry-run"]).expect(0);
    world.program.run(&["apply"]).expect(0);
    world.program.run(&detailed).expect(0);
    world.order("bad", "{type: newest}");
    world.program.run(&detailed).expect(1);
    world.program.run(&["plan"]).expect(1);
    world.program.run(&["validate"]).expect(1);
}

#[test]
fn json_says_what_the_text_says() {
    let world = World::new();
    world.order("bad", "{type: newest}");
    let program = &world.program;
    let name = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";

    let text = program.run(&["plan", "-v", "--manifests"]).expect(1);
    let json = program.run(&["plan", "-o", "json"]).expect(1);
    assert_eq!(json.stderr, text.stderr, "stderr is the same");
    let plan = json.json();
    let steps = plan["plan"]["steps"].as_array().unwrap();
    let kinds: Vec<&str> = steps
        .iter()
        .map(|step| step["action"]["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["register", "fetch", "push"]);
    for kind in kinds {
        assert!(text.stdout.contains(&format!("+ {kind}")), "{text}");
    }
    assert_eq!(steps[1]["action"]["file"], name);
    assert!(
        text.stdout
            .contains(steps[1]["action"]["url"].as_str().unwrap())
    );
    for manifest in plan["manifests"].as_array().unwrap() {
        let path = manifest["path"].as_str().unwrap();
        assert!(text.stdout.contains(&format!("+++ {path}")), "{text}");
        assert!(manifest["diff"].as_str().unwrap().contains(path));
    }
    let problem = plan["problems"][0].to_string();
    assert!(problem.contains("newest"), "{problem}");

    let checked = program.run(&["validate", "-o", "json"]).expect(1).json();
    assert_eq!(checked["valid"], false);
    assert_eq!(checked["orders"], 2);
    assert_eq!(checked["problems"].as_array().unwrap().len(), 1);
    let checked = program.run(&["validate"]).expect(1).complains("newest");
    checked.says("2 orders with 1 valid position in 2 files, 1 problem");

    let applied = program.run(&["apply", "-o", "json"]).expect(1).json();
    assert_eq!(applied["converged"], false, "because of the bad order");
    assert_eq!(applied["outcomes"].as_object().unwrap().len(), 3);
    assert_eq!(images(&world.dir.path().join("iso")), [name]);

    let versions = program.run(&["versions", "-o", "json"]).expect(0).json();
    let listed = program.run(&["versions"]).expect(0);
    let lines: Vec<&str> = listed.stdout.lines().collect();
    assert_eq!(versions["versions"], serde_json::json!(lines));
    assert_eq!(lines[0], "v1.12.1", "newest first, no pre-release");
    assert_eq!(versions["source"], "factory");
    let all = program.run(&["versions", "--all"]).expect(0);
    assert_eq!(all.stdout.lines().next(), Some("v1.13.0-beta.0"));
    let minor = program.run(&["versions", "--minor", "v1.10"]).expect(0);
    assert_eq!(minor.stdout, "v1.10.8\nv1.10.7\n");
}

#[test]
fn manifests_are_shown_when_asked_for_and_counted_in_a_dry_run() {
    let world = World::new();
    let program = &world.program;
    let path = world.dir.path().join("manifests/manifest-good.yaml");
    let head = format!("+++ {}", path.display());
    let counted = format!("  {}: ", path.display());
    let short = program.run(&["plan"]).expect(0);
    short.omits("manifest").says("order good, position image: ");
    program
        .run(&["plan", "--manifests"])
        .expect(0)
        .says(&head)
        .says("order good, position image: ");
    program
        .run(&["--dry-run"])
        .expect(0)
        .omits(&head)
        .says(&counted)
        .says(" lines added, 0 removed");
    let detailed = program.run(&["--dry-run", "-v"]).expect(0).says(&head);
    detailed.says("\n  + fetch     talos-").says("from http://");
}

#[test]
fn a_filter_shows_less_and_changes_nothing() {
    let world = World::new();
    let program = &world.program;
    world.order("other", "{type: exact, value: v1.10.8}");
    let shown = |args: &[&str]| {
        let args = [&["plan", "--detailed-exitcode"], args].concat();
        program.run(&args).expect(2)
    };
    shown(&[]).says("order good").says("order other");
    shown(&["--order", "g*d"])
        .says("order good")
        .omits("order other")
        .says("Shown: 3 of 5 steps");
    shown(&["--order", "good", "--order", "other"]).says("Shown: 5 of 5 steps");
    shown(&["--node", "pve-*"]).says("Shown: 5 of 5 steps");
    shown(&["--node", "pve-2"])
        .says("Plan: nothing to do")
        .says("Shown: 0 of 5 steps");
    let json = shown(&["--order", "other", "-o", "json"]).json();
    let steps = json["plan"]["steps"].as_array().unwrap().len();
    let manifests = json["manifests"].as_array().unwrap().len();
    assert_eq!((steps, manifests), (3, 1));

    program.run(&["run", "--once"]).expect(0);
    let status = |args: &[&str]| program.run(&[&["status"], args].concat());
    status(&[]).expect(0).says("good ").says("other ");
    let one = status(&["--order", "go*", "--node", "*1"]).expect(0);
    one.says("good ").omits("other ");
    status(&["--node", "pve-2"]).expect(0).omits("good ");
}

#[test]
fn schematics_have_the_ids_that_the_factory_gives_them() {
    let (dir, program) = plain();
    let vectors = [
        (
            "customization: {}",
            "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba",
        ),
        (
            "customization: {extraKernelArgs: [noapic, nolapic]}",
            "9cba8e32753f91a16c1837ab8abf356af021706ef284aef07380780177d9a06c",
        ),
        (
            "customization: {meta: [{key: 0xa, value: foo}]}",
            "d308a2a5ee2277bed5fbaa104fcbc8d59122abfa737df987a95b4ca763459a7f",
        ),
        (
            "overlay: {name: rpi_generic, image: siderolabs/sbc-raspberrypi}",
            "ee21ef4a5ef808a9b7484cc0dda0f25075021691c8c09a276591eedb638ea1f9",
        ),
        (
            "customization: {secureboot: {includeWellKnownCertificates: true}}",
            "fa8e05f142a851d3ee568eb0a8e5841eaf6b0ebc8df9a63df16ac5ed2c04f3e6",
        ),
        (
            "customization: {diskImage: {sectorSize: 4096}}",
            "92833e9ddd9bb9e11b2464fa5525429f01866306d52ebd882ee08d7918f6d1ea",
        ),
        (
            "customization: {systemExtensions: {officialExtensions: [siderolabs/qemu-guest-agent]}}",
            "ce4c980550dd2ab1b17bbf2b08801c7eb59418eafe8f279833297925d67c7515",
        ),
    ];
    let file = dir.path().join("schematic.yaml");
    for (document, id) in vectors {
        fs::write(&file, document).unwrap();
        let text = program.run(&["schematic", "schematic.yaml"]).expect(0);
        let (first, canonical) = text.stdout.split_once('\n').unwrap();
        assert_eq!(first, id, "{document}");
        let json = program.run(&["schematic", "schematic.yaml", "-o", "json"]);
        let json = json.expect(0).json();
        assert_eq!(json["id"], id);
        assert_eq!(json["schematic"], canonical);

        let mut piped = program.command(&["schematic", "-"]);
        let piped = piped.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut piped = piped.spawn().unwrap();
        let mut input = piped.stdin.take().unwrap();
        input.write_all(document.as_bytes()).unwrap();
        drop(input);
        let answer = piped.wait_with_output().unwrap().stdout;
        assert_eq!(String::from_utf8(answer).unwrap(), text.stdout);
    }
    fs::write(&file, "customization: {extraKernelArg: [a]}").unwrap();
    let wrong = program.run(&["schematic", "schematic.yaml"]).expect(1);
    wrong
        .complains("schematic.yaml:1:17")
        .complains("did you mean");
    program
        .run(&["schematic", "nowhere.yaml"])
        .expect(1)
        .complains("nowhere.yaml");
}

#[test]
fn colours_are_for_terminals() {
    let world = World::new();
    let program = &world.program;
    let plan = program.run(&["plan"]).expect(0);
    assert!(!plan.stdout.contains(ESCAPE) && !plan.stderr.contains(ESCAPE));
    let colored = program.run(&["plan", "--color", "always"]).expect(0);
    assert!(colored.stdout.contains(ESCAPE), "{colored}");
    // But for its times, the text is the same.
    let text = strip(&colored.stdout);
    assert_eq!(text, with_times_of(&plan.stdout, &text));
    let mut without = program.clone();
    without.env.push(("NO_COLOR".into(), "1".into()));
    for args in [&["plan"][..], &["apply"], &["validate"]] {
        let ran = without.run(args).expect(0);
        assert!(!ran.stdout.contains(ESCAPE) && !ran.stderr.contains(ESCAPE));
    }
    world.order("bad", "{type: newest}");
    let ran = program.run(&["validate", "--color", "always"]).expect(1);
    assert!(ran.stderr.contains(ESCAPE));
    let ran = program.run(&["validate", "--color", "never"]).expect(1);
    assert!(!ran.stderr.contains(ESCAPE));
}

/// A text without its colours.
fn strip(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(ESCAPE) {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain + rest
}

/// The first text with the lines that hold a time taken from the second.
fn with_times_of(text: &str, other: &str) -> String {
    text.lines()
        .zip(other.lines())
        .map(|(line, other)| {
            let timed = line.contains("generated_at") || line.contains("timestamp_utc");
            format!("{}\n", if timed { other } else { line })
        })
        .collect()
}

#[test]
fn only_data_goes_to_stdout() {
    let world = World::new();
    world.order("bad", "{type: newest}");
    let ran = world.program.run(&["plan"]).expect(1);
    ran.says("Plan: ").omits("\nerror: ").complains("error: ");
    let applied = world.program.run(&["apply"]).expect(1);
    assert!(applied.stdout.starts_with("Plan: "), "{applied}");
    applied
        .omits("digest verified there")
        .complains("digest verified there");
    let logged = world
        .program
        .run(&["apply", "--log", "debug", "--log-format", "json"]);
    for line in logged
        .expect(1)
        .stderr
        .lines()
        .filter(|line| line.starts_with('{'))
    {
        serde_json::from_str::<serde_json::Value>(line).expect(line);
    }
}

#[test]
fn a_reader_that_goes_ends_nothing() {
    let world = World::new();
    for args in [
        &["plan"][..],
        &["plan", "-o", "json"],
        &["versions", "--all"],
        &["schema", "config"],
        &["completions", "zsh"],
        &["man"],
        &["validate"],
        &["--help"],
    ] {
        let mut command = world.program.command(args);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let mut complaints = String::new();
        let mut stderr = child.stderr.take().unwrap();
        stderr.read_to_string(&mut complaints).unwrap();
        assert_eq!(
            child.wait().unwrap().code(),
            Some(0),
            "{args:?}: {complaints}"
        );
        assert!(!complaints.contains("panicked"), "{args:?}: {complaints}");
    }
    // A run goes on with both streams gone.
    let mut command = world.program.command(&["apply"]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(images(&world.dir.path().join("iso")).len(), 1);
    assert_eq!(world.factory.images_since(0).len(), 1);
}

#[test]
fn the_demo_leaves_what_it_says() {
    let (dir, program) = plain();
    let at = dir.path().join("demo");
    let shown = at.display().to_string();
    let ran = program.run(&["demo", "--dir", &shown]).expect(0);
    let ran = ran.says("nothing to do").says("truncated").says("5 pushed");
    for name in [
        "orders",
        "config.yaml",
        "cache",
        "node-a",
        "node-b",
        "manifests",
    ] {
        assert!(at.join(name).exists(), "{name}");
        assert!(ran.stdout.contains(&format!("{shown}/{name}")), "{name}");
    }
    assert_eq!(images(&at.join("node-b/iso")).len(), 1);
    assert_eq!(images(&at.join("node-b/import")).len(), 1);
    assert_eq!(images(&at.join("manifests")).len(), 2);
    // What it left can be looked at with the program itself.
    let files = Program::with_files(&at, &at.join("config.yaml"), &at.join("orders"));
    files.run(&["validate"]).expect(0).says("2 orders");
    let again = program.run(&["demo", "--dir", &shown]).expect(1);
    again.complains("is not empty");
    // Without a directory it makes one, below the temporary one.
    let mut program = program;
    let tmp = dir.path().join("tmp");
    fs::create_dir(&tmp).unwrap();
    program
        .env
        .push(("TMPDIR".into(), tmp.display().to_string()));
    program.run(&["demo"]).expect(0);
    assert_eq!(names(&tmp).len(), 1);
    // What it made goes again, and nothing else.
    program.run(&["demo", "--clean"]).expect(0).says("Removed");
    assert_eq!(names(&tmp).len(), 0);
    program
        .run(&["demo", "--clean"])
        .expect(0)
        .says("left nothing");
    fs::write(at.join("mine"), "").unwrap();
    let clean = ["demo", "--clean", "--dir", &shown];
    program.run(&clean).expect(0).says("holds others");
    assert_eq!(names(&at), ["mine"]);
    program
        .run(&clean)
        .expect(1)
        .complains("not made by the demo");
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}
