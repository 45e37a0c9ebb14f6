#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The end of fcgipm-run, and of a pool of it, behind a front: readiness fails
# first, it serves for the drain grace, and then each client that has connected
# is answered while others are refused.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Load;
use FCGIPM::Run;
use FCGIPM::Test;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM);
use Test::More;
use Time::HiRes qw(time);

my $worker = bin('worker');
my $user = defined worker_user() ? 'FcgiPMUser ' . worker_user() : '';
my $dir = tmp_dir();
my $file = "$dir/pools.conf";

sub pool {
    my ($name, $address, @line) = @_;
    return join "\n", "<FcgiPMPool $name>", "FcgiPMCommand $worker",
        "FcgiPMListen $address", @line, "</FcgiPMPool>\n";
}
sub config {
    return write_file($file, join '', "FcgiPMRuntimeDir $dir\n$user\n", @_);
}

my $metrics = free_port();
sub ready {
    my ($path) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$metrics")
        or return "connect: $!";
    $socket->syswrite("GET /ready$path HTTP/1.0\r\n\r\n");
    local $/;
    return (<$socket> || '') =~ m{^HTTP/1\.0 (\d+)} ? $1 : '?';
}

# Clients like a front: where they cannot connect they go elsewhere; where they
# can, nothing but an answer is good.
sub front {
    my ($address) = @_;
    return FCGIPM::Load->new(clients => 12, request => sub {
        my $s = FCGIPM::FastCGI::connect_to($address) or return undef;
        FCGIPM::FastCGI::send_request($s, query => 'sleep=20&pid')
            or return "write: $!";
        return FCGIPM::FastCGI::read_answer($s, 20)->{error};
    });
}

# A connection that was accepted and closed.
my $REFUSED = qr/^(?:closed|read|write)/;

sub connects { return defined FCGIPM::FastCGI::connect_to($_[0]) }

# A request of which the worker has said that it is under way.
sub busy {
    my ($run, $address) = @_;
    my $s = FCGIPM::FastCGI::connect_to($address);
    FCGIPM::FastCGI::send_request($s, query => 'fd2=busy%0a&cat&pid',
                                  held => 1);
    wait_for { $run->log =~ /busy/ } 10, 'the request to begin';
    return $s;
}

# --- all of it
my $tcp = '127.0.0.1:' . free_port();
my $tcp6 = '[::1]:' . free_port();
my $systemd = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "$dir/notify");
for my $address ("unix:$dir/pool.sock", $tcp, $tcp6) {
  SKIP: {
    skip 'no IPv6 here', 10
        if $address eq $tcp6
            && !IO::Socket::IP->new(LocalHost => '::1', Listen => 1);
    my $run = FCGIPM::Run->new(
        processes => 3, listen => $address, command => [$worker], control => 1,
        env => { NOTIFY_SOCKET => "$dir/notify" },
        options => ['--die-timeout=20', '--drain-grace=2s',
                    '--metrics', "127.0.0.1:$metrics"]);
    $run->workers(3);
    my $load = front($address);
    ok($load->flows(30), "$address: requests");
    is(ready(''), 200, 'ready');
    my $begin = time;
    is((ctl($run->control_socket, 'drain'))[0], 0, 'drain');
    is(ready(''), 503, 'not ready, at once');
    my $told = '';
    $systemd->recv($told, 4096) until $told =~ /STOPPING/;
    like($told, qr/^EXTEND_TIMEOUT_USEC=27000000$/m, 'systemd is told how long');
    like($run->log, qr/drain \(control socket\): not ready any more, ends in 2/,
         'and so is the log');
    ok(connects($address), 'it serves still');
    $systemd->recv($told, 4096) until $told =~ /=25000000$/m;
    is($run->wait(20), 0, 'exit status 0');
    cmp_ok(time - $begin, '>=', 2, 'not before the grace is over');
    my $sum = $load->stop;
    is($sum->{failed}, 0, "no client that had connected was lost, of $sum->{ok}")
        or diag explain $sum->{why};
  }
}

# --- SIGTERM, and once more; a long request
{
    my $run = FCGIPM::Run->new(
        processes => 2, listen => $tcp, command => [$worker],
        options => ['--die-timeout=30', '--drain-grace=60s']);
    $run->workers(2);
    my $long = busy($run, $tcp);
    $run->signal('TERM');
    ok(wait_for { $run->log =~ /not ready any more/ } 10, 'TERM: the grace');
    ok(connects($tcp), 'clients can connect');
    $run->signal('HUP');
    $run->signal('TERM');
    ok(wait_for { $run->log =~ /every worker is told/ } 10, 'TERM again ends it');
    unlike($run->log, qr/reload/, 'HUP changes nothing');
    my $begin = time;
    ok(wait_for { !connects($tcp) } 10, 'while the last request is under way');
    is_soon(time - $begin, 5, 'connections are refused');
    ok($run->alive, 'and it waits');
    FCGIPM::FastCGI::end_request($long);
    is(FCGIPM::FastCGI::read_answer($long, 20)->{error}, undef, 'it is answered');
    is($run->wait(20), 0, 'exit status 0');
}

# --- a pool
my %address = (a => "unix:$dir/a.sock", b => $tcp);
config(map { pool($_, $address{$_}, 'FcgiPMProcesses 2') } qw(a b));
my $run = FCGIPM::Run->new(
    config => $file, control => 1, dir => $dir,
    options => ['--drain-grace=3s', '--metrics', "127.0.0.1:$metrics"]);
$run->workers(4);
sub state { return $run->pool_status($_[0])->{state} || '' }
ok(wait_for { ready('') eq '200' } 10, 'two pools are ready');
for my $name (qw(b a)) {
    my $other = $name eq 'a' ? 'b' : 'a';
    is((ctl($run->control_socket, 'drain', $name))[0], 0, "drain $name");
    is(join(' ', map { ready($_) } "/$name", "/$other", ''), '503 200 503',
       'it is not ready, the other one is, and so not all of them');
    is(state($name), 'draining', 'the status says so');
    ok(connects($address{$name}), 'clients can connect');
    my @queued = map {
        my $s = FCGIPM::FastCGI::connect_to($address{$name});
        FCGIPM::FastCGI::send_request($s, query => 'sleep=150&pid');
        $s
    } 1 .. 12;
    # libfcgi waits for its client to close
    my $answered = grep {
        my $error = FCGIPM::FastCGI::read_answer($_, 20)->{error};
        close $_;
        !$error
    } @queued;
    is($answered, 12, 'what is queued is answered');
    ok(wait_for { state($name) eq 'stopped' } 20, 'then it is stopped');
    ok(wait_for { $run->pool_status($name)->{workers} == 0 } 10, 'without workers');
    like($run->log, qr/pool $name: drained/, 'the log says so');
    is((ctl($run->control_socket, 'start', $name))[0], 0, 'start');
    ok(wait_for { ready('') eq '200' } 10, 'ready');
    ok(pid_of($address{$name}), 'and it serves');
}
ctl($run->control_socket, 'drain', 'b');
is((ctl($run->control_socket, 'start', 'b'))[0], 0, 'drain, start');
is(ready('/b'), 200, 'is taken back');
unlike($run->log, qr/has changed the socket/, 'no worker is suspected');

# --- a pool that goes, with a TCP port that another one takes, or nobody
my $load = front($tcp);
ok($load->flows(20), 'requests');
config(pool('a', $address{a}), pool('c', $tcp, 'FcgiPMProcesses 2'));
$run->signal('HUP');
ok(wait_for { $run->log =~ /pool b: has ended/ } 20, 'HUP: b is called c');
ok($load->flows(20), 'its port serves');
is(ready('/c'), 200, 'and is ready');
config(pool('a', $address{a}));
$run->signal('HUP');
ok(wait_for { $run->log =~ /pool c: has ended/ } 20, 'HUP: c goes');
my $sum = $load->stop;
is($sum->{failed}, 0, "nobody was lost, of $sum->{ok}")
    or diag explain $sum->{why};
ok(!connects($tcp), 'nobody listens there');
config(pool('a', $address{a}), pool('d', $tcp));
$run->signal('HUP');
ok(wait_for { pid_of($tcp) } 20, 'until another pool does');
$run->signal('TERM');
is($run->wait(20), 0, 'exit status');

# --- a pool that is stopped leaves the port to the one that takes it over,
# while its last request is under way
{
    config(pool('former', $tcp));
    my $run = FCGIPM::Run->new(config => $file, control => 1, dir => $dir);
    $run->workers(1);
    my $long = busy($run, $tcp);
    is((ctl($run->control_socket, 'stop', 'former'))[0], 0, 'stop');
    like(request($tcp)->{error}, $REFUSED, 'others are refused meanwhile');
    config(pool('present', $tcp, 'FcgiPMProcesses 2'));
    $run->signal('HUP');
    ok(wait_for { ($run->pool_status('present')->{idle} || 0) == 2 } 20,
       'another pool has its port');
    my %error;
    $error{ request($tcp, query => 'pid')->{error} || 'none' }++ for 1 .. 200;
    is_deeply(\%error, { none => 200 }, 'and serves');
    FCGIPM::FastCGI::end_request($long);
    is(FCGIPM::FastCGI::read_answer($long, 20)->{error}, undef,
       'the last request is answered');
    $run->signal('TERM');
    is($run->wait(20), 0, 'exit status');
}

# --- a pool that cannot start, and a front that connects again and again: it
# ends all the same
for my $how ('drain', 'HUP') {
    my $sick = "$dir/sick.sock";
    my $program = "$dir/program";
    my $without = pool('well', "unix:$dir/well.sock");
    symlink $worker, $program or die "$program: $!";
    config($without, pool('sick', "unix:$sick") =~ s/\Q$worker/$program/r);
    my $run = FCGIPM::Run->new(config => $file, control => 1, dir => $dir);
    my ($pid) = grep { cmdline($_) =~ /program/ } $run->workers(2);
    unlink $program;
    kill 'KILL', $pid;
    ok(wait_for { ($run->pool_status('sick')->{state} || '') eq 'backoff' } 20,
       "$how: a pool that cannot start");
    my @queued = map { FCGIPM::FastCGI::connect_to("unix:$sick") } 1 .. 3;
    my $load = front("unix:$sick");
    if ($how eq 'drain') {
        is((ctl($run->control_socket, 'drain', 'sick'))[0], 0, 'drain it');
        ok(wait_for { $run->log =~ /pool sick: drained/ } 20, 'it is drained');
    }
    else {
        config($without);
        $run->signal('HUP');
        ok(wait_for { $run->log =~ /pool sick: has ended/ } 20,
           'it is removed, and ends');
    }
    like(FCGIPM::FastCGI::read_answer($_, 10)->{error}, $REFUSED,
         "$how: a client is refused") for @queued;
    $load->stop;
    $run->signal('TERM');
    is($run->wait(20), 0, "$how: exit status");
}

done_testing;
