# lease.sh: the lease of a directory: who may change it, and until when.
#
# arguments: NONCE TTL TOKEN HOLDER EPOCH DIR FILE PATTERN OWNED FENCE, which every script
#            under a lease gets first (`enter` names them)
#              TTL      how long the lease stands without a renewal, in seconds
#              TOKEN    the operation; HOLDER, for whom it is: NODE@INSTANCE OWNER, or
#                       NODE@INSTANCE+FENCE OWNER for the leader of a site
#              EPOCH    what the first script of the operation answered; empty in that one
#              DIR FILE what it is about
#              PATTERN  matches the lines of FILE in the record
#              OWNED    stands in those lines that are ours
#              FENCE    whose leader the controller is, see fence.sh
# answers:   epoch EPOCH          the lease was taken
#            locked UNTIL HOLDER  somebody else has it; nothing was changed
#            fenced UNTIL HOLDER  it was lost; nothing was changed since; both are empty
#                                 where nobody has it
#            those of fence.sh; fail with the stage lock
# exit codes: as common.sh
#
# `.talos-order.lock` holds one line, `UNTIL TOKEN NODE@INSTANCE OWNER`: seconds since
# 1970 by the node's clock, the operation that took it, and for whom. INSTANCE is one
# cache of one controller, which one process at a time can work with. Earlier versions
# wrote NODE alone, and take this for another node's: they wait until it expires. A leader
# takes over at once what an earlier leader of its site left.
#
# It is made in one exclusive step, stands until it is not renewed in time, and is
# nobody's then. An operation runs over several scripts, and what is between two of them
# is covered by the token: the lock has to be there, with this token, whenever something
# is renamed, removed or recorded, and that is looked at in the same step (`take`). Whoever
# does not find it is fenced: it changes nothing any more, and makes no new lock. It cannot
# know what happened while it was away.
#
# `.talos-order.epoch` holds `EPOCH`, a number that each new lease raises, and an
# operation ends with its epoch as well. Behind the number are the epochs of leaders, see
# fence.sh. They are looked at wherever the lease is, in the same step and first: a leader
# that another one followed changes nothing, and the epoch of a new one is noted before it
# changes anything else, also while somebody else has the lease.

lock=.talos-order.lock epochs=.talos-order.epoch

# enter NONCE … FENCE: begins, and names the arguments.
enter() {
    begin "$1"
    ttl=$2 token=$3 holder=$4 epoch=$5 dir=$6 file=$7 pattern=$8 owned=$9
    fence=${10}
    placing="^{\"placing\"${pattern#'^{"name"'}"
}

# hold fresh|same: takes the lease for a new operation, or goes on in one. The same
# holder may begin anew at once: what it left behind was its own, and it is gone.
hold() {
    if ! reach; then
        [ "$1" = fresh ] || lost
        fail lock "$dir cannot be entered"
    fi
    final=$file
    guard
    if [ "$1" = fresh ]; then
        claim
        say "epoch $epoch"
    else
        confirm || lost
        inside
        promote
    fi
    held=$lock
    unguard
    final=$top/$file
}

# take: begins a step in which the lease is ours. `unguard` ends it, or the script does.
take() {
    guard
    confirm || lost
    promote
}

# lost: another's work goes on in the directory, or went on meanwhile.
lost() {
    held=
    if outranked; then yield; fi
    # A lock of its own under another epoch says nothing of who has it.
    [ "$by" != "$token" ] || until= who=
    say "fenced $until $who"
    finish
}

# The lease outlives this script: another one of the same operation follows.
keep() { held=; }

claim() {
    for attempt in 1 2 3; do
        now=$(date +%s)
        survey_lease
        read_epoch
        if outranked; then
            held=
            yield
        fi
        if outranks; then
            inside
            promote
            survey_lease
        fi
        read_lock
        if [ "$kind" != none ] && [ -z "$until" ]; then
            own "$top/$lock"
            survey_lease
            read_lock
        fi
        # Further ahead than any lease is made is a clock's mistake.
        if [ -n "$lease$until" ] && [ "$by" != "$token" ] && ! succeeds &&
            [ "$until" -gt "$now" ] && [ "$until" -le $((now + ttl + 3600)) ]; then
            held=
            say "locked $until $who"
            finish
        fi
        inside
        # Taken away in one move, of which only one can succeed. Where nothing guards,
        # what was moved may be a new lease: that is put back.
        if [ -n "$until" ]; then
            mv -f -T -- "$top/$lock" "lock.old.$token" 2>/dev/null || continue
            peek "lock.old.$token"
            [ "$first" = "$lease" ] || mv -n -T -- "lock.old.$token" "$top/$lock"
            rm -f -- "lock.old.$token"
        fi
        # Not by redirecting to it: that would follow what somebody put there.
        message=$(printf '%s\n' "$((now + ttl)) $token $holder" |
            dd "of=$top/$lock" conv=excl oflag=nofollow 2>&1) || continue
        held=$lock
        raise
        return 0
    done
    fail lock "$dir/$lock: $message"
}

# succeeds: the lease is of the same holder, or of an earlier leader of the site, which
# changes nothing any more.
succeeds() {
    [ "$who" != "$holder" ] || return 0
    [ -n "$term" ] || return 1
    earlier=${who%% *}
    case $earlier in
    *"+$scope:"*) earlier=${earlier##*:} ;;
    *) return 1 ;;
    esac
    case $earlier in
    '' | *[!0-9]* | ???????????????????*) return 1 ;;
    esac
    [ "$earlier" -lt "$term" ]
}

# confirm: the lease is this operation's, and no later leader was here. One that expired
# and that nobody took is.
confirm() {
    survey_lease
    read_epoch
    read_lock
    if outranked; then return 1; fi
    [ "$by" = "$token" ] || return 1
    [ -z "$epoch" ] || [ "$count" = "$epoch" ]
}

# A lease that is not extended expires sooner: that is no reason to end, on a full disk
# of all places.
refresh() {
    printf '%s\n' "$(($(date +%s) + ttl)) $token $holder" >"lock.new.$token" &&
        mv -f -T -- "lock.new.$token" "$top/$lock" ||
        rm -f -- "lock.new.$token"
} 2>/dev/null

# What the functions below and `inside` read.
survey_lease() { survey "$top/$lock" "$top/$epochs" "$top" "$top/$parts"; }

# What is not a lease is one that somebody is making, or a crash left half made.
read_lock() {
    lease= until= by= who=
    pick "$top/$lock"
    [ "$kind" = file ] && is_trusted || return 0
    peek "$top/$lock"
    lease=$first
    until=${lease%% *} others=${lease#* }
    by=${others%% *} who=${others#* }
    case $until in
    '' | *[!0-9]* | ????????????*)
        until=$((changed + ttl)) by= who='? somebody unknown'
        # Whoever makes one holds the directory meanwhile: one that is empty now, or
        # zeros, is what a crash left, and nobody's.
        if [ -z "$lease" ] && has flock; then until=0; fi
        ;;
    esac
}

read_epoch() {
    count= more=
    pick "$top/$epochs"
    if [ "$kind" = file ] && is_trusted; then
        peek "$top/$epochs"
        count=${first%% *} more=${first#"${first%% *}"}
        case $count in
        '' | 0* | *[!0-9]* | ????????????????*) count= more= ;;
        esac
    fi
    weigh "$more"
}

# raise: a new epoch. Where the file was lost it goes on from the time in seconds, which
# is ahead of any count of leases: an epoch that was given is not given again. The file is
# looked at behind the new lock: where nothing guards, another lease may have come and gone
# since the survey.
raise() {
    survey "$top/$epochs"
    read_epoch
    if outranked; then yield; fi
    if outranks; then more="$kept $fence"; fi
    epoch=$((${count:-$now} + 1))
    note "$epoch$more"
}

# promote: the epoch of a new leader is noted, and the number stays. Nothing else has
# happened in the directory by then.
promote() {
    outranks || return 0
    note "${count:-$(date +%s)}$kept $fence"
    settle
    known=$term
}

# note LINE: the file holds this line, and its number was read before.
note() {
    [ -n "$count" ] || own "$top/$epochs"
    message=$({
        printf '%s\n' "$1" >"epoch.new.$token" &&
            sync -- "epoch.new.$token" &&
            mv -f -T -- "epoch.new.$token" "$top/$epochs"
    } 2>&1) || fail lock "$message"
}

release() {
    held=
    [ -n "$reached" ] || return 0
    guard
    survey_lease
    read_lock
    if [ "$by" = "$token" ]; then
        if [ "$top" = .. ]; then
            rm -f -- *".$token" "$top/$lock"
            cd -P ..
        else
            rm -f -- "$top/$lock"
        fi
        top=.
        # Not if there is something in it.
        for entry in "./$parts"/*; do
            [ -e "$entry" ] || rmdir -- "./$parts" 2>/dev/null
            break
        done
    fi
    unguard
}
