# vm_config.sh: the configuration of one virtual machine.
#
# arguments: those of machine.sh
# answers:   digest SHA256  of the configuration, and then
#            config TEXT    the configuration
#            those of machine.sh
# exit codes: as common.sh
main() {
    enter_machine "$@"
    present
    show
    finish
}
