# private.sh: works in a directory in which others may write as well.
#
# arguments: none; functions for the scripts under a lease. They read `dir`, `token` and
#            `held`, see lease.sh.
# answers:   aside NAME  what had a name of ours, could not be used and has this name now
#            fail with the stages hostile, aside, mkdir, lock
# exit codes: as common.sh
#
# The login is root on most nodes, and a directory may belong to somebody else: whoever
# may write in it can put a link, a pipe or a directory where one of our files is to be,
# at any moment. So everything is written in a directory that nobody else can reach
# into, and only whole files go from there to their names, in one move that follows no
# link. What is read under a name of ours has to be a plain file that belongs to us (or
# to root), and is opened without following links and without waiting for a pipe.

parts=.talos-order.parts
uid=$(id -u)

# Whose files are believed, and whether the storage was asked what it makes of ours.
trust="$uid 0" probed=

# From where we are to the directory: `.`, and `..` from `inside` on.
top=. reached= guarded=

# reach: goes to the directory. From here on only relative names are used, so that
# nobody can lead us elsewhere by renaming what is above.
reach() {
    [ -z "$reached" ] || return 0
    cd -P -- "$dir" 2>/dev/null || return 1
    reached=1
}

# survey PATH…: asks what they are, without following a link, by one process for all of
# them. No path has a blank in it.
survey() { surveyed=$(stat -c '%n %f %u %s %Y %d:%i' -- "$@" 2>/dev/null); }

# pick PATH: what it was in the survey: `kind` is none, file, dir, link or other;
# `owner_id`, `length`, `changed` in seconds, and `id`, device and inode number, go with
# it.
pick() {
    kind=none owner_id= length= changed= id= picked=$1
    # shellcheck disable=SC2086 # words
    set -- $surveyed
    while [ $# -ge 6 ]; do
        if [ "$1" = "$picked" ]; then
            owner_id=$3 length=$4 changed=$5 id=$6
            kind_of "$2"
            return 0
        fi
        shift 6
    done
}

# inspect PATH: what it is now.
inspect() {
    surveyed=
    if is_there "$1"; then survey "$1"; fi
    pick "$1"
}

# is_there PATH: something has the name. It follows no link, and starts no process.
is_there() { [ -L "$1" ] || [ -e "$1" ]; }

kind_of() {
    case $1 in
    8???) kind=file ;;
    4???) kind=dir ;;
    a???) kind=link ;;
    *) kind=other ;;
    esac
}

# is_trusted: what was inspected belongs to us. Some storages give all files to one user,
# whoever makes them. Which, is told by a file that is made and asked through the same
# descriptor: its name cannot be guessed and cannot be exchanged in between.
is_trusted() {
    case " $trust " in *" $owner_id "*) return 0 ;; esac
    probe
    case " $trust " in *" $owner_id "*) return 0 ;; esac
    return 1
}

probe() {
    [ -z "$probed" ] || return 0
    probed=$({ set -C && stat -c %u - 0>"$top/.talos-order.probe-$token"; } 2>/dev/null)
    rm -f -- "$top/.talos-order.probe-$token"
    [ -n "$probed" ] || probed=none
    trust="$trust $probed"
}

hostile() { fail hostile "$1"; }

# own PATH: afterwards it is a plain file of ours, or nothing. What belongs to us and is
# of another kind is set aside; what is somebody else's is not touched.
own() {
    inspect "$1"
    [ "$kind" != none ] || return 0
    is_trusted || hostile "$dir/${1##*/} belongs to user $owner_id"
    [ "$kind" = file ] || set_aside "$1"
}

# set_aside PATH: it keeps what is in it, under another name.
set_aside() {
    message=$(mv -f -T -- "$1" "$1.damaged-$token" 2>&1) || fail aside "$message"
    say "aside ${1##*/}.damaged-$token"
    kind=none
}

# discard PATH: removes whatever has the name.
discard() { if is_there "$1"; then rm -rf -- "$1"; fi; }

# peek PATH: the first line of a small file that was inspected, in `first`.
peek() {
    {
        first=$(dd "if=$1" iflag=nofollow,nonblock bs=4096 count=1)
    } 2>/dev/null
    first=${first%%"
"*}
}

# inside: goes into the private directory, which is made if it is not there. It and the
# directory around it are in the survey. What is checked is where we arrived, not what had
# or has the name. Only whoever has the lease, or is about to take it, comes here: it is
# removed by whoever gives the lease back.
inside() {
    [ "$top" = . ] || return 0
    pick .
    place=$id
    pick "./$parts"
    case $kind in
    dir | none) ;;
    *)
        is_trusted || hostile "$dir/$parts belongs to user $owner_id"
        set_aside "./$parts"
        ;;
    esac
    if [ "$kind" = none ]; then
        # Not `mkdir -m`: that is a second step, which some storages do not permit.
        message=$(umask 077 && mkdir -- "./$parts" 2>&1) || [ -d "./$parts" ] ||
            fail mkdir "$message"
    fi
    cd -P "./$parts" 2>/dev/null || fail mkdir "$dir/$parts cannot be entered"
    top=..
    # shellcheck disable=SC2046 # words
    set -- $(stat -c '%d:%i %u %a' . ..)
    within=$1
    [ "$4" = "$place" ] || {
        held= reached=
        hostile "$dir/$parts leads out of the directory"
    }
    if [ "$2" = "$uid" ] && is_tight "$3"; then return 0; fi
    [ "$2" = "$uid" ] || probe
    [ "$2" = "$uid" ] || [ "$2" = "$probed" ] || {
        held= reached=
        hostile "$dir/$parts belongs to user $2"
    }
    is_tight "$3" || chmod 0700 . 2>/dev/null
    is_tight "$(stat -c %a .)" && return 0
    # A storage without modes: what others can do there without links is to spoil what
    # is sent, and that is noticed.
    if ln -s . "link.$token" 2>/dev/null; then
        rm -f -- "link.$token"
        held= reached=
        hostile "everybody may write to $dir/$parts, whose storage keeps no modes"
    fi
}

# is_tight MODE: nobody but the owner can write.
is_tight() {
    case $1 in
    *[2367]? | *[2367]) return 1 ;;
    esac
}

# guard … unguard: nothing of ours happens in the directory in between, whichever
# controller does it and from wherever. The directory itself is what is locked, for the
# moment in which something is checked and then done: it ends with this shell at the
# latest. A file system that cannot lock is no error: then a check and what follows it
# are two steps as close to each other as they can be, names are still given in one
# move, and a lock is made by whoever is first.
guard() {
    [ -z "$guarded" ] || return 0
    { command exec 9<"$top"; } 2>/dev/null || {
        held=
        fail lock "$dir cannot be opened"
    }
    if has flock; then
        flock -w 30 9 2>/dev/null
        [ $? -ne 1 ] || {
            exec 9<&-
            held=
            fail lock "another process has held the lock of $dir for 30 s"
        }
    fi
    guarded=1
}

unguard() {
    [ -n "$guarded" ] || return 0
    exec 9<&-
    guarded=
}
