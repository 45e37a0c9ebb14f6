#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Reloads of all workers at once: one that is not ready yet is let get ready,
# however fast reloads follow each other; and the old ones stay when no other
# can be started.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Load;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(sleep time);

my $WORKER = bin('worker');
my $LOAD = 1;    # seconds that the program loads

sub run_with {
    my ($processes, $command, @option) = @_;
    return FCGIPM::Run->new(processes => $processes, control => 1,
                            command => $command, options => \@option);
}

sub states {
    my ($run) = @_;
    my %of;
    push @{ $of{ $_->{state} } }, $_->{pid}
        for @{ $run->pool_status->{worker} || [] };
    return \%of;
}

sub ends {
    my ($run, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $run->signal('TERM');
    is($run->wait(20), 0, "$name: exit status 0");
    return is_deeply([descendants()], [], "$name: no process is left");
}

# --- a reload of workers that load
{
    my $run = run_with(2, [$WORKER, '--slow-start', $LOAD * 1000]);
    ok(wait_for { 2 == @{ states($run)->{starting} || [] } } 10,
       'two workers that load');
    my %old = map { $_ => 1 } @{ states($run)->{starting} };
    $run->signal('HUP');
    $run->counts('default', spawned => 4, stopping => 0);
    my $served = wait_for { pid_of($run->address) } 20, 'an answer';
    ok($old{ $served || 0 }, 'SIGHUP: they get ready and serve');
    ok(wait_for { !grep { alive($_) } keys %old } 20,
       'until the others are ready');
    $run->counts('default', idle => 2, spawned => 4, crashed => 0, killed => 0,
                 recycled => 0);
    ends($run, 'workers that load');
}

# --- one that was let get ready stays until another is; one that serves goes
#     at once
{
    my $dir = tmp_dir();
    chmod 0777, $dir;
    write_file("$dir/gate$_", '') for 1, 2;
    my $run = run_with(1, [write_script("$dir/x", <<"END")],
mkdir $dir/first 2>/dev/null && gate=1 || gate=2
while test -e $dir/gate\$gate; do sleep 0.05; done
exec $WORKER
END
                       '--start-timeout', 0);
    ok(wait_for { -d "$dir/first" } 10, 'a worker that loads');
    my ($first) = $run->workers(1);
    $run->signal('HUP');
    $run->counts('default', starting => 2);
    unlink "$dir/gate1";
    $run->counts('default', starting => 1, idle => 1);
    $run->signal('HUP');
    ok(wait_for { 2 == (() = $run->log =~ /all workers are replaced/g) } 10,
       'another reload');
    my ($second) = @{ states($run)->{starting} };
    is((ctl($run->control_socket, 'kill', $second))[0], 0, 'kill');
    $run->counts('default', starting => 1, idle => 1, stopping => 0,
                 spawned => 3);
    is(pid_of($run->address), $first, 'it stays while others load');
    unlink "$dir/gate2";
    ok(wait_for { !alive($first) } 10, 'and goes when that is ready');
    $run->counts('default', starting => 0, idle => 1, stopping => 0);

    my ($serves) = $run->workers(1);
    write_file("$dir/gate2", '');
    $run->signal('HUP');
    $run->counts('default', starting => 1, idle => 0, stopping => 0);
    ok(!alive($serves), 'one that serves goes while another loads');
    ends($run, 'one after the other');
}

# --- reloads that follow each other faster than the program loads
for my $processes (1, 2, '1 4') {
    my $run = run_with($processes, [$WORKER, '--slow-start', $LOAD * 1000]);
    $run->counts('default', starting => 0);
    my $load = FCGIPM::Load->new(clients => 2, request => sub {
        my $begin = time;
        my $r = request($run->address, query => 'pid', timeout => 60);
        my $took = time - $begin;
        append($run->dir . '/times', sprintf "%.2f\n", $took);
        return $r->{error} || ($r->{body} =~ /^pid=/ ? undef : 'no body');
    });
    ok($load->flows(20), "$processes: requests flow");
    my $most = 0;
    for (1 .. 20) {
        $run->signal('HUP');
        sleep $LOAD * 0.3;
        my $n = $run->pool_status->{workers};
        $most = $n if $n > $most;
    }
    my ($status) = ctl($run->control_socket, 'reload', '--wait');
    is($status, 0, "$processes: the last reload is done");
    my $sum = $load->stop;
    is($sum->{failed}, 0, "$processes: no request was lost")
        or diag($load->explain);
    my ($longest) = sort { $b <=> $a } split ' ', slurp($run->dir . '/times');
    cmp_ok($longest, '<', 2.5 * $LOAD,
           "$processes: the longest wait is near the time of a load");
    my ($max) = $processes =~ /(\d)$/;
    cmp_ok($most, '<=', 2 * $max, "$processes: never more than twice as many");
    unlike($run->log, qr/SIGKILL|died at birth/, "$processes: all went well");
    ends($run, "$processes: reloads");
}

# --- what hangs goes when those that replace it are ready
{
    my $dir = tmp_dir();
    my $run = run_with(2, [write_script("$dir/x", <<"END")],
test -e $dir/good || exec sleep 600
exec $WORKER
END
                       '--start-timeout', 0);
    ok(wait_for { 2 == @{ states($run)->{starting} || [] } } 10,
       'two workers that hang');
    my @old = @{ states($run)->{starting} };
    write_file("$dir/good", '');
    $run->signal('HUP');
    ok(wait_for { !grep { alive($_) } @old } 10,
       'go when the program has been mended');
    $run->counts('default', idle => 2, stopping => 0);
    ends($run, 'what hangs');
}

# --- no other worker can be started
SKIP: {
    my $prlimit = have('prlimit');
    skip 'there is no prlimit', 1 unless $prlimit;
    for my $option ([], ['--start-delay', '300ms'], ['--max-processes', 3]) {
        my $name = "@$option" || 'no limit';
        my $run = run_with(3, [$WORKER], @$option);
        my @old = $run->workers(3);
        $run->counts('default', idle => 3);
        wait_quiet($run->pid, 20);
        is(system($prlimit, '--pid', $run->pid, '--nofile=3:'), 0,
           "$name: the manager can open nothing more");
        $run->signal('HUP');
        ok(wait_for { $run->log =~ /cannot start a worker/ } 10,
           "$name: a reload cannot start a worker");
        my %now = map { $_ => 1 } $run->workers;
        my $kept = grep { $now{$_} } @old;
        # where there is no room, one goes before another comes
        cmp_ok($kept, '>=', $name =~ /max/ ? 2 : 3, "$name: the old ones stay");
        is(request($run->address)->{error}, undef, "$name: and serve");
        is(system($prlimit, '--pid', $run->pid, '--nofile=1024:'), 0,
           "$name: it can");
        is(scalar $run->renewed(@old), 3,
           "$name: they are replaced as soon as others start");
        ends($run, $name);
    }
}

done_testing;
