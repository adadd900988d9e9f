# receive.sh: takes the data of a file in, behind what is there of it, and gives it its
# name.
#
# arguments: those of delivery.sh, and then PROOF
#              PROOF  inline or readback, see receive.pl
# standard input: the stream that receive.pl reads
# answers:   those of delivery.sh; fail with the stages of `received`
# exit codes: as common.sh
main() {
    enter_delivery "$@"
    shift 19
    choose_hasher
    hold same </dev/null
    if is_there "$part" && ! is_file "$part"; then
        take
        discard "$part"
        unguard
    fi
    pin </dev/null
    # Without the digest of its data there is nothing to compare another one with.
    receive "$size" "$1" '' "${data:+$hasher}"
    exec </dev/null
    # What the disk did not take is in memory still, and would be taken for the beginning.
    [ "$status" -ne 11 ] || abandon same
    received
    hold same
    expected=$data
    if [ -z "$data" ]; then
        found=$(digest "$part" whole) || fail digest "$dir/$parts/$part cannot be read"
        expected=$sha256
    fi
    arrive
}
