# digest.sh: digests of files, and ticks while they are made.
#
# arguments: none; functions for the scripts under a lease
# answers:   tick  every five seconds while something takes long
# exit codes: as common.sh; of `digest`: not 0 where the file cannot be read

hasher=

# start_ticks: until `stop_ticks`, a tick is said every five seconds to whoever watches for
# a standstill, and the lease is renewed: gigabytes are hashed and written out in silence.
#
# It says nothing of a lease that was lost, and does not make it anew: the script itself
# finds that before it changes anything. It ends with the script, also where that is
# killed: ticks of nobody would keep the session open, and the lease, for ever.
start_ticks() {
    (
        ticking=1
        while sleep 5 >/dev/null 2>&1 3>&- && kill -0 "$$" 2>/dev/null; do
            printf 'tick\0' >&3
            if [ -n "$held" ]; then
                guard
                if confirm; then refresh; fi
                unguard
            fi
        done
    ) </dev/null >/dev/null 2>&1 7<&- 8>&- &
    ticker=$!
}

stop_ticks() {
    kill "$ticker" 2>/dev/null
    wait "$ticker" 2>/dev/null
}

# The fastest there is: openssl, which uses what the processor has for it, where that
# works as it should.
choose_hasher() {
    [ -z "$hasher" ] || return 0
    hasher=sha256sum
    none=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    case $(openssl dgst -sha256 -r 2>/dev/null </dev/null) in
    "$none "*) hasher='openssl dgst -sha256 -r' ;;
    esac
}

# digest FILE whole | data LIMIT | gently RATE, on standard output: of all its bytes,
# or of the data in its first LIMIT bytes. With a RATE in bytes per second (0 for any)
# the disk is asked gently, and the disk itself: what the page cache holds proves
# nothing.
digest() {
    choose_hasher
    start_ticks
    sum=$(
        case $2 in
        whole) $hasher <"$1" ;;
        *) "$2" "$1" "$3" ;;
        esac 3>&- 8>&-
    )
    hashed=$?
    stop_ticks
    printf '%s' "${sum%% *}"
    return "$hashed"
}

gently() {
    polite=
    if has nice; then polite='nice -n 19'; fi
    if ionice -c3 true 2>/dev/null; then polite="ionice -c3 $polite"; fi
    hashed "$polite $hasher" read_slowly "$1" "$2"
    status=$?
    dd "if=$1" iflag=nocache count=0 2>/dev/null
    return "$status"
}

data() { hashed "$hasher" perl -e "$data_pl" -- "$1" "$2"; }

# hashed HASHER COMMAND…: what the hasher says of the output of a command. A pipe
# tells the status of its last part only. That of the first is written before the
# pipe ends, and so before the digest.
hashed() {
    with=$1
    shift
    sum=$(
        exec 5>&1
        { "$@"; printf '%s ' $? >&5; } | $with
    )
    case $sum in
    '0 '*) printf '%s' "${sum#0 }" ;;
    *) return 1 ;;
    esac
}

# read_slowly FILE RATE: the file, RATE bytes and then a second's pause.
read_slowly() {
    exec 8<"$1" || return
    dd "if=$1" iflag=nocache count=0 2>/dev/null
    if [ "$2" -gt 0 ]; then
        left=$(stat -c %s -- "$1") || return
        while [ "$left" -gt "$2" ]; do
            $polite head -c "$2" <&8 || return
            left=$((left - $2))
            sleep 1
        done
    fi
    $polite cat <&8
}
