//! What is refused, and where files are looked for.

use super::*;

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
        (&["plan"], "no orders specified, and no configuration found"),
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
    let skipped = is_configured();
    for (args, text) in cases {
        if skipped && matches!(args, [] | ["plan"]) {
            continue;
        }
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
    let program = alone(dir);
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
    let alone = alone(dir);
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
fn an_unknown_host_name_is_told_in_few_words() {
    let (dir, program) = plain();
    // No name server is asked for a label of more than 63 letters.
    let url = format!("http://{}/", "a".repeat(64));
    let text = format!(
        "defaults: {{cache_dir: {}}}\nfactory: {{url: \"{url}\"}}\n\
         github: {{api_url: \"{url}\"}}\nlimits: {{retries: 0}}\n",
        dir.path().join("cache").display()
    );
    fs::write(dir.path().join("named.yaml"), text).unwrap();
    let ran = program.run(&["versions", "--config", "named.yaml"]);
    let ran = ran.expect(1).complains("/versions failed: DNS: ");
    assert!(!ran.stderr.contains("error sending request"), "{ran}");
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
    program.env.push(("HOME".into(), String::new()));
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
