#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Bodies of requests and answers: any length, both ways at once, at constant
# memory, and clients that are slow or go away.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Compress::Zlib qw(adler32);
use Digest::MD5 ();
use FCGIPM::HTTP;
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Select;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER SO_RCVBUF);
use Test::More;
use Time::HiRes qw(time);

my $curl = have('curl') or die "curl is missing\n";
my $raw = [$^X, bin('raw.pl')];
my $dir = tmp_dir();
my $config = join '',
    pool('app', 'worker', 'FcgiPMProcesses 2'), location('app'),
    pool('small', 'worker', 'FcgiPMRequestBuffer 1K'), location('small'),
    pool('off', 'worker', 'FcgiPMProcesses 2', 'FcgiPMRequestBuffer off'),
    location('off'),
    pool('one', 'worker'), location('one'),
    pool('raw', $raw), location('raw'),
    pool('rawoff', $raw, 'FcgiPMRequestBuffer off'), location('rawoff'),
    map { "<Location /limit$_>\n    SetHandler fcgipm:$_\n"
          . "    LimitRequestBody 100000\n</Location>\n" } 'app', 'off';
$config .= "<Location /rawoff>\n    LimitRequestBody 0\n</Location>\n";
my $WORKERS = 8;

my $httpd = FCGIPM::Httpd->new(config => $config);
ok($httpd->start, 'httpd');
is(scalar $httpd->workers($WORKERS), $WORKERS, 'the workers');

# --- helpers -----------------------------------------------------------------

my $block = join '', map { chr 32 + $_ * 7 % 95 } 0 .. 65_535;

sub bytes_of {
    my ($size) = @_;
    return substr $block x (1 + $size / length $block), 0, $size;
}

sub sum_of {
    return sprintf "length=%d adler32=%08lx\n", length $_[0], adler32($_[0]);
}

# A connection on which a request has begun.
sub begin {
    my ($text) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $httpd->port)
        or die "connect: $!";
    print {$s} $text;
    $s->flush;
    return $s;
}

sub head {
    my ($method, $path, @line) = @_;
    return join "\r\n", "$method $path HTTP/1.1", 'Host: x',
        'Connection: close', @line, '', '';
}

# Reads until what came matches, or the end.  Gives all of it.
sub until_match {
    my ($s, $pattern, $seconds) = @_;
    my $deadline = time + ($seconds || 20);
    my $ready = IO::Select->new($s);
    my $bytes = '';
    while ($bytes !~ $pattern) {
        my $left = $deadline - time;
        last if $left <= 0 || !$ready->can_read($left);
        sysread $s, $bytes, 65_536, length $bytes or last;
    }
    return $bytes;
}

# The client's process dies: no goodbye, what was sent to it comes back.
sub vanish {
    my ($s) = @_;
    setsockopt $s, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
    close $s;
    return;
}

sub in_flight {
    my ($pool) = @_;
    my $status = $httpd->status($pool) or return -1;
    return $status->{pools}[0]{in_flight};
}

sub comes_to {
    my ($pool, $n) = @_;
    return wait_for { in_flight($pool) == $n } 10, "$n in flight in $pool";
}

sub soon {
    my ($path) = @_;
    my $begin = time;
    my $r = $httpd->get($path, timeout => 10);
    return !$r->{error} && $r->{status} == 200 && time - $begin < 2;
}

# --- lengths -----------------------------------------------------------------
for my $pool ('app', 'small', 'off') {
    my @wrong;
    for my $size (0, 1, 2, 1023, 1024, 1025, 8191, 8192, 65_527, 65_528,
                  65_534, 65_535, 65_536, 65_537, 131_069, 131_070, 131_071,
                  524_279, 524_280, 524_281, 1_048_577) {
        my $body = bytes_of($size);
        for my $chunk (undef, 1000, 65_536) {
            my @how = $chunk ? (chunked => $chunk) : ();
            my $r = $httpd->get("/$pool/?echo", body => $body, @how);
            push @wrong, "$size, chunks of " . ($chunk || 0) . ": $r->{body}"
                unless $r->{body} eq sum_of($body);
        }
    }
    is_deeply(\@wrong, [], "$pool: bodies of 0 bytes to 1 MB");
    @wrong = ();
    for my $size (0, 1, 1025, 65_536, 65_537) {
        for my $chunk (undef, 1, 10_000) {
            next if ($chunk || 0) == 1 && $size > 2000;
            my $r = $httpd->get("/$pool/?env", body => 'x' x $size,
                                $chunk ? (chunked => $chunk) : ());
            my ($length) = $r->{body} =~ /^CONTENT_LENGTH=(.*)$/m;
            push @wrong, "$size: " . (defined $length ? $length : 'none')
                unless defined $length && $length eq $size;
            push @wrong, "$size: $1" if $r->{body} =~ /^(HTTP_TRANSFER_.*)$/m;
        }
    }
    is_deeply(\@wrong, [], "$pool: CONTENT_LENGTH is always there, and true");
    unlike($httpd->get("/$pool/?env")->{body}, qr/^CONTENT_LENGTH=/m,
           'but for a request without a body');
    my $r = $httpd->get("/$pool/?env", chunked => 5, body => '',
                        method => 'PUT');
    like($r->{body}, qr/^CONTENT_LENGTH=0$/m, 'a chunked one of nothing');
}
is($httpd->get('/raw/?' . join('&', 'out=A:%20b%0d%0a%0d%0a', 'body', 'eof',
                               'end'), body => bytes_of(300_000))->{body},
   "length=300000\n", 'STDIN ends with its empty record');

# --- more than 32 bits can say -------------------------------------------------
{
    my $s = begin(head('POST', '/rawoff/?' . join('&', 'early',
        'out=A:%20b%0d%0a%0d%0a', 'params', 'eof', 'end'),
        'Content-Length: 5000000000'));
    like(until_match($s, qr/^CONTENT_LENGTH=.*\n/m),
         qr/^CONTENT_LENGTH=5000000000$/m, 'a body of 5 GB is announced');
    $s->close;
    my $r = $httpd->get('/raw/?' . join('&',
        'out=Content-Length:%205000000000%0d%0a%0d%0a', 'eof', 'end'),
        method => 'HEAD');
    is($r->{header}{'content-length'}, 5_000_000_000, 'an answer of 5 GB');
}

# --- Expect: 100-continue ----------------------------------------------------
for my $pool ('app', 'off') {
    my $body = bytes_of(70_000);
    my $s = begin(head('POST', "/$pool/?echo", 'Expect: 100-continue',
                       'Content-Length: ' . length $body));
    like(until_match($s, qr/\r\n\r\n/), qr{\AHTTP/1\.1 100 Continue\r\n},
         "$pool: Expect: 100-continue is answered first");
    print {$s} $body;
    $s->flush;
    my $answer = until_match($s, qr/adler/);
    like($answer, qr{\AHTTP/1\.1 200 }, 'then the request');
    like($answer, qr/\Q${\ sum_of($body)}\E/, 'with its body');

    $s = begin(head('POST', "/limit$pool/?echo", 'Expect: 100-continue',
                    'Content-Length: 100001'));
    like(until_match($s, qr/\r\n\r\n/), qr{\AHTTP/1\.1 413 },
         'a body that is too long is not asked for');
}

# --- LimitRequestBody --------------------------------------------------------
for my $pool ('app', 'off') {
    for my $chunk (undef, 5000) {
        my @how = $chunk ? (chunked => $chunk) : ();
        my $what = "$pool: " . ($chunk ? 'chunked' : 'with a length');
        my $r = $httpd->get("/limit$pool/?echo", @how,
                            body => bytes_of(100_000));
        is($r->{body}, sum_of(bytes_of(100_000)),
           "$what, as long as LimitRequestBody allows");
        $r = $httpd->get("/limit$pool/?echo", @how,
                         body => bytes_of(100_001));
        is($r->{status}, 413, "$what, a byte more: 413");
        $r = $httpd->get("/limit$pool/?echo", @how,
                         body => bytes_of(400_000));
        is($r->{status}, 413, 'many more: 413');
    }
}
for my $pool ('app', 'off') {
    my ($bytes) = talk($httpd->port,
        head('POST', "/$pool/?echo", 'Transfer-Encoding: chunked')
        . "5\r\nhello\r\nzz\r\n");
    like($bytes, qr{\AHTTP/1\.1 400 }, "$pool: chunks that are none: 400");
}

# --- both ways at once -------------------------------------------------------
my $length = 20_000_000;
write_file("$dir/body", bytes_of($length), 0644);
sub curl_to_end {
    my ($seconds, @arg) = @_;
    my $proc = start(cmd => [$curl, '-sS', '-m', $seconds, @arg],
                     out => "$dir/curl.out", err => "$dir/curl.err");
    return $proc->wait($seconds + 10);
}

sub md5 {
    my ($path) = @_;
    open my $fh, '<', $path or return '';
    return Digest::MD5->new->addfile($fh)->hexdigest;
}

my $base = 'http://127.0.0.1:' . $httpd->port;
for my $pool ('app', 'off') {
    for my $line (['-T', "$dir/body"],
                  ['-T', "$dir/body", '-H', 'Transfer-Encoding: chunked']) {
        unlink "$dir/back";
        is(curl_to_end(30, @$line, '-o', "$dir/back", "$base/$pool/?cat"), 0,
           "$pool: 20 MB that a worker sends back while it reads");
        is(md5("$dir/back"), md5("$dir/body"), 'come back as they were');
    }
}
my $early = 'early&out=Content-Type:%20text/plain%0d%0a%0d%0a';
for my $pool ('raw', 'rawoff') {
    my @wrong;
    for my $size (1000, 70_000, 300_000, 5_000_000) {
        for my $script ("$early&out=never&eof&end",
                        "$early&out=before&eof&end&read",
                        "$early&out=bef&sleep=20&out=ore&read&eof&end",
                        "$early&out=before&read&eof&end",
                        "$early&fill=200000&read&eof&end") {
            my $r = $httpd->get("/$pool/?$script", body => bytes_of($size));
            my $want = $script =~ /fill/ ? 200_000
                : $script =~ /never/ ? 5 : 6;
            push @wrong, "$size, $script: $r->{status} "
                . ($r->{error} || length $r->{body})
                unless $r->{status} == 200 && !$r->{error}
                && length $r->{body} == $want;
        }
    }
    is_deeply(\@wrong, [],
              "$pool: answers before, without and while the body is read");
}

# --- 200 MB at constant memory -----------------------------------------------
my $huge = 200_000_000;
{
    open my $fh, '>', "$dir/huge" or die "huge: $!";
    truncate $fh, $huge or die "truncate: $!";
    chmod 0644, "$dir/huge";
}
my $huge_sum = do {
    my $zeros = "\0" x 1_000_000;
    my $sum = adler32('');
    $sum = adler32($zeros, $sum) for 1 .. $huge / length $zeros;
    sprintf "length=%d adler32=%08lx\n", $huge, $sum;
};

# The most memory of its own that an httpd child has, kB.
sub largest {
    my $manager = $httpd->manager || 0;
    my ($most) = sort { $b <=> $a }
        map { proc_status($_)->{RssAnon} =~ /(\d+)/ ? $1 : 0 }
        grep { $_ != $manager } children($httpd->pid);
    return $most;
}

# Runs curl; its exit status and how much an httpd child has grown, MB.
sub growth {
    my (@arg) = @_;
    my $before = largest();
    my $most = $before;
    my $proc = start(cmd => [$curl, '-sS', '-m', 60, @arg],
                     out => "$dir/curl.out", err => "$dir/curl.err");
    wait_for {
        my $now = largest();
        $most = $now if $now > $most;
        !$proc->alive
    } 60, 'curl';
    return ($proc->wait(10), ($most - $before) / 1024);
}

my @grown;
for my $row (['up, through a file', 'app', ['-T', "$dir/huge"]],
             ['up, streamed', 'off', ['-T', "$dir/huge"]],
             ['up, chunked', 'app',
              ['-T', "$dir/huge", '-H', 'Transfer-Encoding: chunked']],
             ['down', 'app', []]) {
    my ($name, $pool, $arg) = @$row;
    my $url = "$base/$pool/" . (@$arg ? '?echo' : "?big=$huge");
    unlink "$dir/curl.out";
    my ($status, $grown) = growth(@$arg, @$arg ? () : ('-o', '/dev/null',
        '-w', '%{size_download}'), $url);
    is($status, 0, "200 MB $name");
    is(slurp("$dir/curl.out"), @$arg ? $huge_sum : $huge, 'all of it');
    cmp_ok($grown, '<', 12, 'at constant memory of httpd');
    push @grown, sprintf '%s %.1f MB', $name, $grown;
}
diag('httpd grew by: ', join ', ', @grown);
unlink "$dir/huge";

# --- half a body holds no worker ---------------------------------------------
{
    my @half = map {
        begin(head('POST', '/one/?echo', 'Content-Length: 100000')
              . 'x' x 50_000)
    } 1 .. 3;
    push @half, map {
        begin(head('POST', '/one/?echo', 'Transfer-Encoding: chunked')
              . "c350\r\n" . 'x' x 50_000 . "\r\n")
    } 1 .. 3;
    # Seen by httpd: each has a thread of its own by now, or the next one.
    ok(soon('/one/?text=x') && soon('/one/?text=x'),
       'six uploads that do not go on: the one worker answers others');
    is(in_flight('one'), 0, 'none of them is counted');
    for my $i (0 .. $#half) {
        my $s = $half[$i];
        print {$s} $i < 3 ? 'x' x 50_000
            : "c350\r\n" . 'x' x 50_000 . "\r\n0\r\n\r\n";
        $s->flush;
        like(until_match($s, qr/adler.*\n/), qr/length=100000 /,
             'when it goes on it is answered');
    }
}

# --- nor does a client that does not read ------------------------------------
{
    my $size = 40_000_000;      # more than the kernel keeps for a connection
    my @slow = map {
        my $s = begin("GET /one/?big=$size HTTP/1.0\r\n\r\n");
        setsockopt $s, SOL_SOCKET, SO_RCVBUF, 65_536;
        like(until_match($s, qr/\r\n\r\n/), qr{\AHTTP/1\.1 200 },
             'an answer that is not read on');
        $s
    } 1 .. 3;
    ok(soon('/one/?text=x'),
       'three clients that do not read: the one worker answers others');
    ok(comes_to('one', 0), 'none of them is under way');
    my $left = 0;
    for my $s (@slow) {
        my $bytes = until_match($s, qr/\A(?!)/, 30);
        $left += length $bytes;
    }
    cmp_ok($left, '>', 3 * $size - 3 * 65_536,
           'and when they read on they get the rest of it');
}

# --- a streamed body ---------------------------------------------------------
# More than the worker's socket takes: what the worker then reads has been here
# for long.
{
    unlink "$dir/sent";
    my $s = begin(head('POST', "/rawoff/?early&until=$dir/sent&read"
                       . '&out=A:%20b%0d%0a%0d%0a&body&longest&eof&end',
                       'Content-Length: 400000') . 'x' x 400_000);
    write_file("$dir/sent", '');
    my $said = until_match($s, qr/longest=\d+\n/);
    like($said, qr/length=400000\n/, 'a streamed body comes whole');
    like($said, qr/longest=65535\n/, 'in records as long as they can be');
}

# --- clients that go away ----------------------------------------------------
for my $row (['by a reset', \&vanish], ['in order', sub { close $_[0] }]) {
    my ($how, $leave) = @$row;
    my $s = begin(head('POST', '/one/?echo', 'Content-Length: 100000')
                  . 'x' x 50_000);
    ok(soon('/one/?text=x'), 'half an upload');
    $leave->($s);
    ok(soon('/one/?text=x'), "its client goes $how: the pool serves on");
    is(in_flight('one'), 0, 'nothing is under way');

    my $told = write_file("$dir/told", '', 0666);
    $s = begin(head('POST', "/rawoff/?early&rest=$told",
                    'Content-Length: 100000') . 'x' x 50_000);
    ok(comes_to('rawoff', 1), 'a streamed upload is under way');
    $leave->($s);
    ok(comes_to('rawoff', 0), "its client goes $how: no more");
    ok(wait_for { slurp($told) =~ /\n/ } 10, 'the worker is told');
    is(slurp($told), "5 2 eof\n", 'FCGI_ABORT_REQUEST after half of STDIN');
    ok(soon('/rawoff/?ok'), 'and is free');

    $s = begin(head('GET', '/one/?big=2000000000'));
    like(until_match($s, qr/\r\n\r\n.{1000}/s), qr/200 OK/, 'a download');
    is(in_flight('one'), 1, 'is under way') if $how eq 'by a reset';
    $leave->($s);
    ok(comes_to('one', 0), "its client goes $how: no more");
    ok(soon('/one/?text=x'), 'the worker is free');

    $told = write_file("$dir/told", '', 0666);
    $s = begin(head('GET', "/raw/?out=A:%20b%0d%0a%0d%0a&fill=9000000"
                    . "&rest=$told"));
    like(until_match($s, qr/\r\n\r\n.{1000}/s), qr/200 OK/,
         'a download, the worker then waits');
    $leave->($s);
    ok(wait_for { slurp($told) =~ /\n/ } 10, 'its worker is told');
    is(slurp($told), "2 eof\n", 'FCGI_ABORT_REQUEST');
    ok(comes_to('raw', 0), 'nothing is under way');
}

# --- the end -----------------------------------------------------------------
is(scalar $httpd->workers($WORKERS), $WORKERS, 'the workers are there');
ends_well($httpd);
done_testing;
