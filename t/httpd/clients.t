#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# FcgiPMListenClients in httpd: its own requests are served, those of strangers
# refused, and a graceful brings another list to workers that take its place.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(request);
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my $port = free_port();

sub config {
    return pool('app', 'worker', "FcgiPMListen 127.0.0.1:$port",
                'FcgiPMProcesses 2', @_) . location('app');
}

sub served {
    my ($from) = @_;
    return request("127.0.0.1:$port", from => $from)->{body} =~ /pid=/ ? 1 : 0;
}

my $httpd = FCGIPM::Httpd->new(
    config => config('FcgiPMListenClients 127.0.0.1',
                     'FcgiPMListenClients 127.0.0.8/29'));
ok($httpd->start, 'httpd');
is(scalar $httpd->workers(2), 2, 'two workers');
is($httpd->get('/app/?pid')->{status}, 200, 'a request of httpd');
is(served('127.0.0.1'), 1, 'a listed client');
is(served('127.0.0.9'), 1, 'another, listed in a second line');
is(served('127.0.0.2'), 0, 'a stranger');
$httpd->counts('app', strangers => 1);
like($httpd->log, qr/pool app: .*refused a connection from 127\.0\.0\.2,/,
     'the log names it');

my @old = $httpd->workers(2);
$httpd->write_config(config('FcgiPMListenClients 127.0.0.1 127.0.0.2'));
$httpd->graceful;
is(scalar $httpd->renewed(@old), 2, 'another list: other workers');
is(served('127.0.0.2'), 1, 'a stranger no more');
is(served('127.0.0.9'), 0, 'a stranger by now');
is($httpd->get('/app/?pid')->{status}, 200, 'a request of httpd');

# What cannot be judged does not run unjudged: the pool goes on as it was.
@old = $httpd->workers(2);
$httpd->write_config(config('FcgiPMListenClients 127.0.0.1',
                            'FcgiPMGuard off'));
$httpd->graceful;
like($httpd->log, qr/pool app .*goes on as it was .*FcgiPMGuard is off/,
     'without the guard: an error');
is(scalar $httpd->renewed(@old), 2, 'workers as before');
is(served('127.0.0.9'), 0, 'which judge');
is($httpd->get('/app/?pid')->{status}, 200, 'and serve');
is($httpd->stop, 0, 'stop');
done_testing;
