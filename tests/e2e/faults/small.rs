//! Faults in the answers to small requests: checksums, schematics, lists of versions.

use super::At::{Checksum, Schematic, Versions};
use super::wire::{drip, head_of, raw, silence, text, typed};
use super::{check_all, fails, passes};
use crate::world::PLAIN;

const PAGE: &[u8] = b"<!doctype html><html><title>Sign in</title></html>";

#[test]
fn checksums() {
    check_all(&[
        fails(
            "silence",
            Checksum,
            |_, to| silence(to),
            &["sent nothing for 3 s"],
        ),
        fails("the end", Checksum, |_, _| Ok(()), &[".sha256 failed"]),
        passes("not offered", Checksum, |_, to| {
            text(to, "402 Payment Required", "no\n")
        }),
        passes("not known", Checksum, |_, to| {
            text(to, "404 Not Found", "no\n")
        }),
        fails(
            "a page",
            Checksum,
            |_, to| typed(to, "200 OK", "text/html", PAGE),
            &[".sha256 answered with a web page (text/html)", "NO_PROXY"],
        ),
        fails(
            "a page in plain text",
            Checksum,
            |_, to| text(to, "200 OK", "\n  <HTML><title>Sign in</title></HTML>"),
            &[".sha256 answered with a web page (HTML)"],
        ),
        fails(
            "an error",
            Checksum,
            |_, to| text(to, "500 Oops", "boom\n"),
            &["500: boom"],
        ),
        fails(
            "patience",
            Checksum,
            |_, to| head_of(to, "429 Too Many Requests", "retry-after: 9999999\r\n", 0),
            &["429"],
        ),
        fails(
            "something else",
            Checksum,
            |_, to| text(to, "200 OK", "hello\n"),
            &["something that is not the SHA-256 checksum of nocloud-amd64.raw.xz"],
        ),
        fails(
            "that of another file",
            Checksum,
            |_, to| {
                text(
                    to,
                    "200 OK",
                    &format!("{}  other.raw.xz\n", "ab".repeat(32)),
                )
            },
            &["something that is not the SHA-256 checksum of nocloud-amd64.raw.xz"],
        ),
        fails(
            "two of them",
            Checksum,
            |_, to| {
                let line = format!("{}  nocloud-amd64.raw.xz\n", "ab".repeat(32));
                text(to, "200 OK", &line.repeat(2))
            },
            &["something that is not the SHA-256 checksum"],
        ),
        fails(
            "nothing",
            Checksum,
            |_, to| text(to, "200 OK", ""),
            &["something that is not the SHA-256 checksum"],
        ),
        fails(
            "bytes",
            Checksum,
            |_, to| typed(to, "200 OK", "x/y", &[0xff; 100]),
            &["something that is not UTF-8 text"],
        ),
        fails(
            "very much",
            Checksum,
            |_, to| text(to, "200 OK", &"x".repeat(1 << 20)),
            &["more than 4096 bytes"],
        ),
        fails(
            "without an end",
            Checksum,
            |_, to| {
                raw(to, b"HTTP/1.1 200 OK\r\n\r\n")?;
                drip(to, &[b'x'; 1000])
            },
            &["more than 4096 bytes"],
        ),
        fails(
            "a wrong one",
            Checksum,
            |_, to| {
                text(
                    to,
                    "200 OK",
                    &format!("{}  nocloud-amd64.raw.xz\n", "ab".repeat(32)),
                )
            },
            &["has the SHA-256", "the factory publishes abab"],
        ),
        fails(
            "in a circle",
            Checksum,
            |ask, to| head_of(to, "302 Found", &format!("location: {}\r\n", ask.path), 0),
            &["redirects more than 8 times"],
        ),
    ]);
}

#[test]
fn schematics() {
    check_all(&[
        fails("the end", Schematic, |_, _| Ok(()), &["schematics failed"]),
        passes("an older factory", Schematic, |_, to| {
            text(to, "200 OK", &format!("{{\"id\": \"{PLAIN}\"}}"))
        }),
        passes("more than is known", Schematic, |_, to| {
            text(
                to,
                "201 Created",
                &format!("{{\"id\": \"{PLAIN}\", \"new\": [1, {{}}]}}"),
            )
        }),
        fails(
            "a page",
            Schematic,
            |_, to| typed(to, "200 OK", "text/html", PAGE),
            &[
                "schematics answered with a web page (text/html)",
                "NO_PROXY",
            ],
        ),
        fails(
            "a page in JSON's clothes",
            Schematic,
            |_, to| typed(to, "201 Created", "application/json", PAGE),
            &["schematics answered with a web page (HTML)"],
        ),
        fails(
            "a refusal",
            Schematic,
            |_, to| {
                text(
                    to,
                    "400 Bad Request",
                    "yaml: construct errors: line 1: field x not found\n",
                )
            },
            &["400: yaml: construct errors: line 1: field x not found"],
        ),
        fails(
            "who?",
            Schematic,
            |_, to| text(to, "401 Unauthorized", "who?\n"),
            &["401: who?", "hint: the factory requires credentials"],
        ),
        fails(
            "an error",
            Schematic,
            |_, to| text(to, "500 Oops", "boom\n"),
            &["500: boom"],
        ),
        fails(
            "no JSON",
            Schematic,
            |_, to| text(to, "201 Created", "{id"),
            &["something that has no schematic id in it"],
        ),
        fails(
            "no id",
            Schematic,
            |_, to| text(to, "201 Created", "{}"),
            &["something that has no schematic id in it"],
        ),
        fails(
            "a short id",
            Schematic,
            |_, to| text(to, "201 Created", "{\"id\": \"abc\"}"),
            &["something that has no schematic id in it"],
        ),
        fails(
            "nothing",
            Schematic,
            |_, to| text(to, "201 Created", ""),
            &["something that has no schematic id in it"],
        ),
        fails(
            "very much",
            Schematic,
            |_, to| text(to, "201 Created", &" ".repeat(5 << 20)),
            &["more than 4194304 bytes"],
        ),
        fails(
            "to another place",
            Schematic,
            |ask, to| {
                head_of(
                    to,
                    "302 Found",
                    &format!("location: {}/login\r\n", ask.elsewhere()),
                    0,
                )
            },
            &[
                "redirects a POST to http://127",
                "which is not followed",
                "sign-in",
            ],
        ),
    ]);
}

/// What is read where no list can be had.
const NONE: &str = "versions unknown";

#[test]
fn lists_of_versions() {
    check_all(&[
        fails(
            "the end",
            Versions,
            |_, _| Ok(()),
            &[NONE, "versions failed"],
        ),
        fails(
            "a page",
            Versions,
            |_, to| typed(to, "200 OK", "text/html", PAGE),
            &[NONE, "versions answered with a web page (text/html)"],
        ),
        fails(
            "an error",
            Versions,
            |_, to| text(to, "500 Oops", "boom\n"),
            &[NONE, "500: boom"],
        ),
        fails(
            "not known",
            Versions,
            |_, to| text(to, "404 Not Found", "no\n"),
            &[NONE, "404: no"],
        ),
        fails(
            "no JSON",
            Versions,
            |_, to| text(to, "200 OK", "v1.11.3\n"),
            &[NONE, "something that is not JSON"],
        ),
        fails(
            "no list",
            Versions,
            |_, to| text(to, "200 OK", "{\"v1.11.3\": 1}"),
            &[NONE, "JSON that is not a list"],
        ),
        fails(
            "an empty list",
            Versions,
            |_, to| text(to, "200 OK", "[]"),
            &[NONE, "a list without a single Talos version"],
        ),
        fails(
            "a list of something else",
            Versions,
            |_, to| {
                text(
                    to,
                    "200 OK",
                    "[1, null, {}, [], \"latest\", \"1.11.3\", \"\"]",
                )
            },
            &[NONE, "a list without a single Talos version"],
        ),
        passes("versions among other things, twice", Versions, |_, to| {
            let list = "[1, \"v1.11.3\", null, {\"a\": \"v9.9.9\"}, \"v1.11.3\", \"v1\", \"v1.11.2\", \
                        \"v1.11.3\\u001b[31m\", [\"v1.11.9\"]]";
            text(to, "200 OK", list)
        }),
        passes("a very long list", Versions, |_, to| {
            let many: Vec<String> = (0..20_000).map(|n| format!("\"v1.10.{n}\"")).collect();
            text(to, "200 OK", &format!("[{}, \"v1.11.3\"]", many.join(",")))
        }),
        fails(
            "too long a list",
            Versions,
            |_, to| text(to, "200 OK", &" ".repeat(5 << 20)),
            &[NONE, "more than 4194304 bytes"],
        ),
        fails(
            "deeply nested",
            Versions,
            |_, to| text(to, "200 OK", &"[".repeat(100_000)),
            &[NONE, "something that is not JSON"],
        ),
        fails(
            "bytes",
            Versions,
            |_, to| typed(to, "200 OK", "x/y", &[0xff; 100]),
            &[NONE, "something that is not UTF-8 text"],
        ),
        fails(
            "in a circle",
            Versions,
            |ask, to| head_of(to, "302 Found", &format!("location: {}\r\n", ask.path), 0),
            &[NONE, "redirects more than 8 times"],
        ),
        fails(
            "cut",
            Versions,
            |_, to| {
                head_of(to, "200 OK", "", 100)?;
                raw(to, b"[\"v1.11.3\"")
            },
            &[NONE, "versions failed"],
        ),
    ]);
}
