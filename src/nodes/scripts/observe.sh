# main NONCE DIR...: what lies in the directories, numbered from 0.
main() {
    begin "$1"
    shift
    number=0
    for dir in "$@"; do
        look "$number" "$dir"
        number=$((number + 1))
    done
    finish
}

look() {
    nearest "$2"
    if space=$(stat -f -c '%a %S' -- "$near" 2>/dev/null); then say "free $1 $space"; fi
    if mount=$(stat -c %m -- "$near" 2>/dev/null); then say "mount $1 $mount"; fi
    [ -d "$2" ] || return 0
    say "present $1"
    message=$(list "$1" "$2" 2>&1) || fail list "$message"
    if [ -f "$2/.talos-order.jsonl" ]; then
        message=$(recall "$1" "$2" 2>&1) || fail recall "$message"
    fi
}

list() {
    find "$2/" -ignore_readdir_race -mindepth 1 -maxdepth 1 -type f ! -name '.*' \
        -printf "file $1 %s %T@ %i %f\\0" >&3
}

# A record of more than 4 MiB would be some 8000 images: not ours any more.
recall() {
    printf 'record %s ' "$1" >&3 &&
        head -c 4194304 -- "$2/.talos-order.jsonl" | tr -d '\000' >&3 &&
        printf '\0' >&3
}
