#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# No process is left behind: not by a worker with children, not by a manager
# that was killed.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;
my $WORKER = bin('worker');

# --- workers with children of their own
my $SHELL = bin('shell.sh');
for my $case (['a shell script', [$SHELL, $WORKER]],
              ['a shell script with a trap', [$SHELL, 'trap', $WORKER]],
              ['a worker with a child', [$WORKER, '--children']]) {
    my ($name, $command) = @$case;
    my $run = FCGIPM::Run->new(processes => 2, command => $command,
                               options => ['--die-timeout', '5']);
    my @old = $run->workers(2);
    ok(wait_for { 4 == $run->below } 10, "$name: each worker has one child");
    is(request($run->address)->{error}, undef, 'the pool serves');
    my %old = map { $_ => 1 } $run->below;

    $run->signal('HUP');
    is(scalar $run->renewed(@old), 2, 'SIGHUP: new workers');
    ok(wait_for {
        !grep { alive($_) } keys %old
    } 10, 'of the old ones nothing is left');
    ok(wait_for { 4 == $run->below } 10,
       'and the new ones are as the old ones were');
    is(request($run->address)->{error}, undef, 'the pool serves');

    my ($victim, $other) = $run->workers;
    my @below = descendants($victim);
    kill 'KILL', $victim;
    ok(wait_for { !grep { alive($_) } @below } 10,
       'SIGKILL to a worker takes its children along');
    is(scalar $run->workers(2), 2, 'it is replaced');
    ok(alive($other), 'the other one has stayed');

    $run->workers(2);
    $run->signal('TERM');
    my $status = $run->wait(15);
    is($status, 0, 'SIGTERM: exit status 0');
    is_deeply([map { cmdline($_) } descendants()], [], 'nothing is left');
}

# --- a worker that leaves by itself, its child stays
{
    my $run = FCGIPM::Run->new(processes => 1, command => [$WORKER]);
    my ($pid) = $run->workers(1);
    is(request($run->address, query => 'child&exit=0')->{error}, undef,
       'a worker forks, answers and leaves');
    ok(wait_for { my ($now) = $run->workers; $now && $now != $pid } 10,
       'it is replaced');
    ok(wait_for { 1 == $run->below } 10, 'and its child is gone');
}

# --- the manager is killed
{
    my $dir = tmp_dir();
    my $trace = write_file("$dir/trace", '', 0666);
    my $run = FCGIPM::Run->new(
        processes => 3, command => [$WORKER, '--trace', $trace]);
    my @pid = $run->workers(3);
    wait_quiet($run->pid, 20);   # with their handlers
    my $s = FCGIPM::FastCGI::connect_to($run->address);
    FCGIPM::FastCGI::send_request($s, query => 'fd2=busy%0a&sleep=1500&pid');
    ok(wait_for { $run->log =~ /busy/ } 10, 'a request is under way');
    $run->signal('KILL');
    is($run->wait(10), 'SIG9', 'SIGKILL to the manager');
  SKIP: {
        skip 'only Linux tells workers', 4 unless $^O eq 'linux';
        ok(wait_for { 1 == grep { alive($_) } @pid } 10,
           'its idle workers go at once');
        my $r = FCGIPM::FastCGI::read_answer($s, 20);
        is($r->{error}, undef, 'the request under way is answered');
        ok(wait_for { !descendants() } 10, 'then nothing is left')
            or diag(map { cmdline($_) . "\n" } descendants());
        is(count_lines($trace, '^term '), 3, 'each was told by SIGTERM');
    }
}

# --- it is killed, and workers stay that ignore SIGTERM
SKIP: {
    skip 'only Linux tells workers', 1 unless $^O eq 'linux';
    my $LOOP = '$SIG{TERM} = "IGNORE"; 1 while 1';
    for my $case (['that ignores it', [$WORKER, '--ignore-term']],
                  ['in an endless loop', [bin('intruder.pl')], $LOOP],
                  ['whose child serves', [$SHELL, $WORKER, '--ignore-term']]) {
        my ($name, $command, $code) = @$case;
        my $run = FCGIPM::Run->new(processes => 1, command => $command,
                                   options => ['--die-timeout', '500ms']);
        my ($pid) = $run->workers(1);
        is(request($run->address, stdin => '1')->{error}, undef,
           "a worker $name serves");
        my @below = ($run->below, $run->survivor);
        cmp_ok(scalar @below, '>=', 2, 'there is a process that survives');
        my $s = FCGIPM::FastCGI::connect_to($run->address);
        FCGIPM::FastCGI::send_request($s, stdin => $code || '1');
        wait_quiet($pid, 20) if !$code;
        my $cpu = cpu($pid);
        wait_for { cpu($pid) > $cpu + 0.1 } 20, 'a loop' if $code;
        $run->signal('KILL');
        is($run->wait(10), 'SIG9', 'SIGKILL to the manager');
        ok(wait_for { !grep { alive($_) } @below } 10,
           "a worker $name is killed after the die timeout")
            or diag(map { cmdline($_) . "\n" } descendants());
        is_deeply([map { cmdline($_) } descendants()], [], 'nothing is left');
        like($run->log,
             qr/manager \(pid \d+\) has died; worker $pid, .* gets SIGKILL/,
             'the log says so');
    }

    my $run = FCGIPM::Run->new(processes => 1, command => [$WORKER]);
    $run->workers(1);
    my $survivor = $run->survivor;
    $run->signal('HUP');
    is($run->survivor, $survivor, 'SIGHUP does not renew it');
    kill 'KILL', $survivor;
    ok(wait_for { $run->log =~ /process $survivor, which ends .* was ended/ } 10,
       'it is missed when it is killed');
    $run->signal('TERM');
    is($run->wait(10), 0, 'the manager ends well');
    is_deeply([map { cmdline($_) } descendants()], [], 'nothing is left');
}

done_testing;
