//! The arguments of rsync: the user's and ours.

/// What is given where no option is set: the options of the program that this one
/// replaces.
const USUAL: [&str; 3] = ["-av", "--progress", "--inplace"];

/// What goes with those: zeros become holes, and cost next to nothing on the way. The
/// rest of an image hardly compresses, so the quickest level is the best. Mode and owner
/// of the file in the cache say nothing about the one on the node, and some storages
/// (CIFS, FAT, FUSE) let nobody set them, nor the time.
const OURS: [&str; 7] = [
    "--sparse",
    "--compress",
    "--compress-level=1",
    "--no-perms",
    "--no-owner",
    "--no-group",
    "--no-times",
];

/// The arguments for one file, after `rsync`. `shell` is the ssh command for `-e`, and
/// `limit` how many bytes may go in a second.
///
/// The user's options come after `-e` and so can replace it. Ours behind them
/// only say how the temporary name is written and how progress is shown. The
/// temporary name is the atomicity, so writing it in place is right: the rest
/// of an interrupted push is resumed, and no second copy needs room. rsync
/// refuses that together with some of its own ways of not writing in place;
/// where the user asked for one of them, what arrived is kept with `--partial`.
///
/// What is there already is compared block by block, always: a part of the same size
/// and time may be a copy of another image, or zeros after a power failure. The sizes
/// and times by which rsync would skip it save nothing, since a part that is right has
/// its final name already.
pub(crate) fn rsync_args(
    shell: &str,
    options: &[String],
    limit: Option<u64>,
    source: &str,
    target: &str,
) -> Vec<String> {
    const NOT_IN_PLACE: [&str; 3] = ["--partial-dir", "--delay-updates", "--no-inplace"];
    let refused = options
        .iter()
        .any(|option| NOT_IN_PLACE.iter().any(|name| option.starts_with(name)));
    let mut args = vec!["-e".to_owned(), shell.to_owned()];
    args.extend(options.iter().cloned());
    if options.iter().eq(USUAL.iter()) {
        args.extend(OURS.map(str::to_owned));
    }
    if let Some(limit) = limit {
        // In KiB, where 0 would be no limit.
        args.push(format!("--bwlimit={}", limit.div_ceil(1024).max(1)));
    }
    args.push(if refused { "--partial" } else { "--inplace" }.to_owned());
    args.push("--ignore-times".to_owned());
    for arg in ["--progress", "--no-human-readable", "--", source, target] {
        args.push(arg.to_owned());
    }
    args
}

/// True unless one of the user's options keeps rsync from taking bytes from another file:
/// it accepts one kind of such directories only, and appends to whatever it finds.
pub(crate) fn takes_basis(options: &[String]) -> bool {
    const OTHERS: [&str; 5] = [
        "--append",
        "--compare-dest",
        "--copy-dest",
        "--link-dest",
        // It would take a file of the same size for the right one.
        "--size-only",
    ];
    let refuses = |option: &String| OTHERS.iter().any(|name| option.starts_with(name));
    !options.iter().any(refuses)
}

/// The program that the user's options name for the other end, and the other options.
pub(crate) fn remote_rsync(options: &[String]) -> (String, Vec<String>) {
    const OPTION: &str = "--rsync-path";
    let mut program = "rsync".to_owned();
    let mut others = Vec::new();
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match option
            .strip_prefix(OPTION)
            .map(|rest| rest.strip_prefix('='))
        {
            Some(Some(value)) => program = value.to_owned(),
            Some(None) if option == OPTION => program = options.next().cloned().unwrap_or(program),
            _ => others.push(option.clone()),
        }
    }
    (program, others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_s_options_stand_between_ours() {
        let options: Vec<String> = ["-av", "--inplace"].map(str::to_owned).into();
        let limit = Some(5000);
        let args = rsync_args("ssh -p 1", &options, limit, "/cache/a", "host:/dir/.a.part");
        assert_eq!(
            args[..5],
            ["-e", "ssh -p 1", "-av", "--inplace", "--bwlimit=5"]
        );
        assert_eq!(
            args[args.len() - 3..],
            ["--", "/cache/a", "host:/dir/.a.part"]
        );
    }

    #[test]
    fn who_set_nothing_gets_holes_and_compression() {
        let usual = USUAL.map(str::to_owned);
        let usual = rsync_args("ssh", &usual, None, "/a", "h:/b");
        assert!(
            OURS.iter()
                .all(|option| usual.contains(&(*option).to_owned()))
        );
        let own = rsync_args("ssh", &["-av".to_owned()], None, "/a", "h:/b");
        assert!(!own.contains(&"--sparse".to_owned()));
    }

    #[test]
    fn in_place_is_not_forced_on_those_who_chose_otherwise() {
        for option in ["--partial-dir=.tmp", "--delay-updates", "--no-inplace"] {
            let args = rsync_args("ssh", &[option.to_owned()], None, "/a", "h:/b");
            assert!(!args.contains(&"--inplace".to_owned()), "{option}");
            assert!(args.contains(&"--partial".to_owned()));
        }
    }

    #[test]
    fn options_about_other_files_leave_no_room_for_a_basis() {
        for (options, expected) in [
            ("-av --inplace", true),
            ("-av --link-dest=/srv", false),
            ("--append-verify", false),
        ] {
            let options = shell_words::split(options).unwrap();
            assert_eq!(takes_basis(&options), expected, "{options:?}");
        }
    }

    #[test]
    fn the_program_for_the_other_end_is_taken_out_of_the_options() {
        let words = |text: &str| shell_words::split(text).unwrap();
        for (options, program, others) in [
            ("-av --inplace", "rsync", "-av --inplace"),
            ("-a --rsync-path='sudo rsync' -v", "sudo rsync", "-a -v"),
            ("--rsync-path /opt/rsync -v", "/opt/rsync", "-v"),
            ("--rsync-path=a --rsync-path=b", "b", ""),
            ("-v --rsync-path", "rsync", "-v"),
            ("--rsync-paths", "rsync", "--rsync-paths"),
        ] {
            let expected = (program.to_owned(), words(others));
            assert_eq!(remote_rsync(&words(options)), expected, "{options}");
        }
    }
}
