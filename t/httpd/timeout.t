#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# FcgiPMRequestTimeout: 504 for the client, another worker in the place of one
# that hangs; for requests of mod_proxy_fcgi's too, and without the guard.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my @limit = ('FcgiPMProcesses 2', 'FcgiPMRequestTimeout 600ms');
my $httpd = FCGIPM::Httpd->new(
    modules => [qw(proxy proxy_fcgi)],
    config => "FcgiPMDieTimeout 1\n"
        . pool('app', [bin('worker'), '--plain'], @limit) . location('app')
        . pool('bare', [bin('worker'), '--plain'], @limit, 'FcgiPMGuard off')
        . location('bare'));
my $socket = substr $httpd->pool_socket('app'), 5;
append($httpd->dir . '/httpd.conf',
       "ProxyPass /proxy unix:$socket|fcgi://localhost/\n");
ok($httpd->start, 'httpd');
is(scalar $httpd->workers(4), 4, 'four workers');
$httpd->counts('app', idle => 2);

is($httpd->get('/app/?hang')->{status}, 504, 'a request that hangs: 504');
$httpd->counts('app', timed_out => 1, killed => 1, idle => 2);
like($httpd->log, qr{pool\ app:\ GET\ /app/\?hang:\ the\ request\ takes\ longer
                     \ than\ FcgiPMRequestTimeout}x, 'the log has its URL');
like($httpd->log, qr{pool app: worker \d+ has been busy with a request for},
      'and the worker');
my $r = $httpd->get('/app/?chunks=1000,20,10');
is($r->{status}, 200, 'one that has begun to answer');
is($r->{error}, 'body cut short (eof)', 'is cut off');
like($httpd->log, qr{GET /app/\?chunks=\S+: [^\n]*; the response is cut off},
     'with its URL in the log');
$httpd->counts('app', timed_out => 2, idle => 2);

my $begin = time;
isnt($httpd->get('/proxy/?hang')->{status}, 200, "one of mod_proxy_fcgi's");
is_soon(time - $begin, 15, 'does not hang for ever');
$httpd->counts('app', timed_out => 3, idle => 2);

is($httpd->get('/bare/?hang')->{status}, 504, 'without the guard: 504');
is($httpd->get('/app/?sleep=300&pid')->{status}, 200, 'in time: 200');
is($httpd->status('bare')->{pools}[0]{timed_out}, 0,
   'but the worker is not known');
ends_well($httpd);
done_testing;
