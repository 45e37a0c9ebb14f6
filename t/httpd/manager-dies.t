#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The manager is killed under load: no request is lost, another one comes.
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

sub manager_dies {
    my ($mpm) = @_;
    my $httpd = FCGIPM::Httpd->new(
        mpm => $mpm,
        config => pool('app', 'worker', 'FcgiPMProcesses 8')
            . location('app'));
    ok($httpd->start, "MPM $mpm") or return;
    my @old = $httpd->workers(8);
    my $load = load_on($httpd, '/app/?sleep=30&pid', 6);
    my $long = FCGIPM::Load->new(clients => 1, request => sub {
        my $r = $httpd->get('/app/?fd2=long%0a&sleep=1000&pid');
        return $r->{error} || ($r->{status} == 200 ? undef : $r->{status});
    });
    ok($load->flows(40), 'requests flow');
    for my $round (1, 2) {
        my $manager = $httpd->manager;
        my $before = count_lines($httpd->error_log, ': long$');
        wait_for { count_lines($httpd->error_log, ': long$') > $before } 10,
            'a long request to begin';
        my $begin = time;
        kill 'KILL', $manager;
        my $new = wait_for {
            my $pid = $httpd->manager;
            $pid && $pid != $manager ? $pid : 0
        } 20, 'another manager';
        my $took = time - $begin;
        ok($new, "round $round: SIGKILL to the manager: there is a new one");
        diag(sprintf '%s: new manager after %.3f s', $mpm, $took);
        cmp_ok($took, '<', 2, 'within 2 s') if $round == 1;
        is(scalar $httpd->workers(8), 8, 'with all its workers');
        ok(wait_for { !grep { alive($_) } @old } 15,
           'the workers of before leave');
        ok($httpd->alive, 'httpd is the same');
        ok($load->flows(20), 'requests flow');
        @old = $httpd->workers(8);
        wait_for { !grep { age($_) < 1.2 } @old } 20, 'settled workers';
    }
    my $status = $httpd->status;
    is($status->{manager}{restarts}, 2, 'two restarts are counted');
    ok($httpd->graceful, 'a graceful');
    is(scalar $httpd->renewed(@old), 8, 'reaches the new manager');
    for ($load, $long) {
        my $sum = $_->stop;
        cmp_ok($sum->{ok}, '>', 0, "$sum->{ok} requests");
        is($sum->{failed}, 0, 'none was lost or refused')
            or diag($_->explain);
    }
    ends_well($httpd);
    return;
}

# The first ones that die in a row are replaced at once, the next one after a
# delay; so is one that dies after a graceful.
sub managers_die {
    my $httpd = FCGIPM::Httpd->new(
        config => pool('app', 'worker', 'FcgiPMProcesses 2')
            . location('app'));
    ok($httpd->start, 'managers that die one after the other') or return;
    my $manager = $httpd->manager;
    my $another = sub {
        kill 'KILL', $manager;
        my $new = wait_for {
            my $pid = $httpd->manager;
            $pid && $pid != $manager ? $pid : 0
        } 20, 'another manager';
        $manager = $new if $new;
        return $new;
    };
    my $delays = sub {
        return count_lines($httpd->error_log, qr/next manager is started in/);
    };
    for my $n (1 .. 3) {
        ok($another->(), "another one after $n");
        is($delays->(), 0, 'at once');
    }
    # On a busy machine one may have lived for long enough not to count.
    ok(wait_for { $another->() && $delays->() } 60, 'then after a delay');
    ok($httpd->pid_at('/app/'), 'the pool serves');
    ok($httpd->graceful, 'a graceful');
    ok($another->(), 'another one after that');
    ok($httpd->pid_at('/app/'), 'the pool serves');
    ends_well($httpd);
    return;
}

manager_dies($_) for FCGIPM::Httpd->mpms;
managers_die();
done_testing;
