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

# As many requests at once as there are workers: each has one.
sub served_by {
    my ($orders, $n, %ask) = @_;
    my @conn = map { connect_to($orders->address) } 1 .. $n;
    send_request($_, query => 'sleep=300&pid', %ask) for @conn;
    my %pid;
    for my $conn (@conn) {
        my $r = read_answer($conn, 30);
        $pid{$1}++ if ($r->{body} // '') =~ /pid=(\d+)/;
    }
    return sort { $a <=> $b } keys %pid;
}

# --- programs that can be fork servers
for (['C, libfcgi', [bin('loop')]],
     ['C, an own handler', [bin('worker')]],
     ['Perl, FCGI', [bin('perl-fcgi.pl')]],
     ['Perl, CGI::Fast', [bin('perl-cgi-fast.pl')]],
     ['php-cgi', $php && [$php], %php],
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

# --- those that cannot
for (['threads before the first request', [bin('threaded')], 'threads'],
     ['an epoll set with the pool\'s socket',
      [bin('ways'), qw(--loop --wait epoll)], "epoll set .*the pool's socket"],
     ['Python, asyncio', [bin('plain.py'), 'asyncio'], 'epoll|socket'],
     ['Python, threads', [bin('plain.py'), 'lock'], 'threads'],
     ['a filter for system calls', [bin('ways'), '--seccomp'], 'seccomp'],
     ['Node', have('node') && [have('node'), bin('plain.js')], 'threads'],
     ['Ruby', have('ruby') && [have('ruby'), bin('fcgi.rb')],
      'timer_create|threads']) {
    my ($name, $command, $why) = @$_;
  SKIP: {
        skip "$name is not installed", 1 unless $command;
        my $orders = FCGIPM::Orders->new(command => $command);
        is($orders->decision, 'REFUSED', "$name: no fork server")
            or diag($orders->said);
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
    is(scalar(grep { /socket|pipe/ } values %{ fds($orders->server) }), 4,
       'what came along is closed')
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
