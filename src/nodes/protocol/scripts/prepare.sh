# prepare.sh: makes a directory ready for a file that is to come.
#
# arguments: those of delivery.sh, and then METHOD BASIS CONFIGS
#              METHOD   stream or other
#              BASIS    a file of the directory that shares much with the one to come, or
#                       nothing
#              CONFIGS  where Proxmox keeps the nodes' configurations; empty for the usual
#                       place
# answers:   those of delivery.sh where the right bytes have the name already; else
#            part LENGTH BLOCKS BLOCK  what an interrupted push left: bytes, blocks on the
#                                      disk and how long one is
#            begun LENGTH DIGEST       for a stream: the digest of its data up to the last
#                                      whole block; the rest may not have been written out
#            free BLOCKS BLOCK         what is free, without what is kept for root
#            inside DEVICE:INODE       the private directory
#            fail with the stages mkdir, space
# exit codes: as common.sh
#
# Where it says `free`, the lease is kept for the script that follows.
main() {
    enter_delivery "$@"
    shift 18
    if message=$(unmounted "$dir" "${3:-/etc/pve/nodes}"); then fail mkdir "$message"; fi
    message=$(mkdir -p -- "$dir" 2>&1) || fail mkdir "$message"
    hold fresh
    judge
    tidy
    inherit
    # A copy of it is the rest of a push that has the most: rsync sends what differs.
    if [ -n "$2" ] && [ ! -e "$part" ] && is_file "$top/$2"; then
        cp -P --reflink=auto --sparse=always -- "$top/$2" "$part" 2>/dev/null &&
            is_file "$part" || rm -f -- "$part"
        chmod 0644 -- "$part" 2>/dev/null
    fi
    if is_file "$part"; then
        there=$(stat -c '%s %b %B' -- "$part")
        say "part $there"
        if [ "$1" = stream ]; then
            length=${there%% *}
            length=$((length - length % 4096))
            if [ "$length" -gt 0 ] && begun=$(digest "$part" data "$length"); then
                say "begun $length $begun"
            fi
        fi
    fi
    space=$(stat -f -c '%a %S' -- . 2>&1) || fail space "$space"
    say "free $space"
    say "inside $within"
    keep
    finish
}

# tidy: only what can be built upon stays. Parts of other files are others' to clear.
tidy() {
    for other in "$file".????????????.part; do
        [ "$other" = "$part" ] || discard "$other"
    done
    find . -mindepth 1 -maxdepth 1 ! -name '*.part' -mmin +60 -exec rm -rf -- {} +
    is_file "$part" || discard "$part"
    # Somebody who still writes to it keeps what is no longer the part of anything.
    if [ -e "$part" ] && has flock; then
        flock -s -w 5 "$part" true 2>/dev/null
        [ $? -ne 1 ] || rm -f -- "$part"
    fi
}

# inherit: a part where earlier versions kept it is resumed, or it is of no use.
inherit() {
    old=$top/.talos-order.$file.part
    inspect "$old"
    [ "$kind" = file ] && is_trusted || return 0
    if [ -e "$part" ]; then
        rm -f -- "$old"
    else
        mv -f -T -- "$old" "$part" 2>/dev/null
        inspect "$part"
        { [ "$kind" = file ] && is_trusted; } || rm -rf -- "$part"
    fi
}
