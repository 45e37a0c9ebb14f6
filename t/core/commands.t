#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What the words of the control socket do: stop, start, scale, kill, and
# reload with somebody who waits for its end.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(connect_to read_answer request send_request);
use FCGIPM::Run;
use FCGIPM::Test;
use IO::Socket::UNIX;
use Test::More;

my $WORKER = bin('worker');

sub run_with {
    my ($processes, $command, @option) = @_;
    my $run = FCGIPM::Run->new(processes => $processes, control => 1,
                               command => $command,
                               options => ['--name', 'app', @option]);
    wait_for { $run->status } 10, 'a manager';
    return $run;
}

sub pool_of { return ($_[0]->status || {})->{pools}[0] || {} }

sub pids {
    my @pid = sort { $a <=> $b } map { $_->{pid} }
        grep { $_->{state} ne 'stopping' } @{ pool_of($_[0])->{worker} || [] };
    return @pid;
}

# Lines of an answer up to its last.
sub lines_of {
    my ($run, $request) = @_;
    my $s = IO::Socket::UNIX->new(Peer => $run->control_socket);
    print {$s} "$request\n";
    my @line;
    local $SIG{ALRM} = sub { die "late\n" };
    alarm 30;
    eval {
        while (defined(my $line = readline $s)) {
            chomp $line;
            push @line, $line;
            last if $line =~ /^(?:ok|error|\{)/;
        }
    };
    alarm 0;
    return @line;
}

# One that waits for an answer as long as all the others here take.
my $mute_dir = tmp_dir();
my $mute = IO::Socket::UNIX->new(Local => "$mute_dir/mute", Listen => 1);
my $waiting = start(cmd => [program('fcgipmctl'), '-s', "$mute_dir/mute",
                            'ping'], err => "$mute_dir/said");

my $run = run_with(3, [$WORKER]);
my $socket = $run->control_socket;
my $address = $run->address;
my @pid = $run->workers(3);

# --- stop and start
{
    my $busy = connect_to($address);
    send_request($busy, query => 'sleep=700&pid');
    ok(wait_for { pool_of($run)->{worker}
                  && grep { $_->{state} eq 'busy' }
                     @{ pool_of($run)->{worker} } } 10, 'one is busy');
    is((ctl($socket, 'stop', 'app'))[0], 0, 'stop: exit status 0');
    is(pool_of($run)->{state}, 'stopped', 'it is stopped');
    like(read_answer($busy, 10)->{body}, qr/^pid=\d+/,
         'the request that was under way is answered');
    ok(wait_for { !grep { alive($_) } @pid } 10, 'its workers go');
    my $s = connect_to($address);
    send_request($s, query => 'pid');
    ok(read_answer($s, 10)->{error}, 'who calls is turned away at once');
    is((ctl($socket, 'stop', 'app'))[0], 0, 'once more: no harm');
    my ($status, $said) = ctl($socket, 'reload', 'app');
    is($status, 1, 'a stopped pool is not reloaded');
    like($said, qr/^fcgipmctl: pool app is stopped$/, 'as is said');
    is((ctl($socket, 'reload', '--wait'))[0], 0, 'all others are');
    $run->signal('HUP');
    ok(wait_for { $run->status->{manager}{reloads} == 2 } 10, 'a SIGHUP');
    is_deeply([$run->workers], [], 'does not start it');
    is(pool_of($run)->{state}, 'stopped', 'it stays stopped');
    is((ctl($socket, 'start', 'app'))[0], 0, 'start: exit status 0');
    @pid = $run->workers(3);
    is(scalar @pid, 3, 'workers start');
    like(request($address, query => 'pid')->{body}, qr/^pid=\d+/,
         'and serve');
    is((ctl($socket, 'start', 'app'))[0], 0, 'once more: no harm');
    is_deeply([$run->workers(3)], \@pid, 'nothing happens');
}

# --- scale
is((ctl($socket, 'scale', 'app', 5))[0], 0, 'scale: exit status 0');
is(scalar $run->workers(5), 5, 'more workers');
is_deeply([@{ pool_of($run) }{qw(min max)}], [5, 5], 'status has them');
is((ctl($socket, 'scale', 'app', 2, 4))[0], 0, 'scale to less');
ok(wait_for { my $n = () = $run->workers; $n <= 4 } 10, 'some go');
$run->signal('HUP');
ok(wait_for { $run->status->{manager}{reloads} == 3 } 10, 'a SIGHUP');
is_deeply([@{ pool_of($run) }{qw(min max)}], [2, 4], 'changes nothing');
for my $bad ([5, 2], [99_999_999]) {
    my ($status, $said) = ctl($socket, 'scale', 'app', @$bad);
    is($status, 1, "scale @$bad: refused");
    like($said, qr/^fcgipmctl: FcgiPMProcesses[^\n]*$/, 'in one clear line');
}
is((ctl($socket, 'scale', 'app', 3))[0], 0, 'three again');
ok(wait_for { pool_of($run)->{idle} == 3
              && !pool_of($run)->{stopping} } 10, 'they are there');

# --- kill
{
    my ($victim, @other) = pids($run);
    my $s = connect_to($address);
    my $killed = pool_of($run)->{killed};
    is((ctl($socket, 'kill', $victim))[0], 0, 'kill: exit status 0');
    ok(wait_for { !alive($victim) } 10, 'it is dead');
    ok(wait_for { pids($run) == 3 } 10, 'another takes its place');
    ok(!(grep { !alive($_) } @other), 'nobody else is');
    is(pool_of($run)->{killed}, $killed + 1, 'counted as killed');
    is(pool_of($run)->{crashed}, 0, 'not as crashed');
    my $stranger = start(cmd => ['sleep', 1000]);
    for my $pid ($victim, $run->pid, $stranger->pid, $$, 1, 0) {
        my ($status, $said) = ctl($socket, 'kill', $pid);
        is($status, 1, "kill $pid, which is no worker: refused");
        like($said, qr/^fcgipmctl: \d+ is not a worker/, 'as is said');
    }
    ok($stranger->alive && $run->alive, 'nobody was hurt');
}

# --- scaled to more, and back before they have loaded
for my $option ([], ['--preload', 'auto']) {
    my $dir = tmp_dir();
    my $gated = run_with(2, [write_script("$dir/gated", <<"END")], @$option);
while [ -e $dir/shut ]; do sleep 0.02; done
exec ${\ bin('threaded')}
END
    my @serves = $gated->workers(2);
    is(scalar @serves, 2, 'two that serve');
    $gated->counts('app', idle => 2); # none is at its shell any more
    write_file("$dir/shut", '');
    ctl($gated->control_socket, 'scale', 'app', 4);
    ok(wait_for { (pool_of($gated)->{starting} || 0) == 2 } 20,
       'two that load');
    ctl($gated->control_socket, 'scale', 'app', 2);
    ok(wait_for { pids($gated) == 2 && !pool_of($gated)->{stopping} } 20,
       'two go');
    is_deeply([pids($gated)], \@serves, 'those that serve stay');
    $gated->signal('TERM');
    is($gated->wait(20), 0, 'that manager ends well');
}

# --- options, wherever they stand
{
    my $said = "$mute_dir/options";
    my $run_tool = sub {
        my ($tool, @word) = @_;
        unlink $said;
        my $proc = start(cmd => [program($tool), @word], out => $said,
                         err => $said);
        return $proc->wait(20) . ' ' . slurp($said);
    };
    my $pong = qr/^0 ok ${\ $run->pid} /;
    like($run_tool->('fcgipmctl', @$_), $pong, "fcgipmctl @$_")
        for ['-s', $socket, 'ping'], ["-s$socket", 'ping'],
            ['--socket', $socket, 'ping'], ["--socket=$socket", 'ping'],
            ['ping', "--socket=$socket"], ["--socket=$socket", '--', 'ping'];
    for my $tool (qw(fcgipmctl fcgipm-run)) {
        like($run_tool->($tool, '--version'), qr/^0 \Q$tool\E \d+\.\d+\.\d+\n\z/,
             "$tool --version");
        like($run_tool->($tool, '--help'), qr/^0 usage: \Q$tool\E /,
             "$tool --help");
    }
    my $help = $run_tool->('fcgipm-run', '--help');
    like($help, qr/^  --\Q$_\E +\w/m, "fcgipm-run --help: --$_")
        for qw(die-timeout set-env rlimit no-new-privs name log-level);
    unlike($help, qr/^  --\Q$_\E /m, "not --$_, which is httpd's")
        for qw(queue-limit io-timeout xsendfile graceful max-scripts);
    like($run_tool->('fcgipm-run', "--listen=unix:$mute_dir/x",
                     '--die-timeout=never', '--', 'true'),
         qr/^2 fcgipm-run: FcgiPMDieTimeout[^\n]*never[^\n]*\n\z/,
         'a value behind "=" is read');
    like($run_tool->('fcgipm-run', '--queue-limit=3', '--', 'true'),
         qr/^2 fcgipm-run: [^\n]*--queue-limit[^\n]*\n\z/,
         'an option that has no meaning here is refused');
    like($run_tool->('fcgipm-run', '--pass-env', join(' ', map { "A$_" } 1 .. 300),
                     '--', 'true'),
         qr/^2 fcgipm-run: FcgiPMPassEnv takes 1 to 256 words/,
         'no word is dropped');
}

# --- one clear line
for (['no such pool', 1, 'stop', 'none'], ['no such pool', 1, 'start', 'x'],
     ['no pool', 2, 'stop'], ['no number', 2, 'scale', 'app'],
     ['no pid', 2, 'kill', 'app'], ['no word', 2, 'dance'],
     ['no word at all', 2], ['an option', 2, '--what', 'ping'],
     ['an option without its value', 2, '--socket'],
     ['a short one without', 2, '-s'],
     ['a value for one that has none', 2, '--json=1', 'ping'],
     ['two words in one', 2, "ping\nstop app"]) {
    my ($name, $expect, @word) = @$_;
    my ($status, $said) = ctl($socket, @word);
    is($status, $expect, "$name: exit status $expect");
    like($said, qr/\Afcgipmctl: [^\n]+\n\z/, 'and one line');
}
{
    my $dir = tmp_dir();
    write_file("$dir/file", '');
    my ($status, $said) = ctl("$dir/file", 'ping');
    is($status, 3, 'a file that is no socket: exit status 3');
    like($said, qr/\Afcgipmctl: cannot reach the manager at [^\n]+\n.*^  This is not a socket\.$/ms,
         'and what it is');
}

# --- reload, and wait for it
{
    my @old = pids($run);
    my $busy = connect_to($address);
    send_request($busy, query => 'sleep=500&pid');
    my @line = lines_of($run, 'reload app wait');
    is(pop @line, 'ok', 'reload wait: ok');
    ok(@line >= 1, 'something came before');
    my $n = 0;
    for (@line) {
        my ($now) = /^progress (\d) 3 app$/;
        ok(defined $now && $now > $n, "it goes on: $_");
        $n = $now || $n;
    }
    ok(!(grep { alive($_) } @old), 'the old ones have gone');
    like(read_answer($busy, 10)->{body}, qr/^pid=\d+/, 'none with a request');
    is(pool_of($run)->{idle}, 3, 'the new ones are ready');
    is((lines_of($run, 'reload wait'))[-1], 'ok', 'of all pools');
    @old = pids($run);
    my $s = IO::Socket::UNIX->new(Peer => $socket);
    print {$s} "reload app wait\n";
    close $s;
    is(scalar $run->renewed(@old), 3, 'who has gone is not missed');
    is((ctl($socket, 'ping'))[0], 0, 'nobody minds');
}

# --- with the truth
my $RELEASE = tmp_dir() . '/release';

sub release { return write_script($RELEASE, @_) }

for my $mode (qw(rolling all)) {
    release("exec $WORKER");
    my $pool = run_with(3, [$RELEASE], '--reload', $mode,
                        '--start-timeout', '500ms');
    ok(wait_for { pool_of($pool)->{idle} == 3 } 10, "$mode: three workers");
    my @old = pids($pool);
    my ($status, $said) = ctl($pool->control_socket, 'reload', '--wait');
    is($status, 0, 'a good release: exit status 0');
    is($said, '', 'and not a word');
    ok(!(grep { alive($_) } @old), 'the old ones have gone');
    is(pool_of($pool)->{idle}, 3, 'the new ones are ready');
    @old = pids($pool);
    release("echo 'no such table: users' >&2\necho 'I give up' >&2\nexit 3");
    ($status, $said) = ctl($pool->control_socket, 'reload', 'app', '--wait');
    is($status, 1, 'a release that exits at once: exit status 1');
    like($said, qr/^worker\ \d+\ no\ such\ table:\ users\n
                   worker\ \d+\ I\ give\ up\n
                   fcgipmctl:\ pool\ app:\ worker\ \d+\ has\ died\ at\ birth:
                   \ exit\ status\ 3/mx, 'why, and its last words');
    if ($mode eq 'rolling') {
        like($said, qr/3 old workers are kept/, 'what has become of others');
        is_deeply([pids($pool)], \@old, 'which is true');
        release('echo loading >&2; exec sleep 1000');
        ($status, $said) = ctl($pool->control_socket, 'reload', '--wait');
        is($status, 1, 'a release that is never ready: exit status 1');
        like($said, qr/^worker \d+ loading\nfcgipmctl: .*FcgiPMStartTimeout/m,
             'why, and its last words');
        ok(wait_for { "@{[pids($pool)]}" eq "@old" } 10, 'the old ones stay');
        # one of them dies meanwhile
        release('exit 3');
        kill 'KILL', $old[0];
        ok(wait_for { pool_of($pool)->{crashed} >= 2 } 10,
           'one old one dies, its successor cannot start');
        is(pool_of($pool)->{state}, 'running', 'the pool runs on');
        ok(alive($_), 'an old one lives') for @old[1, 2];
        like(request($pool->address, query => 'pid')->{body}, qr/^pid=/,
             'and serves') for 1 .. 5;
        release("exec $WORKER");
        is((ctl($pool->control_socket, 'reload', '--wait'))[0], 0,
           'a good release at last');
        ok(!(grep { alive($_) } @old), 'the old ones have gone');
        is(pool_of($pool)->{idle}, 3, 'three are ready');
    }
}

# --- one that fails once, where a death at birth is tried again
{
    my $once = tmp_dir();
    chmod 0777, $once;
    release("exec $WORKER");
    my $pool = run_with(3, [$RELEASE]);
    ok(wait_for { pool_of($pool)->{idle} == 3 } 10, 'three workers');
    my @old = pids($pool);
    release("mkdir $once/x 2>/dev/null && exit 3\nexec $WORKER");
    my ($status, $said) = ctl($pool->control_socket, 'reload', '--wait');
    is($status, 0, 'one dies at birth, its successor lives: exit status 0')
        or diag($said);
    is(pool_of($pool)->{crashed}, 1, 'it did die');
    ok(!(grep { alive($_) } @old), 'the old ones have gone');
    is(pool_of($pool)->{idle}, 3, 'three are ready');
}

# --- a name that looks like an option
{
    my $pool = FCGIPM::Run->new(processes => 1, control => 1,
                                command => [$WORKER], options => ['--name=-x']);
    ok(wait_for { pool_of($pool)->{idle} } 10, 'a pool called -x');
    my $socket = $pool->control_socket;
    is((ctl($socket, 'stop', '-x'))[0], 2, 'its name is taken for an option');
    is((ctl($socket, 'stop', '--', '-x'))[0], 0, 'but not after --');
    is(pool_of($pool)->{state}, 'stopped', 'and the pool is stopped');
    is((ctl($socket, '--', 'start', '-x'))[0], 0, 'wherever that stands');
}

# --- without the guard
{
    release("exec $WORKER");
    my $pool = run_with(2, [$RELEASE], '--guard', 'off');
    ok(wait_for { pool_of($pool)->{idle} == 2 } 10,
       'two workers without the guard');
    release('exit 3');
    my ($status, $said) = ctl($pool->control_socket, 'reload', '--wait');
    is($status, 1, 'a release that exits at once: exit status 1');
    like($said, qr/died at birth: exit status 3.*tried again/, 'as is said');
}
{
    release("exec $WORKER");
    my $pool = run_with(2, [$RELEASE], '--reload', 'rolling', '--guard',
                        'off');
    ok(wait_for { pool_of($pool)->{idle} == 2 } 10,
       'two workers without the guard');
    my @old = pids($pool);
    release('exit 3');
    my ($status, $said) = ctl($pool->control_socket, 'reload', '--wait');
    is($status, 1, 'a release that exits at once: exit status 1');
    like($said, qr/2 old workers are kept/, 'as is said');
    is_deeply([pids($pool)], \@old, 'which is true');
    release("exec $WORKER");
    is((ctl($pool->control_socket, 'reload', '--wait'))[0], 0,
       'a good one: exit status 0');
    ok(!(grep { alive($_) } @old), 'the old ones have gone');
}

# --- a manager that does not answer
is($waiting->wait(30), 3, 'a manager that does not answer: exit status 3');
like(slurp("$mute_dir/said"),
     qr/\Afcgipmctl: the manager has not answered in time\n\z/, 'and one line');

$run->signal('TERM');
is($run->wait(10), 0, 'exit status 0');

done_testing;
