#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Kept connections (FCGI_KEEP_CONN), as nginx, HAProxy and mod_proxy_fcgi with
# enablereuse have them: a worker has a request only while it answers one, and
# once told it closes them, idle ones at once, others after the answer.  It says
# in END_REQUEST whether it reads on from one at once.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(connect_to read_answer request send_request);
use FCGIPM::Run;
use FCGIPM::Test;
use IO::Select;
use Test::More;

my $php = have('php-cgi');
my $script = write_file(tmp_dir() . '/sleep.php', <<'PHP', 0644);
<?php if (preg_match('/sleep=(\d+)/', $_SERVER['QUERY_STRING'], $m)) {
    $end = microtime(true) + $m[1] / 1000;
    while (microtime(true) < $end) usleep(1000);
} echo 'pid=', getmypid();
PHP
my %php = (params => { SCRIPT_FILENAME => $script, SCRIPT_NAME => '/x',
                       REDIRECT_STATUS => 200 });

my @case = (
    ['C, libfcgi', [bin('loop')]],
    ['C, libfcgi, four threads', [bin('threaded')]],
    ['C, event loop', [bin('ways'), qw(--keep --loop --wait epoll --copy)]],
    ['C, event loop, poll', [bin('ways'), qw(--keep --loop --wait poll)]],
    ['C, event loop, handler',
     [bin('ways'), qw(--keep --loop --wait epoll --handler exit)]],
    ['Perl, FCGI', [bin('perl-fcgi.pl')]],
    ['PHP', $php && [$php], %php],
);

sub worker_of {
    my ($run, $pid) = @_;
    my $pool = (($run->status || {})->{pools} || [])->[0] || {};
    return (grep { $_->{pid} == $pid } @{ $pool->{worker} || [] })[0] || {};
}

# A busy machine can miss a request: the next one is twice as long.
sub seen_busy {
    my ($run, $pid, $conn, %ask) = @_;
    for (my $ms = 800; $ms < 20_000; $ms *= 2) {
        send_request($conn, keep => 1, query => "sleep=$ms", %ask);
        return 1 if wait_for {
            (worker_of($run, $pid)->{state} || '') eq 'busy';
        } $ms / 1000, 'a busy worker';
        read_answer($conn, 60);
    }
    return 0;
}

# Nothing more comes, and the other side is closed.
sub is_closed {
    my ($conn) = @_;
    return IO::Select->new($conn)->can_read(10) && !sysread $conn, my $byte, 1;
}

for my $listen ('unix', 'tcp') {
    for (@case) {
        my ($kind, $command, %ask) = @$_;
        my $name = "$kind, $listen";
      SKIP: {
            skip "$kind is not installed", 1 unless $command;
            my $run = FCGIPM::Run->new(
                processes => 1, control => 1, command => $command,
                ($listen eq 'tcp' ? (listen => '127.0.0.1:' . free_port())
                                  : ()),
                options => ['--die-timeout', '20']);
            my $answer = sub {
                my ($conn, $query) = @_;
                send_request($conn, keep => 1, query => $query, %ask);
                return read_answer($conn, 20);
            };

            # two requests, then it is idle
            my ($pid) = $run->workers(1);
            my $conn = connect_to($run->address);
            like($answer->($conn, '')->{body}, qr/pid=$pid\b/,
                 "$name: answers") for 1 .. 2;
            ok(wait_for { my $w = worker_of($run, $pid);
                          ($w->{requests} || 0) == 2
                              && $w->{state} ne 'busy' } 10,
               "$name: it is known to have had two, and to have none")
                or diag(explain(worker_of($run, $pid)));
            $run->signal('HUP');
            ok(is_closed($conn), "$name: told, it closes it");
            ok(wait_for { $run->log =~ /worker $pid has gone/ } 10,
               "$name: and goes");

            # told in a request
            ($pid) = $run->renewed($pid);
            $conn = connect_to($run->address);
            $answer->($conn, '');
            ok(seen_busy($run, $pid, $conn, %ask),
               "$name: it is known to have another");
            $run->signal('HUP');
            like(read_answer($conn, 20)->{body}, qr/pid=$pid\b/,
                 "$name: told in it, it answers");
            ok(is_closed($conn), "$name: and closes the connection");
            ok(wait_for { $run->log =~ /worker $pid has gone/ } 10,
               "$name: and goes");

            # the end, with an idle one
            ($pid) = $run->renewed($pid);
            $conn = connect_to($run->address);
            $answer->($conn, '');
            $run->signal('TERM');
            is($run->wait(15), 0, "$name: an idle one does not keep it");
        }
    }
}

# --- which programs read on (pm_reads_on.h)

# So many requests, each on a connection that is to be kept and is closed all the
# same.  Gives how many answers say that the worker reads on.
sub asked {
    my ($run, $n, %ask) = @_;
    my $signed = 0;
    for (1 .. $n) {
        my $conn = connect_to($run->address);
        send_request($conn, keep => 1, %ask);
        my $r = read_answer($conn, 20);
        return $r->{error} if $r->{error};
        $signed++ if $r->{reserved} eq "\xfc\x9b\xd3";
    }
    return $signed;
}

my $after = write_file(tmp_dir() . '/after.pl', <<'END', 0755);
use FCGI;
my $request = FCGI::Request();
while ($request->Accept >= 0) {
    print "Content-Type: text/plain\r\n\r\npid=$$\n";
    my ($ms) = ($ENV{QUERY_STRING} || '') =~ /after=(\d+)/;
    $request->Finish;
    select undef, undef, undef, $ms / 1000 if $ms;
}
END

my $forks = write_file(tmp_dir() . '/forks.pl', <<'END', 0755);
use FCGI;
use POSIX ();
$SIG{CHLD} = 'IGNORE';
my $request = FCGI::Request();
while ($request->Accept >= 0) {
    print "Content-Type: text/plain\r\n\r\npid=$$\n";
    fork or POSIX::_exit(0);
    $request->Finish;
}
END

for (['C, libfcgi', [bin('loop')], 1],
     ['C, libfcgi, four threads', [bin('threaded')], 1],
     ['C, libfcgi, threads with a lock', [bin('threaded'), 'lock'], 0],
     ['C, which closes', [bin('ways'), qw(--wait accept)], 0],
     ['C, event loop', [bin('ways'), qw(--keep --loop --wait epoll --copy)], 0],
     ['C, event loop, poll', [bin('ways'), qw(--keep --loop --wait poll)], 0],
     ['C, static', [bin('static')], 0],
     ['Perl, FCGI', [bin('perl-fcgi.pl')], 1],
     ['Perl, works on', [$^X, $after], 0, query => 'after=20'],
     ['Perl, forks in each request', [$^X, $forks], 0],
     ['Python, threads with a lock', [bin('plain.py'), 'lock'], 0],
     ['PHP', $php && [$php], 1, %php]) {
    my ($kind, $command, $reads_on, %ask) = @$_;
  SKIP: {
        skip "$kind is not installed", 1 unless $command;
        my $run = FCGIPM::Run->new(processes => 1, command => $command);
        $run->workers(1);
        my $signed = asked($run, 30, %ask);
        if ($reads_on) {
            # on a busy machine not after each
            ok(wait_for { $signed += asked($run, 30, %ask); $signed > 10 } 20,
               "$kind: says that it reads on");
        }
        else {
            is($signed, 0, "$kind: does not say that it reads on");
        }
        if ($kind eq 'Perl, works on') {
            ok(wait_for { asked($run, 30) > 0 } 20,
               "$kind: says so when it has read on for a while");
            asked($run, 1, query => 'after=200');
            is(asked($run, 30), 0, "$kind: not after one that took it long");
        }
        $run->signal('TERM');
        is($run->wait(15), 0, "$kind: the end");
    }
}

# --- content that looks like END_REQUEST, at the end of what is sent
{
    my $evil = write_file(tmp_dir() . '/evil.pl', <<'END', 0755);
use FCGI;
my $request = FCGI::Request();
while ($request->Accept >= 0) {
    print "Content-Type: text/plain\r\n\r\n";
    $request->Flush;
    print "\1\3\0\1\0\10", "\0" x 10, 'x' x ($ENV{QUERY_STRING} || 0);
    $request->Flush;
    print 'end';
    $request->Finish;
}
END
    my $run = FCGIPM::Run->new(processes => 1, command => [$^X, $evil]);
    $run->workers(1);
    ok(wait_for { asked($run, 30) > 10 } 20, 'says that it reads on');
    for my $more (0, 3) {
        my $r = request($run->address, keep => 1, query => $more);
        is(unpack('H*', $r->{body}),
           unpack('H*', "\1\3\0\1\0\10" . "\0" x 10 . 'x' x $more . 'end'),
           "content that looks like END_REQUEST, and $more bytes");
    }
    $run->signal('TERM');
    is($run->wait(15), 0, 'the end');
}

# --- told, with a request that nobody reads: the thread waits in a lock
for my $when ('before', 'after') {
    my $run = FCGIPM::Run->new(
        processes => 1, control => 1, command => [bin('threaded'), 'lock'],
        options => ['--die-timeout', '60']);
    my ($pid) = $run->workers(1);
    my $conn = connect_to($run->address);
    send_request($conn, keep => 1, query => 'sleep=50'); # others get the lock
    read_answer($conn, 20);
    send_request($conn, keep => 1);
    ok(!IO::Select->new($conn)->can_read(0.3), 'a request that nobody reads');
    $conn->close if $when eq 'before';
    $run->signal('HUP');
    if ($when eq 'after') {
        ok(wait_for { (worker_of($run, $pid)->{requests} || 0) == 2 } 10,
           'told, its worker waits for that');
        $conn->close;
    }
    ok(wait_for { $run->log =~ /worker $pid has gone: exit status 0/ } 20,
       "its client goes $when its worker is told: that goes, too")
        or diag($run->log);
    $run->signal('TERM');
    is($run->wait(15), 0, 'the end');
}

# --- a limit is kept to on one connection, too
{
    my $run = FCGIPM::Run->new(
        processes => 1, control => 1, command => [bin('loop')],
        options => ['--max-requests', 5]);
    my ($pid) = $run->workers(1);
    my $conn = connect_to($run->address);
    my $n = 0;
    $n++ while $n < 10_000 && send_request($conn, keep => 1)
        && !read_answer($conn, 20)->{error};
    cmp_ok($n, '>=', 4, "FcgiPMMaxRequests: serves ($n)");
    cmp_ok($n, '<', 10_000, 'and not for ever');
    ok(wait_for { $run->log =~ /worker $pid has gone: exit status 0/ } 10,
       'it goes');
}

done_testing;
