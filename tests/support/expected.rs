//! Expected texts, kept in files.
//!
//! `SNAPSHOTS=overwrite cargo test --test NAME` accepts what is found: look at the
//! differences with a user's eyes before committing them.

use std::path::Path;

use libtest_mimic::{Arguments, Trial};
use snapbox::{Assert, Data};

/// Fails the test unless the file holds this text, byte for byte.
pub fn assert_file(found: &str, file: &Path) {
    let expected = Data::read_from(file, Some(snapbox::data::DataFormat::Text));
    Assert::new()
        .action_env("SNAPSHOTS")
        .eq(Data::text(found).raw(), expected.raw());
}

/// Runs one test for each directory below `root`, called as the directory is, in the
/// place of `main`. `least` notices cases that are not found any more.
pub fn run_cases(root: &Path, least: usize, file: &str, see: fn(&Path) -> String) {
    let dirs = std::fs::read_dir(root).expect("the cases");
    let mut dirs: Vec<_> = dirs
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    dirs.sort();
    assert!(dirs.len() >= least, "only {} cases", dirs.len());
    let file = file.to_owned();
    let cases = dirs.into_iter().map(|dir| {
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        let file = dir.join(&file);
        Trial::test(name.into_owned(), move || {
            assert_file(&see(&dir), &file);
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), cases.collect()).exit();
}
