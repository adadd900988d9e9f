//! The scripts that run on a node, as text to send.

use crate::nodes::ssh::quote::for_shell;

/// What runs on the node; each is described in its file in `scripts/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeScript {
    Observe,
    Storages,
    Prepare,
    Place,
    Receive,
    ReceiveEarly,
    Discard,
    Clear,
    Renew,
    Release,
    Remove,
    Verify,
    Vms,
    VmConfig,
    CreateTemplate,
    ChangeTemplate,
    RemoveTemplate,
}

macro_rules! scripts {
    ($($name:literal)+) => {
        concat!($(include_str!(concat!("scripts/", $name, ".sh"))),+)
    };
}

/// What every script under a lease begins with.
macro_rules! lease {
    ($($name:literal)+) => {
        scripts!("common" "private" "fence" "lease" "digest" "record" $($name)+)
    };
}

/// What every script about one virtual machine begins with.
macro_rules! machine {
    ($($name:literal)+) => {
        scripts!("common" "roots" "digest" "fence" "machine" $($name)+)
    };
}

impl NodeScript {
    const fn body(self) -> &'static str {
        match self {
            Self::Observe => scripts!("common" "roots" "observe"),
            Self::Storages => scripts!("common" "roots" "storages"),
            Self::Prepare => lease!("roots" "delivery" "resume" "prepare"),
            Self::Place => lease!("delivery" "place"),
            Self::Receive => lease!("delivery" "receive"),
            Self::ReceiveEarly => lease!("roots" "delivery" "resume" "receive_early"),
            Self::Discard => lease!("discard"),
            Self::Clear => lease!("clear"),
            Self::Renew => lease!("renew"),
            Self::Release => lease!("release"),
            Self::Remove => lease!("remove"),
            Self::Verify => lease!("verify"),
            Self::Vms => scripts!("common" "roots" "vms"),
            Self::VmConfig => machine!("vm_config"),
            Self::CreateTemplate => machine!("create_template"),
            Self::ChangeTemplate => machine!("change_template"),
            Self::RemoveTemplate => machine!("remove_template"),
        }
    }

    /// The programs for perl that a script runs, by the variable they are in.
    const fn programs(self) -> &'static [(&'static str, &'static str)] {
        const DATA: (&str, &str) = ("data_pl", include_str!("scripts/data.pl"));
        const RECEIVE: (&str, &str) = ("receive_pl", include_str!("scripts/receive.pl"));
        match self {
            Self::Prepare | Self::Place => &[DATA],
            Self::Receive | Self::ReceiveEarly => &[DATA, RECEIVE],
            Self::Observe
            | Self::Storages
            | Self::Discard
            | Self::Clear
            | Self::Renew
            | Self::Release
            | Self::Remove
            | Self::Verify
            | Self::Vms
            | Self::VmConfig
            | Self::CreateTemplate
            | Self::ChangeTemplate
            | Self::RemoveTemplate => &[],
        }
    }

    /// The text to feed to `sh -s`.
    ///
    /// The call stands between braces: a shell that does not get the closing
    /// one does not run it, not even with the arguments that did arrive.
    pub(crate) fn text(self, nonce: &str, args: &[&str]) -> String {
        let call = call(nonce, args);
        format!("{}{{ {call} </dev/null\n}}\n", self.head())
    }

    /// The command line of a script that reads a stream: the script cannot come the
    /// same way.
    pub(crate) fn line(self, nonce: &str, args: &[&str]) -> String {
        let text = format!("{}{}\n", self.head(), call(nonce, args));
        format!("sh -c {}", for_shell(&text))
    }

    fn head(self) -> String {
        let mut head = String::new();
        for (name, program) in self.programs() {
            let program = for_shell(&without_comments(program));
            head.push_str(&format!("{name}={program}\n"));
        }
        head + &without_comments(self.body())
    }
}

/// The call of `main`, which each script has.
fn call(nonce: &str, args: &[&str]) -> String {
    let args = [nonce].into_iter().chain(args.iter().copied());
    let args: Vec<String> = args.map(for_shell).collect();
    format!("main {}", args.join(" "))
}

/// A script without the lines that are comments: they are two fifths of what would be
/// sent with every call. No script has a text of several lines in which one begins
/// with `#`.
fn without_comments(script: &str) -> String {
    let lines = script.split_inclusive('\n');
    lines
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect()
}

/// The command line of a program that sends on what is on a node, behind its first
/// `from` bytes, as `receive.sh` reads it. The command that reads it follows.
pub(crate) fn sender(path: &str, from: u64) -> String {
    format!("{} {} {from} |", send(), for_shell(path))
}

/// The same of a part that is still being written to, and of what it becomes. The words of
/// the command that reads it follow: this one ends with it.
pub(crate) fn follower(part: &str, path: &str) -> String {
    format!("{} {} follow {}", send(), for_shell(part), for_shell(path))
}

fn send() -> String {
    let program = for_shell(&without_comments(include_str!("scripts/send.pl")));
    format!("perl -e {program} --")
}

/// What tells an answer from everything that a login shell prints.
pub(crate) fn nonce() -> String {
    format!("{:016x}", fastrand::u64(..))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::protocol::answer::read;

    #[test]
    fn every_script_says_what_it_takes_and_answers_and_is_sent_without_that() {
        let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/src/nodes/protocol/scripts");
        for file in std::fs::read_dir(scripts).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let header: Vec<&str> = text.lines().take_while(|l| l.starts_with('#')).collect();
            for topic in ["# arguments: ", "# answers: ", "# exit codes: "] {
                let has = header.iter().any(|line| line.starts_with(topic));
                assert!(has, "{}: {topic}", path.display());
            }
            assert!(!without_comments(&text).contains("arguments: "));
        }
    }

    /// Nothing that the receiver started keeps it from its end.
    #[tokio::test]
    async fn a_receiver_whose_disk_fails_says_so_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let failing = "require IO::Handle; no warnings; \
                       *IO::Handle::sync = sub { $! = 5; return }; 1;";
        std::fs::write(dir.path().join("Failing.pm"), failing).unwrap();
        let receiver = include_str!("scripts/receive.pl");
        let script = "exec 8<>\"$1/part\" 3>/dev/null; \
                      exec perl -I \"$1\" -MFailing -e \"$2\" -- part 5 inline '' sha256sum";
        // From the beginning; five bytes there; the end behind them.
        let mut stream = [0_u64, 0, 5].map(u64::to_be_bytes).concat();
        stream.extend(b"hello");
        stream.extend([5_u64, 0].map(u64::to_be_bytes).concat());
        let ended = crate::io::process::Program::new("sh")
            .args(["-c", script, "sh"])
            .arg(dir.path())
            .arg(receiver)
            .stdin(stream)
            .total(std::time::Duration::from_secs(30))
            .run()
            .await
            .unwrap();
        assert_eq!(ended.status.code(), Some(11), "{ended:?}");
    }

    #[tokio::test]
    async fn a_script_that_did_not_arrive_whole_does_nothing() {
        let text = NodeScript::Observe.text("n1", &["", "/"]);
        let whole = crate::io::process::Program::new("sh")
            .arg("-s")
            .stdin(text.clone());
        let whole = whole.run().await.unwrap();
        assert!(read(&whole.stdout, "n1").is_ok());
        let call = text.rfind("{ main").unwrap();
        for cut in [call + 8, text.len() - 15, text.len() - 3] {
            let part = crate::io::process::Program::new("sh")
                .arg("-s")
                .stdin(&text[..cut]);
            let part = part.run().await.unwrap();
            assert_eq!(part.stdout, b"", "{:?}", &text[call..cut]);
        }
    }
}
