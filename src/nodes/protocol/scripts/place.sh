# place.sh: checks what was sent, gives it its final name and records it.
#
# arguments: those of delivery.sh
# answers:   those of delivery.sh; fail with the stages gone, chmod, sync, digest
# exit codes: as common.sh
main() {
    enter_delivery "$@"
    hold same
    if ! is_file "$part"; then
        judge
        fail gone "$dir/$parts/$part is not there after rsync ended"
    fi
    pin
    # Where modes cannot be set, it has one that can be read or none that matters.
    message=$(chmod 0644 -- "$part" 2>&1) || [ -r "$part" ] || fail chmod "$message"
    # Reading and writing out at the same time: one is work for the processor.
    sync -- "$part" </dev/null >/dev/null 2>&1 3>&- 8>&- &
    syncing=$!
    if [ "$(stat -c %s -- "$part")" != "$size" ]; then
        found=$(digest "$part" whole) expected=$sha256
    else
        matches "$part"
    fi
    # Asking once more would not do: an error in writing out is told only once.
    start_ticks
    wait "$syncing"
    synced=$?
    stop_ticks
    # What is wrong goes, whatever the disk says of it.
    [ "$found" != "$expected" ] || [ "$synced" -eq 0 ] ||
        fail sync "$dir/$parts/$part could not be written out"
    arrive
}
