#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What the manager and workers of a real httpd look like, and that graceful and
# restart leave the manager.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

# The inode of the socket httpd itself listens on.
sub listening_inode {
    my ($port) = @_;
    my $hex = sprintf '0100007F:%04X', $port;
    for (split /\n/, slurp('/proc/net/tcp')) {
        my @word = split ' ';
        return $word[9] if $word[1] eq $hex && $word[3] eq '0A';
    }
    return;
}

sub worker_ok {
    my ($pid, $manager) = @_;
    my $status = proc_status($pid);
    is($status->{SigBlk}, '0' x 16, "worker $pid: nothing blocked");
    is($status->{SigIgn}, '0' x 16, 'nothing ignored');
    # the guard has its page till the worker waits for a request
    ok(wait_for { join(' ', sort keys %{ fds($pid) }) eq '0 1 2' } 10,
       'descriptors 0, 1, 2');
    is(parent_of($pid), $manager, 'the manager is its parent');
    is(uid_of($pid), worker_uid(), "httpd's user");
    my $env = proc_env($pid);
    is_deeply([grep { !/^(?:PATH|TZ|LANG|OWN)$/ } keys %$env], [],
              'an environment of its own');
    is($env->{OWN}, 'x y', 'with what was set');
    return;
}

sub manager_ok {
    my ($httpd, $pid) = @_;
    my $status = proc_status($pid);
    is(parent_of($pid), $httpd->pid, 'the manager: a child of httpd');
    my (undef, undef, undef, undef, $pgid, $sid) =
        split ' ', slurp("/proc/$pid/stat") =~ s/\(.*\)/x/sr;
    is($pgid, $pid, 'in a process group of its own');
    is($sid, $pid, 'in a session of its own');
    is($status->{SigBlk}, '0' x 16, 'nothing blocked');
    like(cmdline($pid), qr/^the manager/, 'its title');
    my $inode = listening_inode($httpd->port);
    ok($inode, 'httpd listens');
    ok(!(grep { /\[$inode\]/ } values %{ fds($pid) }),
       'the manager does not hold that socket');
    return;
}

sub one_mpm {
    my ($mpm) = @_;
    my $config = "FcgiPMManagerName \"the manager\"\n"
        . pool('app', [bin('worker'), '--plain'], 'FcgiPMProcesses 2',
               'FcgiPMSetEnv OWN "x y"', 'FcgiPMProcessName app-worker');
    my $httpd = FCGIPM::Httpd->new(mpm => $mpm, config => $config);
    ok($httpd->start, "MPM $mpm") or return;
    my @worker = $httpd->workers(2);
    is(scalar @worker, 2, 'two workers');
    my $manager = $httpd->manager;
    manager_ok($httpd, $manager);
    worker_ok($_, $manager) for @worker;
    is(cmdline($_), 'app-worker --plain', 'their title') for @worker;

    my @st = stat $httpd->control_socket;
    is($st[2] & 0777, 0600, 'the control socket: mode');
    is($st[4], worker_uid(), "httpd's user owns it");
    (my $path = $httpd->pool_socket('app')) =~ s/^unix://;
    @st = stat $path;
    is($st[2] & 0777, 0600, "the pool's socket: mode");
    is($st[4], worker_uid(), "httpd's user owns it");
    my $inode = $st[1];

    for my $word (qw(graceful restart graceful)) {
        ok($httpd->$word, "-k $word");
        my @new = $httpd->renewed(@worker);
        is(scalar @new, 2, 'all workers are new');
        is($httpd->manager, $manager, 'the manager is the same');
        is((stat $path)[1], $inode, "the pool's socket is the same");
        @worker = @new;
    }
    manager_ok($httpd, $manager);
    worker_ok($worker[0], $manager);
    my $fds = keys %{ fds($manager) };
    my $parent = keys %{ fds($httpd->pid) };
    for (1 .. 3) {
        $httpd->graceful;
        @worker = $httpd->renewed(@worker);
    }
    ok(wait_for { $fds >= keys %{ fds($manager) } } 10,
       'gracefuls leave no descriptor open in the manager');
    cmp_ok(scalar keys %{ fds($httpd->pid) }, '<=', $parent,
           'nor in httpd');

    is($httpd->stop, 0, 'httpd stops well');
    ok(!-e $path, "the pool's socket is gone");
    ok(!-e $httpd->control_socket, 'the control socket is gone');
    ok(!-e $httpd->run_dir . '/manager.pid', 'the pid file is gone');
    is_deeply([map { cmdline($_) } descendants()], [], 'nothing is left');
    return;
}

one_mpm($_) for FCGIPM::Httpd->mpms;
done_testing;
