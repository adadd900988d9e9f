//! The process under test: the loop around a work that says what it is asked for.

use std::fs;
use std::future::pending;
use std::path::PathBuf;
use std::time::Duration;

use talos_order::daemon::{
    LoopRequest, LoopSchedule, NextRun, Options, Pulse, RunContext, RunResult, Triggers, Waker,
    Watching, Work, run,
};

use super::is_asked;

/// Where the child works, in its environment.
pub const DIR: &str = "TALOS_ORDER_TEST_DIR";

/// What its own lines begin with, among those of the test harness.
pub const SAYS: &str = "the work says: ";

fn say(what: &str) {
    // The harness may have begun the line.
    println!("\n{SAYS}{what}");
}

struct Talker {
    dir: PathBuf,
    orders: PathBuf,
}

impl Work for Talker {
    async fn run(&mut self, triggers: Triggers, _running: RunContext) -> RunResult {
        say(&format!("run: {triggers}"));
        if is_asked(&self.orders, "hang") {
            pending::<()>().await;
        }
        let files = fs::read_dir(&self.orders).unwrap().count();
        RunResult {
            converged: true,
            next: NextRun::Scheduled,
            due: None,
            line: format!("{files} files"),
        }
    }

    fn take_note(&mut self, request: LoopRequest) {
        say(&format!("request: {request:?}"));
    }

    fn reload(&mut self) -> Result<(), String> {
        let config = fs::read_to_string(self.dir.join("config")).unwrap();
        let orders = config.strip_prefix("orders ").ok_or(&config)?;
        self.orders = self.dir.join(orders);
        Ok(())
    }

    fn options(&self) -> Options {
        let every_second = is_asked(&self.orders, "every-second");
        Options {
            orders: Some(self.orders.clone()),
            schedule: LoopSchedule {
                interval: Some(Duration::from_secs(if every_second { 1 } else { 600 })),
                ..LoopSchedule::default()
            },
            watching: Watching {
                quiet: Duration::from_millis(50),
                ..Watching::default()
            },
            once: false,
        }
    }
}

#[test]
#[ignore = "started as a process by the tests beside it"]
fn child() {
    // Not started by them: somebody runs all ignored tests.
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else {
        return;
    };
    let orders = dir.join("orders");
    let work = Talker { dir, orders };
    let options = work.options();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ended = runtime.block_on(run(work, options, Waker::default(), Pulse::from_env()));
    assert!(ended.is_ok(), "{ended:?}");
    say("ended");
}
