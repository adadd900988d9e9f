# observe.sh: what is in directories, and what virtual machines refer to.
#
# arguments: NONCE CONFIGS DIR…
#              CONFIGS  where the configurations of virtual machines are; empty where they
#                       are not to be read
# answers:   of each directory, with its NUMBER from 0 behind the tag:
#              silent                      its storage does not answer; nothing else follows
#              nearest PATH                it, or what exists of the path to it
#              proxmox                     the node is one of Proxmox VE
#              root NAME KIND MOUNT PATH   its storage; MOUNT is `-` where nothing has to be
#                                          mounted
#              free BLOCKS BLOCK           what is free, without what is kept for root
#              size BLOCKS BLOCK           the whole file system
#              full                        no inode is free
#              mount PATH                  where its file system is mounted
#              present                     it exists
#              file SIZE MTIME INODE NAME  a file in it
#              part NOW MTIME BLOCKS NAME  what arrived so far of one, in blocks of 512
#                                          bytes; what rsync takes bytes from for it is
#                                          another such field with the same name
#              record TEXT                 the record
#              norecord WHY                it cannot be read, or not whole
#            and then one of
#              refs LINES   PATH.conf:/NAME, what the machines refer to
#              unread WHY   that cannot be told
#            fail with the stage list
# exit codes: as common.sh
main() {
    begin "$1"
    configs=$2
    storages=${2:-/etc/pve/nodes}
    roots=$(roots "${storages%/*}")
    proxmox=
    # The whole line: the path of a storage may end like that as well.
    case "
$roots" in *"
proxmox") proxmox=1 ;; esac
    shift 2
    now=
    number=0
    for dir in "$@"; do
        look "$number" "$dir"
        number=$((number + 1))
    done
    if [ -z "$configs" ]; then say refs; else references; fi
    finish
}

look() {
    # A storage whose server is gone holds whoever asks: nothing but this one
    # command does, and the other directories are seen.
    space=$(with_timeout stat -f -c '%b %a %S %c %d' -- "$2" 2>/dev/null)
    case $? in
    124 | 137)
        say "silent $1"
        return 0
        ;;
    esac
    nearest "$2"
    [ "$near" = "$2" ] || space=$(stat -f -c '%b %a %S %c %d' -- "$near" 2>/dev/null)
    say "nearest $1 $near"
    [ -z "$proxmox" ] || say "proxmox $1"
    home "$roots" "$2"
    [ -z "$home" ] || say "root $1 $home"
    blocks=${space%% *}
    space=${space#* }
    inodes=${space#* * }
    if [ -n "$space" ]; then
        free=${space%" $inodes"}
        say "free $1 $free"
        say "size $1 $blocks ${free#* }"
    fi
    # A file system that counts no inodes has as many as are needed.
    case $inodes in
    0\ * | '') ;;
    *\ 0) say "full $1" ;;
    esac
    if mount=$(stat -c %m -- "$near" 2>/dev/null); then say "mount $1 $mount"; fi
    [ -d "$2" ] || return 0
    say "present $1"
    message=$(list "$1" "$2" 2>&1) || fail list "$message"
    recall "$1" "$2"
}

# Beside the files: what arrived so far of others, with the space that it takes in
# blocks of 512 bytes. Parts are links for nobody: `find` follows none. The same look
# finds a record of more than 32 MiB: as in `record.sh` that are some 60000 images, so it
# is not ours any more, and what `recall` tells of it counts for nothing.
list() {
    # The time is asked for where there is a part.
    for part in "$2"/.talos-order.parts "$2"/.talos-order.*.part; do
        [ ! -e "$part" ] || now=${now:-$(date +%s)}
    done
    find "$2/" -ignore_readdir_race -mindepth 1 -maxdepth 1 -type f \
        \( ! -name '.*' -printf "file $1 %s %T@ %i %f\\0" \
        -o -name '.talos-order.*.part' -printf "part $1 $now %T@ %b %f\\0" \
        -o -name .talos-order.jsonl -size +65536b \
        -printf "norecord $1 it is longer than 32 MiB\\0" \) >&3 || return
    # A private directory that is not ours to read holds nothing of ours.
    if [ -d "$2/.talos-order.parts" ] && [ -r "$2/.talos-order.parts" ]; then
        find "$2/.talos-order.parts" -ignore_readdir_race -mindepth 1 -maxdepth 1 -type f \
            -name '*.part' -printf "part $1 $now %T@ %b .talos-order.parts/%f\\0" >&3 ||
            # Whoever gives a lease back removes it, also now.
            [ ! -d "$2/.talos-order.parts" ] || return
        bases "$1" "$2/.talos-order.parts"
    fi
}

# bases NUMBER PARTS: what rsync takes bytes from (basis.sh). A link has the modification
# time of the file that it was made of, so it is the time of the link that counts, and no
# space of its own while that file is there. One that goes meanwhile is not seen.
bases() {
    for basis in "$2"/*.basis; do
        [ -d "$basis" ] || continue
        blocks="$1 $now %C@ %b .talos-order.parts/%f\\0"
        linked="$1 $now %C@ 0 .talos-order.parts/%f\\0"
        find "$basis" -ignore_readdir_race -mindepth 1 -maxdepth 1 -type f -name '*.part' \
            \( -links 1 -printf "part $blocks" -o -printf "part $linked" \) 2>/dev/null >&3
    done
    return 0
}

# recall NUMBER DIR: the record, or why it cannot be read. Half of one would be worse than
# none: what is not in it would pass for what nobody placed.
recall() {
    record=$2/.talos-order.jsonl
    [ -e "$record" ] || [ -L "$record" ] || return 0
    if ! is_file "$record"; then
        say "norecord $1 it is not a plain file"
        return 0
    fi
    message=$(
        exec 5>&1
        {
            printf 'record %s ' "$1"
            dd "if=$record" iflag=nofollow,nonblock,fullblock bs=65536 count=512 \
                status=none || echo "dd failed with status $?" >&5
        } 2>&5 | tr -d '\000' 2>&5 >&3
        printf '\0' >&3
    )
    [ -z "$message" ] || say "norecord $1 ${message%%"
"*}"
}

# A machine that moves to another node while we read could be seen on neither:
# what is read counts only if the list of files is the same before and after.
references() {
    for attempt in 1 2 3; do
        why=$(complete) || break
        list=$(configurations)
        why='machines come and go while their configurations are read'
        refs=$(referred qemu-server && referred lxc) || {
            why=${refs##*"
"}
            continue
        }
        [ "$list" = "$(configurations)" ] || continue
        refs=$(printf '%s\n' "$refs" | sort -u)
        if [ "${#refs}" -gt 4194304 ]; then
            why='they hold more paths than are accepted'
            break
        fi
        say "refs $refs"
        return
    done
    say "unread $why"
}

configurations() { echo "$configs"/*/qemu-server/*.conf "$configs"/*/lxc/*.conf; }

# Every directory that a configuration can be in can be listed. An empty place
# is what a cluster file system that is not mounted leaves behind.
complete() {
    some=
    for place in "$configs" "$configs"/* "$configs"/*/qemu-server "$configs"/*/lxc; do
        [ -d "$place" ] || continue
        if [ ! -r "$place" ] || [ ! -x "$place" ]; then
            echo "$place cannot be read"
            return 1
        fi
        case $place in
        "$configs"/*/*) some=1 ;;
        esac
    done
    [ -n "$some" ] || {
        echo "$configs holds no node's configurations"
        return 1
    }
}

# referred KIND: the last parts of all paths and volume names, whatever section
# they are in, each with the file it is in. One process reads everything.
referred() {
    set -- "$1" "$configs"/*/"$1"/*.conf
    # A pattern that nothing matches stays as it is.
    if [ "$2" = "$configs/*/$1/*.conf" ]; then return 0; fi
    shift
    grep -a -H -o -E -e '/[A-Za-z0-9._+-]+([^A-Za-z0-9._+/-]|$)' -- "$@" 2>/dev/null
    [ $? -le 1 ] || {
        grep -a -c -e / -- "$@" 2>&1 >/dev/null | head -n 1
        return 1
    }
}
