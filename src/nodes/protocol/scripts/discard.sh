# discard.sh: removes what was sent so far, where the disk is full.
#
# arguments: those of lease.sh, and then PART, its name in the private directory
# answers:   free BLOCKS BLOCK  what is free then; fail with the stage space
# exit codes: as common.sh
main() {
    enter "$@"
    shift 10
    hold same
    take
    discard "$1"
    unguard
    space=$(stat -f -c '%a %S' -- . 2>&1) || fail space "$space"
    say "free $space"
    finish
}
