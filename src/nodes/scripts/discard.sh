# main NONCE DIR FILE: removes what was sent so far and says how much room there is.
main() {
    begin "$1"
    rm -f -- "$2/.talos-order.$3.part"
    nearest "$2"
    space=$(stat -f -c '%a %S' -- "$near" 2>&1) || fail space "$space"
    say "free $space"
    finish
}
