#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What may happen to httpd, its children and its pools while requests are
# parked: none is lost that need not be, and nothing of them stays.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::HTTP qw(ask_at rest_of status_of);
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use List::Util qw(max);
use Test::More;
use Time::HiRes qw(sleep time);

# More in runs that have the time.
my $MANY = $ENV{FCGIPM_PARK} || 100;

my $dir = tmp_dir();
my ($httpd, $go) = (undef, 0);

sub ask { return ask_at($httpd->port, @_) }

sub statuses {
    my %got;
    $got{ status_of($_, 30) }++ for @_;
    return \%got;
}

sub go { write_file("$dir/go$go", '', 0644); $go++; return }

sub hold {
    my ($pool, $n) = @_;
    my @s = map { ask("/$pool/?until=$dir/go$go&text=held") } 1 .. $n || 1;
    $httpd->counts($pool, busy => scalar @s);
    return @s;
}

# N requests, parked but for those that are sent to the socket of a quick pool.
sub park {
    my ($pool, $n, $query) = @_;
    my @s = map { ask("/$pool/?" . ($query || 'sleep=1')) } 1 .. $n;
    wait_for {
        my $is = $httpd->pool_status($pool);
        $is->{in_flight} >= $n + $is->{busy};
    } 30, "$n have come";
    return @s;
}

sub ends_quiet {
    my ($pool) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return $httpd->counts($pool, queue => 0, in_flight => 0, parked => 0,
                          blocked => 0);
}

sub httpd_children {
    my $manager = $httpd->manager || 0;
    return grep { $_ != $manager } children($httpd->pid);
}

# FcgiPMIOTimeout: workers are held for as long as a busy machine takes.
sub server {
    my (@line) = @_;
    $httpd = FCGIPM::Httpd->new(config => join "\n",
        'AsyncRequestWorkerFactor 100', 'FcgiPMIOTimeout 10min',
        ((grep { /^FcgiPMPark/ } @line) ? () : 'FcgiPMPark on'), @line);
    return ok($httpd->start, 'httpd');
}

sub app { return pool('app', 'worker', @_), location('app') }

# --- lives ------------------------------------------------------------------

# The MPM takes a parked connection for an idle one.
sub timeout {
    server('Timeout 2', app('FcgiPMProcesses 1')) or return;
    my @held = hold('app');
    my @s = park('app', 20);
    sleep 4.5;
    is($httpd->pool_status('app')->{parked} > 15, 1, 'they wait on');
    go();
    is_deeply(statuses(@held, @s), { 200 => 21 },
              'a wait of more than twice the Timeout');
    return ends_quiet('app');
}

sub graceful {
    server(app('FcgiPMProcesses 2')) or return;
    for my $round (1 .. 3) {
        my @held = hold('app', 2);
        my @s = park('app', $MANY);
        ok($httpd->graceful, "graceful $round");
        push @s, park('app', 20);
        go();
        is_deeply(statuses(@held, @s), { 200 => @s + 2 }, 'none is lost');
        ends_quiet('app');
    }
    return;
}

sub killed_child {
    server('StartServers 3', app('FcgiPMProcesses 2')) or return;
    my @held = hold('app', 2);
    my @s = park('app', $MANY);
    # the first one may have none of the parked ones
    my $parked = sub { $httpd->pool_status('app')->{parked} };
    my $before = $parked->();
    for my $child (httpd_children()) {
        kill 'KILL', $child;
        ok(wait_for { !alive($child) } 10, 'a child is killed');
        last if &wait_for(sub { $parked->() < $before }, 2, "fewer");
    }
    go();
    my $got = statuses(@s);
    is_deeply([sort keys %$got], [0, 200],
              "of $MANY those of other children are answered");
    rest_of($_, 30) for @held;
    ends_quiet('app');
    @held = hold('app', 2);
    @s = park('app', 20);
    go();
    is_deeply(statuses(@held, @s), { 200 => 22 }, 'as many as before');
    return ends_quiet('app');
}

sub short_lives {
    server('MaxConnectionsPerChild 20', app('FcgiPMProcesses 2')) or return;
    my @s;
    for (1 .. 4) {
        push @s, map { ask('/app/?sleep=20') } 1 .. 25;
    }
    is_deeply(statuses(@s), { 200 => 100 }, 'MaxConnectionsPerChild');
    return ends_quiet('app');
}

sub graceful_stop {
    server(app('FcgiPMProcesses 2')) or return;
    my @held = hold('app', 2);
    my @s = park('app', 30);
    $httpd->signal('WINCH');
    go();
    is_deeply(statuses(@held, @s), { 200 => 32 },
              'a server that ends gracefully');
    is($httpd->wait(30), 0, 'and it ends');
    return;
}

sub stop {
    server(app('FcgiPMProcesses 2')) or return;
    my @held = hold('app', 2);
    my @s = park('app', $MANY);
    my $begin = time;
    is($httpd->stop, 0, 'a server that is stopped');
    is_soon(time - $begin, 20, 'goes');
    go();
    return;
}

# Stopped, the pool answers nobody.
sub stopped_pool {
    server(app('FcgiPMProcesses 2')) or return;
    my @held = hold('app', 2);
    my @s = park('app', $MANY);
    my $begin = time;
    ctl($httpd->control_socket, 'stop', 'app');
    my $got = statuses(@s);
    is($got->{503} > $MANY - 8, 1, 'all are told that the pool is stopped');
    is_soon(time - $begin, 15, 'at once');
    go();
    rest_of($_, 30) for @held;
    ends_quiet('app');
    return ok($httpd->log !~ /FcgiPMQueueTimeout/, 'for that reason');
}

sub refused {
    server(app('FcgiPMProcesses 2', 'FcgiPMQueueLimit 50')) or return;
    my @held = hold('app', 2);
    my @s = map { ask('/app/?sleep=1') } 1 .. 2 * $MANY;
    $httpd->counts('app', queue => 50, refused_limit => 2 * $MANY - 50);
    go();
    is_deeply(statuses(@s), { 200 => 50, 503 => 2 * $MANY - 50 },
              'those beyond FcgiPMQueueLimit are refused');
    rest_of($_, 30) for @held;
    return ends_quiet('app');
}

# First come, first served, over all children.  Of the twenty that are sent
# between two looks at the queue any can be the first there.
sub order {
    server('StartServers 3', app('FcgiPMProcesses 1')) or return;
    my @held = hold('app');
    my @s;
    for my $i (1 .. 60) {
        push @s, ask('/app/?sleep=10&pid');
        $httpd->counts('app', queue => $i) if $i % 20 == 0;
    }
    go();
    my @turn = map { rest_of($_, 30) =~ /requests=(\d+)/ ? $1 : 0 } @s;
    is(scalar(grep { $_ } @turn), 60, 'all are answered');
    my ($first) = sort { $a <=> $b } @turn;
    cmp_ok(max(map { $turn[$_] - $first - $_ } 0 .. $#turn), '<=', 28,
           'nobody is overtaken by many');
    return ends_quiet('app');
}

# Pools hold no more threads than they may, and a file is answered.
sub threads {
    server('ServerLimit 1', 'StartServers 1', 'ThreadsPerChild 8',
           'MaxRequestWorkers 8', 'FcgiPMMaxThreads 3',
           app('FcgiPMProcesses 6')) or return;
    my @held = map { ask("/app/?until=$dir/go$go") } 1 .. 30;
    $httpd->counts('app', busy => 3, parked => 27);
    is($httpd->get('/static.txt')->{status}, 200, 'a file');
    go();
    is_deeply(statuses(@held), { 200 => 30 }, 'all are answered');
    return ends_quiet('app');
}

# One pool has a hundred times what it can do; two others notice nothing.
sub fair {
    server('ServerLimit 2', 'StartServers 2', 'ThreadsPerChild 8',
           'MaxRequestWorkers 16',
           pool('full', 'worker', 'FcgiPMProcesses 2'), location('full'),
           pool('one', 'worker', 'FcgiPMProcesses 2'), location('one'),
           pool('two', 'worker', 'FcgiPMProcesses 2'), location('two'))
        or return;
    my @held = hold('full', 2);
    my @s = park('full', 200, 'sleep=10');
    for my $pool ('one', 'two') {
        my $begin = time;
        my @own = map { ask("/$pool/?sleep=20") } 1 .. 20;
        is_deeply(statuses(@own), { 200 => 20 }, "$pool answers");
        is_soon(time - $begin, 8, 'while another pool has too much');
    }
    go();
    my $begin = time;
    is_deeply(statuses(map { ask('/one/?sleep=20') } 1 .. 20), { 200 => 20 },
              'also while that one works');
    is_deeply(statuses(@held, @s), { 200 => 202 }, 'which is answered, too');
    ends_quiet($_) for 'full', 'one', 'two';
    return;
}

# Numbers that contradict each other.
sub sizing {
    $httpd = FCGIPM::Httpd->new(
        wrap => ['/bin/sh', '-c', 'ulimit -n 300; exec "$@"', 'sh'],
        config => join "\n", 'ServerLimit 2', 'StartServers 1',
            'ThreadsPerChild 8', 'MaxRequestWorkers 16', 'FcgiPMMaxThreads 5',
            'AsyncRequestWorkerFactor 20', 'FcgiPMPark on',
            app('FcgiPMProcesses 0 11', 'FcgiPMQueueLimit 337'));
    ok($httpd->start, 'httpd') or return;
    like($httpd->log, $_, "says $_")
        for qr/\b168 connections, .* 436 descriptors .* -n is 300/,
            qr/pool app: FcgiPMQueueLimit 337: httpd has 336 connections/,
            qr/may have 11 requests .* pools 10 threads at most/;
    $httpd->write_config(join "\n", 'ThreadsPerChild 8',
                         'MaxRequestWorkers 16', app('FcgiPMProcesses 1'));
    $httpd->logs_afresh("$dir/log");
    ok($httpd->graceful, 'others');
    unlike($httpd->log, qr/connections|threads at most/, 'no word of it');
    return;
}

sub off {
    server('FcgiPMPark off', app('FcgiPMProcesses 1')) or return;
    my @held = hold('app');
    my @s = map { ask('/app/?sleep=1') } 1 .. 3;
    $httpd->counts('app', queue => 3, blocked => 3, parked => 0);
    $httpd->write_config(join "\n", app('FcgiPMProcesses 1'));
    ok($httpd->graceful, 'a graceful switches it on');
    push @s, map { ask('/app/?sleep=1') } 1 .. 3;
    go();
    is_deeply(statuses(@held, @s), { 200 => 7 },
              'both ways to wait stand in one queue');
    return ends_quiet('app');
}

# --- all of it --------------------------------------------------------------

my @only = @ARGV;
for my $test (['timeout', \&timeout], ['graceful', \&graceful],
              ['killed child', \&killed_child],
              ['short lives', \&short_lives],
              ['graceful stop', \&graceful_stop], ['stop', \&stop],
              ['stopped pool', \&stopped_pool], ['refused', \&refused],
              ['order', \&order], ['threads', \&threads], ['fair', \&fair],
              ['sizing', \&sizing], ['off', \&off]) {
    my ($name, $run) = @$test;
    next if @only && !grep { $_ eq $name } @only;
    subtest($name, sub {
        $run->();
        ends_well($httpd) if $httpd->alive;
        done_testing;
    });
}
done_testing;
