# basis.sh: what rsync takes bytes from, so that they need not be sent.
#
# arguments: none; functions for prepare.sh. They read what `enter_delivery` names.
# answers:   basis LENGTH  it is there, under the name of the part in `basis`
# exit codes: as common.sh
#
# rsync writes a new file beside it. A copy that is updated in place would cost less room, but
# what was overwritten cannot be used any more: all bytes that move to a later offset would
# be sent again. Versions before 3.3.0 also keep bytes of the copy where the new file ends
# in zeros.

# offer FILE: makes a basis of it, if there is room beside it for the file to come. rsync
# looks at it only where there is no part, so what arrived so far goes into the basis as
# well, in front of the file.
offer() {
    is_file "$1" && shared=$(stat -c %s -- "$1") || return 0
    basis_file=$basis/$part
    # The file, a copy of the other one, and what else a node needs.
    copied_too=$((size + shared + 67108864))
    take
    [ -d "$basis" ] || mkdir -- "$basis" 2>/dev/null
    [ -s "$part" ] || discard "$part"
    if is_file "$part"; then
        begun=$(stat -c %s -- "$part")
        # What is there is a copy of its beginning, and it has more.
        if is_file "$basis_file" && [ $((begun + shared)) -le "$(stat -c %s -- "$basis_file")" ]; then
            discard "$part"
        fi
    elif ! is_file "$basis_file"; then
        # A link takes no room. Some storages know none.
        ln -T -- "$1" "$basis_file" 2>/dev/null
    fi
    unguard
    if is_file "$part"; then
        [ "$begun" -lt "$size" ] && has_room "$copied_too" && collect "$1" || return 0
    elif ! is_file "$basis_file"; then
        has_room "$copied_too" && copy "$1" || return 0
    fi
    is_file "$basis_file" || return 0
    # What it holds of a file that is gone, or of what arrived before, is room for the one
    # that is to come: as much as `RESERVE` in prepared.rs asks for is free, or it goes.
    has_room $((size + 16777216)) || return 0
    offered=1
    say "basis $(stat -c %s -- "$basis_file")"
}

# collect FILE: the part and the file behind it become the basis. It is `dd` because no
# other tool leaves holes out in the middle of a file.
collect() {
    start_ticks
    dd "if=$1" "of=$part" bs=65536 "seek=$begun" oflag=seek_bytes conv=sparse,notrunc \
        2>/dev/null
    copied=$?
    stop_ticks
    if [ "$copied" -ne 0 ]; then
        truncate -s "$begun" -- "$part" 2>/dev/null
        return 1
    fi
    take
    mv -f -T -- "$part" "$basis_file" 2>/dev/null
    copied=$?
    unguard
    return "$copied"
}

copy() {
    start_ticks
    cp -P --reflink=auto --sparse=always -T -- "$1" "$basis_file" 2>/dev/null
    copied=$?
    stop_ticks
    return "$copied"
}

# has_room BYTES: so many are free.
has_room() {
    space=$(stat -f -c '%a %S' -- . 2>/dev/null) || return
    [ $((${space% *} * ${space#* })) -ge "$1" ]
}
