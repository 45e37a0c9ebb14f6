#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# One graceful after the other, as fast as httpd takes them, while requests wait
# for a worker without a thread: none is lost.  FCGIPM_SECONDS, 75 without it; not
# a part of check.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(time);

my $httpd = FCGIPM::Httpd->new(
    config => "FcgiPMPark on\nFcgiPMGraceful none\n"
        . pool('app', 'worker', 'FcgiPMProcesses 3') . location('app'));
ok($httpd->start, 'httpd') or BAIL_OUT('no httpd');
is(scalar $httpd->workers(3), 3, 'three workers');
my $load = load_on($httpd, '/app/?sleep=20&pid', 6);
ok($load->flows(20), 'twice as many requests flow');
my $end = time + ($ENV{FCGIPM_SECONDS} || 75);
my $n = 0;
while (time < $end) {
    $httpd->graceful_signal;
    $n++;
    $load->flows(10);
}
my $sum = $load->stop;
is($sum->{failed}, 0, "$n gracefuls: of $sum->{ok} requests none is lost")
    or diag($load->explain);
ends_well($httpd);
done_testing;
