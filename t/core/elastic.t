#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Pools that follow the demand at their socket, from clients that httpd knows
# nothing of.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(connect_to read_answer request send_request);
use FCGIPM::Run;
use FCGIPM::Test;
use IO::Select;
use Test::More;
use Time::HiRes qw(sleep time);

my $dir = tmp_dir();
my $go = 0;

# N requests that are held until go() is called.
sub hold {
    my ($run, $n) = @_;
    return map {
        my $s = connect_to($run->address) or die "connect: $!";
        send_request($s, query => "until=$dir/go$go&ok");
        $s
    } 1 .. $n;
}

sub go { write_file("$dir/go$go", '', 0644); $go++; return }

sub answers {
    return scalar grep {
        my $r = read_answer($_, 20);
        !defined $r->{error} && $r->{body} eq "ok\n"
    } @_;
}

sub elastic {
    my ($processes, @option) = @_;
    my %arg = ref $option[0] ? %{ shift @option } : ();
    my $run = FCGIPM::Run->new(
        processes => $processes, control => 1,
        command => [$^X, bin('raw.pl')], %arg,
        options => ['--idle-timeout', '400ms', @option]);
    wait_for { $run->status } 10, 'a manager';
    return $run;
}

# --- on demand, with and without the guard, on both kinds of sockets
for my $case (['guard', 'on'], ['no guard', 'off'],
              ['TCP', 'on', listen => '127.0.0.1:' . free_port()]) {
    my ($name, $guard, @listen) = @$case;
    my $run = elastic('0 6', { @listen }, '--guard', $guard);
    my $pool = $run->status->{pools}[0];
    is_deeply([@$pool{qw(min max workers state)}], [0, 6, 0, 'running'],
              "$name, on demand: nobody is there");
    my $begin = time;
    my $r = request($run->address, query => 'ok');
    is($r->{error}, undef, sprintf 'the first request: %.3f s',
       time - $begin);
    my @held = hold($run, 4);
    ok(wait_for { $run->workers >= 4 } 10, 'as many as are needed');
    go();
    is(answers(@held), 4, 'all are answered');
    my $most = $run->workers;
    cmp_ok($most, '<=', 6, "not more than the most: $most");
    is(scalar $run->workers(0), 0, 'and go when they are not needed');
    is(request($run->address, query => 'ok')->{error}, undef,
       'the next request is answered');
}

# --- between the bounds
{
    my $run = elastic('2 5', '--idle-timeout', '2s');
    is(scalar $run->workers(2), 2, 'the least');
    my @held = hold($run, 12);
    is(scalar $run->workers(5), 5, 'the most');
    ok(wait_for {
        5 == grep { $_->{state} eq 'busy' } @{ $run->status->{pools}[0]{worker} }
    } 20, 'each with a request');
    # for more than the idle timeout: nobody who is busy goes
    my $from = time;
    my @before = sort $run->workers;
    wait_for { time - $from > 3 } 5, 'time';
    is_deeply([sort $run->workers], \@before, 'who is busy stays');
    go();
    is(answers(@held), 12, 'all twelve are answered');
    is(scalar $run->workers(2), 2, 'the least again');
    my $pool = $run->status->{pools}[0];
    is($pool->{killed} + $pool->{crashed}, 0, 'nobody was killed');
    is($pool->{spawned}, 5, 'nobody was started in vain');
    $run->signal('HUP');
    ok(wait_for { $run->status->{pools}[0]{spawned} == 7 } 10,
       'SIGHUP: each has another one');
    my @worker = $run->workers(2);
    kill 'KILL', $worker[0];
    ok(wait_for { $run->status->{pools}[0]{spawned} == 8 } 10,
       'killed: replaced');
    is(scalar $run->workers(2), 2, 'and that is all');
}

# --- spare ones
{
    my $run = elastic('0 5', '--spare-processes', 2);
    is(scalar $run->workers(2), 2, 'two spare ones');
    my @held = hold($run, 2);
    go();
    is(answers(@held), 2, 'answer at once');
}

# --- all pools together
{
    my $run = elastic('0 5', '--max-processes', 2, '--idle-timeout', '2s');
    my @held = hold($run, 5);
    is(scalar $run->workers(2), 2, 'FcgiPMMaxProcesses');
    go();
    is(answers(@held), 5, 'all are answered in the end');
    @held = hold($run, 2);
    is(scalar $run->workers(2), 2, 'two again');
    ok(wait_for {
        2 == grep { $_->{state} eq 'busy' } @{ $run->status->{pools}[0]{worker} }
    } 20, 'each with a request');
    my ($one) = $run->workers;
    my $spawned = $run->status->{pools}[0]{spawned};
    kill 'KILL', $one;
    ok(wait_for { $run->status->{pools}[0]{spawned} > $spawned } 20,
       'one that dies makes room for another');
    go();
    is(answers(@held), 1, 'whose request goes with it');
}

# --- a program that dies
{
    my $trace = write_file("$dir/trace", '', 0666);
    my $run = FCGIPM::Run->new(
        processes => '0 4', control => 1, command =>
            [bin('worker'), '--exit-at-once', 7, '--trace', $trace]);
    ok(wait_for { $run->status } 10, 'a manager');
    is(count_lines($trace, '^born '), 0, 'nobody is tried without need');
    ok(defined request($run->address)->{error}, 'a request in vain');
    ok(wait_for { $run->log =~ /2 starts in a row have failed/ } 10,
       'backoff');
    my $born = count_lines($trace, '^born ');
    ok(wait_for { $run->status->{pools}[0]{state} ne 'backoff' } 10,
       'which ends by itself');
    is(count_lines($trace, '^born '), $born, 'nobody is tried without need');
    ok(defined request($run->address)->{error}, 'the next request');
    is(count_lines($trace, '^born '), $born + 1, 'is one trial');
}

# --- at rest nothing is done
SKIP: {
    my $strace = have('strace') or skip 'strace is missing', 1;
    my $run = elastic('1 4', '--guard', 'off');
    my @held = hold($run, 3);
    ok(wait_for { $run->workers > 1 } 10, 'it has grown');
    go();
    answers(@held);
    is(scalar $run->workers(1), 1, 'and shrunk');
    wait_for { age(($run->workers)[0]) > 2 } 10, 'rest';
    my $out = "$dir/strace";
    my $tracer = start(cmd => [$strace, '-f', '-ttt', '-o', $out,
                               '-p', $run->pid], err => "$out.err");
    my $attached = wait_for {
        slurp("$out.err") =~ /attached/ || !$tracer->alive
    } 10, 'strace';
    skip 'strace may not attach here', 1 unless $tracer->alive;
    my $from = time + 1;
    wait_for { time > $from + 2 } 5, 'time';
    my @call = grep { /^\d+\s+([\d.]+) / && $1 >= $from }
        split /\n/, slurp($out);
    is_deeply(\@call, [], 'an elastic pool at rest: no system call in 2 s');
    $tracer->signal('INT');
    $tracer->wait(10);
}

done_testing;
