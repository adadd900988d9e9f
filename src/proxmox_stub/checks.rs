//! What qemu-img would say of an image: whether it is one of its extension, and whether
//! it refers to other files. Everything else is taken as it is.

use std::io::Read;
use std::path::Path;

/// Refuses what a node refuses.
pub(super) fn check(file: &Path, content: &str, name: &str) -> Result<(), String> {
    let extension = name.rsplit('.').next().unwrap_or_default();
    match (content, extension) {
        ("import", "qcow2") => {
            let Some(head) = qcow2_head(file) else {
                return Err("Image is not in qcow2 format".to_owned());
            };
            match number(&head, 8) {
                0 => Ok(()),
                _ => Err("backing file not allowed for untrusted image".to_owned()),
            }
        }
        ("import", "vmdk") => match head::<4>(file) {
            Some(magic) if &magic == b"KDMV" => Ok(()),
            _ => Err("Image is not in vmdk format".to_owned()),
        },
        _ => Ok(()),
    }
}

/// The virtual size in the head of a qcow2 file.
pub(super) fn qcow2_size(file: &Path) -> Option<u64> {
    qcow2_head(file).map(|head| number(&head, 24))
}

fn qcow2_head(file: &Path) -> Option<[u8; 32]> {
    head::<32>(file).filter(|head| head.starts_with(b"QFI\xfb"))
}

fn number(head: &[u8; 32], at: usize) -> u64 {
    let bytes = head[at..at + 8].iter();
    bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn head<const N: usize>(file: &Path) -> Option<[u8; N]> {
    let mut head = [0; N];
    std::fs::File::open(file).ok()?.read_exact(&mut head).ok()?;
    Some(head)
}
