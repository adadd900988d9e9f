# main: see `words`.
#
# Checks what was sent, gives it its final name and records it.
main() {
    words "$@"
    hold same
    if ! is_file "$part"; then
        judge
        fail gone "$dir/$parts/$part is not there after rsync ended"
    fi
    pin
    arrive ''
}
