#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Workers that make it hard: one that exits after each answer, one that sets
# O_NONBLOCK, one that is slow to start.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my $worker = bin('worker');
my $httpd = FCGIPM::Httpd->new(config => join '',
    pool('once', [$worker, '--exit-after', 1]), location('once'),
    pool('twins', [$worker, '--exit-after', 1], 'FcgiPMProcesses 2'),
    location('twins'),
    pool('sick', 'worker', 'FcgiPMProcesses 2'), location('sick'),
    pool('slow', [$worker, '--slow-start', 700], 'FcgiPMProcesses 2'),
    location('slow'),
    pool('nonblock', 'worker', 'FcgiPMProcesses 3'), location('nonblock'),
    pool('php-like', [$worker, '--exit-after', 5], 'FcgiPMProcesses 3'),
    location('php-like'));
ok($httpd->start, 'httpd');

for my $pool (qw(once twins)) {
    my %status;
    $status{ $httpd->get("/$pool/?pid")->{status} }++ for 1 .. 20;
    is_deeply(\%status, { 200 => 20 },
              "$pool exits after each answer: 20 x 200");
}
{
    # With another status than 0, as a program may.
    my %status;
    $status{ $httpd->get('/sick/?exit=1&pid')->{status} }++ for 1 .. 20;
    is_deeply(\%status, { 200 => 20 }, 'with status 1: 20 x 200 as well');
}
{
    my $load = load_on($httpd, '/php-like/?sleep=5&pid', 6);
    ok($load->flows(150), 'workers that leave after five requests each');
    my $sum = $load->stop;
    is($sum->{failed}, 0, "of $sum->{ok} requests none was lost")
        or diag($load->explain);
}
{
    is($httpd->get('/slow/?pid')->{status}, 200,
       'a request waits for a worker that is slow to start');
    my ($pid) = $httpd->pid_at('/slow/');
    my @old = map { $_->{pid} } @{ $httpd->status('slow')->{pools}[0]{worker} };
    kill 'KILL', @old;
    # One that dies may take a connection with it, and a second one the retry.
    wait_for { !grep { alive($_) } @old } 10, 'the end of all';
    is($httpd->get('/slow/?pid')->{status}, 200,
       'also when all have been killed');
    isnt($httpd->pid_at('/slow/'), $pid, 'a new one');
}
{
    wait_for {
        !grep { $_->{uptime} < 1.2 }
            @{ $httpd->status('nonblock')->{pools}[0]{worker} }
    } 20, 'settled workers';
    is($httpd->get('/nonblock/?nonblock&pid')->{status}, 200,
       'a worker sets O_NONBLOCK on the socket they share');
    my ($good, $tries) = (0, 0);
    while ($good < 20 && $tries < 200) {
        $tries++;
        $good = $httpd->pid_at('/nonblock/') ? $good + 1 : 0;
    }
    is($good, 20, "20 good requests in a row, after $tries");
    ok(wait_for {
        $httpd->status('nonblock')->{pools}[0]{workers} == 3
    } 10, 'there are three workers');
}
ends_well($httpd);

done_testing;
