# main NONCE … OWNED, see `enter`, and then SHA256
#
# Removes a file that the record names as ours, if it still is what it was. The
# line goes after the file: a crash in between leaves a line about nothing, which
# the next removal drops. What is no plain file is not what we placed, so that is
# gone, and what took its name stays.
main() {
    enter "$@"
    sha256=$9
    [ -d "$dir" ] || gone
    hold fresh
    if recorded && theirs; then
        say "theirs $line"
        finish
    fi
    if is_file "$final"; then
        if [ -z "$line" ]; then
            say foreign
            finish
        fi
        seen=$(facts "$final")
        found=$(digest "$final" gently 0) || fail digest "$final cannot be read"
        if [ "$found" != "$sha256" ]; then
            say "differs $found"
            finish
        fi
        hold same
        [ "$seen" = "$(facts "$final")" ] || fail digest "$final changed while it was read"
        message=$(rm -f -- "$final" 2>&1) || fail remove "$message"
        settle
    fi
    forget
    gone
}

gone() {
    say gone
    finish
}
