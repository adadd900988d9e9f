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
    for tool in rsync xz zstd sha256sum flock; do
        if has "$tool"; then say "tool $tool"; fi
    done
}

finish() {
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

# digest FILE, on standard output. Hashing gigabytes is silent, so a sign of
# life goes out every five seconds for whoever watches for a standstill.
digest() {
    (
        while sleep 5 >/dev/null 2>&1 3>&-; do
            printf 'tick\0' >&3
        done
    ) </dev/null >/dev/null 2>&1 &
    ticker=$!
    sum=$(sha256sum 3>&- <"$1")
    hashed=$?
    kill "$ticker" 2>/dev/null
    wait "$ticker" 2>/dev/null
    printf '%s' "${sum%% *}"
    return "$hashed"
}

# remember DIR PATTERN HEADER LINE: replaces the line of a file in the record.
# The directory itself is what is locked, so that no lock file lies about.
remember() {
    message=$({ lock "$1" && rewrite "$@"; } 2>&1 9<"$1") || fail record "$message"
}

# Only a lock that somebody holds is an error. A file system that cannot lock
# is none: the record is replaced in one move in any case, and an entry lost to
# another writer is made anew by the next pass.
lock() {
    has flock || return 0
    flock -w 30 9
    [ $? -ne 1 ] || {
        echo "another process has held the lock of $1 for 30 s"
        return 1
    }
}

rewrite() {
    record=$1/.talos-order.jsonl
    if {
        if [ -s "$record" ]; then
            grep -a -v -e "$2" -- "$record" || [ $? -eq 1 ]
        else
            printf '%s\n' "$3"
        fi && printf '%s\n' "$4"
    } >"$record.new" &&
        sync -- "$record.new" &&
        mv -f -T -- "$record.new" "$record"; then
        return 0
    fi
    rm -f -- "$record.new"
    return 1
}
