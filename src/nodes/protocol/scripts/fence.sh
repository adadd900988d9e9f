# fence.sh: the epochs of the leaders that changed something on a node.
#
# arguments: none; functions for the scripts that change something. They read `fence`:
#              HASH/SITE:EPOCH  the site that the controller leads, and its epoch. HASH is
#                               the beginning, 8 hex digits, of the SHA-256 of the owner.
#              HASH/            the controller does not share its nodes with others
# answers:   fenced-by EPOCH  a later leader of the site was here; nothing was changed
#            of-fleet SITE    leaders of a site have this owner; nothing was changed
# exit codes: as common.sh
#
# They are kept as words in a line, behind a number and a space: `HASH/SITE:EPOCH`, one for
# each site of each owner. A word only ever gets a higher epoch. Every other word stays.

# weigh WORDS: what they say of the controller. Afterwards `known` is the highest epoch of
# its site, `kept` are the other words, each behind a space, and `fleet` is a site that has
# leaders while the controller has none.
weigh() {
    scope=${fence%:*} term=
    [ "$scope" = "$fence" ] || term=${fence##*:}
    kept= known= fleet= rest=$1
    while [ -n "$rest" ]; do
        word=${rest%% *}
        rest=${rest#"$word"}
        rest=${rest# }
        case $word in
        '') ;;
        "$scope":*) weigh_own "${word##*:}" ;;
        *)
            kept="$kept $word"
            [ -n "$term" ] || weigh_other "$word"
            ;;
        esac
    done
}

# What is no number, or has more digits than an epoch of a controller, says nothing.
weigh_own() {
    case $1 in
    '' | *[!0-9]* | ??????????????????*) ;;
    *) if [ -z "$known" ] || [ "$known" -lt "$1" ]; then known=$1; fi ;;
    esac
}

weigh_other() {
    case $1 in
    "$scope"?*:*)
        fleet=${1#"$scope"}
        fleet=${fleet%:*}
        ;;
    esac
}

# outranked: a later leader was here, or leaders while this controller has none.
outranked() {
    [ -z "$fleet" ] || return 0
    [ -n "$term" ] && [ -n "$known" ] && [ "$known" -gt "$term" ]
}

# outranks: the epoch is higher than the one that is kept, which has to be raised first.
outranks() {
    [ -n "$term" ] && { [ -z "$known" ] || [ "$known" -lt "$term" ]; }
}

# yield: says why nothing is changed, and ends the script.
yield() {
    if [ -n "$fleet" ]; then say "of-fleet $fleet"; else say "fenced-by $known"; fi
    finish
}
