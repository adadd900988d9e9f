//! Answers that are no image, and statuses.

use std::io::Write;

use super::At::Image;
use super::wire::{head_of, raw, text, typed};
use super::{check_all, fails, passes};

const OK: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n";
const PAGE: &[u8] = b"<!doctype html><html><title>Sign in</title></html>";

#[test]
fn answers_that_are_something_else() {
    check_all(&[
        fails(
            "a page",
            Image,
            |_, to| typed(to, "200 OK", "text/html; charset=utf-8", PAGE),
            &[
                "answered with a web page (text/html; charset=utf-8)",
                "NO_PROXY",
            ],
        ),
        fails(
            "a page with capitals",
            Image,
            |_, to| typed(to, "200 OK", "Text/HTML", PAGE),
            &["answered with a web page (Text/HTML)"],
        ),
        fails(
            "a page that does not say so",
            Image,
            |_, to| {
                head_of(to, "200 OK", "", PAGE.len())?;
                raw(to, PAGE)
            },
            &["talos-v1.11.3-nocloud-amd64-376567988ad3.raw.xz"],
        ),
        fails(
            "a page with an error",
            Image,
            |_, to| typed(to, "403 Forbidden", "text/html", PAGE),
            &["403: a web page", "sign-in page"],
        ),
        fails(
            "another coding",
            Image,
            |ask, to| {
                head_of(
                    to,
                    "200 OK",
                    "content-encoding: gzip\r\n",
                    ask.image().len(),
                )?;
                raw(to, ask.image())
            },
            &["content encoded as \"gzip\""],
        ),
        passes("no coding, said in words", Image, |ask, to| {
            head_of(
                to,
                "200 OK",
                "content-encoding: identity\r\n",
                ask.image().len(),
            )?;
            raw(to, ask.image())
        }),
        fails(
            "a part in place of the whole",
            Image,
            |ask, to| {
                let range = format!("content-range: bytes 0-99/{}\r\n", ask.image().len());
                head_of(to, "206 Partial Content", &range, 100)?;
                raw(to, &ask.image()[..100])
            },
            &["a part of the file, though the whole was asked for"],
        ),
        fails(
            "no such range, though none was asked for",
            Image,
            |_, to| text(to, "416 Range Not Satisfiable", "no\n"),
            &["answered with 416: no"],
        ),
        fails(
            "not modified, though nothing is there",
            Image,
            |_, to| {
                raw(
                    to,
                    b"HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n",
                )
            },
            &["answered with 304"],
        ),
        fails(
            "no content",
            Image,
            |_, to| raw(to, b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"),
            &["answered with 204"],
        ),
        fails(
            "a greeting of another protocol",
            Image,
            |_, to| raw(to, b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"),
            &["asking http://127", "failed"],
        ),
        fails(
            "the image without any head",
            Image,
            |ask, to| raw(to, ask.image()),
            &["asking http://127", "failed"],
        ),
        fails(
            "a status that is none",
            Image,
            |_, to| raw(to, b"HTTP/1.1 abc OK\r\ncontent-length: 0\r\n\r\n"),
            &["asking http://127", "failed"],
        ),
        fails(
            "a header of a mebibyte",
            Image,
            |ask, to| {
                raw(
                    to,
                    format!("{OK}x-long: {}\r\n", "x".repeat(1 << 20)).as_bytes(),
                )?;
                raw(to, b"\r\n")?;
                raw(to, ask.image())
            },
            &["failed"],
        ),
        fails(
            "a thousand headers",
            Image,
            |_, to| {
                let many: String = (0..1000).map(|n| format!("x-{n}: {n}\r\n")).collect();
                raw(to, format!("{OK}{many}\r\n").as_bytes())
            },
            &["failed"],
        ),
    ]);
}

/// A status that is reported as such.
macro_rules! status {
    ($status:literal, $text:literal, $reads:expr) => {
        fails($status, Image, |_, to| text(to, $status, $text), $reads)
    };
}

#[test]
fn statuses_are_told_with_their_texts() {
    check_all(&[
        status!(
            "400 Bad Request",
            "invalid \x1b[31mprofile\x07\n",
            &["400: invalid [31mprofile"]
        ),
        status!(
            "401 Unauthorized",
            "who?\n",
            &["401: who?", "hint: the factory requires credentials"]
        ),
        status!(
            "402 Payment Required",
            "enterprise\n",
            &["402: enterprise", "hint: only an Enterprise"]
        ),
        status!(
            "403 Forbidden",
            "owner mismatch\n",
            &["403: owner mismatch", "hint: the schematic"]
        ),
        status!(
            "404 Not Found",
            "version v1.11.3 is not available\n",
            &["404: version v1.11.3 is not"]
        ),
        status!(
            "407 Proxy Authentication Required",
            "",
            &["407", "hint: the proxy requires"]
        ),
        status!("410 Gone", "", &["410 (Gone)"]),
        status!("451 Unavailable For Legal Reasons", "no\n", &["451: no"]),
        status!("500 Internal Server Error", "boom\n", &["500: boom"]),
        status!("501 Not Implemented", "", &["501 (Not Implemented)"]),
        status!("502 Bad Gateway", "", &["502 (Bad Gateway)"]),
        status!("503 Service Unavailable", "building\n", &["503: building"]),
        status!("504 Gateway Timeout", "", &["504 (Gateway Timeout)"]),
        status!("599 Whatever", "", &["599"]),
        fails(
            "a text that repeats the credentials",
            Image,
            |ask, to| {
                let said = format!("you sent {}", ask.head.replace("\r\n", " "));
                text(to, "400 Bad Request", &said)
            },
            &["(hidden)"],
        ),
        fails(
            "an endless text",
            Image,
            |_, to| {
                raw(to, b"HTTP/1.1 500 Oops\r\n\r\n")?;
                for _ in 0..100_000 {
                    if to.write_all(&[b'x'; 1000]).is_err() {
                        break;
                    }
                }
                Ok(())
            },
            &["500: xxx"],
        ),
        fails(
            "a wish for years",
            Image,
            |_, to| {
                head_of(
                    to,
                    "429 Too Many Requests",
                    "retry-after: 99999999999\r\n",
                    0,
                )
            },
            &["429 (Too Many Requests)"],
        ),
        fails(
            "a wish that is none",
            Image,
            |_, to| head_of(to, "429 Too Many Requests", "retry-after: soon\r\n", 0),
            &["429 (Too Many Requests)"],
        ),
        fails(
            "a wish for the past",
            Image,
            |_, to| {
                let past = "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
                head_of(to, "503 Service Unavailable", past, 0)
            },
            &["503 (Service Unavailable)"],
        ),
    ]);
}
