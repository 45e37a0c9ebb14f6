#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A client that leaves: which requests go on, which are dropped or aborted
# (FcgiPMIgnoreClientAbort), and what is counted as aborted.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::HTTP2;
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Select;
use IO::Socket::INET;
use Test::More;

my $dir = tmp_dir();
chmod 0777, $dir;
my $raw = [$^X, bin('raw.pl')];
my $config = "Protocols h2c http/1.1\nLogLevel fcgipm:info\n" . join '',
    pool('one', $raw), location('one'),
    pool('auto', $raw, 'FcgiPMProcesses 3'), location('auto'),
    pool('on', $raw, 'FcgiPMProcesses 2', 'FcgiPMIgnoreClientAbort on'),
    location('on'),
    pool('off', $raw, 'FcgiPMProcesses 2', 'FcgiPMIgnoreClientAbort off'),
    location('off');
my $httpd = FCGIPM::Httpd->new(config => $config, modules => ['http2']);
ok($httpd->start, 'httpd') or BAIL_OUT('no httpd');
$httpd->workers(8);

# --- clients ----------------------------------------------------------------

sub connected {
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $httpd->port)
        || die "connect: $!";
}

sub ask {
    my ($method, $path) = @_;
    my $s = connected();
    my $body = $method eq 'POST' ? 'x' x 10 : '';
    syswrite $s, "$method $path HTTP/1.1\r\nHost: x\r\n"
        . ($body ? "Content-Length: 10\r\n" : '') . "\r\n$body";
    return $s;
}

# What comes until it matches, or the end.
sub read_to {
    my ($s, $pattern) = @_;
    my $bytes = '';
    while ($bytes !~ $pattern && IO::Select->new($s)->can_read(20)) {
        sysread $s, $bytes, 65_536, length $bytes or last;
    }
    return $bytes;
}

# --- what is seen -----------------------------------------------------------

my $n = 0;
sub script {
    my ($pool, $name, $begin) = @_;
    return "/$pool/?" . ($begin || 'out=A:b%0a%0a')
        . "&until=$dir/go$n&kept=$dir/$name&eof&end";
}

sub go { write_file("$dir/go$n", '', 0644); $n++; return }

sub aborted { return $httpd->pool_status($_[0])->{aborted} }

# --- in the queue -----------------------------------------------------------
{
    my $before = aborted('one');
    my $held = ask(GET => "/one/?until=$dir/go$n&ok");
    $httpd->counts('one', busy => 1);
    my @gone;
    for my $i (1 .. 3) {
        push @gone, ask(POST => "/one/?note=$dir/cron&ok"),
            ask(GET => "/one/?note=$dir/page&ok");
    }
    $httpd->counts('one', queue => 6);
    close $_ for @gone;
    go();
    $httpd->counts('one', queue => 0, in_flight => 0, aborted => $before + 3);
    is(count_lines("$dir/cron", '.'), 3,
       'POST: each that waits runs, its client has gone');
    ok(!-e "$dir/page", 'GET: none');
    close $held;

    # HEAD is GET here, and the other unsafe methods are POST
    $held = ask(GET => "/one/?until=$dir/go$n&ok");
    $httpd->counts('one', busy => 1);
    @gone = map { ask($_ => "/one/?note=$dir/$_&ok") } qw(HEAD PUT DELETE);
    $httpd->counts('one', queue => 3);
    close $_ for @gone;
    go();
    $httpd->counts('one', queue => 0, in_flight => 0, aborted => $before + 4);
    is(join(' ', grep { -e "$dir/$_" } qw(HEAD PUT DELETE)), 'PUT DELETE',
       'PUT and DELETE as POST, HEAD as GET');
}

# --- at a worker ------------------------------------------------------------
# Each row: a request that goes on without its client; one of the same pool
# that does not is the sign that httpd has looked.
my $announced = 'out=Content-Length:4%0a%0adone';
for (['a POST', 'auto', sub { ask(POST => script('auto', 'post')) }, 'post'],
     ['a GET whose announced answer is delivered', 'auto', sub {
          my $s = ask(GET => script('auto', 'get', $announced));
          like(read_to($s, qr/done/), qr/done\z/, 'the answer comes');
          return $s;
      }, 'get']) {
    my ($what, $pool, $start, $name) = @$_;
    my $before = aborted($pool);
    my $stays = $start->();
    my $other = ask(GET => script($pool, 'dropped'));
    $httpd->counts($pool, busy => 2);
    close $stays;
    close $other;
    $httpd->counts($pool, in_flight => 1, aborted => $before + 1);
    go();
    ok(wait_for { -e "$dir/$name" } 20, "$what goes on without its client");
    $httpd->counts($pool, busy => 0, in_flight => 0, aborted => $before + 1);
    ok(!-e "$dir/dropped", 'a GET that is not answered is aborted');
}

# --- what a pool wants ------------------------------------------------------
{
    my $before = aborted('off');
    my $s = ask(POST => script('off', 'off'));
    $httpd->counts('off', busy => 1);
    close $s;
    $httpd->counts('off', in_flight => 0, aborted => $before + 1);
    go();
    $httpd->counts('off', busy => 0);
    ok(!-e "$dir/off", 'FcgiPMIgnoreClientAbort off: a POST is aborted');

    $before = aborted('on');
    $s = ask(GET => script('on', 'on', 'out=A:b%0a%0a&fill=3000000'));
    $httpd->counts('on', busy => 1);
    read_to($s, qr/abc/);
    close $s;
    # another client of the same httpd is served meanwhile
    is($httpd->get('/on/?ok')->{body}, "ok\n", 'another is served');
    go();
    ok(wait_for { -e "$dir/on" } 20,
       'FcgiPMIgnoreClientAbort on: a GET goes on');
    $httpd->counts('on', busy => 0, in_flight => 0, aborted => $before);
}

# --- only its sending side --------------------------------------------------
{
    my $s = ask(POST => script('auto', 'half', $announced));
    $httpd->counts('auto', busy => 1);
    shutdown $s, 1;
    go();
    like(read_to($s, qr/done/), qr/done/,
         'a POST whose client has closed its sending side is answered');
    $httpd->counts('auto', busy => 0);
}

# --- HTTP/2 -----------------------------------------------------------------
{
    my $before = aborted('auto');
    my $s = h2_connected($httpd->port);
    h2_ask($s, 1, POST => script('auto', 'h2post'));
    h2_ask($s, 3, GET => script('auto', 'h2get'));
    $httpd->counts('auto', busy => 2);
    h2_reset($s, 1);
    h2_reset($s, 3);
    $httpd->counts('auto', in_flight => 1, aborted => $before + 1);
    go();
    ok(wait_for { -e "$dir/h2post" } 20, 'HTTP/2: a POST that is reset goes on');
    $httpd->counts('auto', busy => 0, in_flight => 0, aborted => $before + 1);
    ok(!-e "$dir/h2get", 'a GET that is reset is aborted');
    close $s;

    my $logged = length $httpd->log;
    for my $i (1 .. 10) {
        $s = h2_connected($httpd->port);
        h2_ask($s, 1, GET => "/auto/?$announced&until=$dir/go$n&eof&end");
        like(read_to($s, qr/done/), qr/done/, 'HTTP/2: the answer comes');
        close $s;
        go();
        $httpd->counts('auto', busy => 0, in_flight => 0,
                       aborted => $before + 1);
    }
    unlike(substr($httpd->log, $logged), qr/could not be passed on/,
           'HTTP/2: what was answered is not told as failed');
}

ends_well($httpd);
done_testing;
