//! What Proxmox VE's `qm` says when it fails, in terms of the user.

use super::answer::excerpt;

/// Words of `qm`, any of which names the cause, and ours.
const CAUSES: [(&[&str], &str); 10] = [
    (
        &["please run as root"],
        "only the login of root may use `qm`",
    ),
    (
        &[
            "does not support vm images",
            "does not support content-type 'images'",
        ],
        "the storage takes no disks of virtual machines; enable its content type `images`",
    ),
    (
        // Of several errors in the parameters this is the one that updating ends.
        &[".import-from: property is not defined"],
        "this Proxmox VE is older than 7.2 and makes no disk from an image",
    ),
    (
        &["is locked ("],
        "it is locked; if no task of Proxmox VE works on it any more, `qm unlock` ends that",
    ),
    (
        &["can't lock file"],
        "another task of Proxmox VE works on it",
    ),
    (&["protection mode enabled"], "it is protected"),
    (&["in use by linked clone"], "linked clones need its disks"),
    (&["is running - destroy failed"], "it is running"),
    (
        &["no quorum"],
        "its cluster has no quorum, so nothing can be changed",
    ),
    (
        &["No space left", "insufficient free space", "out of space"],
        "there is no space on the storage",
    ),
];

/// Our words for what it said, with its own behind them.
pub(crate) fn explain(said: &str) -> String {
    let theirs = last_lines(said);
    let cause = CAUSES
        .iter()
        .find(|(texts, _)| texts.iter().any(|text| said.contains(text)));
    match (cause, theirs.is_empty()) {
        (Some((_, ours)), _) => format!("{ours} ({theirs})"),
        (None, false) => theirs,
        (None, true) => "`qm` ended with an error and says nothing".to_owned(),
    }
}

/// The last line that is not about progress, nor about how the program is called.
fn last_lines(said: &str) -> String {
    let lines = said.split(['\n', '\r']).map(str::trim);
    let mut lines: Vec<&str> = lines
        .take_while(|line| !line.starts_with("qm ") || !line.contains("[OPTIONS]"))
        .filter(|line| !line.is_empty() && !line.starts_with("transferred "))
        .collect();
    let two = lines.split_off(lines.len().saturating_sub(2));
    excerpt(two.join("; ").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_words_stand_behind_ours() {
        let cases = [
            (
                "please run as root\n",
                "only the login of root may use `qm` (please run as root)",
            ),
            (
                "400 Parameter verification failed.\nstorage: storage 'local' does not support vm \
                 images\nqm create <vmid> [OPTIONS]\n",
                "the storage takes no disks of virtual machines; enable its content type `images` \
                 (400 Parameter verification failed.; storage: storage 'local' does not support \
                 vm images)",
            ),
            (
                "transferred 1.0 MiB of 2.0 MiB (50.00%)\rtransferred 2.0 MiB of 2.0 MiB\n\
                 something new\n",
                "something new",
            ),
            ("", "`qm` ended with an error and says nothing"),
        ];
        for (said, expected) in cases {
            assert_eq!(explain(said), expected);
        }
        assert!(explain(&"x".repeat(5000)).len() < 200);
    }
}
