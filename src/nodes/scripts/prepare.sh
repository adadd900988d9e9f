# main: see `words`.
#
# Makes the directory ready, adopts a file that is there already with the right
# bytes, and otherwise says how much room there is and keeps the lease for what
# follows.
main() {
    words "$@"
    message=$(mkdir -p -- "$dir" 2>&1) || fail mkdir "$message"
    hold fresh
    judge
    # What is not a plain file cannot be the rest of an interrupted push.
    is_file "$part" || rm -f -- "$part"
    if is_file "$part"; then say "part $(stat -c '%s %b %B' -- "$part")"; fi
    space=$(stat -f -c '%a %S' -- "$dir" 2>&1) || fail space "$space"
    say "free $space"
    keep
    finish
}
