#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A worker that writes to its place on the pool's page whatever it likes: it
# has been busy since then, since another time, since another...  Each request
# is answered after that has gone on for 2 s.
use strict;
use warnings;
no warnings 'portable';    # hex() of an address

use FCGI;
use Time::HiRes qw(time);

# Where the guard has mapped the page, and our place on it.
sub place {
    open my $maps, '<', '/proc/self/maps' or die "maps: $!";
    my ($range) = grep { defined } map { /^(\S+) .*memfd:fcgipm/ ? $1 : undef }
        <$maps> or die "no page\n";
    my ($from, $to) = map { hex } split /-/, $range;
    open my $mem, '+<', '/proc/self/mem' or die "mem: $!";
    for (my $at = $from; $at < $to; $at += 8) {
        sysseek $mem, $at, 0;
        sysread $mem, my $pid, 4;
        return ($mem, $at) if unpack('L', $pid) == $$;
    }
    die "no place\n";
}

my ($mem, $at);
sub lie {
    my ($seconds) = @_;
    ($mem, $at) = place() unless $mem;
    my $end = time + $seconds;
    my $n = 0;
    while (time < $end) {
        # busy, forked, busy_since, requests
        sysseek $mem, $at + 8, 0;
        syswrite $mem, pack 'LLQQ', 1, 0, 1000 + $n, 1 << 60;
        $n = ($n + 1) % 1000;
    }
    return;
}

my $request = FCGI::Request();
while ($request->Accept >= 0) {
    lie(2);
    print "Content-Type: text/plain\r\n\r\npid=$$ tag=hostile\n";
}
