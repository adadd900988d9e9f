# resume.sh: what is there of a file that is to come.
#
# arguments: none; functions for the scripts that make ready for one. They read what
#            `enter_delivery` names.
# answers:   begun LENGTH DIGEST  the digest of the data of the part up to the last whole
#                                 block
# exit codes: as common.sh

# tidy: only what can be built upon stays. Parts of other files are others' to clear.
tidy() {
    is_file "$part" || discard "$part"
    for other in "$file".????????????.part "$file".????????????.basis; do
        other=${other%.*}
        [ "$other.part" != "$part" ] || continue
        # Whoever still makes it from a basis does not hold the part itself.
        [ -e "$part" ] || [ -e "$other.basis" ] || take_over "$other.part"
        discard "$other.part"
        # It may be there without its part.
        discard "$other.basis"
    done
    for other in *; do
        case $other in
        '*' | *.part) ;;
        *)
            # Temporaries of a moment that a crash left.
            find . -mindepth 1 -maxdepth 1 ! -name '*.part' -mmin +60 -exec rm -rf -- {} +
            break
            ;;
        esac
    done
    # Somebody who still writes to it keeps what is no longer the part of anything. An
    # rsync that makes a part from a basis holds the basis.
    for pin in "$basis" "$part"; do
        [ -e "$pin" ] && has flock || continue
        flock -s -w 5 "$pin" true 2>/dev/null
        [ $? -ne 1 ] || rm -rf -- "$part" "$basis"
    done
}

# take_over PART: what arrived under another name of the same file is the beginning of this
# one, if nobody writes to it any more. Whether it is of use is up to its digest.
take_over() {
    is_file "$1" || return 0
    { command exec 6<"$1"; } 2>/dev/null || return 0
    if has flock; then flock -w 1 6 2>/dev/null; else true; fi
    [ $? -eq 1 ] || mv -f -T -- "$1" "$part" 2>/dev/null
    exec 6<&-
}

# inherit: a part where earlier versions kept it is resumed, or it is of no use.
inherit() {
    old=$top/.talos-order.$file.part
    inspect "$old"
    [ "$kind" = file ] && is_trusted || return 0
    if [ -e "$part" ]; then
        rm -f -- "$old"
    else
        mv -f -T -- "$old" "$part" 2>/dev/null
        inspect "$part"
        { [ "$kind" = file ] && is_trusted; } || rm -rf -- "$part"
    fi
}

# begun LENGTH: says what the first LENGTH bytes of the part are.
begun() {
    length=$(($1 - $1 % 4096))
    if [ "$length" -gt 0 ] && begun=$(digest "$part" data "$length"); then
        say "begun $length $begun"
    fi
}
