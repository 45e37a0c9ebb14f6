#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Workers that are ready, due, late and overdue; and the rolling reload.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(connect_to read_answer request send_request);
use FCGIPM::Load;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(time);

my $WORKER = bin('worker');

sub run_with {
    my ($processes, $command, @option) = @_;
    my $run = FCGIPM::Run->new(processes => $processes, control => 1,
                               command => $command, options => \@option);
    wait_for { $run->status } 10, 'a manager';
    return $run;
}

sub pool_of { return $_[0]->status->{pools}[0] }
sub one { return pool_of($_[0])->{worker}[0] || {} }
sub state_of { return one($_[0])->{state} || '' }

# --- ready
{
    my $run = run_with(1, [$WORKER, '--slow-start', 1500]);
    ok(wait_for { state_of($run) eq 'starting' && $run->workers } 10,
       'a program that loads is starting');
    is(request($run->address)->{error}, undef, 'and is waited for');
    ok(wait_for { state_of($run) eq 'idle' } 10, 'then it is idle');
}
{
    my $run = run_with(1, [$WORKER, '--slow-start', 20_000], '--guard',
                       'off', '--start-timeout', '300ms');
    ok(wait_for { state_of($run) eq 'idle' } 10,
       'without the guard it is not known');
    ok(wait_for { (one($run)->{uptime} || 0) > 1 } 10, 'and nobody is late');
    is(pool_of($run)->{spawned}, 1, 'it is left alone');
}
for my $case (
    ['a shell and its child', '/bin/sh', bin('shell.sh'), $WORKER],
    ['a program that the guard is not in', '/usr/bin/env', '-i', $WORKER]) {
    my ($name, @command) = @$case;
    my $run = run_with(1, \@command, '--start-timeout', '2s');
    ok(wait_for { state_of($run) eq 'idle' } 10, "$name: ready");
    ok(wait_for { (one($run)->{uptime} || 0) > 2.5 } 10, 'for good');
    is(pool_of($run)->{spawned}, 1, 'the first one still');
    is(request($run->address)->{error}, undef, 'it serves');
}
{
    my $late = 'select undef, undef, undef, 1.5; exec @ARGV';
    my $run = run_with(1, [$^X, '-e', $late, bin('static')]);
    ok(wait_for { (state_of($run) || 'starting') ne 'starting' } 40,
       'one that executes such a program later: ready before the timeout');
    is(pool_of($run)->{spawned}, 1, 'the first one');
    is(request($run->address)->{error}, undef, 'it serves');
}
{
    my $run = run_with(1, [$WORKER, '--slow-start', 60_000],
                       '--start-timeout', '200ms');
    ok(wait_for { pool_of($run)->{spawned} >= 3 } 20,
       'one that is late is replaced, again and again');
    like($run->log, qr/worker \d+ does not wait for a request after 0\.\d+ s/,
         'the log says so');
    ok(wait_for { pool_of($run)->{state} eq 'backoff' } 20,
       'ever later');
    like(pool_of($run)->{last_error}, qr/FcgiPMStartTimeout/,
         'status says why');
}

# --- so many requests
{
    my $run = run_with(4, [$WORKER], '--max-requests', '5 40%');
    ok(wait_for { pool_of($run)->{idle} == 4 } 10, 'four workers');
    my $address = $run->address;
    my $load = FCGIPM::Load->new(clients => 4, request => sub {
        my $r = request($address, query => 'pid');
        return $r->{error} || ($r->{body} =~ /^pid=\d+/ ? undef : 'no pid');
    });
    my ($least, $most) = (99, 0);
    ok(wait_for {
        my $pool = pool_of($run);
        my $n = $pool->{workers};
        $least = $n if $n < $least;
        $most = $n if $n > $most;
        $pool->{recycled} >= 60
    } 60, '60 workers are replaced');
    my $sum = $load->stop;
    is($sum->{failed}, 0, "$sum->{ok} requests, none lost")
        or diag($load->explain);
    cmp_ok($least, '>=', 4, 'never less than four');
    cmp_ok($most, '<=', 8, 'and never more than one more for each');
    is(pool_of($run)->{$_}, 0, "none $_") for qw(crashed killed);
    ok(wait_for { pool_of($run)->{workers} == 4 } 20, 'four at the end');
}

# --- so many, and hardly any more: the next one is asked for in time, and the
#     worker leaves by itself.  How long a program loads is the machine's
#     affair, so each step waits for what is under way.
for my $case (['10 0%', [$WORKER]],
              ['50 0%', [$WORKER, '--slow-start', 100]],
              ['20 0%', [bin('ways'), qw(--loop --wait epoll --copy)]],
              ['20 0%', [bin('ways'), qw(--wait poll --handler exit)]],
              ['20 0%', [bin('ways'), qw(--threads 3)]],
              ['20 0%', [bin('threaded')]],
              ['20 0%', [bin('perl-fcgi.pl')]],
              ['20 0%', [bin('plain.py')]]) {
    my ($limit, $command) = @$case;
    my $name = join ' ', map { s{.*/}{}r } $limit, @$command;
    my ($n) = $limit =~ /^(\d+)/;
    my $more = $n > 20 ? $n / 10 : 2;
    my $run = run_with(1, $command, '--max-requests', $limit);
    ok(wait_for { state_of($run) eq 'idle' } 20, "$name: a worker");
    my ($first, %served, $failed, $both) = one($run)->{pid};
    my $alone = time; # it was the only one then
    for (1 .. 20 * $n) {
        my $r = request($run->address, query => 'pid');
        $r->{body} =~ /^pid=(\d+)/ ? $served{$1}++ : $failed++;
        last unless alive($first);
        next if $both;
        my ($asked, $pool) = time;
        wait_for { $asked = time; $pool = pool_of($run); !$pool->{starting} }
            20, 'the next one';
        $both = $alone if $pool->{workers} > 1;
        $alone = $asked;
    }
    # the first one goes a second after the next is there, at the earliest
    my $rushed = time - ($both || $alone) < 1;
    is($failed, undef, "$name: each request is answered");
    cmp_ok($served{$first}, '<=', $n + $more,
           "$name: so many by the first one");
    cmp_ok($served{$first}, '>=', $rushed ? $n - $more : $n / 2,
           "$name: no fewer");
    ok(wait_for { !alive($first) } 20, "$name: the first one goes");
    is(pool_of($run)->{$_}, 0, "$name: none $_") for qw(crashed killed);
}

# --- the same with many requests at once
for my $case (['10 0%', 4, [$WORKER]],
              ['50 0%', 4, [$WORKER, '--slow-start', 100]],
              ['20 0%', 2, [bin('ways'), qw(--loop --wait epoll --copy)]],
              ['20 0%', 2, [bin('ways'), qw(--wait poll --handler exit)]],
              ['20 0%', 2, [bin('threaded')]]) {
    my ($limit, $processes, $command) = @$case;
    my $name = join ' ', map { s{.*/}{}r } $limit, @$command;
    my $run = run_with($processes, $command, '--max-requests', $limit);
    ok(wait_for { pool_of($run)->{idle} == $processes } 20, "$name: workers");
    my $address = $run->address;
    my $load = FCGIPM::Load->new(clients => 4, request => sub {
        my $r = request($address, query => 'sleep=6&pid');
        return $r->{error} || ($r->{body} =~ /^pid=\d+/ ? undef : 'no pid');
    });
    ok(wait_for { pool_of($run)->{recycled} >= 8 + $processes } 60,
       "$name: some are replaced");
    my $sum = $load->stop;
    is($sum->{failed}, 0, "$name: $sum->{ok} requests, none lost")
        or diag($load->explain);
    is(pool_of($run)->{$_}, 0, "$name: none $_") for qw(crashed killed);
    $run->signal('TERM');
    is($run->wait(20), 0, "$name: exit status 0");
}
{
    my $run = run_with(1, [$WORKER], '--max-requests', '10 0%');
    ok(wait_for { state_of($run) eq 'idle' } 10, 'a worker');
    my $pid = one($run)->{pid};
    request($run->address, query => 'pid') for 1 .. 9;
    ok(wait_for { !alive($pid) } 20,
       'one that is replaced goes, also when no request comes any more');
    my $spawned = pool_of($run)->{spawned};
    ok(wait_for { (one($run)->{uptime} || 0) > 1.5 } 10, 'the next one');
    is(pool_of($run)->{spawned}, $spawned, 'stays');
}

# --- so much time
{
    my $run = run_with(2, [$WORKER], '--process-lifetime', '400ms');
    my @old = $run->workers(2);
    ok(wait_for { pool_of($run)->{recycled} >= 4 } 20,
       'workers that live for 400 ms');
    ok(!(grep { alive($_) } @old), 'have gone');
}

# --- so much memory
{
    my $run = run_with(1, [$^X, bin('intruder.pl')],
                       '--size-check-requests', 2,
                       '--max-unshared-size', '100M');
    my $ask = sub { request($run->address, stdin => $_[0])->{body} };
    my $pid = $ask->('$$');
    is($ask->('our $fat = "x" x 200_000_000; $$'), $pid,
       'a worker grows after its first request');
    isnt($pid, 0, 'it has a pid');
    ok(wait_for { $ask->('$$') != $pid } 20, 'and is replaced');
    ok(wait_for { !alive($pid) } 10, 'it goes');
    like($run->log, qr/worker $pid is to be replaced: .*MaxUnsharedSize/,
         'the log says why');
    my $next = $ask->('$$');
    $ask->('1') for 1 .. 8;
    is($ask->('$$'), $next, 'one that does not grow stays');
}

# --- too long
{
    my $run = run_with(2, [$WORKER], '--request-timeout', '700ms',
                       '--die-timeout', '300ms');
    ok(wait_for { pool_of($run)->{idle} == 2 } 10, 'two workers');
    my $s = connect_to($run->address);
    send_request($s, query => 'hang');
    ok(wait_for { pool_of($run)->{timed_out} == 1 } 10,
       'one that hangs is ended');
    like($run->log, qr/worker \d+ has been busy with a request for 0\.[7-9]/,
         'the log says so');
    is(read_answer($s, 10)->{error}, 'closed before the end',
       'its client knows');
    ok(wait_for { pool_of($run)->{killed} == 1 } 10, 'by SIGKILL');
    ok(wait_for { pool_of($run)->{idle} == 2 } 10, 'another is there');
    my $address = $run->address;
    my $begin = time;
    while (time - $begin < 2) {
        request($address, query => 'sleep=50&pid');
    }
    is(pool_of($run)->{timed_out}, 1,
       'short requests one after the other are no long one');
}

{
    my $run = run_with(1, [bin('threaded')], '--request-timeout', '1s');
    my ($pid) = $run->workers(1);
    my $load = FCGIPM::Load->new(clients => 2, request => sub {
        return request($run->address, query => 'sleep=30')->{error};
    });
    ok($load->flows(100), 'a worker with threads, which is never idle');
    is(pool_of($run)->{timed_out}, 0, 'for longer than a request may take');
    my $stuck = connect_to($run->address);
    send_request($stuck, query => 'until=/nonexistent');
    ok(wait_for { !alive($pid) } 20, 'its oldest request takes too long');
    is(pool_of($run)->{timed_out}, 1, 'and it is ended');
    is($load->stop->{failed}, 0, 'the others in it are answered')
        or diag($load->explain);
}
{
    my $run = run_with(1, [bin('ways'), '--threads', 3],
                       '--request-timeout', '1s');
    my ($pid) = $run->workers(1);
    my $load = FCGIPM::Load->new(clients => 2, request => sub {
        return request($run->address, query => 'sleep=30')->{error};
    });
    ok($load->flows(10), 'a worker with threads');
    ok(defined request($run->address, query => 'abandon')->{error},
       'closes a connection unseen');
    ok($load->flows(120), 'and serves on for longer than a request may take');
    is($load->stop->{failed}, 0, 'all others');
    is(pool_of($run)->{timed_out}, 0, 'it is not ended for that one');
    is(one($run)->{pid}, $pid, 'the same');
}

# --- rolling
my $RELEASE = tmp_dir() . '/release';

sub release { return write_script($RELEASE, @_) }

chmod 0755, $RELEASE =~ s{/[^/]*$}{}r;
release("exec $WORKER --tag one");
my $run = run_with(3, [$RELEASE], '--reload', 'rolling',
                   '--start-timeout', '500ms');
ok(wait_for { pool_of($run)->{idle} == 3 } 10, 'rolling: three workers');
my $address = $run->address;
my $load = FCGIPM::Load->new(clients => 3, request => sub {
    my $r = request($address, query => 'sleep=20&pid');
    return $r->{error} || ($r->{body} =~ /^pid=\d+/ ? undef : 'no pid');
});
sub pids { return map { $_->{pid} } grep { $_->{state} ne 'stopping' }
           @{ pool_of($run)->{worker} } }

my @old = pids();
release("exec $WORKER --tag two");
$run->signal('HUP');
my $least = 99;
ok(wait_for {
    my $pool = pool_of($run);
    $least = $pool->{workers} - $pool->{starting}
        if $pool->{workers} - $pool->{starting} < $least;
    $pool->{recycled} == 3
} 20, 'rolling: all are replaced');
is($least, 3, 'never less than three that are ready');
ok(wait_for { !grep { alive($_) } @old } 10, 'the old ones are gone');
ok(wait_for { pool_of($run)->{workers} == 3 } 10, 'three it is');
like(request($address)->{body}, qr/tag=two/, 'the new release answers');

for my $case (['exit 3', 'dies'], ['exec sleep 1000', 'is never ready']) {
    my ($what, $name) = @$case;
    @old = sort(pids());
    release($what);
    my $before = () = $run->log =~ /rolling reload ends/g;
    $run->signal('HUP');
    ok(wait_for {
        my $now = () = $run->log =~ /rolling reload ends/g;
        $now > $before
    } 20, "rolling: a release that $name ends it");
    like($run->log, qr/3 old ones are kept/, 'the log says so');
    ok(wait_for { pool_of($run)->{workers} == 3 } 10, 'three as before');
    is_deeply([sort(pids())], \@old, 'the very same');
    like(request($address)->{body}, qr/tag=two/, 'that answer');
}
my $sum = $load->stop;
is($sum->{failed}, 0, "rolling: $sum->{ok} requests, none lost")
    or diag($load->explain);

done_testing;
