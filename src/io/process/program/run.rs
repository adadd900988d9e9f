//! Runs a program to its end: what it reads and writes, its limits, and its death.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::error::ProgramError;
use super::input::{InputPiece, InputPipe};
use super::tail::Tail;
use super::{Input, Program};

/// How long output is still read after the process ended. A helper that the
/// process left behind may hold the pipe open for as long as it likes.
const DRAIN: Duration = Duration::from_millis(500);

/// How much a pipe holds that gigabytes go through, in bytes: the two ends wait less
/// for each other than with the usual 64 KiB. More is not given to everyone.
const PIPE: usize = 1 << 20;

/// What a process left behind when it ended by itself, well or badly.
#[derive(Debug)]
pub(crate) struct ProgramOutput {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output, complete; empty if it was streamed.
    pub stdout: Vec<u8>,
    /// The end of its standard error, printable.
    pub stderr: String,
}

impl Program {
    /// Runs it to its end and keeps what it writes. Output beyond the limit is
    /// an error: half an answer would be read as a whole one.
    pub(crate) async fn run(self) -> Result<ProgramOutput, ProgramError> {
        self.run_watched(|_| ()).await
    }

    /// The same, and shows everything that it wrote so far whenever more came.
    pub(crate) async fn run_watched(
        self,
        mut watch: impl FnMut(&[u8]) + Send,
    ) -> Result<ProgramOutput, ProgramError> {
        let limit = self.stdout_limit;
        let program = self.name();
        let mut stdout = Vec::new();
        let mut output = self
            .run_with(|bytes| {
                stdout.extend_from_slice(bytes);
                watch(&stdout);
                stdout.len() <= limit
            })
            .await?
            .ok_or(ProgramError::TooMuchOutput { program, limit })?;
        output.stdout = stdout;
        Ok(output)
    }

    /// Runs it to its end and hands on what it writes, piece by piece.
    pub(crate) async fn stream(
        self,
        mut taker: impl FnMut(&[u8]) + Send,
    ) -> Result<ProgramOutput, ProgramError> {
        let output = self
            .run_with(|bytes| {
                taker(bytes);
                true
            })
            .await?;
        Ok(output.expect("only a taker that returns false ends the run early"))
    }

    /// `None` if the taker wants no more.
    async fn run_with(
        mut self,
        mut taker: impl FnMut(&[u8]) -> bool + Send,
    ) -> Result<Option<ProgramOutput>, ProgramError> {
        let program = self.name();
        let pipe = |source| ProgramError::Pipe {
            program: program.clone(),
            source,
        };
        let mut group = Group(self.spawn(&program)?);
        let stdin = group.0.stdin.take().map(InputPipe::new);
        let mut stdin = stdin.transpose().map_err(pipe)?;
        if let (Some(pipe), Input::Pieces(_)) = (&stdin, &self.input) {
            pipe.hold(PIPE);
        }
        let mut stdout = group.0.stdout.take();
        let mut stderr = group.0.stderr.take();
        let (mut piece, mut pieces) = match std::mem::replace(&mut self.input, Input::Nothing) {
            Input::Nothing => (Bytes::new().into(), None),
            Input::Bytes(bytes) => (InputPiece::Bytes(bytes), None),
            Input::Pieces(pieces) => (Bytes::new().into(), Some(pieces)),
        };
        let mut tail = Tail::default();
        let mut from_stdout = vec![0_u8; 64 * 1024];
        let mut from_stderr = [0_u8; 4096];
        let started = Instant::now();
        let mut moved = started;
        let mut ended: Option<(ExitStatus, Instant)> = None;
        loop {
            if let Some((status, _)) = ended
                && stdout.is_none()
                && stderr.is_none()
            {
                return Ok(Some(finished(status, tail)));
            }
            let limits = [
                self.idle.map(|limit| moved + limit),
                self.total.map(|limit| started + limit),
                ended.map(|(_, at)| at + DRAIN),
            ];
            let deadline = limits.into_iter().flatten().min();
            tokio::select! {
                read = read_some(&mut stdout, &mut from_stdout) => {
                    match read.map_err(pipe)? {
                        0 => stdout = None,
                        count if taker(&from_stdout[..count]) => moved = Instant::now(),
                        _ => return Ok(None),
                    }
                }
                read = read_some(&mut stderr, &mut from_stderr) => {
                    match read.map_err(pipe)? {
                        0 => stderr = None,
                        count => {
                            tail.add(&from_stderr[..count]);
                            moved = Instant::now();
                        }
                    }
                }
                more = write_some(&stdin, &mut piece, &mut pieces) => {
                    match more {
                        Ok(true) => moved = Instant::now(),
                        Ok(false) => stdin = None,
                        // It does not want the rest; its exit code will say why.
                        Err(_) => {
                            stdin = None;
                            pieces = None;
                        }
                    }
                }
                status = group.0.wait(), if ended.is_none() => {
                    ended = Some((status.map_err(pipe)?, Instant::now()));
                    stdin = None;
                    pieces = None;
                }
                () = until(deadline) => {
                    if let Some((status, _)) = ended {
                        return Ok(Some(finished(status, tail)));
                    }
                    let stderr = tail.into_text();
                    return Err(match (self.idle, self.total) {
                        (_, Some(after)) if started.elapsed() >= after => {
                            ProgramError::Total { program, after, stderr }
                        }
                        (idle, _) => ProgramError::Idle {
                            program,
                            after: idle.unwrap_or_default(),
                            stderr,
                        },
                    });
                }
            }
        }
    }

    /// Runs short commands, all at once, from a place that cannot wait (a destructor),
    /// with nothing to read and nobody to read their output; killed after `limit`.
    pub(crate) fn run_all_briefly(commands: impl Iterator<Item = Self>, limit: Duration) {
        let start = |command: Self| {
            std::process::Command::new(&command.program)
                .args(&command.args)
                .envs(command.env)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .ok()
        };
        let mut children: Vec<_> = commands.filter_map(start).collect();
        let started = std::time::Instant::now();
        loop {
            children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
            if children.is_empty() {
                return;
            }
            if started.elapsed() >= limit {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        for mut child in children {
            // Both can only fail if it ended in this moment.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn name(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }

    fn spawn(&self, program: &str) -> Result<tokio::process::Child, ProgramError> {
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .stdin(match self.input {
                Input::Nothing => Stdio::null(),
                Input::Bytes(_) | Input::Pieces(_) => Stdio::piped(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        for key in &self.without_env {
            command.env_remove(key);
        }
        command.spawn().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ProgramError::NotFound {
                program: program.to_owned(),
            },
            _ => ProgramError::Spawn {
                program: program.to_owned(),
                source,
            },
        })
    }
}

fn finished(status: ExitStatus, tail: Tail) -> ProgramOutput {
    ProgramOutput {
        status,
        stdout: Vec::new(),
        stderr: tail.into_text(),
    }
}

/// Reads what there is; never ready once the pipe is gone.
async fn read_some<R: AsyncRead + Unpin>(
    pipe: &mut Option<R>,
    buffer: &mut [u8],
) -> io::Result<usize> {
    match pipe {
        Some(pipe) => pipe.read(buffer).await,
        None => std::future::pending().await,
    }
}

/// As [`InputPipe::write_some`]; never ready once the pipe is gone.
async fn write_some(
    pipe: &Option<InputPipe>,
    piece: &mut InputPiece,
    pieces: &mut Option<mpsc::Receiver<InputPiece>>,
) -> io::Result<bool> {
    match pipe {
        Some(pipe) => pipe.write_some(piece, pieces).await,
        None => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// A process that leads a group; the group dies with it if it is dropped early.
struct Group(tokio::process::Child);

impl Drop for Group {
    fn drop(&mut self) {
        // `id` is `None` once the leader was waited for: from then on its
        // number may belong to somebody else.
        if let Some(pid) = self.0.id()
            && let Some(pid) = i32::try_from(pid)
                .ok()
                .and_then(rustix::process::Pid::from_raw)
        {
            // Fails only if all of them are gone already.
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}
