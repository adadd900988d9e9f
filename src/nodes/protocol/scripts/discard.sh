# main NONCE … OWNED, see `enter`, and then PART: removes what was sent so far and says
# how much room there is.
main() {
    enter "$@"
    shift 9
    hold same
    take
    rm -rf -- "$1"
    unguard
    space=$(stat -f -c '%a %S' -- . 2>&1) || fail space "$space"
    say "free $space"
    finish
}
