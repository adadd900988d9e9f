//! Prometheus reads what the program exports, and the examples for monitoring work.
//!
//! `promtool` and `prometheus` are those of the package `prometheus`; nothing of the
//! machine's own is used.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test touches the world, and may fail where it stands"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

mod common;

use common::program::{kill, terminate};
use common::world::World;

const EXAMPLES: &str = "examples/monitoring";

fn promtool(args: &[&str], input: &str) {
    let mut child = Command::new("promtool")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool, of the package prometheus");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "promtool {args:?}: {said}");
    // A lint is said, and is no failure.
    if args[0] == "check" && args[1] == "metrics" {
        assert_eq!(said, "", "{input}");
    }
}

#[test]
fn the_examples_pass_the_tests_of_promtool() {
    let example = |name: &str| format!("{EXAMPLES}/{name}");
    promtool(&["check", "rules", &example("alerts.yaml")], "");
    promtool(&["test", "rules", &example("alerts.test.yaml")], "");
    promtool(&["check", "config", &example("prometheus.yml")], "");
}

/// The expressions below a value.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(
                fields
                    .get("expr")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            );
            fields.values().for_each(|value| expressions(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| expressions(value, found)),
        _ => {}
    }
}

#[test]
fn every_expression_of_the_dashboard_can_be_parsed() {
    let text = std::fs::read_to_string(format!("{EXAMPLES}/grafana-dashboard.json"));
    let dashboard: Value = serde_json::from_str(&text.unwrap()).unwrap();
    let mut found = Vec::new();
    expressions(&dashboard, &mut found);
    assert!(found.len() > 40);
    let rules = found.iter().enumerate().map(|(number, expression)| {
        // What Grafana puts in.
        let expression = expression.replace("$__rate_interval", "5m");
        let expression = serde_json::to_string(&expression).unwrap();
        format!("      - {{record: 'a:b{number}', expr: {expression}}}\n")
    });
    let rules: String = rules.collect();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rules.yaml");
    let text = format!("groups:\n  - name: dashboard\n    rules:\n{rules}");
    std::fs::write(&file, text).unwrap();
    promtool(&["check", "rules", &file.display().to_string()], "");
}

/// Asks once: the status and the body.
fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let code = head.split(' ').nth(1)?.parse().ok()?;
    Some((code, body.to_owned()))
}

/// Asks until the answer is as wanted.
fn wait_for(address: SocketAddr, path: &str, wanted: impl Fn(u16, &str) -> bool) -> String {
    let until = Instant::now() + Duration::from_secs(60);
    let mut last = None;
    while Instant::now() < until {
        last = get(address, path);
        if let Some((code, body)) = &last
            && wanted(*code, body)
        {
            return body.clone();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{path}: {last:?}");
}

fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// A process that ends with the test, also where that fails.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        kill(&mut self.0);
    }
}

/// A Prometheus that asks `target`.
fn prometheus(dir: &Path, target: SocketAddr) -> (Ending, SocketAddr) {
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
         rule_files: [{}/{EXAMPLES}/alerts.yaml]\n\
         scrape_configs:\n  - job_name: talos-order\n    static_configs: [{{targets: ['{target}']}}]\n",
        env!("CARGO_MANIFEST_DIR"),
    );
    let file = dir.join("prometheus.yml");
    std::fs::write(&file, config).unwrap();
    let address = free_port();
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", file.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            dir.join("tsdb").display()
        ))
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (Ending(child), address)
}

#[test]
fn prometheus_scrapes_a_controller_and_knows_its_alerts() {
    let world = World::small();
    world.configure_local(1, "");
    world.order_one("iso", "");
    world.order("broken.yaml", "- {orderid: broken, colour: red}\n");
    let address = free_port();
    let address_text = address.to_string();
    let run = ["run", "--listen", &address_text];
    let mut child = Ending(world.program.start(&run));
    wait_for(address, "/readyz", |code, _| code == 200);
    assert_eq!(get(address, "/healthz").map(|(code, _)| code), Some(200));
    let text = wait_for(address, "/metrics", |code, body| {
        code == 200 && body.contains("\ntalos_order_running 0\n")
    });
    promtool(&["check", "metrics"], &text);
    for line in [
        "talos_order_runs_total{verdict=\"stalled\",trigger=\"start\"} 1",
        "talos_order_steps_total{kind=\"fetch\",result=\"done\"} 1",
        "talos_order_order_condition{order=\"broken\",state=\"Stalled\",reason=\"InvalidOrder\"} 1",
        "talos_order_artifacts_present 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    let factory = world.factory.url();
    let host = factory.trim_start_matches("http://").trim_end_matches('/');
    let asked = format!("talos_order_upstream_requests_total{{host=\"{host}\",code=\"302\"}} 1");
    assert!(text.contains(&asked), "{text}");
    let (_server, at) = prometheus(world.dir.path(), address);
    let stalled = "/api/v1/alerts";
    let body = wait_for(at, stalled, |_, body| {
        body.contains("TalosOrderOrderStalled")
    });
    assert!(body.contains("\"order\":\"broken\""), "{body}");
    terminate(&child.0);
    child.0.wait().unwrap();
}

#[test]
fn a_file_of_metrics_goes_on_from_run_to_run_also_where_one_fails() {
    let world = World::small();
    world.configure_local(1, "");
    world.order_one("iso", "");
    let file = world.at("talos-order.prom");
    let name = file.display().to_string();
    let apply = ["apply", "--yes", "--metrics-file", &name];
    let read = || std::fs::read_to_string(&file).unwrap();
    let has = |line: &str| {
        let text = read();
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    };
    world.program.run(&apply).expect(0);
    promtool(&["check", "metrics"], &read());
    has("talos_order_runs_total{verdict=\"converged\",trigger=\"manual\"} 1");
    let fetched = |text: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with("talos_order_fetched_bytes_total"));
        line.map(str::to_owned)
    };
    let first = fetched(&read());
    world
        .program
        .run(&["run", "--once", "--metrics-file", &name])
        .expect(0);
    has("talos_order_runs_total{verdict=\"converged\",trigger=\"manual\"} 1");
    has("talos_order_runs_total{verdict=\"converged\",trigger=\"start\"} 1");
    assert_eq!(fetched(&read()), first);
    // Without orders there is no run; the file says so, and what it counted stays.
    let (orders, away) = (world.at("orders"), world.at("away"));
    std::fs::rename(&orders, &away).unwrap();
    world.program.run(&apply).expect(1);
    world
        .program
        .run(&["run", "--once", "--metrics-file", &name])
        .expect(1);
    promtool(&["check", "metrics"], &read());
    has("talos_order_runs_total{verdict=\"failed\",trigger=\"manual\"} 1");
    has("talos_order_runs_total{verdict=\"failed\",trigger=\"start\"} 1");
    has("talos_order_last_run_verdict{verdict=\"failed\"} 1");
    assert_eq!(fetched(&read()), first);
    let gone = ["apply", "--metrics-file", "/nowhere/at.prom"];
    world
        .program
        .run(&gone)
        .expect(1)
        .complains("/nowhere/at.prom");
    // Nothing that a collector of `*.prom` would read as well.
    let names = std::fs::read_dir(file.parent().unwrap()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name());
    let count = names
        .filter(|name| name.to_string_lossy().contains(".prom"))
        .count();
    assert_eq!(count, 1);
}
