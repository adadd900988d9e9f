//! The loop as a process: real signals, a real service manager's socket, the real
//! scheduler and real events.
//!
//! The process is this test program again, started with `child` as its only test,
//! and talked to as systemd talks to a service.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test touches the world, and may fail where it stands"
)]

mod child;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Long enough for anything that is to happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A daemon and its service manager.
struct Service {
    dir: TempDir,
    process: Child,
    lines: Receiver<String>,
    socket: UnixDatagram,
}

impl Service {
    /// Starts one on an orders directory with these files.
    fn start(files: &[&str], watchdog: Option<Duration>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let orders = dir.path().join("orders");
        fs::create_dir(&orders).unwrap();
        for file in files {
            fs::write(orders.join(file), "").unwrap();
        }
        let address = dir.path().join("notify");
        let socket = UnixDatagram::bind(&address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["child::child", "--exact", "--ignored", "--nocapture"])
            .env(child::DIR, dir.path())
            .env("NOTIFY_SOCKET", &address)
            .env_remove("WATCHDOG_PID")
            .env_remove("WATCHDOG_USEC")
            .stdout(Stdio::piped());
        if let Some(watchdog) = watchdog {
            command.env("WATCHDOG_USEC", watchdog.as_micros().to_string());
        }
        let mut process = command.spawn().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Some(said) = line.strip_prefix(child::SAYS) {
                    let _ = sender.send(said.to_owned());
                }
            }
        });
        Self {
            dir,
            process,
            lines,
            socket,
        }
    }

    fn orders(&self, name: &str) -> PathBuf {
        self.dir.path().join("orders").join(name)
    }

    /// The next thing that the work says.
    fn says(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    /// The next thing that the service manager hears, signs of life left out.
    fn hears(&self) -> String {
        loop {
            let message = self.hears_all();
            if message != "WATCHDOG=1\n" {
                return message;
            }
        }
    }

    /// The next thing that the service manager hears, signs of life among them.
    fn hears_all(&self) -> String {
        let mut buffer = [0; 4096];
        let count = self.socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.process.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    fn ends(mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
    }
}

#[test]
fn a_service_starts_follows_the_orders_and_stops() {
    let service = Service::start(&["a.yaml"], None);
    assert!(service.hears().starts_with("READY=1\n"));
    assert_eq!(service.says(), "run: start");
    assert_eq!(service.hears(), "STATUS=1 files\n");

    fs::write(service.orders("b.yaml"), "").unwrap();
    assert_eq!(service.says(), "run: change");
    assert_eq!(service.hears(), "STATUS=2 files\n");

    service.signal(Signal::USR1);
    assert_eq!(service.says(), "run: manual");
    assert_eq!(service.hears(), "STATUS=2 files\n");

    service.signal(Signal::TERM);
    assert!(service.hears().starts_with("STOPPING=1\n"));
    assert_eq!(service.says(), "ended");
    assert!(service.ends().success());
}

#[test]
fn a_reload_is_told_and_a_bad_one_refused() {
    let service = Service::start(&[], None);
    service.hears();
    assert_eq!(service.says(), "run: start");
    service.hears();

    fs::write(service.dir.path().join("config"), "nonsense").unwrap();
    service.signal(Signal::HUP);
    assert!(service.hears().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(
        service.hears(),
        "READY=1\nSTATUS=the new configuration is invalid: nonsense; 0 files\n"
    );

    // A good one leads elsewhere, and the watch goes with it.
    let other = service.dir.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(service.dir.path().join("config"), "orders other").unwrap();
    service.signal(Signal::HUP);
    assert!(service.hears().starts_with("RELOADING=1\n"));
    assert_eq!(service.hears(), "READY=1\nSTATUS=0 files\n");
    assert_eq!(service.says(), "run: reload");
    service.hears();
    fs::write(other.join("a.yaml"), "").unwrap();
    assert_eq!(service.says(), "run: change");
    assert_eq!(service.hears(), "STATUS=1 files\n");
}

#[test]
fn the_scheduler_calls_for_runs_by_itself() {
    let service = Service::start(&["every-second"], None);
    assert_eq!(service.says(), "run: start");
    assert_eq!(service.says(), "run: schedule");
    assert_eq!(service.says(), "run: schedule");
}

#[test]
fn a_second_signal_ends_even_a_run_that_hangs() {
    let service = Service::start(&["hang"], None);
    assert_eq!(service.says(), "run: start");
    service.signal(Signal::INT);
    while !service.hears().starts_with("STOPPING=1\n") {}
    service.signal(Signal::INT);
    assert_eq!(service.ends().code(), Some(130));
}

#[test]
fn an_idle_loop_feeds_the_watchdog_and_a_hanging_run_does_not() {
    let start = |files: &[&str]| {
        let service = Service::start(files, Some(Duration::from_millis(200)));
        assert_eq!(service.says(), "run: start");
        service
    };
    let (idle, hanging) = (start(&[]), start(&["hang"]));
    let is_food = |message: &str| message == "WATCHDOG=1\n";
    let mut fed = 0;
    while fed < 10 {
        fed += usize::from(is_food(&idle.hears_all()));
    }
    // In as long a time, the other one said at most that its run started. The end is
    // asked for, as a message that comes behind any other.
    hanging.signal(Signal::TERM);
    let mut fed = 0;
    loop {
        let message = hanging.hears_all();
        if message.starts_with("STOPPING=1\n") {
            break;
        }
        fed += usize::from(is_food(&message));
    }
    assert!(fed <= 2, "{fed}");
}

/// What a child is started for, by the files in its orders.
fn is_asked(orders: &Path, name: &str) -> bool {
    orders.join(name).exists()
}
