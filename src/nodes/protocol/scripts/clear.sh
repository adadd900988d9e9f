# main NONCE … OWNED, see `enter`, and then PART AGE
#
# Removes what arrived of FILE and was never completed: PART in the private directory, or
# beside FILE, where earlier versions kept it, if PART is empty. One that was written to
# within the last AGE seconds, by the node's clock, or that somebody has open to write,
# stays. Temporaries of a moment that a crash left go with it.
main() {
    enter "$@"
    shift 9
    part=$1 age=$2
    [ -d "$dir" ] || cleared
    hold fresh
    take
    if [ -z "$part" ]; then part=$top/.talos-order.$file.part; fi
    inspect "$part"
    case $kind in
    none) ;;
    dir) fail remove "$dir/${part##*/} is a directory" ;;
    *)
        is_trusted || hostile "$dir/${part##*/} belongs to user $owner_id"
        [ $(($(date +%s) - changed)) -ge "$age" ] || unfinished
        if has flock && [ "$kind" = file ]; then
            flock -n "$part" true 2>/dev/null
            [ $? -ne 1 ] || unfinished
        fi
        message=$(rm -f -- "$part" 2>&1) || fail remove "$message"
        ;;
    esac
    find . -mindepth 1 -maxdepth 1 ! -name '*.part' -mmin +60 -exec rm -rf -- {} +
    cleared
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
