//! Files that the user named: the orders, the configuration, a secret.
//!
//! Whatever stands at such a path, reading it ends: after a number of bytes, and for
//! a pipe after a length of time. A pipe is accepted, since `--orders <(command)` is
//! one; a device or a socket is not. Nothing is opened in a way that could wait: a
//! thread that waits in `open` hears no signal.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

/// How long a pipe may take to the end: enough for a command that decrypts a file
/// with a key from the network, and short enough for somebody who waits at a terminal.
const PIPE_WAIT: Duration = Duration::from_secs(10);

/// How long a pipe may take until somebody opens it for writing. Who does so before it
/// is read waits for the reader, so hardly any time is needed.
const WRITER_WAIT: Duration = Duration::from_secs(2);

/// From one look into an empty pipe to the next.
const PIPE_LOOK: Duration = Duration::from_millis(20);

/// The bytes of a file or pipe: all of them, or `max` and one more where there are
/// more than `max`.
///
/// # Errors
/// What the file system says; [`io::ErrorKind::InvalidInput`] for anything that is
/// neither a file nor a pipe, [`io::ErrorKind::TimedOut`] for a pipe without an end.
pub(crate) fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    read_within(path, max, PIPE_WAIT)
}

/// The bytes of a file that the program keeps for itself, up to `max`: a pipe in its
/// place is not waited for, and a huge file is not read.
///
/// # Errors
/// What the file system says. [`is_no_file_of_ours`] tells the errors that are about what
/// is there from those that are about reading it.
pub(crate) fn read_file(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let file = open_file(path)?;
    let mut bytes = Vec::new();
    file.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        let message = format!("it is larger than {max} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// True if something is there that the program did not write: a directory, a pipe, a
/// link in a circle or to nowhere, or more bytes than it ever writes.
pub(crate) fn is_no_file_of_ours(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::FileTooLarge
            | io::ErrorKind::NotFound
    ) || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// Opens a file for reading; a pipe or device in its place is refused, and not waited for.
///
/// # Errors
/// As for [`read_file`].
pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    // Looked at before it is opened: opening some devices does something.
    refuse_others(std::fs::metadata(path)?.file_type())?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed())
        .open(path)?;
    refuse_others(file.metadata()?.file_type())?;
    Ok(file)
}

fn refuse_others(kind: std::fs::FileType) -> io::Result<()> {
    if kind.is_file() {
        return Ok(());
    }
    if kind.is_fifo() {
        let message = "it is a pipe; expected a file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Err(not_a_file(kind))
}

fn read_within(path: &Path, max: u64, wait: Duration) -> io::Result<Vec<u8>> {
    // Looked at before it is opened: opening some devices does something.
    let is_readable = |kind: std::fs::FileType| kind.is_file() || kind.is_fifo();
    let kind = std::fs::metadata(path)?.file_type();
    if !is_readable(kind) {
        return Err(not_a_file(kind));
    }
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed())
        .open(path)?;
    let kind = file.metadata()?.file_type();
    if !is_readable(kind) {
        return Err(not_a_file(kind));
    }
    let limit = max.saturating_add(1);
    if kind.is_fifo() {
        return drain(file, limit, wait);
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a pipe to its end. One that nobody has opened for writing looks ended, so
/// the end counts only after a writer was seen.
fn drain(mut pipe: File, limit: u64, wait: Duration) -> io::Result<Vec<u8>> {
    let begun = Instant::now();
    let mut bytes = Vec::new();
    let mut had_writer = false;
    let mut part = vec![0; 64 * 1024];
    while (bytes.len() as u64) < limit {
        match pipe.read(&mut part) {
            Ok(0) if had_writer => break,
            Ok(0) => {}
            Ok(length) => {
                had_writer = true;
                bytes.extend_from_slice(&part[..length]);
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => had_writer = true,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        let waited = begun.elapsed();
        if !had_writer && waited >= wait.min(WRITER_WAIT) {
            let message = "it is a pipe without a writer";
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
        if waited >= wait {
            let message = format!("it is a pipe that did not end within {} s", wait.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
        thread::sleep(PIPE_LOOK);
    }
    bytes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(bytes)
}

fn not_a_file(kind: std::fs::FileType) -> io::Error {
    if kind.is_dir() {
        return io::Error::from(io::ErrorKind::IsADirectory);
    }
    let what = if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("it is {what}; expected a file or a pipe"),
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    #[test]
    fn a_file_is_read_up_to_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(read(&path, 3).unwrap(), b"1234");
    }

    #[test]
    fn a_pipe_is_read_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
        let writer = path.clone();
        let writer = thread::spawn(move || {
            let mut pipe = OpenOptions::new().write(true).open(writer).unwrap();
            pipe.write_all(b"first ").unwrap();
            pipe.write_all(b"second").unwrap();
        });
        assert_eq!(read(&path, 100).unwrap(), b"first second");
        writer.join().unwrap();
    }

    #[test]
    fn a_pipe_without_an_end_ends_with_a_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
        let read = || read_within(&path, 100, Duration::from_millis(50)).unwrap_err();
        let error = read();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().ends_with("without a writer"));
        // Open for both, so that opening does not wait for a reader.
        let mut writer = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        assert!(read().to_string().contains("did not end"));
        writer.write_all(b"some").unwrap();
        assert!(read().to_string().contains("did not end"));
    }

    #[test]
    fn devices_sockets_and_directories_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        for (path, words) in [
            (
                socket.as_path(),
                "it is a socket; expected a file or a pipe",
            ),
            (
                Path::new("/dev/zero"),
                "it is a device; expected a file or a pipe",
            ),
            (dir.path(), "is a directory"),
        ] {
            assert_eq!(read(path, 10).unwrap_err().to_string(), words);
        }
    }
}
