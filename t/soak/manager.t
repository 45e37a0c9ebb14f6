#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The manager is killed again and again under load, three seconds after the one
# before: not one request is lost, and the longest one is told.  FCGIPM_KILLS
# times, 20 without it; not a part of check.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Load;
use FCGIPM::Scenario;
use FCGIPM::Test;
use List::Util qw(max);
use Test::More;
use Time::HiRes qw(sleep time);

my $kills = $ENV{FCGIPM_KILLS} || 20;
my $httpd = FCGIPM::Httpd->new(
    config => pool('app', 'worker', 'FcgiPMProcesses 4') . location('app'));
ok($httpd->start, 'httpd serves');

my $times = tmp_dir();
my $longest = 0;    # of one client
my $load = FCGIPM::Load->new(clients => 8, request => sub {
    my ($client) = @_;
    my $begin = time;
    my $r = $httpd->get('/app/?sleep=20&pid');
    if (time - $begin > $longest) {
        $longest = time - $begin;
        write_file("$times/$client", $longest);
    }
    return $r->{error} || ($r->{status} == 200 ? undef : $r->{status});
});
ok($load->flows(20), 'requests flow');

my @gap;
for my $n (1 .. $kills) {
    my $manager = $httpd->manager;
    my $begin = time;
    kill 'KILL', $manager;
    wait_for {
        my $pid = $httpd->manager;
        $pid && $pid != $manager
    } 20, 'another manager' or last;
    push @gap, time - $begin;
    sleep 3;
}
is(scalar @gap, $kills, "$kills managers were killed and replaced");
my $sum = $load->stop;
is($sum->{failed}, 0, "none of $sum->{ok} requests was lost")
    or diag($load->explain);
diag(sprintf 'longest time without a manager %.3f s, longest request %.3f s',
     max(@gap), max(map { slurp($_) } glob "$times/*"));
ends_well($httpd);
done_testing;
