# verify.sh: reads a file back and compares it.
#
# arguments: those of lease.sh, and then SHA256 RATE
#              SHA256  what it has to be
#              RATE    bytes in a second; 0 for any number
# answers:   same           it is
#            differs FOUND  it is not
#            missing        it is not there, nor is its line any more
#            theirs LINE    another owner recorded it
#            fail with the stage digest
# exit codes: as common.sh
#
# A line about a damaged file stays and describes nothing any more: so the next look has
# it replaced, and it is still known to be ours to replace.
main() {
    enter "$@"
    shift 10
    sha256=$1 rate=$2
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
        take
        forget
        say missing
        finish
    fi
    seen=$(facts "$final")
    found=$(digest "$final" gently "$rate") || fail digest "$dir/$file cannot be read"
    take
    [ "$seen" = "$(facts "$final")" ] || fail digest "$dir/$file changed while it was read"
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
