#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Gracefuls one after the other, under load, with a pool of each kind of worker:
# each request is answered, and at the end there is no process and no descriptor
# more than at the beginning.  FCGIPM_GRACEFULS of them, 300 without it; not a
# part of check.  FCGIPM_PRELOAD=on: with fork servers; FCGIPM_KINDS is a pattern
# of pools.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Kinds;
use FCGIPM::Load;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(time);

my $GRACEFULS = $ENV{FCGIPM_GRACEFULS} || 300;
my $WORKERS = 2;    # of each pool
my $CLIENTS = 2;    # of each pool

my @kind = grep { $_->[2] } kinds();
my %path = map { ($_->[0] => "/$_->[0]/") } @kind;
$path{php} = '/pid.php' if $path{php};

sub config {
    return join '', "FcgiPMDieTimeout 30\n",
        "FcgiPMPreload " . ($ENV{FCGIPM_PRELOAD} || 'off') . "\n",
        (map { pool($_->[0], $_->[2], "FcgiPMProcesses $WORKERS"),
               location($_->[0]) } @kind),
        "<FilesMatch \\.php\$>\n    SetHandler fcgipm:php\n</FilesMatch>\n";
}

my $httpd = FCGIPM::Httpd->new(config => config());
php_script($httpd->dir . '/htdocs');
ok($httpd->start, 'httpd with ' . @kind . ' kinds of worker');

# The pids of those that are ready, by pool; undef unless there are as many as
# there should be in each, and no other ones.
sub ready {
    my $status = $httpd->status or return;
    my %ready;
    for my $pool (@{ $status->{pools} }) {
        my @pid = map { $_->{pid} }
            grep { $_->{state} =~ /^(?:idle|busy)$/ } @{ $pool->{worker} };
        return if @pid != $WORKERS;
        $ready{ $pool->{name} } = \@pid;
    }
    return \%ready;
}

sub pids { return map { @$_ } values %{ $_[0] } }

# What a process has open, without the numbers of sockets and the like.
sub open_files {
    my ($pid) = @_;
    my %count;
    $count{ s/\[\d+\]$//r }++ for values %{ fds($pid) };
    return join ', ', map { "$count{$_} $_" } sort keys %count;
}

# Processes below the manager, and descriptors; '' while a worker is not ready
# or stops.
sub there_is {
    my $pools = ($httpd->status || {})->{pools} or return '';
    return '' if !ready() || grep { $_->{stopping} } @$pools;
    my $below = () = $httpd->below;
    return "$below processes; manager " . open_files($httpd->manager)
        . '; parent ' . open_files($httpd->pid);
}

my $at_first;
ok(wait_for { $at_first = there_is() } 60, "$WORKERS workers of each are ready");
my %load = map {
    my $path = $path{ $_->[0] };
    ($_->[0] => FCGIPM::Load->new(clients => $CLIENTS, request => sub {
        my $r = $httpd->get("$path?sleep=" . int rand 100);
        return $r->{error} if defined $r->{error};
        return "status $r->{status}" if $r->{status} != 200;
        return $r->{body} =~ /^pid=\d/ ? undef : "answer: $r->{body}";
    }))
} @kind;
ok($_->flows(10), 'requests flow') for values %load;

# Every other one comes as soon as httpd can have it, when those that the one
# before has told are still there and the new ones load.
my ($done, $renewed, $begin) = (0, 0, time);
for my $n (1 .. $GRACEFULS) {
    my %old = map { $_ => 1 } pids(ready() || {});
    $httpd->graceful_signal or last;
    $done++;
    next if $n % 2;
    wait_for {
        my $now = ready();
        $now && !grep { $old{$_} } pids($now)
    } 60, "new workers after graceful $n" or last;
    $renewed++;
}
my $took = time - $begin;
is($done, $GRACEFULS, sprintf '%d gracefuls in %.0f s', $GRACEFULS, $took);
is($renewed, int($GRACEFULS / 2), 'after every other one new workers are ready');

for (@kind) {
    my ($pool, $name) = @$_;
    ok($load{$pool}->flows(10), "$name: requests flow on");
    my $sum = $load{$pool}->stop;
    is($sum->{failed}, 0, "$name: none of $sum->{ok} requests was lost")
        or diag($load{$pool}->explain);
    my $now = $httpd->pool_status($pool);
    is($now->{$_}, 0, "$name: no worker $_") for qw(crashed killed);
}
my $at_last = '';
wait_for { ($at_last = there_is()) eq $at_first } 60, 'all that is too many to go';
is($at_last, $at_first, 'the same processes and descriptors as at the beginning')
    or diag(map { "$_ " . cmdline($_) . "\n" } $httpd->below);
ends_well($httpd);
done_testing;
