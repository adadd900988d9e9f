# main NONCE … OWNED, see `enter`: no other script of this operation follows.
main() {
    enter "$@"
    release
    finish
}
