# common.sh: stands in front of every other script: the frame around answers, and helpers.
#
# arguments: none of its own. The last line of every script is the call `main NONCE …`, so
#            a script that did not arrive whole does nothing at all.
# answers:   fields that end in NUL, which no file name and no field can contain, between
#            `begin NONCE` and `end NONCE`: what a login shell prints before is told from
#            the answer, and a truncated answer is recognised. The first word of a field
#            is its tag.
#              tool NAME           a program that the node has
#              fail STAGE MESSAGE  what could not be done; the script ends with it
# exit codes: 0 with a whole answer, also one that says `fail`. Everything else means that
#            the script was ended, and then the answer has no end either.
#
# The comments stay here: `script.rs` leaves out every line that begins with `#`.
#
# What is kept in a directory, beside the files that were delivered:
#
#   .talos-order.jsonl       the record: what was placed, one line a file (record.sh)
#   .talos-order.lock        the lease: who may change anything now (lease.sh)
#   .talos-order.epoch       how many leases there were (lease.sh), and which leaders
#                            (fence.sh)
#   .talos-order.parts/      mode 0700, ours alone; gone when nothing is in it (private.sh)
#       FILE.DIGEST.part     what arrived so far of FILE; DIGEST is the beginning, 12 hex
#                            digits, of the SHA-256 that the whole file has to have, or
#                            while it is not known of that of what the file is
#       anything else        temporaries of a moment
#   .talos-order.*.damaged-* what had one of these names and could not be used
#   .talos-order.FILE.part   a part as earlier versions kept it; the next delivery of
#                            FILE takes it up
LC_ALL=C
export LC_ALL
# What changes how the tools read their arguments, or what they write.
unset POSIXLY_CORRECT CDPATH GREP_OPTIONS BLOCK_SIZE
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

# fail STAGE MESSAGE: an answer as any other, so it is a complete one.
fail() {
    [ -z "$ticking" ] || exit 1
    say "fail $1 $2"
    finish
}

has() { command -v "$1" >/dev/null 2>&1; }

is_file() { [ -f "$1" ] && [ ! -L "$1" ]; }

# facts FILE: size, modification time in nanoseconds, inode number. `%.9Y` has a
# point in it, and taking that out leaves whole nanoseconds.
facts() {
    seconds=$(stat -c '%s %.9Y %i' -- "$1") || return
    printf '%s' "${seconds%%.*}${seconds#*.}"
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

# Set in what runs beside the script, which does not answer for it.
ticking=
