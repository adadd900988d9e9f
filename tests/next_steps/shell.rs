//! The commands of the page, run by bash with stand-ins that write down how they were called.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::{Delivered, blocks, fs, qm};

const STAND_IN: &str =
    "#!/bin/bash\nprintf '%s\\x1f' \"${0##*/}\" \"$@\" >>\"$CALLS\"\necho >>\"$CALLS\"\n";

#[test]
fn the_commands_run_and_say_what_is_true() {
    let world = Delivered::new();
    let (bin, calls) = (world.dir.path().join("bin"), world.dir.path().join("calls"));
    fs::create_dir(&bin).unwrap();
    let stand_ins = ["qm", "pvesm", "talosctl"];
    for name in stand_ins {
        fs::write(bin.join(name), STAND_IN).unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let ours = bin.join("talos-order");
    let program = &world.program;
    let call = format!(
        "#!/bin/bash\nexec {} {} \"$@\"\n",
        program.binary.display(),
        program.args.join(" ")
    );
    fs::write(&ours, call).unwrap();
    fs::set_permissions(&ours, fs::Permissions::from_mode(0o755)).unwrap();
    let has_yq = Command::new("yq").arg("--version").output().is_ok();
    let scripts = blocks("sh").into_iter();
    // A later block uses the variables of an earlier one.
    let script: String = scripts
        .filter(|text| has_yq || !text.contains("yq "))
        .collect();
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &world.here(&script)])
        .env(
            "PATH",
            format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()),
        )
        .env("CALLS", &calls)
        .current_dir(world.dir.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    let entry = &world.manifest["entries"][0];
    let pushed = entry["pushed"].as_array().unwrap();
    let paths: Vec<&str> = pushed
        .iter()
        .map(|push| push["path"].as_str().unwrap())
        .collect();
    let version = entry["version"].as_str().unwrap();
    let mut lines = told.lines();
    assert_eq!(lines.next().unwrap(), format!("{version} {}", paths[0]));
    if has_yq {
        assert_eq!(lines.collect::<Vec<_>>(), paths);
    }
    let tfvars = fs::read_to_string(world.dir.path().join("talos.auto.tfvars")).unwrap();
    assert!(tfvars.starts_with("talos_images = {"), "{tfvars}");

    let mut seen = Vec::new();
    for call in fs::read_to_string(calls).unwrap().lines() {
        let words: Vec<&str> = call.trim_end_matches('\x1f').split('\x1f').collect();
        match words[0] {
            "qm" => qm::accepts(&world, "pve-01", &words[1..]),
            "pvesm" => pvesm(&words[1..]),
            _ => talosctl(&world, &words[1..]),
        }
        seen.push(words[0].to_owned());
    }
    for name in stand_ins {
        assert!(seen.iter().any(|called| called == name), "{name}");
    }
    assert!(seen.len() >= 14, "only {} calls", seen.len());
}

#[track_caller]
fn pvesm(words: &[&str]) {
    let ["set", "local", "--content", types] = words else {
        panic!("pvesm {words:?}");
    };
    let known = [
        "iso", "vztmpl", "backup", "snippets", "rootdir", "images", "import",
    ];
    assert!(
        types.split(',').all(|content| known.contains(&content)),
        "{types}"
    );
}

/// The flags of these commands, and that each image is the installer of the manifest.
#[track_caller]
fn talosctl(world: &Delivered, words: &[&str]) {
    let (flags, images): (&[&str], &[&str]) = match words {
        ["gen", "config", _cluster, endpoint, ..] => {
            assert!(endpoint.starts_with("https://") && endpoint.ends_with(":6443"));
            (&["--install-image", "--install-disk"], &["--install-image"])
        }
        ["apply-config", ..] => (&["--insecure", "--nodes", "--file"], &[]),
        ["config", "endpoint" | "node", _] | ["bootstrap"] | ["kubeconfig", "."] => (&[], &[]),
        ["upgrade", ..] => (&["--nodes", "--image"], &["--image"]),
        _ => panic!("talosctl {words:?}"),
    };
    for word in words.iter().filter(|word| word.starts_with("--")) {
        assert!(flags.contains(word), "talosctl {words:?}");
    }
    for flag in images {
        let at = words.iter().position(|word| word == flag).expect(flag);
        let installer = world.manifest["entries"][0]["installer"].as_str().unwrap();
        let without_host = |image: &str| image.split_once('/').unwrap().1.to_owned();
        assert_eq!(without_host(words[at + 1]), without_host(installer));
    }
}
