//! What the service manager hears of the loop.

use std::time::Duration;

use super::super::signals::Signal;
use super::super::systemd::Manager;
use super::{Case, options};

/// A socket to listen at, and a manager that speaks into it.
fn manager() -> (tempfile::TempDir, std::os::unix::net::UnixDatagram, Manager) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let watchdog = Some(Duration::from_secs(60));
    let manager = Manager::connect(path.as_os_str(), watchdog).unwrap();
    (dir, socket, manager)
}

fn heard(socket: &std::os::unix::net::UnixDatagram) -> Vec<String> {
    let mut buffer = [0; 4096];
    std::iter::from_fn(|| {
        let count = socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..count]).into_owned())
    })
    .collect()
}

#[tokio::test(start_paused = true)]
async fn the_service_manager_hears_of_everything() {
    let (_dir, socket, manager) = manager();
    let case = Case::begin(options(), |_, own| *own = manager);
    case.within(1).await;
    let messages = heard(&socket);
    assert!(messages[0].starts_with("READY=1\n"), "{messages:?}");
    assert!(
        messages.contains(&"STATUS=line\n".to_owned()),
        "{messages:?}"
    );
    case.signals.send(Signal::Reload).unwrap();
    case.within(1).await;
    let messages = heard(&socket);
    assert!(messages[0].starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(
        messages[1],
        "READY=1\nSTATUS=the new configuration is invalid: it is wrong; line\n"
    );
    case.signals.send(Signal::Stop).unwrap();
    case.running.await.unwrap().unwrap();
    assert_eq!(heard(&socket), ["STOPPING=1\nSTATUS=stopping\n"]);
}

#[tokio::test(start_paused = true)]
async fn the_watchdog_starves_when_a_run_hangs_and_only_then() {
    let is_food = |message: &String| message == "WATCHDOG=1\n";
    for (beats, takes, fed) in [
        (true, 600, 30..=42),
        (false, 600, 0..=2),
        (false, 0, 18..=42),
    ] {
        let (_dir, socket, manager) = manager();
        let case = Case::begin(options(), |script, own| {
            *own = manager;
            script.beats = beats;
            script.takes = Duration::from_secs(takes);
        });
        let mut food = 0;
        // The socket holds ten messages only.
        for _ in 0..59 {
            case.within(10).await;
            food += heard(&socket).iter().filter(|one| is_food(one)).count();
        }
        assert!(fed.contains(&food), "beats {beats}, takes {takes}: {food}");
        case.running.abort();
    }
}
