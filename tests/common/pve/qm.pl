#!/usr/bin/perl
# A stand-in for Proxmox VE's `qm`, for tests: create, set, template and destroy.
#
# It stands in ROOT/bin and knows nothing outside ROOT: configurations are in
# ROOT/etc/pve/nodes/*/qemu-server, volumes in ROOT/volumes/STORAGE. Written after
# qemu-server 9 (PVE/API2/Qemu.pm, PVE/QemuServer.pm, PVE/CLI/qm.pm): it refuses what that
# refuses, with its words, and writes what that writes, in the same order.
#
# Where a test made a fifo ROOT/gate/POINT, it makes ROOT/gate/POINT.at and waits for
# somebody to open the fifo. Every call is noted in ROOT/qm.log, its words divided by tabs.
use strict;
use warnings;
use Cwd qw(abs_path);
use Digest::SHA qw(sha1_hex);
use Encode qw(decode encode);
use Fcntl qw(:flock);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use POSIX qw(uname);

my $root = dirname(dirname(abs_path($0)));
my $node = (uname())[1];
$node =~ s/\..*//;
my $nodes = "$root/etc/pve/nodes";

# --- options, as PVE::JSONSchema::get_options reads them ---

my $bool = sub { $_[0] =~ /^(?:0|1|on|off|yes|no|true|false)$/i ? undef : 'type check failed' };
my $any = sub { undef };
sub number { my ($min, $max) = @_; sub {
    return "type check ('integer') failed - got '$_[0]'" if $_[0] !~ /^-?[0-9]+$/;
    return "value must have a minimum value of $min" if $_[0] < $min;
    return "value must have a maximum value of $max" if defined $max && $_[0] > $max;
    undef } }
sub one_of { my %known = map { $_ => 1 } @_; sub {
    $known{$_[0]} ? undef : "value '$_[0]' does not have a value in the enumeration" } }
sub like { my ($re) = @_; sub { $_[0] =~ $re ? undef : 'value does not match the regex pattern' } }

# A property string: values with their keys, of which one may stand without.
sub properties { my ($default, %known) = @_; sub {
    my %seen;
    for my $part (split /,/, $_[0], -1) {
        my ($key, $value) = $part =~ /^([^=]+)=(.+)$/ ? ($1, $2) : ($default, $part);
        return 'invalid format - value without key, but schema does not define a default key'
            if !defined $key;
        return "invalid format - duplicate key in comma-separated list property: $key"
            if $seen{$key}++;
        return "invalid format - format error\n$key: property is not defined in schema and the"
            . ' schema does not allow additional properties' if !$known{$key};
        my $why = $known{$key}->($value);
        return "invalid format - format error\n$key: $why" if $why;
    }
    return "invalid format - format error\n$default: property is missing and it is not optional"
        if defined $default && $default eq 'file' && !$seen{file};
    undef } }

my %drive = (file => $any, backup => $bool, cache => one_of(qw(none writethrough writeback unsafe directsync)),
    discard => one_of(qw(ignore on)), format => one_of(qw(raw qcow qed qcow2 vmdk cloop)),
    'import-from' => like(qr{^(?:/|[a-zA-Z][\w.-]*:)}), aio => one_of(qw(native threads io_uring)),
    media => one_of(qw(cdrom disk)), replicate => $bool, serial => $any, shared => $bool,
    size => like(qr/^\d+[KMGT]?$/), snapshot => $bool);
my %disk_of = (
    ide => properties('file', %drive, ssd => $bool, model => $any),
    sata => properties('file', %drive, ssd => $bool),
    scsi => properties('file', %drive, ssd => $bool, iothread => $bool, queues => number(2),
        ro => $bool, scsiblock => $bool),
    virtio => properties('file', %drive, iothread => $bool, ro => $bool),
    efidisk => properties('file', file => $any, format => $drive{format}, size => $drive{size},
        'import-from' => $drive{'import-from'}, efitype => one_of(qw(2m 4m)),
        'pre-enrolled-keys' => $bool),
    tpmstate => properties('file', file => $any, size => $drive{size},
        'import-from' => $drive{'import-from'}, version => one_of('v1.2', 'v2.0')));
my $nic_models = join '|', qw(e1000 e1000e i82551 ne2k_pci pcnet rtl8139 virtio vmxnet3);
my %nic = (bridge => like(qr/^[-_.\w\d]+$/), firewall => $bool, link_down => $bool,
    macaddr => like(qr/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i), model => like(qr/^(?:$nic_models)$/),
    mtu => number(1, 65520), queues => number(0, 64), rate => $any, tag => number(1, 4094),
    trunks => $any);
$nic{$_} = $nic{macaddr} for split /\|/, $nic_models;

my %schema = (
    (map { $_ => $bool } qw(acpi kvm localtime numa onboot protection reboot tablet tdf template
        freeze autostart ciupgrade keephugepages)),
    (map { $_ => $any } qw(affinity args audio0 bootdisk cicustom cipassword ciuser cpulimit
        hookscript hotplug ivshmem keyboard migrate_downtime migrate_speed nameserver
        searchdomain shares smbios1 spice_enhancements sshkeys startdate startup vmgenid
        vmstatestorage watchdog amd-sev lock)),
    agent => properties('enabled', enabled => $bool, fstrim_cloned_disks => $bool,
        'freeze-fs-on-backup' => $bool, type => one_of(qw(virtio isa))),
    arch => one_of(qw(x86_64 aarch64)),
    balloon => number(0),
    bios => one_of(qw(seabios ovmf)),
    boot => properties('legacy', legacy => like(qr/^[acdn]{1,4}$/), order => $any),
    citype => one_of(qw(configdrive2 nocloud opennebula)),
    cores => number(1), sockets => number(1), vcpus => number(1),
    cpu => properties('cputype', cputype => like(qr/^[\w.-]+$/), flags => $any, hidden => $bool),
    cpuunits => number(1, 262144),
    description => sub { length(decode('UTF-8', $_[0])) > 8192
        ? 'value may only be 8192 characters long' : undef },
    hugepages => one_of(qw(any 2 1024)),
    machine => properties('type', type => like(qr/^(?:pc|q35|virt|pc-i440fx-.+|pc-q35-.+)$/),
        viommu => one_of(qw(intel virtio))),
    memory => properties('current', current => number(16)),
    name => sub { $_[0] =~ /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/i
        ? undef : 'invalid format - value does not look like a valid DNS name' },
    ostype => one_of(qw(other wxp w2k w2k3 w2k8 wvista win7 win8 win10 win11 l24 l26 solaris)),
    rng0 => properties('source', source => one_of(qw(/dev/urandom /dev/random /dev/hwrng)),
        max_bytes => number(0), period => number(0)),
    scsihw => one_of(qw(lsi lsi53c810 virtio-scsi-pci virtio-scsi-single megasas pvscsi)),
    tags => sub {
        for my $tag (split /[;, ]/, $_[0]) {
            next if $tag eq '' || $tag =~ /^[a-z0-9_][a-z0-9_\-+.]*$/i;
            return 'invalid format - invalid characters in tag';
        }
        undef },
    vga => properties('type', type => one_of(qw(cirrus qxl qxl2 qxl3 qxl4 none serial0 serial1
        serial2 serial3 std virtio virtio-gl vmware)), memory => number(4, 512), clipboard => $any),
    efidisk0 => $disk_of{efidisk}, tpmstate0 => $disk_of{tpmstate},
    (map { ("ide$_" => $disk_of{ide}) } 0 .. 3), (map { ("sata$_" => $disk_of{sata}) } 0 .. 5),
    (map { ("scsi$_" => $disk_of{scsi}) } 0 .. 30), (map { ("virtio$_" => $disk_of{virtio}) } 0 .. 15),
    (map { ("net$_" => properties('model', %nic)) } 0 .. 31),
    (map { ("ipconfig$_" => $any) } 0 .. 31),
    (map { ("serial$_" => like(qr{^(?:/dev/.+|socket)$})) } 0 .. 3),
);
my $sha1 = like(qr/^[0-9a-f]{1,40}$/);
my %more = (
    create => { archive => $any, bwlimit => number(0), force => $bool, 'ha-managed' => $bool,
        'live-restore' => $bool, pool => $any, start => $bool, storage => $any, unique => $bool,
        'import-working-storage' => $any },
    set => { delete => $any, digest => $sha1, force => $bool, revert => $any, skiplock => $bool },
    template => { disk => $any },
    destroy => { purge => $bool, skiplock => $bool, 'destroy-unreferenced-disks' => $bool },
);

sub fail { print STDERR @_; exit 255 }

my $command = shift // fail("ERROR: no command specified\n");
fail("ERROR: unknown command 'qm $command'\n") if !$more{$command};
my $usage = "qm $command <vmid>" . ($command eq 'template' ? '' : ' [OPTIONS]') . "\n";
{
    make_path($root);
    open my $log, '>>', "$root/qm.log" or die;
    print $log join("\t", $command, map { s/\n/\\n/gr } @ARGV), "\n";
}
fail("please run as root\n") if -e "$root/not-root";

my %known = (%{ $more{$command} }, $command =~ /^(?:create|set)$/ ? %schema : ());
my (%param, @rest);
while (@ARGV) {
    my $word = shift @ARGV;
    if ($word !~ /^--?([^=]+)(?:=(.*))?$/s) { push @rest, $word; next }
    my ($key, $value) = ($1, $2);
    fail("Unknown option: $key\n400 unable to parse option\n$usage") if !$known{$key};
    if (!defined $value) {
        if ($known{$key} == $bool) {
            $value = @ARGV && !$bool->($ARGV[0]) ? shift @ARGV : 1;
        } else {
            fail("Option $key requires an argument\n400 unable to parse option\n$usage") if !@ARGV;
            $value = shift @ARGV;
        }
    }
    fail("400 unable to parse option\n$key given twice\n$usage") if exists $param{$key};
    # Arguments are decoded by the locale: what it does not know is lost.
    $value =~ s/[\x80-\xff]/\xef\xbf\xbd/g if ($ENV{LC_ALL} // '') !~ /UTF-8/i;
    $param{$key} = $value;
}
my $vmid = shift @rest // fail("400 not enough arguments\n$usage");
fail("400 too many arguments\n$usage") if @rest;
my @wrong = $vmid =~ /^[1-9][0-9]{2,8}$/ ? () : ("vmid: invalid format - value does not look like a valid VM ID\n");
for my $key (sort keys %param) {
    my $why = $known{$key}->($param{$key});
    push @wrong, "$key: $why\n" if $why;
}
fail("400 Parameter verification failed.\n", @wrong, $usage) if @wrong;

# --- configurations ---

my $conf_path = "$nodes/$node/qemu-server/$vmid.conf";

sub slurp { my ($path) = @_; open my $file, '<', $path or return; local $/; scalar <$file> }

# The configuration file system replaces whole files.
sub spew { my ($path, $text) = @_;
    open my $file, '>', "$path.tmp.$$" or die "unable to open file '$path' - $!\n";
    print $file $text; close $file or die;
    rename "$path.tmp.$$", $path or die;
    relist() }

sub relist {
    my %ids;
    for my $path (glob("$nodes/*/{qemu-server,lxc}/*.conf")) {
        my ($host, $kind, $id) = $path =~ m{([^/]+)/([^/]+)/(\d+)\.conf$} or next;
        $ids{$id} = sprintf '"%s": { "node": "%s", "type": "%s", "version": %d }', $id, $host,
            $kind eq 'lxc' ? 'lxc' : 'qemu', 1;
    }
    my $list = "$root/etc/pve/.vmlist";
    my ($version) = (slurp($list) // '') =~ /"version": (\d+),\n/;
    open my $file, '>', "$list.tmp.$$" or die;
    print $file "{\n\"version\": ", ($version // 0) + 1, ",\n\"ids\": {\n",
        join(",\n", map { $ids{$_} } sort keys %ids), "}\n\n}\n";
    close $file or die;
    rename "$list.tmp.$$", $list or die }

sub encode_text { $_[0] =~ s/([^\x20-\x24\x26-\x39\x3b-\x7e])/sprintf '%%%02X', ord $1/ger }
sub decode_text { $_[0] =~ s/%([0-9a-fA-F]{2})/chr hex $1/ger }

sub load {
    my $raw = slurp($conf_path)
        // fail("Configuration file 'nodes/$node/qemu-server/$vmid.conf' does not exist\n");
    my ($main, $sections) = $raw =~ /^\[/m ? ($`, "\n$&$'") : ($raw, '');
    my (%conf, $notes);
    for (split /\n/, $main) {
        if (/^#(.*)$/) { $notes .= decode_text($1) . "\n" }
        elsif (/^([a-z][a-z_-]*\d*):\s*(.+?)\s*$/) { $conf{$1} = $2 }
    }
    if (defined $notes) { $notes =~ s/\s+$//; $conf{description} = $notes }
    # What an earlier call left pending is written anew by the next.
    $sections =~ s/^\n\[PENDING\]\n.*?(?=\n\[|\z)//s;
    return (\%conf, $sections, sha1_hex($raw)) }

sub raw { my ($conf, $pending) = @_;
    my $text = '';
    $text .= join '', map { '#' . encode_text($_) . "\n" } split /\n/, $conf->{description}
        if ($conf->{description} // '') ne '';
    $text .= "$_: $conf->{$_}\n" for grep { $_ ne 'description' } sort keys %$conf;
    $text }

sub store { my ($conf, $sections, $pending) = @_;
    my $text = raw($conf);
    $text .= "\n[PENDING]\n" . raw($pending) if $pending;
    spew($conf_path, $text . ($sections // '')) }

# Another task has the machine.
sub locked(&) { my ($code) = @_;
    make_path("$root/var/lock/qemu-server");
    my $path = "$root/var/lock/qemu-server/lock-$vmid.conf";
    open my $lock, '>>', $path or die;
    my $tries = 0;
    until (flock $lock, LOCK_EX | LOCK_NB) {
        fail("can't lock file '/var/lock/qemu-server/lock-$vmid.conf' - got timeout\n") if ++$tries > 20;
        select undef, undef, undef, 0.05;
    }
    $code->() }

sub check_lock { my ($conf) = @_; die "VM is locked ($conf->{lock})\n" if $conf->{lock} }

sub gate { my ($point) = @_;
    my $fifo = "$root/gate/$point";
    return if !-p $fifo;
    open my $at, '>', "$fifo.at" or die; close $at;
    open my $wait, '<', $fifo or return; <$wait> }

# --- volumes ---

my %storages;
{
    my $name;
    for (split /\n/, slurp("$root/etc/pve/storage.cfg") // '') {
        if (/^(\w+):\s*(\S+)/) { $name = $2; $storages{$name} = { type => $1, content => '' } }
        elsif (/^\s+(\S+)\s*(.*)$/ && $name) { $storages{$name}{$1} = $2 }
    }
}
sub storage { $storages{$_[0]} // die "storage '$_[0]' does not exist\n" }
sub file_of { my ($store, $volume) = $_[0] =~ /^([^:]+):(.+)$/; "$root/volumes/$store/$volume" }

sub allocate { my ($store, $name) = @_;
    my $type = storage($store)->{type};
    my $in_dir = $type =~ /^(?:dir|nfs|cifs|btrfs)$/;
    for my $number (0 .. 99) {
        my $volume = $name // "vm-$vmid-disk-$number";
        $volume = "$vmid/$volume.raw" if $in_dir;
        my $path = file_of("$store:$volume");
        next if -e $path && !defined $name;
        make_path(dirname($path));
        open my $file, '>', $path or die; close $file;
        return "$store:$volume";
    }
}
sub free { unlink file_of($_[0]) }

sub is_disk { $_[0] =~ /^(?:(?:ide|sata|scsi|virtio)\d+|efidisk0|tpmstate0)$/ }

# Gives `disks` their volumes; what was allocated is freed where that fails.
sub create_disks { my ($disks, $conf) = @_;
    my (@made, %done);
    eval {
        for my $key (sort keys %$disks) {
            my ($file, @options) = split /,/, $disks->{$key};
            $file =~ s/^file=//;
            if ($file =~ /^(none|cdrom)$/) { $done{$key} = $disks->{$key}; next }
            my ($store, $what) = $file =~ /^([^:]+):(.+)$/ or die "invalid volume '$file'\n";
            storage($store);
            if ($what eq 'cloudinit') {
                push @made, allocate($store, "vm-$vmid-cloudinit");
                $done{$key} = "$made[-1],media=cdrom";
                next;
            }
            die "volume '$file' does not exist\n" if $what !~ /^\d+(?:\.\d+)?$/;
            my ($source) = map { /^import-from=(.*)$/ ? $1 : () } @options;
            @options = grep { !/^(?:import-from|format)=/ } @options;
            my $size = $key eq 'efidisk0' ? '4M' : "${what}G";
            if (defined $source) {
                die "$key - importing needs a size of 0\n" if $what ne '0';
                die "import-from: '$source' is no absolute path\n" if $source !~ m{^/};
                die "cannot import from '$source' - file '$source' does not exist\n" if !-f $source;
                push @made, allocate($store);
                print "transferred 0.0 B of 1.0 MiB (0.00%)\n";
                gate('import');
                die "qemu-img: error while writing: No space left on device\n" if -e "$root/full";
                my $bytes = slurp($source);
                open my $to, '>', file_of($made[-1]) or die; print $to $bytes; close $to;
                print "transferred 1.0 MiB of 1.0 MiB (100.00%)\n";
                $size = int((length($bytes) + 1023) / 1024) . 'K';
            } else {
                die "use import-from or a size, not 0\n" if $what eq '0';
                push @made, allocate($store);
            }
            $done{$key} = join ',', $made[-1], sort(@options, "size=$size");
            print "$key: successfully created disk '$done{$key}'\n";
        }
    };
    if (my $why = $@) { free($_) for @made; die $why }
    return (\@made, \%done) }

# Before anything is done.
sub check_drives { my ($settings) = @_;
    for my $key (grep { is_disk($_) } sort keys %$settings) {
        my ($store) = $settings->{$key} =~ /^(?:file=)?([^:,]+):/ or next;
        my $found = $storages{$store} // fail("storage '$store' does not exist\n");
        fail("400 Parameter verification failed.\nstorage: storage '$store' does not support vm images\n$usage")
            if !grep { $_ eq 'images' } split /[, ]+/, $found->{content};
    }
}

sub add_macs { my ($settings) = @_;
    for my $key (grep { /^net\d+$/ } keys %$settings) {
        next if $settings->{$key} =~ /^(?:model=)?\w+=[0-9a-f]{2}:/i || $settings->{$key} =~ /macaddr=/;
        my $mac = sprintf 'BC:24:11:%02X:%02X:%02X', map { int rand 256 } 1 .. 3;
        $settings->{$key} =~ s/^(?:model=)?([\w-]+)/$1=$mac/;
    }
}

sub uuid { join '-', map { sprintf '%0*x', $_, int rand 65536 } 8, 4, 4, 4, 12 }

sub unique_tags { join ';', sort keys %{ { map { (lc $_ => 1) } grep { $_ ne '' } split /[;, ]/, $_[0] } } }

# --- commands ---

# A task: a process of its own session, which goes on where the one that waits is ended.
sub task { my ($code) = @_;
    my $pid = fork // die;
    if (!$pid) {
        POSIX::setsid();
        eval { $code->() };
        if ($@) { print STDERR $@; POSIX::_exit(255) }
        POSIX::_exit(0);
    }
    waitpid $pid, 0;
    return $? == 0 }

sub create {
    check_drives(\%param);
    delete $param{$_} for keys %{ $more{create} };
    add_macs(\%param);
    my $why = "unable to create VM $vmid -";
    locked {
        for my $path (glob("$nodes/*/{qemu-server,lxc}/$vmid.conf")) {
            my ($host, $kind) = $path =~ m{([^/]+)/([^/]+)/\d+\.conf$};
            my $what = $kind eq 'lxc' ? 'CT' : 'VM';
            fail("$why $what $vmid already exists on node '$host'\n");
        }
        spew($conf_path, "lock: create\n");
    };
    exit(task(sub {
        gate('create');
        eval { locked {
            my ($made, $done) = create_disks({ map { is_disk($_) ? ($_ => $param{$_}) : () } keys %param });
            my $conf = { %param, %$done, meta => 'creation-qemu=10.0.2,ctime=1760000000',
                smbios1 => 'uuid=' . uuid(), vmgenid => uuid() };
            $conf->{boot} //= 'order=' . join ';', (sort keys %$done), grep { /^net/ } sort keys %param;
            delete $conf->{boot} if $conf->{boot} eq 'order=';
            $conf->{tags} = unique_tags($conf->{tags}) if defined $conf->{tags};
            store($conf);
        } };
        if (my $error = $@) { unlink $conf_path; relist(); die "$why $error" }
    }) ? 0 : 255) }

sub set {
    check_drives(\%param);
    add_macs(\%param);
    my $digest = delete $param{digest};
    my @delete = split /[;, ]/, delete $param{delete} // '';
    delete @param{qw(skiplock force revert)};
    fail("no options specified\n") if !%param && !@delete;
    eval { locked {
        my ($conf, $sections, $is) = load();
        die "detected modified configuration - file changed by other user? Try again.\n"
            if defined $digest && $digest ne $is;
        check_lock($conf);
        my ($made, $done) = create_disks({ map { is_disk($_) ? ($_ => $param{$_}) : () } keys %param });
        my $pending = { %param, %$done };
        $pending->{tags} = unique_tags($pending->{tags}) if defined $pending->{tags};
        if (($pending->{boot} // '') =~ /order=([^,]*)/) {
            for my $device (split /;/, $1) {
                die "invalid bootorder: device '$device' does not exist'\n"
                    if !defined $conf->{$device} && !defined $pending->{$device};
            }
        }
        for my $key (@delete) {
            die "unknown setting '$key'\n" if !$schema{$key};
            warn "cannot delete '$key' - not set in current configuration!\n" if !defined $conf->{$key};
        }
        store($conf, $sections, $pending);
        gate('pending');
        delete $conf->{$_} for @delete;
        store({ %$conf, %$pending }, $sections);
    } };
    fail($@) if $@ }

sub template {
    eval { locked {
        my ($conf, $sections) = load();
        check_lock($conf);
        die "unable to create template, because VM contains snapshots\n" if $sections =~ /^\[(?!PENDING)/m;
        die "you can't convert a template to a template\n" if $conf->{template};
        $conf->{template} = 1;
        store($conf, $sections);
        # Its status is not passed on.
        task(sub {
            gate('template');
            for my $key (grep { is_disk($_) } sort keys %$conf) {
                next if $conf->{$key} =~ /media=cdrom/;
                my ($volume, $rest) = $conf->{$key} =~ /^([^,]+)(.*)$/s;
                my ($store) = $volume =~ /^([^:]+):/;
                die "storage '$store' is not online\n" if -e "$root/no-base";
                next if storage($store)->{type} eq 'lvm';
                (my $base = $volume) =~ s/vm-(\d+-disk)/base-$1/;
                rename file_of($volume), file_of($base) or die "rename failed\n";
                $conf->{$key} = "$base$rest";
                store($conf, $sections);
            }
        });
    } };
    fail($@) if $@ }

sub destroy {
    my $checks = sub {
        my ($conf, $sections) = load();
        die "can't remove VM $vmid - protection mode enabled\n" if $conf->{protection};
        return ($conf, $sections) };
    eval { $checks->() };
    fail($@) if $@;
    exit(task(sub { locked {
        my ($conf, $sections) = $checks->();
        check_lock($conf);
        my @volumes = map { is_disk($_) && $conf->{$_} =~ /^([^,]+:[^,]+)/ ? $1 : () } sort keys %$conf;
        for my $base (grep { m{[:/]base-} } @volumes) {
            my ($name) = $base =~ m{([^:/]+)$};
            for my $path (glob("$nodes/*/qemu-server/*.conf")) {
                die "base volume '$base' is still in use by linked cloned\n"
                    if slurp($path) =~ m{[:/]\Q$name\E/};
            }
        }
        gate('destroy');
        free($_) for @volumes;
        spew($conf_path, "lock: destroyed\n");
        gate('destroyed');
        print "purging VM $vmid from related configurations..\n" if $param{purge};
        unlink $conf_path or die;
        relist();
    } }) ? 0 : 255) }

{ create => \&create, set => \&set, template => \&template, destroy => \&destroy }->{$command}->();
exit 0;
