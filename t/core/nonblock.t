#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# One script can set O_NONBLOCK on the socket that all workers share; the pool
# recovers by itself.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;
sub nonblocking {
    my ($pid) = @_;
    return slurp("/proc/$pid/fdinfo/0") =~ /^flags:\s*(\d+)/m
        ? oct($1) & 04000 : undef;
}

for my $plain ([], ['--plain']) {
    my $run = FCGIPM::Run->new(
        processes => 3, command => [bin('worker'), @$plain]);
    my @pid = $run->workers(3);
    wait_for { !grep { age($_) < 1.2 } @pid } 20, 'workers that have settled';
    is(nonblocking($pid[0]), 0, "@$plain: the socket blocks");
    is(request($run->address, query => 'nonblock')->{error}, undef,
       'a worker sets O_NONBLOCK');

    # Whoever comes to accept() now gets EAGAIN and leaves; who is born next
    # finds it cleared.
    my ($good, $tries) = (0, 0);
    while ($good < 20 && $tries < 200) {
        $tries++;
        $good = request($run->address)->{error} ? 0 : $good + 1;
    }
    is($good, 20, "20 good requests in a row, after $tries");
    my @now = $run->workers(3);
    is(scalar @now, 3, 'there are three workers');
    is(nonblocking($now[0]), 0, 'the socket blocks again');
    wait_for { !grep { age($_) < 1 } $run->workers } 20, 'settled workers';
    is_deeply([$run->workers(3)], \@now, 'and they stay');
    $run->signal('TERM');
    is($run->wait(10), 0, 'exit status 0');
}

done_testing;
