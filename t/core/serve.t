#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A pool under fcgipm-run answers, on a unix socket and on TCP, with all its
# workers.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;

sub distinct { my %seen = map { $_ => 1 } @_; return scalar keys %seen }

# Requests that are under way at the same moment.
sub at_once {
    my ($address, $n, $query) = @_;
    my @socket;
    for (1 .. $n) {
        my $s = FCGIPM::FastCGI::connect_to($address) or return;
        FCGIPM::FastCGI::send_request($s, query => $query);
        push @socket, $s;
    }
    return map { FCGIPM::FastCGI::read_answer($_, 20) } @socket;
}

{
    my $run = FCGIPM::Run->new(processes => 3, command => [bin('worker')]);
    my @pid = $run->workers(3);
    is(scalar @pid, 3, 'as many workers as were asked for');

    my $r = request($run->address, query => 'text=hello');
    is($r->{error}, undef, 'an answer');
    is($r->{body}, 'hello', 'the right one');

    my @r = at_once($run->address, 3, 'sleep=700&pid');
    my @who = map { $_->{body} =~ /^pid=(\d+)/ ? $1 : () } @r;
    is(scalar @who, 3, 'three requests at once are answered');
    is(distinct(@who), 3, 'by three workers');
    is_deeply([sort { $a <=> $b } @who], \@pid, 'which are the children');

    my $body = 'x' x 300_000;
    is(request($run->address, query => 'cat', stdin => $body)->{body}, $body,
       'a body goes in and comes out');
    is(length ask($run->address, 'big=3000000'), 3_000_000, 'a big answer');
    is_deeply([$run->workers], \@pid, 'all by the same workers');

    (my $path = $run->address) =~ s/^unix://;
    my @st = stat $path;
    is($st[2] & 0777, 0600, 'the socket has the default mode');
    $run->signal('TERM');
    is($run->wait(10), 0, 'SIGTERM: exit status 0');
    ok(!-e $path, 'the socket is gone');
}

# What is told of the pool agrees with what is told of its workers, who get
# their requests from others than httpd here.
{
    my $run = FCGIPM::Run->new(processes => 2, control => 1,
                               command => [bin('worker')]);
    my @pid = $run->workers(2);
    my $told = sub {
        my $pool = $run->pool_status;
        my ($busy, $requests) = (0, 0);
        for my $worker (@{ $pool->{worker} || [] }) {
            $busy++ if $worker->{state} eq 'busy';
            $requests += $worker->{requests};
        }
        return join ' ', (map { $pool->{$_} // '-' }
                          qw(requests busy idle queue)), $requests, $busy;
    };
    request($run->address, query => 'pid') for 1 .. 5;
    ok(wait_for { $told->() eq '5 0 2 0 5 0' } 10, 'five requests')
        or diag($told->());
    my $s = FCGIPM::FastCGI::connect_to($run->address);
    FCGIPM::FastCGI::send_request($s, query => 'cat', held => 1);
    ok(wait_for { $told->() eq '6 1 1 0 6 1' } 10, 'one worker is busy')
        or diag($told->());
    FCGIPM::FastCGI::end_request($s);
    ok(!FCGIPM::FastCGI::read_answer($s, 10)->{error}, 'it answers');
    ok(wait_for { $told->() eq '6 0 2 0 6 0' } 10, 'and is idle')
        or diag($told->());
    $run->signal('HUP');
    $run->renewed(@pid);
    ok(wait_for { $told->() eq '6 0 2 0 0 0' } 10,
       'the pool knows what workers that have gone have done')
        or diag($told->());
    request($run->address, query => 'pid');
    ok(wait_for { $told->() eq '7 0 2 0 1 0' } 10, 'and goes on')
        or diag($told->());
    $run->signal('TERM');
    is($run->wait(10), 0, 'SIGTERM: exit status 0');
}

{
    my $run = FCGIPM::Run->new(
        processes => 2, command => [bin('worker'), '--tag', 'tcp'],
        listen => '127.0.0.1:' . free_port());
    $run->workers(2);
    like(ask($run->address, 'pid'), qr/tag=tcp/, 'over TCP as well');
    $run->signal('TERM');
    is($run->wait(10), 0, 'exit status 0');
}

{
    my $dir = tmp_dir();
    my @arg = (listen => "unix:$dir/s", command => [bin('worker')],
               options => ['--listen-mode', '0640']);
    my $first = FCGIPM::Run->new(@arg);
    $first->workers(1);
    is((stat "$dir/s")[2] & 0777, 0640, 'the mode that was asked for');
    $first->signal('KILL');
    $first->wait(10);
    ok(-S "$dir/s", 'a killed manager leaves its socket behind');
    my $second = FCGIPM::Run->new(@arg);
    my ($pid) = $second->workers(1);
    is(pid_of("unix:$dir/s"), $pid, 'the next one takes it over');
}

{
    my $dir = tmp_dir();
    my $run = FCGIPM::Run->new(
        listen => "unix:$dir/" . 'x' x 200, command => [bin('worker')]);
    my $status = $run->wait(10);
    ok($status, 'a socket path of 200 characters: a failure');
    like($run->log, qr/unix:\Q$dir\E\/x{5}.*\b107\b/,
         'which names the path and the limit');
    is_deeply([grep { !/^\.\.?$/ } glob "$dir/*"], [], 'no socket was made');
}

done_testing;
