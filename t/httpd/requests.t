#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Requests and their answers, under each MPM.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Compress::Zlib qw(adler32);
use FCGIPM::FastCGI ();
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);

my $raw = "$^X " . bin('raw.pl');
my $config = join '',
    pool('app', 'worker', 'FcgiPMProcesses 4'), location('app'),
    pool('raw', [split ' ', $raw], 'FcgiPMProcesses 2'), location('raw'),
    pool('slow', 'worker', 'FcgiPMProcesses 2', 'FcgiPMIOTimeout 1s'),
    location('slow'),
    pool('dead', [bin('worker'), '--exit-at-once', 1]), location('dead'),
    location('nosuch'),
    "FcgiPMAlias /alias app\n";

sub sum_of {
    my ($body) = @_;
    return sprintf "length=%d adler32=%08lx\n", length $body, adler32($body);
}

sub one_mpm {
    my ($mpm) = @_;
    my $httpd = FCGIPM::Httpd->new(mpm => $mpm, config => $config);
    ok($httpd->start, "MPM $mpm") or return;
    is(scalar $httpd->workers(8), 8, 'workers of three pools');

    # --- methods
    my $r = $httpd->get('/app/?text=hello%0a');
    is($r->{error}, undef, 'GET');
    is($r->{status}, 200, 'status 200');
    is($r->{body}, "hello\n", 'the body');
    is($r->{header}{'content-type'}, 'text/plain', 'the type');
    $r = $httpd->get('/app/?text=hello%0a', method => 'HEAD');
    is($r->{status}, 200, 'HEAD');
    is($r->{body}, '', 'no body');
    is($r->{header}{'content-type'}, 'text/plain', 'the header of GET');
    for my $size (0, 1, 5000, 65_536, 65_537, 400_000) {
        my $body = join '', map { chr(65 + $_ % 57) } 1 .. $size;
        is($httpd->get('/app/?echo', body => $body)->{body}, sum_of($body),
           "POST of $size bytes");
        $r = $httpd->get('/app/?echo', body => $body, chunked => 8000);
        is($r->{body}, sum_of($body), "and chunked");
    }
    $r = $httpd->get('/app/?env', body => 'x' x 3000, chunked => 700);
    like($r->{body}, qr/^CONTENT_LENGTH=3000$/m,
         'a chunked body has a length for the worker');
    is($httpd->get('/app/?cat', body => 'abc', method => 'PUT')->{body},
       'abc', 'PUT');

    # --- what a worker says to the next hop only
    my %hop = (Connection => 'close, X-Hop,x-Other', 'Keep-Alive' => 'timeout=9',
               'Proxy-Connection' => 'keep-alive', TE => 'trailers',
               Trailer => 'X-Late', Upgrade => 'websocket', 'X-Hop' => 'no',
               'X-OTHER' => 'no', 'X-End' => 'yes');
    $r = $httpd->get('/raw/?out=' . join('%0d%0a', map { "$_:$hop{$_}" =~ s/ /%20/gr }
                                         sort keys %hop)
                     . '%0d%0a%0d%0abody&eof&end',
                     header => ['Connection: keep-alive']);
    is($r->{status}, 200, 'a header with lines for the next hop');
    is($r->{body}, 'body', 'its body');
    is($r->{header}{'x-end'}, 'yes', 'what is for the client comes');
    is($r->{header}{lc $_}, undef, "$_ does not")
        for grep { !/^(?:X-End|Connection|Keep-Alive)$/ } keys %hop;
    unlike($r->{header}{connection} || '', qr/hop/i,
           'httpd has a Connection of its own');
    unlike($r->{header}{'keep-alive'} || '', qr/timeout=9\b/, 'and Keep-Alive');
    for my $length ('', 'Content-Length:%204%0d%0a') {
        $r = $httpd->get("/raw/?out=Status:%20205%0d%0a$length%0d%0abody&eof&end",
                         header => ['Connection: keep-alive']);
        is($r->{status}, 205, 'status 205');
        is($r->{body}, '', 'has no body');
        is($r->{header}{'content-length'}, 0, 'and says so');
    }

    # --- variables
    $r = $httpd->get('/app/more/path?env&x=%20y',
                     header => ['Proxy: evil', 'X-Own: mine']);
    my %env = map { /^(\w+)=(.*)$/ ? ($1 => $2) : () }
        split /\n/, $r->{body};
    is($env{QUERY_STRING}, 'env&x=%20y', 'QUERY_STRING');
    is($env{REQUEST_METHOD}, 'GET', 'REQUEST_METHOD');
    is($env{REQUEST_URI}, '/app/more/path?env&x=%20y', 'REQUEST_URI');
    is($env{HTTP_X_OWN}, 'mine', 'a header');
    ok(!exists $env{HTTP_PROXY}, 'but never Proxy');
    is($env{SERVER_PORT}, $httpd->port, 'SERVER_PORT');
    is($env{SERVER_PROTOCOL}, 'HTTP/1.1', 'SERVER_PROTOCOL');
    is($env{GATEWAY_INTERFACE}, 'CGI/1.1', 'GATEWAY_INTERFACE');
    is($env{REMOTE_ADDR}, '127.0.0.1', 'REMOTE_ADDR');
    is($env{SCRIPT_NAME} . ($env{PATH_INFO} || ''), '/app/more/path',
       'SCRIPT_NAME and PATH_INFO');
    $r = $httpd->get('/alias/some/path?env');
    like($r->{body}, qr{^SCRIPT_NAME=/alias$}m, 'FcgiPMAlias: SCRIPT_NAME');
    like($r->{body}, qr{^PATH_INFO=/some/path$}m, 'PATH_INFO');
    is($httpd->get('/aliasx')->{status}, 404, 'an alias is a whole word');
    is($httpd->get('/static.txt')->{body}, "static\n",
       'what is not a pool is not touched');

    # --- what a worker says of the answer
    $r = $httpd->get('/app/?status=404%20Nothing&text=gone');
    is($r->{status}, 404, 'Status: 404');
    is($r->{body}, 'gone', 'with the body of the worker');
    is($httpd->get('/app/?status=201&text=x')->{status}, 201, 'Status: 201');
    like($httpd->get('/app/?status=299%20Odd%20One&text=x')->{status_line},
         qr/ 299 Odd One$/, 'a reason of its own');
    $r = $httpd->get('/app/?location=/static.txt');
    is($r->{status}, 200, 'Location: /static.txt');
    is($r->{body}, "static\n", 'is answered here');
    $r = $httpd->get('/app/?location=http://example.org/x');
    is($r->{status}, 302, 'Location: http://...');
    is($r->{header}{location}, 'http://example.org/x', 'goes to the client');
    $r = $httpd->get('/app/?status=301&location=http://example.org/y');
    is($r->{status}, 301, 'with a Status');
    $r = $httpd->get('/app/?header=Set-Cookie:%20a=1'
                     . '&header=Set-Cookie:%20b=2&text=x');
    is_deeply($r->{headers}{'set-cookie'}, ['a=1', 'b=2'], 'two cookies');

    # --- streams
    $r = $httpd->get('/app/?stderr=a%20stderr%20line%0a&text=x');
    is($r->{body}, 'x', 'FCGI_STDERR');
    ok(wait_for { $httpd->log =~ /^.*\bapp\b.*a stderr line/m } 10,
       'is in the error log, with the pool');
    $r = $httpd->get('/app/?fd2=on%20descriptor%202%0a&text=x');
    ok(wait_for { $httpd->log =~ /pool app: pid \d+: on descriptor 2/ } 10,
       'so is descriptor 2');
    $r = $httpd->get('/app/?big=5000000');
    is($r->{error}, undef, '5 MB');
    is(length $r->{body}, 5_000_000, 'all of it');
    is($r->{body} =~ tr/a-z//, 5_000_000, 'nothing else in it');
    my $more = $httpd->dir . '/more';    # there, when the first piece has come
    unlink $more;
    $r = $httpd->get("/app/?chunks=1,0,100&until=$more&chunks=1,0,100",
                     seen => sub { write_file($more, '', 0644)
                                       if $_[0] =~ /\r\n\r\n./s });
    is(length $r->{body}, 200, 'an answer is streamed');

    # --- what is not an answer
    $r = $httpd->get('/nosuch/');
    is($r->{status}, 500, 'no such pool: a mistake in the configuration');
    ok(wait_for { $httpd->log =~ /nosuch/ } 10, 'which the log names');
    ok(wait_for { $httpd->log =~ /pool dead.*status 1|dead.*exit/ } 10,
       'a pool that dies at birth');
    $r = $httpd->get('/dead/');
    is($r->{status}, 503, 'status 503');
    like($r->{header}{'retry-after'}, qr/^\d+$/, 'with Retry-After');
    is($httpd->get('/app/?crash=before,11')->{status}, 502,
       'a worker that crashes: 502');
    is($httpd->get('/app/?crash=header,11')->{status}, 502,
       'in the header: 502');
    $r = $httpd->get('/app/?crash=body,11');
    ok($r->{status} == 502 || $r->{error},
       'in the body: the client sees that it is not whole');
    for my $case (['no header at all', 'close'],
                  ['nonsense', 'bytes=hello%20world%0d%0a&close'],
                  ['a wrong version', 'ver=9&ok'],
                  ['another id', 'id=77&ok&close'],
                  ['a header without end', 'out=A:%20b%0d%0a&eof&end'],
                  ['a cut record', 'cut=10&out=Content-Type:%20a/b&close'],
                  ['overloaded', 'end=0,2'], ['reset', 'reset']) {
        my ($name, $script) = @$case;
        $r = $httpd->get("/raw/?$script");
        is($r->{status}, $name eq 'overloaded' ? 503 : 502,
           "$name: not an answer");
        is($httpd->get('/raw/?ok')->{body}, "ok\n", 'the next one is');
    }
    my $begin = time;
    is($httpd->get('/slow/?hang')->{status}, 504, 'no answer in time: 504');
    is_soon(time - $begin, 10, 'in time');
    is($httpd->get('/slow/?text=x')->{body}, 'x', 'the pool serves on');
    is($httpd->get('/slow/?chunks=4,600,10')->{body},
       ('abcdefghij' x 4), 'the timeout is one of silence');

    # --- hours of work
    is(scalar $httpd->workers(8), 8, 'as many workers as before');
    my $load = load_on($httpd, '/app/?sleep=10&pid', 8);
    $load->flows(300);
    my $sum = $load->stop;
    is($sum->{failed}, 0, "$sum->{ok} requests by 8 clients")
        or diag($load->explain);
    ends_well($httpd);
    return;
}

one_mpm($_) for FCGIPM::Httpd->mpms;
done_testing;
