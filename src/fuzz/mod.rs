//! What takes bytes from outside, as functions that a fuzzer calls.
//!
//! Each target feeds one reader with arbitrary bytes and checks what must hold for
//! any input: it ends without a panic, what it shows of the input is printable, and
//! what it writes it can read back. `fuzz/run` runs them with coverage feedback; the
//! tests run each for a moment from the same seeds, and replay `fuzz/cases`.
//!
//! Compiled for tests and fuzzing only.

mod seeds;
#[cfg(test)]
mod tests;

use crate::io::decode::{self, Chunk};
use crate::model::{Codec, NameTemplate, OrderDefaults, Sha256};
use crate::{config, nodes, orders};

/// A reader of bytes from outside.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name: that of its directory below `fuzz/corpus` and `fuzz/cases`.
    pub name: &'static str,
    /// Feeds it. Panics where something does not hold.
    pub feed: fn(&[u8]),
}

/// Every target, by name.
pub const TARGETS: &[Target] = &[
    Target {
        name: "cache_record",
        feed: cache_record,
    },
    Target {
        name: "config",
        feed: config,
    },
    Target {
        name: "digest",
        feed: digest,
    },
    Target {
        name: "file_name",
        feed: file_name,
    },
    Target {
        name: "gzip",
        feed: gzip,
    },
    Target {
        name: "manifest",
        feed: manifest,
    },
    Target {
        name: "memory",
        feed: memory,
    },
    Target {
        name: "node_answer",
        feed: nodes::fuzz::answer,
    },
    Target {
        name: "node_record",
        feed: nodes::fuzz::record,
    },
    Target {
        name: "orders",
        feed: orders,
    },
    Target {
        name: "rsync_progress",
        feed: nodes::fuzz::rsync_progress,
    },
    Target {
        name: "schematic",
        feed: schematic,
    },
    Target {
        name: "version",
        feed: version,
    },
    Target {
        name: "xz",
        feed: xz,
    },
    Target {
        name: "zstd",
        feed: zstd,
    },
];

/// Feeds the target of a name; for the fuzzer's programs.
///
/// # Panics
/// If there is no such target, or something does not hold.
pub fn feed(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of that name").feed)(bytes);
}

/// The most that a decoder may make of one input before a target loses interest:
/// bombs have a test of their own.
const DECODED_MAX: u64 = 64 << 20;

/// Fails if a terminal would do anything but show the text.
fn assert_printable(text: &str) {
    let odd = text.chars().find(|&c| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    });
    assert!(odd.is_none(), "{odd:?} in {text:?}");
}

fn orders(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let set = orders::parse("orders.yaml", text, &defaults());
    for problem in set.problems() {
        assert_printable(&problem.to_string());
    }
}

fn defaults() -> OrderDefaults {
    config::parse("config.yaml", seeds::CONFIG, &|_| Some("secret".to_owned()))
        .expect("the configuration of the seeds")
        .orders
}

fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Err(error) = config::parse_without_secrets("config.yaml", text) {
        for problem in error.problems() {
            assert_printable(&problem.to_string());
        }
    }
}

fn schematic(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match orders::parse_schematic("schematic.yaml", text) {
        Ok(schematic) => {
            let canonical = schematic.canonical_yaml();
            let again = orders::parse_schematic("canonical.yaml", &canonical);
            let again = again.unwrap_or_else(|why| panic!("{why:?}\n{canonical}"));
            assert_eq!(again.id(), schematic.id(), "{canonical}");
        }
        Err(problems) => {
            for problem in problems {
                assert_printable(&problem.to_string());
            }
        }
    }
}

fn file_name(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Some(parts) = NameTemplate::default().read(text) {
        // Only what a person sees of it may be odd, never what a path is made of.
        assert!(!text.contains(['/', '\0', '\n']), "{text:?}: {parts:?}");
    }
}

fn version(bytes: &[u8]) {
    use crate::model::TalosVersion;
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(version) = text.parse::<TalosVersion>() {
        let shown = version.to_string();
        assert_printable(&shown);
        assert_eq!(shown.parse::<TalosVersion>().ok(), Some(version), "{shown}");
    }
}

fn digest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(digest) = text.parse::<Sha256>() {
        assert_eq!(digest.to_string().parse::<Sha256>().ok(), Some(digest));
    }
}

fn manifest(bytes: &[u8]) {
    use crate::manifest::Manifest;
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let _ = serde_yaml::from_str::<Manifest>(text);
}

fn memory(bytes: &[u8]) {
    let _ = serde_json::from_slice::<crate::plan::Memory>(bytes);
}

fn cache_record(bytes: &[u8]) {
    let _ = serde_json::from_slice::<crate::plan::Meta>(bytes);
}

fn xz(bytes: &[u8]) {
    decode(Codec::Xz, bytes);
}

fn gzip(bytes: &[u8]) {
    decode(Codec::Gzip, bytes);
}

fn zstd(bytes: &[u8]) {
    decode(Codec::Zstd, bytes);
}

/// Decodes twice, with the input cut at different places: what comes out may not
/// depend on that.
fn decode(codec: Codec, bytes: &[u8]) {
    // The first byte says how long the pieces are.
    let Some((&cut, packed)) = bytes.split_first() else {
        return;
    };
    let whole = decoded(codec, packed, packed.len().max(1));
    let pieces = decoded(codec, packed, usize::from(cut).max(1));
    if whole.as_ref().map_or(0, |content| content.length) < DECODED_MAX {
        assert_eq!(whole, pieces);
    }
}

/// What came out of a decoder.
#[derive(Debug, PartialEq, Eq)]
struct Content {
    length: u64,
    data: Sha256,
}

fn decoded(codec: Codec, packed: &[u8], cut: usize) -> Option<Content> {
    use sha2::Digest as _;
    let (mut decoder, decoded) = decode::decoder(codec, 1 << 20).expect("a decoder");
    std::thread::scope(|scope| {
        let consumer = scope.spawn(move || {
            let (mut length, mut hasher) = (0, sha2::Sha256::new());
            for chunk in decoded {
                match chunk.ok()? {
                    Chunk::Data(bytes) => {
                        length += bytes.len() as u64;
                        hasher.update(&bytes);
                    }
                    Chunk::Zeros(count) => {
                        length += count;
                        let mut left = count.min(DECODED_MAX);
                        while left > 0 {
                            let now = left.min(1 << 16);
                            hasher.update(&[0; 1 << 16][..now as usize]);
                            left -= now;
                        }
                    }
                }
                if length > DECODED_MAX {
                    break;
                }
            }
            let data = Sha256::from_bytes(hasher.finalize().into());
            Some(Content { length, data })
        });
        let pushed = packed
            .chunks(cut)
            .try_for_each(|piece| decoder.push(piece))
            .and_then(|()| decoder.finish());
        let content = consumer.join().expect("no panic in the consumer")?;
        (pushed.is_ok() || content.length > DECODED_MAX).then_some(content)
    })
}
