#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The manager of an idle httpd makes no system call, and requests do not wake
# it: a connection to a pool's socket could, and costs the request its time.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(sleep time);

my $strace = have('strace') or plan skip_all => 'strace is missing';

my $httpd = FCGIPM::Httpd->new(config =>
    pool('app', 'worker', 'FcgiPMProcesses 3') . location('app')
    . pool('other', 'worker', 'FcgiPMProcesses 3'));
ok($httpd->start, 'httpd');
my @old = $httpd->workers(6);
ok($httpd->graceful, 'a graceful, so that nothing is new');
my @pid = $httpd->renewed(@old);
is(scalar @pid, 6, 'six workers');
ok($httpd->pid_at('/app/'), 'the pool serves');
ok(wait_for { !grep { age($_) < 2 } @pid } 20, 'no worker is new');

# How often a process has gone to sleep.
sub turns { return proc_status($_[0])->{voluntary_ctxt_switches} }

my $out = tmp_dir() . '/trace';
my $tracer = start(cmd => [$strace, '-ttt', '-f', '-o', $out,
                           '-p', $httpd->manager], err => "$out.err");
my $attached = wait_for {
    slurp("$out.err") =~ /attached/ || !$tracer->alive
} 10, 'strace';
SKIP: {
    skip 'strace may not attach here', 3
        unless $attached && $tracer->alive;
    # To attach interrupts the call it waits in: the first second does not
    # count.  Requests do not concern the manager, either.
    my $from = time + 1;
    my $turns = turns($httpd->manager);
    my $load = load_on($httpd, '/app/?sleep=50&pid', 2);
    sleep 11;
    my $sum = $load->stop;
    cmp_ok($sum->{ok}, '>', 20, "$sum->{ok} requests were answered");
    cmp_ok(turns($httpd->manager) - $turns, '<', 10,
           'the kernel has not woken the manager for them');
    my @call = grep {
        /^\d+\s+([\d.]+) (.*)/ && $1 >= $from
    } split /\n/, slurp($out);
    is_deeply(\@call, [], 'no system call in 10 s');
}
$tracer->signal('INT');
$tracer->wait(10);
is($httpd->stop, 0, 'httpd stops well');

done_testing;
