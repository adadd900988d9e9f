//! The values of drives: `FILE,option=value,…`.

use std::collections::BTreeMap;

/// The value of a drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Drive {
    pub file: String,
    pub options: BTreeMap<String, String>,
}

impl Drive {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut file = None;
        let mut options = BTreeMap::new();
        for part in text.split(',') {
            match part.split_once('=') {
                Some(("file", value)) => file = Some(value.to_owned()),
                Some((name, value)) => drop(options.insert(name.to_owned(), value.to_owned())),
                None if file.is_none() => file = Some(part.to_owned()),
                None => return None,
            }
        }
        Some(Self {
            file: file?,
            options,
        })
    }

    /// File first, then the options in order, as it is kept.
    pub(super) fn print(&self) -> String {
        let options = self.options.iter();
        let options = options.map(|(name, value)| format!(",{name}={value}"));
        format!("{}{}", self.file, options.collect::<String>())
    }

    /// Storage and size of a drive that is to be made, `STORAGE:SIZE`, in whole GiB.
    pub(super) fn new_disk(&self) -> Option<(&str, u64)> {
        let (storage, size) = self.file.split_once(':')?;
        Some((storage, size.parse().ok()?))
    }

    /// The storage of `STORAGE:cloudinit`.
    pub(super) fn cloud_init(&self) -> Option<&str> {
        self.file.strip_suffix(":cloudinit")
    }

    pub(super) fn is_cloud_init(&self) -> bool {
        self.file.contains("cloudinit")
    }

    pub(super) fn is_cdrom(&self) -> bool {
        self.options
            .get("media")
            .is_some_and(|kind| kind == "cdrom")
            || self.file == "none"
    }
}

/// True if an option of a configuration is a drive.
pub(super) fn is_drive(key: &str) -> bool {
    if matches!(key, "efidisk0" | "tpmstate0") {
        return true;
    }
    ["ide", "sata", "scsi", "virtio"].iter().any(|kind| {
        let number = key.strip_prefix(kind);
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// A size as it is kept: in the largest unit that leaves no rest.
pub(super) fn size(bytes: u64) -> String {
    let units = [
        (1 << 40, "T"),
        (1 << 30, "G"),
        (1 << 20, "M"),
        (1 << 10, "K"),
    ];
    let fits = units
        .iter()
        .find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    match fits {
        Some((unit, name)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}
