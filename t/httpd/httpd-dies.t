#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# httpd is killed, or stopped: manager and workers go with it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Load;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(time);

sub parent_dies {
    my ($mpm, @option) = @_;
    my $httpd = FCGIPM::Httpd->new(
        mpm => $mpm,
        config => "FcgiPMDieTimeout 1\n"
            . pool('app', [bin('worker'), @option], 'FcgiPMProcesses 3')
            . location('app'));
    ok($httpd->start, "MPM $mpm, worker @option") or return;
    my @pid = ($httpd->workers(3), $httpd->manager);
    ok($httpd->pid_at('/app/'), 'the pool serves');
    my $begin = time;
    $httpd->signal('KILL');
    ok(wait_for { !grep { alive($_) } @pid } 20,
       'SIGKILL to httpd: manager and workers go');
    my $took = time - $begin;
    diag(sprintf '%s: all gone after %.3f s', $mpm, $took);
    is_soon($took, 2, 'within the die timeout and a second');
    kill_tree(descendants());      # httpd's own children know nothing
    return;
}

sub stopped {
    my ($mpm) = @_;
    my $httpd = FCGIPM::Httpd->new(
        mpm => $mpm,
        config => "FcgiPMDieTimeout 2\n"
            . pool('app', [bin('worker'), '--ignore-term'],
                   'FcgiPMProcesses 2') . location('app')
            . pool('shell', [bin('shell.sh'), bin('worker')])
            . location('shell'));
    ok($httpd->start, "MPM $mpm") or return;
    ok($httpd->pid_at('/app/') && $httpd->pid_at('/shell/'),
       'a worker that ignores SIGTERM, and a shell script');
    my $begin = time;
    is($httpd->stop, 0, 'stop: exit status 0');
    is_soon(time - $begin, 12, 'soon');
    is_deeply([map { cmdline($_) } descendants()], [], 'nothing is left');
    is_deeply([grep { -S } glob $httpd->run_dir . '/*'], [],
              'no socket is left');

    # graceful-stop: the request under way is answered, then all is gone.
    $httpd->write_config(pool('app', 'worker', 'FcgiPMProcesses 2')
                         . location('app'));
    ok($httpd->start, 'again');
    my $load = FCGIPM::Load->new(clients => 1, request => sub {
        my $r = $httpd->get('/app/?fd2=long%0a&sleep=1500&pid');
        return $r->{error} || ($r->{status} == 200 ? undef : $r->{status});
    });
    wait_for { $httpd->log =~ /: long$/m } 10, 'a request';
    my ($status) = $httpd->run('-k', 'graceful-stop');
    is($status, 0, 'graceful-stop');
    ok(wait_for { $load->so_far->{ok} >= 1 } 15,
       'the request under way is answered') or diag($load->explain);
    is($httpd->wait(20), 0, 'exit status 0');
    $load->stop;
    is_deeply([map { cmdline($_) } descendants()], [], 'nothing is left');
    return;
}

for my $mpm (FCGIPM::Httpd->mpms) {
    parent_dies($mpm);
    parent_dies($mpm, '--ignore-term');
    stopped($mpm);
}
done_testing;
