//! Connections and lengths at fault in the answer to a request for an image.

use super::At::Image;
use super::wire::{drip, drip_image, head_of, raw, reset, silence};
use super::{check_all, fails, passes};

const OK: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n";

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
