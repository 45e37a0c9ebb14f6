#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# FcgiPMErrorLog: a log of the pool's own, a file or a program's standard input,
# opened again by a graceful restart; what cannot be one is said.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my $dir = tmp_dir();
my ($log, $piped) = ("$dir/app.log", "$dir/piped.log");
my $tee = write_file("$dir/tee", "#!/bin/sh\nexec cat >> $piped\n", 0755);
my $config = "FcgiPMGraceful changed\n"
    . pool('app', 'worker', 'FcgiPMProcesses 2', "FcgiPMErrorLog $log",
           'FcgiPMLogLimit 50')
    . pool('piped', 'worker', qq(FcgiPMErrorLog "|$tee"))
    . pool('plain', 'worker')
    . pool('relative', 'worker', 'FcgiPMErrorLog relative.log')
    . join '', map { location($_) } qw(app piped plain relative);
my $httpd = FCGIPM::Httpd->new(config => $config);
is(($httpd->run('-t'))[0], 0, 'httpd -t takes it');
ok(!-e $log, 'and makes no log');
ok($httpd->start, 'httpd');

sub said {
    my ($pool, $text) = @_;
    my $r = $httpd->get("/$pool/?fd2=$text%0a&pid");
    return $r->{body} =~ /^pid=(\d+)/ ? $1 : '?';
}

sub follows {
    my ($file, $pattern, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok(wait_for { slurp($file) =~ $pattern } 20, $name);
}

# --- what goes where
my $pid = said('app', 'own%1b[7mlog');
follows($log, qr/^\[\w+ \w+ \d\d [\d:.]+ \d{4}\] \[pool app:pid $pid\] own\\x1b\[7mlog$/m,
        'what a worker says, control characters escaped');
my $r = $httpd->get('/app/?pid&stderr=by%20the%20protocol%0aand%20more');
($pid) = $r->{body} =~ /^pid=(\d+)/;
follows($log, qr/\[pool app:pid $pid client 127\.0\.0\.1\] by the protocol$/m,
        'FCGI_STDERR');
follows($log, qr/:pid $pid client 127\.0\.0\.1\] and more$/m,
        'and its last line, which has no end');
$r = $httpd->get('/plain/?pid&stderr=not%20its%20own%0a');
($pid) = $r->{body} =~ /^pid=(\d+)/;
follows($httpd->error_log, qr/:warn\] .*client 127.*pool plain: pid $pid: not its own$/m,
        'of a pool without a log');
$pid = said('plain', 'elsewhere');
follows($httpd->error_log, qr/:warn\] .*pool plain: pid $pid: elsewhere$/m,
        'a pool without one: the ErrorLog, at level warn');
unlike($httpd->log, qr/own.*log|by the protocol/, 'not what has another log');
unlike(slurp($log), qr/elsewhere/, 'not the other way round');
$pid = said('relative', 'below%20ServerRoot');
follows($httpd->dir . '/relative.log', qr/:pid $pid\] below ServerRoot$/m,
        'a relative path');
$pid = said('piped', 'to%20a%20program');
follows($piped, qr/\[pool piped:pid $pid\] to a program$/m, 'a program');
my ($reader) = grep { cmdline($_) =~ /^cat\b/ } descendants($httpd->pid);
ok($reader, 'is httpd\'s child');
kill 'KILL', $reader;
wait_for { !alive($reader) } 10, 'the end of it';
follows($httpd->error_log, qr/piped log program .* failed/, 'it dies');
$pid = said('piped', 'another');
follows($piped, qr/\[pool piped:pid $pid\] another$/m, 'another one comes');

like($httpd->pool_status('app')->{last_stderr}, qr/^own\x1b\[7mlog$/m,
     'status has the last lines');

# --- too much of it, both ways together
my $query = join '&', map { "stderr=line$_%0a" } 1 .. 80;
is($httpd->get("/app/?$query&text=x")->{body}, 'x', '80 lines of a request');
$query = join '&', map { "fd2=line$_%0a" } 81 .. 100;
is($httpd->get("/app/?$query&text=x")->{body}, 'x', '20 lines past it');
follows($log, qr/\[pool app:manager\] \d+ lines of its workers were dropped: more than FcgiPMLogLimit 50 within 10 s$/m,
        'not all are logged, the rest is counted');
my $logged = () = slurp($log) =~ /\] line\d+$/mg;
cmp_ok($logged, '<=', 50, '50 at the most are');
my ($dropped) = slurp($log) =~ /manager\] (\d+) lines/;
is($logged + $dropped, 100, 'together it is all of them');
$httpd->get('/app/?stderr=heard%20again%0a&text=x');
follows($log, qr/\] heard again$/m, 'then there is room again');

# --- rotation
for my $round (1, 2) {
    my @worker = $httpd->workers(5);
    rename $log, "$log.$round" or die "rename: $!";
    $pid = said('app', "before$round");
    follows("$log.$round", qr/:pid $pid\] before$round$/m,
            "round $round: renamed, it is written to still");
    my $size = -s "$log.$round";
    ok($httpd->graceful, 'a graceful');
    is_deeply([$httpd->workers(5)], \@worker, 'the workers are the same');
    $pid = said('app', "after$round");
    follows($log, qr/:pid $pid\] after$round$/m, 'they speak in a new file');
    $httpd->get("/app/?stderr=request$round%0a&text=x");
    follows($log, qr/client \S+\] request$round$/m, 'so do requests');
    is(-s "$log.$round", $size, 'the old one is left alone');
    ok(!(grep { /\Q$log.$round\E/ } map { values %{ fds($_) } }
         $httpd->manager, $httpd->pid), 'nobody holds it');
    $pid = said('piped', "piped$round");
    follows($piped, qr/:pid $pid\] piped$round$/m, 'the program: likewise');
}

# --- another manager
kill 'KILL', $httpd->manager;
ok(wait_for { ($httpd->log =~ /manager \d+ has died/) && $httpd->manager } 20,
   'another manager');
$httpd->workers(5);
$pid = said('app', 'new%20manager');
follows($log, qr/:pid $pid\] new manager$/m, 'writes to the same log');

# --- what cannot be written to
$httpd->write_config(pool('app', 'worker', 'FcgiPMErrorLog /dev/full')
                     . location('app'));
ok($httpd->graceful, 'a log that is full');
$httpd->workers(1);
$pid = said('app', 'overflow');
follows($httpd->error_log, qr/pool app: pid $pid: overflow$/m,
        'the ErrorLog has it instead');
is($httpd->stop, 0, 'httpd stops well');
is_deeply([map { cmdline($_) } descendants()], [], 'nothing is left');

# --- httpd -t
for (['/no/such/directory/log', qr/pool app .*FcgiPMErrorLog: \/no\/such\/directory\/log: No such file/],
     [$dir, qr/FcgiPMErrorLog: \Q$dir\E is a directory/],
     ['syslog:local1', qr/FcgiPMErrorLog syslog:local1: .* syslog is for ErrorLog/]) {
    my ($target, $want) = @$_;
    $httpd->write_config(pool('app', 'worker', "FcgiPMErrorLog $target")
                         . location('app'));
    my ($exit, $text) = $httpd->run('-t');
    isnt($exit, 0, "httpd -t refuses $target");
    like($text, $want, 'and says why');
}

# httpd starts all the same.
unlink $httpd->error_log;
ok($httpd->start, 'httpd with a log that cannot be');
$httpd->workers(1);
like($httpd->log, qr/:error\] .*FcgiPMErrorLog syslog.*goes to this log/,
     'says so');
$pid = said('app', 'still%20heard');
follows($httpd->error_log, qr/pool app: pid $pid: still heard$/m,
        'and the ErrorLog has what workers say');
is($httpd->stop, 0, 'httpd stops well');

done_testing;
