# delivery.sh: what the scripts of a delivery share.
#
# arguments: those of lease.sh, and then
#            SIZE SHA256 DATA REPLACE PART HEADER LINE1 LINE2 LINE3 (`enter_delivery`
#            names them)
#              DATA     the digest of the file's data; empty where it is not known
#              REPLACE  yes or no: a file that nobody recorded may be replaced
#              PART     the name in the private directory. It has the digest in it: whoever
#                       still writes there for an operation that is long over writes the
#                       same bytes.
#              HEADER   the first line of a new record
#              LINE1-3  the file's line, without the two numbers that stand between
# answers:   placed SIZE MTIME INODE  the file has its name and is recorded
#            theirs LINE              another owner recorded a file of that name
#            same                     behind `theirs`: it has the right bytes
#            foreign                  nobody recorded the file that has the name
#            differs FOUND EXPECTED   what was sent is wrong and was removed
#            fail with the stages taken, digest, receive, busy, rename
# exit codes: as common.sh

# enter_delivery NONCE … LINE3: begins, and names the arguments.
enter_delivery() {
    enter "$@"
    shift 10
    size=$1 sha256=$2 data=$3 replace=$4 part=$5 header=$6
    before=$7 between=$8 after=$9
}

# matches FILE: it has the right bytes. Its digest is in `found`; of two ways to
# know, the one that does not hash zeros where there is one.
matches() {
    if [ -n "$data" ] && has perl; then
        expected=$data
        found=$(digest "$1" data "$size")
    else
        expected=$sha256
        found=$(digest "$1" whole)
    fi || fail digest "$dir/${1##*/} cannot be read"
    [ "$found" = "$expected" ]
}

# Looks at what has the final name, which is in `met` from then on. The right bytes are
# adopted, or left to the other owner whose record names them; wrong ones stay where they
# are not ours to replace. Returns if the name is ours to take; `line` is what the record
# says of it then.
judge() {
    met= line=
    if is_there "$final"; then met=$(facts "$final" 2>/dev/null); fi
    [ -n "$met" ] || return 0
    if [ -d "$final" ] && [ ! -L "$final" ]; then fail taken "$dir/$file is a directory"; fi
    same=
    if is_file "$final" && [ "${met%% *}" = "$size" ]; then
        if matches "$final"; then same=$sha256; fi
    fi
    recorded || { is_file "$final" && intended "$same"; }
    if [ -n "$line" ] && theirs; then
        say "theirs $line"
        [ -z "$same" ] || say same
        finish
    fi
    if [ -n "$same" ]; then
        take
        [ "$met" = "$(facts "$final")" ] || fail digest "$dir/$file changed while it was read"
        discard "$part"
        placed
    fi
    if [ "$replace" = no ] && { [ -z "$line" ] || ! is_file "$final"; }; then
        say foreign
        finish
    fi
}

# The final name holds what it should, and the lease is ours: records it and says so.
placed() {
    set -- $(facts "$final")
    remember "$header" "$before$2$between$3$after"
    settle
    say "placed $1 $2 $3"
    finish
}

# pin: opens the part on 8 and keeps others from writing to it: what an earlier operation
# left running may not be over yet. What is done with it is done while it is pinned.
pin() {
    { command exec 8<>"$part"; } 2>/dev/null || fail receive "$dir/$parts/$part cannot be written"
    if has flock; then
        flock -w 5 8 2>/dev/null
        [ $? -ne 1 ] || fail busy "another process still writes to $dir/$parts/$part"
    fi
    pinned
}

# pinned: the part is still the file that is open on 8. Its length is in `present`.
pinned() {
    # shellcheck disable=SC2046 # words
    set -- $(stat -c '%i %s' -- - "$part" <&8 2>/dev/null)
    [ $# -eq 4 ] && [ "$1" = "$3" ] || fail busy "another process replaced $dir/$parts/$part"
    present=$2
}

# receive SIZE PROOF ROOM HASHER: has receive.pl write what comes on standard input into the
# part, which is pinned. Its exit code is in `status`; the digest of the data, or what it
# says of a failure, in `found`.
receive() {
    # shellcheck disable=SC2154 # a program for perl
    found=$(perl -e "$receive_pl" -- "$dir/$parts/$part" "$@" 2>&1)
    status=$?
}

# abandon fresh|same: the part goes; the lease is taken for that as `hold` does.
abandon() {
    hold "$1"
    pinned
    take
    discard "$part"
    unguard
}

# received: what receive.pl did is all there, or the script ends.
received() {
    case $status in
    0) found=${found%% *} ;;
    9) fail cut ;;
    10) fail chmod "$found" ;;
    11) fail sync "$dir/$parts/$part could not be written out" ;;
    *) fail receive "$found" ;;
    esac
}

# arrive: what was sent is in `part`, which is pinned and on the disk. Checks it, gives it
# its name and records it. `found` is its digest, and `expected` what that has to be.
#
# What is about to have the name is recorded before, what has it afterwards: a crash in
# between leaves a file that is known to be ours if it has that digest. A record of what
# is not there yet would be believed.
arrive() {
    if [ "$found" != "$expected" ]; then
        take
        rm -f -- "$part"
        say "differs $found $expected"
        finish
    fi
    # Somebody who knows nothing of leases may have been here in between.
    judge
    take
    # With a line of ours whatever has the name is ours to replace.
    [ -n "$line" ] || intend "$header" "${before}0${between}0$after"
    if [ -n "$met" ]; then
        [ "$met" = "$(facts "$final" 2>/dev/null)" ] ||
            fail rename "$dir/$file changed in between"
        message=$(mv -f -T -- "$part" "$final" 2>&1) || fail rename "$message"
    else
        message=$(mv -n -T -- "$part" "$final" 2>&1)
        [ ! -e "$part" ] || fail rename "${message:-$dir/$file appeared in between}"
    fi
    placed
}
