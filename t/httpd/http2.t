#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Long answers over HTTP/2: every byte, in order, whatever their length; who
# takes nothing holds no worker; streams that wait, and are reset; one that is cut.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::HTTP2;
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my $dir = tmp_dir();
chmod 0777, $dir;
my $httpd = FCGIPM::Httpd->new(
    modules => ['http2'],
    config => join '', "Protocols h2c\n",
    pool('app', 'worker', 'FcgiPMProcesses 2'), location('app'),
    pool('none', 'worker', 'FcgiPMResponseBuffer 0'), location('none'),
    pool('off', 'worker', 'FcgiPMResponseBuffer off'), location('off'),
    pool('raw', [$^X, bin('raw.pl')]), location('raw'));
ok($httpd->start, 'httpd') or BAIL_OUT('no httpd');
$httpd->workers(5);

my $alphabet = join('', 'a' .. 'z') x 200_000;

sub is_fill {
    my ($got, $n, $what) = @_;
    ok($got eq substr($alphabet, 0, $n), $what)
        or diag(length $got, ' bytes of ', $n);
    return;
}

sub asked {
    my ($path) = @_;
    return h2_ask(h2_connected($httpd->port), 1, GET => $path);
}

# --- every byte ---------------------------------------------------------------
# Around what fits into a stream's buffers, into one and two of ours.
for my $pool ('app', 'none', 'off') {
    my ($stream, $s, @wrong) = (1, h2_connected($httpd->port));
    for my $n (1, map({ ($_ - 1, $_, $_ + 1) } 8192, 32_768, 61_312, 65_536,
                        122_624), 1_000_000, 5_000_000) {
        my ($got, $end) =
            h2_take(h2_ask($s, $stream, GET => "/$pool/?big=$n"), $stream);
        push @wrong, "$n: " . length($got) . " $end"
            unless $end eq 'end' && $got eq substr $alphabet, 0, $n;
        $stream += 2;
    }
    is_deeply(\@wrong, [], "$pool: answers of all lengths are right");
}

# The worker writes small pieces and large ones, with and without pauses, and
# lines to the log between them.
{
    my ($want, @script) = ('', 'out=A: b%0a%0a');
    for my $i (1 .. 60) {
        my $n = (1, 100, 1023, 1024, 1025, 8000, 40_000)[$i % 7];
        push @script, "fill=$n", "pad=" . $i % 8, ("err=line $i%0a") x ($i % 3),
            ('sleep=3') x !($i % 10);
        $want .= substr $alphabet, 0, $n;
    }
    write_file("$dir/script", join "\n", @script, 'eof', 'end', 0644);
    my ($got, $end) = h2_take(asked("/raw/?file=$dir/script"), 1);
    is($end, 'end', 'an answer of pieces of all lengths');
    ok($got eq $want, 'is right') or diag(length $got, ' of ', length $want);
}

# Several streams of one connection at once.
{
    my $s = h2_connected($httpd->port);
    my @stream = map { 2 * $_ + 1 } 0 .. 7;
    h2_ask($s, $_, GET => '/app/?big=' . (60_000 + $_)) for @stream;
    for my $stream (@stream) {
        my ($got) = h2_take($s, $stream);
        is_fill($got, 60_000 + $stream, "stream $stream of eight");
    }
}

# --- who takes nothing ----------------------------------------------------------
# One worker each, which is free though nothing but a window's 65,535 bytes can
# have gone to the client.
for my $n (100_000, 200_000, 4_000_000) {
    my $before = $httpd->pool_status('app')->{requests};
    my @s = map { asked("/app/?big=$n") } 1, 2;
    $httpd->counts('app', in_flight => 0, idle => 2, requests => $before + 2);
    my ($got, $end) = h2_take(asked('/app/?text=x'), 1);
    is($got, 'x', "$n bytes for who takes nothing: another is answered");
    for my $s (@s) {
        ($got, $end) = h2_take($s, 1);
        is($end, 'end', 'and it gets');
        is_fill($got, $n, 'all of them');
    }
}

# Nor does an answer that is written in small pieces: a window and buffers take
# the first ones, and a pause after each lets it go on.
for my $n (75, 300) {
    write_file("$dir/script", join "\n",
               'out=Content-Type: video/mp4%0aContent-Length: '
               . 4000 * $n . '%0a%0a',
               ('fill=4000', 'sleep=2') x $n, 'eof', 'end', 0644);
    my $before = $httpd->pool_status('raw')->{requests};
    my $s = asked("/raw/?file=$dir/script");
    $httpd->counts('raw', in_flight => 0, idle => 1, requests => $before + 1);
    my ($got, $end) = h2_take($s, 1);
    is($end, 'end', "$n small pieces for who takes nothing: it gets");
    is(length $got, 4000 * $n, 'all of them');
}

# The last one arrives in time, too, though the worker writes no more.
{
    write_file("$dir/script", join "\n", 'out=A: b%0a%0a',
               ('fill=4000', 'sleep=5') x 15, "until=$dir/last", 'eof', 'end',
               0644);
    my $s = asked("/raw/?file=$dir/script");
    my ($got) = h2_take($s, 1, 60_000);
    is(length $got, 60_000, 'all that was written arrives before the end');
    write_file("$dir/last", '', 0644);
    is((h2_take($s, 1))[1], 'end', 'which comes');
}

# An event arrives before the next one is written.
{
    my $piece = 70_000;
    write_file("$dir/script", join "\n",
               'out=Content-Type: text/event-stream%0a%0a',
               map({ ("fill=$piece", "until=$dir/event$_") } 1 .. 12),
               'eof', 'end', 0644);
    my ($s, $sum, $n) = (asked("/raw/?file=$dir/script"), 0, 0);
    for (1 .. 12) {
        my ($got) = h2_take($s, 1, $piece);
        $sum += length $got;
        last if $sum != $_ * $piece;
        $n++;
        write_file("$dir/event$_", '', 0644);
    }
    write_file("$dir/event$_", '', 0644) for 1 .. 12;
    is($n, 12, 'server-sent events arrive one by one, however many');
    is((h2_take($s, 1))[1], 'end', 'until they end');
}

# --- who waits and goes ----------------------------------------------------------
# The stream's thread waits for a worker, and nothing tells it.
{
    my $held = asked("/none/?until=$dir/free");
    $httpd->counts('none', busy => 1);
    my $s = h2_connected($httpd->port);
    my @stream = (1, 3, 5, 7, 9, 11); # as many as httpd works on at first
    h2_ask($s, $_, GET => '/none/?text=waits') for @stream;
    $httpd->counts('none', queue => 6);
    h2_reset($s, $_) for @stream;
    $httpd->counts('none', queue => 0, busy => 1);
    my ($got) = h2_take(h2_ask($s, 99, GET => '/app/?text=x'), 99);
    is($got, 'x', 'a connection whose streams were reset serves on');
    $s = h2_connected($httpd->port);
    h2_ask($s, $_, GET => '/none/?text=waits') for 1, 3;
    $httpd->counts('none', queue => 2);
    close $s;
    $httpd->counts('none', queue => 0, busy => 1);
    write_file("$dir/free", '', 0644);
    is((h2_take($held, 1))[1], 'end', 'the one that was held is answered');
}

# --- a reset, a cut -------------------------------------------------------------
for my $pool ('app', 'off') {
    my $s = asked("/$pool/?big=3000000");
    my ($got) = h2_take($s, 1, 100_000);
    is_fill($got, length $got, "$pool: the beginning of a long answer");
    h2_reset($s, 1);
    $httpd->counts($pool, in_flight => 0, busy => 0);
    ($got) = h2_take(h2_ask($s, 3, GET => "/$pool/?big=100000"), 3);
    is_fill($got, 100_000, 'after its reset the connection serves on');

    $s = asked("/$pool/?big=3000000");
    h2_take($s, 1, 1);
    close $s;
    $httpd->counts($pool, in_flight => 0, busy => 0);
}
{
    my $s = asked('/raw/?out=A:b%0a%0a&fill=1000&until='
                  . "$dir/go&fill=100000&close");
    my ($got) = h2_take($s, 1, 1000);
    is_fill($got, 1000, 'an answer that begins comes');
    write_file("$dir/go", '', 0644);
    my ($more, $end) = h2_take($s, 1);
    is($end, 'reset', 'and is reset when the worker cuts it');
}

ends_well($httpd);
done_testing;
