//! Whom to believe: certificates of private authorities, and the factory's key.
//!
//! Files are read here, so that a wrong one is reported with everything else that is wrong
//! with the configuration, before anybody is spoken to.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine};

use super::file::{FactoryShape, VERIFY_WORDS};
use super::secrets::Secrets;
use super::values;
use crate::model::ImageTrust;
use crate::yaml::{At, NodeRef, ProblemReport};

/// Bytes of a file that are read. A system's whole bundle has some 250 KiB.
const FILE_BYTES: u64 = 4 << 20;

const CERTIFICATE: &str = "CERTIFICATE";
const PUBLIC_KEY: &str = "PUBLIC KEY";

/// The file with certificates, and what is in it.
pub(super) fn ca_file(
    shape: &FactoryShape,
    secrets: &Secrets<'_>,
    report: &mut ProblemReport<'_>,
) -> Option<(PathBuf, Vec<u8>)> {
    let at = shape.ca_file.as_ref()?;
    let path = values::path(Some(at), report)?;
    // Where a configuration is only checked, its files may be elsewhere.
    if matches!(secrets, Secrets::NotNeeded) {
        return None;
    }
    let text = read(&path, at, report)?;
    if sections(&text, CERTIFICATE, at, report)?.is_empty() {
        lacks(&path, CERTIFICATE, at.place, report);
        return None;
    }
    Some((path, text.into_bytes()))
}

/// What has to vouch for an image.
pub(super) fn verify(
    shape: &FactoryShape,
    secrets: &Secrets<'_>,
    report: &mut ProblemReport<'_>,
) -> ImageTrust {
    let word = match &shape.verify {
        None => "offered",
        Some(at) if VERIFY_WORDS.contains(&at.value.as_str()) => at.value.as_str(),
        Some(at) => {
            if report.fits_a_line(at) {
                let accepted = VERIFY_WORDS.join(", ");
                let what = format!("{:?} is not known; expected {accepted}", at.value);
                report.at(at.place, what);
            }
            "offered"
        }
    };
    let key = match (&shape.public_key_file, &shape.verify) {
        (Some(at), _) => key(at, secrets, report),
        (None, Some(at)) if word == "signature" => {
            report.at_with_hint(
                at.place,
                "signatures need a key for verification",
                "set `public_key_file` to the file with the factory's public key",
            );
            None
        }
        (None, _) => None,
    };
    match word {
        "none" => ImageTrust::None,
        "checksum" => ImageTrust::Checksum,
        // What could not be read was reported, and nothing is done with these settings.
        "signature" => ImageTrust::Signature {
            key: key.unwrap_or_default(),
        },
        _ => ImageTrust::Offered,
    }
}

fn key(at: &At<String>, secrets: &Secrets<'_>, report: &mut ProblemReport<'_>) -> Option<Vec<u8>> {
    let path = values::path(Some(at), report)?;
    if matches!(secrets, Secrets::NotNeeded) {
        return None;
    }
    let text = read(&path, at, report)?;
    let mut keys = sections(&text, PUBLIC_KEY, at, report)?;
    match keys.len() {
        1 => keys.pop().filter(|key| is_p256(key, &path, at, report)),
        0 => {
            lacks(&path, PUBLIC_KEY, at.place, report);
            None
        }
        _ => {
            let what = format!("the file {} holds more than one key", path.display());
            report.at(at.place, what);
            None
        }
    }
}

/// The bytes by which a `SubjectPublicKeyInfo` of this curve begins (RFC 5480): the
/// algorithm, the curve, and the length of an uncompressed point.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

fn is_p256(key: &[u8], path: &Path, at: &At<String>, report: &mut ProblemReport<'_>) -> bool {
    let fits = key.starts_with(&P256) && key.len() == P256.len() + 65;
    if !fits {
        report.at_with_hint(
            at.place,
            format!(
                "the key in {} has another type; expected ECDSA on the curve P-256",
                path.display()
            ),
            "the factory serves its key at /oci/cosign/signing-key.pub",
        );
    }
    fits
}

fn read(path: &Path, at: &At<String>, report: &mut ProblemReport<'_>) -> Option<String> {
    let read = || {
        let meta = std::fs::metadata(path)?;
        // A pipe in its place would be waited for.
        if !meta.is_file() {
            return Err(std::io::Error::other("it is not a file"));
        }
        let mut text = String::new();
        let file = std::fs::File::open(path)?;
        file.take(FILE_BYTES).read_to_string(&mut text)?;
        Ok(text)
    };
    match read() {
        Ok(text) => Some(text),
        Err(why) => {
            let reason = match why.kind() {
                std::io::ErrorKind::NotFound => "it does not exist".to_owned(),
                std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
                std::io::ErrorKind::InvalidData => "it is not PEM text".to_owned(),
                _ => why.to_string(),
            };
            let what = format!("the file {} cannot be read: {reason}", path.display());
            report.at(at.place, what);
            None
        }
    }
}

fn lacks(path: &Path, label: &str, place: NodeRef, report: &mut ProblemReport<'_>) {
    report.at_with_hint(
        place,
        format!("the file {} contains no {label}", path.display()),
        format!("expected PEM: text with -----BEGIN {label}----- in it"),
    );
}

/// The contents of all sections of a PEM text with a label; `None` where one is
/// damaged, which is reported.
fn sections(
    text: &str,
    label: &str,
    at: &At<String>,
    report: &mut ProblemReport<'_>,
) -> Option<Vec<Vec<u8>>> {
    let (begin, end) = (
        format!("-----BEGIN {label}-----"),
        format!("-----END {label}-----"),
    );
    let mut found = Vec::new();
    for section in text.split(begin.as_str()).skip(1) {
        let der = section.split_once(end.as_str()).and_then(|(body, _)| {
            let body: String = body.split_ascii_whitespace().collect();
            BASE64_STANDARD.decode(body).ok()
        });
        match der {
            // A sequence, as long as it says.
            Some(der) if is_whole(&der) => found.push(der),
            _ => {
                let number = found.len() + 1;
                let what = format!("{label} number {number} in {:?} is damaged", at.value);
                report.at(at.place, what);
                return None;
            }
        }
    }
    Some(found)
}

/// True for a DER sequence that has as many bytes as it says.
fn is_whole(der: &[u8]) -> bool {
    let (&[0x30, first], rest) = (match der.first_chunk::<2>() {
        Some(head) => (head, &der[2..]),
        None => return false,
    }) else {
        return false;
    };
    match first {
        0x00..=0x7f => rest.len() == usize::from(first),
        0x81..=0x84 => {
            let digits = usize::from(first - 0x80);
            let Some((length, rest)) = rest.split_at_checked(digits) else {
                return false;
            };
            let length = length
                .iter()
                .fold(0, |sum, &digit| sum << 8 | usize::from(digit));
            rest.len() == length
        }
        _ => false,
    }
}
