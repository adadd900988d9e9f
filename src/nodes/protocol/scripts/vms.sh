# vms.sh: the VMIDs of the cluster, the virtual machines of this node that may be ours, and
# the linked clones of templates.
#
# arguments: NONCE CONFIGS
#              CONFIGS  where the configurations of the cluster's machines are; empty where
#                       they are not to be read
# answers:   host NAME       the node's own name
#            cluster NAME    its cluster, where it is in one
#            vmlist JSON     every VMID of the cluster, as the cluster file system lists them
#            facts LINES     PATH:LINE, the lines of all configurations with names and what
#                            is a template, and the headings that end what is present
#            linked LINES    PATH:LINE, the beginnings of the lines about disks that need
#                            the data of a template, those of snapshots included
#            marked ID TEXT  a configuration of this node with a mark of ours in it
#            unread WHY      that cannot be told, and then there is nothing but `host`
# exit codes: as common.sh
main() {
    begin "$1"
    configs=$2
    host=$(uname -n)
    host=${host%%.*}
    say "host $host"
    [ -n "$configs" ] || unread 'the configuration says that it has none'
    pve=${configs%/*}
    # A cluster file system can hang, so the shell itself does not look at it first. One
    # that is not mounted leaves an empty directory: that is no node without machines.
    # shellcheck disable=SC2016 # arguments of the inner shell
    with_timeout sh -c '
        [ -d "$1" ] || exit 3
        [ -d "$2" ] && [ -e "$1/.vmlist" ] || exit 4
    ' sh "$pve" "$configs/$host" 2>/dev/null
    case $? in
    0) ;;
    3) unread "$pve does not exist: this is not a Proxmox VE node" ;;
    124 | 137) unread "$pve did not answer within 10 s" ;;
    *) unread "$pve lists no machines of $host: pve-cluster is probably not running" ;;
    esac
    # What moves to another node while we read could be seen on neither.
    for attempt in 1 2 3; do
        why=$(complete) || unread "$why"
        list=$(listed) || unread "$list"
        facts=$(told -e '^\(name\|hostname\|template\): .\{0,200\}' -e '^\[.\{0,80\}') ||
            unread "$facts"
        linked=$(told -e "$base") || unread "$linked"
        ours=$(marked)
        again=$(listed) || unread "$again"
        [ "$list" != "$again" ] || known
    done
    unread 'machines come and go while their configurations are read'
}

known() {
    cluster=$(sed -n 's/^[[:space:]]*cluster_name:[[:space:]]*//p' "$pve/corosync.conf" \
        2>/dev/null | head -n 1)
    [ -z "$cluster" ] || say "cluster $cluster"
    say "vmlist $list"
    say "facts $facts"
    say "linked $linked"
    for vmid in $ours; do
        # One that has gone since is no longer there to be told of.
        text=$(head -c 1048576 -- "$configs/$host/qemu-server/$vmid.conf" 2>/dev/null |
            tr -d '\000') || continue
        say "marked $vmid $text"
    done
    finish
}

unread() {
    say "unread $1"
    finish
}

listed() {
    head -c 4194304 -- "$pve/.vmlist" 2>&1
}

# Every directory that a configuration can be in can be listed.
complete() {
    for place in "$configs" "$configs"/* "$configs"/*/qemu-server "$configs"/*/lxc; do
        [ -d "$place" ] || continue
        if [ ! -r "$place" ] || [ ! -x "$place" ]; then
            echo "$place cannot be read"
            return 1
        fi
    done
}

# A disk that needs another machine's base image has that in the path of its own. In notes
# a colon is written in another way, and their lines begin otherwise.
base='^[a-z]\{1,\}[0-9]*:[[:space:]]*[^[:space:]]*[:/]base-[0-9]\{1,\}-[^/,[:space:]]*/'

# told EXPRESSION…: what matches in all configurations, each line with the file it is in.
# One process reads everything.
told() {
    set -- "$@" --
    any=
    for kind in qemu-server lxc; do
        # A pattern that nothing matches stays as it is.
        exists "$configs"/*/"$kind"/*.conf || continue
        set -- "$@" "$configs"/*/"$kind"/*.conf
        any=1
    done
    [ -n "$any" ] || return 0
    found=$(grep -a -H -o -s "$@")
    if [ $? -gt 1 ]; then
        unreadable || return 1
    fi
    if [ "${#found}" -gt 8388608 ]; then
        echo 'the configurations of virtual machines hold more than is accepted'
        return 1
    fi
    printf '%s\n' "$found"
}

exists() { [ -e "$1" ] || [ -L "$1" ]; }

# Says which configuration cannot be read, and fails, if there is one.
unreadable() {
    for path in "$configs"/*/qemu-server/*.conf "$configs"/*/lxc/*.conf; do
        exists "$path" || continue
        why=$(head -c 1 -- "$path" 2>&1 >/dev/null) || {
            # One that has gone is told by the list.
            exists "$path" || continue
            echo "${path#"$configs/"} cannot be read: ${why##*: }"
            return 1
        }
    done
}

# The numbers of this node's machines that may be ours.
marked() {
    for path in $(grep -a -l -s -F -e '<!-- talos-order ' -- "$configs/$host"/qemu-server/*.conf); do
        path=${path##*/}
        path=${path%.conf}
        case $path in
        '' | 0* | *[!0-9]* | ??????????*) ;;
        *) echo "$path" ;;
        esac
    done
}
