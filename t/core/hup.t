#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# SIGHUP: every worker is told and replaced, none loses its request.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;
use FCGIPM::Load;

# Lines of a worker's trace, by what they say: { term => { PID => times } }.
sub trace {
    my ($path) = @_;
    my %seen;
    for (split /\n/, slurp($path)) {
        my ($what, $pid) = split ' ';
        $seen{$what}{$pid}++;
    }
    return \%seen;
}

my $dir = tmp_dir();
my $trace = write_file("$dir/trace", '', 0666);
my $run = FCGIPM::Run->new(
    processes => 3, command => [bin('worker'), '--trace', $trace]);
my $manager = $run->pid;
my @old = $run->workers(3);
is(request($run->address)->{error}, undef, 'the pool serves');
wait_quiet($manager, 20);   # one that still starts would not say it was told

# --- idle workers
wait_quiet($run->pid, 20);   # with their handlers
$run->signal('HUP');
my @new = $run->renewed(@old);
is(scalar @new, 3, 'HUP: all workers are new');
ok($run->alive, 'the manager is the same');
my $seen = trace($trace);
ok($seen->{term}{$_}, "old worker $_ got SIGTERM") for @old;
ok(!$seen->{term}{$_}, "new worker $_ did not") for @new;
is(request($run->address)->{error}, undef, 'the pool serves on');

# --- a busy worker
@old = @new;
my $busy = FCGIPM::FastCGI::connect_to($run->address);
FCGIPM::FastCGI::send_request($busy, query => 'fd2=busy%0a&sleep=2000&pid');
ok(wait_for { $run->log =~ /busy/ } 10, 'a request is under way');
$run->signal('HUP');
my %old = map { $_ => 1 } @old;
ok(wait_for { 2 == grep { $old{$_} && !alive($_) } @old } 10,
   'HUP: the idle ones go at once');
my $who = pid_of($run->address);
ok($who && !$old{$who}, 'new workers answer');
my ($last) = grep { alive($_) } @old;
my $r = FCGIPM::FastCGI::read_answer($busy, 20);
is($r->{error}, undef, 'the request under way is answered');
like($r->{body}, qr/^pid=\Q$last\E /, 'by the old worker');
ok(wait_for { !alive($last) } 10, 'which then goes');
@new = $run->workers(3);
is(scalar @new, 3, 'there are as many workers as before');
is(trace($trace)->{term}{$last}, 1, 'a busy worker is told once');

# --- one HUP on top of another
@old = @new;
$run->signal('HUP') for 1 .. 5;
@new = $run->renewed(@old);
is(scalar @new, 3, 'five HUPs at once: new workers');
is(request($run->address)->{error}, undef, 'which serve');

# --- no other worker can be started
SKIP: {
    my $prlimit = have('prlimit');
    skip 'there is no prlimit', 3 unless $prlimit;
    wait_quiet($run->pid, 20);   # the last of five HUPs is done
    @old = $run->workers(3);
    is(system($prlimit, '--pid', $run->pid, '--nofile=3:'), 0,
       'the manager can open nothing more');
    $run->signal('HUP');
    ok(wait_for { $run->log =~ /cannot start a worker/ } 10,
       'HUP: no worker can be started');
    is(join(' ', $run->workers), join(' ', @old), 'the old ones stay');
    is(request($run->address)->{error}, undef, 'and serve');
    is(system($prlimit, '--pid', $run->pid, '--nofile=1024:'), 0, 'it can');
    @new = $run->renewed(@old);
    is(scalar @new, 3, 'they are replaced as soon as others start');
}

# --- under load
sub hups_under_load {
    my ($run, $clients, $query, $rounds) = @_;
    my $load = FCGIPM::Load->new(clients => $clients, request => sub {
        my $r = request($run->address, query => $query);
        return $r->{error} || ($r->{body} =~ /^pid=/ ? undef : 'no body');
    });
    ok($load->flows(20), "$query: requests flow");
    my $renewed = 0;
    for (1 .. $rounds) {
        my @before = $run->workers;
        $run->signal('HUP');
        $run->renewed(@before) && $load->flows($clients) or last;
        $renewed++;
    }
    is($renewed, $rounds, "each of $rounds HUPs made every worker new");
    my $sum = $load->stop;
    cmp_ok($sum->{ok}, '>', 100, "requests were answered ($sum->{ok})");
    is($sum->{failed}, 0, 'not one was lost') or diag($load->explain);
    return;
}

# more than there are workers: they are always busy
hups_under_load($run, 8, 'sleep=20&pid', 10);
is($run->pid, $manager, 'the manager is the same');
$run->signal('TERM');
is($run->wait(10), 0, 'exit status 0');

# --- as many as there are workers, in short requests: one is busy at one look
#     and idle at the next
$run = FCGIPM::Run->new(processes => 8, command => [bin('worker')]);
$run->workers(8);
hups_under_load($run, 8, 'sleep=1&pid', 40);
$run->signal('TERM');
is($run->wait(10), 0, 'exit status 0');
is_deeply([descendants()], [], 'no process is left');

done_testing;
