#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What a request leaves for the access log: its pool, how long it waited and
# took, and the process that answered; the same times as histograms and what
# was refused and retried as numbers in the status.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::HTTP;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Socket::INET;
use Test::More;

my $dir = tmp_dir();
my $log = "$dir/access.log";
my $port = free_port();
my $php = have('php-cgi');

# Closes each connection.
my $early = write_file("$dir/early.pl", <<"END", 0755);
#!$^X
accept my \$c, STDIN or exit 0 for 1 .. 9;
END

my $format = '%q %>s %{FCGIPM_POOL}n %{FCGIPM_QUEUE}n %{FCGIPM_TIME}n '
    . '%{FCGIPM_WORKER}n %D';
my $httpd = FCGIPM::Httpd->new(
    modules => ['log_config'],
    config => join '', qq(CustomLog $log "$format"\n),
        pool('app', 'worker', 'FcgiPMProcesses 2'), location('app'),
        pool('one', 'worker', 'FcgiPMQueueLimit 1',
             'FcgiPMQueueTimeout 5s'), location('one'),
        pool('tcp', 'worker', "FcgiPMListen 127.0.0.1:$port"),
        location('tcp'),
        pool('bad', [$^X, '-e', 'exit 1']), location('bad'),
        pool('early', [$early]), location('early'),
        $php ? (pool('php', ['/usr/bin/env', 'PHP_FCGI_CHILDREN=2', $php]),
                "<FilesMatch \\.php\$>\nSetHandler fcgipm:php\n"
                    . "</FilesMatch>\n") : ());
write_file($httpd->dir . '/htdocs/pid.php', '<?php echo getmypid();');
chmod 0644, $httpd->dir . '/htdocs/pid.php';
ok($httpd->start, 'httpd');
$httpd->workers;

# The words after the query string in the log.
sub logged {
    my ($query) = @_;
    my $line;
    wait_for { ($line) = slurp($log) =~ /^\?\Q$query\E (.*)$/m } 10,
        "the log's line of $query";
    return defined $line ? split / /, $line : ();
}

# --- who, how long
my $r = $httpd->get('/app/?pid&sleep=50');
my ($pid) = $r->{body} =~ /^pid=(\d+)/;
my ($status, $pool, $queue, $time, $worker, $all) = logged('pid&sleep=50');
is($status, 200, 'a request');
is($pool, 'app', 'its pool');
is($queue, 0, 'it has not waited');
cmp_ok($time, '>=', 50_000, 'the time of its worker, microseconds');
cmp_ok($time, '<=', $all, 'is not more than that of the whole');
is($worker, $pid, 'its worker');

my $right = 0;
for my $n (1 .. 20) {
    $r = $httpd->get("/app/?pid&text=$n");
    $right++ if $r->{body} =~ /^pid=(\d+)/
        && $1 eq ((logged("pid&text=$n"))[4] || '');
}
is($right, 20, 'and so for twenty others');

$httpd->get('/tcp/?text=tcp');
($status, $pool, $queue, $time, $worker) = logged('text=tcp');
is("$status $pool $worker", '200 tcp -', 'TCP: who answered is not known');
cmp_ok($time, '>', 0, 'but how long it took');

$httpd->get('/static.txt?static');
is(join(' ', (logged('static'))[1 .. 4]), '- - - -',
   'a request that is not ours has none of it');

SKIP: {
    skip 'php-cgi is missing', 3 unless $php;
    $r = $httpd->get('/pid.php?php');
    like($r->{body}, qr/^\d+$/, 'php-cgi with children of its own');
    is((logged('php'))[4], $r->{body}, 'the child that answered is named');
    isnt(parent_of($r->{body}), $httpd->manager,
         'which is not the one the manager has started');
}

# --- waiting
# The worker answers when its file is there.
my $go = "$dir/go";
chmod 0755, $dir or die "chmod $dir: $!";
$httpd->ask("/one/?until=$go&text=first");
$httpd->counts('one', in_flight => 1);
$httpd->ask('/one/?text=second');
$httpd->counts('one', queue => 1);
is($httpd->get('/one/?text=third')->{status}, 503, 'the queue is full');
($status, $pool, $queue, $time, $worker) = logged('text=third');
is("$status $pool $queue $time $worker", '503 one 0 - -', 'what is logged');
write_file($go, '', 0644);
($status, $pool, $queue) = logged('text=second');
is($status, 200, 'one that had to wait');
cmp_ok($queue, '>', 1000, 'for how long');
unlink $go;
$httpd->ask("/one/?until=$go&text=long");
$httpd->counts('one', in_flight => 1);
is($httpd->get('/one/?text=late')->{status}, 503, 'one that waits in vain');
($status, $pool, $queue, $time) = logged('text=late');
cmp_ok($queue, '>=', 5_000_000, 'for how long');
is($time, '-', 'it had no worker');
write_file($go, '', 0644);
logged("until=$go&text=long");
$httpd->counts('one', in_flight => 0, refused => 2, refused_limit => 1,
               refused_timeout => 1, refused_unavailable => 0);

# --- histograms
my $one = $httpd->pool_status('one');
my $bounds = $httpd->status->{time_bounds};
is(scalar @$bounds, 15, 'fifteen bounds');
is(scalar @{ $one->{$_}{counts} }, 16, "$_: sixteen counts")
    for qw(request_time queue_time);
is($one->{request_time}{count}, 3, 'three have had the worker');
is($one->{queue_time}{count}, 4, 'and one has waited in vain');
for my $h (@$one{qw(request_time queue_time)}) {
    my $sum = 0;
    $sum += $_ for @{ $h->{counts} };
    is($sum, $h->{count}, 'the counts add up');
}
sub between {
    my ($h, $low, $high) = @_;
    my $n = 0;
    for my $i (0 .. 15) {
        my $upper = $i < 15 ? $bounds->[$i] : 1e9;
        $n += $h->{counts}[$i] if $upper > $low && $upper <= $high;
    }
    return $n;
}
cmp_ok(between($one->{request_time}, 2.5, 1e9), '>=', 1,
       'one took as long as another waited in vain');
cmp_ok($one->{request_time}{sum}, '>=', 5, 'in the sum as well');
cmp_ok(between($one->{queue_time}, 2.5, 1e9), '>=', 1,
       'one has waited for 5 s');
is(between($one->{queue_time}, 0, 0.0011), 2, 'two did not have to');

# --- what does not work
wait_for { $httpd->pool_status('bad')->{state} eq 'backoff' } 20, 'backoff';
is($httpd->get('/bad/?bad')->{status}, 503, 'a pool that cannot answer');
is(join(' ', (logged('bad'))[1 .. 4]), 'bad - - -', 'its pool is logged');
cmp_ok($httpd->pool_status('bad')->{refused_unavailable}, '>=', 1,
       'and counted');

is($httpd->get('/early/?early')->{status}, 502, 'a worker that only closes');
$httpd->counts('early', retried => 1);
($status, $pool, $queue, $time) = logged('early');
cmp_ok($time, '>', 0, 'the time of both attempts');
ends_well($httpd);

done_testing;
