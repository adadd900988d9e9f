# storages.sh: how the node describes its storages.
#
# arguments: NONCE DIR
#              DIR  where Proxmox VE keeps its configuration
# answers:     host NAME      the node's own name
#              cluster NAME   its cluster, where it is in one
#              config TEXT    its storage.cfg; empty where there is none
#              unread WHY     it cannot be read, and then there is no `config`
# exit codes: as common.sh
main() {
    begin "$1"
    host=$(uname -n)
    say "host ${host%%.*}"
    # A cluster file system can hang, so the shell itself does not look at it. One that
    # is not mounted leaves an empty directory: that is not a node without storages.
    # shellcheck disable=SC2016 # arguments of the inner shell
    config=$(with_timeout sh -c '
        [ -d "$1" ] || exit 3
        [ -e "$1/storage.cfg" ] || [ -d "$1/nodes" ] || exit 4
        [ ! -e "$1/storage.cfg" ] || head -c 1048576 -- "$1/storage.cfg"
    ' sh "$2" 2>&1)
    case $? in
    0)
        cluster=$(with_timeout sed -n 's/^[[:space:]]*cluster_name:[[:space:]]*//p' \
            "$2/corosync.conf" 2>/dev/null | head -n 1)
        [ -z "$cluster" ] || say "cluster $cluster"
        say "config $config"
        ;;
    3) say "unread $2 does not exist: this is not a Proxmox VE node" ;;
    4) say "unread $2 is empty: the service pve-cluster is probably not running" ;;
    124 | 137) say "unread $2 did not answer within 10 s" ;;
    *) say "unread $config" ;;
    esac
    finish
}
