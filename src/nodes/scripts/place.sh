# main: see `words`.
#
# Checks what was sent, gives it its final name and records it. The name comes
# before the record: a crash in between leaves a right file that the next pass
# adopts, the other order would leave a record of something that is not there.
main() {
    words "$@"
    hold same
    if ! is_file "$part"; then
        judge
        fail gone "$part is not there after rsync ended"
    fi
    found=$(digest "$part") || fail digest "$part cannot be read"
    if [ "$found" != "$sha256" ]; then
        rm -f -- "$part"
        say "differs $found"
        finish
    fi
    message=$(chmod 0644 -- "$part" 2>&1) || fail chmod "$message"
    message=$(sync -- "$part" 2>&1) || fail sync "$message"
    # Somebody who knows nothing of leases may have been here in between.
    judge
    hold same
    message=$(mv -f -T -- "$part" "$final" 2>&1) || fail rename "$message"
    placed
}
