#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The guard in a fork server (FcgiPMPreload), without the manager: t/bin/orders
# plays that.  Which programs can be one and why others cannot; newborns are
# workers like any other.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(connect_to read_answer request send_request);
use FCGIPM::Kinds;
use FCGIPM::Orders;
use FCGIPM::Test;
use Test::More;

my $php = have('php-cgi');
my $dir = tmp_dir();
my $script = write_file("$dir/x.php", <<'PHP', 0644);
<?php if (preg_match('/sleep=(\d+)/', $_SERVER['QUERY_STRING'], $m)) {
    usleep(1000 * $m[1]);
} echo 'pid=', getmypid(), ' random=', mt_rand();
PHP
my %php = (params => { SCRIPT_FILENAME => $script, SCRIPT_NAME => '/x',
                       REDIRECT_STATUS => 200 });

# They have used their random numbers before they wait for a request.
my $perl = write_file("$dir/numbers.pl", <<'PERL', 0644);
use FCGI;
rand;
my $request = FCGI::Request();
while ($request->Accept >= 0) {
    select undef, undef, undef, 0.3;
    print "Status: 200\r\n\r\npid=$$ random=", int rand 1e9;
}
PERL
my $python = write_file("$dir/numbers.py", <<'PYTHON', 0644);
import os, random, socket, struct, time
random.random()
listener = socket.socket(fileno=0)
while True:
    conn, _ = listener.accept()
    got = b''
    while not got.endswith(b'\1\5\0\1\0\0\0\0'):
        got += conn.recv(65536)
    time.sleep(0.3)
    text = b'Status: 200\r\n\r\npid=%d random=%d' % (
        os.getpid(), random.randrange(10 ** 9))
    conn.sendall(struct.pack('!BBHHxx', 1, 6, 1, len(text)) + text
                 + struct.pack('!BBHHxx', 1, 6, 1, 0)
                 + struct.pack('!BBHHxx', 1, 3, 1, 8) + bytes(8))
    conn.close()
PYTHON

sub served_by {
    my ($orders, $n, %ask) = @_;
    my %answer = $orders->each($n, query => 'sleep=300&pid', %ask);
    my @pid = sort { $a <=> $b } keys %answer;
    return @pid;
}

# --- programs that can be fork servers
for (['C, libfcgi', [bin('loop')]],
     ['C, an own handler', [bin('worker')]],
     ['Perl, FCGI', [bin('perl-fcgi.pl')]],
     ['Perl, CGI::Fast', [bin('perl-cgi-fast.pl')]],
     ['php-cgi', $php && [$php], %php],
     ['C, fcgi_stdio', [bin('stdio')]],
     ['Perl, select and accept', [bin('plain.pl')]],
     ['Python, one after the other', [bin('plain.py')]],
     ['a shell that executes it', ['/bin/sh', '-c', 'exec ' . bin('loop')]]) {
    my ($name, $command, %ask) = @$_;
  SKIP: {
        skip "$name is not installed", 1 unless $command;
        my $orders = FCGIPM::Orders->new(command => $command);
        is($orders->decision, 'SERVES', "$name: is a fork server")
            or diag($orders->said);
        my @born = $orders->born(3);
        is(scalar @born, 3, 'makes three workers') or diag($orders->said);
        my @pid = sort { $a <=> $b } map { $_->{pid} } @born;
        is_deeply([map { $_->{page} } @born], [('page') x 3],
                  'each has told that it waits');
        is_deeply([served_by($orders, 3, %ask)], \@pid, 'each serves');

        my ($idle, $busy, $third) = @pid;
        $orders->kill($_, 'TERM') for $idle, $third;
        is($orders->ended($_), 'EXIT 0', 'idle, told: goes at once')
            for $idle, $third;
        my $conn = connect_to($orders->address);
        send_request($conn, query => 'sleep=1000&pid', %ask);
        ok(wait_for { $orders->page_of($busy)->{busy} } 20,
           'it is known to be busy');
        $orders->kill($busy, 'TERM');
        like(read_answer($conn, 30)->{body} // '', qr/pid=$busy\b/,
             'busy, told: answers first');
        is($orders->ended($busy), 'EXIT 0', 'and goes then');

        @born = $orders->born(1);
        $orders->kill($orders->server, 'TERM');
        is($orders->ended($orders->server), 'EXIT 0',
           'SIGTERM ends the fork server');
        is_deeply([served_by($orders, 1, %ask)], [$born[0]{pid}],
                  'and not its workers');
    }
}

# --- random numbers
for (['Perl', ['/usr/bin/perl', $perl]],
     ['Python', ['/usr/bin/python3', $python]],
     ['PHP', $php && [$php], %php]) {
    my ($name, $command, %ask) = @$_;
  SKIP: {
        skip "$name is not installed", 1 unless $command;
        my $orders = FCGIPM::Orders->new(command => $command);
        is($orders->decision, 'SERVES', "$name, random numbers in use")
            or diag($orders->said);
        $orders->born(3);
        my %answer = $orders->each(3, query => 'sleep=300', %ask);
        my %random = map { /random=(\d+)/ ? ($1 => 1) : () } values %answer;
        is(scalar keys %random, 3, 'each worker has others');
    }
}

# --- the kinds of the storms, and others: those that cannot
my $EPOLL = "epoll set that has the pool's socket";
my %WHY = (threads => 'threads', lock => 'threads', exits => 'threads',
           pylock => 'threads', epoll => $EPOLL, anew => $EPOLL,
           asyncio => 'socket|epoll', ruby => 'timer_create|threads',
           node => 'threads');
for ((map { [$_->[1], $_->[2], $WHY{ $_->[0] }] } kinds()),
     ['a filter for system calls', [bin('ways'), '--seccomp'], 'seccomp']) {
    my ($name, $command, $why) = @$_;
  SKIP: {
        skip "$name is not installed", 1 unless $command;
        my $orders = FCGIPM::Orders->new(command => $command);
        is($orders->decision, $why ? 'REFUSED' : 'SERVES',
           "$name: " . ($why ? 'no fork server' : 'a fork server'))
            or diag($orders->said);
        next unless $why;
        like($orders->reason, qr/$why/, 'says why');
        is_deeply([served_by($orders, 1)], [$orders->server],
                  'goes on as a worker');
    }
}

# --- the end of the file; orders that are none
{
    my $orders = FCGIPM::Orders->new(command => [bin('loop')]);
    for (['bad short', 74], ['bad one', 74], ['bad three', 74],
         ['order 64', 34], ['order -2', 34]) {
        my ($bad, $errno) = @$_;
        like($orders->say($bad), qr/^FAILED $errno$/m, "$bad: refused");
    }
    # it answers before it closes
    ok(wait_for {
           4 == grep { /socket|pipe/ } values %{ fds($orders->server) }
       } 20, 'what came along is closed')
        or diag(explain(fds($orders->server)));
    like($orders->say('order -1'), qr/^BORN \d+ none$/m,
         'a worker without a record');
    my ($pid) = $orders->say('unwelcome 1') =~ /^UNWELCOME (\d+)$/m;
    is($orders->ended($pid), 'EXIT 0', 'one that is not welcome ends');
    $orders->say('close');
    is($orders->ended($orders->server), 'EXIT 0',
       'the end of the file ends it');
}

done_testing;
