#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A pool's socket whose queue is full, of others' connections: a request waits
# for a place in it, FcgiPMConnectTimeout at the most, and does not fail.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::HTTP;
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Handle;
use IO::Select;
use IO::Socket::INET;
use Socket;
use Test::More;

my @one = ('FcgiPMProcesses 1', 'FcgiPMListenBacklog 1');
my $raw = [$^X, bin('raw.pl')];
my $httpd = FCGIPM::Httpd->new(config => join '',
    pool('patient', $raw, @one, 'FcgiPMConnectTimeout 30s'),
    location('patient'),
    pool('hasty', $raw, @one, 'FcgiPMConnectTimeout 300ms'),
    location('hasty'));
ok($httpd->start, 'httpd');
is(scalar $httpd->workers(2), 2, 'two workers');

# A connection that says nothing; undef when the queue is full.
sub silent {
    my ($pool) = @_;
    my $path = substr $httpd->pool_socket($pool), 5;
    socket my $s, PF_UNIX, SOCK_STREAM, 0 or die "socket: $!";
    $s->blocking(0);
    return connect($s, pack_sockaddr_un($path)) ? $s : undef;
}

# One that the worker is at, and as many as the queue takes: Linux takes one
# more than the backlog.
sub fill {
    my ($pool) = @_;
    my @s;
    wait_for {
        push @s, silent($pool) // ();
        @s == 3
    } 20, 'a full queue';
    is(scalar @s, 3, "$pool: one at the worker, two in the queue");
    ok(!silent($pool), 'which is full');
    return @s;
}

my @silent = fill('hasty');
my $r = $httpd->get('/hasty/?ok');
is($r->{status}, 503, 'no place in time: 503');
like($r->{header}{'retry-after'}, qr/^\d+$/, 'with Retry-After');
my $said = wait_for {
    $httpd->log =~ /pool hasty: .*accepted no connection in time/
} 20, 'a line in the log';
ok($said, 'and why');
$_->close for @silent;
is($httpd->get('/hasty/?ok')->{body}, "ok\n", 'with a place: answered');

@silent = fill('patient');
my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $httpd->port)
    or die "connect: $!";
syswrite $s, "GET /patient/?ok HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
$httpd->counts('patient', in_flight => 1);
ok(!IO::Select->new($s)->can_read(0.5), 'a request waits for a place');
$_->close for @silent;
my $bytes = '';
while (IO::Select->new($s)->can_read(20)) {
    sysread $s, $bytes, 65536, length $bytes or last;
}
like($bytes, qr{^HTTP/1\.1 200 .*\r\nok\n}s, 'has it, and its answer');
$httpd->counts($_, in_flight => 0) for 'patient', 'hasty';
ends_well($httpd);
done_testing;
