# receive.pl: writes what comes on standard input into a file.
#
# arguments: FILE SIZE FROM HASHER
#              FILE    what it is called in messages; it is open on descriptor 8
#              SIZE    its length in the end
#              FROM    it has its first FROM bytes already
#              HASHER  a command that gets what the digest of the data is made from, as it
#                      comes; empty for none
# standard input: pieces, each with where it belongs and how long it is before it, 8 bytes
#            each, the highest first, in the order of the file; one of no length is the
#            last. Between them are zeros.
# answers:   what HASHER writes, on standard output
# exit codes: 0; 9 where the input ended early; another with a message on standard error
use strict;
use warnings;
my ($path, $size, $from, $hasher) = @ARGV;
open(my $file, '+<&=:raw', 8) or die "$path: $!\n";
# Also zeros that a part already has behind the place are gone with this.
truncate($file, $from) or die "$path: $!\n";
my $hash;
if ($hasher) {
    open($hash, '|-', split(/ /, $hasher)) or die "$hasher: $!\n";
    # F_SETPIPE_SZ: a pipe that holds more makes the two ends wait less for each other.
    fcntl($hash, 1031, 1 << 20);
}
$SIG{PIPE} = 'IGNORE';

sub put {
    my ($to, $bytes) = @_;
    my $done = 0;
    while ($done < length $$bytes) {
        my $more = syswrite($to, $$bytes, length($$bytes) - $done, $done);
        die "$path: $!\n" unless defined $more;
        $done += $more;
    }
}

# Pieces that touch are one run of data.
my ($run, $end) = (0, 0);

sub end_run {
    return unless $hash && $end > $run;
    my $trailer = pack('Q>Q>', $run, $end - $run);
    put($hash, \$trailer);
}

while (1) {
    my $head = '';
    while (length $head < 16) {
        sysread(STDIN, $head, 16 - length $head, length $head) or exit 9;
    }
    my ($at, $left) = unpack('Q>Q>', $head);
    last unless $left;
    die "$path: a piece behind its end\n" if $at + $left > $size;
    if ($at != $end) { end_run(); $run = $at }
    $end = $at + $left;
    sysseek($file, $at, 0);
    while ($left) {
        my $got = sysread(STDIN, my $bytes, $left < 1 << 20 ? $left : 1 << 20) or exit 9;
        put($file, \$bytes);
        put($hash, \$bytes) if $hash;
        $left -= $got;
    }
}
truncate($file, $size) or die "$path: $!\n";
close($file) or die "$path: $!\n";
if ($hash) {
    end_run();
    my $trailer = pack('Q>', $size);
    put($hash, \$trailer);
    close($hash) or die "$hasher failed\n";
}
