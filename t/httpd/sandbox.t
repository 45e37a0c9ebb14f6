#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What systemd can take away from a service, one at a time and all together:
# what needs it does without, everything else works.  And systemd's way to
# end Debian's apache2.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::HTTP;
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my $deny = bin('deny');
my $root = $> == 0;

# A mount namespace in which the directories KEEP are where they were, the
# first one writable; then the program.
my $tools = tmp_dir();
my $inside = write_file("$tools/inside", <<'END', 0755);
#!/bin/sh
# inside WORD... -- KEEP... -- program argument...
set -e
mount --make-rprivate /
words=
while [ "$1" != -- ]; do words="$words $1"; shift; done
shift
case $words in
*private-tmp*)
    mount -t tmpfs tmpfs /mnt
    i=0
    for dir; do
        [ "$dir" != -- ] || break
        i=$((i + 1)); mkdir /mnt/$i; mount --bind "$dir" /mnt/$i
    done
    mount -t tmpfs tmpfs /tmp
    mount -t tmpfs tmpfs /var/tmp
    i=0
    for dir; do
        [ "$dir" != -- ] || break
        i=$((i + 1)); mkdir -p "$dir"; mount --move /mnt/$i "$dir"
    done
    chmod 1777 /tmp /var/tmp
    umount /mnt ;;
*)
    mount --bind "$1" "$1" ;;
esac
while [ "$1" != -- ]; do shift; done
shift
for word in $words; do
    case $word in
    read-only) mount -o remount,bind,ro / ;;
    hide-pid) mount -t proc -o hidepid=invisible proc /proc ;;
    no-proc) mount -t tmpfs -o ro tmpfs /proc ;;
    esac
done
exec "$@"
END

sub sandbox {
    my ($dir, $mount, $seccomp, @setpriv) = @_;
    my @wrap;
    push @wrap, 'unshare', '-m', $inside, @$mount, '--', $dir, root(), '--'
        if @$mount;
    push @wrap, 'setpriv', @setpriv, '--' if @setpriv;
    push @wrap, $deny, @$seccomp, '--' if @$seccomp;
    return @wrap;
}

sub works {
    my ($name, $mount, $seccomp, $setpriv, %lacks) = @_;
    my $httpd = FCGIPM::Httpd->new;
    my $dir = $httpd->dir;
    my @wrap = sandbox($dir, $mount, $seccomp, @$setpriv);
    my $probe = start(cmd => [@wrap, 'true'], out => "$dir/probe",
                      err => "$dir/probe");
    my $can = $probe->wait(20);
    SKIP: {
        skip "$name: cannot be had here: " . slurp("$dir/probe"), 1
            if !defined $can || $can ne '0';
        subtest $name => sub { try_it($httpd, \@wrap, %lacks) };
    }
    return;
}

sub try_it {
    my ($httpd, $wrap, %lacks) = @_;
    my $dir = $httpd->dir;
    $httpd->write_config(
        pool('app', 'worker', 'FcgiPMProcesses 1 4', 'FcgiPMSlowLog 300ms',
             'FcgiPMRequestTimeout 20s', "FcgiPMErrorLog $dir/app.log")
        . pool('idle', 'worker', 'FcgiPMProcesses 0 2')
        . pool('perl', [bin('perl-fcgi.pl')])
        . location('app') . location('idle') . location('perl'));
    $httpd->{wrap} = $wrap;
    ok($httpd->start, 'httpd') or return;
    ok(wait_for { $httpd->get('/app/?pid')->{status} == 200 } 20, 'answers');
    is($httpd->get('/perl/')->{status}, 200, 'by a Perl program, too');
    my $status = $httpd->pool_status('app');
    is($status->{state}, 'running', 'the control socket');
    my $first = $httpd->pid_at('/app/');

    # more workers when they are needed, by httpd's requests and by others'
    my @s = map { my $s = FCGIPM::FastCGI::connect_to(
                      $httpd->pool_socket('app'));
                  FCGIPM::FastCGI::send_request($s, query => 'sleep=600&pid');
                  $s } 1 .. 2;
    my %seen = map { FCGIPM::FastCGI::read_answer($_, 20)->{stdout}
                         =~ /pid=(\d+)/ ? ($1 => 1) : () } @s;
    cmp_ok(scalar keys %seen, '>=', 1, 'requests that come past httpd');
    close $_ for @s;
    my $r = $httpd->get('/app/slow?sleep=1200&pid&fd2=said%0a');
    is($r->{status}, 200, 'a slow request');
    ok(wait_for { slurp("$dir/app.log") =~ m{slow: GET \S+/app/slow} } 10,
       'is in the log');
    my ($line) = slurp("$dir/app.log") =~ m{^(.*slow: GET \S+/app/slow.*)$}m;
    $lacks{doing} ? like($line, qr/not known/, 'with what can be known')
                  : like($line, qr/it sleeps/, 'with what it waits in');
    ok(wait_for { slurp("$dir/app.log") =~ /\] said$/m } 10,
       'so is what the worker says');
    is($httpd->get('/idle/?pid')->{status}, 200, 'a pool on demand');
    my ($pid) = map { $_->{pid} } @{ $httpd->pool_status('idle')->{worker} };
    my $got = $httpd->pool_status('idle')->{worker}[0]{requests};
    $lacks{page} ? is($got, 0, 'what workers do is not known')
                 : is($got, 1, 'what workers do is known');

    # graceful: the old ones go, the manager stays
    my $manager = $httpd->manager;
    ok($httpd->graceful_signal, 'graceful');
    ok(wait_for { my $now = $httpd->pid_at('/app/');
                  $now && $now != $first && !alive($first) } 20,
       'other workers');
    is($httpd->manager, $manager, 'the same manager');
    unlike($httpd->log, qr/:(?:error|crit|emerg)\]/,
           'nothing in the log at level error');
    is($httpd->stop, 0, 'it stops well');
    is_deeply([map { cmdline($_) } descendants()], [], 'nothing is left');
    return;
}

my %set = (
    'PrivateTmp, ProtectSystem=strict, ProtectProc=invisible' =>
        [[qw(private-tmp read-only hide-pid)], [], []],
    'no /proc' => [['no-proc'], [], [], doing => 1],
    'RestrictAddressFamilies without AF_NETLINK' => [[], ['netlink'], []],
    'no memfd_create()' => [[], ['memfd'], [], page => 1],
    'all of it, NoNewPrivileges, MemoryDenyWriteExecute, SystemCallFilter' =>
        [[qw(private-tmp read-only hide-pid)],
         [qw(netlink memfd wx services resources)],
         ['--no-new-privs', '--bounding-set', '-all,+setuid,+setgid,+kill,'
              . '+chown,+dac_override,+net_bind_service'],
         page => 1, doing => 1],
);
for my $name (sort keys %set) {
    my ($mount, $seccomp, $setpriv, @lacks) = @{ $set{$name} };
    SKIP: {
        skip "$name: needs root", 1 if !$root && (@$mount || @$setpriv > 1);
        works($name, $mount, $seccomp, $setpriv, @lacks);
    }
}

# ExecStop=apachectl graceful-stop, and when that has returned SIGTERM to the
# main process; as soon as that has ended SIGKILL to whoever is left
# (KillMode=mixed).
my $httpd = FCGIPM::Httpd->new(
    config => "FcgiPMDieTimeout 5\n"
        . pool('app', [bin('worker')], 'FcgiPMProcesses 4')
        . location('app'));
for my $how (['WINCH', 'TERM'], ['TERM'], ['WINCH']) {
    ok($httpd->start, 'httpd');
    my @worker = $httpd->workers(4);
    my $manager = $httpd->manager;
    my $s = FCGIPM::FastCGI::connect_to($httpd->pool_socket('app'));
    FCGIPM::FastCGI::send_request($s, query => 'sleep=1000&pid');
    ok(wait_for { $httpd->pool_status('app')->{worker}
                  && grep { $_->{state} eq 'busy' }
                     @{ $httpd->pool_status('app')->{worker} } } 10,
       'a request that runs');
    $httpd->signal($_) for @$how;
    is($httpd->wait(30), 0, "@$how: httpd has ended");
    is_deeply([grep { alive($_) } $manager, @worker], [],
              'manager and workers were gone before');
    like(FCGIPM::FastCGI::read_answer($s, 20)->{stdout}, qr/pid=\d+/,
         'the request was finished');
    is_deeply([map { cmdline($_) } descendants()], [], 'nothing is left');
    unlike($httpd->log, qr/:(?:error|crit|emerg)\]/,
           'nothing in the log at level error');
}
done_testing;
