# release.sh: gives the lease back; no other script of the operation follows.
#
# arguments: those of lease.sh
# answers:   those of fence.sh, also for a lease that was lost
# exit codes: as common.sh
main() {
    enter "$@"
    if reach; then
        release
        survey "$top/$epochs"
        read_epoch
        if outranked; then yield; fi
    fi
    finish
}
