//! Receivers over HTTP: what they get, and what happens where they do not take it.

use std::fs;
use std::time::Instant;

use crate::common::wait_for;
use crate::common::world::position;
use crate::receiver::{Answer, Receiver};
use crate::schema;
use crate::world::Told;

const ALL: &str = "  rules: [{after: 0s}]\n";

fn hook(name: &str, receiver: &Receiver, more: &str) -> String {
    format!(
        "{{name: {name}, type: webhook, url: \"{}/hook?a=b\"{more}}}",
        receiver.url
    )
}

#[test]
fn a_failure_and_its_recovery_arrive_once_each_with_the_same_key() {
    let receiver = Receiver::new(Answer::ok());
    let signed = ", secret_env: HOOK_SECRET, headers: [{name: X-Team, value_file: team}]";
    let mut told = Told::new(
        &[hook("hook", &receiver, signed)],
        ALL,
        "web: {external_url: https://status.example.org/}\n",
    );
    let env = ("HOOK_SECRET".to_owned(), "key".to_owned());
    told.world.program.env.push(env);
    fs::write(told.program().dir.join("team"), "blue\n").unwrap();
    told.fails();
    let controller = told.run();
    let first = receiver.wait(1).remove(0);
    assert_eq!(first.line, "POST /hook?a=b");
    assert_eq!(first.told(), ["failure order/one"]);
    assert_eq!(first.header("x-team"), Some("blue"));
    let body = first.json();
    let described = told.program().run(&["schema", "notification"]).expect(0);
    assert_eq!(schema::misfits(&described.json(), &body), [""; 0]);
    assert_eq!(body["controller"], "homelab");
    assert_eq!(body["url"], "https://status.example.org");
    assert_eq!(body["events"][0]["reason"], "NoSuchVersion");
    assert_eq!(body["status"], "error");
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"key");
    let signature = first.header("x-signature").unwrap();
    let hex = signature.strip_prefix("sha256=").unwrap();
    let tag: Vec<u8> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect();
    aws_lc_rs::hmac::verify(&key, &first.bytes, &tag).unwrap();

    // Another run finds the same and tells nobody.
    told.program().run(&["reconcile"]).expect(1);
    told.is_well();
    let all = receiver.wait(2);
    assert_eq!(all[1].told(), ["recovery order/one"]);
    assert_eq!(all[1].json()["status"], "good");
    told.program().run(&["reconcile"]).expect(0);
    controller.stop();
    assert_eq!(receiver.received().len(), 2);
    assert_eq!(told.listed("hook")["waiting"], 0);
}

#[test]
fn a_receiver_that_refuses_is_tried_again_over_a_restart_and_stops_nothing() {
    let refusing = Receiver::new(Answer::status("500 Oh", "retry-after: 1\r\n", "no"));
    let silent = Receiver::new(Answer::Silence);
    let good = Receiver::new(Answer::ok());
    let providers = [
        hook("refusing", &refusing, ""),
        hook("silent", &silent, ", timeout: 120s"),
        hook("good", &good, ""),
    ];
    let told = Told::new(&providers, ALL, "");
    told.fails();
    let controller = told.run();
    // Neither keeps the other from being told, nor runs from going on.
    good.wait(1);
    refusing.wait(1);
    silent.wait(1);
    told.program().run(&["reconcile"]).expect(1);
    wait_for("the refusal is recorded", || {
        told.listed("refusing")["error"].is_string()
    });
    let error = told.listed("refusing")["error"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(error.contains("500") && error.contains("no"), "{error}");
    let begin = Instant::now();
    controller.stop();
    assert!(begin.elapsed().as_secs() < 30, "the end waits for nobody");
    // What is due is due after the restart, when its time has come.
    refusing.answers(Answer::ok());
    let ledger = told.world.at("cache/.talos-order/alerts.json");
    let mut text: serde_json::Value = serde_json::from_slice(&fs::read(&ledger).unwrap()).unwrap();
    assert!(text["providers"]["refusing"]["retry_at"].is_string());
    text["providers"]["refusing"]["retry_at"] = "2026-01-01T00:00:00Z".into();
    fs::write(&ledger, text.to_string()).unwrap();
    let controller = told.run();
    let all = refusing.wait(2);
    assert_eq!(all[0].told(), all[1].told());
    assert_eq!(all[0].json()["id"], all[1].json()["id"]);
    wait_for("it is recorded", || told.listed("refusing")["firing"] == 1);
    assert_eq!(told.listed("silent")["waiting"], 1);
    controller.stop();
    assert_eq!(good.received().len(), 1);
}

#[test]
fn only_a_confirmation_counts() {
    let big = format!(
        "{}\r\n\r\n{}",
        "HTTP/1.1 503 Busy\r\ncontent-length: 99999999",
        "x".repeat(1 << 20)
    );
    let cases = [
        (
            Answer::status("301 Moved", "location: http://127.0.0.1:9/\r\n", ""),
            "301",
        ),
        (
            Answer::status("429 Slow", "retry-after: 7200\r\n", "{\"retry_after\": 1}"),
            "429",
        ),
        (
            Answer::status("404 Not Found", "", "<html>no</html>"),
            "404",
        ),
        (Answer::Bytes(b"SSH-2.0-OpenSSH\r\n".to_vec()), "no answer"),
        (Answer::Bytes(Vec::new()), "no answer"),
        (Answer::Bytes(big.into_bytes()), "503"),
    ];
    let receiver = Receiver::new(Answer::ok());
    let told = Told::new(&[hook("hook", &receiver, ", timeout: 5s")], ALL, "");
    let test = || told.program().run(&["notify", "test", "hook"]);
    test()
        .expect(0)
        .says("delivered to webhook")
        .says("answer: 200 OK: ok");
    for (answer, says) in cases {
        receiver.answers(answer);
        test().expect(1).complains(says).complains("not delivered");
    }
    // Nothing of the query is shown: it may be the secret.
    assert!(!test().stderr.contains("a=b"));
    told.program()
        .run(&["notify", "test", "hok"])
        .expect(2)
        .complains("the configuration has hook");

    // A receiver that asks for patience has it.
    receiver.answers(Answer::status("429 Slow", "retry-after: 7200\r\n", ""));
    told.fails();
    told.apply()
        .expect(1)
        .complains("kept for the next run: hook:");
    let count = receiver.received().len();
    told.apply().expect(1).complains("not tried again before");
    assert_eq!(receiver.received().len(), count);
    // What recovers before it was delivered is told to nobody.
    receiver.answers(Answer::ok());
    told.is_well();
    told.apply().expect(0);
    assert_eq!(receiver.received().len(), count);
    assert_eq!(told.listed("hook")["waiting"], 0);
}

#[test]
fn a_single_run_tells_and_a_plan_does_not() {
    let receiver = Receiver::new(Answer::ok());
    let told = Told::new(&[hook("hook", &receiver, "")], ALL, "");
    told.fails();
    told.program().run(&["plan"]).expect(0);
    assert_eq!(receiver.received().len(), 0);
    told.apply().expect(1);
    assert_eq!(receiver.received()[0].told(), ["failure order/one"]);
    told.program().run(&["run", "--once"]).expect(1);
    assert_eq!(receiver.received().len(), 1);
    told.is_well();
    let older = "      version: {type: exact, value: v1.11.2}\n";
    told.world.order("two.yaml", &position("two", "iso", older));
    // A run for another order says nothing of this one.
    told.program().run(&["apply", "--order", "two"]).expect(0);
    assert_eq!(receiver.received().len(), 1);
    told.program().run(&["run", "--once"]).expect(0);
    assert_eq!(receiver.received()[1].told(), ["recovery order/one"]);
    // Without its orders a run cannot begin, which is told as well.
    fs::remove_dir_all(told.world.at("orders")).unwrap();
    told.program().run(&["run", "--once"]).expect(1);
    assert_eq!(receiver.wait(3)[2].told(), ["failure run"]);
}

#[test]
fn a_controller_that_is_killed_before_it_records_sends_the_same_again() {
    // The receiver has the message, and its answer does not come.
    let receiver = Receiver::new(Answer::Silence);
    let told = Told::new(&[hook("hook", &receiver, ", timeout: 120s")], ALL, "");
    told.fails();
    let controller = told.run();
    let first = receiver.wait(1).remove(0);
    controller.kill();
    receiver.answers(Answer::ok());
    let controller = told.run();
    let second = receiver.wait(2).remove(1);
    assert_eq!(first.json()["id"], second.json()["id"]);
    assert_eq!(second.told(), ["failure order/one"]);
    wait_for("it is recorded", || told.listed("hook")["firing"] == 1);
    controller.kill();
    // What was told is told once, also by the next process.
    told.is_well();
    let controller = told.run();
    assert_eq!(receiver.wait(3)[2].told(), ["recovery order/one"]);
    controller.stop();
    assert_eq!(receiver.received().len(), 3);
}
