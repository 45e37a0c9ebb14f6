#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What the tables of pm_core/policy say, seen from outside: each row of the
# signal map, the worker's table, the stop ladder and what an exit means has a
# line here that fails without it.  t/mutation/run changes the rows one by one,
# and names the parts to be run as arguments; without any all are.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(connect_to read_answer request send_request);
use FCGIPM::Run;
use FCGIPM::Test;
use POSIX ();
use Test::More;

my $WORKER = bin('worker');
my %wanted = map { $_ => 1 } @ARGV;

sub part {
    my ($name, $do) = @_;
    $do->() if !%wanted || $wanted{$name};
    return;
}

my $LONG = 60_000;    # ms; longer than anything here takes

sub run_with {
    my ($processes, $command, @option) = @_;
    return FCGIPM::Run->new(processes => $processes, control => 1,
                            command => $command, options => \@option);
}

sub pool_of { return $_[0]->pool_status }
sub pids { return map { $_->{pid} } @{ pool_of($_[0])->{worker} || [] } }

# The first worker, as soon as it is in that state.
sub worker_in {
    my ($run, $state) = @_;
    my $pid;
    wait_for {
        ($pid) = map { $_->{pid} } grep { $_->{state} eq $state }
            @{ pool_of($run)->{worker} || [] };
    } 10, "a worker that is $state";
    return $pid || 0;
}

# A file of traces, and the options that have a worker write there.
sub trace { return write_file(tmp_dir() . '/trace', '', 0666) }

sub busy {
    my ($run, $query) = @_;
    my $s = connect_to($run->address);
    send_request($s, query => $query || "sleep=$LONG");
    worker_in($run, 'busy');
    return $s;
}

sub gone {
    my ($pid, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok($pid && wait_for { !alive($pid) } 10, $name);
}

sub ends {
    my ($run, $status, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $run->signal('TERM');
    is($run->wait(10), $status, "$name: exit status $status");
    return is_deeply([descendants()], [], "$name: no process is left");
}

# --- signals that mean nothing to a manager, and those that end it
part(signals => sub {
    for my $name (qw(TERM INT)) {
        my $run = run_with(2, [$WORKER]);
        worker_in($run, 'idle');
        $run->signal($_) for qw(PIPE USR1 USR2 WINCH);
        ok($run->status, 'PIPE, USR1, USR2, WINCH: the manager lives');
        $run->signal($name);
        is($run->wait(10), 0, "SIG$name ends it: exit status 0");
        is_deeply([descendants()], [], 'no process is left');
        my $times = () = $run->log =~ /: every worker is told to go/g;
        is($times, 1, 'workers are told');
    }
});

# --- nothing more is done once the end has begun
part(end => sub {
    for my $name (qw(TERM INT HUP)) {
        my $run = run_with(1, [$WORKER], '--die-timeout', '30');
        my $pid = worker_in($run, 'idle');
        my $s = busy($run, 'sleep=700&pid');
        $run->signal('TERM');
        ok(wait_for { $run->log =~ /every worker is told/ } 10, 'SIGTERM');
        $run->signal($name);
        like(read_answer($s, 10)->{body}, qr/^pid=$pid /, "SIG$name on top of it");
        is($run->wait(10), 0, 'exit status 0');
        my $times = () = $run->log =~ /every worker is told/g;
        is($times, 1, 'workers were told once');
        unlike($run->log, qr/: reload: /, 'and there was no reload');
    }
});

# --- a worker whose program has not been executed yet: the way into a cgroup
# that is a fifo lasts until somebody reads there
sub unborn {
    my ($command) = @_;
    my $dir = tmp_dir();
    chmod 0755, $dir;
    write_file("$dir/cgroup.controllers", '');
    POSIX::mkfifo("$dir/cgroup.procs", 0666) or die "mkfifo: $!";
    my $run = run_with(1, [$WORKER, '--trace', trace()], '--cgroup', $dir,
                       '--start-timeout', 0);
    my $pid;
    ok(wait_for { ($pid) = pids($run) } 10, "$command: a worker without exec");
    my $what = $command eq 'kill' ? $pid : 'default';
    is((ctl($run->control_socket, $command, $what))[0], 0, $command);
    gone($pid, "$command: it goes");
    ctl($run->control_socket, 'start', 'default');
    my $next;
    ok(wait_for { ($next) = grep { $_ != $pid } pids($run) } 10,
       "$command: another takes its place");
    is(pool_of($run)->{crashed}, 0, 'which is no crash');
    open my $fifo, '+<', "$dir/cgroup.procs" or die "fifo: $!";
    is(worker_in($run, 'idle'), $next, "$command: that one serves");
    ends($run, 0, $command);
    return;
}

part(unborn => sub { unborn($_) for qw(stop kill) });

# --- one whose program loads
part(loading => sub {
    my $run = run_with(2, [$WORKER, '--slow-start', $LONG], '--die-timeout',
                       '30', '--start-timeout', 0);
    my @old;
    ok(wait_for { 2 == (@old = $run->workers) } 10, 'workers that load');
    is(pool_of($run)->{starting}, 2, 'are starting');
    is((ctl($run->control_socket, 'kill', $old[0]))[0], 0, 'kill');
    gone($old[0], 'kill: it goes');
    is((ctl($run->control_socket, 'stop', 'default'))[0], 0, 'stop');
    ctl($run->control_socket, 'ping'); # that round is over
    # it was told with that, not a second later
    kill 'STOP', $run->manager;
    gone($old[1], 'stop: it goes');
    kill 'CONT', $run->manager;
    ctl($run->control_socket, 'start', 'default');
    ok(wait_for { 2 == grep { $_ != $old[0] && $_ != $old[1] } pids($run) } 10,
       'others take their place');
    is(pool_of($run)->{crashed}, 0, 'which is no crash');
    ends($run, 0, 'loading');
});

# --- one that serves
part(serving => sub {
    my $run = run_with(2, [$WORKER]);
    my @old = $run->workers(2);
    $run->counts('default', idle => 2);
    is((ctl($run->control_socket, 'kill', $old[0]))[0], 0, 'kill');
    gone($old[0], 'kill: it goes');
    $run->counts('default', idle => 2, killed => 1, stopping => 0);
    my $before = pool_of($run)->{exited};
    $run->signal('HUP');
    gone($old[1], 'SIGHUP: the other goes');
    $run->counts('default', idle => 2, stopping => 0, crashed => 0,
                 exited => $before + 2);
    ends($run, 0, 'serving');
});

# --- told, and does not go
part(stubborn => sub {
    my $run = run_with(1, [$WORKER, '--ignore-term'], '--die-timeout', '400ms');
    my $pid = worker_in($run, 'idle');
    $run->signal('HUP');
    gone($pid, 'idle: the die timeout ends it');
    $run->counts('default', killed => 1, stopping => 0);
    worker_in($run, 'idle');
    my $s = busy($run, 'sleep=1500&pid');
    $run->signal('HUP');
    like(read_answer($s, 10)->{body}, qr/^pid=/,
         'busy: the die timeout does not');
    worker_in($run, 'idle');
    busy($run);
    $run->signal('TERM');
    is($run->wait(10), 1, 'busy, and the manager ends: exit status 1');
    is_deeply([descendants()], [], 'no process is left');
});
part(stubborn => sub {
    my $run = run_with(1, [$WORKER], '--drain-timeout', '400ms');
    my $pid = worker_in($run, 'idle');
    busy($run);
    $run->signal('HUP');
    gone($pid, 'busy: the drain timeout ends it');
    $run->counts('default', killed => 1, stopping => 0, crashed => 0);
    ends($run, 0, 'drain timeout');
});

# --- told again when idle, and only then
part(again => sub {
    my $trace = trace();
    my $run = run_with(1, [$WORKER, '--sigwait', '--trace', $trace],
                       '--die-timeout', '30');
    my $pid = worker_in($run, 'idle');
    $run->signal('HUP');
    gone($pid, 'a program that needs two SIGTERMs gets two');
    is(count_lines($trace, "^term $pid"), 2, 'no more');
    $run->counts('default', killed => 0, stopping => 0);
    my $next = worker_in($run, 'idle');
    my $s = busy($run, 'sleep=1500&pid');
    $run->signal('HUP');
    like(read_answer($s, 10)->{body}, qr/^pid=$next /,
         'but not while it has a request');
    $run->signal('TERM');
    wait_for { $run->log =~ /every worker is told/ } 10, 'the end';
    kill 'KILL', pids($run);
    ok(defined $run->wait(10), 'the end');
});

# --- what a worker leaves in its process group
part(leftovers => sub {
    my $run = run_with(1, [$WORKER], '--die-timeout', '400ms');
    my $pid = worker_in($run, 'idle');
    is(request($run->address, query => 'child=deaf')->{error}, undef,
       'a worker forks a child');
    my ($left) = children($pid);
    ok($left, 'which ignores SIGTERM');
    request($run->address, query => 'exit=0');
    gone($pid, 'the worker goes');
    gone($left, 'the child is killed a die timeout later');
    $run->counts('default', idle => 1, stopping => 0, killed => 0);
    ends($run, 0, 'leftovers');
});

# --- what an exit means
part(exits => sub {
    my $run = run_with(1, [$WORKER]);
    my $pid = worker_in($run, 'idle');
    is(request($run->address, query => 'exit=0')->{error}, undef,
       'a worker exits after its answer');
    gone($pid, 'it goes');
    $run->counts('default', idle => 1, exited => 1, crashed => 0);
    $pid = worker_in($run, 'idle');
    request($run->address, query => 'exit=3');
    gone($pid, 'with an error');
    $run->counts('default', idle => 1, exited => 1, crashed => 1);
    unlike($run->log, qr/died at birth/, 'neither has died at birth');
    $pid = worker_in($run, 'idle');
    ok(wait_for { age($pid) > 1.2 } 10, 'a worker that has settled');
    kill 'KILL', $pid;
    $run->counts('default', idle => 1, crashed => 2);
    unlike($run->log, qr/died at birth/, 'one that is killed later has not');
    unlike($run->log, qr/starts in a row have failed/, 'no start is delayed');
    ends($run, 0, 'exits');
});

# --- a program that cannot be executed is a failed birth, each time
part(noexec => sub {
    my $broken = write_file(tmp_dir() . '/x', "#!/no/such/program\n", 0755);
    my $run = run_with(2, [$broken]);
    ok(wait_for { $run->log =~ / 4 starts in a row have failed/ } 10,
       'no such interpreter: ever again, ever later');
    unlike($run->log, qr/ 1 starts in a row/, 'the first time without delay');
    my %delay = $run->log =~ / (\d) starts in a row .* in (\S+) s at/g;
    is_deeply([@delay{2, 3, 4}], [qw(0.100 0.200 0.400)], 'each twice as long');
    unlike($run->log, qr/has crashed/, 'it has not crashed');
    is(pool_of($run)->{state}, 'backoff', 'the state tells');
    $run->counts('default', stopping => 0);
    ends($run, 0, 'no exec');
});

# --- EAGAIN is what a step failed with, not "no answer yet"
part(noexec => sub {
    my $user = worker_user() or return;
    # The kernel counts what the user has before the worker becomes that user.
    my $ready = tmp_dir() . '/ready';
    my $other = start(cmd => [$^X, '-e', <<'END', (getpwnam $user)[2], $ready]);
my ($uid, $ready) = @ARGV;
open my $file, '>', $ready or die;
$< = $> = $uid;
print $file "$>\n";
close $file;
sleep 60;
END
    ok(wait_for { -s $ready } 10, 'the user has a process');
    my $run = run_with(1, [$WORKER], '--rlimit', 'nproc 0');
    ok(wait_for { $run->log =~ /cannot start \S+ as $user: .*unavailable/i } 10,
       'a limit of processes that is reached: the step is named')
        or diag($run->log);
    $other->signal('KILL');
    $other->wait(10);
    ends($run, 0, 'no process more');
});

# --- a worker that dies before it is ready has failed, however long it has loaded
part(slowdie => sub {
    my $run = run_with(1, [write_script(tmp_dir() . '/x', <<'END')]);
sleep 0.7 # what it starts for a second could be what serves
sleep 0.7
echo "cannot open the database" >&2
exit 1
END
    ok(wait_for { $run->log =~ / 4 starts in a row have failed/ } 40,
       'loads for longer than a second, then dies: ever later');
    unlike($run->log, qr/has crashed/, 'it has not crashed');
    like($run->log, qr/cannot open the database/, 'what it says is logged');
    ok(wait_for { (pool_of($run)->{state} || '') eq 'backoff' } 10,
       'the state tells');
    ends($run, 0, 'slow deaths');
});

# --- deaths at birth: what dies together counts once, and what lives at last
# makes good for all
part(births => sub {
    my $dir = tmp_dir();
    chmod 0755, $dir;
    my $run = run_with(6, [write_script("$dir/x", <<"END")]);
test -e $dir/good || exit 3
exec $WORKER
END
    ok(wait_for { $run->log =~ / 2 starts in a row have failed/ } 10,
       'six die at birth');
    my $dead;
    ok(wait_for { ($dead = () = $run->log =~ /died at birth/g) >= 6 } 10,
       'all of them');
    my ($counted) = reverse $run->log =~ / (\d+) starts in a row/g;
    cmp_ok($counted, '<', $dead, 'together they count once');
    write_file("$dir/good", '');
    $run->counts('default', idle => 6);
    my ($before) = reverse $run->log =~ / (\d+) starts in a row/g;
    my $crashed = pool_of($run)->{crashed};
    my @pid = pids($run);
    ok(wait_for { age($pid[-1]) > 1.2 } 10, 'six that have settled');
    unlink "$dir/good";
    kill 'KILL', $pid[0];
    ok(wait_for { pool_of($run)->{crashed} >= $crashed + 3 } 10,
       'one dies, its successors die at birth');
    my ($after) = reverse $run->log =~ / (\d+) starts in a row/g;
    cmp_ok($after, '<=', pool_of($run)->{crashed} - $crashed - 1,
           "counted anew: $after, after $before before");
    ends($run, 0, 'deaths at birth');
});

# --- after failures one worker is on trial, not all that are missing
part(trial => sub {
    my $trace = trace();
    my $run = run_with(4, [write_script(tmp_dir() . '/x', <<"END")]);
echo try >> $trace
sleep 0.2
exit 3
END
    ok(wait_for { $run->log =~ / 3 starts in a row have failed/ } 20,
       'workers that die soon after their start');
    $run->counts('default', workers => 0);
    my ($n) = reverse $run->log =~ / (\d+) starts in a row/g;
    my $then = $n + 2;    # two more rounds
    my ($most, $now) = (0);
    ok(wait_for {
        $now = pool_of($run)->{workers};
        $most = $now if $now > $most;
        $run->log =~ / $then starts in a row have failed/
    } 40, 'again and again');
    cmp_ok($most, '<=', 1, 'one at a time');
    ends($run, 0, 'on trial');
});

done_testing;
