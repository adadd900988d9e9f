//! `qemu-img` judges what is written.

use std::process::{Command, Output};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// A raw image of this length with data at these places.
fn raw(dir: &TempDir, length: u64, data: &[(u64, usize)]) -> File {
    let path = dir.path().join("raw");
    let mut options = std::fs::OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(true);
    let file = options.open(path).unwrap();
    file.set_len(length).unwrap();
    for (at, bytes) in data {
        let filled = vec![(at / 7) as u8 | 1; *bytes];
        file.write_all_at(&filled, *at).unwrap();
    }
    file
}

/// The whole file, read in pieces of this size.
fn written(layout: &Qcow2Layout, raw: &File, piece: u64) -> Vec<u8> {
    let mut all = Vec::new();
    while (all.len() as u64) < layout.len() {
        let length = piece.min(layout.len() - all.len() as u64);
        let mut buffer = vec![0xee; length as usize];
        layout.read_at(raw, all.len() as u64, &mut buffer).unwrap();
        all.extend(buffer);
    }
    all
}

fn qemu_img(dir: &TempDir, words: &[&str]) -> Output {
    let mut command = Command::new("qemu-img");
    command.args(words).current_dir(dir.path());
    command.output().expect("qemu-img is installed")
}

/// `qemu-img` finds no fault in the file, and the disk in it is the raw image. Of data
/// from `end` on nothing is written.
fn judge(dir: &TempDir, layout: &Qcow2Layout, raw: &File, end: u64) {
    let path = dir.path().join("image.qcow2");
    let target = File::create(&path).unwrap();
    target.set_len(layout.len()).unwrap();
    let mut all = vec![0; end as usize];
    layout.read_at(raw, 0, &mut all).unwrap();
    target.write_all_at(&all, 0).unwrap();
    for words in [
        &["check", "-f", "qcow2", "image.qcow2"][..],
        &["compare", "-f", "raw", "-F", "qcow2", "raw", "image.qcow2"],
    ] {
        let output = qemu_img(dir, words);
        let said = String::from_utf8_lossy(&output.stdout);
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}{complained}");
    }
}

#[test]
fn qemu_finds_no_fault_in_what_is_written() {
    let dir = TempDir::new().unwrap();
    let mib = 1 << 20;
    for (length, data) in [
        (mib, &[][..]),
        (mib, &[(0, 512)]),
        // The last cluster is not whole.
        (3 * mib + 512, &[(0, 70_000), (3 * mib, 512)]),
        // Over the border of two L2 tables, and an empty one between.
        (
            2048 * mib,
            &[(0, 34), (512 * mib - 9, 20), (1536 * mib, 4096)],
        ),
    ] {
        let file = raw(&dir, length, data);
        let layout = Qcow2Layout::scan(&file).unwrap();
        judge(&dir, &layout, &file, layout.len());
        let held: u64 = layout.data().map(|(_, stored)| stored).sum();
        let given: u64 = data.iter().map(|(_, bytes)| *bytes as u64).sum();
        assert!(held <= given + data.len() as u64 * 2 * CLUSTER, "{length}");
    }
}

#[test]
fn a_disk_of_many_tables_has_a_second_cluster_of_l1() {
    let dir = TempDir::new().unwrap();
    let tib = 1 << 40;
    let length = 5 * tib;
    let file = raw(&dir, length, &[(0, 1), (length - 512, 512)]);
    let layout = Qcow2Layout::scan(&file).unwrap();
    assert_eq!(layout.l1_table, 2);
    judge(&dir, &layout, &file, layout.len());
}

#[test]
fn counts_have_a_block_for_each_two_gib() {
    let dir = TempDir::new().unwrap();
    for count in [COUNTS - 8, COUNTS - 7, COUNTS - 6, 3 * COUNTS] {
        // Zeros, which are taken for data: qemu-img is shown the tables only.
        let length = count * CLUSTER;
        let file = raw(&dir, length, &[]);
        let run = DataRun {
            cluster: 0,
            count,
            before: 0,
        };
        let layout = Qcow2Layout::of(length, vec![run], count);
        assert_eq!(layout.refcount_blocks, layout.clusters().div_ceil(COUNTS));
        judge(&dir, &layout, &file, layout.tables_end());
    }
}

#[test]
fn zeros_that_are_stored_are_left_out() {
    let dir = TempDir::new().unwrap();
    let file = raw(&dir, 4 << 20, &[(1 << 20, 10)]);
    file.write_all_at(&vec![0; 1 << 20], 2 << 20).unwrap();
    let layout = Qcow2Layout::scan(&file).unwrap();
    let data: Vec<_> = layout.data().collect();
    assert_eq!(data, [(1 << 20..(1 << 20) + CLUSTER, CLUSTER)]);
    assert_eq!(layout.tables_end() + CLUSTER, layout.len());
}

#[test]
fn an_image_that_shrank_is_an_error() {
    let dir = TempDir::new().unwrap();
    let file = raw(&dir, 1 << 20, &[(0, 1 << 20)]);
    let layout = Qcow2Layout::scan(&file).unwrap();
    file.set_len(1 << 19).unwrap();
    let mut buffer = vec![0; layout.len() as usize];
    assert!(layout.read_at(&file, 0, &mut buffer).is_err());
    assert!(layout.read_at(&file, layout.len(), &mut [0]).is_err());
}

#[test]
fn the_disk_has_whole_sectors() {
    let dir = TempDir::new().unwrap();
    let file = raw(&dir, 100_000, &[(99_999, 1)]);
    let layout = Qcow2Layout::scan(&file).unwrap();
    std::fs::write(dir.path().join("odd.qcow2"), written(&layout, &file, 4096)).unwrap();
    let output = qemu_img(&dir, &["info", "--output=json", "odd.qcow2"]);
    let info: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(info["virtual-size"], 100_352);
    assert_eq!(info["format"], "qcow2");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// However it is read, the bytes are the same.
    #[test]
    fn pieces_make_the_same_file(
        data in prop::collection::vec((0_u64..4_000_000, 1_usize..200_000), 0..6),
        piece in 1_000_u64..300_000,
    ) {
        let dir = TempDir::new().unwrap();
        let file = raw(&dir, 5 << 20, &data);
        let layout = Qcow2Layout::scan(&file).unwrap();
        prop_assert_eq!(&layout, &Qcow2Layout::scan(&file).unwrap());
        prop_assert!(written(&layout, &file, piece) == written(&layout, &file, layout.len()));
    }
}
