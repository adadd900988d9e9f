# receive.sh: takes the data of a file in, behind what is there of it, and gives it its
# name.
#
# arguments: those of delivery.sh, and then FROM INLINE
#              FROM    so many bytes are there already
#              INLINE  yes or no: what arrives is hashed before it is written, and is not
#                      read back
# standard input: the stream that receive.pl reads
# answers:   those of delivery.sh; fail with the stages receive and cut, the latter where
#            the stream ended early
# exit codes: as common.sh
main() {
    enter_delivery "$@"
    shift 18
    choose_hasher
    inline=
    [ "$2" = no ] || inline=$hasher
    hold same </dev/null
    is_file "$part" || discard "$part"
    pin </dev/null
    said=$(perl -e "$receive_pl" -- "$dir/$parts/$part" "$size" "$1" "$inline" 2>&1)
    case $? in
    0) ;;
    9) fail cut ;;
    *) fail receive "$said" ;;
    esac
    exec </dev/null
    hold same
    arrive "${said%% *}"
}
