# The lease as version 0.1.0 took it: its common.sh and lease.sh, and a call of `hold`.

# Sent in front of every other script, to `sh -s` on a node or on this machine.
#
# A script answers in fields that end in NUL, which no file name and no field
# can contain, between `begin NONCE` and `end NONCE`: what a login shell prints
# before is told from the answer, and an answer cut short is recognised.
# The call of `main` is the last line, so a script that did not arrive whole
# does nothing at all.
LC_ALL=C
export LC_ALL
umask 022
exec 3>&1

say() { printf '%s\0' "$*" >&3; }

begin() {
    nonce=$1
    printf '\0begin %s\0' "$nonce" >&3
    for tool in rsync perl xz zstd sha256sum flock; do
        if has "$tool"; then say "tool $tool"; fi
    done
}

# A lease that no later script is to take over ends with this one.
finish() {
    [ -z "$held" ] || release
    say "end $nonce"
    exit 0
}

# fail STAGE MESSAGE: an honest answer, so it is a complete one.
fail() {
    say "fail $1 $2"
    finish
}

has() { command -v "$1" >/dev/null 2>&1; }

is_file() { [ -f "$1" ] && [ ! -L "$1" ]; }

# facts FILE: size, modification time in nanoseconds, inode number. `%.9Y` has a
# point in it, and taking that out leaves whole nanoseconds.
facts() {
    stat -c '%s %.9Y %i' -- "$1" | tr -d .
}

# The nearest directory that exists.
nearest() {
    near=$1
    while [ ! -d "$near" ]; do
        near=${near%/*}
        [ -n "$near" ] || near=/
    done
}

# What the shell holds against another controller; empty outside `lease.sh`.
held=
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
        ;;
    esac
}

release() {
    { guard && read_lock && [ "$by" = "$token" ] && rm -f -- "$lock"; } \
        >/dev/null 2>&1 9<"$dir"
    held=
}

main() {
    enter "$@"
    hold "$9"
    keep
    finish
}
