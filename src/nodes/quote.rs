//! Quoting for the two readers of a command line that split it themselves: the
//! POSIX shell on a node, and rsync with its `-e`.
//!
//! The model's texts accept only characters that mean nothing to either, so
//! this is the second lock on the same door; options written by a person and
//! the record's JSON have no such alphabet and pass through here alone.

/// One word for a POSIX shell: the text between single quotes, inside which
/// nothing but the quote itself has a meaning.
pub(super) fn for_shell(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A command for rsync's `-e`, which splits at blanks, knows both kinds of
/// quotes and reads a doubled quote inside quotes as one (its manual, `--rsh`).
pub(super) fn for_rsync<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let plain = |c: char| !matches!(c, ' ' | '\'' | '"');
    let words: Vec<String> = words
        .into_iter()
        .map(|word| match word {
            "" => "''".to_owned(),
            _ if word.chars().all(plain) => word.to_owned(),
            _ => format!("'{}'", word.replace('\'', "''")),
        })
        .collect();
    words.join(" ")
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
    async fn the_shell_gives_every_word_back() {
        let words: Vec<String> = HOSTILE.iter().map(|word| for_shell(word)).collect();
        let script = format!("printf '%s\\0' {}", words.join(" "));
        let output = Program::new("sh").arg("-s").stdin(script).run().await;
        let expected: String = HOSTILE.iter().map(|word| format!("{word}\0")).collect();
        assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), expected);
    }

    /// rsync itself is the judge: its "remote shell" writes down its words.
    #[tokio::test]
    async fn rsync_gives_every_word_back() {
        let dir = tempfile::tempdir().unwrap();
        let seen = dir.path().join("seen");
        let script = format!("printf '%s\\0' \"$@\" >{}", seen.display());
        let mut words = vec!["sh", "-c", script.as_str(), "sh"];
        words.extend(HOSTILE);
        Program::new("rsync")
            .arg("-e")
            .arg(for_rsync(words))
            .args(["host:/nothing", "/nowhere"])
            .run()
            .await
            .unwrap();
        let expected: String = HOSTILE.iter().map(|word| format!("{word}\0")).collect();
        let seen = std::fs::read_to_string(seen).unwrap();
        assert_eq!(seen[..expected.len()], expected);
        assert!(seen[expected.len()..].starts_with("host\0rsync\0--server\0"));
    }
}
