#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A FastCGI worker on a plain socket, without libfcgi and without a handler
# for SIGTERM, which alone ends it in the middle of a request.  It waits in
# select() before it accepts, on a copy of descriptor 0.  Answers
# "pid=N tag=plain"; "sleep=MS" or "until=FILE" in the query before that.
use strict;
use warnings;

open my $listen, '<&', 0 or die "dup: $!";

sub record { my ($type, $bytes) = @_;
    return pack 'CCnnCC', 1, $type, 1, length $bytes, 0, 0 unless length $bytes;
    return pack('CCnnCC', 1, $type, 1, length $bytes, 0, 0) . $bytes }

while (1) {
    my $ready = '';
    vec($ready, fileno $listen, 1) = 1;
    next if select($ready, undef, undef, undef) < 1;
    accept my $conn, $listen or next;
    my ($in, $query) = ('', '');
    until (substr($in, -8) eq record(5, '')) {
        sysread $conn, $in, 65536, length $in or last;
    }
    if ($in =~ /sleep=(\d+)/) {
        my $end = time * 1000 + $1;
        select undef, undef, undef, 0.01 while time * 1000 < $end;
    }
    if ($in =~ /until=([^&\0-\x1f]+)/) {
        select undef, undef, undef, 0.01 while !-e $1;
    }
    syswrite $conn, record(6, "Content-Type: text/plain\r\n\r\n"
                              . "pid=$$ tag=plain") . record(6, '')
        . record(3, "\0" x 8);
    close $conn;
}
