# record.sh: the record of a directory: what was placed in it, one line a file.
#
# arguments: none; functions for the scripts under a lease. They read PATTERN and OWNED,
#            see lease.sh.
# answers:   fail with the stages recall, record, digest
# exit codes: as common.sh
#
# It is read up to a length that bounds what this shell and its tools take, and replaced
# in one move. One that cannot be ours (too long, not made of lines like ours, of another
# kind) is set aside: what it said is unknown from then on, and what is unknown is not
# removed.
#
# Before a file gets its name a line says so, which begins with `placing` in place of
# `name`. Earlier versions keep such lines and do not read them. After a crash between
# name and line, a file with the digest of that line is ours.

# 32 MiB are some 60000 images.
record_blocks=512 record_block=65536

record=.talos-order.jsonl

# vet: afterwards the record can be read, or there is none.
vet() {
    inspect "$top/$record"
    [ "$kind" != none ] || return 1
    is_trusted || hostile "$dir/$record belongs to user $owner_id"
    if is_record; then return 0; fi
    confirm || lost
    set_aside "$top/$record"
    return 1
}

is_record() {
    [ "$kind" = file ] || return 1
    [ "$length" -gt 0 ] || return 0
    [ "$length" -le $((record_blocks * record_block)) ] || return 1
    {
        first=$(dd "if=$top/$record" iflag=nofollow,nonblock bs=1 count=1)
    } 2>/dev/null
    [ "$first" = '{' ]
}

records() {
    dd "if=$top/$record" iflag=nofollow,nonblock,fullblock bs="$record_block" count="$record_blocks" 2>/dev/null
}

# last_of PATTERN: the last line of the record that it matches, in `line`. Of a pipe
# only the last status is told; that of the first part is written before the pipe ends.
last_of() {
    line=
    if [ -n "$guarded" ]; then vet; else
        guard
        vet
        vetted=$?
        unguard
        [ "$vetted" -eq 0 ]
    fi || return 1
    line=$(
        exec 5>&1
        { records; printf '%s ' $? >&5; } | grep -a -e "$1" | tail -n 1
    )
    case $line in
    '0 '*) line=${line#0 } ;;
    *) fail recall "$dir/$record cannot be read" ;;
    esac
    [ -n "$line" ]
}

# recorded: the line of the file, in `line`.
recorded() { last_of "$pattern"; }

# intended SHA256: the line of what was about to get the file's name, as one of the record,
# in `line`, if that is what has the name; the facts of that are in `met`. A digest that is known is not computed again.
intended() {
    last_of "$placing" || return 1
    line="{\"name\"${line#'{"placing"'}"
    sum=${line#*'"sha256":"'}
    sum=${sum%%'"'*}
    bytes=${line#*'"size":'}
    bytes=${bytes%%,*}
    if [ "${met%% *}" = "$bytes" ]; then
        if [ -z "$1" ]; then
            whole=$(digest "$final" whole) || fail digest "$dir/$file cannot be read"
        else
            whole=$1
        fi
        [ "$whole" != "$sum" ] || return 0
    fi
    line=
    return 1
}

# True if the line names another owner. One that names none is anybody's.
theirs() {
    case $line in
    *"$owned"* | *',"owner":"",'*) return 1 ;;
    *',"owner":"'*) return 0 ;;
    *) return 1 ;;
    esac
}

# remember HEADER LINE: replaces the line of the file in the record. As whatever changes
# anything, between `take` and `unguard`.
remember() {
    vet
    message=$(rewrite "$1" "$2" "$pattern" 2>&1) || fail record "$message"
}

# intend HEADER LINE: says what is about to get the name. What the record says of the file
# that has it stays until it is replaced.
intend() {
    vet
    message=$(rewrite "$1" "{\"placing\"${2#'{"name"'}" "$placing" 2>&1) ||
        fail record "$message"
}

# forget: the file has no line in the record from now on.
forget() {
    if recorded || last_of "$placing"; then remember '' ''; fi
}

# rewrite HEADER LINE PATTERN: a new record with the line and without those that PATTERN
# matches, from one that was just looked at by `vet`.
rewrite() {
    if {
        if [ "$kind" = file ] && [ "$length" -gt 0 ]; then
            records >"record.old.$token" &&
                { grep -a -v -e "$3" -e "$placing" -- "record.old.$token" ||
                    [ $? -eq 1 ]; }
        else
            printf '%s\n' "$1"
        fi && { [ -z "$2" ] || printf '%s\n' "$2"; }
    } >"record.new.$token" &&
        sync -- "record.new.$token" &&
        mv -f -T -- "record.new.$token" "$top/$record"; then
        # `release` removes the old one.
        return 0
    fi
    rm -f -- "record.new.$token" "record.old.$token"
    return 1
}

# Not every file system can do this for a directory.
settle() { sync -- "$top" 2>/dev/null; }
