#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Requests wait without a thread beside other modules that look at them, keep
# count of them or keep their answers: each does what it does without.  Modules
# that httpd does not bring are taken from its directory, or from that of
# FCGIPM_MODULES; what is in neither is left out.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::HTTP qw(ask_at rest_of status_of);
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(sleep);

my $N = $ENV{FCGIPM_PARK} || 40;

my $dir = tmp_dir();
my ($httpd, $go) = (undef, 0);

sub ask { return ask_at($httpd->port, @_) }
sub go { write_file("$dir/go$go", '', 0644); $go++; return }

sub hold {
    my $s = ask("/one/?until=$dir/go$go&text=held");
    $httpd->counts('one', busy => 1, queue => 0);
    return $s;
}

sub post {
    my ($body) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $httpd->port)
        or die "connect: $!";
    syswrite $s, "POST /one/?echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        . "Content-Type: application/x-www-form-urlencoded\r\n"
        . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
    return $s;
}

sub statuses {
    my %got;
    $got{ status_of($_) }++ for @_;
    return \%got;
}

sub third_party {
    my ($file) = @_;
    my ($path) = grep { -e } map { "$_/mod_$file.so" }
        FCGIPM::Httpd::modules_dir(), $ENV{FCGIPM_MODULES} || ();
    return $path;
}

sub server {
    my ($modules, @line) = @_;
    $httpd = FCGIPM::Httpd->new(
        modules => $modules,
        config => join "\n", 'AsyncRequestWorkerFactor 100', 'FcgiPMPark on',
            'FcgiPMIOTimeout 10min', pool('one', 'worker'), location('one'),
            @line, '');
    ok($httpd->start, 'httpd') or return;
    # an answer that takes long: no request waits at the worker's own socket
    my $held = hold();
    sleep 0.2;
    go();
    return is(status_of($held), 200, 'a pool');
}

# N requests wait, one has a worker.
sub waits {
    my (@more) = @_;
    my $held = hold();
    my @s = (map({ ask("/one/?sleep=1&text=x$_") } 1 .. $N), @more);
    $httpd->counts('one', parked => scalar @s);
    go();
    is_deeply(statuses($held, @s[0 .. $N - 1]), { 200 => $N + 1 },
              'all that wait are answered');
    return;
}

sub ends_quiet {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return $httpd->counts('one', queue => 0, in_flight => 0, parked => 0,
                          blocked => 0);
}

# --- modules ----------------------------------------------------------------

# The clock of a request that waits does not run, that of one that comes slowly
# does.
sub reqtimeout {
    server(['reqtimeout'], 'RequestReadTimeout header=1 body=1') or return;
    my $held = hold();
    my @s = map { post("a=$_") } 1 .. 5;
    my $slow = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $httpd->port);
    syswrite $slow, "POST /one/?echo HTTP/1.1\r\nHost: x\r\n"
        . "Content-Length: 10\r\n\r\nab";
    $httpd->counts('one', parked => 5);
    is(status_of($slow), 408, 'a body that does not come');
    go();
    is_deeply(statuses($held, @s), { 200 => 6 }, 'those that waited longer');
    return;
}

# An answer is kept though its request waited, and comes from there while the
# worker is busy.
sub cache_disk {
    mkdir "$dir/cache" or die "mkdir: $!";
    chown worker_uid(), worker_gid(), "$dir/cache" if $> == 0;
    server(['cache', 'cache_disk'], "CacheRoot $dir/cache",
           'CacheEnable disk /one/', 'CacheLock on', "CacheLockPath $dir/cache",
           'CacheIgnoreQueryString off') or return;
    my $page = '/one/?header=Cache-Control:+max-age%3D600&pid';
    my $fresh = ask($page);
    like(rest_of($fresh), qr/pid=\d+ tag=\S* requests=2\b/, 'an answer');
    my $held = hold();
    my $other = '/one/?header=Cache-Control:+max-age%3D600&text=kept';
    my @s = map { ask($other) } 1 .. 3;
    $httpd->counts('one', parked => 3);
    like(rest_of(ask($page)), qr/requests=2\b/,
         'comes from the cache while others wait');
    go();
    like(rest_of($_), qr/kept/, 'one that waited') for @s;
    is(status_of($held), 200, 'and the one before');
    $held = hold();
    like(rest_of(ask($other)), qr/kept/,
         'what came after a wait is kept, too');
    go();
    return status_of($held);
}

# Bodies of requests and of answers are looked at, before and after the wait.
sub security2 {
    server(['unique_id'], "LoadModule security2_module $_[0]",
           'SecRuleEngine On', 'SecRequestBodyAccess On',
           'SecResponseBodyAccess On', 'SecResponseBodyMimeType text/plain',
           "SecDataDir $dir", "SecTmpDir $dir",
           'SecRule ARGS "@contains evil" "id:1,phase:2,deny,status:403"',
           'SecRule RESPONSE_BODY "@contains secret"'
               . ' "id:2,phase:4,deny,status:406"') or return;
    my $secret = ask('/one/?sleep=1&text=sec%72et');
    is(status_of($secret), 406, 'an answer that is not to leave');
    is(status_of(post('a=evil')), 403, 'a body that is not to come in');
    my $held = hold();
    is(status_of(post('a=evil')), 403, 'nor does it wait');
    my @s = (ask('/one/?sleep=1&text=sec%72et'), post('a=good'),
             ask('/one/?text=x'));
    $httpd->counts('one', parked => 3);
    go();
    is(status_of($s[0]), 406, 'an answer after a wait');
    like(rest_of($s[1]), qr/length=6/, 'a body that has been looked at');
    like(rest_of($s[2]), qr{^HTTP/1\.1 200 .*x}s, 'and no body');
    is(status_of($held), 200, 'the one before');
    return waits();
}

# Who asks for a page too often is turned away at once, and the others wait.
# Each child counts for itself.
sub evasive20 {
    server([], "LoadModule evasive20_module $_[0]", 'StartServers 1',
           'ServerLimit 1', 'MaxRequestWorkers 16', 'DOSHashTableSize 3097',
           'DOSPageCount 20', 'DOSPageInterval 600', 'DOSSiteCount 100000',
           'DOSSiteInterval 1', 'DOSBlockingPeriod 600') or return;
    my $held = hold();
    my @s = map { ask('/one/?text=x') } 1 .. 10;
    $httpd->counts('one', parked => 10);
    push @s, map { ask('/one/?text=x') } 1 .. 20;
    is(status_of($s[-1]), 403, 'one too many');
    my $parked = $httpd->pool_status('one')->{parked};
    go();
    my $got = statuses(@s[0 .. 28]);
    is($got->{200}, $parked, "$parked that have waited");
    is($got->{200} + $got->{403}, 29, 'all others are turned away');
    return status_of($held);
}

# Requests that wait count for its limits, and are given back.
sub qos {
    my ($pcre) = glob '/lib/*/libpcre.so.3';    # Debian's does not name it
    server([], $pcre ? "LoadFile $pcre" : (), "LoadModule qos_module $_[0]", 'QS_LocRequestLimitDefault 1000',
           'QS_LocRequestLimit /one 21', 'QS_ErrorResponseCode 503') or return;
    for (1 .. 2) {
        my $held = hold();
        my @s = map { ask('/one/?sleep=1&text=x') } 1 .. 20;
        $httpd->counts('one', parked => 20);
        is(status_of(ask('/one/?text=x')), 503, 'one more than it lets in');
        go();
        is_deeply(statuses($held, @s), { 200 => 21 }, 'the others');
    }
    return;
}

# --- all of it --------------------------------------------------------------

my @only = @ARGV;
for (['reqtimeout', \&reqtimeout], ['cache_disk', \&cache_disk],
     ['security2', \&security2], ['evasive20', \&evasive20], ['qos', \&qos]) {
    my ($name, $run) = @$_;
    next if @only && !grep { $_ eq $name } @only;
    my $path = third_party($name);
    if (!$path) {
        diag("mod_$name is not installed");
        next;
    }
    subtest($name, sub {
        $run->($path);
        ends_quiet();
        ends_well($httpd) if $httpd->alive;
        done_testing;
    });
}
done_testing;
