# machine.sh: what the scripts about one virtual machine share.
#
# arguments: NONCE CONFIGS VMID FENCE EPOCHS, which each of them gets first
#              CONFIGS  where the configurations of the cluster's machines are
#              FENCE    whose leader the controller is, see fence.sh
#              EPOCHS   the file of the node with the epochs of leaders
# answers:   gone                nothing has this VMID
#            elsewhere HOST      it is on another node, or a container
#            changed             its configuration is not the one that was looked at
#            those of fence.sh; fail with the stages machines, held and fence
# exit codes: as common.sh
#
# `qm` locks each machine while it works on it. What is checked before it is called and
# what it then does are one step for other scripts of ours: each holds the directory with
# the node's configurations meanwhile. It holds it for as long as `qm` runs, also where
# the script itself was ended, so nobody works on what an earlier one still changes.
#
# The epochs of leaders are looked at once it is held: a leader that another one followed
# changes nothing, and a new one is known before it changes anything. They have a file of
# their own, since templates are in no directory; for a single controller none is made.

enter_machine() {
    begin "$1"
    configs=$2 vmid=$3 fence=$4 epochs=$5
    host=$(uname -n)
    host=${host%%.*}
    seat=$configs/$host/qemu-server
    conf=$seat/$vmid.conf
    # A cluster file system can hang, so the shell itself does not look at it first.
    # shellcheck disable=SC2016 # arguments of the inner shell
    with_timeout sh -c '[ -d "$1" ]' sh "$seat"
    case $? in
    0) ;;
    124 | 137) fail machines "$configs did not answer within 10 s" ;;
    *) fail machines "$seat does not exist: this is not a Proxmox VE node, or the service pve-cluster is not running" ;;
    esac
}

# hold_machines: nothing else of ours works on machines of this node until the end, and no
# later leader did.
hold_machines() {
    # Only the login of root has it in its path everywhere.
    PATH=$PATH:/usr/sbin:/sbin
    has qm || fail machines 'qm is not installed: this is not a Proxmox VE node'
    { command exec 7<"$seat"; } 2>/dev/null || fail machines "$seat cannot be opened"
    if has flock; then
        flock -w 30 7 2>/dev/null
        [ $? -ne 1 ] ||
            fail held "another process has been working on its virtual machines for 30 s"
    fi
    first=
    if is_file "$epochs"; then IFS= read -r first <"$epochs"; fi
    more=${first#"${first%% *}"}
    weigh "$more"
    if outranked; then yield; fi
    if outranks; then promote; fi
}

# promote: the epoch of a new leader is noted. The number before the words has no meaning
# here; it is what the file in a directory begins with.
promote() {
    message=$({
        mkdir -p -- "${epochs%/*}" &&
            printf '0%s\n' "$kept $fence" >"$epochs.new.$nonce" &&
            sync -- "$epochs.new.$nonce" &&
            mv -f -T -- "$epochs.new.$nonce" "$epochs"
    } 2>&1) || fail fence "$message"
    # What is changed next is on another file system.
    sync -- "${epochs%/*}" 2>/dev/null
}

# present: ends the script unless the machine is on this node.
present() {
    [ ! -e "$conf" ] || return 0
    whereabouts
    if [ -n "$seated" ]; then say "elsewhere $seated"; else say gone; fi
    finish
}

# whereabouts: who has the VMID, in `seated`.
whereabouts() {
    seated=
    for path in "$configs"/*/qemu-server/"$vmid.conf" "$configs"/*/lxc/"$vmid.conf"; do
        [ -e "$path" ] || continue
        path=${path#"$configs/"}
        seated=${path%%/*}
    done
}

# unchanged SHA256: ends the script unless this is the digest of the configuration. Behind
# it `sha1` is what `qm` knows the configuration by.
unchanged() {
    sha1=$(sha1sum <"$conf" 2>/dev/null)
    sha1=${sha1%% *}
    now=$(sha256sum <"$conf" 2>/dev/null)
    [ "${now%% *}" != "$1" ] || return 0
    changed
}

changed() {
    say changed
    finish
}

# show: the configuration as it is now, and its digest.
show() {
    for attempt in 1 2 3; do
        before=$(sha256sum <"$conf" 2>/dev/null)
        text=$(head -c 1048576 -- "$conf" 2>/dev/null | tr -d '\000')
        after=$(sha256sum <"$conf" 2>/dev/null)
        [ -n "$after" ] && [ "$before" = "$after" ] || continue
        say "digest ${after%% *}"
        say "config $text"
        return 0
    done
    fail machines "$conf cannot be read, or changes all the time"
}

# run_qm ARG…: the end of what it says is in `said`. It decodes its arguments by the
# locale, and LVM would complain of the descriptors that it inherits. A tail reads all of
# it, so it goes on where nobody listens any more, and it holds nothing by which the
# connection would seem to be in use.
run_qm() {
    start_ticks 7<&-
    said=$(
        exec 2>/dev/null 3>&-
        {
            LC_ALL=C.UTF-8 LVM_SUPPRESS_FD_WARNINGS=1 qm "$@" 2>&1
            echo "
status $?"
        } | tail -c 4096
    )
    stop_ticks
    status=${said##*"
status "}
    said=${said%"
status "*}
    [ "$status" = 0 ]
}
