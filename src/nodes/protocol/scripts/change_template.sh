# change_template.sh: gives a template another name, other tags and notes.
#
# arguments: those of machine.sh, and then SHA256 OPTION…
#              SHA256  of the configuration that was looked at
# answers:   digest SHA256, config TEXT  as vm_config.sh
#            those of machine.sh
#            fail with the stage set
# exit codes: as common.sh
main() {
    enter_machine "$@"
    expected=$6
    shift 6
    hold_machines
    present
    unchanged "$expected"
    run_qm set "$vmid" --digest "$sha1" "$@" || {
        case $said in *'detected modified configuration'*) changed ;; esac
        fail set "$said"
    }
    show
    finish
}
