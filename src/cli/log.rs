//! The log of the program: on standard error, an event a line, with one time in it.

use std::io::{self, Write};
use std::os::fd::AsFd;

use tracing_subscriber::EnvFilter;

use super::args::Common;
use super::forms::LogFormat;
use super::safe;

/// Libraries say what they warn of and no more: what they do at each request and alarm is
/// nothing that a user of this program has asked for. The watcher of the orders hands
/// over its errors as values, and warns besides of every watched directory that goes,
/// which git-sync and Kubernetes make happen with each change. Whoever names one of them
/// in `--log` hears it all the same.
const LIBRARIES: &str = "notify=off,hyper=warn,hyper_util=warn,object_store=warn,reqwest=warn,\
     rustls=warn,rustls_platform_verifier=warn,tokio_cron_scheduler=warn";

/// Begins to write the log; `usual` is the filter where none is given.
pub(super) fn start(common: &Common, usual: &str) -> anyhow::Result<()> {
    let filter = common.log.as_deref().unwrap_or(usual);
    let filter = EnvFilter::try_new(format!("{LIBRARIES},{filter}"))
        .map_err(|error| anyhow::anyhow!("--log {filter:?}: {error}"))?;
    let json = matches!(common.log_format, LogFormat::Json);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || Log { json })
        .log_internal_errors(false);
    // A second start (the demo answers several command lines in one process)
    // keeps the first log.
    let _ = match common.log_format {
        // A line of JSON is read far from the journal as well, so it keeps its time.
        LogFormat::Json => log.json().try_init(),
        LogFormat::Text => {
            let colors =
                anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
            let log = log.with_ansi(colors).with_target(false);
            match is_journal() {
                true => log.without_time().try_init(),
                false => log.try_init(),
            }
        }
    };
    Ok(())
}

/// True if standard error is the journal, which notes the time of each line itself.
/// systemd says so in `JOURNAL_STREAM`, which programs inherit whose output goes
/// elsewhere: so the variable counts only if it names this very stream.
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let Ok(stat) = rustix::fs::fstat(io::stderr().as_fd()) else {
        return false;
    };
    stream == format!("{}:{}", stat.st_dev, stat.st_ino)
}

/// Where the log goes: standard error, one event at a time.
struct Log {
    /// Events are JSON.
    json: bool,
}

impl Write for Log {
    /// The log hands over a whole event. Further lines of it are indented, so that no
    /// text can look like an event of its own.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let safe = if self.json {
            safe::json(&text).into_owned()
        } else {
            let (text, end) = match text.strip_suffix('\n') {
                Some(text) => (text, "\n"),
                None => (&*text, ""),
            };
            format!("{}{end}", safe::terminal(text).replace('\n', "\n  "))
        };
        io::stderr().lock().write_all(safe.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
