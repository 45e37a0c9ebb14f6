#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Thousands of connections to the control socket, silent ones, half-sent
# requests, clients that do not take their answers or send without end: the
# manager stays as small as it was, and root gets through at once.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(request);
use FCGIPM::Run;
use FCGIPM::Test;
use IO::Socket::UNIX;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

my ($stranger) = $> == 0
    ? grep { defined getpwnam $_ && $_ ne worker_user() }
      qw(nobody daemon mail)
    : ();
my $run = FCGIPM::Run->new(processes => 2, control => 1,
                           command => [bin('worker')],
                           options => ['--socket-mode', '0666']);
my @pid = $run->workers(2);
my $socket = $run->control_socket;
ok(wait_for { ($run->pool_status->{idle} || 0) == 2 } 10, 'two workers');
my $fds = keys %{ fds($run->pid) };

sub memory { return (split ' ', proc_status($run->pid)->{VmRSS} || '0')[0] }
my $memory = memory();

# What a client does with its connection.
my @deed = (
    sub { },
    sub { syswrite $_[0], 'stat' },
    sub { syswrite $_[0], "status\n" x 50 },
    sub { syswrite $_[0], "ping\n" },
    sub { syswrite $_[0], 'x' x 4000 },
    sub { syswrite $_[0], "reload \0wait\n" },
    sub { syswrite $_[0], "\n" x 500 },
    sub { shutdown $_[0], 1 },
    (defined $stranger
        ? sub { syswrite $_[0], "reload default wait\nstop default\n" } : ()),
);

# Opens, misbehaves, holds some hundred open, until told.
sub client {
    my ($dir, $i) = @_;
    if (defined $stranger) {
        my ($uid, $gid) = (getpwnam $stranger)[2, 3];
        $) = "$gid $gid";
        $( = $gid;
        POSIX::setuid($uid);
    }
    my ($n, @open) = 0;
    until (-e "$dir/stop") {
        my $s = IO::Socket::UNIX->new(Peer => $socket) or next;
        $s->blocking(0);
        $deed[$n++ % @deed]->($s);
        push @open, $s;
        shift @open if @open > 300;
        write_file("$dir/$i", $n) if $n % 50 == 0;
    }
    return;
}

my $dir = tmp_dir();
chmod 0777, $dir;
my @client;
for my $i (1 .. 6) {
    my $pid = fork;
    defined $pid or die "fork: $!";
    if (!$pid) {
        eval { client($dir, $i); 1 } or print STDERR $@;
        POSIX::_exit(0);
    }
    push @client, $pid;
}
sub connections {
    my $n = 0;
    $n += slurp("$dir/$_") || 0 for 1 .. 6;
    return $n;
}
ok(wait_for { connections() > 500 } 30, 'a flood');
my ($slowest, $most, $largest, $asked) = (0, 0, 0, 0);
my $good = 0;
my $begin = time;
while (time - $begin < 30 && (connections() < 5000 || $asked < 10)) {
    my $before = time;
    $good += (ctl($socket, 'ping'))[0] eq '0';
    my $took = time - $before;
    $slowest = $took if $took > $slowest;
    $asked++;
    my $n = keys %{ fds($run->pid) };
    $most = $n if $n > $most;
    my $now = memory();
    $largest = $now if $now > $largest;
    sleep 0.05;
}
my $flood = connections();
is(request($run->address, query => 'pid')->{error}, undef,
   'the pool serves meanwhile');
write_file("$dir/stop", '');
wait_for { !grep { alive($_) } @client } 20, 'the end of the flood';
diag(sprintf '%d connections; %d pings, the slowest %.3f s; %d descriptors, '
     . '%d KB more', $flood, $asked, $slowest, $most - $fds,
     $largest - $memory);
cmp_ok($flood, '>', 1000, "$flood connections");
SKIP: {
    skip 'one user cannot be told from the other', 3 unless defined $stranger;
    is($good, $asked, "root is answered each time ($asked)");
    is_soon($slowest, 5, 'and soon');
    is_deeply([$run->workers(2)], \@pid, 'nobody else has changed anything');
}
cmp_ok($most, '<=', $fds + 32 + 48 + 2, 'no more connections are held open');
cmp_ok($largest, '<', $memory + 16 * 1024, 'nor more memory');
is((ctl($socket, 'ping'))[0], 0, 'afterwards: ping');
ok(wait_for { keys %{ fds($run->pid) } <= $fds } 20,
   'all descriptors are closed');
$run->signal('TERM');
is($run->wait(10), 0, 'exit status 0');

done_testing;
