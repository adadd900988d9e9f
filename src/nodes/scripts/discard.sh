# main NONCE … OWNED, see `enter`: removes what was sent so far and says how much
# room there is.
main() {
    enter "$@"
    hold same
    rm -f -- "$part"
    nearest "$dir"
    space=$(stat -f -c '%a %S' -- "$near" 2>&1) || fail space "$space"
    say "free $space"
    finish
}
