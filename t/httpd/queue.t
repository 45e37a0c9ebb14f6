#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Requests that wait for a worker: FcgiPMQueueLimit, FcgiPMQueueTimeout, who
# has gone meanwhile, and what may happen to pool and httpd while they wait,
# under each MPM.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::HTTP qw(ask_at rest_of status_of);
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Select;
use Test::More;
use Time::HiRes qw(time);

my $httpd;
my $dir = tmp_dir();
my $raw = [$^X, bin('raw.pl')];

# Dies at birth as soon as there is the file.
my $fragile = write_file("$dir/fragile", <<"END", 0755);
#!/bin/sh
test -e $dir/broken && exit 1
exec $^X ${\ bin('raw.pl')}
END

my $config = join '',
    pool('limit', $raw, 'FcgiPMQueueLimit 2'), location('limit'),
    pool('late', $raw, 'FcgiPMQueueTimeout 1s'), location('late'),
    pool('two', $raw, 'FcgiPMProcesses 2'), location('two'),
    pool('slow', 'worker', 'FcgiPMProcesses 2'), location('slow'),
    pool('fragile', [$fragile]), location('fragile'),
    pool('many', 'worker', 'FcgiPMProcesses 4'), location('many');

# --- clients ----------------------------------------------------------------

# A request; its answer is read later.
sub ask { return ask_at($httpd->port, @_) }

sub answered { return IO::Select->new($_[0])->can_read(0) ? 1 : 0 }

sub counts { return $httpd->counts(@_) }

sub soon {
    my ($begin, $what) = @_;
    is_soon(time - $begin, 5, "$what: at once");
    return;
}

my $go = 0;

# A request that is at its worker until go() is called.
sub hold { return ask("/$_[0]/?until=$dir/go$go&ok") }

sub go { write_file("$dir/go$go", '', 0644); $go++; return }

# --- tests ------------------------------------------------------------------

sub limit {
    my $held = hold('limit');
    counts('limit', busy => 1, queue => 0);
    my @queued = map { ask('/limit/?ok') } 1, 2;
    counts('limit', busy => 1, idle => 0, queue => 2, in_flight => 3);
    my $begin = time;
    my $r = $httpd->get('/limit/?ok');
    is($r->{status}, 503, 'a third is one too many');
    like($r->{header}{'retry-after'}, qr/^\d+$/, 'with Retry-After');
    soon($begin, '503');
    ok($httpd->log =~ /pool limit: FcgiPMQueueLimit/, 'the log tells');
    ok(!(grep { answered($_) } @queued), 'who waits goes on waiting');
    go();
    is(status_of($_), 200, 'all others are answered') for $held, @queued;
    counts('limit', busy => 0, queue => 0, in_flight => 0);
    return;
}

sub late {
    my $held = hold('late');
    counts('late', busy => 1);
    my $begin = time;
    my $r = $httpd->get('/late/?ok');
    is($r->{status}, 503, 'waited for too long');
    like($r->{header}{'retry-after'}, qr/^\d+$/, 'with Retry-After');
    cmp_ok(time - $begin, '>=', 1, 'not too early');
    soon($begin + 1, '503');
    ok($httpd->log =~ /pool late: .*FcgiPMQueueTimeout/, 'the log tells');
    go();
    is(status_of($held), 200, 'who had the worker is answered');
    return;
}

# Who has gone before his turn is not sent to a worker.
sub gone {
    my $aborted = $httpd->pool_status('two')->{aborted};
    write_file("$dir/seen", '', 0666);
    my @held = map { hold('two') } 1, 2;
    counts('two', busy => 2);
    my @here = (ask("/two/?note=$dir/seen&ok"));
    counts('two', queue => 1);
    my @gone = map { ask("/two/?note=$dir/seen&ok") } 1 .. 3;
    counts('two', queue => 4);
    push @here, ask("/two/?note=$dir/seen&ok");
    counts('two', queue => 5);
    close $_ for @gone;
    counts('two', queue => 2);
    go();
    is(status_of($_), 200, 'who is still there is answered') for @held, @here;
    counts('two', queue => 0, in_flight => 0, aborted => $aborted + 3);
    is(count_lines("$dir/seen", '.'), 2, 'no worker has seen who was gone');
    unlink "$dir/seen";
    return;
}

# First come, first served; in every child of httpd.
sub order {
    my $held = hold('limit');
    counts('limit', busy => 1);
    my @queued;
    for my $i (1, 2) {
        push @queued, ask("/limit/?out=A:b%0a%0a$i&end");
        counts('limit', queue => $i);
    }
    go();
    my @said = map { rest_of($_) =~ /(\d)(?:\r\n0\r\n\r\n)?\z/ } @queued;
    is("@said", '1 2', 'both are answered');
    rest_of($held);

    my $load = load_on($httpd, '/many/?sleep=20&pid', 16);
    ok($load->flows(200), 'more clients than workers');
    my $sum = $load->stop;
    is($sum->{failed}, 0, "$sum->{ok} requests")
        or diag($load->explain);
    counts('many', queue => 0, in_flight => 0, idle => 4);
    return;
}

# Old workers with long requests do not keep new ones from work.
sub reload {
    my @held = map { ask('/slow/?sleep=4000&pid') } 1, 2;
    counts('slow', busy => 2);
    my $begin = time;
    my $queued = ask('/slow/?pid');
    counts('slow', queue => 1);
    my @old = $httpd->pool_status('slow')->{worker};
    ok($httpd->graceful, 'graceful');
    is(status_of($queued), 200, 'who waited has one of the new workers');
    is($httpd->get('/slow/?pid')->{status}, 200, 'so has who comes now');
    is_soon(time - $begin, 4, 'before the old ones are done');
    is(status_of($_), 200, 'which they will be') for @held;
    return;
}

# Who waits for a pool that breaks is told at once.
sub backoff {
    my $held = hold('fragile');
    counts('fragile', busy => 1);
    my @queued = map { ask('/fragile/?ok') } 1 .. 3;
    counts('fragile', queue => 3);
    write_file("$dir/broken", '', 0644);
    my $begin = time;
    kill 'KILL', $httpd->pool_status('fragile')->{worker}[0]{pid};
    like(status_of($held), qr/^50[23]$/, 'the worker has crashed');
    for (@queued) {
        is(status_of($_), 503, 'the pool has no other');
    }
    is_soon(time - $begin, 10, 'at once');
    counts('fragile', queue => 0, in_flight => 0);
    unlink "$dir/broken";
    go();
    ok(wait_for { $httpd->get('/fragile/?ok')->{status} == 200 } 40,
       'it comes back');
    return;
}

# A child of httpd takes its grants and its place in the queue with it.
sub crash {
    my @held = map { hold('two') } 1, 2;
    counts('two', busy => 2);
    my @queued = map { ask('/two/?ok') } 1 .. 6;
    counts('two', queue => 6);
    my $manager = $httpd->manager || 0;
    my @child = grep { $_ != $manager } children($httpd->pid);
    kill 'KILL', @child;
    ok(wait_for { !grep { alive($_) } @child } 10,
       'all children of httpd die');
    counts('two', queue => 0, in_flight => 0);
    go();
    for (1 .. 4) {
        is($httpd->get('/two/?ok')->{status}, 200, 'nothing is stuck');
    }
    rest_of($_) for @held, @queued;
    @held = map { hold('two') } 1, 2;
    counts('two', busy => 2, queue => 0);
    my $s = ask('/two/?ok');
    counts('two', busy => 2, queue => 1);
    go();
    is(status_of($_), 200, 'as many as before') for @held, $s;
    return;
}

# Without a manager requests go on, also those that wait.
sub manager {
    my @held = map { hold('two') } 1, 2;
    counts('two', busy => 2);
    my @queued = map { ask('/two/?ok') } 1 .. 3;
    counts('two', queue => 3);
    my $manager = $httpd->manager;
    kill 'KILL', $manager;
    ok(wait_for { !alive($manager) } 10, 'the manager dies');
    go();
    is(status_of($_), 200, 'requests go on') for @held, @queued;
    ok(wait_for { ($httpd->manager || $manager) != $manager } 20,
       'another manager');
    counts('two', queue => 0, in_flight => 0, idle => 2);
    return;
}

sub one_mpm {
    my ($mpm) = @_;
    $httpd = FCGIPM::Httpd->new(mpm => $mpm, config => $config);
    ok($httpd->start, "MPM $mpm") or return;
    is(scalar $httpd->workers(11), 11, 'workers of six pools');
    my @test = ([limit => \&limit], [late => \&late], [gone => \&gone],
                [order => \&order], [reload => \&reload],
                [backoff => \&backoff], [crash => \&crash],
                [manager => \&manager]);
    subtest("$mpm: $_->[0]", sub { $_[0]->(); done_testing }, $_->[1])
        for @test;
    ends_well($httpd);
    return;
}

one_mpm($_) for FCGIPM::Httpd->mpms;
done_testing;
