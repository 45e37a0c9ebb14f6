#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The packages of build/deb in a new Debian: they are installed with nothing but
# what they depend on, serve pages under Debian's apache2, are upgraded while
# they serve, switched off and on, and purged without leaving a file.
#
# The Debian is in memory, in namespaces of its own: it has its own processes,
# its own loopback and port 80, and all of it goes when the test ends.  Process 1
# there reaps, so that apache2 ends when it is told to.
# FCGIPM_DEB_BASE names a tarball of one (mmdebstrap) to begin with.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Test;
use Test::More;

my @deb = grep { !/dbgsym/ } glob root() . '/build/deb/*.deb';
my @none = grep { !have($_) } qw(mmdebstrap unshare nsenter ip dpkg-deb);
plan skip_all => "missing: @none" if @none;
plan skip_all => 'only root can make a Debian' if $>;
plan skip_all => 'no namespaces here'
    if system('unshare -mpfn --mount-proc true 2>/dev/null');
die "build/deb has no packages: make deb\n" if !@deb;

# What they depend on, the first of alternatives, but each other.
sub wanted {
    my %own = map { m{([^/_]+)_[^/]*$} ? ($1 => 1) : () } @deb;
    my %want = map { $_ => 1 } qw(apache2 php-cgi curl);
    for my $deb (grep { !/-dev_/ } @deb) {
        my $text = `dpkg-deb -f '$deb' Depends`;
        $want{$_}++ for grep { !$own{$_} }
            map { /^\s*([^\s(|:]+)/ ? $1 : () } split /,/, $text;
    }
    $want{libfcgi0ldbl} = 1;    # of what libfcgipm-dev's example is linked with
    return sort grep { !/^apache2-api-/ } keys %want;
}

# --- a Debian, and a process that holds it ----------------------------------
my $dir = tmp_dir();
my $base = $ENV{FCGIPM_DEB_BASE};
my $make = $base ? "tar -xf '$base' -C '$dir'"
    : 'mmdebstrap --quiet --variant=minbase --dpkgopt=force-unsafe-io'
    . ' --include=' . join(',', wanted())
    . " \$(. /etc/os-release; echo \$VERSION_CODENAME) '$dir'";
my $holder = FCGIPM::Test::start(
    out => "$dir.log", err => "$dir.log",
    cmd => ['unshare', '-mpf', '--mount-proc', '--kill-child', 'sh', '-c',
            "mount -t tmpfs -o size=2g tmpfs '$dir' && $make &&
             exec unshare -n sh -c 'ip link set lo up &&
                 mount -t proc proc $dir/proc && echo ready; sleep 7200; :'"]);
my $made = wait_for {
    !alive($holder->pid) || slurp("$dir.log") =~ /^ready$/m
} 1200, 'a Debian';
my $said = slurp("$dir.log");
unlink "$dir.log";
plan skip_all => "no Debian could be made: $said" if $said !~ /^ready$/m;
my ($init) = children($holder->pid);
my $root = "/proc/$init/root$dir";

# --- inside -----------------------------------------------------------------
sub inside {
    my ($command) = @_;
    my $said = `nsenter -t $init -m -p -n env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot '$dir' sh -c '$command' 2>&1 </dev/null`;
    return ($? >> 8, $said);
}

sub works {
    my ($command, $name) = @_;
    my ($rc, $said) = inside($command);
    is($rc, 0, $name || $command) or diag $said;
    return $said;
}

sub page { return (inside("curl -sS --max-time 20 http://127.0.0.1$_[0]"))[1] }

# Files but those that dpkg, apt and logs have.
sub files {
    my ($rc, $said) = inside('find / -xdev -path /tmp -prune -o -path /var/log'
        . ' -prune -o -path /var/lib/dpkg -prune -o -path /var/cache -prune -o'
        . ' -path /run -prune -o -print');
    return sort split /\n/, $said;
}

write_file("$root/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 0\n", 0755);
mkdir "$root/tmp/debs";
system 'cp', @deb, "$root/tmp/debs";
system 'rm', '-f', glob "$root/tmp/debs/libfcgipm-dev*";
works('apache2ctl start', 'Debian\'s apache2 starts');
my @before = files();

works('dpkg -i /tmp/debs/*.deb', 'the packages are installed');
works('a2query -q -m fcgipm', 'the module is enabled');
like(works('apache2ctl -M', 'its configuration'), qr/fcgipm_module/,
     'and loaded');

# --- a program on the C API, by the -dev package
SKIP: {
    my $dev = tmp_dir();
    my ($package) = grep { /libfcgipm-dev_/ } @deb;
    system 'dpkg-deb', '-x', $_, $dev
        for $package, grep { /libfcgipm0_/ } @deb;
    local $ENV{PKG_CONFIG_SYSROOT_DIR} = $dev;
    local $ENV{PKG_CONFIG_PATH} = (glob "$dev/usr/lib/*/pkgconfig")[0];
    my $said = `cc -o $root/usr/local/bin/managed $dev/usr/share/doc/libfcgipm-dev/examples/managed.c \$(pkg-config --cflags --libs libfcgipm) -lfcgi 2>&1`;
    is($?, 0, 'libfcgipm-dev: its example is built with it') or diag $said;
}

# --- pages
write_file("$root/var/www/html/x.php", "<?php echo PHP_SAPI, ' ', 6 * 7;\n");
write_file("$root/etc/apache2/conf-available/app.conf", <<'END');
<FcgiPMPool php>
    FcgiPMCommand /usr/bin/php-cgi
    FcgiPMProcesses 2
</FcgiPMPool>
<FilesMatch "\.php$">
    SetHandler fcgipm:php
</FilesMatch>
<FcgiPMPool managed>
    FcgiPMCommand /usr/local/bin/managed
</FcgiPMPool>
FcgiPMAlias /managed managed
END
works('a2enconf -q app && apache2ctl -t && apache2ctl graceful',
      'pools are configured');
sub serves {
    my ($name) = @_;
    ok(wait_for { page('/x.php') eq 'cgi-fcgi 42' } 60, "$name: PHP's page")
        or diag page('/x.php'), slurp("$root/var/log/apache2/error.log");
    ok(wait_for { page('/managed') =~ /^pid=\d+ requests=\d/ } 60,
       "$name: the C program's") or diag page('/managed');
    return;
}
serves('installed');
my $status = JSON::PP::decode_json(works('fcgipmctl --json status'));
my ($pid) = map { $_->{pid} } map { @{ $_->{worker} } }
    grep { $_->{name} eq 'php' } @{ $status->{pools} };
like(slurp("$root/proc/$pid/maps"),
     qr{/usr/lib/[^/\s]+-linux-gnu[^/\s]*/fcgipm/fcgipm-guard\.so},
     'the guard is in a worker, from its multiarch directory');

# --- fcgipm-run as the unit starts it
my $unit = slurp((glob "$root/{usr/,}lib/systemd/system/fcgipm-run\@.service")[0]);
my ($start) = $unit =~ /^ExecStart=((?:.*\\\n)*.*)/m;
$start =~ s/\\\n//g;
$start =~ s/%i/demo/g;
write_file("$root/etc/fcgipm/demo.conf",
           "COMMAND=/usr/bin/php-cgi\nOPTIONS=\"--user www-data --listen-owner www-data\"\n");
works("mkdir /run/fcgipm-demo; . /etc/fcgipm/demo.conf; $start >/tmp/run.log 2>&1 & echo \$! >/tmp/run.pid",
      'the unit\'s command');
my $demo = 'fcgipmctl -s /run/fcgipm-demo/fcgipm.sock';
ok(wait_for { (inside("$demo ping"))[0] == 0 } 30, 'it answers')
    or diag slurp("$root/tmp/run.log");
works('kill $(cat /tmp/run.pid); rm -r /etc/fcgipm/demo.conf', 'it is told to end');
ok(wait_for { (inside("$demo ping"))[0] != 0 } 30, 'and does');

# --- what users read
for my $path (qw(/usr/share/doc/fcgipm/README.md
                 /usr/share/doc/fcgipm/docs/admin/directives.md
                 /usr/share/man/man8/fcgipmctl.8.gz
                 /usr/share/bash-completion/completions/fcgipmctl)) {
    ok(-s "$root$path", $path);
}
my @link = slurp("$root/usr/share/doc/fcgipm/README.md") =~ m{\((docs/admin/\w[^)#]*)\)}g;
is_deeply([grep { !-e "$root/usr/share/doc/fcgipm/$_" } @link], [],
          'README.md leads to pages that are there');

# --- again, off, on, gone
works('dpkg -i /tmp/debs/*.deb', 'installed once more, while it serves');
serves('upgraded');
works('a2disconf -q app && a2dismod -q fcgipm && apache2ctl -t && apache2ctl restart',
      'a2dismod');
ok(wait_for { page('/') =~ /Apache2/ } 30, 'apache2 serves without it');
isnt((inside('fcgipmctl ping'))[0], 0, 'the manager has gone');
works('a2enmod -q fcgipm && a2enconf -q app && apache2ctl restart', 'a2enmod');
serves('on again');
works('a2disconf -q -p app && rm /etc/apache2/conf-available/app.conf /usr/local/bin/managed /var/www/html/x.php',
      'its pools go');
works('dpkg -P libapache2-mod-fcgipm fcgipm libfcgipm0', 'purged');
works('apache2ctl -t && apache2ctl restart', 'apache2 starts');
ok(wait_for { page('/') =~ /Apache2/ } 30, 'and serves');
my %before = map { $_ => 1 } @before;
# (But where a2enmod and a2enconf write down what they did.)
is_deeply([grep { !$before{$_} && !m{^/var/lib/apache2/\w+/\w+_by_\w+$} }
           files()], [], 'nothing is left');
is((inside('ls /run/apache2 | grep -i fcgipm'))[1], '', 'nor in /run');
inside('apache2ctl stop');

done_testing;
