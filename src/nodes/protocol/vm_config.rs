//! Reads the configuration of a virtual machine as Proxmox VE keeps it in a file.
//!
//! Lines `KEY: VALUE` say what is present; headings in brackets begin what is pending and
//! the snapshots. Notes stand before all that in lines with `#`, in which everything but
//! plain ASCII, and `:` and `%`, is written as `%XX`.

use std::collections::BTreeMap;

use crate::facts::VmConfig;

/// What is present, without pending changes and snapshots.
pub(crate) fn parse(text: &[u8]) -> VmConfig {
    let mut values = BTreeMap::new();
    let mut notes = String::new();
    for line in text.split(|&byte| byte == b'\n') {
        if is_heading(line) {
            break;
        }
        if let Some(note) = line.strip_prefix(b"#") {
            notes.push_str(&decode(note));
            notes.push('\n');
        } else if let Some((key, value)) = option(line) {
            if key == "description" {
                notes.push_str(&decode(value));
            } else {
                let value = String::from_utf8_lossy(value).into_owned();
                values.insert(key.to_owned(), value);
            }
        }
    }
    let notes = notes.trim_end();
    if !notes.is_empty() {
        values.insert("description".to_owned(), notes.to_owned());
    }
    VmConfig(values)
}

/// `[NAME]`, which ends what is present. Proxmox VE skips a section with a name that it
/// does not know; it does not take it for a part of the one before.
fn is_heading(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    line.first() == Some(&b'[')
        && line.iter().position(|&byte| byte == b']') == line.len().checked_sub(1)
}

/// `KEY: VALUE`, where KEY ends in digits or in none. What else stands in a line counts for
/// nothing, as with Proxmox VE.
fn option(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (key, value) = line.split_at(colon);
    let name = without_digits(key);
    let is_name = |byte: &u8| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-');
    let value = value[1..].trim_ascii();
    let fits = name.first().is_some_and(u8::is_ascii_lowercase) && name.iter().all(is_name);
    (fits && !value.is_empty()).then_some((std::str::from_utf8(key).ok()?, value))
}

/// A name without the number behind it.
fn without_digits(key: &[u8]) -> &[u8] {
    let end = key.iter().rposition(|byte| !byte.is_ascii_digit());
    &key[..end.map_or(0, |last| last + 1)]
}

/// A line of notes without its encoding. What is no `%XX` stays, what is no UTF-8 is
/// replaced.
fn decode(line: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What Proxmox VE writes for a configuration, for tests and fuzzers.
#[cfg(any(test, fuzzing))]
pub(crate) fn write(config: &VmConfig) -> String {
    let mut text = String::new();
    if !config.description().is_empty() {
        for line in config.description().split('\n') {
            text.push('#');
            for &byte in line.as_bytes() {
                match byte {
                    b'%' | b':' => text.push_str(&format!("%{byte:02X}")),
                    b' '..=b'~' => text.push(byte.into()),
                    _ => text.push_str(&format!("%{byte:02X}")),
                }
            }
            text.push('\n');
        }
    }
    for (key, value) in config.0.iter().filter(|(key, _)| *key != "description") {
        text.push_str(&format!("{key}: {value}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As Proxmox VE 9 writes it.
    const CONFIG: &str = "\
#Talos 1.11.3 (a%25b), f%C3%BCr uns.
#
#<!-- talos-order {\"owner\"%3A\"lab\"} -->
agent: enabled=1
boot: order=scsi0
description: legacy%3A
net0: virtio=BC:24:11:2C:1D:0A,bridge=vmbr0
protection: 1
scsi0: local-lvm:base-9000-disk-0,discard=on,size=1288M
template: 1

[PENDING]
#other notes
name: pending

[before]
#<!-- talos-order {} -->
name: old
";

    #[test]
    fn what_is_present_is_read() {
        let config = parse(CONFIG.as_bytes());
        assert_eq!(
            config.description(),
            "Talos 1.11.3 (a%b), für uns.\n\n<!-- talos-order {\"owner\":\"lab\"} -->\nlegacy:"
        );
        assert_eq!(
            config.get("net0"),
            Some("virtio=BC:24:11:2C:1D:0A,bridge=vmbr0")
        );
        assert!(config.is_template() && config.is_protected());
        assert_eq!(config.name(), "", "that of a snapshot is not its own");
    }

    #[test]
    fn odd_lines_are_no_options_and_no_headings() {
        let config = parse(
            b"Name: a\nname:\t b \r\n:c\n9: d\nargs: -x [y]\n[no] heading\nlock: \n\
              net-0x1: e\ncores: 2\n[x]\r\ncores: 4\n",
        );
        let expected = [("args", "-x [y]"), ("cores", "2"), ("name", "b")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(config.0, BTreeMap::from(expected));
        assert_eq!(
            parse(b"#%\n#%4\n#%zz\n#%ff").description(),
            "%\n%4\n%zz\n\u{fffd}"
        );
    }

    fn config() -> impl Strategy<Value = VmConfig> {
        let values =
            proptest::collection::btree_map("[a-c][a-c_-]{0,3}[0-9]{0,2}", "\\PC{1,9}", 0..5);
        (
            values,
            proptest::option::of("(\\PC|\n|%|:|\t|#|\\[a\\]){0,40}"),
        )
            .prop_map(|(values, notes)| {
                let trimmed = values.into_iter().map(|(key, value)| {
                    let value = value.trim_ascii();
                    let value = if value.is_empty() { "x" } else { value };
                    (key, value.to_owned())
                });
                let mut values: BTreeMap<String, String> = trimmed.collect();
                values.extend(
                    notes
                        .filter(|notes| !notes.trim_end().is_empty())
                        .map(|notes| ("description".to_owned(), notes.trim_end().to_owned())),
                );
                VmConfig(values)
            })
    }

    proptest! {
        #[test]
        fn what_proxmox_writes_is_read_again(config in config()) {
            prop_assert_eq!(parse(write(&config).as_bytes()), config);
        }

        #[test]
        fn nothing_behind_a_heading_counts(config in config(), more in "\\PC{0,20}") {
            let text = format!("{}\n[snap]\n#{more}\nname: {more}\n", write(&config));
            prop_assert_eq!(parse(text.as_bytes()), config);
        }
    }
}
