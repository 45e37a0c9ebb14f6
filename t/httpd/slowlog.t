#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# FcgiPMSlowLog: a line for each slow request, with the URL that httpd knows
# and the worker that the manager finds.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::HTTP;
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use POSIX ();
use Test::More;

my $dir = tmp_dir();
my $script = write_file("$dir/look", "#!/bin/sh\necho looked at \$1\n", 0755);
my $tcp = free_port();
my $config = "FcgiPMSlowLog 400ms\n"
    . pool('app', 'worker', 'FcgiPMProcesses 6')
    . pool('bare', 'worker', 'FcgiPMProcesses 3', 'FcgiPMGuard off')
    . pool('tcp', 'worker', 'FcgiPMProcesses 3',
           "FcgiPMListen 127.0.0.1:$tcp")
    . pool('own', 'worker', "FcgiPMErrorLog $dir/own.log",
           "FcgiPMSlowLog 400ms $script")
    . pool('never', 'worker', 'FcgiPMSlowLog 0')
    . pool('one', 'worker')
    . join '', map { location($_) } qw(app bare tcp own never one);
my $httpd = FCGIPM::Httpd->new(config => $config);
ok($httpd->start, 'httpd');
$httpd->workers(15);

# Requests at once; "pid=N" of each answer.
sub at_once {
    my @path = @_;
    my $out = tmp_dir();
    my @pid = map {
        my $i = $_;
        my $pid = fork;
        defined $pid or die "fork: $!";
        if (!$pid) {
            my $r = $httpd->get($path[$i]);
            write_file("$out/tmp.$i", $r->{body});
            rename "$out/tmp.$i", "$out/$i";
            POSIX::_exit(0);
        }
        $pid;
    } 0 .. $#path;
    wait_for { @path == grep { -e "$out/$_" } 0 .. $#path } 30, 'answers';
    return map { slurp("$out/$_") =~ /^pid=(\d+)/ ? $1 : '?' } 0 .. $#path;
}

sub slow_of {
    my ($pool, $what) = @_;
    return grep { /pool \Q$pool\E: .*\bslow: .*$what/ } split /\n/,
        $httpd->log;
}

# --- who, what, for how long
my ($pid) = at_once('/app/sub?sleep=2000&pid');
my ($line) = wait_for { (slow_of('app', ''))[0] } 10, 'a line';
like($line, qr{:warn\] .*pool app: pid $pid: slow: GET [\w.]+/app/sub\?sleep=2000&pid: [01]\.\d+ s so far: it sleeps in \w*(?:sleep|poll|select)\(\)},
     'method, URL, worker, and what it waits in');
$httpd->get('/app/?pid') for 1 .. 20;
my $r = http($httpd->port, '/app/x?cat&sleep=600&pid', method => 'POST',
             body => 'x' x 1000);
is($r->{status}, 200, 'a POST');
ok(wait_for { slow_of('app', 'POST [\w.]+/app/x\?') } 10, 'likewise');
is(scalar slow_of('app', ''), 2, 'each once, fast ones not at all');

for my $pool (qw(app bare)) {
    my @path = map { "/$pool/n$_?sleep=2000&pid" } 1 .. 3;
    my @pid = at_once(@path);
    ok(wait_for { slow_of($pool, '/n\d') == 3 } 10, "$pool: three at once");
    my @told = map { slow_of($pool, "/n$_\\?") } 1 .. 3;
    is(join(' ', map { /pid (\d+): slow/ ? $1 : '?' } @told), "@pid",
       'each line names the worker that had it');
}
is(scalar slow_of('bare', ''), 3, 'without the guard as well');

# By the time, where sockets cannot be looked up.
($pid) = at_once('/tcp/?sleep=1500&pid');
($line) = wait_for { (slow_of('tcp', ''))[0] } 10, 'a line';
like($line, qr{pool tcp: pid $pid: slow: GET}, 'a TCP socket');
at_once(map { "/tcp/t$_?sleep=900&pid" } 1 .. 2);
ok(wait_for { slow_of('tcp', '/t\d') == 2 } 10, 'two at once: two lines');
unlike(join("\n", slow_of('tcp', '/t\d')), qr/manager: .*it sleeps/,
       'what is not known is not said');

# --- what is not slow
at_once('/never/?sleep=900&pid');
is(scalar slow_of('never', ''), 0, 'FcgiPMSlowLog 0: none');
my @pid = at_once(map { "/one/w$_?sleep=300&pid" } 1 .. 3);
is(scalar slow_of('one', ''), 0, 'to wait for a worker is not to be slow');

# --- httpd tells first, the page is for others' requests
my $s = FCGIPM::FastCGI::connect_to($httpd->pool_socket('app'));
FCGIPM::FastCGI::send_request($s, query => 'sleep=1500&pid');
my $answer = FCGIPM::FastCGI::read_answer($s, 20);
ok(wait_for { slow_of('app', 'a request that is not of this httpd') } 10,
   'a request that came past httpd');
is(scalar slow_of('app', ''), 6, 'one line');

# --- the pool's own log has it, and what the command says
($pid) = at_once('/own/?sleep=1500&pid');
ok(wait_for { slurp("$dir/own.log") =~ /\[pool own:pid $pid\] slow: looked at $pid$/m }
   10, 'a command');
like(slurp("$dir/own.log"), qr{\[pool own:pid $pid\] slow: GET [\w.]+/own/},
     'after the line, in the pool\'s log');
unlike($httpd->log, qr/looked at/, 'not in the ErrorLog');

# --- a pool that is loaded
my $load = load_on($httpd, '/app/?sleep=5&pid', 4);
ok($load->flows(100), 'load');
my $before = slow_of('app', '');
@pid = at_once(map { "/app/l$_?sleep=2000&pid" } 1 .. 2);
ok($load->flows(20), 'goes on');
is($load->stop->{failed}, 0, 'none lost');
is(join(' ', map { /pid (\d+): slow/ ? $1 : '?' }
             map { slow_of('app', "/l$_\\?") } 1 .. 2), "@pid",
   'two slow ones among fast ones: the right workers');

# --- the manager is away: httpd says what it knows, or it is said later
my $manager = $httpd->manager;
kill 'STOP', $manager;
at_once('/app/away?sleep=900&pid');
is(scalar slow_of('app', '/away'), 0, 'a manager that does not look');
kill 'CONT', $manager;
ok(wait_for { slow_of('app', '/away') } 10, 'says it when it does');

ok($httpd->graceful, 'a graceful');
$httpd->workers(15);
($pid) = at_once('/app/again?sleep=1500&pid');
($line) = wait_for { (slow_of('app', '/again'))[0] } 10, 'a line';
like($line, qr/pid $pid: slow: /, 'and it goes on');

is($httpd->stop, 0, 'httpd stops well');
is_deeply([map { cmdline($_) } descendants()], [], 'nothing is left');

# --- httpd -t
$httpd->write_config(pool('app', 'worker', 'FcgiPMSlowLog 5s /no/such/tool'));
my ($status, $text) = $httpd->run('-t');
isnt($status, 0, 'httpd -t refuses a command that is not there');
like($text, qr{pool app .*FcgiPMSlowLog: /no/such/tool: No such file}, 'why');
done_testing;
