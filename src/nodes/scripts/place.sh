# main NONCE DIR FILE SIZE SHA256 PATTERN HEADER LINE1 LINE2 LINE3
#
# Checks what was sent, gives it its final name and records it. The name comes
# before the record: a crash in between leaves a right file that the next pass
# adopts, the other order would leave a record of something that is not there.
main() {
    begin "$1"
    dir=$2 final=$2/$3 part=$2/.talos-order.$3.part
    if is_file "$part"; then
        found=$(digest "$part") || fail digest "$part cannot be read"
        if [ "$found" != "$5" ]; then
            rm -f -- "$part"
            say "differs $found"
            finish
        fi
        message=$(chmod 0644 -- "$part" 2>&1) || fail chmod "$message"
        message=$(sync -- "$part" 2>&1) || fail sync "$message"
        message=$(mv -f -T -- "$part" "$final" 2>&1) || fail rename "$message"
    else
        # On storage that two nodes share, the other push may have been first.
        is_file "$final" || fail gone "$part is not there after rsync ended"
        found=$(digest "$final") || fail digest "$final cannot be read"
        [ "$found" = "$5" ] || fail gone "$part is not there after rsync ended"
    fi
    set -- "$6" "$7" "$8" "$9" "${10}" $(facts "$final")
    remember "$dir" "$1" "$2" "$3$7$4$8$5"
    # Not every file system can do this for a directory; the name is there.
    sync -- "$dir" 2>/dev/null
    say "placed $6 $7 $8"
    finish
}
