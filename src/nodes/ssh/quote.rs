//! Quoting for the two readers of a command line that split it themselves: the
//! POSIX shell on a node, and rsync with its `-e`.
//!
//! The model's texts accept only characters that mean nothing to either, so for them
//! this is a second protection. Options written by a user and the record's JSON have
//! no such alphabet: for them it is the only one.

/// One argument for a POSIX shell: the text between single quotes, inside which
/// nothing but the quote itself has a meaning.
pub(crate) fn for_shell(arg: &str) -> String {
    format!("'{}'", arg.replace('\'', r"'\''"))
}

/// A command for rsync's `-e`, which splits at blanks, knows both kinds of
/// quotes and reads a doubled quote inside quotes as one (its manual, `--rsh`).
pub(crate) fn for_rsync<'a>(args: impl IntoIterator<Item = &'a str>) -> String {
    let plain = |c: char| !matches!(c, ' ' | '\'' | '"');
    let args: Vec<String> = args
        .into_iter()
        .map(|arg| match arg {
            "" => "''".to_owned(),
            _ if arg.chars().all(plain) => arg.to_owned(),
            _ => format!("'{}'", arg.replace('\'', "''")),
        })
        .collect();
    args.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::process::Program;

    const HOSTILE: [&str; 7] = [
        "",
        "plain",
        "two words",
        "it's $HOME `id` \\",
        "\"'\"''",
        "line\nfeed\t;|&",
        "-o ProxyCommand=\"nc %h 'x y'\"",
    ];

    #[tokio::test]
    async fn the_shell_gives_every_argument_back() {
        let args: Vec<String> = HOSTILE.iter().map(|arg| for_shell(arg)).collect();
        let script = format!("printf '%s\\0' {}", args.join(" "));
        let output = Program::new("sh").arg("-s").stdin(script).run().await;
        let expected: String = HOSTILE.iter().map(|arg| format!("{arg}\0")).collect();
        assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), expected);
    }

    /// rsync itself is the judge: its "remote shell" writes down its arguments.
    #[tokio::test]
    async fn rsync_gives_every_argument_back() {
        let dir = tempfile::tempdir().unwrap();
        let seen = dir.path().join("seen");
        let script = format!("printf '%s\\0' \"$@\" >{}", seen.display());
        let mut args = vec!["sh", "-c", script.as_str(), "sh"];
        args.extend(HOSTILE);
        Program::new("rsync")
            .arg("-e")
            .arg(for_rsync(args))
            .args(["host:/nothing", "/nowhere"])
            .run()
            .await
            .unwrap();
        let expected: String = HOSTILE.iter().map(|arg| format!("{arg}\0")).collect();
        let seen = std::fs::read_to_string(seen).unwrap();
        assert_eq!(seen[..expected.len()], expected);
        assert!(seen[expected.len()..].starts_with("host\0rsync\0--server\0"));
    }
}
