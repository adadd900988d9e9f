# main NONCE DIR FILE SIZE SHA256 PATTERN HEADER LINE1 LINE2 LINE3
#
# Adopts a file that is there already with the right bytes; otherwise makes the
# directory ready and says how much room there is.
main() {
    begin "$1"
    dir=$2 final=$2/$3 part=$2/.talos-order.$3.part
    if is_file "$final" && [ "$(stat -c %s -- "$final")" = "$4" ]; then
        found=$(digest "$final") || fail digest "$final cannot be read"
        if [ "$found" = "$5" ]; then
            set -- "$6" "$7" "$8" "$9" "${10}" $(facts "$final")
            remember "$dir" "$1" "$2" "$3$7$4$8$5"
            rm -f -- "$part"
            say "placed $6 $7 $8"
            finish
        fi
    fi
    [ ! -d "$final" ] || fail taken "$final is a directory"
    message=$(mkdir -p -- "$dir" 2>&1) || fail mkdir "$message"
    # What is not a plain file cannot be the rest of an interrupted push.
    is_file "$part" || rm -f -- "$part"
    if is_file "$part"; then say "part $(stat -c '%s %b %B' -- "$part")"; fi
    space=$(stat -f -c '%a %S' -- "$dir" 2>&1) || fail space "$space"
    say "free $space"
    finish
}
