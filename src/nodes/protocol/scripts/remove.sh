# remove.sh: removes a file that the record names as ours, if it still is what it was.
#
# arguments: those of lease.sh, and then SHA256, what it has to be
# answers:   gone           it is not there any more, nor is its line
#            differs FOUND  it has another digest and stays
#            theirs LINE    another owner recorded it
#            foreign        nobody recorded it
#            fail with the stages digest and remove
# exit codes: as common.sh
#
# The line goes after the file: a crash in between leaves a line about nothing, which
# the next removal drops. What is no plain file was not placed by talos-order, so that is
# gone, and what took its name stays.
main() {
    enter "$@"
    shift 10
    sha256=$1
    [ -d "$dir" ] || gone
    hold fresh
    recorded
    if [ -n "$line" ] && theirs; then
        say "theirs $line"
        finish
    fi
    if is_file "$final"; then
        if [ -z "$line" ]; then
            say foreign
            finish
        fi
        seen=$(facts "$final")
        found=$(digest "$final" gently 0) || fail digest "$dir/$file cannot be read"
        if [ "$found" != "$sha256" ]; then
            say "differs $found"
            finish
        fi
        take
        [ "$seen" = "$(facts "$final")" ] || fail digest "$dir/$file changed while it was read"
        message=$(rm -f -- "$final" 2>&1) || fail remove "$message"
        settle
    fi
    take
    forget
    gone
}

gone() {
    say gone
    finish
}
