# renew.sh: renews the lease between two scripts of an operation.
#
# arguments: those of lease.sh
# answers:   those of lease.sh
# exit codes: as common.sh
main() {
    enter "$@"
    hold same
    take
    refresh
    keep
    finish
}
