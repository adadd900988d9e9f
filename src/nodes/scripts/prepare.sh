# main: see `words`, and then WAY BASIS CONFIGS: stream or another, a file that shares
#       much with the one to come, or nothing, and where Proxmox keeps the nodes'
#       configurations.
#
# Makes the directory ready, adopts a file that is there already with the right
# bytes, and otherwise says how much room there is and keeps the lease for what
# follows. What an interrupted push left is told, and for a stream also the digest of
# its data up to the last whole block: the rest may have been on its way.
main() {
    words "$@"
    shift 16
    if message=$(unmounted "$dir" "${3:-/etc/pve/nodes}"); then fail mkdir "$message"; fi
    message=$(mkdir -p -- "$dir" 2>&1) || fail mkdir "$message"
    hold fresh
    judge
    # What is not a plain file cannot be the rest of an interrupted push.
    is_file "$part" || rm -f -- "$part"
    # A copy of it is the rest of a push that has the most: rsync sends what differs.
    if [ -n "$2" ] && [ ! -e "$part" ] && is_file "$2"; then
        cp --reflink=auto --sparse=always -- "$2" "$part" 2>/dev/null &&
            chmod 0644 -- "$part" || rm -f -- "$part"
    fi
    if is_file "$part"; then
        say "part $(stat -c '%s %b %B' -- "$part")"
        if [ "$1" = stream ]; then
            length=$(stat -c %s -- "$part")
            length=$((length - length % 4096))
            if [ "$length" -gt 0 ] && begun=$(digest "$part" data "$length"); then
                say "begun $length $begun"
            fi
        fi
    fi
    space=$(stat -f -c '%a %S' -- "$dir" 2>&1) || fail space "$space"
    say "free $space"
    keep
    finish
}
