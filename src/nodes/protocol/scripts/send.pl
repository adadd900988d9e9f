# send.pl: writes the data of a file as receive.pl reads it.
#
# arguments: FILE FROM, behind the first FROM bytes of which it begins
# answers:   the pieces, on standard output
# exit codes: 0, or another with a message on standard error
use strict;
use warnings;
use Fcntl;
my ($path, $from) = @ARGV;
my ($block, $read) = (4096, 1 << 18);
my $zeros = "\0" x $read;
# Neither a link nor a pipe in its place is followed or waited for.
sysopen(my $file, $path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) or die "$path: $!\n";
die "$path: it is not a plain file\n" unless -f $file;
my $size = -s $file;
# F_SETPIPE_SZ: a pipe that holds more makes the two ends wait less for each other.
fcntl(STDOUT, 1031, 1 << 20);

sub put {
    my $done = 0;
    while ($done < length $_[0]) {
        my $more = syswrite(STDOUT, $_[0], length($_[0]) - $done, $done);
        die "standard output: $!\n" unless defined $more;
        $done += $more;
    }
}

put(pack('Q>', $from));
my $at = $from;
while ($at < $size) {
    # SEEK_DATA is 3 and SEEK_HOLE is 4; without them everything counts as data.
    my $start = sysseek($file, $at, 3);
    last if !defined $start && $!{ENXIO};
    my $end = $size;
    if (defined $start) {
        $end = sysseek($file, $start, 4) || $size;
        $start -= $start % $block;
        $at = $start if $start > $at;
        $end += $block - $end % $block if $end % $block;
        $end = $size if $end > $size;
    }
    sysseek($file, $at, 0);
    while ($at < $end) {
        my $want = $end - $at < $read ? $end - $at : $read;
        my $got = sysread($file, my $bytes, $want);
        die "$path: ", $! || 'it became shorter', "\n" unless $got;
        put(pack('Q>Q>', $at, $got) . $bytes) if $bytes ne substr($zeros, 0, $got);
        $at += $got;
    }
}
put(pack('Q>Q>', $size, 0));
