#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The module and a pool come into a running httpd by a graceful, and go by one,
# under each MPM.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Load;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

sub one_mpm {
    my ($mpm) = @_;
    my $httpd = FCGIPM::Httpd->new(mpm => $mpm, fcgipm => 0);
    ok($httpd->start, "MPM $mpm, without the module") or return;
    my $load = FCGIPM::Load->new(clients => 2, request => sub {
        my $r = $httpd->get('/static.txt');
        return $r->{error} || ($r->{body} eq "static\n" ? undef : 'other');
    });
    ok($load->flows(10), 'it serves');
    for my $round (1, 2) {
        $httpd->{fcgipm} = 1;
        $httpd->write_config(pool('app', 'worker', 'FcgiPMProcesses 2')
                             . location('app'));
        ok($httpd->graceful, "round $round: LoadModule and a pool added");
        ok(wait_for { $httpd->pid_at('/app/') } 10, 'the pool serves');
        my $app = load_on($httpd, '/app/?sleep=10&pid', 2);
        ok($app->flows(20), 'steadily');
        my @worker = $httpd->workers(2);
        my $manager = $httpd->manager;
        ok($httpd->graceful, 'a graceful');
        @worker = $httpd->renewed(@worker);
        is(scalar @worker, 2, 'makes all workers new');
        is($httpd->manager, $manager, 'the manager is the same');
        ok($app->flows(10), 'requests flow');
        my $sum = $app->stop;
        is($sum->{failed}, 0, "of $sum->{ok} none was lost")
            or diag($app->explain);

        $httpd->{fcgipm} = 0;
        $httpd->write_config('');
        ok($httpd->graceful, 'both are removed');
        ok($load->flows(10), 'httpd serves on');
        ok(wait_for { !grep { alive($_) } @worker, $manager } 30,
           'manager and workers are gone');
        is($httpd->get('/app/?pid')->{status}, 404, 'so is the pool');
        is_deeply([grep { -S } glob $httpd->run_dir . '/*'], [],
                  'and its sockets');
    }
    my $sum = $load->stop;
    is($sum->{failed}, 0, "httpd itself: $sum->{ok} requests, none lost")
        or diag($load->explain);
    ends_well($httpd);
    return;
}

one_mpm($_) for FCGIPM::Httpd->mpms;
done_testing;
