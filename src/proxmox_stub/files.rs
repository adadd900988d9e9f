//! Bytes of files: their digests.

use std::io::Read;
use std::path::Path;

use sha2::Digest;

/// The digest of a file, in hex.
pub(super) fn digest(file: &Path, algorithm: &str) -> Result<String, String> {
    match algorithm {
        "sha224" => of::<sha2::Sha224>(file),
        "sha256" => of::<sha2::Sha256>(file),
        "sha384" => of::<sha2::Sha384>(file),
        "sha512" => of::<sha2::Sha512>(file),
        other => Err(format!("the stub does not know {other}")),
    }
}

fn of<D: Digest>(file: &Path) -> Result<String, String> {
    let failed = |why: std::io::Error| why.to_string();
    let mut file = std::fs::File::open(file).map_err(failed)?;
    let mut hasher = D::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        match file.read(&mut piece).map_err(failed)? {
            0 => break,
            got => hasher.update(&piece[..got]),
        }
    }
    let digest = hasher.finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Compares a file with a promised digest; the error is what a task ends with.
pub(super) fn check(file: &Path, promise: Option<(&str, &str)>) -> Result<(), String> {
    let Some((algorithm, expected)) = promise else {
        return Ok(());
    };
    let found = digest(file, algorithm)?;
    match found.eq_ignore_ascii_case(expected) {
        true => Ok(()),
        false => Err(format!(
            "checksum mismatch: got '{found}' != expect '{expected}', aborting"
        )),
    }
}
