#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A manager that has no descriptor left cannot take a new configuration: it is
# replaced, nobody else notices.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Socket::UNIX;
use Test::More;

my $httpd = FCGIPM::Httpd->new(
    wrap => [have('sh'), '-c', 'ulimit -n 64; exec "$@"', 'sh'],
    config => pool('app', 'worker', 'FcgiPMProcesses 24') . location('app'));
ok($httpd->start, 'httpd');
$httpd->workers(24);
my $manager = $httpd->manager;

my $load = load_on($httpd, '/app/?sleep=20&pid', 2);
ok($load->flows(20), 'requests flow');
my @client = map { IO::Socket::UNIX->new(Peer => $httpd->control_socket) }
    1 .. 60;
ok(wait_for { keys %{ fds($manager) } >= 60 } 20,
   'a manager without a free descriptor');
ok($httpd->graceful, 'graceful');
ok(wait_for { my $now = $httpd->manager; $now && $now != $manager } 20,
   'another manager');
is(count_lines($httpd->error_log, ':error\] .*does not take the new configuration and is replaced: .*no descriptor free'),
   1, 'and the reason');
@client = ();
is(scalar(() = $httpd->workers(24)), 24, 'its workers');
ok($load->flows(20), 'requests still flow');
ok(-S "$httpd->{dir}/run/app.sock", 'the socket is there');
my $sum = $load->stop;
is($sum->{failed}, 0, 'not one was lost') or diag($load->explain);
is($httpd->stop, 0, 'httpd stops well');
is_deeply([map { cmdline($_) } descendants()], [], 'nothing is left');
done_testing;
