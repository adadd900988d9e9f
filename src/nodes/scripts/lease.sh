# The lease of a directory: who may change it, and until when.
#
# `.talos-order.lock` holds one line, `UNTIL TOKEN NODE OWNER`: seconds since
# 1970 by the node's clock, the operation that took it, and for whom. It is made
# in one exclusive step, lives from sign of life to sign of life, and is nobody's
# once it has expired. An operation runs over several scripts, and what lies
# between two of them is covered by the token: whoever comes later and finds
# another's does nothing any more.

hasher=

# enter NONCE TTL TOKEN HOLDER DIR FILE PATTERN OWNED: begins, and names the words
# that every script under a lease gets. PATTERN matches the lines of the file in
# the record, OWNED stands in those that are ours.
enter() {
    begin "$1"
    ttl=$2 token=$3 holder=$4 dir=$5 file=$6 pattern=$7 owned=$8
    final=$dir/$file part=$dir/.talos-order.$file.part
    record=$dir/.talos-order.jsonl lock=$dir/.talos-order.lock
}

# hold fresh|same: takes the lease for a new operation, or goes on in one. The
# same holder may begin anew at once: what it left behind was its own.
hold() {
    answer=$({ guard && claim "$1"; } 2>&1 9<"$dir")
    case $? in
    0) held=$lock ;;
    3)
        held=
        say "locked $answer"
        finish
        ;;
    *)
        held=
        fail lock "$answer"
        ;;
    esac
}

# The lease outlives this script: another one of the same operation follows.
keep() { held=; }

# Only a lock that somebody holds is an error. A file system that cannot lock
# is none: the lease is made in one exclusive step and the record is replaced in
# one move in any case. The directory itself is what is locked, for the moment in
# which something is read and then written.
guard() {
    has flock || return 0
    flock -w 30 9
    [ $? -ne 1 ] || {
        echo "another process has held the lock of $dir for 30 s"
        return 1
    }
}

claim() {
    for attempt in 1 2 3; do
        now=$(date +%s)
        mine="$((now + ttl)) $token $holder"
        if (set -C && printf '%s\n' "$mine" >"$lock") 2>/dev/null; then return 0; fi
        [ -f "$lock" ] || continue
        read_lock
        if [ "$by" = "$token" ] || { [ "$1" = fresh ] && [ "$who" = "$holder" ]; }; then
            # In one write of the same length, so nobody reads a part of it and
            # nothing is left behind by a shell that is ended in the middle.
            printf '%s\n' "$mine" 1<>"$lock"
            return
        fi
        # Further ahead than any lease is made is a clock's mistake.
        if [ "$until" -gt "$now" ] && [ "$until" -le $((now + ttl + 3600)) ]; then
            printf '%s %s' "$until" "$who"
            return 3
        fi
        # Taken away in one move, of which only one can succeed. Where nothing
        # guards, what was moved may be a new lease: that is put back.
        mv -f -T -- "$lock" "$lock.$token" 2>/dev/null || continue
        [ "$(head -n 1 -- "$lock.$token")" = "$lease" ] ||
            mv -n -T -- "$lock.$token" "$lock"
        rm -f -- "$lock.$token"
    done
    # Once more, for the shell to say why.
    (set -C && printf '%s\n' "$mine" >"$lock")
}

# What is not a lease is one that somebody is making, or a crash left half made.
read_lock() {
    lease=
    IFS= read -r lease 2>/dev/null <"$lock"
    until=${lease%% *} rest=${lease#* }
    by=${rest%% *} who=${rest#* }
    case $until in
    '' | *[!0-9]* | ????????????*)
        until=$(stat -c %Y -- "$lock" 2>/dev/null || echo 0)
        until=$((until + ttl)) by= who='? somebody unknown'
        # Whoever makes one holds the directory meanwhile: one that is empty now, or
        # zeros, is what a crash left, and nobody's.
        if [ -z "$lease" ] && has flock; then until=0; fi
        ;;
    esac
}

release() {
    { guard && read_lock && [ "$by" = "$token" ] && rm -f -- "$lock"; } \
        >/dev/null 2>&1 9<"$dir"
    held=
}

# alive: until `rest`, a sign of life goes out every five seconds for whoever watches
# for a standstill, and into the lease: gigabytes are hashed and written out in silence.
alive() {
    (
        while sleep 5 >/dev/null 2>&1 3>&-; do
            printf 'tick\0' >&3
            [ -z "$held" ] || { guard && claim same; } >/dev/null 9<"$dir"
        done
    ) </dev/null >/dev/null 2>&1 &
    ticker=$!
}

rest() {
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
    alive
    sum=$(
        case $2 in
        whole) $hasher <"$1" ;;
        *) "$2" "$1" "$3" ;;
        esac 3>&-
    )
    hashed=$?
    rest
    printf '%s' "${sum%% *}"
    return "$hashed"
}

gently() {
    polite=
    if has nice; then polite='nice -n 19'; fi
    if ionice -c3 true 2>/dev/null; then polite="ionice -c3 $polite"; fi
    hashed "$polite $hasher" pour "$1" "$2"
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

# pour FILE RATE: the file, RATE bytes and then a second's pause.
pour() {
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

# recorded: the last line of the record about the file, in `line`.
recorded() {
    line=
    [ -e "$record" ] || return 1
    lines=$(grep -a -e "$pattern" -- "$record" 2>&1)
    [ $? -le 1 ] || fail recall "$lines"
    line=${lines##*"
"}
    [ -n "$line" ]
}

# True if the line names another owner. One that names none is anybody's.
theirs() {
    case $line in
    *"$owned"* | *',"owner":"",'*) return 1 ;;
    *',"owner":"'*) return 0 ;;
    *) return 1 ;;
    esac
}

# remember HEADER LINE: replaces the line of the file in the record.
remember() {
    message=$({ guard && rewrite "$@"; } 2>&1 9<"$dir") || fail record "$message"
}

# forget: the file has no line in the record from now on.
forget() {
    if recorded; then remember '' ''; fi
}

rewrite() {
    if {
        if [ -s "$record" ]; then
            grep -a -v -e "$pattern" -- "$record" || [ $? -eq 1 ]
        else
            printf '%s\n' "$1"
        fi && { [ -z "$2" ] || printf '%s\n' "$2"; }
    } >"$record.new" &&
        sync -- "$record.new" &&
        mv -f -T -- "$record.new" "$record"; then
        return 0
    fi
    rm -f -- "$record.new"
    return 1
}

# Not every file system can do this for a directory.
settle() { sync -- "$dir" 2>/dev/null; }
