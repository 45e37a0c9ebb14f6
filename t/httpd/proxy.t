#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The pool's socket is an ordinary one: mod_proxy_fcgi is served by it as well,
# at the same time and over a graceful.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Socket::INET;
use Test::More;

my $httpd = FCGIPM::Httpd->new(modules => ['proxy', 'proxy_fcgi']);
my $socket = $httpd->pool_socket('app');
$httpd->write_config(pool('app', 'worker', 'FcgiPMProcesses 3')
    . location('app')
    . "<Location /proxied>\n    SetHandler \"proxy:$socket|fcgi://app\"\n"
    . "</Location>\n");
ok($httpd->start, 'httpd');
my @old = $httpd->workers(3);
for my $path ('/app/', '/proxied/') {
    my $who = $httpd->pid_at($path);
    ok((grep { $_ == ($who || 0) } @old), "$path is answered by the pool");
    is($httpd->get("$path?cat", body => 'x' x 100_000)->{body},
       'x' x 100_000, 'a body goes in and comes out');
}
my $requests = 4;
if ($> == 0) {
    like(ask($socket, 'pid'), qr/^pid=/, 'so is whoever speaks FastCGI');
    $requests++;
}

# --- the pool's figures are those of all requests
sub told {
    my ($pool) = @{ ($httpd->status('app') || {})->{pools} || [{}] };
    return join ' ', map { $pool->{$_} // '-' } @_;
}

ok(wait_for { told('requests') == $requests } 10, 'all are counted')
    or diag(told('requests'), " instead of $requests");
my $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                   PeerPort => $httpd->port);
print {$client} "POST /proxied/?cat HTTP/1.0\r\n"
    . "Content-Length: 1\r\n\r\n";
ok(wait_for { told(qw(busy idle in_flight)) eq '1 2 0' } 10,
   'a worker is busy with a request that this module did not send');
print {$client} 'x';
like(join('', <$client>), qr/\r\n\r\nx\z/, 'it answers');
ok(wait_for { told(qw(busy idle requests)) eq '0 3 ' . ($requests + 1) } 10,
   'then it is idle, and the request is counted')
    or diag(told(qw(busy idle requests)));

my @load = map { load_on($httpd, $_, 4) }
    '/app/?sleep=20&pid', '/proxied/?sleep=20&pid';
ok($_->flows(30), 'both under load') for @load;
for (1 .. 3) {
    ok($httpd->graceful, 'a graceful');
    @old = $httpd->renewed(@old);
    is(scalar @old, 3, 'makes all workers new');
    ok($_->flows(10), 'requests flow') for @load;
}
for (@load) {
    my $sum = $_->stop;
    is($sum->{failed}, 0, "of $sum->{ok} none is lost")
        or diag($_->explain);
    $requests += $sum->{ok};
}
cmp_ok(told('requests'), '>', $requests, "more than $requests are counted");
is($httpd->stop, 0, 'httpd stops well');

done_testing;
