# main NONCE … OWNED, see `enter`, and then SHA256 RATE
#
# Reads a file back and compares. A line about a damaged file stays and describes
# nothing any more: so the next look has it replaced, and it is still known to be
# ours to replace.
main() {
    enter "$@"
    sha256=$9 rate=${10}
    if [ ! -d "$dir" ]; then
        say missing
        finish
    fi
    hold fresh
    if recorded && theirs; then
        say "theirs $line"
        finish
    fi
    if ! is_file "$final"; then
        forget
        say missing
        finish
    fi
    seen=$(facts "$final")
    found=$(digest "$final" gently "$rate") || fail digest "$final cannot be read"
    hold same
    [ "$seen" = "$(facts "$final")" ] || fail digest "$final changed while it was read"
    if [ "$found" = "$sha256" ]; then
        say same
        finish
    fi
    if recorded; then
        void=$(printf '%s\n' "$line" |
            sed 's/"mtime":-\{0,1\}[0-9]*,"inode":[0-9]*,/"mtime":0,"inode":0,/')
        remember '' "$void"
    fi
    say "differs $found"
    finish
}
