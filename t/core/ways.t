#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The guard, and all the ways in which a program can wait for requests, close
# connections and handle SIGTERM: it is known to be ready before it has had a
# request, loses none when told, and ends.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(connect_to read_answer request send_request);
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(sleep);

# Arguments; how it ends (0: the guard ends it, 7: it leaves by itself, SIGTERM:
# of that); requests it can have at once.
my @WAY = (
    ['', 0, 1],
    ['--wait poll', 0, 1],
    ['--wait select', 0, 1],
    ['--wait ppoll', 0, 1],
    ['--wait pselect --copy', 0, 1],
    ['--wait epoll', 0, 1],
    ['--wait epoll_pwait2', 0, 1],
    ['--loop --wait poll', 0, 3],
    ['--loop --wait select', 0, 3],
    ['--loop --wait epoll --copy', 0, 3],
    ['--threads 3', 0, 3],
    ['--threads 3 --main', 0, 3],
    ['--threads 3 --wait poll --copy', 0, 3],
    ['--threads 3 --wait epoll --copy', 0, 3],
    ['--dispatch 3', 0, 3],
    ['--dispatch 3 --wait poll', 0, 3],
    ['--dispatch 3 --wait epoll --threads 1', 0, 3],
    ['--handler sigaction', 7, 1],
    ['--handler sigaction --wait poll', 7, 1],
    ['--handler sigaction --loop --wait epoll --copy', 7, 3],
    ['--handler signal --wait select', 7, 1],
    ['--handler sysv_signal', 7, 1],
    ['--handler sigset', 7, 1],
    ['--handler once', 7, 1],
    ['--handler wait --threads 2', 7, 2],
    ['--handler sigaction --threads 3 --late', 7, 3],
    ['--close fclose --wait poll', 0, 1],
    ['--close dup2 --wait poll', 0, 1],
    ['--close close_range --wait poll', 0, 1],
    ['--close syscall --wait poll', 0, 1],
    ['--vfork --wait poll', 0, 1],
    ['--threads 1500', 0, 3],
    ['--wait epoll --anew', 0, 1],
    ['--threads 3 --wait epoll --anew --copy', 0, 3],
    ['--threads 3 --lock', 0, 3],
    ['--threads 3 --lock --wait poll', 0, 3],
    ['--threads 3 --lock --wait epoll --anew --main', 0, 3],
    ['--threads 3 --lock --handler exit', 7, 3],
    ['--threads 3 --lock --relay', 0, 3],
    ['--loop --wait epoll --close syscall --copy', 0, 3],
    ['--threads 3 --close syscall', 0, 3],
    ['--threads 3 --close syscall --wait poll --copy', 0, 3],
    ['--dispatch 3 --wait epoll --close syscall', 0, 3],
    ['--handler raise', 'SIGTERM', 1],
    ['--handler raise --wait epoll', 'SIGTERM', 1],
    ['--handler raise --wait poll', 'SIGTERM', 1],
    ['--handler raise --threads 3', 'SIGTERM', 3],
    ['--handler exit', 7, 1],
    ['--handler exit --loop --wait epoll --copy', 7, 3],
    ['--handler exit --threads 3', 7, 3],
    ['--handler jump', 7, 1],
    ['--handler jump --wait select', 7, 1],
    ['--seccomp', 0, 1],
    ['--seccomp --wait select', 0, 1],
    ['--seccomp --loop --wait epoll --copy', 0, 3],
    ['--seccomp --threads 3', 0, 3],
    ['--seccomp --handler sigaction --wait poll', 7, 1],
);

my @case = map {
    my ($args, $status, $at_once) = @$_;
    my $run = FCGIPM::Run->new(
        processes => 1, control => 1,
        command => [bin('ways'), split ' ', $args],
        options => ['--start-timeout', '3s', '--die-timeout', '30']);
    { name => $args || '(nothing)', run => $run, status => $status,
      at_once => $at_once };
} @WAY;

sub worker {
    my ($case) = @_;
    my $pool = (($case->{run}->status || {})->{pools} || [])->[0] || {};
    return (grep { $_->{state} ne 'stopping' } @{ $pool->{worker} || [] })[0]
        || {};
}

sub told {
    my ($case) = @_;
    return (($case->{run}->status || {})->{pools} || [{}])->[0]{stopping} || 0;
}

sub end_of {
    my ($case) = @_;
    my $how;
    wait_for {
        ($how) = $case->{run}->log =~ /worker $case->{pid} has gone: (.*?) after/
    } 20, 'its end';
    return $how && ($how =~ /^exit status (\d+)/ ? $1
                    : $how =~ /^signal 15/       ? 'SIGTERM' : $how);
}

# --- ready, without a request
for my $case (@case) {
    ok(wait_for { $case->{pid} = worker($case)->{pid};
                  (worker($case)->{state} || '') eq 'idle' } 20,
       "$case->{name}: is known to be ready");
}

# --- those nothing is known of
{
    my $run = FCGIPM::Run->new(
        processes => 1, control => 1, command => [bin('ways'), '--raw'],
        options => ['--start-timeout', '300ms']);
    ok(wait_for { (worker({ run => $run })->{uptime} || 0) > 1 } 10,
       '--raw: is not known to be ready, and is left alone');
    is(request($run->address)->{error}, undef, '--raw: serves');
}

# --- one that executes another program in the middle of a request
{
    my $run = FCGIPM::Run->new(
        processes => 1, control => 1, command => [bin('ways'), '--exec'],
        options => ['--request-timeout', '300ms']);
    my $case = { run => $run };
    ok(wait_for { (worker($case)->{state} || '') eq 'idle' } 10, '--exec');
    my $pid = worker($case)->{pid};
    is(request($run->address)->{error}, undef, '--exec: serves');
    ok(wait_for { cmdline($pid) !~ /--exec/ } 10,
       '--exec: and is another then');
    is(request($run->address)->{error}, undef, '--exec: which serves');
    ok(wait_for { (worker($case)->{uptime} || 0) > 1 } 10, '--exec: for long');
    is(worker($case)->{pid}, $pid, '--exec: it is not taken for overdue');
    is(worker($case)->{state}, 'idle', '--exec: nor for busy');
}

# --- programs with threads that end them
for my $args ('--handler cancel --threads 3 --dispatch 1',
              '--handler cancel --threads 3 --wait poll --copy') {
    my $run = FCGIPM::Run->new(
        processes => 1, control => 1,
        command => [bin('ways'), split ' ', $args],
        options => ['--die-timeout', '30']);
    my ($pid) = $run->workers(1);
    is(request($run->address)->{error}, undef, "$args: serves") for 1 .. 3;
    wait_for { (worker({ run => $run })->{requests} || 0) == 3 } 10, 'three';
    $run->signal('TERM');
    is($run->wait(15), 0, "$args: idle, told: goes") or diag($run->log);
}

# --- children that serve
for my $args ('--fork 2', '--fork 2 --wait epoll', '--fork 2 --wait poll',
              '--fork 2 --wait epoll --anew') {
    my $run = FCGIPM::Run->new(
        processes => 1, control => 1,
        command => [bin('ways'), split ' ', $args],
        options => ['--die-timeout', '20']);
    my ($pid) = $run->workers(1);
    is(request($run->address)->{error}, undef, "$args: serve") for 1 .. 6;
    my @conn = map { connect_to($run->address) } 1 .. 2;
    send_request($_, query => 'sleep=1500') for @conn;
    ok(wait_for { children($pid) == 2 } 10, "$args: has children");
    my @child = children($pid);
    $run->signal('HUP');
    my ($new) = $run->renewed($pid);
    my @answer = map { read_answer($_, 20)->{body} } @conn;
    is(scalar(grep { /^pid=\d+ tag=ways/ } @answer), 2,
       "$args: told, they answer") or diag("@answer");
    ok(wait_for { !grep { alive($_) } @child } 10, "$args: and go");
    ok(wait_for { children($new) == 2 } 10, "$args: there are others");
    is(request($run->address)->{error}, undef, "$args: which serve")
        for 1 .. 6;
    $run->signal('TERM');
    is($run->wait(15), 0, "$args: idle, told: all go");
}

# --- libfcgi's own example: when its main thread leaves, so do all
{
    my $run = FCGIPM::Run->new(processes => 1, control => 1,
                               command => [bin('threaded'), 'main']);
    my ($pid) = $run->workers(1);
    my ($lost, $n) = (0, 0);
    for my $round (1 .. 8) {
        my @conn = map { connect_to($run->address) } 1 .. 4;
        send_request($conn[$_], query => 'sleep=' . (20 + 40 * $_))
            for 0 .. 3;
        $run->signal('HUP');
        for (@conn) {
            $n++;
            $lost++ if read_answer($_, 20)->{body} !~ /^pid=/;
        }
    }
    is($lost, 0, "libfcgi's main thread leaves first: of $n none is lost");
}

# --- in requests, told
for my $case (@case) {
    my $run = $case->{run};
    my @conn = map { connect_to($run->address) } 1 .. $case->{at_once};
    send_request($_, query => 'sleep=1000') for @conn;
    ok(wait_for { my $w = worker($case);
                  ($w->{requests} || 0) == @conn && $w->{state} eq 'busy' } 10,
       "$case->{name}: is known to be busy with " . @conn);
    $run->signal('HUP');
    $case->{conn} = \@conn;
}
for my $case (@case) {
    my @answer = map { read_answer($_, 20)->{body} } @{ $case->{conn} };
    is(scalar(grep { /^pid=$case->{pid} tag=ways/ } @answer), scalar @answer,
       "$case->{name}: told, it answers all") or diag("@answer");
    delete $case->{conn};
    is(end_of($case), $case->{status}, "$case->{name}: and goes by itself");
}

# --- idle, told
for my $case (@case) {
    wait_for { (worker($case)->{state} || '') eq 'idle'
               and $case->{pid} = worker($case)->{pid} } 10, 'another';
    is(request($case->{run}->address)->{error}, undef,
       "$case->{name}: serves");
    ok(wait_for { my $w = worker($case);
                  $w->{state} eq 'idle' && $w->{requests} == 1 } 10,
       "$case->{name}: is known to be idle again");
    $case->{run}->signal('HUP');
}
for my $case (@case) {
    is(end_of($case), $case->{status}, "$case->{name}: idle, told: goes");
}

# --- told at any time: FCGIPM_WAYS_STORM workers of all ways together
my $rounds = int(($ENV{FCGIPM_WAYS_STORM} || 0) / @case) || 5;
my $told = 0;
for my $case (@case) {
    my $address = $case->{run}->address;
    my (@bad, $n);
    # a program that takes SIGTERM by sigwait() goes on accepting, and ends by
    # itself later, whatever it has (docs/admin/workers.md)
    my $most = $case->{name} =~ /--handler wait/ ? 5 : $rounds;
    for my $round (1 .. $most) {
        my @conn = map { connect_to($address) } 1 .. 3;
        send_request($_, query => 'sleep=2') for @conn;
        sleep rand 0.004 if $round > 5;
        $case->{run}->signal('HUP');
        for (@conn) {
            my $r = read_answer($_, 20);
            $n++;
            push @bad, "round $round: " . ($r->{error} || $r->{body})
                if ($r->{body} || '') !~ /^pid=/;
        }
    }
    is_deeply(\@bad, [], "$case->{name}: of $n none is lost")
        or diag(@bad, $case->{run}->log);
}
for my $case (@case) {
    ok(wait_for { told($case) == 0 } 20, "$case->{name}: none is left");
    $told += ($case->{run}->status || {})->{pools}[0]{exited} || 0;
    $case->{run}->signal('TERM');
}
diag("$told workers were told and have gone");
for my $case (@case) {
    is($case->{run}->wait(20), 0, "$case->{name}: SIGTERM: all have gone")
        or diag($case->{run}->log);
}

done_testing;
