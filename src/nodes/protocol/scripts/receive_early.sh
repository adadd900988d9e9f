# receive_early.sh: takes the data of a file in while it is still being written elsewhere,
# and gives it its name once that one is verified.
#
# arguments: those of delivery.sh, of which SIZE, SHA256, DATA and LINE1-3 are empty, and
#            then PROOF CONFIGS RESERVE
#              PROOF    inline or readback, see receive.pl
#              CONFIGS  where Proxmox keeps the nodes' configurations; empty for the usual
#                       place
#              RESERVE  so many bytes stay free on the disk
# standard input: after `ready` the stream that receive.pl reads, and then the seal, once
#            the whole is verified: lines with SIZE, SHA256, DATA, LINE1, LINE2, LINE3 and
#            `sealed NONCE`. Without the last one nothing gets a name.
# answers:   begun LENGTH DIGEST  the digest of the data that are there already, up to the
#                                 last whole block
#            free BLOCKS BLOCK    what is free, without what is kept for root
#            ready                from here on standard input is read
#            began                the part ends where the stream begins
#            and then those of delivery.sh; fail with the stages mkdir, space, cut and those
#            of `received`
# exit codes: as common.sh
#
# The download may take hours, and others work in the directory meanwhile: nobody has the
# lease while the stream is read. The part is pinned all the time.
main() {
    enter_delivery "$@"
    shift 19
    proof=$1 reserve=$3
    if message=$(unmounted "$dir" "${2:-/etc/pve/nodes}" </dev/null); then
        fail mkdir "$message"
    fi
    [ -d "$dir" ] || message=$(mkdir -p -- "$dir" 2>&1) || fail mkdir "$message"
    exec 7<&0 </dev/null
    choose_hasher
    hold fresh
    if [ -d "$final" ] && [ ! -L "$final" ]; then fail taken "$dir/$file is a directory"; fi
    take
    tidy
    inherit
    unguard
    pin
    [ ! -s "$part" ] || begun "$(stat -c %s - <&8)"
    space=$(stat -f -c '%a %S' -- . 2>&1) || fail space "$space"
    say "free $space"
    room=$((${space% *} * ${space#* } - reserve))
    [ "$room" -gt 0 ] || fail space "No space left on device"
    release
    say ready
    # A source that is slow is no standstill, and neither is waiting for the seal.
    start_ticks
    receive '' "$proof" "$room" "$hasher" <&7 7<&-
    sealed=
    if [ "$status" -eq 0 ]; then
        for name in size sha256 data before between after sealed; do
            IFS= read -r "$name" || break
        done <&7
    fi
    exec 7<&-
    stop_ticks
    # What the disk did not take is in memory still, and would be taken for the beginning.
    # One that it filled up gets back what was taken.
    case "$status $found" in
    '11 '* | *'No space left on device'*) abandon fresh ;;
    esac
    received
    [ "$sealed" = "sealed $nonce" ] || fail cut
    hold fresh
    pinned
    [ "$present" = "$size" ] || fail receive "it has another length than expected"
    expected=$data
    arrive
}
