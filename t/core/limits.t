#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Where the manager comes to a limit, or is lied to: descriptors, files in the
# place of sockets, a worker that writes nonsense to its page.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Run;
use FCGIPM::Test;
use IO::Socket::UNIX;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

sub ulimit {
    my ($words) = @_;
    return FCGIPM::Test::have('sh'), '-c', "ulimit $words; exec \"\$\@\"", 'sh';
}

# --- started without standard descriptors
my $run = FCGIPM::Run->new(
    processes => 1, command => [bin('worker')],
    before => sub { POSIX::close($_) for 0, 1, 2 });
my ($pid) = $run->workers(1);
is(ask($run->address, 'text=well'), 'well', 'without descriptors 0, 1, 2: serves');
ok(wait_for { join(' ', sort keys %{ fds($pid) }) eq '0 1 2' } 10,
   'the worker has its own');
$run->signal('TERM');
is($run->wait(10), 0, 'and ends');

# --- more workers than descriptors that the soft limit allows
$run = FCGIPM::Run->new(
    processes => 60, command => [bin('worker')],
    wrap => [ulimit('-Sn 50')]);
my @worker = $run->workers(60);
is(scalar @worker, 60, '60 workers with a soft limit of 50 descriptors');
my %soft = map { slurp("/proc/$_/limits") =~ /^Max open files\s+(\d+)/m
                     ? ($1 => 1) : ('?' => 1) } @worker;
is(join(' ', keys %soft), '50', 'which they have themselves');
$run->signal('TERM');
is($run->wait(10), 0, 'the end');

# --- no descriptor at all
$run = FCGIPM::Run->new(
    processes => 1, command => [bin('worker')], control => 1,
    wrap => [ulimit('-n 24')]);
$run->workers(1);
wait_for { -S $run->control_socket } 10, 'the control socket';
my @client = map { IO::Socket::UNIX->new(Peer => $run->control_socket) }
    1 .. 40;
my $before = cpu($run->pid);
sleep 1.5;
cmp_ok(cpu($run->pid) - $before, '<', 0.4,
       'callers it has no descriptor for keep it from nothing');
is(ask($run->address, 'text=well'), 'well', 'the pool serves');
@client = ();
my ($status) = wait_for { my ($s) = ctl($run->control_socket, 'ping');
                          defined $s && $s eq '0' } 20, 'an answer';
ok($status, 'when they have gone it answers');
$run->signal('TERM');
is($run->wait(10), 0, 'the end');

# --- files where sockets are to be
my $dir = tmp_dir();
my $file = write_file("$dir/file", "precious\n");
mkdir "$dir/directory" or die "mkdir: $!";
symlink $file, "$dir/link" or die "symlink: $!";
for my $path ($file, "$dir/directory", "$dir/link") {
    $run = FCGIPM::Run->new(command => [bin('worker')],
                            listen => "unix:$path");
    is($run->wait(10), 2, "$path: refused");
    like($run->log, qr/cannot make the socket \Q$path\E: something else is there/,
         'with the reason');
}
is(slurp($file), "precious\n", 'the file is as it was');
ok(-l "$dir/link" && -d "$dir/directory", 'all of them are');
my $stale = IO::Socket::UNIX->new(Local => "$dir/stale", Listen => 1);
close $stale;
$run = FCGIPM::Run->new(command => [bin('worker')],
                        listen => "unix:$dir/stale");
$run->workers(1);
is(ask($run->address, 'text=well'), 'well', 'a socket left by another: replaced');
$run->signal('TERM');
is($run->wait(10), 0, 'the end');

# --- a pid file of a manager that died and had the same pid
$run = FCGIPM::Run->new(
    command => [bin('worker')], options => ['--pid-file', "$dir/pid"],
    wrap => [have('sh'), '-c', "echo > $dir/pid.\$\$; exec \"\$\@\"", 'sh']);
$run->workers(1);
is(slurp("$dir/pid"), $run->pid . "\n", 'a pid file half written before');
$run->signal('TERM');
is($run->wait(10), 0, 'the end');

# --- workers that crash, one request after the other
$run = FCGIPM::Run->new(
    processes => 1, command => [bin('worker')], control => 1,
    options => ['--log-limit', 5]);
$run->workers(1);
FCGIPM::FastCGI::request($run->address, query => 'crash=after,x3')
    for 1 .. 20;
$run->counts('default', crashed => 20);
cmp_ok(count_lines($run->log_file, 'has crashed'), '<=', 5,
       'no more lines of crashes than FcgiPMLogLimit allows');
like($run->pool_status('default')->{last_error}, qr/has crashed/,
     'the status tells the last one');
ok(wait_for { $run->log =~ /15 lines of its workers were dropped/ } 20,
   'their number is logged');
$run->signal('TERM');
is($run->wait(20), 0, 'the end');

# --- a worker that lies without a pause
$run = FCGIPM::Run->new(
    processes => 2, command => [bin('hostile.pl')], control => 1,
    options => ['--slow-log', '100ms', '--max-requests', '10',
                '--log-limit', 50]);
$run->workers(2);
my $socket = FCGIPM::FastCGI::connect_to($run->address);
FCGIPM::FastCGI::send_request($socket);
my ($slowest, $answers) = (0, 0);
for (1 .. 10) {
    my $begin = time;
    my ($exit) = ctl($run->control_socket, 'ping');
    $answers++ if defined $exit && $exit eq '0';
    my $took = time - $begin;
    $slowest = $took if $took > $slowest;
    sleep 0.1;
}
is($answers, 10, 'the manager answers all the time');
is_soon($slowest, 5, 'and soon');
like(FCGIPM::FastCGI::read_answer($socket, 20)->{stdout}, qr/tag=hostile/,
     'so does the worker');
cmp_ok(count_lines($run->log_file, 'slow:'), '<=', 30,
       'no more lines than there could be slow requests');
$run->signal('TERM');
like($run->wait(20), qr/^[01]$/, 'the end');
done_testing;
