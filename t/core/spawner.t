#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The spawner forks the workers, which are the manager's children all the same.
# Whatever happens to it, workers are born, and the manager waits for nothing.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Run;
use FCGIPM::Test;
use IPC::Open2;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

plan skip_all => 'only Linux has it' unless $^O eq 'linux';

my $LOOP = bin('loop') . '';

# A longer run for storm and soak.
my $TIMES = $ENV{FCGIPM_SPAWNER} || 1;

# Its children inherit that, the manager's do not.
my $MARK = getpriority(0, 0) + 3;

sub spawner {
    my ($run, $not) = @_;
    my $pid;
    wait_for {
        $pid = $run->spawner;
        $pid && $pid != ($not || 0)
    } 20, 'a spawner';
    return $pid;
}

sub mark { return setpriority 0, $_[0], $MARK }
sub marked { return grep { getpriority(0, $_) == $MARK } @_ }

# All workers anew.
sub hup {
    my ($run) = @_;
    my @old = $run->workers($run->{processes});
    $run->signal('HUP');
    return $run->renewed(@old);
}

sub ends {
    my ($run, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $run->signal('TERM');
    is($run->wait(20), 0, "$name: the manager ends well");
    return is_deeply([map { cmdline($_) } descendants()], [],
                     "$name: nothing is left");
}

# --- how it is and what it makes
sub births {
    my $run = FCGIPM::Run->new(processes => 5, command => [$LOOP],
                               options => ['--log-level', 'debug']);
    $run->workers(5);
    my $server = spawner($run) or return;
    is(parent_of($server), $run->pid, 'it is a child of the manager');
    # while it forks it has the newborn's pipe
    my $fds;
    ok(wait_for { 4 == keys %{ $fds = fds($server) } } 20,
       'it has four descriptors') or diag(explain($fds));
    is_deeply([@$fds{0 .. 2}], [('/dev/null') x 3],
              'the standard ones lead nowhere');
    is(scalar(grep { m{^socket:} } values %$fds), 1,
       'one leads to the manager');
    my ($group) = (split ' ', slurp("/proc/$server/stat"))[4];
    is($group, $server, 'it leads a process group');
    kill $_, $server for qw(TERM HUP INT CHLD USR1 PIPE);

    mark($server);
    my @worker = hup($run);
    is(scalar @worker, 5, 'SIGHUP: new workers');
    is(scalar marked(@worker), 5, 'it has made them');
    is(scalar(grep { parent_of($_) == $run->pid } @worker), 5,
       'the manager is their parent');
    is($run->spawner, $server, 'and it is the same process');
    ok(wait_for { 4 == keys %{ fds($server) } } 20,
       'nothing of theirs stays open in it');
    is_deeply(fds($server), $fds, 'it has the same descriptors');
    kill 'KILL', $worker[0];
    ok(wait_for { my @now = $run->workers;
                  @now == 5 && !grep { $_ == $worker[0] } @now } 20,
       'one that dies is reaped and replaced');
    is(scalar marked($run->workers), 5, 'by the same means');
    unlike($run->log, qr/spawner/, 'the log says nothing');
    ends($run, 'births');
    return;
}

# --- small and large environments
sub large {
    my @arg = map { "argument $_" . 'x' x 50 } 1 .. 200;
    for my $size (8_000, 100_000) { # the spawner's; the manager forks
        my $huge = 'v' x $size;
        my $run = FCGIPM::Run->new(
            command => [$LOOP, @arg],
            options => [map { ('--set-env', "V$_=$huge$_") } 1 .. 5]);
        my ($first) = $run->workers(1);
        mark(spawner($run) || return);
        my ($pid) = hup($run);
        is(scalar marked($pid), $size < 10_000 ? 1 : 0,
           "a worker with five variables of $size bytes");
        is_deeply([split /\0/, slurp("/proc/$pid/cmdline")], [$LOOP, @arg],
                  'its 200 arguments');
        ok(wait_for {
               my $env = proc_env($pid);
               5 == grep { ($env->{"V$_"} || '') eq "$huge$_" } 1 .. 5
           } 10, 'and its environment');
        ends($run, "large $size");
    }
    return;
}

# --- one that cannot be born
sub failure {
    my $dir = tmp_dir();
    my $program = write_file("$dir/program", "#!/no/such/interpreter\n",
                             0755);
    my $run = FCGIPM::Run->new(command => [$program]);
    ok(wait_for { $run->log =~ /cannot start \Q$program\E as .*No such file/ }
           20, 'why a birth fails comes back')
        or diag($run->log);
    $run->signal('TERM');
    is($run->wait(20), 0, 'the manager ends well');
    return;
}

# --- it does not answer: what it was to do is done, and nobody waits for it
sub stopped {
    my $run = FCGIPM::Run->new(processes => 3, command => [$LOOP], control => 1);
    $run->workers(3);
    my $server = spawner($run) or return;
    kill 'STOP', $server;
    my @old = $run->workers(3);
    $run->signal('HUP');
    my $longest = 0;
    my @worker;
    wait_for {
        my $from = time;
        ctl($run->control_socket, 'ping');
        my $took = time - $from;
        $longest = $took if $took > $longest;
        @worker = grep { my $pid = $_; !grep { $_ == $pid } @old } $run->workers;
        @worker == 3;
    } 20, 'three workers';
    is(scalar @worker, 3, 'it is stopped: workers are born all the same');
    unlike($run->log, qr/cannot start a worker/, 'none is given up');
    is_soon($longest, 1.5, 'the manager answers meanwhile');
    ok(wait_for { !alive($server) } 10, 'it is ended');
    like($run->log, qr/the spawner \(pid $server\) has not made a worker/,
         'the log says so');
    hup($run);
    my $second = spawner($run, $server);
    mark($second);
    @worker = hup($run);
    is(scalar marked(@worker), 3, 'another one makes the next ones');
    is(scalar $run->below, 3, 'none is there twice');

    kill 'STOP', $second;
    $run->signal('HUP');
    ok(wait_for { $run->status->{pools}[0]{starting} } 20,
       'workers are being born');
    my $from = time;
    ends($run, 'stopped');
    is_soon(time - $from, 8, 'a stop does not wait for it');
    return;
}

# --- a birth that hangs: nobody else waits
sub hangs {
    my $dir = tmp_dir();
    chmod 0755, $dir;
    my $fifo = "$dir/cgroup.procs";
    write_file("$dir/cgroup.controllers", '');
    POSIX::mkfifo($fifo, 0666) or return fail("mkfifo: $!");
    # a named pipe without a reader, opened for writing: as a dead NFS server
    my $run = FCGIPM::Run->new(
        processes => 2, command => [$LOOP], control => 1,
        options => ['--cgroup', $dir]);
    my @child;
    ok(wait_for {
           @child = grep { cmdline($_) eq 'fcgipm-spawner'
                           && $_ != ($run->spawner || 0) } descendants();
           @child == 2 || $run->log =~ /cgroup/i
       } 20, 'two births hang');
    is((ctl($run->control_socket, 'ping'))[0], 0, 'the manager answers');
    is($run->status->{pools}[0]{starting}, 2,
       'both are starting');
    my $from = time;
    $run->signal('TERM');
    ok(defined $run->wait(20), 'a stop ends');
    is_soon(time - $from, 8, 'in time');
    ok(wait_for { !descendants() } 10, 'nothing is left');

    $run = FCGIPM::Run->new(
        command => [$LOOP],
        options => ['--cgroup', $dir, '--start-timeout', '1']);
    ok(wait_for { $run->log =~ /does not execute its program after 1/ } 20,
       'FcgiPMStartTimeout ends such a birth');
    $run->signal('TERM');
    ok(defined $run->wait(20), 'a stop ends');
    return;
}

# --- a stop while orders are with a spawner that does not answer
sub no_more {
    my $run = FCGIPM::Run->new(processes => 4, command => [$LOOP], control => 1,
                               options => ['--log-level', 'info',
                                           '--die-timeout', 20]);
    $run->workers(4);
    my $server = spawner($run) or return;
    kill 'STOP', $server;
    $run->signal('HUP');
    ok(wait_for { $run->status->{pools}[0]{starting} } 20, 'workers are ordered');
    ends($run, 'a stop');
    is(() = $run->log =~ /worker \d+ started/g, 4,
       'no worker is started for a manager that ends');
    return;
}

# --- fork(2) fails for all that were ordered at once
sub again {
    my @deny = (bin('deny') . '', 'again', '--');
  SKIP: {
        skip 'seccomp cannot be had here', 1 if system(@deny, 'true') >> 8;
        my $run = FCGIPM::Run->new(processes => 8, wrap => \@deny,
                                   command => [$LOOP], control => 1);
        ok(wait_for { $run->log =~ /cannot fork: Resource temporarily/ } 20,
           'why it fails');
        my $failed = () = $run->log =~ /cannot fork/g;
        cmp_ok($failed, '<', 6, 'eight orders are not eight failures');
        is((ctl($run->control_socket, 'ping'))[0], 0, 'the manager goes on');
        ends($run, 'again');
    }
    return;
}

# --- a reload, and a stop, while workers are born
sub changes {
    my $n = 60;
    my $run = FCGIPM::Run->new(processes => $n, command => [$LOOP],
                               control => 1);
    ok(wait_for { my @some = $run->workers; @some > 5 } 20, 'births');
    $run->signal('HUP');
    sleep 0.02;
    $run->signal('HUP');
    my $last = time;
    ok(wait_for {
           my @now = $run->workers;
           @now == $n && !grep { time - $last + 0.02 < (age($_) || 0) } @now
       } 60, 'SIGHUP while workers are born: in the end all are new')
        or diag(join ' ', time - $last, map { age($_) } $run->workers);
    $run->counts('default', workers => $n, stopping => 0);
    $run->signal('HUP');
    my $from = time;
    ends($run, 'changes');
    is_soon(time - $from, 8, 'a stop while workers are born');
    return;
}

# Its spawner is stopped, and has orders of a reload.
sub order_and_stop {
    my ($run) = @_;
    my $server = spawner($run) or return;
    kill 'STOP', $server;
    $run->signal('HUP');
    ok(wait_for { $run->status->{pools}[0]{starting} } 20,
       'workers are ordered');
    return $server;
}

sub reload_once_more {
    my ($run) = @_;
    my $reloads = () = $run->log =~ /pool default: reload/g;
    $run->signal('HUP');
    wait_for { $reloads < (() = $run->log =~ /pool default: reload/g) } 20,
        'a reload';
    return;
}

# --- a reload while orders are with it: they are for workers of the former kind
sub former {
    my $dir = tmp_dir();
    my $user = defined worker_user() ? 'FcgiPMUser ' . worker_user() : '';
    my $configure = sub {
        return write_file("$dir/pools.conf", <<"END");
FcgiPMRuntimeDir $dir/run
$user
<FcgiPMPool default>
    FcgiPMCommand $LOOP
    FcgiPMProcesses 4
    FcgiPMSetEnv WHO $_[0]
</FcgiPMPool>
END
    };
    my $run = FCGIPM::Run->new(
        config => $configure->('former'), dir => $dir, control => 1,
        options => ['--log-level', 'info']);
    $run->workers(4);
    my $server = order_and_stop($run) or return;
    $configure->('present');
    reload_once_more($run);
    kill 'CONT', $server;
    my @who;
    ok(wait_for {
           @who = map { (proc_env($_) || {})->{WHO} || '?' } $run->workers;
           "@who" eq join ' ', ('present') x 4
       } 20, 'a reload while workers are on their way: in the end all are of '
           . 'the present kind') or diag("@who");
    ends($run, 'former');
    return;
}

# --- their program does not start, and their definition has gone meanwhile
sub outlived {
    my $dir = tmp_dir();
    my $user = defined worker_user() ? 'FcgiPMUser ' . worker_user() : '';
    my $program = write_file("$dir/program", "#!/bin/sh\nexec $LOOP\n", 0755);
    my $configure = sub {
        return write_file("$dir/pools.conf", <<"END");
FcgiPMRuntimeDir $dir/run
$user
<FcgiPMPool default>
    FcgiPMCommand $_[0]
    FcgiPMDirectory $dir
    FcgiPMProcesses 4
</FcgiPMPool>
END
    };
    my $run = FCGIPM::Run->new(
        config => $configure->($program), dir => $dir, control => 1,
        options => ['--log-level', 'info']);
    $run->workers(4);
    my $server = order_and_stop($run) or return;
    write_file($program, "#!/no/such/interpreter\n", 0755);
    $configure->($LOOP);
    reload_once_more($run);
    kill 'CONT', $server;
    ok(wait_for { $run->log =~ /cannot start \Q$program\E as/ } 20,
       'why they do not start is told') or diag($run->log);
    ok(wait_for {
           4 == grep { (cmdline($_) || '') eq $LOOP } $run->workers
       } 20, 'in the end all are of the present kind') or diag($run->log);
    ends($run, 'outlived');
    return;
}

# --- a child that it has forked, and that the manager does not know yet; of a
# spawner that has another one as its successor by then, too
sub unheard {
    my ($replaced) = @_;
    my $run = FCGIPM::Run->new(processes => 3, control => 1,
                               command => [$^X, bin('intruder.pl')]);
    my @old = $run->workers(3);
    my $server = spawner($run) or return;
    my ($has_job) = request(
        $run->address, stdin => q{system("sleep 300 & true"); $$}
    )->{body} =~ /(\d+)/;
    my ($other, $next) = grep { $_ != $has_job } @old;
    wait_for { age($server) > 1 } 10, 'one that may be replaced at once';
    my $holder = open2(my $said, my $let_go, bin('hold') . '', $server);
  SKIP: {
        skip 'ptrace cannot be had here', 1 if (readline $said || '') !~ /ready/;
        kill 'KILL', $other;
        chomp(my $child = readline $said);
        if ($replaced) {
            kill 'KILL', $server;
            ok(wait_for { !alive($server) } 10, 'the spawner dies');
            kill 'KILL', $next;
            ok(wait_for {
                   grep { cmdline($_) eq 'fcgipm-spawner' && $_ != $child }
                       descendants()
               } 10, 'there is another');
        }
        kill 'KILL', $has_job; # what that has left behind is looked for
        ok(wait_for {
               !grep { $_->{pid} == $has_job } @{ $run->pool_status->{worker} }
           } 20, 'a worker that dies has not left it behind');
        close $let_go;
        ok(wait_for { grep { $_ == $child } $run->workers } 20,
           'it becomes a worker') or diag($run->log);
    }
    waitpid $holder, 0;
    kill 'KILL', grep { cmdline($_) eq 'sleep 300' } descendants();
    ends($run, 'unheard');
    return;
}

# --- a child that hangs before it says that it is born: its own time runs,
# whatever others say, and the next spawner is not to blame
sub hung {
    my @held;
    for my $busy (0, 1) {
        my $run = FCGIPM::Run->new(processes => 2, command => [$LOOP],
                                   control => 1);
        my ($worker, $next) = $run->workers(2);
        my $server = spawner($run) or return;
        wait_for { age($server) > 1 } 10, 'one that may be replaced at once';
        my $holder = open2(my $said, my $let_go, bin('hold') . '', $server);
        if ((readline $said || '') !~ /ready/) {
            ends($run, 'hung');
            plan skip_all => 'ptrace cannot be had here';
        }
        kill 'KILL', $worker;
        chomp(my $child = readline $said);
        kill 'KILL', $server;
        ok(wait_for { !alive($server) } 10, 'the spawner dies');
        kill 'KILL', $next;
        my $second;
        ok(wait_for {
               ($second) = grep { cmdline($_) eq 'fcgipm-spawner'
                                  && $_ != $child } descendants($run->manager)
           } 10, 'there is another');
        push @held, { run => $run, busy => $busy, holder => $holder,
                      let_go => $let_go, second => $second };
    }
    ok(wait_for {
           for (@held) {
               $_->{run}->signal('HUP') if $_->{busy};
               $_->{done} ||= $_->{run}->log =~ /was not made in time/;
           }
           sleep 0.5;
           !grep { !$_->{done} } @held
       } 40, 'its order ends');
    for (@held) {
        my $run = $_->{run};
        my $name = $_->{busy} ? 'others are born' : 'others are there';
        ok($_->{done}, "$name: its order has ended") or diag($run->log);
        ok(alive($_->{second}), "$name: the spawner is the same")
            or diag($run->log);
        close $_->{let_go};
        waitpid $_->{holder}, 0;
        is(scalar $run->workers(2), 2, "$name: as many as there are to be");
        $run->signal('TERM');
        is($run->wait(20), 0, "$name: the manager ends well");
    }
    is_deeply([map { cmdline($_) } descendants()], [], 'nothing is left');
    return;
}

# --- a worker of before a reload comes after it: it is no successor
sub stale {
    my $run = FCGIPM::Run->new(processes => 2, command => [$LOOP],
                               control => 1);
    my ($worker, $old) = $run->workers(2);
    my $server = spawner($run) or return;
    my $holder = open2(my $said, my $let_go, bin('hold') . '', $server);
  SKIP: {
        skip 'ptrace cannot be had here', 1 if (readline $said || '') !~ /ready/;
        kill 'KILL', $worker;
        chomp(my $child = readline $said);
        kill 'STOP', $server;
        my $starting = $run->pool_status->{starting};
        $run->signal('HUP');
        ok(wait_for { $run->pool_status->{starting} > $starting } 20,
           'workers are ordered');
        close $let_go;
        ok(wait_for { grep { $_ == $child } $run->workers } 20, 'it is born');
        ok(alive($old), 'and no other: the old one stays') or diag($run->log);
        kill 'CONT', $server;
        ok(wait_for { !alive($old) && !alive($child) } 20,
           'until those of the new code are there');
        is(scalar $run->workers(2), 2, 'as many as there are to be');
    }
    waitpid $holder, 0;
    ends($run, 'stale');
    return;
}

# --- it is killed, again and again, while workers are born
sub killed {
    my $n = 10;
    my $run = FCGIPM::Run->new(processes => $n, command => [$LOOP],
                               control => 1);
    $run->workers($n);
    spawner($run) or return;
    my ($asked, $bad, $killed) = (0, 0, 0);
    my $killer = fork // die "fork: $!";
    if (!$killer) {
        my $until = time + 5 * $TIMES;
        while (time < $until) {
            my $pid = $run->spawner;
            kill $_, $pid for $pid ? (rand() < 0.1 ? 'STOP' : 'KILL') : ();
            sleep rand 0.05;
        }
        POSIX::_exit(0);
    }
    while (waitpid($killer, POSIX::WNOHANG()) == 0) {
        $run->signal('HUP') if $asked % 20 == 0;
        my $r = request($run->address, query => 'sleep=2');
        $asked++;
        $bad++ if $r->{error};
    }
    is($bad, 0, "it is killed under births: all of $asked requests answered");
    $killed = () = $run->log =~ /the spawner/g;
    cmp_ok($killed, '>', 0, 'the manager has missed it');
    diag("missed $killed times");
    unlike($run->log, qr/ended before it was set up/, 'no worker is given up');
    my $server;
    ok(wait_for {
           my @worker = hup($run);
           $server = $run->spawner;
           mark($server) if $server;
           my @next = $server ? hup($run) : ();
           @next == $n && marked(@next) == $n
       } 60, 'then another one makes them');
    ok(wait_for { $n == $run->below } 20, 'the manager knows all that there are')
        or diag(map { cmdline($_) . "\n" } $run->below);
    $run->counts('default', workers => $n);
    ends($run, 'killed');
    return;
}

# --- the manager is killed
sub orphan {
    my $run = FCGIPM::Run->new(command => [$LOOP]);
    $run->workers(1);
    my $server = spawner($run) or return;
    $run->signal('KILL');
    is($run->wait(10), 'SIG9', 'the manager is killed');
    ok(wait_for { !alive($server) } 10, 'it ends');
    ok(wait_for { !descendants() } 20, 'nothing is left');
    return;
}

# --- the kernel lets nobody make children of another
sub refused {
    my @deny = (bin('deny') . '', 'parent', '--');
  SKIP: {
        skip 'seccomp cannot be had here', 1 if system(@deny, 'true') >> 8;
        my $run = FCGIPM::Run->new(processes => 2, wrap => \@deny,
                                   command => [$LOOP],
                                   options => ['--log-level', 'info']);
        is(scalar $run->workers(2), 2, 'it is refused: the manager makes them');
        is(scalar hup($run), 2, 'the next ones, too');
        is($run->spawner, undef, 'there is no such process then');
        is(() = $run->log =~ /it forks workers itself/g, 1, 'the log says it once');
        ends($run, 'refused');
    }
    return;
}

my %part = (births => \&births, changes => \&changes, large => \&large, failure => \&failure,
            no_more => \&no_more, again => \&again,
            stopped => \&stopped, hangs => \&hangs, killed => \&killed, orphan => \&orphan,
            refused => \&refused,
            former => \&former, outlived => \&outlived, unheard => \&unheard,
            stale => \&stale, hung => \&hung, unheard_by_next => sub { unheard(1) });
for my $name (@ARGV ? @ARGV : sort keys %part) {
    subtest $name => $part{$name};
}
done_testing;
