#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# fcgipm-run as a service: what it tells a service manager, which is played
# here, sockets that are passed, PID 1 of a container, log lines as JSON, and
# /metrics and /ready over HTTP, whoever asks.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Fcntl qw(O_NONBLOCK O_RDWR);
use FCGIPM::FastCGI;
use FCGIPM::Run;
use FCGIPM::Test;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP;
use POSIX qw(mkfifo);
use Socket qw(SOCK_DGRAM);
use Test::More;
use Time::HiRes qw(time);

my $dir = tmp_dir();
my $worker = bin('worker');
my $user = defined worker_user() ? 'FcgiPMUser ' . worker_user() : '';
my $file = "$dir/pools.conf";

sub pool {
    my ($name, @line) = @_;
    return join "\n", "<FcgiPMPool $name>", "FcgiPMCommand $worker", @line,
        "</FcgiPMPool>\n";
}
sub config {
    return write_file($file, join '', "FcgiPMRuntimeDir $dir/run\n$user\n", @_);
}
sub address { "unix:$dir/run/$_[0].sock" }

# --- systemd, played: what came to the socket since it was asked last
sub notify_socket {
    my ($name) = @_;
    return IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $name)
        || die "$name: $!";
}

sub heard {
    my ($socket, $pattern, $seconds) = @_;
    my $text = '';
    wait_for {
        my $rin = '';
        vec($rin, fileno $socket, 1) = 1;
        while (select my $rout = $rin, undef, undef, 0) {
            recv $socket, my $part, 4096, 0;
            $text .= $part;
        }
        $text =~ $pattern
    } $seconds || 20, "to be told $pattern";
    return $text;
}

# --- what is told
my $port = free_port();
my $systemd = notify_socket("$dir/notify");
config(pool('a', 'FcgiPMProcesses 2'));
my $run = FCGIPM::Run->new(
    config => $file, control => 1, dir => $dir,
    options => ['--metrics', "127.0.0.1:$port"],
    env => { NOTIFY_SOCKET => "$dir/notify", WATCHDOG_USEC => 300_000 });
my $said = heard($systemd, qr/^READY=1$/m);
like($said, qr/^STATUS=1 pool, \d workers?$/m, 'READY=1, with a status');
ok(pid_of(address('a')), 'ready: the pool answers');
is_deeply([grep { /^NOTIFY_SOCKET|^WATCHDOG/ }
           keys %{ proc_env(($run->workers(2))[0]) }], [],
          'workers do not get the variables');
like(heard($systemd, qr/(?:WATCHDOG=1.*){3}/s, 10), qr/WATCHDOG=1/,
     'WATCHDOG=1, again and again');

$run->signal('HUP');
$said = heard($systemd, qr/RELOADING=1.*READY=1/s);
my ($usec) = $said =~ /RELOADING=1\nMONOTONIC_USEC=(\d+)$/m;
ok(defined $usec && $usec > 0, 'HUP: RELOADING=1, MONOTONIC_USEC, READY=1');
write_file($file, "SetHandler x\n");
$run->signal('HUP');
like(heard($systemd, qr/RELOADING=1.*READY=1/s), qr/READY=1/,
     'a reload with a fault is over as well');

# systemd has begun anew, with another socket at the path
close $systemd;
unlink "$dir/notify";
$systemd = notify_socket("$dir/notify");
like(heard($systemd, qr/WATCHDOG=1/), qr/WATCHDOG=1/,
     'a socket that is made anew is told');

# --- /metrics and /ready
# A whole answer: status, header, body.
sub get {
    my ($path, $method) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port",
                                       Timeout => 10) or return "connect: $!";
    $socket->syswrite(($method || 'GET') . " $path HTTP/1.1\r\nHost: x\r\n\r\n");
    local $/;
    my $answer = <$socket>;
    return $answer =~ m{^HTTP/1\.0 (\d+) [^\r]+\r\n(.*?)\r\n\r\n(.*)}s
        ? ($1, $2, $3) : ("?", '', $answer);
}

my ($status, $head, $body) = get('/ready');
is("$status $body", "200 OK\n", '/ready: 200');
is((get('/ready/a'))[0], 200, '/ready/a');
is((get('/ready/none'))[0], 404, '/ready/none: 404');
is((get('/'))[0], 404, '/: 404');
is((get('/ready', 'POST'))[0], 405, 'POST: 405');
is(join(' ', (get('/ready', 'HEAD'))[0, 2]), '200 ', 'HEAD: no body');

config(pool('a', 'FcgiPMProcesses 2'));
my @old = $run->workers(2);
$run->signal('HUP');
my %seen;
wait_for {
    $seen{ (get('/ready'))[0] }++;
    !grep { alive($_) } @old
} 20, 'workers to be replaced';
is_deeply([keys %seen], [200], '/ready stays 200 while workers are replaced');

wait_for { ($run->pool_status('a')->{state} || '') eq 'running' } 20, 'pool a';

# As t/metrics.t: every line is one of the grammar; each family is told once.
($status, $head, $body) = get('/metrics?x=1');
is($status, 200, '/metrics');
like($head, qr{^Content-Type: application/openmetrics-text; version=1\.0\.0}m,
     'its type');
my (%type, %value, @odd);
for my $line (split /\n/, $body) {
    if ($line =~ /^# TYPE (\w+) (gauge|counter|info|stateset|histogram)$/) {
        push @odd, "$1 twice" if $type{$1}++;
    }
    elsif ($line =~ /^(\w+)(\{(?:\w+="(?:[^"\\\n]|\\[\\"n])*",?)+\})? ([-+.\de]+)$/) {
        $value{ $1 . ($2 || '') } = $3;
    }
    elsif ($line !~ /^# (?:UNIT|HELP) \w+ .|^# EOF$/) {
        push @odd, $line;
    }
}
is_deeply(\@odd, [], 'OpenMetrics, line by line');
like($body, qr/\n# EOF\n\z/, 'to its end');
is($value{'fcgipm_manager_up'}, 1, 'the manager is up');
is($value{'fcgipm_pool_state{pool="a",fcgipm_pool_state="running"}'}, 1,
   'pool a runs');
is(scalar(grep { /^fcgipm_worker_resident_memory_bytes\{/ } keys %value), 2,
   'two workers have figures');

# --- the same as FastCGI, for fronts that speak nothing else
sub fcgi { return request("127.0.0.1:$port", params => { SCRIPT_NAME => $_[0] }) }
my $asked = fcgi('/ready');
is($asked->{error}, undef, 'a FastCGI request');
is("$asked->{status} $asked->{header}{'content-type'} $asked->{body}",
   "200 text/plain OK\n", '/ready: 200');
is(fcgi('/none')->{status}, 404, 'another path: 404');
is(request("127.0.0.1:$port", params => { SCRIPT_NAME => '/ready',
                                          PATH_INFO => '/a' })->{status},
   200, 'SCRIPT_NAME and PATH_INFO');
like(fcgi('/metrics')->{body}, qr/^fcgipm_manager_up 1\n.*\n# EOF\n\z/ms,
     '/metrics');
is(request("127.0.0.1:$port", stdin => 'x' x 100_000,
           params => { SCRIPT_NAME => '/ready' })->{status}, 200, 'with a body');
like(request("127.0.0.1:$port", params => { x => 'y' x 10_000 })->{error},
     qr/closed/, 'a huge one is refused');

# --- hostile: slow, many, huge
sub answers_meanwhile {
    my ($what) = @_;
    my $start = time;
    my ($ctl) = ctl($run->control_socket, 'ping');
    my $took = time - $start;
    is($ctl, 0, "$what: the control socket answers");
    is_soon($took, 5, 'at once');
    is((get('/ready'))[0], 200, 'and so does /ready');
}
my @slow = map { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") } 1 .. 60;
$_->syswrite("GET /met") for grep { $_ } @slow;
answers_meanwhile('60 clients that do not end their request');
my @deaf = map { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") } 1 .. 20;
$_->syswrite("GET /metrics HTTP/1.0\r\n\r\n") for grep { $_ } @deaf;
answers_meanwhile('clients that do not read');
my $huge = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port");
{
    local $SIG{PIPE} = 'IGNORE';
    my $answer = '';
    $huge->syswrite('GET /' . 'x' x 1_000_000) for 1 .. 2;
    $huge->sysread($answer, 4096);
    like($answer, qr{^HTTP/1\.0 431 }, 'a huge request is refused');
}
for my $odd ("\r\n\r\n", "GET\r\n\r\n", "GET  HTTP/1.0\r\n\r\n",
             "GET /ready\r\n\r\n", "GET /\0 HTTP/1.0\r\n\r\n", "\xff\xff\n\n",
             "GET x HTTP/1.0\n\n") {
    my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port");
    $socket->syswrite($odd);
    local $/;
    like(<$socket> || '', qr{^HTTP/1\.0 40[05] }, 'an odd request: ' . $odd =~ s/[^ -~]/./gr);
}
# one that reads slowly, while others come and say nothing, again and again
my $patient = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port");
$patient->syswrite("GET /metrics HTTP/1.0\r\n\r\n");
my @silent;
for (1 .. 100) {
    push @silent, IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port");
    shift @silent if @silent > 30;
}
like(do { local $/; <$patient> }, qr/\n# EOF\n\z/,
     'a request that was sent is answered, whoever connects');
answers_meanwhile('after all that');
my $loop_max = $run->status->{manager}{loop_max};
cmp_ok($loop_max, '<', 2, "the manager's longest silence: $loop_max s");

# --- not ready
my $flaky = write_file("$dir/flaky", "#!/bin/sh\n[ -e $dir/good ] || exit 1\n"
                       . "exec $worker\n", 0755);
config(pool('a'), "<FcgiPMPool b>\nFcgiPMCommand $worker --exit-at-once 1\n</FcgiPMPool>\n",
       "<FcgiPMPool d>\nFcgiPMCommand $flaky\nFcgiPMProcesses 0 2\n</FcgiPMPool>\n");
$run->signal('HUP');
ok(wait_for { (get('/ready'))[0] eq '503' } 20, 'a pool that cannot start: 503');
like((get('/ready'))[2], qr/^pool b: (?:backoff|starting)$/m, 'which it is');
is((get('/ready/a'))[0], 200, 'the other is ready');
ok(wait_for { (get('/ready/d'))[0] eq '200' } 20, 'and one on demand')
    or diag join ' ', get('/ready/d');
my $first = FCGIPM::FastCGI::connect_to(address('d'));
FCGIPM::FastCGI::send_request($first, query => 'pid');
ok(wait_for { (get('/ready/d'))[0] eq '503' } 20, 'until its start has failed');
close $first;
write_file("$dir/good", '');
ok(wait_for { (get('/ready/d'))[0] eq '200' } 40,
   'it is ready again before it has a worker: the front has to try');
heard($systemd, qr/READY=1/);
$run->signal('TERM');
like(heard($systemd, qr/STOPPING=1/), qr/^EXTEND_TIMEOUT_USEC=\d+$/m,
     'TERM: STOPPING=1, with the time it may take');
is($run->wait(20), 0, 'exit status');

# --- an abstract socket; the pool of the command line; one that is not there
$systemd = notify_socket("\0fcgipm-test-$$");
$run = FCGIPM::Run->new(command => [$worker],
                        env => { NOTIFY_SOCKET => "\@fcgipm-test-$$",
                                 WATCHDOG_USEC => 1 });
like(heard($systemd, qr/READY=1/), qr/READY=1/, 'an abstract socket');
$run->signal('HUP');
like(heard($systemd, qr/RELOADING=1.*READY=1/s), qr/READY/, 'HUP');
$run->signal('TERM');
is($run->wait(20), 0, 'exit status');
$run = FCGIPM::Run->new(command => [$worker],
                        env => { NOTIFY_SOCKET => "$dir/none" });
$run->workers(1);
like($run->log, qr/warning: NOTIFY_SOCKET=\S+none: No such file/,
     'a socket that is not there: a warning');
$run->signal('TERM');
is($run->wait(20), 0, 'exit status');

# --- sockets that are passed
# As systemd does it: descriptors from 3 on, and LISTEN_PID is the process.
my $pass = write_file("$dir/pass", <<'END', 0755);
#!/usr/bin/perl
use strict; use warnings; use POSIX ();
use IO::Socket::INET; use IO::Socket::UNIX;
my ($spec, @command) = @ARGV;
my (@socket, @name);
for (split /,/, $spec) {
    my ($name, $at) = split /=/, $_, 2;
    push @name, $name;
    push @socket, $at =~ m{^/}
        ? IO::Socket::UNIX->new(Local => $at, Listen => 50)
        : IO::Socket::INET->new(LocalAddr => $at, Listen => 50, ReuseAddr => 1);
    die "$at: $!" unless $socket[-1];
}
my @high = map { POSIX::dup2(fileno $_, 100 + fileno $_) } @socket;
POSIX::dup2($high[$_], 3 + $_) for 0 .. $#high;
POSIX::close($_) for @high;
@ENV{qw(LISTEN_PID LISTEN_FDS LISTEN_FDNAMES)} =
    ($$, scalar @socket, join ':', @name);
exec @command or die "exec: $!";
END
my ($tcp, $web) = (free_port(), free_port());
config(pool('a'), pool('b', 'FcgiPMListenMode 0666'), pool('c'));
unlink "$dir/log";
$run = FCGIPM::Run->new(
    config => $file, dir => $dir, control => 1,
    wrap => [$pass, "b=$dir/passed,a=127.0.0.1:$tcp,metrics=127.0.0.1:$web,"
             . "nobody.socket=$dir/nobody"]);
my @pid = $run->workers(3);
ok(pid_of("unix:$dir/passed"), 'a pool at a unix socket that was passed');
ok(pid_of("127.0.0.1:$tcp"), 'and at a port');
ok(pid_of(address('c')), 'another makes its own');
$port = $web;
is((get('/ready'))[0], 200, 'that of the metrics as well');
is($run->pool_status('b')->{listen}, "unix:$dir/passed", 'the status says where');
like($run->log, qr/warning: the socket unix:\S+nobody, which was passed as "nobody\.socket", belongs to no pool/,
     'one that no pool has: a warning');
like($run->log, qr/warning: \S+:\d+: pool b: FcgiPMListenMode has no effect/,
     'as for settings without effect');
is_deeply([grep { /^LISTEN_/ } keys %{ proc_env($pid[0]) }], [],
          'workers do not get the variables');
my $inode = (stat "$dir/passed")[1];
$run->signal('HUP');
$run->renewed(@pid);
like($run->log, qr/\[warn\] manager \(pid \d+\): the socket unix:\S+nobody, /,
     'HUP: the same warning');
is((stat "$dir/passed")[1], $inode, 'HUP: the socket is the same');
ok(pid_of("unix:$dir/passed"), 'and serves');
$run->signal('TERM');
is($run->wait(20), 0, 'exit status');
ok(-S "$dir/passed" && !-e "$dir/run/c.sock",
   'it leaves what is not its own, and removes the rest');
unlink "$dir/passed";
$run = FCGIPM::Run->new(config => $file, dir => $dir,
                        wrap => [$pass, "a=$dir/passed,a=127.0.0.1:$tcp"]);
is($run->wait(20), 2, 'two of one name: refused');
like($run->log, qr/two sockets were passed as "a"/, 'and told');
unlink "$dir/passed";
config(pool('metrics'));
$run = FCGIPM::Run->new(config => $file, dir => $dir,
                        wrap => [$pass, "metrics=127.0.0.1:$tcp"]);
is($run->wait(20), 2, 'a pool called metrics, and a socket: refused');
like($run->log, qr/pool metrics: the socket .* is that of --metrics/,
     'and told');
config(pool('a'));
$run = FCGIPM::Run->new(config => $file, dir => $dir,
                        options => ['--metrics', "127.0.0.1:$web"],
                        wrap => [$pass, "metrics=127.0.0.1:$tcp"]);
is($run->wait(20), 2, 'another address for the metrics: refused');
like($run->log, qr/--metrics \S+: the socket that was passed/, 'and told');
unlink "$dir/passed";
my $single = start(cmd => [$pass, "default=$dir/passed",
                           program('fcgipm-run') . '',
                           defined worker_user() ? ('--user', worker_user()) : (),
                           '--', $worker], err => "$dir/single");
ok(wait_for { pid_of("unix:$dir/passed") } 20,
   'the pool of the command line has one that is called default');
$single->signal('TERM');
is($single->wait(20), 0, 'exit status');

# --- PID 1
SKIP: {
    my $unshare = $> == 0 && have('unshare');
    skip 'PID 1: root and unshare(1) only', 7
        unless $unshare
        && system("$unshare --pid --fork true 2>/dev/null") == 0;
    config(pool('a', 'FcgiPMProcesses 2'));
    unlink "$dir/log";
    $run = FCGIPM::Run->new(config => $file, dir => $dir, control => 1,
                            options => ['--die-timeout=5'],
                            wrap => [$unshare, '--pid', '--fork']);
    ok(wait_for { pid_of(address('a')) } 20, 'PID 1: the pool answers');
    my ($init) = children($run->pid);
    like(slurp("/proc/$init/status"), qr/^NSpid:\s+\d+\s+1$/m, 'it is PID 1');
    # an orphan that ends is reaped by PID 1 alone
    my $orphan = start(cmd => [have('nsenter'), '-t', $init, '-p', '--',
                               'sh', '-c', 'sh -c "sleep 0.3 & echo x" & wait']);
    $orphan->wait(10);
    ok(wait_for { !grep { (proc_status($_)->{State} || '') =~ /^Z/ } descendants($init) }
           10, 'it reaps orphans');
    my $busy = FCGIPM::FastCGI::connect_to(address('a'));
    FCGIPM::FastCGI::send_request($busy, query => 'fd2=busy%0a&sleep=1000&pid');
    ok(wait_for { $run->log =~ /busy/ } 10, 'a request is under way');
    kill 'TERM', $init;
    like(FCGIPM::FastCGI::read_answer($busy, 20)->{body} || '', qr/^pid=/,
         'TERM: it is answered');
    is($run->wait(20), 0, 'and the exit status is 0');
    like($run->log, qr/manager \(pid 1\): ends with 0/, 'which the log has');
}

# --- JSON lines
config(pool('a'), "<FcgiPMPool b>\nFcgiPMCommand $worker --exit-at-once 3\n</FcgiPMPool>\n");
unlink "$dir/log";
$run = FCGIPM::Run->new(config => $file, dir => $dir, control => 1,
                        options => ['--log-format=json', '--log-level=debug']);
ok(wait_for { pid_of(address('a')) } 20, 'JSON: the pool answers');
request(address('a'), query => 'fd2=said%20%22so%22%ff%09x%0a&pid');
request(address('a'), query => 'fd2=slow:%20pool%20b:%20killed%0a&pid');
request(address('a'), query => 'fd2=' . '%01' x 8000 . '%0a&pid');
ok(wait_for { $run->log =~ /said/ && $run->log =~ /exit status 3/
                  && $run->log =~ /u0001/ } 20,
   'things to log');
$run->signal('TERM');
is($run->wait(20), 0, 'exit status');
my @line = map { eval { JSON::PP->new->utf8->decode($_) } || { bad => $_ } }
    split /\n/, $run->log;
is_deeply([map { $_->{bad} || () } @line], [], 'each line is an object');
is(scalar(grep { ($_->{time} || '') !~ /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
                 || ($_->{level} || '') !~ /^(?:error|warn|notice|info|debug|crit)$/
                 || !length $_->{message} } @line), 0,
   'with time, level and message');
my ($output) = grep { $_->{output} } @line;
is($output->{message}, "said \"so\"\x{fffd}\tx", 'what a worker says, as it is')
    or diag $output->{message};
is($output->{pool}, 'a', 'its pool');
ok($output->{pid}, 'its pid');
my ($forged) = grep { $_->{message} =~ /^slow: pool b/ } @line;
ok($forged->{output} && !exists $forged->{reason} && $forged->{pool} eq 'a',
   "what a worker says is never the manager's");
is(scalar(grep { length > 48_000 } split /\n/, $run->log), 0,
   'no line is longer than journald takes');
my ($exit) = grep { ($_->{reason} || '') =~ /exit status 3/ } @line;
is($exit->{pool}, 'b', 'an exit has its pool') or diag $run->log;
like($exit->{reason}, qr/exit status 3/, 'and its reason');
ok(scalar(grep { $_->{message} =~ /^started/ && $_->{pid} } @line),
   "the manager's pid");

# --- the log is a pipe that nobody reads
my $fifo = "$dir/fifo";
mkfifo($fifo, 0600) or die "$fifo: $!";
sysopen my $reader, $fifo, O_RDWR | O_NONBLOCK or die "$fifo: $!";
fcntl $reader, 1031, 4096; # F_SETPIPE_SZ
config(pool('a'));
my $mute = start(cmd => [program('fcgipm-run') . '', '--config', $file,
                         '--log-level=debug', '--socket', "$dir/ctl.sock"],
                 err => $fifo);
ok(wait_for { pid_of(address('a')) } 20, 'a log that nobody reads: it starts');
request(address('a'), query => 'fd2=' . 'x' x 500 . '%0a&pid') for 1 .. 30;
is((ctl("$dir/ctl.sock", 'ping'))[0], 0, 'the manager waits for no reader');
my $read = '';
ok(wait_for {
    1 while sysread $reader, $read, 65_536, length $read;
    request(address('a'), query => 'fd2=x%0a&pid');
    $read =~ /\[warn\] \d+ lines of this log were dropped/
} 20, 'and says how many lines are lost') or diag $read;
$mute->signal('TERM');
is($mute->wait(20), 0, 'exit status');

done_testing;
