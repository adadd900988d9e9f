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
    shift 19
    if message=$(unmounted "$dir" "${3:-/etc/pve/nodes}"); then fail mkdir "$message"; fi
    [ -d "$dir" ] || message=$(mkdir -p -- "$dir" 2>&1) || fail mkdir "$message"
    hold fresh
    judge
    take
    tidy
    inherit
    unguard
    # A copy of it is the rest of a push that has the most: rsync sends what differs.
    if [ -n "$2" ] && [ ! -e "$part" ] && is_file "$top/$2"; then
        cp -P --reflink=auto --sparse=always -- "$top/$2" "$part" 2>/dev/null &&
            is_file "$part" || rm -f -- "$part"
        chmod 0644 -- "$part" 2>/dev/null
    fi
    if is_file "$part"; then
        there=$(stat -c '%s %b %B' -- "$part")
        say "part $there"
        [ "$1" != stream ] || begun "${there%% *}"
    fi
    space=$(stat -f -c '%a %S' -- . 2>&1) || fail space "$space"
    say "free $space"
    say "inside $within"
    keep
    finish
}
