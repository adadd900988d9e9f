# main NONCE … OWNED, see `enter`: no other script of this operation follows.
main() {
    enter "$@"
    if reach; then release; fi
    finish
}
