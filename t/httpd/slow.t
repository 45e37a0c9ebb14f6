#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A slow client never holds a worker: readers, senders, those who go away, and
# those for whom an answer is cut up, under each MPM.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Select;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_RCVBUF pack_sockaddr_in inet_aton);
use Test::More;
use Time::HiRes qw(sleep time);

my $httpd;
my $dir = tmp_dir();
my $raw = [$^X, bin('raw.pl')];
my $BIG = 10_000_000;

my $config = join '',
    pool('app', 'worker', 'FcgiPMProcesses 2'), location('app'),
    pool('none', 'worker', 'FcgiPMProcesses 2', 'FcgiPMResponseBuffer 0'),
    location('none'),
    pool('large', 'worker', 'FcgiPMProcesses 2', 'FcgiPMResponseBuffer 16M'),
    location('large'),
    pool('off', 'worker', 'FcgiPMResponseBuffer off'), location('off'),
    pool('raw', $raw, 'FcgiPMProcesses 2'), location('raw'),
    pool('aborts', $raw, 'FcgiPMIgnoreClientAbort off'), location('aborts'),
    pool('stream', $raw, 'FcgiPMRequestBuffer off'), location('stream'),
    pool('echo', 'worker', 'FcgiPMRequestBuffer off'), location('echo');

# --- clients ----------------------------------------------------------------

# A connection that takes little: with a receive buffer as small as it gets.
sub small {
    my $s = IO::Socket::INET->new(Proto => 'tcp') or die "socket: $!";
    setsockopt $s, SOL_SOCKET, SO_RCVBUF, 4096 or die "SO_RCVBUF: $!";
    connect $s, pack_sockaddr_in($httpd->port, inet_aton('127.0.0.1'))
        or die "connect: $!";
    return $s;
}

sub any {
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $httpd->port)
        || die "connect: $!";
}

sub say_to { my ($s, $bytes) = @_; syswrite $s, $bytes; return $s }

sub ask {
    my ($s, $path, @header) = @_;
    return say_to($s, join "\r\n", "GET $path HTTP/1.1", 'Host: x',
                  'Connection: close', @header, '', '');
}

# What comes until there are so many bytes, or the end.
sub some_of {
    my ($s, $n) = @_;
    my $bytes = '';
    while (length $bytes < $n && IO::Select->new($s)->can_read(20)) {
        sysread($s, $bytes, $n - length $bytes, length $bytes) or last;
    }
    return $bytes;
}

sub rest_of { return some_of($_[0], 1e9) }

# The body of an answer, chunks put together; undef when it is cut short.
sub body_of {
    my ($bytes) = @_;
    my ($head, $body) = split /\r\n\r\n/, $bytes, 2;
    return unless defined $body;
    return $body unless $head =~ /^Transfer-Encoding: chunked/mi;
    my ($out, $at) = ('', 0);
    while (substr($body, $at, 20) =~ /^([0-9a-f]+)\r\n/) {
        my $n = hex $1;
        return $out if !$n;
        $out .= substr $body, $at + 2 + length $1, $n;
        $at += 4 + $n + length $1;
    }
    return;
}

sub counts { return $httpd->counts(@_) }

# 'abc...z' over and over, made once.
my $alphabet = join '', 'a' .. 'z';

sub is_fill {
    my ($got, $n, $what) = @_;
    my $want = substr $alphabet x ($n / 26 + 1), 0, $n;
    ok(defined $got && $got eq $want, $what)
        or diag(defined $got ? length($got) . ' bytes' : 'cut short');
    return;
}

# --- readers ----------------------------------------------------------------

# As many who read a byte a second as there are workers.
sub readers {
    for my $pool (qw(app none large)) {
        my @slow = map { ask(small(), "/$pool/?big=$BIG") } 1 .. 2;
        my @got = map { some_of($_, 1) } @slow;
        my $begin = time;
        is($httpd->get("/$pool/?text=x")->{body}, 'x',
           "$pool: another is answered");
        is_soon(time - $begin, 5, 'at once');
        counts($pool, in_flight => 0, idle => 2);
        $got[$_] .= some_of($slow[$_], 1) for 0, 1;
        for my $i (0, 1) {
            is_fill(body_of($got[$i] . rest_of($slow[$i])), $BIG,
                    'who is slow gets all of it');
        }
    }
    return;
}

# Sometimes slow, sometimes not: from memory, from the file, and again.
sub moody {
    my $s = ask(small(), '/app/?chunks=80,20,100000');
    my $got = '';
    for my $round (1 .. 6) {
        my $part = some_of($s, $round % 2 ? 1 : 1_500_000);
        last unless length $part;
        $got .= $part;
        sleep 0.2;
    }
    $got .= rest_of($s);
    my $want = substr($alphabet x 3847, 0, 100_000) x 80;
    # each piece is a run of blocks of its own
    is(length(body_of($got) || ''), length $want, 'a moody reader gets it');
    return;
}

# Without a buffer a worker waits, as its user wants it.
sub unbuffered {
    my $s = ask(small(), "/off/?big=$BIG");
    my $got = some_of($s, 1);
    counts('off', busy => 1);
    ok(!counts_within('off', 0.5), 'off: the worker waits');
    is_fill(body_of($got . rest_of($s)), $BIG, 'and gives all of it');
    counts('off', busy => 0);
    return;
}

sub counts_within {
    my ($pool, $seconds) = @_;
    my $end = time + $seconds;
    while (time < $end) {
        return 1 if !$httpd->pool_status($pool)->{in_flight};
        sleep 0.05;
    }
    return 0;
}

# What a worker pauses after is sent, to who is slow as to all.
sub pauses {
    for my $pool (qw(app none)) {
        my $s = ask(any(), "/$pool/?chunks=3,500,10");
        my ($bytes, @at) = ('');
        while (sysread $s, $bytes, 4096, length $bytes) {
            my $n = () = $bytes =~ /abcdefghij/g;
            $at[$n] ||= time;
        }
        cmp_ok(($at[2] || 0) - ($at[1] || time), '>', 0.3,
               "$pool: the second after a while");
        cmp_ok(($at[3] || 0) - ($at[2] || time), '>', 0.3,
               'the third likewise');
    }
    return;
}

sub ranges {
    for my $case ([app => 1000], [app => 200_000], [app => 5_000_000],
                  [none => 200_000]) {
        my ($pool, $size) = @$case;
        my $from = $size - 500;
        my $r = $httpd->get("/$pool/?header=Content-Length:%20$size&big=$size",
                            header => ["Range: bytes=$from-" . ($from + 25)]);
        is($r->{status}, 206, "$pool: a range of $size bytes");
        is(length $r->{body}, 26, 'as long as asked for');
        is($r->{header}{'content-range'},
           "bytes $from-" . ($from + 25) . "/$size", 'of the whole');
    }
    return;
}

# A worker that dies: who is slow must see that it is not all.
sub cut {
    my $s = ask(small(), '/app/?big=1000000&crash=body,9');
    my $got = some_of($s, 1);
    counts('app', in_flight => 0);
    is(body_of($got . rest_of($s)), undef, 'a dead worker\'s answer is cut');
    my $r = $httpd->get('/app/?chunks=2,200,50000&crash=body,9');
    ok(defined $r->{error}, 'for who is quick as well');
    counts('app', idle => 2);
    return;
}

# --- senders ----------------------------------------------------------------

sub post {
    my ($s, $path, $length) = @_;
    return say_to($s, "POST $path HTTP/1.1\r\nHost: x\r\nConnection: close"
                  . "\r\nContent-Length: $length\r\n\r\n");
}

sub senders {
    my @slow = map { say_to(post(any(), '/app/?echo', 100_000), 'x' x 100) }
        1 .. 2;
    my $begin = time;
    is($httpd->get('/app/?text=x')->{body}, 'x', 'another is answered');
    is_soon(time - $begin, 5, 'at once');
    counts('app', in_flight => 0);
    for (@slow) {
        say_to($_, 'x' x 99_900);
        like(rest_of($_), qr/length=100000 /, 'all of it has come');
    }
    return;
}

# FcgiPMRequestBuffer off: the worker's answer comes while the body goes.
sub streams {
    my $s = say_to(post(any(), '/echo/?chunks=1,0,26&echo', 30), 'x' x 10);
    my $got = '';
    $got .= some_of($s, 1) while $got !~ /$alphabet/ && length $got < 2000;
    like($got, qr/$alphabet/, 'an answer before the body is whole');
    say_to($s, 'y' x 10);
    say_to($s, 'z' x 10);
    like(rest_of($s), qr/length=30 /, 'and the end of it after that');

    # both directions full at once
    my $r = $httpd->get('/echo/?cat', body => 'abc' x 1_000_000);
    is($r->{error}, undef, 'an echo of 3 MB');
    ok($r->{body} eq 'abc' x 1_000_000, 'is the same');

    $s = say_to(post(any(), '/echo/?text=early', 1_000_000), 'x' x 10);
    like(some_of($s, 20), qr{^HTTP/1.1 200}, 'a worker that reads nothing');
    close $s;
    counts('echo', in_flight => 0);
    return;
}

# --- who goes away ----------------------------------------------------------

sub told {
    my ($what, $seen) = @_;
    my $done = wait_for { slurp("$dir/told") =~ $seen } 10, $what;
    ok($done, $what) or diag(slurp("$dir/told"));
    write_file("$dir/told", '', 0666);
    return;
}

sub gone {
    write_file("$dir/told", '', 0666);
    my $before = $httpd->pool_status('raw')->{aborted};

    my $s = ask(any(), "/raw/?rest=$dir/told&ok");
    counts('raw', in_flight => 1);
    close $s;
    told('while the worker is silent: FCGI_ABORT_REQUEST, then the end',
         qr/^2 eof$/m);
    counts('raw', in_flight => 0, aborted => $before + 1);

    $s = ask(any(), "/raw/?out=A:b%0a%0ahello&rest=$dir/told&eof&end");
    some_of($s, 20);
    close $s;
    told('inside the answer', qr/^2 eof$/m);
    counts('raw', in_flight => 0, aborted => $before + 2);

    $s = say_to(post(any(), "/aborts/?rest=$dir/told&ok", 5), 'hello');
    counts('aborts', in_flight => 1);
    close $s;
    told('after a body', qr/^2 eof$/m);

    $before = $httpd->pool_status('stream')->{aborted};
    $s = say_to(post(any(), "/stream/?early&rest=$dir/told&ok", 1000),
                'x' x 100);
    counts('stream', in_flight => 1);
    close $s;
    told('while its body goes up', qr/^5 2 eof$/m);
    counts('stream', in_flight => 0, aborted => $before + 1);
    return;
}

# What a client sends ahead is not its end.
sub pipelined {
    my $one = "GET /raw/?until=$dir/go&out=A:b%0a%0aone&eof&end HTTP/1.1\r\n"
        . "Host: x\r\n\r\n";
    my $two = "GET /app/?text=two HTTP/1.1\r\nHost: x\r\n"
        . "Connection: close\r\n\r\n";
    unlink "$dir/go";
    my $s = say_to(any(), $one . $two);
    counts('raw', in_flight => 1);
    write_file("$dir/go", '', 0644);
    my $got = rest_of($s);
    like($got, qr{one.*two}s, 'two requests at once, two answers');
    unlink "$dir/go";
    $s = say_to(any(), $one);
    counts('raw', in_flight => 1);
    say_to($s, $two);
    write_file("$dir/go", '', 0644);
    like(rest_of($s), qr{one.*two}s, 'one while the other runs');
    return;
}

sub one_mpm {
    my ($mpm) = @_;
    $httpd = FCGIPM::Httpd->new(mpm => $mpm, config => $config);
    ok($httpd->start, "MPM $mpm") or return;
    is(scalar $httpd->workers(12), 12, 'workers of eight pools');
    my @test = ([readers => \&readers], [moody => \&moody],
                [off => \&unbuffered], [pauses => \&pauses],
                [ranges => \&ranges], [cut => \&cut],
                [senders => \&senders], [streams => \&streams],
                [gone => \&gone], [pipelined => \&pipelined]);
    subtest("$mpm: $_->[0]", sub { $_[0]->(); done_testing }, $_->[1])
        for @test;
    ends_well($httpd);
    return;
}

one_mpm($_) for @ARGV ? @ARGV : FCGIPM::Httpd->mpms;
done_testing;
