#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# FcgiPMKeepConnections: requests that follow each other go on one connection to
# a worker, and are counted, logged and limited as any; but a connection is kept
# for a moment only, and from nobody who needs its worker.
use strict;
use warnings;

use Config;
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

# The child of a request speaks late, on the connection it has inherited: FCGI.pm
# ends the request once more when it exits.
my $forks = write_file("$dir/forks.pl", <<'END', 0755);
use FCGI;
$SIG{CHLD} = 'IGNORE';
my $request = FCGI::Request();
while ($request->Accept >= 0) {
    print "Content-Type: text/plain\r\n\r\n$ENV{QUERY_STRING}\n";
    my ($ms) = $ENV{QUERY_STRING} =~ /sleep=(\d+)/;
    select undef, undef, undef, $ms / 1000 if $ms;
    next unless $ENV{QUERY_STRING} =~ /(raw)?fork/;
    # a fork that libc does not see: __NR_fork of this machine
    my $pid = $1 ? syscall 57 : fork;
    next if $pid;
    select undef, undef, undef, 0.003;
    exit;
}
END

# A thread that logs to a request that is over: behind END_REQUEST.
my $python = '/usr/bin/python3';
my $late = write_file("$dir/late.py", <<'END', 0755);
import os, socket, struct, threading, time
def record(kind, content):
    return struct.pack('>BBHHBB', 1, kind, 1, len(content), 0, 0) + content
def log(conn):
    time.sleep(0.002)
    try:
        conn.send(record(7, b'late'))
    except OSError:
        pass
listener = socket.socket(fileno=os.dup(0))
lock = threading.Lock()
def serve():
    while True:
        conn, _ = listener.accept()
        bytes = b''
        while True:
            more = conn.recv(65536)
            if not more:
                break
            bytes += more
            if not bytes.endswith(struct.pack('>BBHHBB', 1, 5, 1, 0, 0, 0)):
                continue
            own = bytes
            bytes = b''
            if b'late=' in own:
                threading.Thread(target=log, args=(conn,)).start()
            conn.send(record(6, b'Content-Type: text/plain\r\n\r\nok\n')
                      + record(6, b'') + record(3, b'\0' * 8))
        conn.close()
for i in range(3):
    threading.Thread(target=serve).start()
serve()
END

my @READY = ('FcgiPMKeepConnections on', 'KeepAlive On',
             'MaxKeepAliveRequests 0', 'KeepAliveTimeout 600');

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

# A worker that has not read a request for so long is taken for one that does not
# read on (docs/internals/kept-connections.md): also if it only has no processor.
my $DOUBT = 0.05;
my $doubted = 0;

# So many requests one after the other.
sub chain {
    my ($s, $path, $n) = @_;
    my %body;
    for (1 .. $n) {
        my $asked = time;
        $body{ ask_on($s, $path) }++;
        $doubted++ if time - $asked >= $DOUBT;
    }
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
           pool('lock', [bin('threaded'), 'lock'], 'FcgiPMRequestsPerWorker 4'),
           location('lock'), pool('static', [bin('static')]), location('static'),
           pool('closes', [bin('ways'), '--wait', 'accept']), location('closes'))
        or return;
    my $s = client();
    my ($app, %body);
    my $n = $doubted = 0;
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
    ok($app->{requests} >= $n && $app->{requests} <= $n + $app->{retried},
       "each request is counted ($app->{requests} of $n)");
    is($app->{in_flight}, 0, 'none is under way');
    cmp_ok($app->{retried}, '<=', $doubted, 'none is retried that was read');
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
    # programs that do not read on
    for my $name (qw(lock static closes)) {
        is(scalar(grep { !/pid=\d/ } keys %{ chain($s, "/$name/", 100) }), 0,
           "$name: answers");
        my $is = of_pool($name);
        is($is->{reused} + $is->{retried}, 0, "$name: nothing is kept");
        is($is->{requests}, 100, "$name: each is counted once");
    }
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
           pool('after', [$^X, $after], 'FcgiPMProcesses 2'), location('after'),
           pool('late', [$python, $late], 'FcgiPMRequestsPerWorker 4'),
           location('late'),
           pool('stuck', [$^X, $after], 'FcgiPMProcesses 8'), location('stuck'),
           pool('forks', [$^X, $forks], 'FcgiPMProcesses 2'), location('forks'))
        or return;
    my $s = client();
    chain($s, '/time/', 20);
    is(ask_on($s, '/time/?sleep=20000'), 'status 504',
       'FcgiPMRequestTimeout: also of a later request');
    ok(wait_for { of_pool('time')->{timed_out} == 1 } 10, 'its worker is ended');
    is(ask_on($s = client(), '/time/') =~ /tag=loop/, 1, 'another answers');

    my $body = chain($s, '/many/', 500);
    is((grep { !/tag=loop/ } keys %$body), 0, 'FcgiPMMaxRequests: answers');
    cmp_ok(scalar keys %$body, '>=', 3, 'by ' . keys(%$body) . ' workers');
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

    # workers that work on after an answer: another one has the next request
    my ($long, $soon) = (0, 0);
    for (1 .. 40) {
        my ($begin, $a) = (time, ask_on($s, '/after/?after=150'));
        my ($next, $b) = (time, ask_on($s, '/after/'));
        my ($first, $second) =
            map { /pid=(\d+)/ ? $1 : fail('after: an answer') } $a, $b;
        # the first one works on for 150 ms
        $soon++ if $first != $second || time - $next < 0.1;
        sleep 0.16;
    }
    cmp_ok($soon, '>=', 38, 'a worker works on after an answer: another one has '
           . "the next request ($soon of 40)");
    cmp_ok(of_pool('after')->{reused}, '<=', 2,
           'as its connections are not kept, once it is known of each');
    is(stuck($s), 0, 'a worker says that it reads on, and does not: another one '
       . 'has the next request');
    is(of_pool('stuck')->{retried}, 1, 'which is sent again');
    for my $fork ('fork', $Config{archname} =~ /^x86_64/ ? 'rawfork' : ()) {
        is_deeply([others_answers($s, $fork)], [],
                  "a child by ${fork}() speaks late: to nobody");
    }
    cmp_ok(of_pool('forks')->{reused}, '>', 0, 'meanwhile connections are kept');
  SKIP: {
        skip 'no Python', 1 unless -x $python;
        late($s);
    }
    $s->close;
    ends_well($httpd);
    return;
}

# The worker has read on after each of some answers, then it works on for long.
# Gives how many requests had to wait for that; at least one was on its
# connection.
sub stuck {
    my ($s) = @_;
    my $late = 0;
    wait_for {
        chain($s, '/stuck/', 50);
        ask_on($s, '/stuck/?after=4000');
        my $begin = time;
        like(ask_on($s, '/stuck/'), qr/pid=/, 'stuck: an answer');
        $late++ if time - $begin > 1.5;
        of_pool('stuck')->{retried};
    } 60, 'a request on the connection of a worker that does not read on';
    return $late;
}

# A program of which a thread has written behind END_REQUEST once signs no more.
sub late {
    my ($s) = @_;
    ok(wait_for { chain($s, '/late/', 100); of_pool('late')->{reused} } 60,
       'threads: connections are kept');
    wait_for {
        ask_on($s, '/late/?late=1');
        sleep 0.01;
        my $before = of_pool('late')->{reused};
        chain($s, '/late/', 20);
        of_pool('late')->{reused} == $before;
    } 30, 'none to be kept, as one has spoken late'
        or fail('a thread speaks late');
    return;
}

# Requests that were answered with what is another one's.
sub others_answers {
    my ($s, $fork) = @_;
    my @wrong;
    for my $n (1 .. 50) {
        for ((map { "warm=$n.$_" } 1 .. 5), "$fork=$n", "sleep=10&n=$n") {
            my $body = ask_on($s, "/forks/?$_");
            push @wrong, "$_: $body" if $body ne "$_\n";
        }
    }
    return @wrong;
}

# --- other children ------------------------------------------------------------

# Clients, two of each child; of several children at least, as who accepts a
# connection is a matter of luck.
sub clients_of_children {
    my ($children) = @_;
    my (%of, @pairs);
    wait_for {
        my $s = client();
        ask_on($s, '/static.txt');
        my ($child) = $httpd->children_of($s);
        push @{ $of{$child} }, $s if $child;
        @pairs = grep { @$_ > 1 } values %of;
        @pairs >= $children;
    } 30, "two clients in each of $children children";
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

# A request of each client, all at once.
sub ask_all {
    my ($path, @client) = @_;
    syswrite $_, "GET $path HTTP/1.1\r\nHost: x\r\n\r\n" for @client;
    for (@client) {
        my $bytes = '';
        sysread $_, $bytes, 65536, length $bytes or die 'no answer'
            until $bytes =~ /tag=loop/;
    }
    return;
}

# Two workers have just answered the first clients, whose children keep
# connections to them, when the second ones, of other children, ask.
sub after_others {
    my ($pool, $first, $second) = @_;
    my @time;
    for (1 .. 30) {
        sleep 0.06; # connections are kept again
        ask_on($_, "/$pool/") for @$first;
        ask_all("/$pool/?sleep=5", @$first);
        my $begin = time;
        ask_all("/$pool/", @$second);
        push @time, time - $begin;
    }
    return @time;
}

# Not the 5 ms after which idle ones are closed anyway; a busy machine makes
# most others longer, so the best ones tell, and of several tries one.
sub no_wait {
    my ($whose, @client) = @_;
    my %best;
    my $soon = wait_for {
        %best = map { ($_ => 1000 * percentile(0.1, after_others($_, @client))) }
            'on', 'off';
        $best{on} < $best{off} + 0.7;
    } 30, 'a worker that another child has kept';
    ok($soon, sprintf '%s: connections to both workers are kept from them: no '
           . 'wait (%.1f ms, %.1f ms)', $whose, @best{qw(on off)});
    return;
}

# A pool that keeps connections, and one that does not.
sub pools_on_and_off {
    return map { (pool($_, 'loop', 'FcgiPMProcesses 2',
                       "FcgiPMKeepConnections $_"), location($_)) } 'on', 'off';
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
           pools_on_and_off())
        or return;
    my @child = clients_of_children(2);
    cmp_ok(scalar @child, '>', 1, 'clients of different children') or return;
    no_wait('another child', $child[0], [$child[1][0]]);

    # what else the machine does makes either of them longer at times
    my %most;
    my $no_longer = wait_for {
        %most = map {
            ($_ => 1000 * percentile(0.9, beside_others($_, reverse @child)))
        } 'on', 'off';
        $most{on} < 1.5 * $most{off} + 5;
    } 60, 'others to be served as soon';
    ok($no_longer, sprintf 'another child has requests without end: no longer '
           . 'waits (%.1f ms, %.1f ms)', @most{qw(on off)});
    cmp_ok(of_pool('on')->{reused}, '>', 0, 'meanwhile connections are kept');
    ends_well($httpd);
    return;
}

# Each worker is kept by a child of its own, and two others have a request.
sub four {
    # where a client holds a thread each child has two
    server('worker', "StartServers 4\nServerLimit 4\nThreadsPerChild 2",
           "MaxRequestWorkers 8\nMinSpareThreads 8\nMaxSpareThreads 8",
           pools_on_and_off())
        or return;
    my @client = map { $_->[0] } clients_of_children(4);
    is(scalar @client, 4, 'a client of each of four children') or return;
    no_wait('two other children', [@client[0, 1]], [@client[2, 3]]);
    cmp_ok(of_pool('on')->{reused}, '>', 0, 'meanwhile connections are kept');
    ends_well($httpd);
    return;
}

my %part = (kept => sub { kept($_) for 'event', 'worker' }, limits => \&limits,
            others => \&others, four => \&four);
$part{$_}->() for @ARGV ? @ARGV : qw(kept limits others four);
done_testing;
