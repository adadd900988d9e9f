//! How a scene is kept: the text of every small file with names in the place of what
//! differs from run to run, and a list of the images, which are made anew.
//!
//! | name | stands for |
//! |---|---|
//! | `@world@`, `@lab@` | the directories of world and lab |
//! | `@factory@`, `@factory-host@` | the factory's URL, and what is in it without the scheme |
//! | `@NODE@`, `@NODE-address@`, `@NODE-port@` | a node's directory, and where its sshd listens |
//! | `@time-1500@` | a time, in nanoseconds from when the scene was kept |
//! | `@until+60@` | the same in seconds since 1970, as a lease has it |
//! | `@inode@` | the inode number of the file that a record's line is about |
//! | `@approval@` | what approves the removals of one scene |
//! | `@boot@`, `@binary@` | this start of the machine, the program |

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::Digest;
use talos_order::model::Sha256;

use crate::common::snapshot::images;
use crate::scenes::{Kind, Scene, patch};

const IMAGES: &str = "images.json";
const RECORD: &str = ".talos-order.jsonl";
const LEASE: &str = ".talos-order.lock";

/// What is left of a wait when a scene is put back, where it was not over when the scene
/// was kept: long enough for any test.
const LEFT: SignedDuration = SignedDuration::from_mins(10);

/// Larger files are images, in bytes.
const TEXT_MAX: u64 = 32 << 10;

/// An image, or the beginning of one.
#[derive(Serialize, Deserialize)]
struct Image {
    /// Its name in a cache.
    of: String,
    /// How many bytes of it are there.
    bytes: u64,
    /// When it was written, in nanoseconds since 1970: records name that.
    mtime_ns: i128,
}

/// Where a scene is kept.
pub fn dir(kind: Kind) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/compat/0.1.0").join(kind.name())
}

impl Scene {
    /// The directories that are kept, by the name they have in the fixture.
    pub fn places(&self) -> Vec<(&'static str, PathBuf)> {
        let world = ("world", self.world.dir.path().to_owned());
        let nodes = self.nodes.iter();
        let nodes = nodes.map(|(name, node)| (*name, node.root.clone()));
        [world].into_iter().chain(nodes).collect()
    }

    /// What differs from run to run, and its name; what is part of another first.
    fn names(&self) -> Vec<(String, String)> {
        let mut names = vec![(self.approval(), "@approval@".to_owned())];
        for (name, node) in &self.nodes {
            names.push((node.root.display().to_string(), format!("@{name}@")));
            names.push((node.address.to_string(), format!("@{name}-address@")));
            names.push((node.port.to_string(), format!("@{name}-port@")));
        }
        let path = |path: &Path| path.display().to_string();
        let factory = self.world.factory.url();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        for (value, name) in [
            (path(self.world.dir.path()), "@world@"),
            (path(self.lab.path()), "@lab@"),
            (factory.trim_end_matches('/').to_owned(), "@factory@"),
            (
                factory.trim_end_matches('/').replace("http://", ""),
                "@factory-host@",
            ),
            (boot.trim().to_owned(), "@boot@"),
            (path(&self.world.program.binary), "@binary@"),
        ] {
            names.push((value, name.to_owned()));
        }
        names
    }

    /// The id by which the removals of [`Kind::Troubled`] are approved: it follows from the
    /// node and the paths.
    pub fn approval(&self) -> String {
        let iso = self.world.at("nas/iso");
        let paths = (0..3).map(|number| format!("\n{}", iso.join(patch(number)).display()));
        let text = format!("nas{}", paths.collect::<String>());
        let digest = Sha256::from_bytes(sha2::Sha256::digest(text.as_bytes()).into());
        digest.to_string()[..12].to_owned()
    }

    /// Puts back what an earlier version left.
    pub fn restored(kind: Kind) -> Self {
        let scene = Self::empty(kind);
        let now = Timestamp::now();
        let kept = dir(kind);
        let text = fs::read_to_string(kept.join(IMAGES)).unwrap();
        let images: BTreeMap<String, Image> = serde_json::from_str(&text).unwrap();
        for (place, root) in scene.places() {
            for (name, image) in &images {
                if let Some(below) = name.strip_prefix(&format!("{place}/")) {
                    image.put(&scene, &root.join(below));
                }
            }
            for below in files(&kept.join(place)) {
                let mut text = fs::read_to_string(kept.join(place).join(&below)).unwrap();
                for (value, name) in scene.names() {
                    text = text.replace(&name, &value);
                }
                let to = root.join(&below);
                text = with_times(&text, now);
                if to.ends_with(RECORD) {
                    text = with_inodes(&text, to.parent().unwrap());
                }
                for name in ["@time", "@until", "@inode", "@approval"] {
                    assert!(!text.contains(name), "{name} in {below:?}: {text}");
                }
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::write(&to, text).unwrap();
            }
        }
        scene.assert_images();
        scene
    }

    /// The factory stub makes the images that the records are about.
    fn assert_images(&self) {
        for name in images(&self.world.cache()) {
            let meta = self.world.cache().join(format!(".{name}.meta.json"));
            let meta = fs::read_to_string(meta).unwrap();
            let is_so = meta.contains(&self.world.truth(&name).to_string());
            assert!(is_so, "{name} changed: run `tests/compat/run write`");
        }
    }

    /// Keeps what is there in the place of what was kept before.
    pub fn keep(&self) {
        let now = Timestamp::now();
        let kept = dir(self.kind);
        if kept.exists() {
            fs::remove_dir_all(&kept).unwrap();
        }
        let mut images = BTreeMap::new();
        for (place, root) in self.places() {
            for below in files(&root) {
                let from = root.join(&below);
                if let Some(image) = Image::of(self, &from) {
                    images.insert(format!("{place}/{}", below.display()), image);
                    continue;
                }
                let mut text = fs::read_to_string(&from).unwrap();
                text = without_times(&text, now);
                for (value, name) in self.names() {
                    text = replace_word(&text, &value, &name);
                }
                if from.ends_with(RECORD) {
                    text = without_inodes(&text);
                }
                if from.ends_with(LEASE) && place != "world" {
                    let (until, rest) = text.split_once(' ').unwrap();
                    let left = until.parse::<i64>().unwrap() - now.as_second();
                    text = format!("@until{left:+}@ {rest}");
                }
                for left in ["/tmp/", "127.0.0."] {
                    assert!(!text.contains(left), "{left} in {from:?}: {text}");
                }
                let to = kept.join(place).join(&below);
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::write(to, text).unwrap();
            }
        }
        let mut text = serde_json::to_string_pretty(&images).unwrap();
        text.push('\n');
        fs::write(kept.join(IMAGES), text).unwrap();
    }
}

impl Image {
    /// What an image on disk is; `None` for any other file.
    fn of(scene: &Scene, path: &Path) -> Option<Self> {
        let facts = fs::metadata(path).unwrap();
        let name = path.file_name()?.to_str()?;
        let of = name
            .trim_start_matches(".talos-order.")
            .trim_start_matches('.')
            .trim_end_matches(".part");
        let is_image = [".iso", ".raw", ".xz"].iter().any(|end| of.ends_with(end));
        if !is_image {
            assert!(facts.len() <= TEXT_MAX, "{path:?} is no text");
            return None;
        }
        let (there, whole) = (fs::read(path).unwrap(), scene.world.image(of));
        assert!(
            whole.starts_with(&there),
            "{path:?} is not the factory stub's {of}"
        );
        let written = facts
            .modified()
            .unwrap()
            .duration_since(UNIX_EPOCH)
            .unwrap();
        Some(Self {
            of: of.to_owned(),
            bytes: facts.len(),
            mtime_ns: written.as_nanos().try_into().unwrap(),
        })
    }

    fn put(&self, scene: &Scene, path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let bytes = usize::try_from(self.bytes).unwrap();
        fs::write(path, &scene.world.image(&self.of)[..bytes]).unwrap();
        let since = Duration::from_nanos(self.mtime_ns.try_into().unwrap());
        let written: SystemTime = UNIX_EPOCH + since;
        fs::File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(written)
            .unwrap();
    }
}

/// Every plain file below a directory, by its path from there.
pub fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            let facts = fs::symlink_metadata(&path).unwrap();
            if facts.is_dir() {
                dirs.push(path);
            } else if facts.is_file() {
                found.push(path.strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Replaces a text where it is not a part of a longer word or number.
fn replace_word(text: &str, word: &str, by: &str) -> String {
    let mut done = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let is_inside =
            word.starts_with(char::is_alphanumeric) && before.ends_with(char::is_alphanumeric);
        let is_word = !is_inside && !after.starts_with(char::is_alphanumeric);
        done += before;
        done += if is_word { by } else { word };
        rest = after;
    }
    done + rest
}

fn without_times(text: &str, now: Timestamp) -> String {
    let is_part = |c: char| c.is_ascii_digit() || "-:.TZ".contains(c);
    let mut done = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c| !is_part(c)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        done += before;
        // A time at the end of a clause has a colon behind it.
        let bare = word.trim_end_matches([':', '.']);
        match bare.ends_with('Z').then(|| bare.parse::<Timestamp>()) {
            Some(Ok(time)) => {
                let since = time.duration_since(now).as_nanos();
                done += &format!("@time{since:+}@{}", &word[bare.len()..]);
            }
            _ => done += word,
        }
        rest = after;
    }
    done + rest
}

fn with_times(text: &str, now: Timestamp) -> String {
    let later = |nanos: i128| {
        let since = SignedDuration::from_nanos_i128(nanos);
        let left = if nanos > 0 {
            LEFT
        } else {
            SignedDuration::ZERO
        };
        (now + since + left).to_string()
    };
    let text = replace_named(text, "@time", later);
    replace_named(&text, "@until", |seconds| {
        (i128::from(now.as_second()) + seconds).to_string()
    })
}

fn replace_named(text: &str, name: &str, by: impl Fn(i128) -> String) -> String {
    let mut parts = text.split(name);
    let mut done = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_once('@').unwrap();
        done += &by(number.parse().unwrap());
        done += rest;
    }
    done
}

fn without_inodes(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let Some((before, after)) = line.split_once("\"inode\":") else {
            return format!("{line}\n");
        };
        let (_, after) = after.split_once(',').unwrap();
        format!("{before}\"inode\":@inode@,{after}\n")
    });
    lines.collect()
}

fn with_inodes(text: &str, dir: &Path) -> String {
    use std::os::unix::fs::MetadataExt;
    let lines = text.lines().map(|line| {
        let name = line.split('"').nth(3).unwrap_or_default();
        let inode = fs::metadata(dir.join(name)).map_or(0, |facts| facts.ino());
        format!("{}\n", line.replace("@inode@", &inode.to_string()))
    });
    lines.collect()
}
