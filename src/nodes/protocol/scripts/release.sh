# release.sh: gives the lease back; no other script of the operation follows.
#
# arguments: those of lease.sh
# answers:   none of its own
# exit codes: as common.sh
main() {
    enter "$@"
    if reach; then release; fi
    finish
}
