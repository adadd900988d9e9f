//! Redirects at fault, and the rest of an image that is none.

use super::At::Image;
use super::wire::{head_of, honest, raw};
use super::{Row, check_all, fails, passes};

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
