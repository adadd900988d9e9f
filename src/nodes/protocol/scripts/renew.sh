# main NONCE … OWNED, see `enter`: a sign of life between two scripts.
main() {
    enter "$@"
    hold same
    take
    refresh
    keep
    finish
}
