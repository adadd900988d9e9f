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
