#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# FcgiPMRequestsPerWorker: a worker that works on several requests at once gets
# several, and all that counts workers elsewhere counts requests.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI ();
use FCGIPM::HTTP qw(ask_at rest_of status_of);
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my $dir = tmp_dir();
my $go = 0;
my $httpd;

sub threaded { return [bin('threaded'), $_[0]] }

sub config {
    my ($each, @line) = @_;
    # all requests may be in one child: as many as it has threads
    return join '', map({ "$_\n" } 'FcgiPMRequestsPerWorker 4',
                        'FcgiPMMaxThreads 16', @line),
        pool('one', threaded(8), "FcgiPMRequestsPerWorker $each"),
        location('one'),
        pool('grow', threaded(4), 'FcgiPMProcesses 1 4',
             'FcgiPMIdleTimeout 400ms'), location('grow'),
        pool('spare', threaded(4), 'FcgiPMProcesses 0 4',
             'FcgiPMSpareProcesses 1'), location('spare'),
        pool('limit', threaded(4), 'FcgiPMQueueLimit 2'), location('limit'),
        pool('reload', threaded(4), 'FcgiPMProcesses 2'), location('reload'),
        pool('busy', threaded(4), 'FcgiPMRequestTimeout 1s'),
        location('busy'),
        pool('recycle', threaded(4), 'FcgiPMProcesses 2',
             'FcgiPMMaxRequests 50 50%'), location('recycle'),
        pool('slow', threaded(4), 'FcgiPMSlowLog 200ms'), location('slow'),
        kinds(), php_pools();
}

# --- programs that take several ---------------------------------------------

my %kind = ('C, libfcgi, threads' => threaded(4));
$kind{Node} = [bin('plain.js')] if -x '/usr/bin/node';
$kind{"Python, $_"} = [bin('plain.py'), $_]
    for -x '/usr/bin/python3' ? ('threads', 'asyncio') : ();

sub kinds {
    my $i = 0;
    return map {
        my $name = 'kind' . $i++;
        (pool($name, $kind{$_}), location($name))
    } sort keys %kind;
}

# --- PHP with children ------------------------------------------------------

my $cgi = have('php-cgi');
my $fpm = (glob '/usr/sbin/php-fpm*')[-1];
my @php = (($cgi ? 'cgi' : ()), ($fpm ? 'fpm' : ()));
mkdir "$dir/php" or die "mkdir: $!";
mkdir "$dir/php/met" or die "mkdir: $!";
chmod 0777, "$dir/php/met";

# A request ends when four are there.
write_file("$dir/php/meet.php", <<"END");
<?php
touch('$dir/php/met/' . getmypid());
for (\$i = 0; count(glob('$dir/php/met/*')) < 4 && \$i < 1500; \$i++) {
    usleep(10000);
}
echo 'met=', count(glob('$dir/php/met/*')), "\n";
END
write_file("$dir/php/pid.php",
           '<?php usleep(20000); echo "pid=", getmypid(), " tag=php\n";');

sub php_pools {
    my $text = '';
    $text .= pool('cgi', [$cgi, '-n'], 'FcgiPMSetEnv PHP_FCGI_CHILDREN 4')
        if $cgi;
    $text .= pool('fpm', [fpm_worker()]) if $fpm;
    return $text . join '', map { <<"END" } @php;
Alias /$_ $dir/php
<Location /$_>
    Require all granted
    SetHandler fcgipm:$_
</Location>
END
}

# As docs/admin/workers.md has it.
sub fpm_worker {
    my ($socket) = $httpd->pool_socket('fpm') =~ /^unix:(.*)/;
    write_file("$dir/fpm.conf", <<"END");
[global]
daemonize = no
error_log = /dev/null
process_control_timeout = 10
[www]
listen = $socket
pm = static
pm.max_children = 4
END
    return write_script("$dir/fpm", <<"END");
exec 9<&0
FPM_SOCKETS=$socket=9
export FPM_SOCKETS
exec $fpm -n --nodaemonize --force-stderr --fpm-config $dir/fpm.conf
END
}

# --- clients ----------------------------------------------------------------

# N requests; their answers are read later.
sub ask {
    my ($path, $n) = @_;
    return map { ask_at($httpd->port, $path) } 1 .. $n;
}

# N requests that are at their worker until go() is called.
sub hold { my ($pool, $n) = @_; return ask("/$pool/?until=$dir/go$go", $n) }

sub go { write_file("$dir/go$go", '', 0644); $go++; return }

sub good { return scalar grep { status_of($_, 30) == 200 } @_ }

sub workers_of { return @{ $httpd->pool_status($_[0])->{worker} } }

# The pool's workers have N requests, as they say.
sub inside {
    my ($pool, $n, $what) = @_;
    my $sum;
    my $done = wait_for {
        $sum = 0;
        $sum += $_->{in_flight} for workers_of($pool);
        $sum == $n
    } 15, "$pool: $n requests";
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok($done, $what) || diag("they have $sum");
}

# --- tests ------------------------------------------------------------------

# None of them answers before all are there.
sub together {
    my @s = ask('/one/?together=8', 8);
    my @said = map { rest_of($_, 30) =~ /most=(\d+)/ ? $1 : '?' } @s;
    is("@said", '8 8 8 8 8 8 8 8', 'eight requests are in one worker at once');
    @s = hold('one', 10);
    $httpd->counts('one', workers => 1, busy => 1, idle => 0, queue => 2,
                   in_flight => 10, requests_per_worker => 8);
    inside('one', 8, 'as many as it is to have');
    go();
    is(good(@s), 10, 'all are answered');
    $httpd->counts('one', busy => 0, idle => 1, queue => 0, in_flight => 0);
    inside('one', 0, 'none is left');
    return;
}

sub grows {
    my @s;
    for my $step ([4, 1], [1, 2], [3, 2], [1, 3], [7, 4], [4, 4]) {
        my ($more, $workers) = @$step;
        push @s, hold('grow', $more);
        my $n = @s;
        $httpd->counts('grow', workers => $workers, in_flight => $n,
                       queue => $n > 16 ? $n - 16 : 0);
    }
    go();
    is(good(@s), 20, 'all are answered');
    $httpd->counts('grow', workers => 1, in_flight => 0);
    return;
}

sub spares {
    $httpd->counts('spare', workers => 1);
    my @s = hold('spare', 1);
    $httpd->counts('spare', workers => 2, in_flight => 1);
    push @s, hold('spare', 3);
    $httpd->counts('spare', workers => 2, in_flight => 4);
    push @s, hold('spare', 1);
    $httpd->counts('spare', workers => 3, in_flight => 5);
    go();
    is(good(@s), 5, 'all are answered');
    return;
}

sub limit {
    my @s = hold('limit', 6);
    $httpd->counts('limit', queue => 2, in_flight => 6);
    is($httpd->get('/limit/')->{status}, 503, 'a third one may not wait');
    go();
    is(good(@s), 6, 'all others are answered');
    return;
}

# Requests in each worker, when all are told to go.
sub reload {
    my @old = map { $_->{pid} } workers_of('reload');
    my @s = hold('reload', 8);
    inside('reload', 8, 'two workers are full');
    my @queued = hold('reload', 2);
    $httpd->counts('reload', queue => 2);
    ok($httpd->graceful, 'a graceful');
    $httpd->counts('reload', stopping => 2, queue => 0, in_flight => 10);
    inside('reload', 10, 'those that were told have theirs still');
    go();
    is(good(@s, @queued), 10, 'all are answered');
    $httpd->counts('reload', stopping => 0, workers => 2, killed => 0);
    my %new = map { ($_->{pid} => 1) } workers_of('reload');
    is(scalar(grep { $new{$_} } @old), 0, 'by workers that have gone since');
    return;
}

# One that goes has one request left: it does not count for four.
sub leaves_room_only_for_what_it_has {
    my @s = hold('reload', 1);
    inside('reload', 1, 'one request');
    my ($old) = grep { $_->{in_flight} } workers_of('reload');
    ok($httpd->graceful, 'a graceful');
    $httpd->counts('reload', stopping => 1, workers => 2);
    my @more = hold('reload', 11);
    $httpd->counts('reload', queue => 3, in_flight => 12);
    inside('reload', 9, 'two new ones have four each');
    go();
    is(good(@s, @more), 12, 'all are answered');
    return;
}

sub under_load {
    my $load = load_on($httpd, '/reload/?sleep=20', 12);
    ok($load->flows(50), 'requests flow');
    for (1 .. 5) {
        my @old = map { $_->{pid} } grep { $_->{state} ne 'stopping' }
            workers_of('reload');
        my ($status, $said) = ctl($httpd->control_socket, 'reload', 'reload',
                                  '--wait');
        is($status, 0, 'a reload') or diag($said);
        $load->flows(20);
    }
    is($load->stop->{failed}, 0, 'none is lost') or diag($load->explain);
    return;
}

# Each time its oldest request counts, not when the worker was idle last.
sub request_timeout {
    my $load = load_on($httpd, '/busy/?sleep=30', 3);
    ok($load->flows(400), 'it is never without a request');
    $httpd->counts('busy', timed_out => 0);
    my ($stuck) = hold('busy', 1);
    like(rest_of($stuck, 30), qr{^HTTP/1\.1 504}, 'one that takes too long: 504');
    $httpd->counts('busy', timed_out => 1);
    ok($httpd->log =~ /pool busy: .*FcgiPMRequestTimeout/, 'the log tells');
    ok($load->flows(50), 'requests flow');
    my $sum = $load->stop;
    is($sum->{failed}, 0, 'the others in that worker are answered')
        or diag($load->explain);
    go();
    return;
}

# By the manager, not by httpd: it is not httpd's.
sub recycles {
    my $before = $httpd->pool_status('recycle')->{recycled};
    my $load = load_on($httpd, '/recycle/?sleep=5', 8);
    ok(wait_for {
        my $now = $httpd->pool_status('recycle')->{recycled};
        $now >= $before + 6
    } 30, 'workers are replaced for FcgiPMMaxRequests');
    is($load->stop->{failed}, 0, 'none is lost') or diag($load->explain);
    return;
}

# Each is seen by httpd when it becomes slow, and by the manager once it is its
# worker's oldest: that is no other one.
sub slow_log {
    my $others = 'a request that is not of this httpd';
    my $line = 'pool slow: .*: slow: GET';
    my $first = write_file("$dir/first", '', 0644);
    unlink $first;
    my ($one) = ask("/slow/?until=$first", 1);
    ok(wait_for { count_lines($httpd->error_log, $line) == 1 } 15, 'a slow one');
    my ($two) = hold('slow', 1);
    ok(wait_for { count_lines($httpd->error_log, $line) == 2 } 15, 'another');
    write_file($first, '', 0644);
    is(good($one), 1, 'the first one ends');
    my $socket = $httpd->pool_socket('slow');
    my $direct = FCGIPM::FastCGI::connect_to($socket) or die "connect: $!";
    FCGIPM::FastCGI::send_request($direct, query => "until=$dir/go$go");
    my ($three) = hold('slow', 1);
    ok(wait_for { count_lines($httpd->error_log, $line) == 3 } 15, 'a third');
    is(count_lines($httpd->error_log, $others), 0,
       "httpd's are not taken for others, nor is one behind them seen");
    my $middle = $go;
    $go++;
    my ($four) = hold('slow', 1);
    ok(wait_for { count_lines($httpd->error_log, $line) == 4 } 15, 'a fourth');
    write_file("$dir/go$middle", '', 0644);
    is(good($two, $three), 2, 'those end');
    FCGIPM::FastCGI::read_answer($direct, 15);
    go();
    is(good($four), 1, 'all are answered');
    return;
}

# Each worker has four at once, and four more after that.
sub all_kinds {
    my $i = 0;
    for my $kind (sort keys %kind) {
        my $pool = 'kind' . $i++;
        my @s = hold($pool, 6);
        $httpd->counts($pool, queue => 2, in_flight => 6);
        inside($pool, 4, "$kind: four at once");
        go();
        is(good(@s), 6, "$kind: all are answered");
    }
    return;
}

# Processes below the worker serve; of them the manager knows nothing.
sub children_serve {
    my ($pool) = @_;
    unlink glob "$dir/php/met/*";
    my @said = map { rest_of($_, 30) =~ /met=(\d)/ ? $1 : '?' }
        ask("/$pool/meet.php", 4);
    is("@said", '4 4 4 4', "$pool: four at once");
    my $load = load_on($httpd, "/$pool/pid.php", 8);
    ok($load->flows(50), "$pool: requests flow");
    for (1 .. 3) {
        my ($status, $said) = ctl($httpd->control_socket, 'reload', $pool,
                                  '--wait');
        is($status, 0, "$pool: a reload") or diag($said);
        $load->flows(20);
    }
    is($load->stop->{failed}, 0, "$pool: none is lost")
        or diag($load->explain);
    return;
}

sub php {
    children_serve($_) for @php;
    ok(1, "PHP: @php");
    return;
}

# The number of requests may change while they run.
sub changes {
    my @s = hold('one', 8);
    inside('one', 8, 'eight');
    my ($old) = map { $_->{pid} } workers_of('one');
    $httpd->write_config(config(2, 'FcgiPMGraceful changed'));
    ok($httpd->graceful, 'two from now on');
    my @more = hold('one', 1);
    $httpd->counts('one', requests_per_worker => 2, queue => 7);
    is((workers_of('one'))[0]{pid}, $old, 'the worker stays');
    $httpd->write_config(config(8, 'FcgiPMGraceful changed'));
    push @more, hold('one', 1);
    ok($httpd->graceful, 'eight again');
    $httpd->counts('one', requests_per_worker => 8, queue => 2);
    go();
    is(good(@s, @more), 10, 'all are answered');
    return;
}

sub one_mpm {
    my ($mpm) = @_;
    $httpd = FCGIPM::Httpd->new(mpm => $mpm);
    $httpd->write_config(config(8));
    ok($httpd->start, "MPM $mpm") or return;
    my @test = (
        [together => \&together], [grows => \&grows], [spares => \&spares],
        [limit => \&limit], [reload => \&reload],
        ['what it has' => \&leaves_room_only_for_what_it_has],
        ['under load' => \&under_load], ['request timeout' => \&request_timeout],
        [recycles => \&recycles], [slow => \&slow_log],
        [kinds => \&all_kinds], [php => \&php], [changes => \&changes]);
    subtest("$mpm: $_->[0]", sub { $_[0]->(); done_testing }, $_->[1])
        for @test;
    ends_well($httpd);
    return;
}

one_mpm($_) for 'event', 'prefork';
done_testing;
