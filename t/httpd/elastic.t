#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Pools that follow the demand: requests of httpd's call the manager, those
# that mod_proxy_fcgi sends to the socket are seen there.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI ();
use FCGIPM::HTTP qw(ask_at status_of);
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(sleep time);

my $dir = tmp_dir();
my $raw = [$^X, bin('raw.pl')];
my $trace = write_file("$dir/trace", '', 0666);
my $broken = [bin('worker'), '--exit-at-once', 7, '--trace', $trace];
my ($httpd, $go) = (undef, 0);

# A request that is at its worker until go() is called.
sub hold {
    my ($path, $n) = @_;
    return map { ask_at($httpd->port, "$path?until=$dir/go$go&ok") } 1 .. $n;
}

sub go { write_file("$dir/go$go", '', 0644); $go++; return }

sub good { return scalar grep { status_of($_) == 200 } @_ }

sub pool_status {
    my ($pool) = @_;
    my $status = $httpd->status($pool) or return {};
    return $status->{pools}[0];
}

sub has {
    my ($pool, $n, $what) = @_;
    my $is = '?';
    my $done = wait_for {
        $is = pool_status($pool)->{workers};
        defined $is && $is == $n
    } 10, "$pool: $n workers";
    return ok($done, "$pool: $n workers: $what") || diag("has $is");
}

# The configuration; MOST is what pool `app` has.
sub config {
    my ($most, @line) = @_;
    my $proxied = $httpd->pool_socket('proxied');
    return join '', map({ "$_\n" } 'FcgiPMIdleTimeout 400ms', @line),
        pool('app', $raw, "FcgiPMProcesses 1 $most"), location('app'),
        pool('zero', $raw, 'FcgiPMProcesses 0 8'), location('zero'),
        pool('other', $raw, 'FcgiPMProcesses 0 8'), location('other'),
        pool('broken', $broken, 'FcgiPMProcesses 0 4'), location('broken'),
        pool('pulse', 'worker', 'FcgiPMProcesses 0 8',
             'FcgiPMIdleTimeout 100ms'), location('pulse'),
        pool('proxied', $raw, 'FcgiPMProcesses 0 6'),
        "<Location /proxied>\n    SetHandler \"proxy:$proxied|fcgi://x\"\n"
        . "</Location>\n";
}

# --- tests ------------------------------------------------------------------

sub grows {
    my ($when) = @_;
    has('app', 1, 'the least');
    my @held = hold('/app/', 1);
    wait_for { pool_status('app')->{busy} == 1 } 10, 'a busy worker';
    # these wait in httpd, and do not come to the socket
    push @held, hold('/app/', 4);
    has('app', 5, "as many as there are requests $when");
    push @held, hold('/app/', 9);
    has('app', 8, 'the most');
    go();
    is(good(@held), 14, 'all are answered');
    has('app', 1, 'the least again');
    return;
}

sub on_demand {
    has('zero', 0, 'nobody is there');
    is(pool_status('zero')->{state}, 'running', 'but the pool serves');
    my $begin = time;
    is($httpd->get('/zero/?ok')->{status}, 200, 'the first request');
    diag(sprintf 'on demand: first answer after %.3f s', time - $begin);
    is_soon(time - $begin, 5, 'is answered soon');
    my @held = hold('/zero/', 6);
    has('zero', 6, 'as many as there are requests');
    go();
    is(good(@held), 6, 'all are answered');
    has('zero', 0, 'nobody is left');
    return;
}

sub proxied {
    has('proxied', 0, 'nobody is there');
    my $r = $httpd->get('/proxied/?ok');
    is($r->{body}, "ok\n", 'mod_proxy_fcgi: the first request');
    my @held = hold('/proxied/', 4);
    ok(wait_for { pool_status('proxied')->{workers} >= 4 } 10,
       'mod_proxy_fcgi: the pool grows');
    my $from = time;
    wait_for { time - $from > 1.2 } 5, 'more than the idle timeout';
    my $status = pool_status('proxied');
    is(scalar(grep { $_->{state} eq 'busy' } @{ $status->{worker} }), 4,
       'mod_proxy_fcgi: who is busy stays');
    go();
    is(good(@held), 4, 'mod_proxy_fcgi: all are answered');
    has('proxied', 0, 'nobody is left');
    return;
}

sub breaks {
    my $r = $httpd->get('/broken/');
    is($r->{status}, 503, 'a program that dies: 503');
    like($r->{header}{'retry-after'}, qr/^\d+$/, 'with Retry-After');
    wait_for { pool_status('broken')->{state} eq 'backoff'
               || !$httpd->get('/broken/') } 10, 'backoff';
    my $begin = time;
    $r = $httpd->get('/broken/') for 1 .. 5;
    is($r->{status}, 503, 'again and again');
    is_soon(time - $begin, 5, 'at once');
    ok(wait_for { pool_status('broken')->{state} ne 'backoff' } 20,
       'backoff ends by itself');
    my $born = count_lines($trace, '^born ');
    is(pool_status('broken')->{workers}, 0, 'without another trial');
    $httpd->get('/broken/');
    # the pause after it is short: a slow child asks for a second one
    cmp_ok(count_lines($trace, '^born '), '>', $born,
           'the next request is one');
    is($httpd->get('/zero/?ok')->{status}, 200, 'others do not care');
    return;
}

# Comes and goes, faster than anybody would have it.
sub pulses {
    my ($from, $ok) = (time, 0);
    my @lost;
    while (time - $from < 4) {
        my $load = load_on($httpd, '/pulse/?sleep=10&pid', 1 + int rand 12);
        sleep 0.05 + rand 0.2;
        my $sum = $load->stop;
        $ok += $sum->{ok};
        push @lost, $load->explain if $sum->{failed};
        sleep rand 0.25;
    }
    is_deeply(\@lost, [], "of $ok requests in pulses none is lost");
    my $pool = pool_status('pulse');
    cmp_ok($pool->{spawned}, '>', 10, "by $pool->{spawned} workers");
    is($pool->{crashed} + $pool->{killed}, 0, 'that all went well');
    return;
}

# Every request rings, and nobody is there to hear.
sub manager_dies {
    my $manager = $httpd->manager;
    my @held = hold('/app/', 3);
    has('app', 3, 'three');
    kill 'STOP', $manager;
    push @held, hold('/app/', 2), hold('/zero/', 2);
    kill 'KILL', $manager;
    ok(wait_for {
        my $pid = $httpd->manager;
        $pid && $pid != $manager
    } 20, 'another manager');
    has('app', 5, 'knows what is needed');
    has('zero', 2, 'and where');
    go();
    is(good(@held), 7, 'all are answered');
    grows('after another manager');
    return;
}

sub gracefuls {
    ok($httpd->graceful, 'a graceful');
    grows('after a graceful');
    my @held = hold('/app/', 8);
    has('app', 8, 'eight');
    my @before = map { $_->{pid} } grep { $_->{state} ne 'stopping' }
        @{ pool_status('app')->{worker} };
    $httpd->write_config(config(10, 'FcgiPMGraceful changed'));
    ok($httpd->graceful, 'another number of workers');
    my %is = map { ($_->{pid} => 1) } @{ pool_status('app')->{worker} };
    ok(!(grep { !$is{$_} } @before), 'replaces no worker');
    is(pool_status('app')->{max}, 10, 'and is told');
    push @held, hold('/app/', 4);
    has('app', 10, 'counts at once');
    go();
    is(good(@held), 12, 'all are answered');
    return;
}

# Eleven are needed, six there may be.
sub together {
    $httpd->write_config(
        config(8, 'FcgiPMMaxProcesses 6', 'FcgiPMGraceful changed'));
    ok($httpd->graceful, 'FcgiPMMaxProcesses 6');
    has('app', 1, 'the least');
    my @held = (hold('/app/', 4));
    has('app', 4, 'four');
    my @more = hold('/other/', 7);
    has('other', 2, 'as many as there is room for');
    go();
    is(good(@held, @more), 11, 'all are answered in the end');
    has('other', 0, 'rest');
    return;
}

$httpd = FCGIPM::Httpd->new(modules => ['proxy', 'proxy_fcgi']);
$httpd->write_config(config(8));
ok($httpd->start, 'httpd');
grows('at first');
on_demand();
proxied();
breaks();
pulses();
manager_dies();
gracefuls();
together();
is($httpd->stop, 0, 'httpd stops well');
is_deeply([map { cmdline($_) } descendants()], [], 'nothing is left');

done_testing;
