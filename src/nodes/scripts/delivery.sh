# What the two ends of a delivery share.

# words NONCE … OWNED, see `enter`, and then
#       SIZE SHA256 REPLACE HEADER LINE1 LINE2 LINE3: names them.
words() {
    enter "$@"
    shift 8
    size=$1 sha256=$2 replace=$3 header=$4
    before=$5 between=$6 after=$7
}

# Looks at what has the final name. The right bytes are adopted, or left to the
# other owner whose record names them; wrong ones stay where they are not ours to
# replace. Returns if the name is ours to take.
judge() {
    if [ -d "$final" ] && [ ! -L "$final" ]; then fail taken "$final is a directory"; fi
    [ -e "$final" ] || [ -L "$final" ] || return 0
    same=
    if is_file "$final" && [ "$(stat -c %s -- "$final")" = "$size" ]; then
        found=$(digest "$final") || fail digest "$final cannot be read"
        [ "$found" != "$sha256" ] || same=1
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
