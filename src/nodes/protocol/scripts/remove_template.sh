# remove_template.sh: removes a template with its disks.
#
# arguments: those of machine.sh, and then SHA256, of the configuration that was looked at
# answers:   those of machine.sh; `gone` also where it was removed
#            fail with the stage destroy
# exit codes: as common.sh
#
# Disks that its configuration does not name stay: on a storage that another cluster uses
# as well they may belong to a machine of that cluster with the same VMID.
main() {
    enter_machine "$@"
    hold_machines
    present
    unchanged "$6"
    run_qm destroy "$vmid" --purge 1 || fail destroy "$said"
    [ ! -e "$conf" ] || fail destroy "$said"
    say gone
    finish
}
