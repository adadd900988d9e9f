# What the two ends of a delivery share.

# words NONCE … OWNED, see `enter`, and then
#       SIZE SHA256 DATA REPLACE HEADER LINE1 LINE2 LINE3: names them. DATA is the
#       digest of the file's data, or empty where that is not known.
words() {
    enter "$@"
    shift 8
    size=$1 sha256=$2 data=$3 replace=$4 header=$5
    before=$6 between=$7 after=$8
}

# matches FILE: it has the right bytes. Its digest is in `found`; of two ways to
# know, the one that does not hash zeros where there is one.
matches() {
    if [ -n "$data" ] && has perl; then
        expected=$data
        found=$(digest "$1" data "$size")
    else
        expected=$sha256
        found=$(digest "$1" whole)
    fi || fail digest "$1 cannot be read"
    [ "$found" = "$expected" ]
}

# Looks at what has the final name. The right bytes are adopted, or left to the
# other owner whose record names them; wrong ones stay where they are not ours to
# replace. Returns if the name is ours to take.
judge() {
    if [ -d "$final" ] && [ ! -L "$final" ]; then fail taken "$final is a directory"; fi
    [ -e "$final" ] || [ -L "$final" ] || return 0
    same=
    if is_file "$final" && [ "$(stat -c %s -- "$final")" = "$size" ]; then
        if matches "$final"; then same=1; fi
        hold same
    fi
    if recorded && theirs; then
        say "theirs $line"
        [ -z "$same" ] || say same
        finish
    fi
    if [ -n "$same" ]; then
        rm -f -- "$part"
        placed
    fi
    if [ "$replace" = no ] && { [ -z "$line" ] || ! is_file "$final"; }; then
        say foreign
        finish
    fi
}

# The final name holds what it should: records it and says so.
placed() {
    set -- $(facts "$final")
    remember "$header" "$before$2$between$3$after"
    settle
    say "placed $1 $2 $3"
    finish
}

# arrive DIGEST: what was sent is in `part`. Checks it, gives it its name and records
# it. With a DIGEST that was taken while it came it is not read again.
#
# The name comes before the record: a crash in between leaves a right file that the
# next pass adopts, the other order would leave a record of something that is not
# there.
arrive() {
    message=$(chmod 0644 -- "$part" 2>&1) || fail chmod "$message"
    # Reading and writing out at the same time: one is work for the processor.
    sync -- "$part" </dev/null >/dev/null 2>&1 3>&- &
    syncing=$!
    found=$1 expected=$data
    if [ "$(stat -c %s -- "$part")" != "$size" ]; then
        found=$(digest "$part" whole) expected=$sha256
    elif [ -z "$1" ]; then
        matches "$part"
    fi
    if [ "$found" != "$expected" ]; then
        rm -f -- "$part"
        say "differs $found $expected"
        finish
    fi
    # Asking once more would not do: an error in writing out is told only once.
    alive
    wait "$syncing"
    synced=$?
    rest
    [ "$synced" -eq 0 ] || fail sync "$part could not be written out"
    # Somebody who knows nothing of leases may have been here in between.
    judge
    hold same
    message=$(mv -f -T -- "$part" "$final" 2>&1) || fail rename "$message"
    placed
}
