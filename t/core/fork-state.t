#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The guard in a fork server: what a program may have when it waits for its
# first request, what it may not, and that no newborn misses something or
# shares it with another (t/bin/loaded.c).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(request);
use FCGIPM::Orders;
use FCGIPM::Test;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM);
use Test::More;

my $dir = tmp_dir();
my $text = write_file("$dir/text", 'headsometail', 0644);
my $sqlite = write_file("$dir/sqlite", "SQLite format 3\0" . 'x' x 100, 0644);
my $tcp = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5)
    or die "tcp: $!";
my $stream = IO::Socket::UNIX->new(Local => "$dir/stream", Listen => 5)
    or die "unix: $!";
my $log = IO::Socket::UNIX->new(Local => "$dir/log", Type => SOCK_DGRAM)
    or die "unix: $!";

sub loaded { return FCGIPM::Orders->new(command => [bin('loaded'), @_]) }

# --- no fork server, and why; 3 is the page, 4 the socket for orders
for (['thread', qr/^it has 2 threads/],
     ['child', qr/^it has a child process$/],
     ['zombie', qr/^it has a child process, which has ended$/],
     ['itimer', qr/alarm/],
     ['timer', qr/timer_create/],
     ['dontfork', qr/MADV_DONTFORK/],
     ['crowded', qr/^it has no room for two more descriptors/],
     ['timerfd', qr/^descriptor 5 is a timer \(timerfd_create\)/],
     ['signalfd', qr/^descriptor 5 is .*signalfd/],
     ['inotify', qr/^descriptor 5 is .*inotify/],
     ['device=/dev/kmsg', qr{^descriptor 5 is the device /dev/kmsg$}],
     ['tcp=' . $tcp->sockport,
      qr/^descriptor 5 is a socket connected to 127\.0\.0\.1:${\ $tcp->sockport}: a database\?$/],
     ["unix=$dir/stream",
      qr/^descriptor 5 is a socket connected to \Q$dir\E\/stream: a database\?$/],
     ['listens', qr/^descriptor 5 is a socket that listens$/],
     ["file=$sqlite", qr/^descriptor 5 is an SQLite database: \Q$sqlite\E$/],
     ["lock=$text", qr/^descriptor 5 has a lock on \Q$text\E$/],
     ["flock=$text", qr/^descriptor 5 has a lock on \Q$text\E$/],
     ['half', qr/^descriptor 6 is a pipe, and its other end is not here$/],
     ['full', qr/^descriptor 5 is a pipe with something in it$/],
     ['fullpair', qr/^descriptor 6 is a socket of a pair with something in it$/],
     ['halfpair', qr/^descriptor 5 is a socket connected to another process/],
     ['written', qr/^descriptor 5 is an eventfd that has been written to$/],
     ['listening', qr/^descriptor 5 is an epoll set that has the pool's socket/],
     ['member', qr/^descriptor 5 is an epoll set that has something \(descriptor 6\)/]) {
    my ($what, $why) = @$_;
  SKIP: {
        skip "$1 is not to be read here", 1
            if $what =~ /^device=(.*)/ && !open my $fh, '<', $1;
        my $orders = loaded($what);
        is($orders->decision, 'REFUSED', "$what: no fork server")
            or diag($orders->said);
        like($orders->reason, $why, 'says why');
        like(request($orders->address, query => 'pid')->{body},
             qr/^pid=${\ $orders->server} /, 'goes on as a worker');
    }
}

sub ask_each {
    my ($orders, $n, $query) = @_;
    my %answer = $orders->each($n, query => $query, other => 'sleep');
    return map { [$_, $answer{$_}] }
        sort { $a <=> $b } keys %answer;
}

# --- nothing in its way
{
    my $orders = loaded('ended', 'robust', 'handler');
    is($orders->decision, 'SERVES', 'a thread that has ended, a robust mutex')
        or diag($orders->said);
    $orders->born(1);
    my ($answer) = ask_each($orders, 1, 'ids');
    my ($pid, $ids) = @$answer;
    # 35: EDEADLK, it has the mutex already
    is($ids, "tid=$pid owner=$pid again=35 kill=0", 'its thread is itself');
    is(request($orders->address, query => 'raise')->{body},
       "pid=$pid raised=1", 'raise()');
    is(request($orders->address, query => 'children')->{body},
       "pid=$pid popen=$pid\n system=768 spawn=1,0 fork=1,0 vfork=1,0 ",
       'its children');
    is(request($orders->address, query => 'threads')->{body},
       "pid=$pid thread=0,0 robust=1", 'its threads');
    is(request($orders->address, query => 'fds')->{body},
       "pid=$pid fds=0,1,2,3,", 'no descriptor is left of the order');
    request($orders->address, query => 'output');
    # in one piece or two; a NUL byte is for the manager
    ok(wait_for { $orders->said =~ /^OUT \0*one\n+(?:OUT )?\0*two$/m } 20,
       'its output is its own') or diag($orders->said);
}

# --- a pair of sockets
{
    my $orders = loaded('pair');
    is($orders->decision, 'SERVES', 'a pair of sockets')
        or diag($orders->said);
    my @pid = sort { $a <=> $b } map { $_->{pid} } $orders->born(3);
    my @answer = ask_each($orders, 3, 'pair');
    is_deeply([map { $_->[1] } @answer],
              [('before=-1 now=1 flags=1 cloexec=1') x 3],
              'each has its own') or diag(explain(\@answer));
}

# --- what is a newborn's own
for my $what ("file=$text", 'removed=') {
    my $copy = write_file("$dir/copy", slurp($text), 0666);
    my $orders = loaded($what =~ /^removed/ ? "removed=$copy" : $what,
                        qw(pipe event epoll random));
    is($orders->decision, 'SERVES', "$what, pipe, eventfd, epoll set")
        or diag($orders->said);
    my @pid = sort { $a <=> $b } map { $_->{pid} } $orders->born(3);
    is_deeply([ask_each($orders, 3, 'state')],
              [map { [$_, 'file=some event=0 pipe=0 copy=1 epoll=0 flags=1'
                          . ' cloexec=1'] } @pid],
              'each has its own');
    my %random = map { $_->[1] => 1 } ask_each($orders, 3, 'random');
    is(scalar keys %random, 3, 'rand(), lrand48(): other numbers')
        or diag(explain(\%random));
}

# --- what they share
{
    my $orders = loaded("syslog=$dir/log", 'device=/dev/urandom',
                        'device=/dev/null');
    is($orders->decision, 'SERVES', 'syslog, urandom, null')
        or diag($orders->said);
}

# --- handlers of pthread_atfork()
SKIP: {
    skip 'gcc is missing', 1 unless have('gcc');
    write_file("$dir/lib.c", <<'C');
#include <pthread.h>
#include <stdlib.h>
__attribute__((constructor)) static void begin(void)
{
    pthread_atfork(abort, abort, abort);
}
C
    is(system('gcc', qw(-shared -fPIC -o), "$dir/lib.so", "$dir/lib.c"), 0,
       'a library');
    my $orders = loaded("unloaded=$dir/lib.so", 'atfork');
    is($orders->decision, 'SERVES', 'handlers, also of a library that has gone')
        or diag($orders->said);
    my @pid = map { $_->{pid} } $orders->born(2); # in this order
    is_deeply([ask_each($orders, 2, 'forks')],
              [sort { $a->[0] <=> $b->[0] }
               [$pid[0], 'forks=pc'], [$pid[1], 'forks=pPpc']],
              'each newborn has been through them');
}

# --- signals and ends
{
    my $orders = loaded('ignore', 'exit');
    is($orders->decision, 'SERVES', 'SIGTERM ignored, a handler at exit')
        or diag($orders->said);
    my ($born) = $orders->born(1);
    $orders->kill($orders->server, 'USR1');
    $orders->kill($born->{pid}, 'TERM');
    like(request($orders->address, query => 'pid')->{body},
         qr/^pid=$born->{pid} /, 'a worker that ignores SIGTERM stays');
    $orders->kill($orders->server, 'TERM');
    is($orders->ended($orders->server), 'EXIT 0',
       'a fork server ends, and without handlers');
}

# --- the manager dies
{
    my $orders = loaded();
    my ($born) = $orders->born(1);
    my $server = $orders->server;
    kill 'KILL', $orders->{proc}->pid;
    ok(wait_for { !alive($server) && !alive($born->{pid}) } 20,
       'none outlives the manager');
}

done_testing;
