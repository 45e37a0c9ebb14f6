#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Pools under HTTP/1.1, HTTP/2 and TLS, and together with what else httpd has:
# byte ranges, mod_deflate, ErrorDocument, SSI; and when an answer is flushed.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Compress::Zlib qw(adler32);
use Digest::MD5 qw(md5_hex);
use FCGIPM::HTTP;
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Select;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);

my $curl = have('curl') or die "curl is missing\n";
my $openssl = have('openssl') or die "openssl is missing\n";
my $dir = tmp_dir();
my $tls = free_port();
my $raw = [$^X, bin('raw.pl')];

is(start(cmd => [$openssl, qw(req -x509 -newkey rsa:2048 -nodes -days 2),
                 qw(-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1),
                 '-keyout', "$dir/key.pem", '-out', "$dir/cert.pem"],
         out => "$dir/openssl", err => "$dir/openssl")->wait(60), 0,
   'a certificate') or diag(slurp("$dir/openssl"));

my $httpd = FCGIPM::Httpd->new(
    modules => [qw(http2 ssl deflate filter include mime)],
    config => join '',
    "Protocols h2 h2c http/1.1\nTypesConfig /dev/null\n",
    "Listen 127.0.0.1:$tls\n<VirtualHost 127.0.0.1:$tls>\n    SSLEngine on\n",
    "    SSLCertificateFile $dir/cert.pem\n",
    "    SSLCertificateKeyFile $dir/key.pem\n</VirtualHost>\n",
    pool('app', 'worker', 'FcgiPMProcesses 4'), location('app'),
    pool('off', 'worker', 'FcgiPMProcesses 2', 'FcgiPMRequestBuffer off'),
    location('off'),
    pool('raw', $raw, 'FcgiPMProcesses 2'), location('raw'),
    pool('dead', [bin('worker'), '--exit-at-once', 1]), location('dead'),
    "<Location /zip>\n    SetHandler fcgipm:app\n",
    "    SetOutputFilter DEFLATE\n</Location>\n",
    (map { "<Location /unzip$_>\n    SetHandler fcgipm:$_\n"
           . "    SetInputFilter DEFLATE\n</Location>\n" } 'app', 'off'),
    "<Location /own>\n    ErrorDocument 404 /app/?env\n",
    "    ErrorDocument 403 \"no entry\"\n    Require all granted\n",
    "</Location>\n<Location /own/closed>\n    Require all denied\n",
    "    ErrorDocument 403 /app/?env\n</Location>\n",
    (map { "<Location /$_->[0]>\n    SetHandler fcgipm:$_->[1]\n"
           . "    ErrorDocument $_->[2] $_->[3]\n</Location>\n" }
        ['err503', 'dead', 503, '/static.txt'],
        ['err502', 'raw', 502, '/app/?text=sorry'],
        ['errsame', 'raw', 502, '/raw/?out=nothing&end'],
        ['err404', 'app', 404, '/static.txt']),
    "<Directory $dir/ssi>\n    Options +Includes\n",
    "    SetOutputFilter INCLUDES\n    Require all granted\n</Directory>\n",
    "Alias /ssi $dir/ssi\nAddType text/html .shtml\n");
ok($httpd->start, 'httpd');
is(scalar $httpd->workers(8), 8, 'the workers');

# --- curl --------------------------------------------------------------------

# Its exit status, the answer's version, status, header lines and body; its
# stdin is a file that may be set.
our $stdin = '/dev/null';

sub curl {
    my (@arg) = @_;
    unlink "$dir/out", "$dir/head", "$dir/said";
    my $proc = start(cmd => [$curl, '-sS', '-m', 30, '--cacert',
                             "$dir/cert.pem", '-D', "$dir/head",
                             '-o', "$dir/out", '-w',
                             '%{http_version} %{http_code}', @arg],
                     out => "$dir/said", err => "$dir/err",
                     before => sub { open STDIN, '<', $stdin or die "$!" });
    my $status = $proc->wait(40);
    my ($version, $code) = split / /, slurp("$dir/said");
    return { exit => $status, version => $version || '', status => $code || 0,
             head => slurp("$dir/head"), body => slurp("$dir/out") };
}

sub sum_of {
    return sprintf "length=%d adler32=%08lx\n", length $_[0], adler32($_[0]);
}

# A query for five pieces of an answer, each of 20 letters.  The worker writes
# the next one when there is a file, which $step->(BYTES) makes once the one
# before it has come; each takes EACH bytes.
my $STEPS = 0;

sub steps {
    my ($each) = @_;
    my @file = map { "$dir/step." . ++$STEPS } 1 .. 4;
    my $query = join '&', 'chunks=1,0,20', map { ("until=$_", 'chunks=1,0,20') }
        @file;
    my $n = 0;
    return $query, sub {
        my ($bytes) = @_;
        write_file($file[$n++], '', 0644)
            while $n < @file && $bytes >= ($n + 1) * $each;
    };
}

# Each piece arrives before the next one is written.
sub as_written {
    my ($url, @how) = @_;
    my ($query, $step) = steps(20);
    open my $fh, '-|', $curl, '-sSN', '-m', 30, '--cacert', "$dir/cert.pem",
        @how, "$url?$query" or die "curl: $!";
    my $bytes = '';
    $step->(length $bytes) while sysread $fh, $bytes, 65_536, length $bytes;
    close $fh;
    return length $bytes == 5 * 20;
}

sub in_flight {
    my ($pool) = @_;
    my $status = $httpd->status($pool) or return -1;
    return $status->{pools}[0]{in_flight};
}

my $plain = 'http://127.0.0.1:' . $httpd->port;
my $safe = "https://127.0.0.1:$tls";
my $body = join '', map { md5_hex($_) } 1 .. 50_000;
write_file("$dir/body", $body, 0644);
my $head = 'out=Content-Type:%20text/plain%0d%0a%0d%0a';

for my $row (['HTTP/1.1', $plain, '1.1', '--http1.1'],
             ['HTTP/2', $plain, '2', '--http2-prior-knowledge'],
             ['TLS', $safe, '1.1', '--http1.1'],
             ['HTTP/2 over TLS', $safe, '2', '--http2']) {
    my ($name, $base, $version, @how) = @$row;
    my $r = curl(@how, "$base/app/?text=hello");
    is($r->{exit}, 0, "$name: GET");
    is($r->{version}, $version, 'the version');
    is($r->{body}, 'hello', 'the body');
    $r = curl(@how, "$base/app/?env");
    my ($protocol) = $r->{body} =~ /^SERVER_PROTOCOL=(.*)/m;
    is($protocol, $version eq '2' ? 'HTTP/2.0' : 'HTTP/1.1',
       'SERVER_PROTOCOL');
    is($r->{body} =~ /^HTTPS=on$/m ? 1 : 0, $base eq $safe ? 1 : 0, 'HTTPS');
    $r = curl(@how, '-I', "$base/app/?text=hello");
    is("$r->{exit} $r->{status}", '0 200', 'HEAD');
    for my $pool ('app', 'off') {
        $r = curl(@how, '--data-binary', "\@$dir/body", "$base/$pool/?echo");
        is($r->{body}, sum_of($body), "$pool: POST");
        $r = curl(@how, '-T', "$dir/body", "$base/$pool/?cat");
        is("$r->{exit} " . ($r->{body} eq $body), '0 1',
           'comes back while it is read');
        # From stdin: without a length.
        local $stdin = "$dir/body";
        $r = curl(@how, '-T', '-', '-X', 'POST', "$base/$pool/?echo");
        is($r->{body}, sum_of($body), 'of a length nobody knows');
        $r = curl(@how, '-T', '-', '-X', 'POST', "$base/$pool/?env");
        like($r->{body}, qr/^CONTENT_LENGTH=${\ length $body}$/m,
             'but the worker does');
    }
    $r = curl(@how, "$base/app/?big=8000000");
    is("$r->{exit} " . length $r->{body}, '0 8000000', '8 MB');
    for my $status (201, 204, 301, 304, 404, 500) {
        $r = curl(@how, "$base/app/?status=$status");
        is("$r->{exit} $r->{status}", "0 $status", "Status: $status");
    }
    $r = curl(@how, "$base/raw/?" . join '&',
              (map { "out=Set-Cookie:%20n$_=v%0d%0a" } 1 .. 50), $head, 'end');
    my $cookies = () = $r->{head} =~ /^set-cookie:/gim;
    is($cookies, 50, '50 cookies');
    for my $case (['out=nothing&end', 502], ['end=0,2', 503], ['close', 502]) {
        my ($script, $want) = @$case;
        $r = curl(@how, "$base/raw/?$script");
        is("$r->{exit} $r->{status}", "0 $want", "$script: $want");
    }
    # What is cut must not look whole: never curl's exit status 0.
    for my $end ('close', 'ver=7&out=x', 'end=0,1') {
        $r = curl(@how, "$base/raw/?$head&out=hello&sleep=100&$end");
        isnt($r->{exit}, 0, "200, then $end: the client sees it is cut");
        $r = curl(@how, "$base/raw/?out=Content-Length:%209%0d%0a&$head"
                  . "&out=hello&sleep=100&$end");
        isnt($r->{exit}, 0, 'also with a length');
    }
    ok(as_written("$base/app/", @how),
       'pieces arrive as they are written');
    my @many = map { ("$base/app/?sleep=20&text=x$_", '-o', "$dir/many.$_") }
        1 .. 20;
    # curl's own prior knowledge does not go together with its -Z.
    @how = () if $name eq 'HTTP/2';
    my $many = start(cmd => [$curl, '-sS', '-m', 30, '--cacert',
                             "$dir/cert.pem", @how, '-Z', @many],
                     err => "$dir/err");
    is($many->wait(40), 0, '20 at once');
    is(scalar(grep { slurp("$dir/many.$_") eq "x$_" } 1 .. 20), 20,
       'each gets its own answer');
    (undef, undef, undef, @how) = @$row;
    $r = curl(@how, '-m', 1, "$base/app/?big=3000000000");
    is($r->{exit}, 28, 'a client that goes away');
    ok(wait_for { in_flight('app') == 0 } 30, 'leaves nothing behind');
    is(curl(@how, "$base/app/?text=x")->{body}, 'x', 'the pool serves on');
}

# --- when an answer is flushed -----------------------------------------------
# The chunks of an HTTP/1.1 answer are what went down the filters at once; one
# with a length is one.
sub chunks_of {
    my ($path, $seen) = @_;
    my ($bytes, $how) = talk($httpd->port, "GET $path HTTP/1.1\r\nHost: x\r\n"
                             . "Connection: close\r\n\r\n", 30, $seen);
    my ($got, @size) = ('');
    $bytes =~ s/\A(.*?\r\n)\r\n//s;
    return ($bytes, length $bytes) if $1 =~ /^Content-Length:/mi;
    while ($bytes =~ s/\A([0-9a-f]+)\r\n//i) {
        my $n = hex $1 or last;
        push @size, $n;
        $got .= substr $bytes, 0, $n;
        substr $bytes, 0, $n + 2, '';
    }
    return ($got, @size);
}

{
    my ($query, $step) = steps(length "14\r\n" . 'x' x 20 . "\r\n");
    my ($bytes, @size) = chunks_of("/app/?$query", sub {
        my ($body) = $_[0] =~ /\r\n\r\n(.*)/s;
        $step->(length($body // ''));
    });
    is_deeply([length $bytes, @size], [100, (20) x 5],
              'pieces with a pause between: a chunk each');
    my $record = sub { pack('CCnnxx', 1, 6, 1, length $_[0]) . $_[0] };
    my $burst = join '', map { $record->("line $_ of a burst\n") } 1 .. 2000;
    write_file("$dir/burst", join "\n", 'out=A: b%0d%0a%0d%0a',
               'hex=' . unpack('H*', $burst), 'eof', 'end', 0644);
    ($bytes, @size) = chunks_of("/raw/?file=$dir/burst");
    is($bytes =~ tr/\n//, 2000, 'a burst of 2000 small records');
    cmp_ok(scalar @size, '<=', 6, 'is a few chunks');
    diag('chunks of a burst: ', scalar @size);
    ($bytes, @size) = chunks_of('/app/?big=1000000');
    is(length $bytes, 1_000_000, '1 MB');
    cmp_ok(scalar @size, '<=', 150, 'is few chunks') or diag("@size");
    diag('chunks of 1 MB: ', scalar @size);
}

# --- several requests in one piece --------------------------------------------
{
    my @path = ('/app/?text=one', '/app/?big=200000', '/zip/?text=three',
                '/app/?text=four', '/static.txt', '/app/?chunks=2,5,1');
    my ($bytes) = talk($httpd->port, join '', map {
        "GET $path[$_] HTTP/1.1\r\nHost: x\r\n"
            . ($_ == $#path ? "Connection: close\r\n\r\n" : "\r\n")
    } 0 .. $#path);
    my @answer = split m{(?=HTTP/1\.1 200 OK\r\n)}, $bytes;
    is(scalar @answer, @path, 'pipelined: as many answers as requests');
    like($answer[0], qr/\r\n\r\none\z/, 'pipelined: the first');
    cmp_ok(length $answer[1], '>', 200_000, 'pipelined: a long one');
    like($answer[2], qr/three\z/, 'pipelined: through a filter');
    like($answer[3], qr/\r\n\r\nfour\z/, 'pipelined: the fourth');
    like($answer[4], qr/\r\n\r\nstatic\n\z/, 'pipelined: a file');
    # on a busy machine both pieces may have come, even the end
    like($answer[5], qr/\r\n\r\n
                        (?:(?:1\r\na\r\n1\r\na|2\r\naa)\r\n0\r\n\r\n|aa)\z/x,
         'pipelined: one in pieces');
}

# --- byte ranges -------------------------------------------------------------
{
    my @wrong;
    for my $row (['0-4', 'abcde'], ['5-9', 'fghij'], ['-3', 'tuv'],
                 ['95-', 'rstuv'], ['200-', undef]) {
        my ($range, $want) = @$row;
        for my $head ('', 'out=C:%20d%0d%0a&') {
            my $r = $httpd->get("/raw/?${head}out=Content-Length:%20100"
                . '%0d%0a%0d%0a&fill=100&eof&end',
                header => ["Range: bytes=$range"]);
            my $good = !$r->{error} && (defined $want
                ? $r->{status} == 206 && $r->{body} eq $want
                : $r->{status} == 416);
            push @wrong, "$range: $r->{status} $r->{body}" unless $good;
        }
    }
    is_deeply(\@wrong, [], 'byte ranges');
    my $r = $httpd->get('/app/?header=Content-Length:%205000000&big=5000000',
                        header => ['Range: bytes=26-29']);
    is("$r->{status} $r->{body}", '206 abcd', 'of a long answer as well');
    $r = $httpd->get('/raw/?out=Content-Length:%20100%0d%0a%0d%0a&fill=99&close',
                     header => ['Range: bytes=0-4']);
    is($r->{status}, 502, 'but not of one that is cut');
    $r = $httpd->get('/raw/?out=Content-Length:%20100%0d%0a%0d%0a&fill=100&eof&end',
                     header => ['Range: bytes=0-1,10-11']);
    is($r->{status}, 206, 'several ranges');
    like($r->{body}, qr/\r\n\r\nab\r\n.*\r\n\r\nkl\r\n/s, 'each its part');
    $r = $httpd->get('/app/?status=206&header=Content-Range:%20bytes%200-1/9'
                     . '&text=ab', header => ['Range: bytes=0-1']);
    is("$r->{status} $r->{body}", '206 ab', "a worker's own 206");

    # what is a part already, or may have no end, comes as it is written
    my $part = 'Content-Range:%20bytes%200-999999/1000000';
    for (['of unknown length', '', 200],
         ["a worker's own 206", "Status:%20206%0a$part%0a"
          . 'Content-Length:%201000000%0a', 206],
         ['longer than can be held', 'Content-Length:%205000000000%0a', 200]) {
        my ($what, $head, $status) = @$_;
        my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $httpd->port);
        print {$s} "GET /raw/?out=A:b%0a$head%0a&fill=100&until=$dir/go HTTP/1.1"
            . "\r\nHost: x\r\nRange: bytes=0-\r\n\r\n";
        my $bytes = '';
        while ($bytes !~ /abcdef/ && IO::Select->new($s)->can_read(20)) {
            sysread $s, $bytes, 4096, length $bytes or last;
        }
        like($bytes, qr/^HTTP.1.1 $status .*\r\n\r\n.*abcdef/s,
             "a range of an answer $what: it comes as it is written");
        close $s;
        write_file("$dir/go", '', 0644);     # raw.pl does not notice the end
        $httpd->counts('raw', busy => 0);
        unlink "$dir/go";
    }
}

# --- mod_deflate -------------------------------------------------------------
{
    my $r = curl('--compressed', "$plain/zip/?big=3000000");
    like($r->{head}, qr/^Content-Encoding: gzip\r$/mi, 'mod_deflate');
    is("$r->{exit} " . length $r->{body}, '0 3000000', 'all of it');
    is($r->{body} =~ tr/a-z//, 3_000_000, 'nothing else in it');
    ok(as_written("$plain/zip/", '--compressed'),
       'flushed through');
    $r = curl('--compressed', "$plain/zip/?status=404&text=gone");
    is("$r->{status} $r->{body}", '404 gone', 'with a Status');
    is(curl('--compressed', "$plain/zip/?status=204")->{exit}, 0, 'a 204');

    write_file("$dir/gz", Compress::Zlib::memGzip($body), 0644);
    my @gz = ('-H', 'Content-Encoding: gzip', '--data-binary', "\@$dir/gz");
    $r = curl(@gz, "$plain/unzipapp/?echo");
    is($r->{body}, sum_of($body), 'a compressed body is inflated');
    $r = curl(@gz, "$plain/unzipapp/?env");
    like($r->{body}, qr/^CONTENT_LENGTH=${\ length $body}$/m,
         'CONTENT_LENGTH is of what the worker reads');
    $r = curl(@gz, "$plain/unzipoff/?echo");
    ok($r->{body} eq sum_of($body) || $r->{status} >= 400,
       'streamed: so it is, or there is an error')
        or diag("$r->{status} $r->{body}");
}

# --- ErrorDocument -----------------------------------------------------------
{
    my $r = $httpd->get('/own/missing?a=b');
    is($r->{status}, 404, 'ErrorDocument answered by a pool: the status');
    like($r->{body}, qr/^REDIRECT_STATUS=404$/m, 'REDIRECT_STATUS');
    like($r->{body}, qr{^REDIRECT_URL=/own/missing$}m, 'REDIRECT_URL');
    like($r->{body}, qr/^REDIRECT_QUERY_STRING=a=b$/m, 'and its query');
    like($r->{body}, qr/^REQUEST_METHOD=GET$/m, 'asked for by GET');
    $r = $httpd->get('/own/closed/x', body => 'x' x 1000);
    is($r->{status}, 403, 'also after a POST that was refused');
    like($r->{body}, qr/^REDIRECT_STATUS=403$/m, 'REDIRECT_STATUS');
    like($r->{body}, qr/^REQUEST_METHOD=GET$/m, 'asked for by GET');
    $r = $httpd->get('/err503/');
    is("$r->{status} $r->{body}", "503 static\n", 'a page for 503');
    like($r->{header}{'retry-after'}, qr/^\d+$/, 'Retry-After is there');
    $r = $httpd->get('/err502/?out=nothing&end');
    is("$r->{status} $r->{body}", '502 sorry',
       'a pool for the 502 of another');
    $r = $httpd->get('/errsame/?out=nothing&end');
    is($r->{status}, 502, 'a page that is broken as well');
    $r = $httpd->get('/err404/?status=404&text=own');
    is("$r->{status} $r->{body}", '404 own',
       "a worker's own 404 has the worker's own body");
}

# --- subrequests -------------------------------------------------------------
{
    mkdir "$dir/ssi" or die "mkdir: $!";
    my $include = sub { qq(<!--#include virtual="$_[0]" -->) };
    write_file("$dir/ssi/page.shtml", join "\n",
               '[' . $include->('/app/?text=one') . ']',
               '[' . $include->('/app/?big=100000') . ']',
               '[' . $include->('/raw/?out=nothing&end') . ']',
               '[' . $include->('/off/?text=two') . ']', 'end');
    for my $how ([], [body => 'x' x 70_000], [method => 'HEAD']) {
        my $r = $httpd->get('/ssi/page.shtml', @$how);
        is($r->{status}, 200, 'a page with includes: ' . ($how->[0] || ''));
        next if ($how->[0] || '') eq 'method';
        is($r->{error}, undef, 'is whole');
        like($r->{body}, qr/^\[one\]$/m, 'what a pool says');
        my ($big) = $r->{body} =~ /^\[([a-z]+)\]\n\[.*error/m;
        is(length($big || ''), 100_000, 'also much of it');
        like($r->{body}, qr/^\[two\]\nend$/m, 'and after an error');
    }
}

# --- the end -----------------------------------------------------------------
is(in_flight($_), 0, "$_: nothing is under way") for 'app', 'off', 'raw';
ends_well($httpd);
done_testing;
