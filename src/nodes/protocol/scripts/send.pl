# send.pl: writes the data of a file as receive.pl reads it, also while the file grows.
#
# arguments: FILE FROM, behind the first FROM bytes of which it begins; or
#            PART follow FINAL COMMAND…
#              PART     a file that receive.pl writes to
#              FINAL    the name that it gets when it is whole
#              COMMAND  takes the stream on its standard input; where it ends, this does,
#                       which a pipe would tell only when there is more to write
# standard input: nothing; or lines, `from N` at first, and `size N` once the length of the
#            whole is known. What follows is passed on behind the data, up to a line that
#            begins with `sealed`.
# answers:   FROM and the pieces, on standard output; or what COMMAND answers
# exit codes: 0; 9 where standard input ended early; or another with a message on standard
#            error
use strict;
use warnings;
use Fcntl;
my ($path, $from, $final, @command) = @ARGV;
my ($block, $read, $pause) = (4096, 1 << 18, 0.03);
my $zeros = "\0" x $read;
my $out = \*STDOUT;
if (@command) {
    open($out, '|-', @command) or die "$command[0]: $!\n";
    $SIG{CHLD} = sub { exit 9 };
}
# F_SETPIPE_SZ: a pipe that holds more makes the two ends wait less for each other.
fcntl($out, 1031, 1 << 20);

sub put {
    my $done = 0;
    while ($done < length $_[0]) {
        my $more = syswrite($out, $_[0], length($_[0]) - $done, $done);
        die "standard output: $!\n" unless defined $more;
        $done += $more;
    }
}

# hear SECONDS: takes what comes on standard input within that time.
my $heard = '';

sub hear {
    my ($seconds) = @_;
    my $which = '';
    vec($which, fileno(STDIN), 1) = 1;
    return unless select($which, undef, undef, $seconds) > 0;
    sysread(STDIN, $heard, 4096, length $heard) or exit 9;
}

if ($from eq 'follow') {
    hear(undef) until $heard =~ s/^from (\d+)\n//;
    $from = $1;
} else {
    undef $final;
}
# Neither a link nor a pipe in its place is followed or waited for.
my $how = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
my $file;
sysopen($file, $path, $how)
    or defined $final && sysopen($file, $path = $final, $how)
    or die "$path: $!\n";
die "$path: it is not a plain file\n" unless -f $file;

my $at = $from;
my $bytes = '';

# data SIZE: what is between where it is and there.
sub data {
    my ($size) = @_;
    while ($at < $size) {
        # SEEK_DATA is 3, SEEK_HOLE is 4, and ENXIO, that there is no more data, is 6.
        # Without them everything counts as data.
        my $start = sysseek($file, $at, 3);
        last if !defined $start && $! == 6;
        my $end = $size;
        if (defined $start) {
            last if $start >= $size;
            $end = sysseek($file, $start, 4) || $size;
            $start -= $start % $block;
            $at = $start if $start > $at;
            $end += $block - $end % $block if $end % $block;
            $end = $size if $end > $size;
        }
        sysseek($file, $at, 0);
        while ($at < $end) {
            my $want = $end - $at < $read ? $end - $at : $read;
            my $got = sysread($file, $bytes, $want);
            die "$path: ", $! || 'it became shorter', "\n" unless $got;
            put(pack('Q>Q>', $at, $got) . $bytes) if $bytes ne substr($zeros, 0, $got);
            $at += $got;
        }
    }
    $at = $size;
}

put(pack('Q>', $from));
if (!defined $final) {
    my $size = -s $file;
    data($size) if $size > $at;
    put(pack('Q>Q>', $size, 0));
    exit;
}
# It is written in its order, so everything below its end is as it stays, but for a block
# that is not complete. It gets its full length last.
my $size;
while (1) {
    $size = $1 if !defined $size && $heard =~ s/^size (\d+)\n//;
    my $there = -s $file;
    die "$path: it is longer than expected\n" if defined $size && $there > $size;
    $there -= $there % $block unless defined $size && $there == $size;
    if ($there > $at) { data($there) }
    last if defined $size && $at >= $size;
    hear($pause);
}
put(pack('Q>Q>', $size, 0));
until ($heard =~ /^sealed.*\n/m) { hear(undef) }
put($heard);
$SIG{CHLD} = 'DEFAULT';
close($out) or exit 9;
