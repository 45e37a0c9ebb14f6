#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# An idle manager makes no system call.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(sleep time);

my $strace = have('strace') or plan skip_all => 'strace is missing';

my $run = FCGIPM::Run->new(processes => 4, control => 1,
                           command => [bin('worker')]);
my @pid = $run->workers(4);
is(request($run->address)->{error}, undef, 'the pool serves');
ok(wait_for { !grep { age($_) < 2 } @pid } 20,
   'no worker is new: no deadline is near');

my $out = tmp_dir() . '/trace';
my $tracer = start(cmd => [$strace, '-ttt', '-f', '-o', $out,
                           '-p', $run->pid], err => "$out.err");
my $attached = wait_for {
    slurp("$out.err") =~ /attached/ || !$tracer->alive
} 10, 'strace';
SKIP: {
    skip 'strace may not attach here', 4
        unless $attached && $tracer->alive;
    # To attach interrupts the call the manager waits in: it may look round
    # once, and what it does within the first second does not count.
    my $from = time + 1;
    sleep 11;
    my @call = grep {
        /^\d+\s+([\d.]+) (.*)/ && $1 >= $from
    } split /\n/, slurp($out);
    is_deeply(\@call, [], 'no system call in 10 s');
    cmp_ok(scalar(() = slurp($out) =~ /\n/g), '<', 10,
           'and hardly one while strace attached');

    # The same eyes do see it when there is something to do.
    kill 'KILL', $pid[0];
    ok(wait_for { slurp($out) =~ /SIGCHLD/ } 10,
       'strace sees the end of a worker');
    is(scalar $run->workers(4), 4, 'which is replaced');
}
$tracer->signal('INT');
$tracer->wait(10);

done_testing;
