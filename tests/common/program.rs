//! The built program, run as a user runs it.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::PATIENCE;

/// A way to run the program: its directory and its environment.
#[derive(Debug, Clone)]
pub struct Program {
    /// Which one: the one that was built, unless a test says otherwise.
    pub binary: PathBuf,
    /// The working directory.
    pub dir: PathBuf,
    /// More variables for the environment.
    pub env: Vec<(String, String)>,
    /// The arguments of every run.
    pub args: Vec<String>,
    /// The user that runs it, where that is another one.
    pub user: Option<u32>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    /// The program in a working directory.
    pub fn new(dir: &Path) -> Self {
        Self {
            binary: env!("CARGO_BIN_EXE_talos-order").into(),
            dir: dir.to_owned(),
            env: Vec::new(),
            args: Vec::new(),
            user: None,
        }
    }

    /// With `--config` and `--orders` in every run.
    pub fn with_files(dir: &Path, config: &Path, orders: &Path) -> Self {
        let mut program = Self::new(dir);
        let (config, orders) = (config.display(), orders.display());
        program.args = vec![format!("--config={config}"), format!("--orders={orders}")];
        program
    }

    /// A command that is not run yet.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command.current_dir(&self.dir).args(args).args(&self.args);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            let ours = name.starts_with("TALOS_ORDER_");
            let upper = name.to_uppercase();
            let proxy = upper.ends_with("_PROXY");
            let colors = ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"].contains(&upper.as_str());
            if ours || proxy || colors {
                command.env_remove(name);
            }
        }
        // What the user of this machine has configured is no part of a test.
        for variable in ["XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"] {
            command.env(variable, self.dir.join(".xdg"));
        }
        // Who suspended something stands in the events.
        command.env_remove("SUDO_USER").env("USER", "tester");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null());
        command
    }

    /// Runs it to its end; a run that hangs is killed and fails the test.
    pub fn run(&self, args: &[&str]) -> Ran {
        let mut command = assert_cmd::Command::from_std(self.command(args));
        let output = command.timeout(PATIENCE * 2).output().unwrap();
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    }

    /// Starts it and goes on; nobody reads what it says.
    pub fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// Starts it and goes on; what it says can be read later.
    pub fn start_heard(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }
}

impl Ran {
    /// Fails the test unless it ended so.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Fails the test unless stdout says so.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "no {text:?} on stdout:\n{self}");
        self
    }

    /// Fails the test if stdout says so.
    #[track_caller]
    pub fn omits(self, text: &str) -> Self {
        let says = self.stdout.contains(text);
        assert!(!says, "{text:?} on stdout:\n{self}");
        self
    }

    /// Fails the test unless stderr says so.
    #[track_caller]
    pub fn complains(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no {text:?} on stderr:\n{self}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|why| panic!("{why}\n{self}"))
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            code,
            stdout,
            stderr,
        } = self;
        write!(f, "exit {code:?}\n-- stdout\n{stdout}\n-- stderr\n{stderr}")
    }
}

/// Ends a process that a test started.
pub fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Asks a process that a test started to end.
pub fn terminate(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}
