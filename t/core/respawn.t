#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A worker that goes by itself is replaced: at once when it had settled, with
# doubling delay when it dies at birth.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Run;
use FCGIPM::Strace;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(time sleep);

# --- SIGKILL: replaced in the round of the manager's loop that reaps it
{
    my $run = FCGIPM::Run->new(processes => 2, command => [bin('worker')]);
    my @old = $run->workers(2);
    wait_for { age($old[0]) > 1.2 && age($old[1]) > 1.2 } 20,
        'workers that have settled';
    my @now;
    my @call = sequence_during($run->pid, sub {
        kill 'KILL', $old[0];
        wait_for {
            @now = $run->workers;
            @now == 2 && !grep { $_ == $old[0] } @now;
        } 20, 'a new worker';
    });
    is(scalar @now, 2, 'a new worker is there');
    ok((grep { $_ == $old[1] } @now), 'the other one has stayed');
    like("@call", qr/\bwait(?:4|id)\b(?:(?! epoll_).)*\b(?:sendmsg|v?fork|clone3?)\b/,
         'the manager starts it before it waits for anything again')
        or diag("@call");
    is(request($run->address)->{error}, undef, 'the pool serves');
    like($run->log, qr/signal 9|SIGKILL/i, 'the log says what it died of');
}

# --- all at once: none of them died at birth, so none is delayed; what were
# taken for deaths at birth would be tried one by one, for a second each
{
    my $run = FCGIPM::Run->new(processes => 6, command => [bin('worker')]);
    my @took;
    for my $round (1 .. 3) {
        my @old = $run->workers(6);
        wait_for { !grep { age($_) < 1.2 } @old } 20, 'settled workers';
        my $begin = time;
        kill 'KILL', @old;
        is(scalar $run->renewed(@old), 6, 'SIGKILL to six: six new ones');
        push @took, time - $begin;
    }
    @took = sort { $a <=> $b } @took;
    is_soon($took[0], 0.9, sprintf 'without delay: %.3f s', $took[0]);
}

# --- ways to go during a request
{
    my $run = FCGIPM::Run->new(processes => 2, command => [bin('worker')]);
    for my $how (map { join ',', @$_ } [before => 11], [header => 9],
                 [body => 6], [after => 11], [before => 'x3'],
                 [body => 'x0']) {
        my @old = $run->workers(2);
        wait_for { age($old[0]) > 1.2 && age($old[1]) > 1.2 } 20,
            'workers that have settled';
        my $r = request($run->address, query => "crash=$how");
        is(defined $r->{error}, $how !~ /^after/, "crash $how");
        is(scalar $run->workers(2), 2, 'there are two workers again');
        is(request($run->address)->{error}, undef, 'which serve');
    }
}

# --- dying at birth
{
    my $dir = tmp_dir();
    my $trace = write_file("$dir/trace", '', 0666);
    my $run = FCGIPM::Run->new(
        processes => 1, control => 1,
        command => [bin('worker'), '--exit-at-once', 7, '--trace', $trace]);
    my @birth;
    wait_for {
        push @birth, time while @birth < count_lines($trace, '^born ');
        @birth >= 7
    } 30, 'seven births';
    is(scalar @birth, 7, 'dying at birth: it is tried again and again');
    my @gap = map { $birth[$_] - $birth[$_ - 1] } 1 .. $#birth;
    diag('gaps between births: ', join ' ', map { sprintf '%.2f', $_ } @gap);
    cmp_ok($gap[5], '>', 1.5 * $gap[4], 'the delay grows');
    cmp_ok($gap[5], '>', 4 * $gap[2], 'it doubles');
    my @cpu = (split ' ', slurp('/proc/' . $run->pid . '/stat'))[13, 14];
    cmp_ok($cpu[0] + $cpu[1], '<', 100, 'the manager does not spin');
    like($run->log, qr/default.*\b7\b/, 'the log names pool and status');
    my $pool = ($run->status || {})->{pools}[0];
    is($pool->{state}, 'backoff', 'the state is told');
    cmp_ok($pool->{retry_in}, '>', 0, 'and when it is tried again');
    like($pool->{last_error}, qr/\b7\b/, 'and why');
    is($pool->{last_stderr}, '', 'it said nothing');
    my $begin = time;
    $run->signal('TERM');
    is($run->wait(10), 0, 'SIGTERM in the delay: exit status 0');
    is_soon(time - $begin, 1.5, 'at once');
}

# --- no storm, however many workers the pool is to have
for my $arg ([qw(--exit-at-once 1)], [qw(--crash-at-birth)]) {
    my $dir = tmp_dir();
    my $trace = write_file("$dir/trace", '', 0666);
    my $run = FCGIPM::Run->new(
        processes => 8, command => [bin('worker'), @$arg, '--trace', $trace]);
    ok(wait_for { count_lines($trace, '^born ') >= 8 } 10,
       "@$arg: eight workers are tried");
    sleep 3;                  # the window in which births are counted
    my $n = count_lines($trace, '^born ');
    cmp_ok($n, '<=', 24, "no storm: $n births in three seconds");
    ok($run->alive, 'the manager lives');
}

# --- it works again as soon as the program does
{
    my $dir = tmp_dir();
    my $script = write_file("$dir/later.sh", <<"END", 0755);
#!/bin/sh
test -e $dir/now || { echo one two >&2; echo three >&2; exit 1; }
exec ${\ bin('worker')}
END
    my $run = FCGIPM::Run->new(processes => 3, control => 1,
                               command => [$script]);
    ok(wait_for { $run->log =~ /status 1|exit\D*1/ } 10, 'it fails');
    like($run->status->{pools}[0]{last_stderr}, qr/^one two\nthree$/m,
         'what it said is in the status');
    write_file("$dir/now", '');
    $run->signal('HUP');
    is(scalar $run->workers(3), 3, 'SIGHUP: tried at once, all workers');
    is(request($run->address)->{error}, undef, 'the pool serves');
}

# --- what cannot be started at all
{
    my $dir = tmp_dir();
    my @case = (
        ['does not exist', "$dir/nothing", qr/No such file/],
        ['is not executable', write_file("$dir/plain", "x\n", 0644),
         qr/not executable|Permission denied/],
        ['is a directory', $dir, qr/not a program|Permission denied/],
        ['has no interpreter', write_file("$dir/odd", "#!/no/such\n", 0755),
         qr/No such file/],
        ['is of no known format', write_file("$dir/text", "hello\n", 0755),
         qr/Exec format error/],
    );
    for (@case) {
        my ($name, $program, $error) = @$_;
        my $run = FCGIPM::Run->new(processes => 2, command => [$program]);
        ok(wait_for { $run->log =~ /^.*\Q$program\E.*$error/m } 10,
           "a program that $name: a clear error") or diag($run->log);
        $run->signal('TERM') if $run->alive;
        my $status = $run->wait(10);
        ok(defined $status, "exit status $status, no hang");
        # the leak sanitizer has a process of its own for a moment
        ok(wait_for { !descendants() } 10, 'no process is left');
    }
}

done_testing;
