# data.pl: writes what the digest of a file's data is the SHA-256 of; holes are not read.
# `io/hash/data.rs` says what that is.
#
# arguments: FILE LIMIT, of which the first LIMIT bytes count
# answers:   those bytes, on standard output
# exit codes: 0, or another with a message on standard error
use strict;
use warnings;
use Fcntl;
my ($path, $limit) = @ARGV;
my ($block, $read) = (4096, 1 << 20);
my $zeros = "\0" x $block;
# Neither a link nor a pipe in its place is followed or waited for.
sysopen(my $file, $path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) or die "$path: $!\n";
die "$path: it is not a plain file\n" unless -f $file;
my $size = -s $file;
# F_SETPIPE_SZ: a pipe that holds more makes the two ends wait less for each other.
fcntl(STDOUT, 1031, $read);
$size = $limit if $limit < $size;

sub put {
    my $done = 0;
    while ($done < length $_[0]) {
        my $more = syswrite(STDOUT, $_[0], length($_[0]) - $done, $done);
        die "$path: $!\n" unless defined $more;
        $done += $more;
    }
}

# Where the run of data began that has not ended.
my $run;

sub end_run {
    return unless defined $run;
    put(pack('Q>Q>', $run, $_[0] - $run));
    undef $run;
}

# SEEK_DATA is 3 and SEEK_HOLE is 4. A file system that knows no holes says so, and
# then everything is read.
sub extent {
    my $start = sysseek($file, $_[0], 3);
    return ($size, $size) if !defined $start && $!{ENXIO};
    return ($_[0], $size) unless defined $start;
    my $end = sysseek($file, $start, 4);
    $end = $size unless defined $end;
    $start -= $start % $block;
    $end += $block - $end % $block if $end % $block;
    return ($start < $_[0] ? $_[0] : $start, $end < $size ? $end : $size);
}

my $at = 0;
while ($at < $size) {
    my ($start, $end) = extent($at);
    $start = $end = $size if $start > $size;
    end_run($at) if $start > $at;
    sysseek($file, $start, 0);
    $at = $start;
    while ($at < $end) {
        my $want = $end - $at < $read ? $end - $at : $read;
        my $bytes = '';
        while (length $bytes < $want) {
            my $more = sysread($file, $bytes, $want - length $bytes, length $bytes);
            die "$path: ", $! || 'it became shorter', "\n" unless $more;
        }
        # Neighbouring blocks with data go out together.
        my $from = -1;
        for (my $in = 0; $in < $want; $in += $block) {
            my $here = substr($bytes, $in, $block);
            if ($here ne $zeros && $here ne substr($zeros, 0, length $here)) {
                $from = $in if $from < 0;
                $run = $at + $in unless defined $run;
                next;
            }
            put(substr($bytes, $from, $in - $from)) if $from >= 0;
            $from = -1;
            end_run($at + $in);
        }
        put(substr($bytes, $from)) if $from >= 0;
        $at += $want;
    }
}
end_run($size);
put(pack('Q>', $size));
