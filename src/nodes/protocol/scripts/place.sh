# place.sh: checks what was sent, gives it its final name and records it.
#
# arguments: those of delivery.sh
# answers:   those of delivery.sh; fail with the stage gone
# exit codes: as common.sh
main() {
    enter_delivery "$@"
    hold same
    if ! is_file "$part"; then
        judge
        fail gone "$dir/$parts/$part is not there after rsync ended"
    fi
    pin
    arrive ''
}
