//! Directories that belong to the system, and take no images.

use super::dir::Dir;
use crate::model::Invalid;

/// Directories of the system that take no images themselves, while those below may.
const SYSTEM: [&str; 6] = ["/", "/home", "/run", "/usr/local", "/var", "/var/lib"];

/// Directories of the system that take no images anywhere below them.
const SYSTEM_TREES: [&str; 11] = [
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/sbin", "/sys", "/usr",
];

/// What is below one of those and may take images all the same.
const USABLE_TREES: [&str; 2] = ["/dev/shm", "/usr/local"];

impl Dir {
    /// Refuses the directories of the system as a place for images: a mistake there
    /// fills or hides what a node needs to run, as root.
    ///
    /// # Errors
    /// Where the directory is one of them.
    pub fn for_images(self) -> Result<Self, Invalid> {
        let path = self.as_str();
        let is_below = |dir: &str| {
            path.strip_prefix(dir)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let is_system = SYSTEM.contains(&path)
            || (SYSTEM_TREES.iter().any(|dir| is_below(dir))
                && !USABLE_TREES.iter().any(|dir| is_below(dir)));
        if is_system {
            return Err(Invalid::new(format!(
                "{path:?} is not a directory for images: it belongs to the system"
            ))
            .hint("a directory such as /var/lib/vz/template/iso"));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_of_the_system_take_no_images() {
        let usable = |text: &str| text.parse::<Dir>().unwrap().for_images().is_ok();
        for text in [
            "/",
            "//",
            "/./",
            "/etc",
            "/etc/",
            "/etc/pve/iso",
            "/proc",
            "/proc/1/cwd",
            "/dev",
            "/dev/sda",
            "/sys/x",
            "/boot/efi",
            "/usr",
            "/usr/share/x",
            "/bin",
            "/lib64/x",
            "/var",
            "/var/lib",
            "/run",
            "/home",
            "/usr/local",
        ] {
            assert!(!usable(text), "{text}");
        }
        for text in [
            "/var/lib/vz/template/iso",
            "/mnt/pve/nfs/template/iso",
            "/mnt",
            "/srv",
            "/tmp/x",
            "/root/iso",
            "/etcetera",
            "/dev/shm/x",
            "/usr/local/iso",
            "/home/me",
            "/library",
        ] {
            assert!(usable(text), "{text}");
        }
    }
}
