# clear.sh: removes what arrived of a file that was never completed.
#
# arguments: those of lease.sh, and then PART AGE
#              PART  its name in the private directory; empty for the one beside the file,
#                    where earlier versions kept it
#              AGE   it stays if it was written to within so many seconds, by the node's
#                    clock; without it, what rsync was to take bytes from for it
# answers:   cleared     it is gone
#            unfinished  it stays: it was written to, or somebody has it open to write
#            fail with the stages hostile and remove
# exit codes: as common.sh
#
# Temporaries of a moment that a crash left go with it.
main() {
    enter "$@"
    shift 10
    part=$1 age=$2
    [ -d "$dir" ] || cleared
    hold fresh
    take
    if [ -z "$part" ]; then part=$top/.talos-order.$file.part; fi
    inspect "$part"
    case $kind in
    none) [ -z "$1" ] || alone "${1%.part}.basis" ;;
    dir) fail remove "$dir/${part##*/} is a directory" ;;
    *)
        is_trusted || hostile "$dir/${part##*/} belongs to user $owner_id"
        [ $(($(date +%s) - changed)) -ge "$age" ] || unfinished
        [ "$kind" != file ] || available "$part"
        # An rsync that makes a part from a basis holds the basis.
        [ -z "$1" ] || available "${1%.part}.basis"
        message=$(rm -f -- "$part" 2>&1) || fail remove "$message"
        ;;
    esac
    [ -z "$1" ] || discard "${1%.part}.basis"
    find . -mindepth 1 -maxdepth 1 ! -name '*.part' -mmin +60 -exec rm -rf -- {} +
    cleared
}

# alone BASIS: what is left of a push that rsync had not begun.
alone() {
    inspect "$1"
    [ "$kind" = dir ] && is_trusted || return 0
    [ $(($(date +%s) - changed)) -ge "$age" ] || unfinished
    available "$1"
}

# available PATH: nobody has it open to write, or it stays.
available() {
    [ -e "$1" ] && has flock || return 0
    flock -n "$1" true 2>/dev/null
    [ $? -ne 1 ] || unfinished
}

cleared() {
    say cleared
    finish
}

# Somebody may still want it.
unfinished() {
    say unfinished
    finish
}
