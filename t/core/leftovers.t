#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What a worker leaves behind: jobs in the background go on, what has the
# pool's socket is ended; a program that puts itself into the background is
# told so.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(connect_to read_answer request send_request);
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;

plan skip_all => 'what is left is known on Linux' if $^O ne 'linux';

sub run_with {
    my ($command, @option) = @_;
    return FCGIPM::Run->new(processes => 1, control => 1, command => $command,
                            options => \@option);
}

# Perl code in a worker; what it gives.
sub perl {
    my ($run, $code) = @_;
    return request($run->address, stdin => $code)->{body};
}

sub worker_of {
    my ($run) = @_;
    my $pid;
    wait_for {
        my @ready = map { $_->{pid} } grep { $_->{state} eq 'idle' }
            @{ $run->pool_status->{worker} || [] };
        ($pid) = @ready;
        @ready == 1
    } 20, 'a worker';
    return $pid;
}

sub gone {
    my ($pid, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok($pid && wait_for { !alive($pid) } 10, $name);
}

sub ends {
    my ($run, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $run->signal('TERM');
    return is($run->wait(20), 0, "$name: the manager ends with status 0");
}

my $PERL = [$^X, bin('intruder.pl')];

# A job as shells start it.  Its pid.
sub job {
    my ($run, $command) = @_;
    my $file = tmp_dir() . '/pid';
    write_file($file, '', 0666);
    perl($run, qq{system('$command & echo \$! > $file')});
    my ($pid) = slurp($file) =~ /^(\d+)$/;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok($pid && wait_for { cmdline($pid) !~ /intruder/ } 10,
       'a worker starts a job');
    return $pid;
}

# --- the worker is told, or goes by itself
for my $how (qw(HUP exit)) {
    my $run = run_with($PERL, '--die-timeout', '30');
    my $old = worker_of($run);
    my $job = job($run, 'sleep 300');
    my $go = tmp_dir() . '/go';
    my $speaker = job($run, qq{sh -c "while ! test -e $go; do sleep 0.05; done;}
                          . qq{ echo a job says hello >&2"});
    if ($how eq 'HUP') {
        is((ctl($run->control_socket, 'reload', '--wait'))[0], 0,
           'a reload does not wait for jobs');
    }
    else {
        perl($run, 'END { $? = 0 } exit');
    }
    gone($old, "$how: the worker goes");
    isnt(worker_of($run), $old, "$how: there is another");
    $run->counts('default', workers => 1, idle => 1, stopping => 0);
    ok(alive($job), "$how: its job lives on");
    like($run->log,
         qr/worker $old has gone; process $job, .* goes on: sleep \(\S+\)$/m,
         "$how: the log names it");
    write_file($go, '');
    ok(wait_for { $run->log =~ /pid $old: a job says hello/ } 10,
       "$how: what a job writes is logged") or diag($run->log);
    gone($speaker, "$how: it ends by itself");
    ends($run, $how);
    ok(alive($job), "$how: a job lives on when the manager has ended");
    kill 'KILL', $job;
}

# --- jobs without end: each worker leaves one that holds its standard error
{
    my $run = run_with($PERL);
    worker_of($run);
    my $count = sub { scalar keys %{ fds($run->manager) } };
    my $fds = $count->();
    my ($jobs, $group) = (0, tmp_dir());
    chmod 0777, $group;
    while ($jobs < 80) {
        my $pid = worker_of($run);
        perl($run, qq{system("exec sleep 300 & echo \\\$! > $group/$jobs"); exit});
        wait_for { -s "$group/$jobs" && !alive($pid) } 10, 'it goes' or last;
        $jobs++;
    }
    is($jobs, 80, '80 workers have left a job each');
    ok(worker_of($run), 'another one serves');
    cmp_ok($count->(), '<=', $fds + 70,
           'the manager reads what some of them write');
    kill 'KILL', map { slurp("$group/$_") } 0 .. $jobs - 1;
    ok(wait_for { $count->() <= $fds + 4 } 10,
       'and nothing when they have ended');
    ends($run, 'jobs');
}

# --- a job that writes much is not stopped by a pipe that is full
{
    my $run = run_with($PERL, '--log-limit', 10);
    my $old = worker_of($run);
    my $done = tmp_dir();
    chmod 0777, $done;
    my $job = job($run, qq{sh -c "while ! test -e $done/go; do sleep 0.05; done;}
                      . qq{ head -c 300000 /dev/zero | tr \\\\\\\\0 x >&2;}
                      . qq{ echo > $done/done"});
    $run->signal('HUP');
    gone($old, 'the worker goes');
    write_file("$done/go", '');
    ok(wait_for { -e "$done/done" } 10, 'a job can write more than a pipe holds');
    gone($job, 'and ends');
    ends($run, 'much output');
}

# --- the worker is killed
for my $how (qw(command elsewhere timeout)) {
    my $run = run_with($PERL, '--die-timeout', '2s');
    my $old = worker_of($run);
    my $job = job($run, 'sleep 300');
    my $apart = perl($run, <<'END');
require POSIX;
my $pid = fork;
if (!$pid) { POSIX::setsid(); POSIX::close($_) for 0 .. 9; exec 'sleep', 300 }
$pid
END
    ok(wait_for { cmdline($apart) eq 'sleep 300' } 10,
       "$how: a child in a session of its own");
    if ($how eq 'command') {
        ctl($run->control_socket, 'kill', $old);
    }
    elsif ($how eq 'elsewhere') {
        kill 'KILL', $old;
    }
    else {
        my $s = connect_to($run->address);
        send_request($s, stdin => '$SIG{TERM} = "IGNORE"; 1 while 1');
        $run->counts('default', busy => 1);
        $run->signal('TERM');
        is($run->wait(20), 1, "$how: the manager ends with status 1");
    }
    gone($old, "$how: the worker is gone");
    gone($job, "$how: and its job");
    if ($how eq 'elsewhere') {
        kill 'KILL', $apart; # nobody was asked who its child is
    }
    gone($apart, "$how: and its child");
    ends($run, $how) if $how ne 'timeout';
}

# --- what has the pool's socket is ended, beside a job
{
    my $run = run_with($PERL, '--die-timeout', '2s');
    my $old = worker_of($run);
    my $job = job($run, 'sleep 300');
    my $holder = perl($run, <<'END');
my $pid = fork;
if (!$pid) { $SIG{TERM} = 'IGNORE'; exec 'sleep', 299 }
$pid
END
    ok(wait_for { cmdline($holder) eq 'sleep 299' } 10, 'a child has the socket');
    $run->signal('HUP');
    gone($old, 'the worker goes');
    gone($holder, 'what has its socket is ended after the die timeout');
    ok(wait_for { $run->log =~ /process $job, .* goes on/ } 10,
       'its job lives on');
    ok(alive($job), 'it does');
    kill 'KILL', $job;
    ends($run, 'a holder');
}

# --- PHP
SKIP: {
    my $php = have('php-cgi');
    skip 'there is no php-cgi', 1 unless $php;
    my $script = write_file(tmp_dir() . '/job.php', <<'END', 0644);
<?php echo getmypid(), ' ';
if (isset($_GET['job'])) echo exec('sleep 300 >/dev/null 2>&1 & echo $!');
END
    my $run = run_with([$php], '--set-env', 'PHP_FCGI_MAX_REQUESTS=3',
                       '--die-timeout', '30');
    my $ask = sub {
        my $r = request($run->address, query => $_[0], params => {
            SCRIPT_FILENAME => $script, SCRIPT_NAME => '/x',
            REDIRECT_STATUS => 200 });
        return split ' ', $r->{body};
    };
    worker_of($run);
    my ($old, $job) = $ask->('job');
    ok($job && alive($job), 'PHP starts a job');
    $run->signal('HUP');
    gone($old, 'SIGHUP: php-cgi goes');
    ok(alive($job), 'its job lives on');
    kill 'KILL', $job;
    ($old, $job) = $ask->('job');
    $ask->('') for 1 .. 2;
    gone($old, 'php-cgi leaves after its last request');
    ok(alive($job), 'its job lives on');
    ok(wait_for { $run->log =~ /process $job, .* goes on: sleep \(\S+\)/ } 10,
       'the log names it');
    kill 'KILL', $job;
    ends($run, 'PHP');
}

# --- a program that puts itself into the background
for my $how (qw(daemon background)) {
    for my $guard (qw(on off)) {
        my $name = "$how, guard $guard";
        my $run = run_with([bin('worker'), "--$how"], '--guard', $guard);
        my $most = 0;
        ok(wait_for {
            my $n = () = $run->below;
            $most = $n if $n > $most;
            $run->log =~ / 4 starts in a row have failed/
        } 20, "$name: each start has failed");
        cmp_ok($most, '<=', 3, "$name: nothing piles up");
        like($run->log, qr/worker \d+ has put itself into the background/,
             "$name: the log says so");
        like($run->pool_status->{last_error},
             qr{in the foreground.*: worker \(\S+/worker\)}, "$name: the status, too");
        unlike($run->log, qr/died at birth/, "$name: and nothing else");
        ends($run, $name);
        is_deeply([map { cmdline($_) } descendants()], [],
                  "$name: nobody is left");
    }
}

# --- a pool that has gone leaves alone what another has at its socket: what
# that one's fork server is making, too
{
    my $dir = tmp_dir();
    my $address = '127.0.0.1:' . free_port();
    my $user = defined worker_user() ? 'FcgiPMUser ' . worker_user() : '';
    my $configure = sub {
        my ($name, $command, $preload) = @_;
        return write_file("$dir/pools.conf", <<"END");
FcgiPMRuntimeDir $dir/run
$user
<FcgiPMPool $name>
    FcgiPMCommand $command
    FcgiPMListen $address
    FcgiPMPreload $preload
</FcgiPMPool>
END
    };
    my $run = FCGIPM::Run->new(
        config => $configure->('former', "@$PERL", 'off'), dir => $dir,
        control => 1, options => ['--log-level', 'info']);
    $run->workers(1);
    my $client = connect_to($address);
    send_request($client, stdin => "sleep 1 until -e '$dir/go'");
    ok(wait_for { grep { $_->{state} eq 'busy' }
                      @{ $run->pool_status('former')->{worker} } } 20,
       'a request');
    $configure->('present', bin('loaded') . " atfork=$dir/wait", 'on');
    $run->signal('HUP');
    my ($server, $worker);
    wait_for {
        my $pool = $run->pool_status('present');
        $server = $pool->{fork_server};
        ($worker) = map { $_->{pid} } grep { $_->{state} eq 'idle' }
            @{ $pool->{worker} || [] };
        $server && $worker
    } 20, 'a fork server';
    write_file("$dir/wait", '');
    kill 'KILL', $worker;
    my $child;
    ok(wait_for {
           ($child) = grep { cmdline($_) =~ /atfork/ && $_ != $server
                             && $_ != $worker && getpgrp($_) == $_ }
               $run->below
       } 20, 'a worker is being born');
    write_file("$dir/go", '');
    ok(wait_for { $run->log =~ /pool former: has ended/ } 20,
       'the former pool ends') or diag($run->log);
    unlink "$dir/wait";
    ok(wait_for {
           grep { $_->{pid} == $child }
               @{ $run->pool_status('present')->{worker} || [] }
       } 20, 'it becomes one') or diag($run->log);
    ends($run, 'another pool');
}

done_testing;
