#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A child has more connections than threads.  Requests of a quick pool do not fill
# its threads: event would close the connections that are kept alive.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Select;
use IO::Socket::INET;
use Test::More;

my ($THREADS, $CLIENTS, $REQUESTS) = (32, 64, 2000);

my $httpd = FCGIPM::Httpd->new(
    config => join '', "StartServers 1\nServerLimit 1\n",
    "ThreadsPerChild $THREADS\nMaxRequestWorkers $THREADS\nMinSpareThreads 1\n",
    "AsyncRequestWorkerFactor 64\nMaxKeepAliveRequests 0\nKeepAliveTimeout 100\n",
    pool('app', 'loop'), location('app'));
ok($httpd->start, 'httpd, one child') or BAIL_OUT('no httpd');
$httpd->workers(1);

sub ask {
    my ($s) = @_;
    return syswrite $s, "GET /app/?sleep=1 HTTP/1.1\r\nHost: x\r\n\r\n";
}

sub client {
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $httpd->port)
        or die "connect: $!";
    ask($s);
    return $s;
}

# Each asks again when it has its answer, or once more on another connection.
my $clients = IO::Select->new(map { client() } 1 .. $CLIENTS);
my ($closed, $bad, %got) = (0, 0);
my $answered = wait_for {
    for my $s ($clients->can_read(1)) {
        if (!sysread $s, $got{$s} //= '', 4096, length $got{$s}) {
            $closed++;
            delete $got{$s};
            $clients->remove($s);
            $clients->add(client());
        }
        elsif ($got{$s} =~ /tag=loop$/) {
            $bad++ if delete($got{$s}) !~ m{^HTTP/1.1 200 };
            $REQUESTS--;
            ask($s);
        }
    }
    $REQUESTS <= 0;
} 120, 'answers';
ok($answered, 'all are answered');
is($bad, 0, 'by a worker');
cmp_ok($closed, '<', 100, "most connections are kept ($closed closed)");
ends_well($httpd);
done_testing;
