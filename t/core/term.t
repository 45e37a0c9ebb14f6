#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# SIGTERM and SIGINT: the die timeout and the exit status.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(time sleep);

# Ends it and gives exit status and seconds.
sub timed {
    my ($run, $name, $seconds) = @_;
    my $begin = time;
    $run->signal($name);
    my $status = $run->wait($seconds);
    return ($status, time - $begin);
}

# A request of which the worker has said that it is under way.
sub busy {
    my ($run, $query) = @_;
    my $s = FCGIPM::FastCGI::connect_to($run->address);
    FCGIPM::FastCGI::send_request($s, query => "fd2=busy%0a&$query");
    wait_for { $run->log =~ /busy/ } 10, 'the request to begin';
    return $s;
}

# One worker that writes down what it is told.
sub traced {
    my $trace = write_file(tmp_dir() . '/trace', '', 0666);
    my $run = FCGIPM::Run->new(
        processes => 1, command => [bin('worker'), '--trace', $trace],
        options => ['--die-timeout', '20']);
    return ($run, $trace);
}

for my $name (qw(TERM INT)) {
    my $run = FCGIPM::Run->new(processes => 3, command => [bin('worker')],
                               options => ['--die-timeout', '30']);
    $run->workers(3);
    is(request($run->address)->{error}, undef, 'workers that wait');
    my ($status, $took) = timed($run, $name, 20);
    is($status, 0, "SIG$name, workers idle: exit status 0");
    is_soon($took, 10, "at once, not after the die timeout");
    diag(sprintf 'SIG%s, idle: %.3f s', $name, $took);
    is_deeply([descendants()], [], 'no process is left');
}

{
    my $run = FCGIPM::Run->new(
        processes => 2, command => [bin('worker'), '--ignore-term'],
        options => ['--die-timeout', '1']);
    $run->workers(2);
    is(request($run->address)->{error}, undef, 'a worker that ignores TERM');
    my ($status, $took) = timed($run, 'TERM', 20);
    is($status, 1, 'is killed: exit status 1');
    cmp_ok($took, '>=', 0.95, 'not before the die timeout');
    is_soon($took, 5, 'soon after it');
    diag(sprintf 'die timeout 1 s, ignored: %.3f s', $took);
    is_deeply([descendants()], [], 'no process is left');
}

# What is queued at the socket is served.
{
    my $run = FCGIPM::Run->new(processes => 4, command => [bin('worker')],
                               options => ['--die-timeout', '30']);
    $run->workers(4);
    wait_quiet($run->pid, 20);
    my @client = map {
        my $s = FCGIPM::FastCGI::connect_to($run->address);
        FCGIPM::FastCGI::send_request($s, query => 'sleep=100&pid');
        $s;
    } 1 .. 24;
    $run->signal('TERM');
    ok(wait_for { $run->log =~ /every worker is told/ } 10, 'SIGTERM');
    $run->signal('TERM');
    my %lost;
    for my $s (@client) {
        my $r = FCGIPM::FastCGI::read_answer($s, 20);
        $lost{ $r->{error} }++ if $r->{error};
    }
    is_deeply(\%lost, {}, '24 clients of 4 workers get 24 answers');
    is($run->wait(20), 0, 'exit status 0');
    is_deeply([descendants()], [], 'no process is left');
}

{
    my $run = FCGIPM::Run->new(
        processes => 1, command => [bin('worker'), '--ignore-term',
                                    '--children'],
        options => ['--die-timeout', '500ms']);
    my ($pid) = $run->workers(1);
    ok(wait_for { children($pid) } 10, 'a worker with a child');
    my ($status) = timed($run, 'TERM', 20);
    is($status, 1, 'killed');
    is_deeply([descendants()], [], 'and its child with it');
}

{
    my ($run, $trace) = traced();
    $run->workers(1);
    my $s = busy($run, 'sleep=1500&pid');
    for (1 .. 10) {
        $run->signal('TERM');
        sleep 0.05;
    }
    ok($run->alive, 'ten SIGTERMs while a request is under way');
    my $r = FCGIPM::FastCGI::read_answer($s, 20);
    is($r->{error}, undef, 'the request is answered');
    is($run->wait(20), 0, 'exit status 0');
    is(count_lines($trace, '^term '), 1, 'the worker was told once');
}

{
    my $run = FCGIPM::Run->new(
        processes => 1, command => [bin('worker'), '--ignore-term'],
        options => ['--die-timeout', '2']);
    $run->workers(1);
    is(request($run->address)->{error}, undef, 'another that ignores TERM');
    my $begin = time;
    for (1 .. 10) {
        $run->signal('TERM');
        sleep 0.1;
    }
    is($run->wait(20), 1, 'ten SIGTERMs: still exit status 1');
    cmp_ok(time - $begin, '>=', 1.9, 'and the die timeout is kept');
}

{
    my ($run, $trace) = traced();
    my @old = $run->workers(1);
    my $s = busy($run, 'sleep=1500&pid');
    $run->signal('HUP');
    ok(wait_for { 2 == count_lines($trace, '^born ') } 10,
       'HUP with a busy worker: its replacement is born');
    $run->signal('TERM');
    is(FCGIPM::FastCGI::read_answer($s, 20)->{error}, undef,
       'SIGTERM on top of it: the old one answers');
    is($run->wait(20), 0, 'exit status 0');
    is_deeply([descendants()], [], 'no process is left');
}

{
    my ($run, $trace) = traced();
    $run->workers(1);
    my $s = busy($run, 'sleep=1000&pid');
    $run->signal('TERM');
    $run->signal('HUP');
    sleep 0.05;
    $run->signal('HUP');
    is(FCGIPM::FastCGI::read_answer($s, 20)->{error}, undef,
       'HUP after TERM: the request is answered');
    is($run->wait(20), 0, 'exit status 0');
    is(count_lines($trace, '^born '), 1, 'nobody was born after TERM');
}

{
    my $run = FCGIPM::Run->new(
        processes => 2, command => [bin('worker'), '--ignore-term'],
        options => ['--die-timeout', '1', '--drain-timeout', '1']);
    my @old = $run->workers(2);
    is(request($run->address)->{error}, undef, 'workers that ignore TERM');
    $run->signal('HUP');
    ok(wait_for { !grep { alive($_) } @old } 15,
       'HUP: the drain timeout ends them');
    is(scalar(my @new = $run->renewed(@old)), 2, 'new ones are there');
    is(request($run->address)->{error}, undef, 'which answer');
    my ($status) = timed($run, 'TERM', 20);
    is($status, 1, 'exit status 1');
}

done_testing;
