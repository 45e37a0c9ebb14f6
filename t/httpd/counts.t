#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What the status says of requests is exact: under way, answered, over a
# graceful, the death of a child of httpd and that of the manager.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my $httpd;

sub told {
    my ($field) = @_;
    my $status = $httpd->status('app') or return -1;
    my ($pool) = grep { $_->{state} ne 'draining' } @{ $status->{pools} };
    return $pool ? $pool->{$field} : -1;
}

# Requests in processes of their own.
sub under_way {
    my ($n, $query) = @_;
    return map { $httpd->ask("/app/?$query") } 1 .. $n;
}

sub ended {
    my (@pid) = @_;
    return wait_for { !grep { alive($_) } @pid } 20, 'requests to end';
}

sub one_mpm {
    my ($mpm) = @_;
    $httpd = FCGIPM::Httpd->new(
        mpm => $mpm, config => pool('app', 'worker', 'FcgiPMProcesses 4')
                               . location('app'));
    ok($httpd->start, "MPM $mpm") or return;
    is(scalar $httpd->workers(4), 4, 'four workers');
    is_deeply([told('requests'), told('in_flight')], [0, 0], 'nothing yet');
    $httpd->get('/app/?pid') for 1 .. 10;
    is_deeply([told('requests'), told('in_flight')], [10, 0], 'ten requests');

    my @client = under_way(3, 'sleep=1500&pid');
    ok(wait_for { told('in_flight') == 3 } 10, 'three are under way');
    ok(ended(@client), 'they end');
    ok(wait_for { told('in_flight') == 0 } 10, 'none is under way');
    is(told('requests'), 13, 'thirteen requests');

    my @worker = $httpd->workers(4);
    ok($httpd->graceful, 'a graceful');
    @worker = $httpd->renewed(@worker);
    is(told('requests'), 13, 'does not forget');
    $httpd->get('/app/?pid') for 1 .. 7;
    ok(wait_for { told('requests') == 20 } 10, 'twenty requests');

    # Children of httpd that end with requests under way.
    @client = under_way(2, 'sleep=1500&pid');
    ok(wait_for { told('in_flight') == 2 } 10, 'two are under way');
    my $manager = $httpd->manager;
    kill 'KILL', grep { $_ != $manager } children($httpd->pid);
    ok(ended(@client), "SIGKILL to httpd's children");
    ok(wait_for { told('in_flight') == 0 } 20,
       'what they had under way is not counted any more');
    is(told('requests'), 20, 'what they had done still is');

    # Another manager.
    my $spawned = told('spawned');
    kill 'KILL', $manager;
    ok(wait_for {
        my $now = $httpd->manager;
        $now && $now != $manager
    } 20, 'another manager');
    $httpd->workers(4);
    is(told('requests'), 20, 'counts requests on');
    is(told('spawned'), $spawned + 4, 'and workers');
    is($httpd->stop, 0, 'httpd stops well');
    return;
}

one_mpm($_) for FCGIPM::Httpd->mpms;
done_testing;
