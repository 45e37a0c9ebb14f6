#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What the log says of a pool whose requests wait: that it has all the workers
# that it may have, and that a worker would take more requests than it is given.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Select;
use IO::Socket::INET;
use Test::More;

my $dir = tmp_dir();
my $raw = [$^X, bin('raw.pl')];
my $threaded = [bin('threaded'), 4];
my ($httpd, $go) = (undef, 0);

# N requests that are at their worker until go() is called.
sub hold {
    my ($pool, $n) = @_;
    return map {
        my $s = IO::Socket::INET->new(
            PeerAddr => '127.0.0.1:' . $httpd->port) or die "connect: $!";
        print {$s} "GET /$pool/?until=$dir/go$go&ok HTTP/1.1\r\nHost: x\r\n"
            . "Connection: close\r\n\r\n";
        $s->flush;
        $s
    } 1 .. $n;
}

sub go { write_file("$dir/go$go", '', 0644); $go++; return }

sub good {
    return scalar grep {
        my $bytes = '';
        while (IO::Select->new($_)->can_read(20)) {
            sysread($_, $bytes, 65_536, length $bytes) or last;
        }
        $bytes =~ m{^HTTP/1\.1 200}
    } @_;
}

sub lines { return count_lines($httpd->error_log, $_[0]) }

sub says {
    my ($pattern, $what) = @_;
    my $said = wait_for { lines($pattern) } 15, $what;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is($said, 1, $what);
}

# So many requests more, and the line comes.
sub overloads {
    my ($pool, $limit, $more, $workers, $have) = @_;
    my @s = hold($pool, $more);
    my $all = $workers > 1 ? "all $workers workers" : 'its one worker';
    says("pool $pool: $all \\($limit\\) $have and [1-9]\\d* requests? waits?; "
         . 'consider', "$pool: $limit");
    return @s;
}

sub full {
    my $maximum = 'the maximum: FcgiPMProcesses';
    my @s = overloads('one', $maximum, 3, 1, 'is busy');
    push @s, hold('grows', 2);
    $httpd->counts('grows', busy => 2, queue => 0);
    is(lines('pool grows: (all|its)'), 0, 'not as long as there are enough');
    push @s, overloads('grows', $maximum, 1, 2, 'are busy');
    push @s, overloads('several', $maximum, 5, 1,
                          'has 4 requests \(FcgiPMRequestsPerWorker\)');
    my ($status) = ctl($httpd->control_socket, 'scale', 'scaled', 1);
    is($status, 0, 'scale');
    push @s, overloads('scaled', 'the maximum: scale', 2, 1, 'is busy');
    push @s, hold('one', 2);
    $httpd->counts('one', queue => 4);
    my $n = @s;
    go();
    is(good(@s), $n, 'all are answered');
    is(lines('pool one: its one'), 1, 'once is enough');
    is(lines('pool idle: its one'), 0, 'nothing of a pool that nobody calls');
    return;
}

sub no_room {
    my $room = 'FcgiPMMaxProcesses leaves room for no other';
    my @s = hold('one', 1);
    push @s, hold('grows', 1);
    $httpd->counts('grows', busy => 1);
    push @s, overloads('grows', $room, 1, 1, 'is busy');
    push @s, hold('none', 1);
    says("pool none: it has no worker \\($room\\) and 1 request waits", $room);
    go();
    is(good(@s), 4, 'all are answered in the end');
    return;
}

sub hint {
    my $hint = 'pool threads: requests wait, and worker \d+ would take more '
        . 'than the %d that it has: .*FcgiPMRequestsPerWorker';
    my @s = hold('threads', 1);
    $httpd->counts('threads', busy => 1);
    is(lines('would take more'), 0, 'nothing as long as no request waits');
    push @s, hold('threads', 2);
    says(sprintf($hint, 1), 'a worker with threads is given one request');
    go();
    is(good(@s), 3, 'all are answered');
    $httpd->write_config(config('FcgiPMRequestsPerWorker 2'));
    ok($httpd->graceful, 'it is given two');
    $httpd->counts('threads', spawned => 2, stopping => 0, idle => 1);
    @s = hold('threads', 4);
    says(sprintf($hint, 2), 'it could have more than that');
    go();
    is(good(@s), 4, 'all are answered');
    is(lines('pool (one|grows|scaled): .*would take more'), 0,
       'nothing of programs that take one after the other');
    is(lines('pool several: .*would take more'), 0,
       'nor of one that has all that it takes');
    return;
}

sub config {
    my (@threads) = @_;
    return join '', map({ (pool(@$_), location($_->[0])) }
        ['one', $raw], ['idle', $raw], ['grows', $raw, 'FcgiPMProcesses 1 2'],
        ['scaled', $raw, 'FcgiPMProcesses 1 3'],
        ['several', $threaded, 'FcgiPMRequestsPerWorker 4'],
        ['threads', $threaded, @threads]);
}

$httpd = FCGIPM::Httpd->new(config => config());
ok($httpd->start, 'httpd');
subtest($_->[0], sub { $_[0]->(); done_testing }, $_->[1])
    for ['full', \&full], ['hint', \&hint];
ends_well($httpd);

$httpd = FCGIPM::Httpd->new(
    config => join '', "FcgiPMMaxProcesses 2\nFcgiPMIdleTimeout 400ms\n",
    map { (pool(@$_), location($_->[0])) } ['one', $raw],
        ['grows', $raw, 'FcgiPMProcesses 0 4'],
        ['none', $raw, 'FcgiPMProcesses 0 4']);
ok($httpd->start, 'httpd with FcgiPMMaxProcesses');
subtest('no room', sub { no_room(); done_testing });
ends_well($httpd);

done_testing;
