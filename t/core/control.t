#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The control socket: ping, status, reload; who may speak; what strangers send.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;
use IO::Socket::UNIX;
use JSON::PP;
use Time::HiRes qw(time);

my $user = worker_user();

sub speak {
    my ($run) = @_;
    return IO::Socket::UNIX->new(Peer => $run->control_socket);
}

# A line of answer, or undef.
sub line_of {
    my ($s) = @_;
    local $SIG{ALRM} = sub { die "late\n" };
    alarm 10;
    my $line = eval { readline $s };
    alarm 0;
    return $line;
}

my $run = FCGIPM::Run->new(
    processes => 3, control => 1, command => [bin('worker')],
    options => ['--name', 'app']);
my @pid = $run->workers(3);
my $socket = $run->control_socket;
is((stat $socket)[2] & 0777, 0600, 'the mode of the socket');
my $open = keys %{ fds($run->pid) };

# --- fcgipmctl
my ($status, $said) = ctl($socket, 'ping');
is($status, 0, 'ping: exit status 0');
like($said, qr/\b${\ $run->pid}\b/, 'it tells the manager');

($status, $said) = ctl($socket, 'status');
is($status, 0, 'status: exit status 0');
like($said, qr/\bapp\b.*\brunning\b/, 'a table with the pool');
like($said, qr/^manager ${\ $run->pid}\b/m, 'and the manager');

for (['no manager', 3, 'ping'], ['no manager', 3, 'status']) {
    my ($name, $expect, @word) = @$_;
    is((ctl("$socket.none", @word))[0], $expect, "$name: $expect");
}
like((ctl("$socket.none", 'ping'))[1],
     qr/^fcgipmctl: cannot reach .*No such file.*-s SOCKET.*httpd/s,
     'and where it looked, how to look elsewhere, whether httpd runs');
is((ctl($socket, @$_))[0], 2, "usage: fcgipmctl @$_")
    for [], ['dance'], ['ping', 'x', 'y', 'z'], ['--what', 'ping'];
for my $word (qw(status reload)) {
    ($status, $said) = ctl($socket, $word, 'nobody-knows');
    is($status, 1, "$word of no such pool: exit status 1");
    like($said, qr/nobody-knows/, 'which is named');
}

# --- the contract: names and types of members
sub shape_ok {
    my ($object, $shape, $name) = @_;
    is_deeply([sort keys %$object], [sort map { @$_ } values %$shape],
              "$name: the members");
    my $json = JSON::PP->new->allow_nonref;
    for my $member (@{ $shape->{number} }) {
        my $text = $json->encode($object->{$member});
        like($text, qr/^-?\d/, "$name.$member is a number");
    }
    for my $member (@{ $shape->{string} }) {
        my $text = $json->encode($object->{$member});
        like($text, qr/^"/, "$name.$member is a string");
    }
    return;
}

is(request($run->address)->{error}, undef, 'the pool serves') for 1 .. 3;
my $all = $run->status;
ok($all, 'status as JSON');
shape_ok($all, { string => ['version'], list => ['pools', 'time_bounds'],
                 object => ['manager'] }, 'status');
shape_ok($all->{manager}, { number => [qw(pid uptime restarts reloads
                                         loop_max)],
                            string => ['error'], bool => ['answers'] },
         'manager');
ok($all->{manager}{answers}, 'it answers');
my $pool = $all->{pools}[0];
shape_ok($pool, {
    string => [qw(name state command listen last_error last_stderr
                  preload warmup)],
    number => [qw(min max requests_per_worker workers idle busy starting stopping queue in_flight
                  requests spawned exited crashed killed recycled timed_out
                  strangers aborted retried reused refused refused_limit refused_timeout
                  refused_unavailable retry_in failed_starts last_error_age fork_server
                  parked blocked)],
    object => [qw(request_time queue_time)], list => ['worker'] }, 'pool');
shape_ok($pool->{$_}, { number => [qw(count sum)], list => ['counts'] }, $_)
    for qw(request_time queue_time);
shape_ok($_, { number => [qw(pid requests uptime busy_for rss in_flight
                                 private_memory pss)],
               string => ['state'] }, 'worker') for @{ $pool->{worker} };

is($all->{manager}{pid}, $run->pid, 'the manager');
cmp_ok($all->{manager}{uptime}, '>', 0, 'its age');
is($pool->{name}, 'app', 'the pool');
is($pool->{state}, 'running', 'its state');
is($pool->{listen}, $run->address, 'its address');
like($pool->{command}, qr/worker/, 'its command');
is_deeply([@$pool{qw(min max workers)}], [3, 3, 3], 'its numbers');
is_deeply([@$pool{qw(spawned exited crashed killed)}], [3, 0, 0, 0],
          'what has happened');
is_deeply([sort { $a <=> $b } map { $_->{pid} } @{ $pool->{worker} }],
          \@pid, 'its workers');
ok(!(grep { $_->{state} !~ /^(?:starting|idle|busy|stopping)$/ }
     @{ $pool->{worker} }), 'the states of workers');
my ($rss) = split ' ', proc_status($pid[0])->{VmRSS};
my ($first) = grep { $_->{pid} == $pid[0] } @{ $pool->{worker} };
cmp_ok($first->{rss}, '>', 1024 * $rss / 2, 'memory in bytes');
cmp_ok($first->{rss}, '<', 1024 * $rss * 2, 'about right');
is(scalar @{ ($run->status('app') || {})->{pools} || [] }, 1,
   'status of one pool');

# --- reload
my @old = @pid;
($status) = ctl($socket, 'reload');
is($status, 0, 'reload: exit status 0');
@pid = $run->renewed(@old);
is(scalar @pid, 3, 'all workers are new');
ok(wait_for { ($run->status->{pools}[0]{exited} || 0) == 3 } 10,
   'the old ones are counted as exited');
is($run->status->{manager}{reloads}, 1, 'the reload is counted');
($status) = ctl($socket, 'reload', 'app');
is($status, 0, 'reload of a pool: exit status 0');
@pid = $run->renewed(@pid);
is(scalar @pid, 3, 'all workers are new');

# --- what happens is counted as what it is
wait_for { !grep { age($_) < 1.2 } @pid } 20, 'settled workers';
request($run->address, query => 'crash=before,11');
ok(wait_for { $run->status->{pools}[0]{crashed} == 1 } 10, 'a crash');
@pid = $run->workers(3);
wait_for { !grep { age($_) < 1.2 } @pid } 20, 'settled workers';
my $s = $run->status->{pools}[0];
is_deeply([@$s{qw(spawned exited crashed killed workers)}],
          [10, 6, 1, 0, 3], 'and nothing else');

# --- lines
my $talk = speak($run);
print {$talk} "ping\nping\nstatus\nping\n";
my @line = map { line_of($talk) } 1 .. 4;
like($line[$_], qr/^ok /, 'several requests on one connection') for 0, 1, 3;
ok(eval { decode_json($line[2]) }, 'answers in order');
print {$talk} $_ for 'pi', "ng\r\n";
like(line_of($talk), qr/^ok/, 'a request in pieces, with a carriage return');

for my $odd ("dance\n", "\n", "ping " . 'x ' x 300 . "\n",
             "status " . 'x' x 65 . "\n", "reload ../../etc\n",
             "status \x00\xff\xfe\n", 'x' x 100_000 . "\n", "\0" x 5000) {
    my $stranger = speak($run);
    print {$stranger} $odd;
    shutdown $stranger, 1;
    my $answer = line_of($stranger);
    ok(!defined $answer || $answer =~ /^error /,
       'nonsense is refused: ' . substr($odd, 0, 20) =~ s/[^ -~]/?/gr);
}
{
    my @silent = map { speak($run) } 1 .. 60;
    is(scalar(grep { defined } @silent), 60, 'sixty who say nothing');
    my $begin = time;
    is((ctl($socket, 'ping'))[0], 0, 'do not keep others out');
    is_soon(time - $begin, 5, 'nor waiting');
    print { $silent[0] } 'stat';
}
for (1 .. 50) {
    my $rude = speak($run);
    print {$rude} "status\nstatus\nstatus\n";
    close $rude;
}
is((ctl($socket, 'ping'))[0], 0, 'nor do fifty who do not listen');
close $talk;
ok(wait_for { $open >= keys %{ fds($run->pid) } } 20,
   'their descriptors are closed') or diag(explain(fds($run->pid)));
is(scalar $run->workers(3), 3, 'the workers have not noticed');
is_deeply([$run->workers(3)], \@pid, 'really');

# --- who may
SKIP: {
    skip 'needs root', 8 unless $> == 0;
    my ($stranger) = grep { defined getpwnam $_ && $_ ne $user }
        qw(nobody daemon mail);
    my $public = FCGIPM::Run->new(
        processes => 1, control => 1, command => [bin('worker')],
        options => ['--socket-mode', '0666']);
    my ($pid) = $public->workers(1);
    is((stat $public->control_socket)[2] & 0777, 0666, 'a socket for all');
    my $ctl = program('fcgipmctl');
    if (!FCGIPM::Test::passable(FCGIPM::Test::built(''))) {
        require File::Copy;
        my $copy = tmp_dir() . '/fcgipmctl';
        File::Copy::copy($ctl, $copy);
        chmod 0755, $copy;
        $ctl = $copy;
    }
    for my $word (qw(ping status reload)) {
        my $proc = start(as => $stranger,
                         cmd => [$ctl, '-s', $public->control_socket, $word]);
        is($proc->wait(10), 1, "$word by $stranger: refused");
    }
    is_deeply([$public->workers], [$pid], 'nothing was reloaded');
    my $proc = start(as => $stranger, cmd => [$ctl, '-s', $socket, 'ping']);
    is($proc->wait(10), 3, 'with mode 0600 it does not even get there');
    is((ctl($public->control_socket, 'reload'))[0], 0, 'root may');
    is(scalar $public->renewed($pid), 1, 'and it is done');
}

$run->signal('TERM');
is($run->wait(10), 0, 'exit status 0');
ok(!-e $socket, 'the control socket is gone');

done_testing;
