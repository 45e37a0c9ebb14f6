#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Every worker that was told to stop goes in bounded time, whatever it or the
# guard says of it, and none is killed that has a request: what counts is which
# connections the kernel sees among its descriptors.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(connect_to read_answer send_request);
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;

my $WORKER = bin('worker');
my %wanted = map { $_ => 1 } @ARGV;

sub part {
    my ($name, $do) = @_;
    $do->() if !%wanted || $wanted{$name};
    return;
}

# One worker that ignores SIGTERM.
sub stubborn {
    my (%arg) = @_;
    my $run = FCGIPM::Run->new(
        processes => 1, control => 1,
        command => $arg{command} || [$WORKER, '--ignore-term'],
        ($arg{tcp} ? (listen => '127.0.0.1:' . free_port()) : ()),
        options => ['--guard', $arg{guard} || 'off',
                    '--die-timeout', $arg{die} || '400ms']);
    my ($pid) = $run->workers(1);
    wait_quiet($run->pid, 20);
    return ($run, $pid);
}

sub gone {
    my ($pid, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok($pid && wait_for { !alive($pid) } 15, $name);
}

sub ends {
    my ($run, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $run->signal('TERM');
    ok(defined $run->wait(10), "$name: the manager ends");
    return ok(wait_for { !descendants() } 10, "$name: no process is left");
}

# A request that the worker has, beyond what an idle one would live.
sub held {
    my ($run) = @_;
    my $s = connect_to($run->address);
    send_request($s, query => 'text=begun&cat&pid', held => 1);
    return $s;
}

# Waits as long as an idle worker is left alone.
sub as_long_as_idle {
    my ($name) = @_;
    my ($other, $pid) = stubborn();
    $other->signal('HUP');
    return gone($pid, "$name: an idle one goes meanwhile");
}

# The pool is ready, by a child of this worker.
sub serving {
    my ($run, $pid) = @_;
    $run->counts('default', idle => 1, starting => 0);
    return children($pid);
}

sub told_busy {
    my ($name, $run, $pid) = @_;
    my $s = held($run);
    wait_quiet($run->pid, 20);
    $run->signal('HUP');
    ok(wait_for { 1 == grep { $_ != $pid } $run->workers } 10,
       "$name: a successor");
    as_long_as_idle($name);
    FCGIPM::FastCGI::end_request($s);
    my $r = read_answer($s, 10);
    is($r->{error}, undef, "$name: the request is answered");
    like($r->{body}, qr/pid=$pid /, "$name: by the worker that had it");
    close $s;
    gone($pid, "$name: then it goes");
    return;
}

part(idle => sub {
    for my $tcp (0, 1) {
        my $name = ($tcp ? 'TCP' : 'unix') . ', no guard, idle';
        my ($run, $pid) = stubborn(tcp => $tcp);
        $run->signal('HUP');
        gone($pid, "$name: it goes");
        ends($run, $name);
    }
});

part(busy => sub {
    for my $guard (qw(off on)) {
        for my $tcp (0, 1) {
            my $name = ($tcp ? 'TCP' : 'unix') . ", guard $guard, busy";
            my ($run, $pid) = stubborn(tcp => $tcp, guard => $guard);
            told_busy($name, $run, $pid);
            ends($run, $name);
        }
    }
});

# --- a connection on which nothing is asked is no request
part(silent => sub {
    for my $guard (qw(off on)) {
        my ($run, $pid) = stubborn(tcp => 1, guard => $guard);
        my $s = connect_to($run->address);
        ok(wait_for { 1 < grep { /^socket:/ } values %{ fds($pid) } } 10,
           "guard $guard: the worker has a silent connection");
        $run->signal('HUP');
        gone($pid, "guard $guard: it goes");
        ends($run, "silent, guard $guard");
    }
});

# --- one whose child serves in its place
part(children => sub {
    my $script = write_script(tmp_dir() . '/parent', <<"END");
trap '' TERM
exec 3<&0
$WORKER --ignore-term <&3 3<&- &
wait
wait
END
    my ($run, $pid) = stubborn(command => [$script]);
    my ($child) = children($pid);
    my $s = held($run);
    wait_quiet($run->pid, 20);
    $run->signal('HUP');
    as_long_as_idle('children');
    FCGIPM::FastCGI::end_request($s);
    my $r = read_answer($s, 10);
    like($r->{body}, qr/pid=$child /, 'a child of the worker answers');
    close $s;
    gone($_, 'both go then') for $pid, $child;
    ends($run, 'children');
});

# --- one whose child serves in its place, and which goes before that: the guard
# is in the shell alone
part(left => sub {
    my $static = bin('static');
    my $script = write_script(tmp_dir() . '/shell',
                              "(trap '' TERM; exec $static)\nexit 0");
    my ($run, $pid) = stubborn(command => [$script], guard => 'on');
    my ($child) = serving($run, $pid);
    my $s = held($run);
    ok(wait_for { 1 < grep { /^socket:/ } values %{ fds($child) } } 10,
       'a child of a shell has a request');
    $run->signal('HUP');
    gone($pid, 'the shell goes');
    as_long_as_idle('left');
    FCGIPM::FastCGI::end_request($s);
    like(read_answer($s, 10)->{body}, qr/pid=$child /, 'its child answers');
    close $s;
    gone($child, 'then it goes, too');

    ($pid) = $run->workers(1);
    ($child) = serving($run, $pid);
    is((ctl($run->control_socket, 'reload', '--wait'))[0], 0,
       'a reload is done');
    ok($child && !alive($child), 'when an idle one has gone');
    ends($run, 'left');

    my $trace = write_file(tmp_dir() . '/trace', '', 0666);
    $script = write_script(tmp_dir() . '/shell', <<"END");
(trap 'echo term >>$trace' TERM; while :; do sleep 300; done)
exit 0
END
    ($run, $pid) = stubborn(command => [$script], guard => 'on', die => '3s');
    serving($run, $pid);
    $run->signal('HUP');
    gone($pid, 'another shell goes');
    ok(wait_for { 2 <= count_lines($trace, '^term') } 10,
       'its child is told again');
    ends($run, 'told again');
});

# --- one that has left its process group
part(stray => sub {
    my $script = write_file(tmp_dir() . '/stray', <<"END", 0755);
#!/usr/bin/perl
use POSIX;
POSIX::setpgid(0, getpgrp getppid) or die "setpgid: \$!";
POSIX::setsid() > 0 or die "setsid: \$!" if \@ARGV && \$ARGV[0] eq 'session';
exec '$WORKER', '--ignore-term';
END
    for my $where ('group', 'session') {
        my ($run, $pid) = stubborn(command => [$script, $where]);
        $run->signal('HUP');
        gone($pid, "in a foreign $where, no guard: it goes when told");
        like($run->log, qr/worker $pid has left its process group/,
             "$where: which is logged");
        my ($next) = $run->workers(1);
        is((ctl($run->control_socket, 'kill', $next))[0], 0, 'kill');
        gone($next, "$where: kill reaches it");
        ends($run, $where);
        $run = FCGIPM::Run->new(processes => 1, command => [$script, $where]);
        ok(wait_for { $run->log =~ /has left its process group/ } 10,
           "$where: with the guard it does not live to serve");
        ends($run, $where);
    }
});

# --- a manager that was stopped reaps before its deadlines act
part(stopped => sub {
    my ($run, $pid) = stubborn(guard => 'on');
    $run->signal('HUP');
    $run->counts('default', stopping => 1);
    $run->signal('STOP');
    ok(wait_for { slurp('/proc/' . $run->pid . '/stat') =~ /\) T / } 10,
       'the manager is stopped');
    kill 'KILL', $pid;
    as_long_as_idle('stopped');
    $run->signal('CONT');
    $run->counts('default', stopping => 0, killed => 0);
    unlike($run->log, qr/SIGKILL/, 'no SIGKILL is logged');
    ends($run, 'stopped');
});

done_testing;
