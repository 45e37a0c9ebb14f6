#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What workers of different users can do to each other and to the manager:
# nothing.  As root; without, there are no different users.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

$> == 0 or plan skip_all => 'needs root';
my ($ONE, $OTHER) = grep { defined getpwnam $_ } qw(games nobody daemon);
my $INTRUDER = bin('intruder.pl');

# Version 2 of the kernel's control groups, if one can be made here.
sub cgroup {
    my ($mount) = slurp('/proc/self/mounts') =~ m{^\S+ (\S+) cgroup2 }m
        or return;
    my $dir = "$mount/fcgipm-test-$$";
    return mkdir($dir) ? $dir : undef;
}

my $cgroup = cgroup();
my $httpd = FCGIPM::Httpd->new(config =>
    pool('one', [$INTRUDER], "FcgiPMUser $ONE",
         $cgroup ? "FcgiPMCgroup $cgroup" : ()) . location('one')
    . pool('other', [$INTRUDER], "FcgiPMUser $OTHER",
           'FcgiPMNoNewPrivs off')
    . location('other')
    . pool('lost', [$INTRUDER], 'FcgiPMCgroup /proc') . location('lost'));
ok($httpd->start, 'httpd');

sub run_in {
    my ($pool, $code) = @_;
    return $httpd->get("/$pool/", method => 'POST', body => $code)->{body};
}

my $one = run_in('one', '$$');
my $other = run_in('other', '$$');
my $manager = $httpd->manager;
my $parent = $httpd->pid;
is(uid_of($one), scalar getpwnam $ONE, "a worker of $ONE");
is(uid_of($other), scalar getpwnam $OTHER, "a worker of $OTHER");

# --- what is refused; each gives the error
my $socket = substr $httpd->pool_socket('other'), 5;
my $control = $httpd->control_socket;
my $connect = 'my $s = IO::Socket::UNIX->new(Peer => "%s"); $s ? "in" : "$!"';
my @refused = (
    ['to signal another worker', "kill('TERM', $other) ? 'did' : \"\$!\""],
    ['to signal the manager', "kill('HUP', $manager) ? 'did' : \"\$!\""],
    ['to signal httpd', "kill('USR1', $parent) ? 'did' : \"\$!\""],
    ['to trace another worker',
     "syscall(101, 16, $other, 0, 0) < 0 ? \"\$!\" : 'did'"],  # PTRACE_ATTACH
    ['to call another pool', sprintf $connect, $socket],
    ['to call the manager', sprintf $connect, $control],
    ['to put a socket in the place of one', "rename('$socket', '$socket.x')"
                                            . " ? 'did' : \"\$!\""],
    map({ my ($who, $pid) = @$_;
          map { ["$who: $_", "open(F, '<', '/proc/$pid/$_') "
                             . '? <F> : "$!"'] }
              qw(environ mem maps) }
        ['another worker', $other], ['the manager', $manager]),
    map({ my ($who, $pid) = @$_;
          ["$who: descriptors", "opendir(D, '/proc/$pid/fd') "
                                . '? join " ", readdir D : "$!"'] }
        ['another worker', $other], ['the manager', $manager]),
);
for my $case (@refused) {
    my ($what, $code) = @$case;
    like(run_in('one', $code),
         qr/^(?:Permission denied|Operation not permitted)\z/, $what);
}
is(run_in('other', '$$'), $other, 'the other worker has not noticed');
is($httpd->manager, $manager, 'nor the manager');

# --- what a worker holds
ok(wait_for { join(' ', sort keys %{ fds($one) }) eq '0 1 2' } 10,
   'a worker has no descriptor of the manager');
is(proc_status($one)->{CapEff}, '0' x 16, 'nor any capability');
is(proc_status($one)->{NoNewPrivs}, 1, 'nor a way to more');
is(proc_status($other)->{NoNewPrivs}, 0, 'but where that is wanted');
SKIP: {
    skip 'there is no cgroup v2 here', 1 unless $cgroup;
    is_deeply([split ' ', slurp("$cgroup/cgroup.procs")], [$one],
              'it is in its cgroup');
}
is($httpd->get('/lost/')->{status}, 503, 'no such cgroup: a failed pool');
like($httpd->log, qr{pool lost: .*FcgiPMCgroup: /proc is not the directory},
     'and the log says why');

# --- the manager
SKIP: {
    my $caps = hex substr proc_status($manager)->{CapEff}, -8;
    my $mine = hex substr proc_status($$)->{CapEff}, -8;
    skip 'built without libcap-ng', 2
        unless `ldd @{[built('mod_fcgipm.so')]}` =~ /libcap-ng/;
    is($caps & ~$mine, 0, 'the manager has no more than we');
    my %bit = (NET_ADMIN => 12, SYS_MODULE => 16, SYS_RAWIO => 17,
               SYS_ADMIN => 21, SYS_BOOT => 22, MKNOD => 27);
    is_deeply([grep { $caps >> $bit{$_} & 1 } sort keys %bit], [],
              'and much less than root');
}
is($httpd->stop, 0, 'httpd stops well');
rmdir $cgroup if $cgroup;
done_testing;
