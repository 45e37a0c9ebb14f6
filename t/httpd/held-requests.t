#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Requests that mean ill, byte for byte: what comes to the worker, what the
# client gets, and that the next request is served.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::HTTP;
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Socket::INET;
use Test::More;

my $httpd = FCGIPM::Httpd->new(
    config => pool('app', 'worker') . location('app')
        . "FcgiPMAlias /alias app\n");
ok($httpd->start, 'httpd');
is(scalar $httpd->workers(1), 1, 'one worker');

# --- writing requests

my $GET = "GET /app/?env HTTP/1.1\r\nHost: x\r\n";
my $POST = "POST /app/?env HTTP/1.1\r\nHost: x\r\n";
my $CLOSE = "Connection: close\r\n";
my $LAST = "GET /app/?text=last HTTP/1.1\r\nHost: x\r\n$CLOSE\r\n";
my $CHUNKED = "Transfer-Encoding: chunked\r\n";

sub get { return join '', $GET, $CLOSE, map({ "$_\r\n" } @_), "\r\n" }

sub at {
    my ($url, $method) = @_;
    return ($method || 'GET') . " $url HTTP/1.1\r\nHost: x\r\n$CLOSE\r\n";
}

# A chunked body, as it is written, and a request behind it.
sub chunks { return "$POST$CHUNKED\r\n$_[0]$LAST" }

sub sized { return join '', $POST, map({ "Content-Length: $_\r\n" } @_),
                   "\r\nhello$LAST" }

# --- what no worker sees: one answer, 4xx, and the connection ends
my @refused = (
    (map { ["Transfer-Encoding: $_", "${POST}Transfer-Encoding: $_\r\n"
            . "Content-Length: 5\r\n\r\nhello$LAST"] }
     'identity', 'xchunked', 'chunked, x', "\013chunked", 'gzip'),
    ['two encodings', "$POST${CHUNKED}Transfer-Encoding: identity\r\n"
     . "Content-Length: 5\r\n\r\nhello$LAST"],
    ['an encoding that goes on', "${POST}Transfer-Encoding:\r\n chunked"
     . "\r\nContent-Length: 5\r\n\r\nhello$LAST"],
    ['a blank before the colon', "${POST}Transfer-Encoding : chunked\r\n"
     . "Content-Length: 5\r\n\r\nhello$LAST"],
    ['TE.CL', \"${POST}Content-Length: 4\r\n$CHUNKED\r\n5c\r\n$LAST"],
    ['two lengths', sized(5, 6)], ['one length twice', sized(5, 5)],
    (map { ["Content-Length: $_", sized($_)] }
     '+5', '-5', '5, 5', '0x5', '5 5', '', '9' x 20, '5.0'),
    ['less than the length', \"${POST}Content-Length: 50000\r\n\r\nhello"],
    (map { ["a chunk of $_", chunks("$_\r\nhello\r\n0\r\n\r\n")] }
     '-5', '+5', '0x5', '5 5', '', 'f' x 16, '1' . '0' x 16),
    ['a chunk of 63 bits', \chunks('7' . 'f' x 15 . "\r\nhello\r\n0\r\n\r\n")],
    ['a chunk without its end', chunks("5\r\nhelloworld\r\n0\r\n\r\n")],
    ['line feeds between chunks', chunks("5\nhello\n0\n\n")],
    ['chunks that end early', \"$POST$CHUNKED\r\n50\r\nhello"],
    ['a long extension of a chunk',
     chunks('5;' . 'a' x 10_000 . "\r\nhello\r\n0\r\n\r\n")],
    ['a line without colon', get('Foo bar')],
    ['a line without name', get(': bar')],
    ['a NUL', get("X-A: b\0c")],
    ['a lone carriage return', get("X-A: b\rX-B: c")],
    ['101 lines', get(map { "X-$_: y" } 1 .. 101)],
    ['a line of 9000', get('X-A: ' . 'b' x 9000)],
    ['Expect something else', get('Expect: a-miracle')],
    ['GET *', at('*')], ['CONNECT', at('127.0.0.1:22', 'CONNECT')],
    ['a long method', at('/app/?env', 'X' x 9000)],
    ['the preface of HTTP/2', "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ['no Host', "GET /app/?env HTTP/1.1\r\n$CLOSE\r\n"],
    ['two hosts', get('Host: evil')],
    (map { ["Host: $_", "GET /app/?env HTTP/1.1\r\nHost: $_\r\n$CLOSE\r\n"] }
     'a b', 'a/../b', 'a:99999', 'a@b', "a\tb", '[::1', 'a<b>'),
    ['a URL of 9000', at('/app/' . 'x' x 9000)],
    (map { [$_, at($_)] }
     '/app/%00?env', '/app/a%2fb?env', '/app/%zz?env', '/app/%?env',
     '/app/../../../../etc/passwd', '/alias/..%2f..%2fetc/passwd', 'app/?env',
     '/app?env#x', 'ftp://evil/app/?env'),
);

# --- what httpd answers itself: name, bytes, what the answer has
my @own = (
    ['OPTIONS *', at('*', 'OPTIONS'), qr/\r\n\r\n\z/],
    ['TRACE', at('/app/?env', 'TRACE'), qr{^Content-Type: message/http}m],
    ['/app/%2e%2e/', at('/app/%2e%2e/static.txt?env'), qr/\r\n\r\nstatic\n/],
);

# --- what comes to the worker: name, bytes, how many requests, what the answer
# has, and what it has not
my $both = qr/^CONTENT_LENGTH=5\n.*last\z/ms;
my @served = (
    ['CL.TE', "$POST${CHUNKED}Content-Length: 6\r\n\r\n0\r\n\r\nG$LAST", 1,
     qr/^CONTENT_LENGTH=0$/m, qr/last/],
    ['an underscore in Content_Length',
     "${POST}Content-Length: 5\r\nContent_Length: 0\r\n\r\nhello$LAST", 2,
     $both],
    ['an underscore in Transfer_Encoding', "${POST}Content-Length: 5\r\n"
     . "Transfer_Encoding: chunked\r\n\r\nhello$LAST", 2, $both],
    ['a GET with a body', "${GET}Content-Length: 5\r\n\r\nhello$LAST", 2,
     $both],
    ['chunks', chunks("5\r\nhello\r\n0\r\n\r\n"), 2, qr/last/],
    ['an extension', chunks("5;a=\"b;c\"\r\nhello\r\n0;x\r\n\r\n"), 2,
     qr/last/],
    ['trailers', "$POST$CHUNKED$CLOSE\r\n5\r\nhello\r\n0\r\nProxy: evil\r\n"
     . "X-Late: evil\r\nContent-Length: 9\r\n\r\n", 1, qr/^CONTENT_LENGTH=5$/m,
     qr/evil/],
    ['a line that goes on', get("X-A: b\r\n c"), 1, qr/^HTTP_X_A=b\s+c$/m],
    ['Proxy', get('Proxy: evil', 'proxy: evil', 'PROXY:evil'), 1,
     qr/^REQUEST_METHOD=GET$/m, qr/evil|HTTP_PROXY/],
    ['an underscore', get('X_Own: evil', 'X-Own: mine'), 1,
     qr/^HTTP_X_OWN=mine$/m, qr/evil/],
    ['what a variable is called', get('Https: on', 'Remote-User: evil',
     'Path-Info: /evil', 'Script-Filename: /evil', 'Content-Length: 0',
     'Redirect-Status: 200', 'Fcgi-Role: AUTHORIZER'), 1,
     qr{^PATH_INFO=/$}m,
     qr/^(?:HTTPS|REMOTE_USER|REDIRECT_STATUS|PATH_INFO=.evil|FCGI_ROLE=A)/m],
    ['a password for httpd', get('Authorization: Basic ZXZpbA==',
                                 'Proxy-Authorization: Basic ZXZpbA=='), 1,
     qr/^REQUEST_METHOD=GET$/m, qr/AUTHORIZATION/],
    ['Expect, and no body', get('Expect: 100-continue'), 1, qr/^REQUEST_URI/m],
    ['Upgrade', get('Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'), 1,
     qr/^REQUEST_URI/m],
    ['an own method', at('/app/?env', 'FROB'), 1, qr/^REQUEST_METHOD=FROB$/m],
    ['a method in small letters', at('/app/?env', 'get'), 1,
     qr/^REQUEST_METHOD=get$/m],
    ['HTTP/0.9', "GET /app/?env\r\n", 1, qr/\A[A-Z]/, qr/\A(?:HTTP.1|Status)/],
    ['a URL with a host', "GET http://evil/app/?env HTTP/1.1\r\nHost: x\r\n"
     . "$CLOSE\r\n", 1, qr/^HTTP_HOST=evil$/m],
    ['line ends', at('/app/%0d%0aX-Evil:%20x?env'), 1,
     qr{^REQUEST_URI=/app/%0d%0aX-Evil:%20x\?env$}m,
     qr/\A.*^X-Evil.*\r\n\r\n/ms],
    ['backslashes', at('/app/\\..\\static.txt?env'), 1,
     qr{^PATH_INFO=/\\\.\.\\static\.txt$}m],
    ['overlong UTF-8', at('/app/%c0%ae%c0%ae/?env'), 1,
     qr{^PATH_INFO=/\xc0\xae\xc0\xae/$}m],
    (map { [$_, at($_), 1, qr{^SCRIPT_NAME=/app\n}m] } '//app/?env',
     '/./app/?env', '/%61pp/?env', '/alias/../app/?env'),
);

# --- sending them

# Bytes by reference: the client then says that there is no more.
sub answer_to {
    my ($bytes) = @_;
    return (talk($httpd->port, $bytes))[0] if !ref $bytes;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $httpd->port)
        or die "connect: $!";
    print {$s} $$bytes;
    $s->flush;
    shutdown $s, 1;
    return join '', <$s>;
}

# The requests that the worker has had, with this one.
my $count = 0;

sub served {
    my $r = $httpd->get('/app/?pid');
    my ($now) = $r->{body} =~ /requests=(\d+)/ or return "no: $r->{status}";
    my $since = $now - $count - 1;
    $count = $now;
    return $since;
}

sub row {
    my ($name, $bytes, $came, $status, $like, $unlike) = @_;
    my $answer = answer_to($bytes);
    my @status = $answer =~ m{^HTTP/1\.1 (\d+)}mg;
    my $got = served();
    return ok(("@status" =~ /^(?:$status)\z/) && $got eq $came
              && (!$like || $answer =~ $like)
              && (!$unlike || $answer !~ $unlike), $name =~ s/[^ -~]/?/gr)
        || diag("@status, $got requests: ", substr $answer, 0, 2000);
}

served();
row(@$_, 0, '4..') for @refused;
row(@$_[0, 1], 0, '200', $_->[2]) for @own;
row(@$_[0 .. 2], '(?:200)?(?: 200)?', @$_[3, 4]) for @served;
cmp_ok(@refused + @own + @served, '>=', 90, 'requests that mean ill');
ends_well($httpd);
done_testing;
