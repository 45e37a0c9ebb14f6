#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Thousands of requests wait without a thread, all the time: through gracefuls
# none is lost, and what has waited leaves no descriptor and no memory in
# httpd's children.  FCGIPM_PARK connections in all, 100000 without it, a
# twentieth of them at once; FCGIPM_PARK_GRACEFULS, 20 without it.  Not a part
# of check.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::HTTP qw(ask_at rest_of);
use FCGIPM::Httpd;
use FCGIPM::Load;
use FCGIPM::Scenario;
use FCGIPM::Test;
use List::Util qw(min sum);
use Test::More;
use Time::HiRes qw(sleep time);

my $CONNECTIONS = $ENV{FCGIPM_PARK} || 100_000;
my $GRACEFULS = $ENV{FCGIPM_PARK_GRACEFULS} || 20;
my $CLIENTS = 10;
my $PATIENCE = 120;    # seconds

my $httpd;

sub server {
    my ($workers, @line) = @_;
    $httpd = FCGIPM::Httpd->new(config => join "\n",
        'AsyncRequestWorkerFactor 1000', 'ListenBacklog 5000', 'FcgiPMPark on',
        'FcgiPMQueueTimeout 10min', 'FcgiPMIOTimeout 10min',
        'LogLevel fcgipm:warn', @line,
        pool('app', 'worker', "FcgiPMProcesses $workers"), location('app'));
    return ok($httpd->start, 'httpd');
}

# Clients that send N requests each, read all the answers, and begin again.
sub load {
    my ($n, $query) = @_;
    my $port = $httpd->port;
    return FCGIPM::Load->new(clients => $CLIENTS, request => sub {
        my @s = map { ask_at($port, "/app/?$query&text=end") } 1 .. $n;
        my %bad;
        for (map { rest_of($_, $PATIENCE) } @s) {
            $bad{ substr $_, 0, 30 }++ unless m{^HTTP/1\.1 200 .*end\z}s;
        }
        return %bad ? join ', ', map { "$bad{$_} x '$_'" } keys %bad : undef;
    });
}

sub parked { return $httpd->pool_status('app')->{parked} || 0 }

sub ends_quiet {
    return $httpd->counts('app', queue => 0, in_flight => 0, parked => 0,
                          blocked => 0);
}

# A thousand wait, and httpd has all its children anew.
sub gracefuls {
    server(4) or return;
    my $load = load(120, 'sleep=10');
    my ($done, $least) = (0, 1e9);
    for my $round (1 .. $GRACEFULS) {
        wait_for { parked() >= 1000 } $PATIENCE, '1000 that wait' or last;
        $httpd->graceful or last;
        $done++;
        my $now = parked();
        $least = $now if $now < $least;
    }
    is($done, $GRACEFULS, "$GRACEFULS gracefuls, $least wait at least");
    my $sum = $load->stop;
    is($sum->{failed}, 0, 'none is lost of ' . 120 * $sum->{ok})
        or diag($load->explain);
    return ends_quiet();
}

sub httpd_children {
    my $manager = $httpd->manager || 0;
    return grep { $_ != $manager } children($httpd->pid);
}

# Memory that is its own, and descriptors.
sub cost {
    my ($pid) = @_;
    my $kb = sum(slurp("/proc/$pid/smaps_rollup") =~ /^Private_\w+:\s+(\d+)/mg);
    return { kb => $kb, fds => scalar keys %{ fds($pid) } };
}

# What a child keeps of its first wave it has for all that follow.
sub connections {
    my $at_once = $CONNECTIONS / 20 / $CLIENTS;
    server(8, 'ServerLimit 2', 'StartServers 2', 'MaxRequestWorkers 32',
           'MaxSpareThreads 32') or return;
    my @child = httpd_children();
    my $load = load($at_once, 'sleep=8');
    ok($load->flows(2 * $CLIENTS, 600), 'the first connections');
    is($load->stop->{failed}, 0, 'none is lost');
    ends_quiet();
    my %before = map { ($_ => cost($_)) } @child;
    my $fds = min(map { $_->{fds} } values %before);    # others still close

    $load = load($at_once, 'sleep=8');
    my $most = 0;
    wait_for {
        my $now = parked();
        $most = $now if $now > $most;
        $load->so_far->{ok} >= 20 * $CLIENTS
    } 1800, "$CONNECTIONS connections";
    my $sum = $load->stop;
    is($sum->{failed}, 0, sprintf '%d connections, none is lost, %d waited',
       $at_once * $sum->{ok}, $most) or diag($load->explain);
    ends_quiet();
    is_deeply([httpd_children()], \@child, 'the same children');
    for my $pid (@child) {
        my $b = $before{$pid};
        my $now = cost($pid);
        wait_for { $now = cost($pid); $now->{fds} <= $fds } 40,
            'descriptors to be closed';
        cmp_ok($now->{fds}, '<=', $fds,
               "child $pid: descriptors, $fds before");
        cmp_ok($now->{kb}, '<=', 1.1 * $b->{kb} + 1024,
               "child $pid: kB, $b->{kb} before");
    }
    return;
}

for (['gracefuls', \&gracefuls], ['connections', \&connections]) {
    my ($name, $run) = @$_;
    next if @ARGV && !grep { $_ eq $name } @ARGV;
    subtest($name, sub {
        $run->();
        ends_well($httpd) if $httpd->alive;
        done_testing;
    });
}
done_testing;
