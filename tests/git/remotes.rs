//! How the server is reached, and what is said where that fails.

use std::fs;

use crate::common::sshd::Lab;
use crate::repository::{Fleet, OLDER};
use crate::server::{Behaviour, HttpServer};

/// A run of `plan`, which must fail: what it says.
fn refused(fleet: &Fleet) -> String {
    let ran = fleet.world.program.run(&["plan"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    ran.stderr
}

#[test]
fn over_ssh_with_a_key_and_known_hosts_of_its_own() {
    let fleet = Fleet::new("");
    let lab = Lab::new();
    let server = lab.node();
    let client = lab.path().join("client");
    let url = format!(
        "ssh://root@{}:{}{}",
        server.address,
        server.port,
        fleet.url()
    );
    let configure = |key: &str, hosts: &str| {
        let auth = format!("{{ssh_key_file: {key}, known_hosts_file: {hosts}}}");
        fleet.configure(&format!("url: \"{url}\", auth: {auth}"), "");
    };
    let known = lab.path().join("known_hosts").display().to_string();
    let key = client.display().to_string();
    configure(&key, &known);
    fleet.world.apply().expect(0);
    assert_eq!(fleet.delivered(), [OLDER]);

    // Names that a shell and ssh would read in their own ways.
    let odd = fleet.world.at("a 'key' \"%h\" ;#");
    fs::create_dir(&odd).unwrap();
    let quoted = |from: &str, to: &str| {
        fs::copy(from, odd.join(to)).unwrap();
        serde_json::to_string(&odd.join(to)).unwrap()
    };
    configure(&quoted(&key, "id"), &quoted(&known, "hosts"));
    fleet.world.program.run(&["plan"]).expect(0);

    let none = fleet.world.at("none");
    fs::write(&none, "").unwrap();
    configure(&key, &none.display().to_string());
    let said = refused(&fleet);
    assert!(
        said.contains("the host key of the git server is not known"),
        "{said}"
    );
    assert!(said.contains("ssh-keyscan"), "{said}");
    let other = fleet.world.at("other");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&other)
        .status();
    assert!(made.unwrap().success());
    configure(&other.display().to_string(), &known);
    let said = refused(&fleet);
    assert!(said.contains("the git server denies access"), "{said}");
    assert!(said.contains("deploy key"), "{said}");
}

#[test]
fn over_http_with_a_token_that_only_the_server_gets() {
    let fleet = Fleet::new("");
    let server = HttpServer::start(fleet.world.dir.path());
    let thief = HttpServer::start(fleet.world.dir.path());
    let token = fleet.world.at("token");
    fs::write(&token, "s3cret-t0ken\n").unwrap();
    // `bot:s3cret-t0ken`.
    let authorization = "Basic Ym90OnMzY3JldC10MGtlbg==".to_owned();
    server.behave(Behaviour {
        authorization: Some(authorization.clone()),
        ..Behaviour::default()
    });
    let url = format!("http://{}/fleet.git", server.address);
    fleet.configure(&format!("url: \"{url}\""), "");
    let said = refused(&fleet);
    assert!(said.contains("the git server denies access"), "{said}");

    let auth = format!("auth: {{username: bot, token_file: {}}}", token.display());
    fleet.configure(&format!("url: \"{url}\", {auth}"), "");
    fleet.world.apply().expect(0);
    assert_eq!(fleet.delivered(), [OLDER]);
    assert!(server.logins().contains(&authorization));
    // A token that was replaced counts at once; the wrong one is not repeated.
    fs::write(&token, "another").unwrap();
    let ran = fleet.world.program.run(&["plan"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(ran.stderr.contains("the git server denies access"), "{ran}");
    assert!(ran.stderr.contains("using main@sha1:"), "{ran}");
    assert!(!ran.stderr.contains("another"), "{ran}");
    fs::write(&token, "s3cret-t0ken").unwrap();
    // Sent to another host, which asks for a login, too.
    server.behave(Behaviour {
        redirect: Some(format!(
            "http://{}",
            thief.address.replace("127.0.0.1", "localhost")
        )),
        ..Behaviour::default()
    });
    thief.behave(Behaviour {
        authorization: Some("Basic no".to_owned()),
        ..Behaviour::default()
    });
    fleet.order("v1.11.3");
    refused(&fleet);
    assert_eq!(thief.logins(), Vec::<String>::new());
    let state = fs::read(fleet.world.at("cache/.talos-order/status.json")).unwrap();
    assert!(!String::from_utf8_lossy(&state).contains("s3cret"));
}

#[test]
fn a_server_in_trouble_is_named_in_time() {
    let fleet = Fleet::new("");
    let server = HttpServer::start(fleet.world.dir.path());
    let url = format!("http://{}/fleet.git", server.address);
    fleet.configure(&format!("url: \"{url}\", timeout: 2s"), "");
    for (behaviour, expected) in [
        (
            Behaviour {
                status: Some("503 Service Unavailable"),
                ..Behaviour::default()
            },
            "the git server does not answer",
        ),
        (
            Behaviour {
                status: Some("404 Not Found"),
                ..Behaviour::default()
            },
            "there is no such repository",
        ),
        (
            Behaviour {
                stalls: true,
                ..Behaviour::default()
            },
            "git did not end within 2 s",
        ),
    ] {
        server.behave(behaviour);
        let said = refused(&fleet);
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let nobody = "http://127.0.0.1:1/fleet.git";
    fleet.configure(&format!("url: \"{nobody}\""), "");
    let said = refused(&fleet);
    assert!(said.contains("the git server does not answer"), "{said}");
    server.behave(Behaviour::default());
    fleet.configure(&format!("url: \"{url}\", branch: master"), "");
    let said = refused(&fleet);
    assert!(said.contains("branch master does not exist"), "{said}");
    assert!(said.contains("there are main"), "{said}");
    fleet.configure(&format!("url: \"{url}\""), "");
    fleet.world.apply().expect(0);
}

/// Nothing of the user's own git is used: rewritten addresses, hooks, helpers.
#[test]
fn the_configuration_of_the_user_has_no_effect() {
    let mut fleet = Fleet::new("");
    let marker = fleet.world.at("marker");
    let home = fleet.world.at("home");
    fs::create_dir(&home).unwrap();
    let evil = format!("touch {}", marker.display());
    fs::write(
        home.join(".gitconfig"),
        format!(
            "[url \"/nonexistent/\"]\n\tinsteadOf = /\n[core]\n\tsshCommand = {evil}\n\
             \tfsmonitor = {evil}\n[credential]\n\thelper = \"!{evil}\"\n\
             [uploadpack]\n\tpackObjectsHook = {evil}\n"
        ),
    )
    .unwrap();
    for (name, value) in [
        ("HOME", home.display().to_string()),
        ("GIT_SSH_COMMAND", evil.clone()),
        ("GIT_ASKPASS", "/bin/false".to_owned()),
        ("GIT_OBJECT_DIRECTORY", "/nonexistent".to_owned()),
        ("GIT_WORK_TREE", "/nonexistent".to_owned()),
        ("GIT_CONFIG_PARAMETERS", "'core.bare'='nonsense'".to_owned()),
    ] {
        fleet.world.program.env.push((name.to_owned(), value));
    }
    fleet.world.apply().expect(0);
    assert_eq!(fleet.delivered(), [OLDER]);
    assert!(!marker.exists());
}
