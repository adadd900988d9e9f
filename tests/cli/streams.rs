//! Where output goes, and how.

use super::*;

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

#[test]
fn only_data_goes_to_stdout() {
    let world = World::new();
    world.order("bad", "{type: newest}");
    let ran = world.program.run(&["plan"]).expect(1);
    ran.says("Plan: ").omits("\nerror: ").complains("error: ");
    let applied = world.program.run(&["apply"]).expect(1);
    assert!(applied.stdout.starts_with("Plan: "), "{applied}");
    applied.omits("to pve-1: done").complains("to pve-1: done");
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
