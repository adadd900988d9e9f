//! Each target for a moment: its seeds, cases that failed once, and mutations of both
//! from a fixed seed. Needs no fuzzer, so it runs everywhere.
#![expect(
    clippy::disallowed_methods,
    reason = "reads the cases, and writes the corpora when asked to"
)]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::{TARGETS, Target, seeds};

/// Mutations of one target: enough to be worth it, few enough for every run.
const ROUNDS: usize = 1_500;
/// The same where one input takes a tenth of a millisecond.
const SLOW_ROUNDS: usize = 200;
const SLOW: [&str; 5] = ["gpt", "manifest", "mbr", "qcow2", "xz_sums"];

/// Words that mean something to one reader or another.
const WORDS: &[&[u8]] = &[
    b"\0",
    b"\n",
    b"\t",
    b"\"",
    b"'",
    b": ",
    b"- ",
    b"{",
    b"}",
    b"[",
    b"]",
    b"&a ",
    b"*a",
    b"!!binary ",
    b"<<",
    b"|",
    b">",
    b"---\n",
    b"\xef\xbb\xbf",
    b"\xc2\xa0",
    b"\xe2\x80\xae",
    b"\x1b[2J",
    b"0x",
    b"1e999",
    b"18446744073709551616",
    b"-1",
    b"null",
    b"~",
    b"YZ",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",
    b"\x1f\x8b",
    b"\xff\xff\xff\xff",
    b"%3a",
    b"../",
    b"$(id)",
];

fn folder(kind: &str, target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(kind)
        .join(target.name)
}

fn cases(target: &Target) -> Vec<Vec<u8>> {
    inputs(&folder("cases", target))
}

/// The files in a folder, if there is one.
fn inputs(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read(path).expect("an input"))
        .collect()
}

fn mutate(random: &mut fastrand::Rng, known: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = random.choice(known).cloned().unwrap_or_default();
    for _ in 0..random.usize(1..=6) {
        let at = random.usize(0..=bytes.len());
        match random.u8(0..7) {
            0 => bytes.insert(at, random.u8(..)),
            1 if at < bytes.len() => bytes[at] ^= 1 << random.u8(0..8),
            2 => bytes.truncate(at),
            3 => {
                let word = random.choice(WORDS).copied().unwrap_or_default();
                bytes.splice(at..at, word.iter().copied());
            }
            4 => {
                let end = random.usize(at..=bytes.len().min(at + 64));
                bytes.drain(at..end);
            }
            5 => {
                let end = random.usize(at..=bytes.len().min(at + 64));
                let piece = bytes[at..end].to_vec();
                let to = random.usize(0..=bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => {
                let other = random.choice(known).map(Vec::as_slice).unwrap_or_default();
                let from = random.usize(0..=other.len());
                let end = random.usize(from..=other.len().min(from + 64));
                bytes.splice(at..at, other[from..end].iter().copied());
            }
        }
    }
    bytes
}

fn run(target: &Target) {
    let mut known = seeds::seeds(target.name);
    assert!(!known.is_empty(), "{} has no seeds", target.name);
    known.extend(cases(target));
    let mut random = fastrand::Rng::with_seed(7);
    let is_slow = SLOW.contains(&target.name);
    let rounds = if is_slow { SLOW_ROUNDS } else { ROUNDS };
    let mutated = (0..rounds).map(|_| mutate(&mut random, &known));
    for input in known.iter().cloned().chain(mutated.collect::<Vec<_>>()) {
        let fed = catch_unwind(AssertUnwindSafe(|| (target.feed)(&input)));
        assert!(
            fed.is_ok(),
            "{} fails for {:?}",
            target.name,
            String::from_utf8_lossy(&input)
        );
    }
}

macro_rules! targets {
    ($($name:ident)+) => {
        $(#[test]
        fn $name() {
            let target = TARGETS.iter().find(|target| target.name == stringify!($name));
            run(target.expect("a target"));
        })+

        #[test]
        fn every_target_runs_here_and_has_a_program() {
            let here = [$(stringify!($name)),+];
            assert_eq!(TARGETS.iter().map(|target| target.name).collect::<Vec<_>>(), here);
            for name in here {
                let program = folder("fuzz_targets", &TARGETS[0]).with_file_name(format!("{name}.rs"));
                let text = fs::read_to_string(&program).expect("a program");
                assert!(text.contains(&format!("\"{name}\"")), "{}", program.display());
            }
        }
    };
}

targets! {
    cache_record checksum config control_answer control_question digest file_name gpt gzip
    http_header iso manifest mbr memory node_answer node_record node_vms orders qcow2
    rsync_progress schematic signature storage_root version versions vm_config xz xz_sums zstd
}

/// Writes the seeds and the cases to where the fuzzer looks for them.
#[test]
#[ignore = "writes to fuzz/corpus; fuzz/run calls it"]
fn write_corpora() {
    for target in TARGETS {
        let folder = folder("corpus", target);
        fs::create_dir_all(&folder).expect("a folder");
        let inputs = seeds::seeds(target.name).into_iter().chain(cases(target));
        for (number, input) in inputs.enumerate() {
            fs::write(folder.join(format!("seed-{number:04}")), input).expect("written");
        }
    }
}

/// Feeds everything that a fuzzer has gathered, so that it can be seen what of the
/// readers it reaches; `fuzz/covered` calls it.
#[test]
#[ignore = "reads fuzz/corpus, which a fuzzer fills"]
fn replay_corpora() {
    for target in TARGETS {
        for input in inputs(&folder("corpus", target)) {
            (target.feed)(&input);
        }
    }
}

/// Writes the descriptions of images that only `qemu-img` makes.
#[test]
#[ignore = "writes to src/fuzz/seeds, and needs qemu-img"]
fn write_qemu_seeds() {
    use crate::io::image::container::fuzz::describe;
    use crate::io::image::magic::ContentKind;
    let dir = tempfile::tempdir().expect("a directory");
    let mut raw = vec![0; 256 << 10];
    raw[..600].fill(9);
    raw[100_000..100_700].fill(8);
    let source = dir.path().join("disk.raw");
    fs::write(&source, raw).expect("written");
    for (name, options) in [
        ("0.10", &["-o", "compat=0.10"][..]),
        ("small-clusters", &["-o", "cluster_size=512"]),
        ("compressed", &["-c", "-o", "cluster_size=4k"]),
        ("extended", &["-o", "extended_l2=on,cluster_size=128k"]),
        (
            "preallocated",
            &["-o", "preallocation=metadata,cluster_size=8k"],
        ),
    ] {
        let target = dir.path().join(name);
        let made = std::process::Command::new("qemu-img")
            .args(["convert", "-f", "raw", "-O", "qcow2"])
            .args(options)
            .args([&source, &target])
            .status();
        assert!(made.expect("qemu-img").success(), "{name}");
        let image = fs::read(&target).expect("an image");
        let seed = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/fuzz/seeds/qcow2")
            .join(name);
        fs::write(seed, describe(ContentKind::Qcow2, &image)).expect("written");
    }
}
