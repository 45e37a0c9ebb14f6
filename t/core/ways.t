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

# Arguments; how it ends when idle (0: the guard ends it, 7: it leaves by
# itself); requests it can have at once; how it ends when busy, if not so.
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
    ['--close fclose --wait poll', 0, 1],
    ['--close dup2 --wait poll', 0, 1],
    ['--close close_range --wait poll', 0, 1],
    ['--close syscall --wait poll', 0, 1],
    ['--vfork --wait poll', 0, 1],
    ['--threads 1500', 0, 3],
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

# --- programs with threads that end them, or close by themselves
for my $args ('--handler cancel --threads 3 --dispatch 1',
              '--handler cancel --threads 3 --wait poll --copy',
              '--threads 3 --close syscall',
              '--threads 3 --close syscall --wait poll --copy') {
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
{
    my $run = FCGIPM::Run->new(
        processes => 1, control => 1, command => [bin('ways'), '--fork', 2],
        options => ['--die-timeout', '500ms']);
    my ($pid) = $run->workers(1);
    my @conn = map { connect_to($run->address) } 1 .. 2;
    send_request($_, query => 'sleep=1500') for @conn;
    ok(wait_for { children($pid) == 2 } 10,
       '--fork 2: has children');
    $run->signal('HUP');
    my ($new) = $run->renewed($pid);
    my @answer = map { read_answer($_, 20)->{body} } @conn;
    is(scalar(grep { /^pid=\d+ tag=ways/ } @answer), 2,
       '--fork 2: told, they answer') or diag("@answer");
    $run->signal('TERM');
    is($run->wait(20), 0, '--fork 2: and all go');
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
    send_request($_, query => 'sleep=700') for @conn;
    ok(wait_for { (worker($case)->{requests} || 0) == @conn } 10,
       "$case->{name}: has " . @conn);
    is(worker($case)->{state}, 'busy', "$case->{name}: is known to be busy");
    $run->signal('HUP');
    $case->{conn} = \@conn;
}
for my $case (@case) {
    my @answer = map { read_answer($_, 20)->{body} } @{ $case->{conn} };
    is(scalar(grep { /^pid=$case->{pid} tag=ways/ } @answer), scalar @answer,
       "$case->{name}: told, it answers all") or diag("@answer");
    delete $case->{conn};
    ok(wait_for { $case->{run}->log
                      =~ /worker $case->{pid} has gone: exit status (\d)/ } 20,
       "$case->{name}: and goes by itself");
    $case->{run}->log =~ /worker $case->{pid} has gone: exit status (\d)/;
    is($1, $case->{status}, "$case->{name}: with its status");
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
    ok(wait_for { $case->{run}->log
                      =~ /worker $case->{pid} has gone: (.*?) after/ } 10,
       "$case->{name}: idle, told: goes");
    $case->{run}->log =~ /worker $case->{pid} has gone: (.*?) after/;
    is($1, "exit status $case->{status}", "$case->{name}: with its status");
}

# --- told at any time
for my $case (@case) {
    my $address = $case->{run}->address;
    my ($bad, $good) = (0, 0);
    for my $round (1 .. 5) {
        my @conn = map { connect_to($address) } 1 .. 3;
        send_request($_, query => 'sleep=2') for @conn;
        $case->{run}->signal('HUP');
        for (@conn) {
            my $r = read_answer($_, 20);
            ($r->{body} || '') =~ /^pid=/ ? $good++ : $bad++;
        }
    }
    is($bad, 0, "$case->{name}: of " . ($good + $bad) . ' none is lost');
}
for my $case (@case) {
    $case->{run}->signal('TERM');
}
for my $case (@case) {
    is($case->{run}->wait(20), 0, "$case->{name}: SIGTERM: all have gone")
        or diag($case->{run}->log);
}

done_testing;
