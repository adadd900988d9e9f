# roots.sh: which storage a directory belongs to, and what has to be mounted for it.
#
# arguments: none; functions for observe.sh and prepare.sh
# answers:   none of its own
# exit codes: as common.sh; of `unmounted`: 0 where something is not mounted

# with_timeout COMMAND ARG…: ends it after ten seconds where that can be done. A
# server that does not answer holds a process for ever. The status is 124 or 137
# then.
with_timeout() {
    if has timeout; then timeout -k 2 10 "$@"; else "$@"; fi
}

# roots DIR: a line `NAME KIND MOUNT PATH` for each storage with a directory that
# Proxmox's storage.cfg in DIR describes for this node, and for each line of
# /etc/fstab. MOUNT is what has to be mounted, or `-` where nothing has to be. Behind
# them a line `proxmox` if DIR is there, or cannot be asked in time.
roots() {
    # A cluster file system can hang, so the shell itself does not look at it.
    # shellcheck disable=SC2016 # arguments of the inner shell
    config=$(with_timeout sh -c \
        '[ -d "$1" ] || exit 3; [ -e "$1/storage.cfg" ] || exit 0
        exec head -c 1048576 -- "$1/storage.cfg"' sh "$1" 2>/dev/null)
    there=$?
    printf '%s\nend: end\n' "$config" | {
        kind='' host=''
        while read -r key value; do
            case $key in
            '' | '#'*) ;;
            *:)
                root
                kind=${key%:} name=$value path='' must='' only=''
                ;;
            path) path=$value ;;
            is_mountpoint) must=$value ;;
            nodes) only=$value ;;
            esac
        done
    }
    if [ -f /etc/fstab ]; then
        while read -r what where type rest; do
            case $what in '#'*) continue ;; esac
            case $where in /?*) echo "fstab $type $where $where" ;; esac
        done </etc/fstab
    fi
    [ "$there" -eq 3 ] || echo proxmox
}

root() {
    case $kind in
    nfs | cifs | cephfs | glusterfs) must=yes path=${path:-/mnt/pve/$name} ;;
    dir | btrfs) ;;
    *) return 0 ;;
    esac
    if [ -n "$only" ]; then
        # It stays the same, and each program that is started takes a millisecond.
        host=${host:-$(uname -n)}
        case ",$only," in
        *",${host%%.*},"*) ;;
        *) return 0 ;;
        esac
    fi
    case $must in
    /*) ;;
    1 | yes | on | true) must=$path ;;
    *) must=- ;;
    esac
    echo "$name $kind $must $path"
}

# home ROOTS DIR: sets `home` to the line of ROOTS that DIR belongs to, or to nothing. The
# longest path wins, and one that has to be mounted before all others: a directory that
# was made below a mount point that is not mounted proves nothing. It starts no process:
# it is called for each directory in each look.
home() {
    home='' length=0 bound=0
    lines=$1
    while [ -n "$lines" ]; do
        line=${lines%%"
"*}
        lines=${lines#"$line"}
        lines=${lines#"
"}
        path=${line#* * * }
        # What has no path is a line of one word.
        case $line in
        *' '*' '*' '?*) ;;
        *) continue ;;
        esac
        case $2/ in
        "${path%/}/"*) ;;
        *) continue ;;
        esac
        must=${line#* * }
        binding=0
        [ "${must%% *}" = - ] || binding=1
        [ "$binding" -ge "$bound" ] || continue
        if [ "$binding" -gt "$bound" ] || [ "${#path}" -gt "$length" ]; then
            home=$line length=${#path} bound=$binding
        fi
    done
}

# unmounted DIR CONFIGS: says what is not mounted that DIR is to be on, if anything.
# The plan has decided so before; it is asked again here because nothing may be made
# in a mount point that lost its file system since.
unmounted() {
    home "$(roots "${2%/*}")" "$1"
    case $home in
    '')
        case $1/ in
        /mnt/pve/*/*)
            must=${1#/mnt/pve/}
            must=/mnt/pve/${must%%/*}
            ;;
        *) return 1 ;;
        esac
        ;;
    *)
        must=${home#* * }
        must=${must%% *}
        [ "$must" != - ] || return 1
        ;;
    esac
    nearest "$1"
    at=$(stat -c %m -- "$near" 2>/dev/null)
    case $at/ in "$must"/*) return 1 ;; esac
    echo "$must is not mounted"
}
