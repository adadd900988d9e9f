# main: see `words`, and then FROM INLINE; standard input is the stream.
#
# Takes the data of a file in behind the first FROM bytes of what is there, and gives
# it its name. With INLINE what arrives is hashed on its way to the disk, and not read
# back.
main() {
    words "$@"
    shift 18
    choose_hasher
    inline=
    [ "$2" = no ] || inline=$hasher
    hold same </dev/null
    is_file "$part" || rm -rf -- "$part"
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
