//! File names as the storage library of Proxmox VE treats them.

/// What becomes of the name of a file that is sent.
pub fn normalised(name: &str) -> String {
    let from = name.rfind(['/', '\\']).map_or(0, |at| at + 1);
    let bytes = name.as_bytes()[from..].iter();
    bytes
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(*byte),
            _ => '_',
        })
        .collect()
}

/// True if a file of this name may be sent as this content type.
pub fn sendable(content: &str, name: &str) -> bool {
    match content {
        "iso" => ends(&name.to_ascii_lowercase(), &[".iso", ".img"]),
        "import" => ends(name, &[".ova", ".qcow2", ".raw", ".vmdk"]) && is_plain(name),
        "vztmpl" => ends(name, &[".tar.gz", ".tar.xz", ".tar.zst"]),
        _ => false,
    }
}

/// True if a listing of this content type shows the file.
pub fn listed(content: &str, name: &str) -> bool {
    if name.starts_with('.') {
        return false;
    }
    parses(content, name)
}

/// True if `CONTENT/NAME` is a volume, listed or not.
pub fn parses(content: &str, name: &str) -> bool {
    if name.contains('/') {
        return false;
    }
    match content {
        "iso" => ends(&name.to_ascii_lowercase(), &[".iso", ".img"]),
        "import" => ends(name, &[".ova", ".ovf", ".qcow2", ".raw", ".vmdk"]) && is_plain(name),
        _ => false,
    }
}

fn ends(name: &str, extensions: &[&str]) -> bool {
    extensions
        .iter()
        .any(|extension| name.len() > extension.len() && name.ends_with(extension))
}

fn is_plain(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".+=_-".contains(&byte))
}
