# receive.pl: writes what comes on standard input into a file, computes the digest of its
# data meanwhile, and puts it on the disk.
#
# arguments: FILE SIZE PROOF ROOM HASHER
#              FILE    what it is called in messages; it is open on descriptor 8
#              SIZE    its length in the end; empty for what the stream says
#              PROOF   inline: what arrives is hashed; readback: each piece is read back
#                      from the file once it is written
#              ROOM    so many bytes may be written; empty for any number
#              HASHER  a command that gets what the digest of the data is made from, as it
#                      comes; empty for none
# standard input: numbers of 8 bytes, the highest first. How much of the file is there
#            already: what is behind that is dropped. Then pieces in the order of the file,
#            each with its offset and its length before it; one of no length stands at the
#            end of the file and is the last. Between pieces are zeros. Pieces begin at
#            multiples of 4096. What follows the last one is not read.
# answers:   what HASHER writes, on standard output; on descriptor 3 `began` once the file
#            ends where the stream begins, and `tick` every five seconds while nothing is
#            read for other reasons than that nothing comes
# exit codes: 0; 9 where the input ended early; 10 where the mode cannot be set, 11 where it
#            cannot be written out, another for everything else, with a message on standard
#            error
use strict;
my ($path, $size, $proof, $room, $hasher) = @ARGV;
my ($block, $most, $often) = (4096, 1 << 20, 1 << 24);
open(my $file, '+<&=:raw', 8) or die "$path: $!\n";
open(my $answer, '>&=', 3) or die "$path: $!\n";
$SIG{PIPE} = 'IGNORE';
# F_SETPIPE_SZ: a pipe that holds more makes the two ends wait less for each other. Fails
# where it is a socket, or the user may have no more.
fcntl(STDIN, 1031, $most);
# What `die` exits with where nothing else went wrong.
$! = 0;
my $hash;
if ($hasher) {
    open($hash, '|-', split(/ /, $hasher)) or die "$hasher: $!\n";
    fcntl($hash, 1031, $most);
}

sub give_up {
    my ($code, $message) = @_;
    print STDERR "$path: $message\n" if $message;
    exit $code;
}

# Of a reference: a copy of each piece would cost as much as writing it.
sub put {
    my ($to, $bytes, $from, $length) = @_;
    while ($length) {
        my $more = syswrite($to, $$bytes, $length, $from);
        die "$path: $!\n" unless defined $more;
        $from += $more;
        $length -= $more;
    }
}

# The digest: what is hashed is said in `io/hash/data.rs`. Pieces that touch are one run of
# data; blocks of zeros are none, also where they are sent.
my ($run, $end) = (0, 0);

sub end_run {
    return unless $end > $run;
    my $trailer = pack('Q>Q>', $run, $end - $run);
    put($hash, \$trailer, 0, 16);
}

sub data {
    my ($bytes, $from, $length, $at) = @_;
    if ($at != $end) { end_run(); $run = $at }
    $end = $at + $length;
    put($hash, $bytes, $from, $length);
}

sub digest {
    my ($bytes, $at) = @_;
    my $length = length $$bytes;
    # Most pieces have no block of zeros: that is seen at once.
    my $first = index($$bytes, "\0" x 4096);
    my $short = $length % $block;
    if ($first < 0 && !$short) { return data($bytes, 0, $length, $at) }
    my $from = -1;
    for (my $in = 0; $in < $length; $in += $block) {
        my $here = $length - $in < $block ? $length - $in : $block;
        if (substr($$bytes, $in, $here) =~ /[^\0]/) {
            $from = $in if $from < 0;
            next;
        }
        data($bytes, $from, $in - $from, $at + $from) if $from >= 0;
        $from = -1;
    }
    data($bytes, $from, $length - $from, $at + $from) if $from >= 0;
}

# ticking: says that something is done until the process that it gives is killed.
sub ticking {
    my $parent = $$;
    my $pid = fork;
    return $pid if $pid || !defined $pid;
    # What somebody waits for the end of must not be held by a process that stays.
    close($hash) if $hash;
    close(STDIN);
    close(STDOUT);
    close(STDERR);
    while (1) {
        sleep 5;
        exit unless getppid() == $parent && syswrite($answer, "tick\0");
    }
}

sub no_more_ticks {
    my ($pid) = @_;
    return unless $pid;
    kill('KILL', $pid);
    waitpid($pid, 0);
}

# What is written goes to the disk while more comes, by another process: this one would
# have to wait. It has the file open anew, so that errors are told to both of them.
require IO::Handle;
my ($written, $due, $syncer) = (0);

sub write_out {
    $written = 0;
    if (!defined $syncer) {
        pipe(my $asked, $due) or return;
        my $parent = $$;
        $syncer = fork;
        if (defined $syncer && !$syncer) {
            close(STDIN);
            close($due);
            close($hash) if $hash;
            open(my $anew, '+<', "/proc/$parent/fd/8") or exit 0;
            while (sysread($asked, my $times, 4096)) { $anew->sync or exit 1 }
            exit 0;
        }
        close($asked);
        $syncer ||= 0;
    }
    syswrite($due, '.') if $syncer;
}

# At first the beginning that is there already.
my $bytes = '';

sub number {
    my ($count) = @_;
    $bytes = '';
    while (length $bytes < 8 * $count) {
        sysread(STDIN, $bytes, 8 * $count - length $bytes, length $bytes) or exit 9;
    }
    return unpack('Q>' x $count, $bytes);
}

my ($from) = number(1);
die "$path: expected a beginning of whole blocks\n" if $from % $block;
truncate($file, $from) or die "$path: $!\n";
syswrite($answer, "began\0");
if ($from && $hash) {
    my ($ticks, $at) = (ticking(), 0);
    while ($at < $from) {
        # SEEK_DATA is 3, SEEK_HOLE is 4, and ENXIO, that there is no more data, is 6.
        # Where holes are not known everything is read.
        my $start = sysseek($file, $at, 3);
        last if !defined $start && $! == 6;
        my $stop = defined $start ? sysseek($file, $start, 4) : $from;
        $start = defined $start ? $start - $start % $block : $at;
        $at = $start if $start > $at;
        $stop = $from if !defined $stop || $stop > $from;
        $stop += $block - $stop % $block if $stop % $block;
        sysseek($file, $at, 0);
        while ($at < $stop) {
            $bytes = '';
            my $want = $stop - $at < $most ? $stop - $at : $most;
            while (length $bytes < $want) {
                my $more = sysread($file, $bytes, $want - length $bytes, length $bytes);
                die "$path: ", $! || 'it became shorter', "\n" unless $more;
            }
            digest(\$bytes, $at);
            $at += $want;
        }
    }
    no_more_ticks($ticks);
}

my ($next, $back) = ($from, '');
while (1) {
    my ($at, $left) = number(2);
    if (!$left) {
        $size = $at if $size eq '';
        last;
    }
    die "$path: expected pieces of whole blocks in their order\n" if $at % $block || $at < $next;
    die "$path: a piece behind its end\n" if $at + $left > ($size eq '' ? 1 << 60 : $size);
    $next = $at + $left;
    sysseek($file, $at, 0);
    while ($left) {
        my ($want, $have, $more) = ($left < $most ? $left : $most, 0);
        while ($have < $want) {
            $more = sysread(STDIN, $bytes, $want - $have, $have) or last;
            $have += $more;
        }
        if ($room ne '' && ($room -= $have) < 0) { die "$path: No space left on device\n" }
        put($file, \$bytes, 0, $have) if $have;
        exit 9 unless $more;
        if ($hash && $proof eq 'readback') {
            sysseek($file, $at, 0);
            my $read = 0;
            while ($read < $have) {
                $more = sysread($file, $back, $have - $read, $read);
                die "$path: ", $! || 'it became shorter', "\n" unless $more;
                $read += $more;
            }
            digest(\$back, $at);
        } elsif ($hash) {
            digest(\$bytes, $at);
        }
        $at += $have;
        $left -= $have;
        $written += $have;
        write_out() if $written >= $often;
    }
}
if ($hash) {
    end_run();
    my $trailer = pack('Q>', $size);
    put($hash, \$trailer, 0, 8);
}
truncate($file, $size) or die "$path: $!\n";
# Where modes cannot be set it has one that can be read, or none that matters.
chmod(0644, $file) || -r $file || give_up(10, $!);
close($due) if $due;
my $ticks = ticking();
$file->sync or give_up(11, $!);
if ($syncer) {
    waitpid($syncer, 0);
    give_up(11, 'Input/output error') if $?;
}
no_more_ticks($ticks);
close($hash) || die "$hasher failed\n" if $hash;
