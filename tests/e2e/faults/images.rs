//! Faults in the answer to a request for an image.

use std::io::Write;

use super::At::Image;
use super::wire::{drip, drip_image, head_of, honest, raw, reset, silence, text, typed};
use super::{Row, check_all, fails, passes};

const OK: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n";
const PAGE: &[u8] = b"<!doctype html><html><title>Sign in</title></html>";

#[test]
fn connections_that_stall_break_or_drip() {
    check_all(&[
        fails(
            "silence in place of an answer",
            Image,
            |_, to| silence(to),
            &["sent nothing for 3 s (waiting for an answer)"],
        ),
        fails(
            "silence in the middle of the head",
            Image,
            |_, to| {
                raw(to, b"HTTP/1.1 200 OK\r\ncontent-le")?;
                silence(to)
            },
            &["sent nothing for 3 s (waiting for an answer)"],
        ),
        fails(
            "silence before the first byte",
            Image,
            |ask, to| {
                head_of(to, "200 OK", "", ask.image().len())?;
                silence(to)
            },
            &["sent nothing for 3 s (waiting for the next bytes)"],
        ),
        fails(
            "silence in the middle of the body",
            Image,
            |ask, to| {
                head_of(to, "200 OK", "", ask.image().len())?;
                raw(to, &ask.image()[..5000])?;
                silence(to)
            },
            &["sent nothing for 3 s (waiting for the next bytes)"],
        ),
        fails(
            "silence in the middle of a body with an entity tag",
            Image,
            |ask, to| {
                head_of(to, "200 OK", "etag: \"one\"\r\n", ask.image().len())?;
                raw(to, &ask.image()[..5000])?;
                silence(to)
            },
            &["sent nothing for 3 s (waiting for the next bytes)"],
        ),
        fails(
            "the end in place of an answer",
            Image,
            |_, _| Ok(()),
            &["asking http://127", "failed"],
        ),
        fails(
            "a reset in place of an answer",
            Image,
            |_, to| reset(to),
            &["asking http://127", "failed"],
        ),
        fails(
            "the end in the middle of the head",
            Image,
            |_, to| raw(to, b"HTTP/1.1 200 OK\r\ncontent-le"),
            &["asking http://127", "failed"],
        ),
        fails(
            "the end in the middle of the body",
            Image,
            |ask, to| {
                head_of(to, "200 OK", "", ask.image().len())?;
                raw(to, &ask.image()[..5000])
            },
            &["reading from http://127", "failed"],
        ),
        fails(
            "a reset in the middle of the body",
            Image,
            |ask, to| {
                head_of(to, "200 OK", "", ask.image().len())?;
                raw(to, &ask.image()[..5000])?;
                reset(to)
            },
            &["failed"],
        ),
        fails(
            "a head that drips",
            Image,
            |_, to| {
                raw(to, OK.as_bytes())?;
                drip(to, b"x-drop: 1\r\n")
            },
            &["failed", "http://127"],
        ),
        fails(
            "a body that drips",
            Image,
            |ask, to| {
                head_of(to, "200 OK", "", ask.image().len())?;
                drip_image(ask, to, 0)
            },
            &[
                "less than the 1024 bytes per second of `limits.least_rate`",
                "hint: on a slow link",
            ],
        ),
        fails(
            "a body that begins well and drips then",
            Image,
            |ask, to| {
                head_of(to, "200 OK", "etag: \"one\"\r\n", ask.image().len())?;
                raw(to, &ask.image()[..1000])?;
                drip_image(ask, to, 1000)
            },
            &["less than the 1024 bytes per second of `limits.least_rate`"],
        ),
        fails(
            "an error whose text drips",
            Image,
            |_, to| {
                raw(to, b"HTTP/1.1 500 Oops\r\ncontent-length: 9999\r\n\r\n")?;
                drip(to, b"x")
            },
            &["answered with 500"],
        ),
    ]);
}

#[test]
fn lengths_that_are_wrong_or_missing() {
    check_all(&[
        fails(
            "a length that is too short",
            Image,
            |ask, to| {
                head_of(to, "200 OK", "", ask.image().len() / 2)?;
                raw(to, ask.image())
            },
            &["talos-v1.11.3-nocloud-amd64-376567988ad3.raw.xz"],
        ),
        fails(
            "a length that is too long",
            Image,
            |ask, to| {
                head_of(to, "200 OK", "", ask.image().len() + 1)?;
                raw(to, ask.image())
            },
            &["reading from http://127"],
        ),
        fails(
            "a negative length",
            Image,
            |ask, to| {
                raw(to, format!("{OK}content-length: -5\r\n\r\n").as_bytes())?;
                raw(to, ask.image())
            },
            &["asking http://127", "failed"],
        ),
        fails(
            "a length that is no number",
            Image,
            |ask, to| {
                raw(to, format!("{OK}content-length: many\r\n\r\n").as_bytes())?;
                raw(to, ask.image())
            },
            &["asking http://127", "failed"],
        ),
        fails(
            "a length beyond every number",
            Image,
            |ask, to| {
                raw(
                    to,
                    format!("{OK}content-length: 99999999999999999999999\r\n\r\n").as_bytes(),
                )?;
                raw(to, ask.image())
            },
            &["asking http://127", "failed"],
        ),
        fails(
            "two lengths",
            Image,
            |ask, to| {
                let length = ask.image().len();
                let two = format!("{OK}content-length: {length}\r\ncontent-length: 7\r\n\r\n");
                raw(to, two.as_bytes())?;
                raw(to, ask.image())
            },
            &["asking http://127", "failed"],
        ),
        fails(
            "a length of nothing",
            Image,
            |_, to| head_of(to, "200 OK", "", 0),
            &["talos-v1.11.3-nocloud-amd64-376567988ad3.raw.xz"],
        ),
        passes("no length, and all of it", Image, |ask, to| {
            raw(to, format!("{OK}\r\n").as_bytes())?;
            raw(to, ask.image())
        }),
        fails(
            "no length, and half of it",
            Image,
            |ask, to| {
                raw(to, format!("{OK}\r\n").as_bytes())?;
                raw(to, &ask.image()[..ask.image().len() / 2])
            },
            &[" bytes"],
        ),
        passes("chunks", Image, |ask, to| {
            raw(
                to,
                format!("{OK}transfer-encoding: chunked\r\n\r\n").as_bytes(),
            )?;
            for chunk in ask.image().chunks(60_000) {
                raw(to, format!("{:x}\r\n", chunk.len()).as_bytes())?;
                raw(to, chunk)?;
                raw(to, b"\r\n")?;
            }
            raw(to, b"0\r\n\r\n")
        }),
        fails(
            "chunks without an end",
            Image,
            |ask, to| {
                raw(
                    to,
                    format!("{OK}transfer-encoding: chunked\r\n\r\n").as_bytes(),
                )?;
                raw(to, b"1000\r\n")?;
                raw(to, &ask.image()[..0x1000])?;
                raw(to, b"\r\n")
            },
            &["reading from http://127", "failed"],
        ),
        fails(
            "a chunk of a size that is none",
            Image,
            |_, to| {
                raw(
                    to,
                    format!("{OK}transfer-encoding: chunked\r\n\r\nzz\r\n").as_bytes(),
                )
            },
            &["reading from http://127", "failed"],
        ),
        fails(
            "chunks that end early",
            Image,
            |ask, to| {
                raw(
                    to,
                    format!("{OK}transfer-encoding: chunked\r\n\r\n1000\r\n").as_bytes(),
                )?;
                raw(to, &ask.image()[..0x1000])?;
                raw(to, b"\r\n0\r\n\r\n")
            },
            &["sent 4096 of ", " bytes"],
        ),
        fails(
            "chunks that go on behind the end",
            Image,
            |ask, to| {
                raw(
                    to,
                    format!("{OK}transfer-encoding: chunked\r\n\r\n").as_bytes(),
                )?;
                raw(to, format!("{:x}\r\n", ask.image().len()).as_bytes())?;
                raw(to, ask.image())?;
                raw(to, b"\r\n5\r\nmore!\r\n0\r\n\r\n")
            },
            &["more than the ", "it announced"],
        ),
        fails(
            "wrong bytes of the right length",
            Image,
            |ask, to| {
                head_of(to, "200 OK", "", ask.image().len())?;
                let wrong: Vec<u8> = ask.image().iter().map(|byte| !byte).collect();
                raw(to, &wrong)
            },
            &["talos-v1.11.3-nocloud-amd64-376567988ad3.raw.xz"],
        ),
        fails(
            "one wrong byte in the middle",
            Image,
            |ask, to| {
                head_of(to, "200 OK", "", ask.image().len())?;
                let mut wrong = ask.image().to_vec();
                let middle = wrong.len() / 2;
                wrong[middle] ^= 1;
                raw(to, &wrong)
            },
            &["talos-v1.11.3-nocloud-amd64-376567988ad3.raw.xz"],
        ),
    ]);
}

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

#[test]
fn redirects_lead_to_an_image_or_nowhere() {
    check_all(&[
        passes("to another server", Image, |ask, to| {
            let there = format!("location: {}{}\r\n", ask.elsewhere(), ask.path);
            head_of(to, "302 Found", &there, 0)
        }),
        passes(
            "to another server with a login of its own",
            Image,
            |ask, to| {
                let there = ask.elsewhere().replace("http://", "http://you:pass-word@");
                head_of(
                    to,
                    "307 Temporary Redirect",
                    &format!("location: {there}{}\r\n", ask.path),
                    0,
                )
            },
        ),
        fails(
            "to something that another server does not have",
            Image,
            |ask, to| {
                let there = format!("location: {}/away?token=signed\r\n", ask.elsewhere());
                head_of(to, "302 Found", &there, 0)
            },
            &["/away?… was answered with 404"],
        ),
        fails(
            "in a circle",
            Image,
            |ask, to| head_of(to, "302 Found", &format!("location: {}\r\n", ask.path), 0),
            &["redirects more than 8 times"],
        ),
        fails(
            "to a file",
            Image,
            |_, to| head_of(to, "302 Found", "location: file:///etc/passwd\r\n", 0),
            &["file:///etc/passwd, which is not a web address"],
        ),
        fails(
            "to another protocol",
            Image,
            |_, to| {
                head_of(
                    to,
                    "301 Moved Permanently",
                    "location: ftp://127.0.0.1/x\r\n",
                    0,
                )
            },
            &["which is not a web address"],
        ),
        fails(
            "to no URL",
            Image,
            |_, to| head_of(to, "302 Found", "location: http://[\r\n", 0),
            &["to something that is not a URL"],
        ),
        fails(
            "to nowhere",
            Image,
            |_, to| head_of(to, "302 Found", "", 0),
            &["without a location"],
        ),
        fails(
            "to a closed port",
            Image,
            |_, to| head_of(to, "302 Found", "location: http://127.0.0.1:1/x\r\n", 0),
            &["asking http://127.0.0.1:1/x failed", "Connection refused"],
        ),
        fails(
            "to TLS where there is none",
            Image,
            |ask, to| {
                let there = ask.elsewhere().replace("http:", "https:");
                head_of(to, "302 Found", &format!("location: {there}/x\r\n"), 0)
            },
            &["asking https://127"],
        ),
    ]);
}

/// The first answer ends in the middle, with an entity tag; the client asks for the rest.
/// Whatever is wrong with that, it begins anew and has the image in the same run.
macro_rules! resumed {
    ($what:literal, $status:literal, $head:literal, $body:expr) => {
        passes($what, Image, |ask, to| {
            let (image, total) = (ask.image(), ask.image().len());
            match (ask.before, ask.range()) {
                (0, None) => {
                    head_of(to, "200 OK", "etag: \"one\"\r\n", total)?;
                    raw(to, &image[..100_000])
                }
                (1, Some(from)) => {
                    let head = $head
                        .replace("FROM", &from.to_string())
                        .replace("LAST", &(total - 1).to_string())
                        .replace("TOTAL", &total.to_string());
                    let body: fn(&[u8], usize) -> Vec<u8> = $body;
                    let body = body(image, from);
                    head_of(to, $status, &head, body.len())?;
                    raw(to, &body)
                }
                _ => honest(ask, to),
            }
        })
    };
}

#[test]
fn a_rest_that_is_none_is_fetched_anew() {
    let rows: [Row; 8] = [
        resumed!(
            "the rest",
            "206 Partial Content",
            "etag: \"one\"\r\ncontent-range: bytes FROM-LAST/TOTAL\r\n",
            |image, from| image[from..].to_vec()
        ),
        resumed!("the whole", "200 OK", "etag: \"one\"\r\n", |image, _| image
            .to_vec()),
        resumed!(
            "the begin",
            "206 Partial Content",
            "content-range: bytes 0-LAST/TOTAL\r\n",
            |image, _| image.to_vec()
        ),
        resumed!(
            "another file",
            "206 Partial Content",
            "etag: \"two\"\r\ncontent-range: bytes FROM-LAST/TOTAL\r\n",
            |image, from| image[from..].iter().map(|byte| !byte).collect()
        ),
        resumed!("no range told", "206 Partial Content", "", |image, from| {
            image[from..].to_vec()
        }),
        resumed!(
            "an unknown total",
            "206 Partial Content",
            "content-range: bytes FROM-LAST/*\r\n",
            |image, from| image[from..].to_vec()
        ),
        resumed!(
            "several parts",
            "206 Partial Content",
            "content-type: multipart/byteranges; boundary=x\r\n",
            |_, _| b"--x\r\n\r\nx\r\n--x--".to_vec()
        ),
        resumed!(
            "no such range",
            "416 Range Not Satisfiable",
            "content-range: bytes */TOTAL\r\n",
            |_, _| Vec::new()
        ),
    ];
    super::with_retries(&rows);
}
