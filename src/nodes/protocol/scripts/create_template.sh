# create_template.sh: makes a template with a disk from an image.
#
# arguments: those of machine.sh, and then IMAGE DISK COUNT OPTION… OPTION…
#              IMAGE  the path of the image
#              DISK   the disk that is made from it, such as scsi0
#              COUNT  so many of the options make the machine; the others give it its disks
# answers:   taken HOST                another machine has the VMID; nothing was changed
#            digest SHA256, config TEXT  as vm_config.sh
#            fail with the stages image, create, attach and convert
# exit codes: as common.sh
#
# A machine is made without disks, and gets them when its configuration is written: while
# `qm create` makes disks, which takes minutes, the configuration holds nothing but a lock.
# What a crash leaves then has no mark, and is nobody's.
#
# Where a step fails, the machine is removed again: it was made a moment ago, and has held
# nothing yet. After a crash it stays, and has the mark of one that is not complete.
main() {
    enter_machine "$@"
    image=$6 disk=$7 count=$8
    shift 8
    hold_machines
    whereabouts
    [ -z "$seated" ] || taken
    is_file "$image" || fail image "$image does not exist"
    words=''
    number=0
    while [ "$number" -lt "$count" ]; do
        number=$((number + 1))
        words="$words \"\${$number}\""
    done
    eval "run_qm create \"\$vmid\" $words" || {
        why=$said
        whereabouts
        [ -z "$seated" ] || taken
        fail create "$why"
    }
    shift "$count"
    # Where nobody listens any more this ends it: it goes on with nothing.
    say created
    run_qm set "$vmid" "$@" || undo attach
    say attached
    # Its exit status says nothing of the task that it starts, which converts the disks.
    run_qm template "$vmid" || undo convert
    is_converted || undo convert
    show
    finish
}

taken() {
    say "taken $seated"
    finish
}

# is_converted: it is a template, and so is its disk. Storages whose disks can be copied
# only, such as LVM, leave it as it is, and then `qm` has nothing to say.
is_converted() {
    present=$(sed '/^\[/q' <"$conf" 2>/dev/null)
    printf '%s\n' "$present" | grep -q '^template: 1$' || return
    printf '%s\n' "$present" | grep -q -e "^$disk: [^,]*[:/]base-$vmid-disk-" || [ -z "$said" ]
}

undo() {
    why=$said
    run_qm destroy "$vmid" --purge 1 ||
        why="$why (and what was made of it stays: $said)"
    fail "$1" "$why"
}
