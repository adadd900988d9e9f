//! Telling the service manager: READY, STATUS, RELOADING, STOPPING, WATCHDOG.
//!
//! The words are those of sd_notify(3); without `NOTIFY_SOCKET` nothing is said.
//! The address is a value here, so that a test can listen. `sd-notify` gives the
//! words and the monotonic clock; its own `notify` was not taken, as it reads the
//! environment at every call and does not know abstract sockets.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;

use super::pulse::Pulse;

/// How long a full socket may hold up the loop.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// A status is shown on one line of `systemctl status`.
const STATUS_MAX: usize = 400;

/// The service manager, if there is one.
#[derive(Debug, Default)]
pub(super) struct Manager {
    channel: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
    fed: Option<Instant>,
    /// Who else is told that the loop lives.
    pulse: Option<Pulse>,
}

impl Manager {
    /// The one that started this process, from the environment. An address that
    /// cannot be used is said in the log; the daemon runs without.
    pub(super) fn from_env() -> Self {
        let Some(address) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty())
        else {
            return Self::default();
        };
        Self::connect(&address, sd_notify::watchdog_enabled()).unwrap_or_else(|error| {
            let address = address.display();
            tracing::warn!(reason = %error, %address, "cannot reach the service manager");
            Self::default()
        })
    }

    /// The same, which tells somebody else as well that the loop lives.
    pub(super) fn beating(self, pulse: Pulse) -> Self {
        let pulse = Some(pulse);
        Self { pulse, ..self }
    }

    /// The one at an address: a path, or a name in the abstract namespace written
    /// with `@` in front. `watchdog` is the time after which it takes a silent
    /// daemon for dead.
    pub(super) fn connect(address: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        let address = match address.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(OsString::from(address))?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        Ok(Self {
            channel: Some((socket, address)),
            watchdog: watchdog.filter(|after| !after.is_zero()),
            fed: None,
            pulse: None,
        })
    }

    /// Start-up is over, or a reload.
    pub(super) fn ready(&mut self, status: &str) {
        let status = one_line(status);
        self.tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
    }

    pub(super) fn status(&mut self, status: &str) {
        let status = one_line(status);
        self.tell(&[NotifyState::Status(&status)]);
    }

    /// The configuration is being read anew; [`ready`](Self::ready) has to follow.
    pub(super) fn reloading(&mut self) {
        // Without the time the manager would take the message for an old one.
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!(reason = %error, "the monotonic clock cannot be read"),
        }
    }

    pub(super) fn stopping(&mut self) {
        self.tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    }

    /// Something moved. Said to the watchdog at most four times in its period.
    pub(super) fn alive(&mut self) {
        if let Some(pulse) = &self.pulse {
            pulse.beat();
        }
        let Some(period) = self.watchdog else { return };
        let now = Instant::now();
        if self.fed.is_none_or(|fed| now - fed >= period / 4) {
            self.fed = Some(now);
            self.tell(&[NotifyState::Watchdog]);
        }
    }

    /// The longest the loop may sleep.
    pub(super) fn feed_every(&self) -> Option<Duration> {
        self.watchdog.map(|period| period / 2)
    }

    /// All of it in one datagram. What cannot be said is logged: a daemon does not
    /// stop working because nobody listens.
    fn tell(&self, states: &[NotifyState<'_>]) {
        let Some((socket, address)) = &self.channel else {
            return;
        };
        let message: String = states.iter().map(|state| format!("{state}\n")).collect();
        if let Err(error) = socket.send_to_addr(message.as_bytes(), address) {
            tracing::debug!(reason = %error, message = message.trim_end(), "the service manager does not listen");
        }
    }
}

/// A line break would begin another message.
fn one_line(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(clean).take(STATUS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener() -> (tempfile::TempDir, UnixDatagram, OsString) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        (dir, socket, path.into_os_string())
    }

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 4096];
        let count = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    }

    #[test]
    fn every_word_arrives_in_one_datagram() {
        let (_dir, socket, path) = listener();
        let mut manager = Manager::connect(&path, None).unwrap();
        manager.ready("in sync\nREADY=0");
        assert_eq!(heard(&socket), "READY=1\nSTATUS=in sync READY=0\n");
        manager.reloading();
        let reloading = heard(&socket);
        let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        let time = time.and_then(|rest| rest.trim_end().parse::<u64>().ok());
        assert!(time.is_some_and(|time| time > 0), "{reloading}");
        manager.stopping();
        assert_eq!(heard(&socket), "STOPPING=1\nSTATUS=stopping\n");
    }

    #[test]
    fn an_abstract_address_works_too() {
        let name = format!("talos-order-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let mut manager = Manager::connect(OsStr::new(&format!("@{name}")), None).unwrap();
        manager.status("here");
        assert_eq!(heard(&socket), "STATUS=here\n");
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_fed_now_and_then_and_only_where_there_is_one() {
        let (_dir, socket, path) = listener();
        let mut manager = Manager::connect(&path, Some(Duration::from_secs(60))).unwrap();
        for _ in 0..60 {
            manager.alive();
            manager.alive();
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        socket.set_nonblocking(true).unwrap();
        let mut buffer = [0; 64];
        let fed = std::iter::from_fn(|| socket.recv(&mut buffer).ok()).count();
        assert_eq!(fed, 4);
        let mut without = Manager::connect(&path, None).unwrap();
        without.alive();
        assert!(socket.recv(&mut buffer).is_err());
    }

    #[test]
    fn nobody_listening_is_no_trouble() {
        let (dir, socket, path) = listener();
        let mut manager = Manager::connect(&path, None).unwrap();
        drop((socket, dir));
        manager.ready("all alone");
        Manager::default().ready("nobody at all");
    }
}
