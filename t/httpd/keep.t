#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# FcgiPMKeepConnections: requests that follow each other go on one connection to
# a worker, and are counted, logged and limited as any; but a connection is kept
# for a moment only, and from nobody who needs its worker.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(request);
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

my $dir = tmp_dir();
my $httpd;

# Sends END_REQUEST, then goes on working for a while.
my $after = write_file("$dir/after.pl", <<'END', 0755);
use FCGI;
my $request = FCGI::Request();
while ($request->Accept >= 0) {
    my ($ms) = ($ENV{QUERY_STRING} || '') =~ /after=(\d+)/;
    print "Content-Type: text/plain\r\n\r\npid=$$\n";
    $request->Finish;
    select undef, undef, undef, $ms / 1000 if $ms;
}
END

my @READY = ('FcgiPMKeepConnections on', 'KeepAlive On',
             'MaxKeepAliveRequests 0', 'KeepAliveTimeout 60');

sub server {
    my ($mpm, @line) = @_;
    $httpd = FCGIPM::Httpd->new(mpm => $mpm,
                                config => join "\n", @READY, @line, '');
    return ok($httpd->start, "httpd ($mpm)");
}

# --- clients ----------------------------------------------------------------

sub client {
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $httpd->port)
        || die "connect: $!";
}

# A request on a connection that stays.  Gives the answer's body.
sub ask_on {
    my ($s, $path, $body) = @_;
    my $method = defined $body ? 'POST' : 'GET';
    $body = '' unless defined $body;
    my $bytes = '';
    syswrite $s, "$method $path HTTP/1.1\r\nHost: x\r\n"
        . ($method eq 'POST' ? 'Content-Length: ' . length($body) . "\r\n" : '')
        . "\r\n$body";
    while (IO::Select->new($s)->can_read(30)) {
        sysread $s, $bytes, 65536, length $bytes or last;
        my ($head, $rest) = split /\r\n\r\n/, $bytes, 2;
        next unless defined $rest;
        return "status $1" if $head =~ m{^HTTP/1\.1 (?!200)(\d+)};
        return $rest if $head =~ /^Content-Length: (\d+)/mi
            ? length $rest >= $1 : $rest =~ s/\A([0-9a-f]+)\r\n(.*)\r\n0\r\n\r\n\z/$2/s;
    }
    return 'no answer';
}

sub of_pool { return $httpd->pool_status($_[0]) }

# So many requests one after the other.
sub chain {
    my ($s, $path, $n) = @_;
    my %body;
    $body{ ask_on($s, $path) }++ for 1 .. $n;
    return \%body;
}

# --- one client ---------------------------------------------------------------

sub kept {
    my ($mpm) = @_;
    server($mpm, "StartServers 1\nServerLimit 1\nThreadsPerChild 8",
           'MaxRequestWorkers 8', "CustomLog $dir/$mpm.log \"%{FCGIPM_WORKER}n\"",
           pool('app', 'loop', 'FcgiPMProcesses 2'), location('app'),
           pool('off', 'loop', 'FcgiPMKeepConnections off'), location('off'),
           pool('bare', 'loop', 'FcgiPMGuard off'), location('bare'),
           pool('tcp', 'loop', 'FcgiPMListen 127.0.0.1:' . free_port()),
           location('tcp'),
           pool('closes', [bin('ways'), '--wait', 'accept']), location('closes'))
        or return;
    my $s = client();
    my ($app, %body);
    my $n = 0;
    # on a busy machine they may not follow each other within 5 ms
    my $reused = wait_for {
        my $more = chain($s, '/app/', 100);
        $n += 100;
        $body{$_}++ for keys %$more;
        $app = of_pool('app');
        $app->{reused} > 100;
    } 60, 'requests that follow each other';
    is_deeply([grep { !/^pid=\d+ tag=loop\z/ } keys %body], [],
              'all are answered');
    ok($reused, "connections are used again ($app->{reused} of $n)");
    is($app->{requests}, $n, 'each request is counted');
    is($app->{in_flight}, 0, 'none is under way');
    is($app->{retried}, 0, 'none is retried');
    $httpd->counts('app', idle => 2, busy => 0);
    my %logged = map { $_ => 1 } split /\n/, slurp("$dir/$mpm.log");
    my %answered = map { /pid=(\d+)/ ? ($1 => 1) : () } keys %body;
    is_deeply(\%logged, \%answered, 'the log names the worker of each');

    # what may not be sent twice has a connection of its own
    my $before = of_pool('app')->{reused};
    ask_on($s, '/app/'), is(ask_on($s, '/app/', 'x') =~ /tag=loop/, 1, 'POST')
        for 1 .. 5;
    cmp_ok(of_pool('app')->{reused} - $before, '<=', 5, 'no POST is');

    for ('off', 'bare', 'tcp') {
        is(scalar(grep { !/tag=loop/ } keys %{ chain($s, "/$_/", 20) }), 0,
           "$_: answers");
        is(of_pool($_)->{reused}, 0, "$_: nothing is kept");
    }
    is(scalar(grep { !/tag=ways/ } keys %{ chain($s, '/closes/', 100) }), 0,
       'a program that closes: answers');
    my $closes = of_pool('closes');
    cmp_ok($closes->{reused} + $closes->{retried}, '<', 20,
           'and soon is asked to keep no more');
    is($closes->{requests}, 100, 'each is counted once');
    $s->close;
    ends_well($httpd);
    return;
}

# --- limits -------------------------------------------------------------------

sub limits {
    server('event', "StartServers 1\nServerLimit 1\nThreadsPerChild 8",
           'MaxRequestWorkers 8',
           pool('time', 'loop', 'FcgiPMRequestTimeout 1s'), location('time'),
           pool('many', 'loop', 'FcgiPMMaxRequests 50'), location('many'),
           pool('slow', 'loop', 'FcgiPMSlowLog 200ms'), location('slow'),
           pool('gone', 'loop'), location('gone'),
           pool('after', [$^X, $after], 'FcgiPMProcesses 2'), location('after'))
        or return;
    my $s = client();
    chain($s, '/time/', 20);
    is(ask_on($s, '/time/?sleep=20000'), 'status 504',
       'FcgiPMRequestTimeout: also of a later request');
    ok(wait_for { of_pool('time')->{timed_out} == 1 } 10, 'its worker is ended');
    is(ask_on($s = client(), '/time/') =~ /tag=loop/, 1, 'another answers');

    my $body = chain($s, '/many/', 500);
    is((grep { !/tag=loop/ } keys %$body), 0, 'FcgiPMMaxRequests: answers');
    cmp_ok(scalar keys %$body, '>=', 5, 'by ' . keys(%$body) . ' workers');
    cmp_ok(scalar keys %$body, '<=', 25, 'and not more');

    chain($s, '/slow/', 20);
    my ($pid) = ask_on($s, '/slow/?sleep=600') =~ /pid=(\d+)/;
    ok(wait_for { $httpd->log =~ /pid $pid: slow: .*sleep=600/ } 10,
       'FcgiPMSlowLog: names its worker') or diag($httpd->log);

    chain($s, '/gone/', 20);
    my $gone = client();
    ask_on($gone, '/gone/');
    syswrite $gone, "GET /gone/?sleep=300 HTTP/1.1\r\nHost: x\r\n\r\n";
    $httpd->counts('gone', busy => 1);
    close $gone;
    $httpd->counts('gone', busy => 0, in_flight => 0, aborted => 1);
    like(ask_on($s, '/gone/'), qr/tag=loop/, 'a client left: the next is served');

    # a worker that is at something else: nothing more is kept for it to do
    chain($s, '/after/', 5);
    my $kept = sub { of_pool('after')->{reused} };
    my $before = $kept->();
    ok(wait_for {
           ask_on($s, '/after/?after=600');
           ask_on($s, '/after/') =~ /pid=/ or return 0;
           $kept->() > $before;
       } 30, 'a worker goes on after its answer: it answers the next, later');
    $before = $kept->();
    chain($s, '/after/', 20);
    is($kept->(), $before, 'then its connections are not kept');
    $s->close;
    ends_well($httpd);
    return;
}

# --- other children ------------------------------------------------------------

# Clients, two of each child; of several children at least, as who accepts a
# connection is a matter of luck.
sub clients_of_children {
    my (%of, @pairs);
    wait_for {
        my $s = client();
        ask_on($s, '/static.txt');
        my ($child) = $httpd->children_of($s);
        push @{ $of{$child} }, $s if $child;
        @pairs = grep { @$_ > 1 } values %of;
        @pairs > 1;
    } 30, 'two clients in each of two children';
    return map { [@$_[0, 1]] } @pairs;
}

sub percentile {
    my ($part, @time) = @_;
    return (sort { $a <=> $b } @time)[int $part * $#time];
}

sub took {
    my ($s, $path) = @_;
    my $begin = time;
    like(ask_on($s, $path), qr/tag=loop/, "$path: an answer");
    return time - $begin;
}

# Two workers have just answered clients of one child, which keeps connections
# to them, when a client of another child asks.
sub after_others {
    my ($pool, $first, $second) = @_;
    my @time;
    for (1 .. 30) {
        sleep 0.06; # connections are kept again
        ask_on($_, "/$pool/") for @$first;
        my @begun = map { syswrite $_, "GET /$pool/?sleep=5 HTTP/1.1\r\n"
                                     . "Host: x\r\n\r\n"; $_ } @$first;
        for (@begun) {
            my $bytes = '';
            sysread $_, $bytes, 65536, length $bytes or die 'no answer'
                until $bytes =~ /tag=loop/;
        }
        push @time, took($second->[0], "/$pool/");
    }
    return @time;
}

# Two clients of one child never stop; how long do those of others take?
sub beside_others {
    my ($pool, $first, @other) = @_;
    my @busy = map {
        my $s = $_;
        my $pid = fork;
        defined $pid or die "fork: $!";
        if (!$pid) {
            1 while ask_on($s, "/$pool/") =~ /tag=loop/;
            POSIX::_exit(1);
        }
        $pid;
    } @$first;
    my @time;
    for my $i (1 .. 100) {
        push @time, took($other[$i % @other][0], "/$pool/");
        sleep 0.003;
    }
    kill 'KILL', @busy;
    waitpid $_, 0 for @busy;
    return @time;
}

sub others {
    server('event', "StartServers 4\nServerLimit 4\nThreadsPerChild 16",
           "MaxRequestWorkers 64\nMinSpareThreads 48\nMaxSpareThreads 256",
           map { (pool($_, 'loop', 'FcgiPMProcesses 2',
                       "FcgiPMKeepConnections $_"), location($_)) } 'on', 'off')
        or return;
    my @child = clients_of_children();
    cmp_ok(scalar @child, '>', 1, 'clients of different children') or return;
    # not the 5 ms after which idle ones are closed anyway; a busy machine makes
    # most others longer, so the best ones tell, and of several tries one
    my %best;
    my $soon = wait_for {
        %best = map { ($_ => 1000 * percentile(0.1, after_others($_, @child[0, 1]))) }
            'on', 'off';
        $best{on} < $best{off} + 0.7;
    } 30, 'a worker that another child has kept';
    ok($soon, sprintf 'another child keeps connections to both workers: no wait '
           . '(%.1f ms, %.1f ms)', @best{qw(on off)});

    my %time = map { ($_ => [beside_others($_, reverse @child)]) } 'on', 'off';
    my %most = map { ($_ => 1000 * percentile(0.9, @{ $time{$_} })) } keys %time;
    cmp_ok($most{on}, '<', 1.5 * $most{off} + 5,
           sprintf 'another child has requests without end: no longer waits '
               . '(%.1f ms, %.1f ms)', @most{qw(on off)});
    cmp_ok(of_pool('on')->{reused}, '>', 0, 'meanwhile connections are kept');
    ends_well($httpd);
    return;
}

my %part = (kept => sub { kept($_) for 'event', 'worker' }, limits => \&limits,
            others => \&others);
$part{$_}->() for @ARGV ? @ARGV : qw(kept limits others);
done_testing;
