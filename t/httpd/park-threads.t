#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A child whose threads are all taken by others leaves the workers to requests
# that have a thread, however long its own have been parked.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::HTTP qw(ask_at rest_of status_of);
use FCGIPM::HTTP2;
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Socket::INET;
use Test::More;

my $THREADS = 4;
my $dir = tmp_dir();
my ($go, $httpd) = (0);

sub begin {
    my ($children, @line) = @_;
    $httpd = FCGIPM::Httpd->new(
        modules => ['http2'],
        config => join '', "StartServers $children\nServerLimit $children\n",
        "ThreadsPerChild $THREADS\nMinSpareThreads 1\nProtocols h2c http/1.1\n",
        'MaxRequestWorkers ', $children * $THREADS, "\n",
        "AsyncRequestWorkerFactor 50\nLogLevel http2:trace2\n",
        # a busy machine takes long to bring slow clients into one child
        "Timeout 600\n",
        pool('app', 'worker', 'FcgiPMQueueTimeout 10min', @line),
        location('app'));
    ok($httpd->start, "httpd, $children children") or BAIL_OUT('no httpd');
    $httpd->workers(1);
    return;
}

sub until_go { return "/app/?until=$dir/go$go" }

sub go { write_file("$dir/go$go", '', 0644); $go++; return }

sub child_of { return ($httpd->children_of($_[0]))[0] // 0 }

# A request that has a thread, as half of its body is missing.
sub slow_post {
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $httpd->port)
        or die "connect: $!";
    syswrite $s, "POST /app/?echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        . "Content-Length: 10\r\n\r\nhello";
    return $s;
}

# So many requests in that child: the others cannot accept any.
sub fill_child {
    my ($child, $n, $code) = @_;
    my @other = grep { $_ != $child && $_ != $httpd->manager }
        children($httpd->pid);
    kill 'STOP', @other;
    wait_for {
        !grep { slurp($_) !~ /\) T / } map { glob "/proc/$_/task/*/stat" } @other
    } 20, 'all their threads have stopped';
    my @s = map { $code->() } 1 .. $n;
    wait_for { !grep { child_of($_) != $child } @s } 60, 'a child';
    kill 'CONT', @other;
    return @s;
}

sub can_park {
    my $held = ask_at($httpd->port, until_go());
    $httpd->counts('app', busy => 1);
    my $s = ask_at($httpd->port, '/app/?text=x');
    $httpd->counts('app', queue => 1);
    my $parked = $httpd->pool_status('app')->{parked};
    go();
    status_of($_) for $held, $s;
    return $parked;
}

# --- slow clients have the threads of one of two children ----------------------

begin(2);
if (!can_park()) {
    diag('the MPM of this httpd cannot park requests');
    ends_well($httpd);
    done_testing;
    exit;
}
{
    my $held = ask_at($httpd->port, until_go());
    $httpd->counts('app', busy => 1);
    my ($other) = grep { $_ != child_of($held) && $_ != $httpd->manager }
        children($httpd->pid);
    my ($parked) = fill_child($other, 1, sub {
        ask_at($httpd->port, '/app/?text=parked')
    });
    my @slow = fill_child($other, $THREADS, \&slow_post);
    is(scalar(grep { child_of($_) == $other } @slow), $THREADS,
       'its threads have slow clients');
    my $next = ask_at($httpd->port, '/app/?text=next');
    wait_for { child_of($next) } 20, 'a child';
    is(child_of($next), child_of($held), 'the other child has threads');
    go();
    is(status_of($held), 200, 'the worker is free');
    like(rest_of($next), qr/next/, 'the other child has its request answered');
    syswrite $slow[0], 'world';
    like(rest_of($slow[0]), qr/length=10/, 'a slow client has come to its end');
    like(rest_of($parked), qr/parked/, 'what was parked has its thread');
}
ends_well($httpd);

# --- connections of HTTP/2 have all threads ------------------------------------

# One of them has a worker, and each has a request that waits for it.
sub h2_and_parked {
    my @s = h2_ask(h2_connected($httpd->port), 1, GET => until_go());
    $httpd->counts('app', busy => 1, queue => 0);
    my $parked = ask_at($httpd->port, '/app/?text=parked');
    $httpd->counts('app', parked => 1);
    push @s, map { h2_connected($httpd->port) } 2 .. $THREADS;
    h2_ask($_, 3, GET => '/app/?text=stream') for @s;
    $httpd->counts('app', parked => 1, blocked => $THREADS);
    return ($parked, @s);
}

begin(1);
{
    my ($parked, @s) = h2_and_parked();
    go();
    is((h2_take($_, 3))[0], 'stream', 'a stream is answered') for @s;
    close $_ for @s;
    like(rest_of($parked), qr/parked/, 'and what was parked before');
}

ends_well($httpd);

# Each thread waits for the streams of a client that has gone, which go on, after
# the hook in which it was counted.
begin(1, 'FcgiPMIgnoreClientAbort on');
{
    my ($parked, @s) = h2_and_parked();
    my $released = count_lines($httpd->error_log, 'start release');
    close $_ for @s;
    ok(wait_for {
        count_lines($httpd->error_log, 'start release') - $released == $THREADS
    } 20, 'their threads wait');
    go();
    like(rest_of($parked), qr/parked/, 'it gets a thread in the end');
    $httpd->counts('app', queue => 0, in_flight => 0);
}
ends_well($httpd);
done_testing;
