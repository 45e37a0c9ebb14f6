#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# FcgiPMSlowLog without httpd: requests of others, known by the worker's page;
# the command that is run then, and its bounds.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;

my $dir = tmp_dir();
chmod 0777, $dir;

sub slow_lines { return grep { /\bslow: / } split /\n/, $_[0]->log }

my $seen = "$dir/seen";
my $script = write_file("$dir/look", <<"END", 0755);
#!/bin/sh
echo "arguments \$*"
echo "uid \$(id -u) pid \$\$ in \$(pwd)"
cat
echo \$\$ >> $seen
case \$2 in
long) sleep 2 ;;
hang) exec sleep 600 ;;
apart) exec setsid -w sh -c "echo \\\$\\\$ >> $seen; exec sleep 600" ;;
leave) setsid sh -c "echo \\\$\\\$ >> $seen; exec sleep 600" &
       while [ \$(wc -l < $seen) -lt 2 ]; do sleep 0.1; done ;;
much) i=0; while [ \$i -lt 1000 ]; do echo line \$i; i=\$((i+1)); done ;;
esac
END
sub commanded {
    my ($processes, @word) = @_;
    return FCGIPM::Run->new(
        processes => $processes, command => [bin('worker')],
        options => ['--slow-log', "200ms @word", '--directory', $dir,
                    '--name', 'app']);
}

# One that hangs: looked at last.
my $hangs = commanded(1, $script, 'x', 'hang');
$hangs->workers(1);
ask($hangs->address, 'sleep=1000&pid');

# Those that leave their session, and one that has ended and has left one that
# did: looked at last, too.
my %apart;
for my $how (qw(apart leave)) {
    unlink $seen;
    my $run = $apart{$how} = commanded(1, $script, 'x', $how);
    $run->workers(1);
    ask($run->address, 'sleep=1000&pid');
    ok(wait_for { 2 <= (() = slurp($seen) =~ /^\d+\n/mg) } 20,
       "$how: a command in another session");
    $run->{seen} = (slurp($seen) =~ /^(\d+)\n/mg)[-1];
    ok(alive($run->{seen}), "$how: runs");
}

# --- lines
my $run = FCGIPM::Run->new(
    processes => 1, command => [bin('worker')],
    options => ['--slow-log', '300ms', '--name', 'app']);
my ($pid) = $run->workers(1);
ask($run->address, 'pid') for 1 .. 20;
ask($run->address, 'sleep=2500&pid');
ok(wait_for { slow_lines($run) } 10, 'a slow request has its line');
my ($line) = slow_lines($run);
like($line, qr/\[warn\] pool app: pid $pid: slow: a request that is not of this httpd's: (?:0\.[5-9]|[12]\.\d)\d* s so far: it sleeps in \w*(?:sleep|select|poll)\(\)/,
     'pool, pid, for how long, what it waits in');
ask($run->address, 'pid') for 1 .. 20;
ask($run->address, 'sleep=1500&pid') for 1 .. 2;
ok(wait_for { slow_lines($run) == 3 } 10, 'each one, and no other');
ask($run->address, 'pid');
is(scalar slow_lines($run), 3, 'each one once');
$run->signal('TERM');
is($run->wait(10), 0, 'exit status');

SKIP: {
    skip 'strace is missing or may not trace', 1 unless have('strace');
    my $idle = FCGIPM::Run->new(
        processes => 2, command => [bin('worker')],
        options => ['--slow-log', '100ms']);
    $idle->workers(2);
    ask($idle->address, 'sleep=600&pid');
    wait_for { slow_lines($idle) } 10, 'a line';
    wait_quiet($idle->pid, 10);
    my $trace = "$dir/strace";
    my $strace = start(cmd => ['strace', '-o', $trace, '-p', $idle->pid],
                       err => "$dir/strace.err");
    wait_for { slurp("$dir/strace.err") =~ /attached|not permitted/ } 10,
        'strace';
    my $before = time;
    wait_for { time > $before + 2 } 10, '2 s';
    $strace->signal('INT');
    $strace->wait(10);
    my @call = grep { /\(/ && !/resuming|<unfinished|<detached|^\+\+\+|^---/ }
        split /\n/, slurp($trace);
    is("@call", '', 'when it is over the manager makes no system call')
        unless slurp("$dir/strace.err") =~ /not permitted/;
}

# --- the command
unlink $seen;
$run = commanded(1, $script, '-p', '%p', 'x');
($pid) = $run->workers(1);
ask($run->address, 'sleep=1000&pid');
ok(wait_for { $run->log =~ /has ended: exit status 0/ } 20, 'a command');
like($run->log, qr/: pid $pid: slow: arguments -p $pid x$/m,
     'gets the pid in the place of %p, its words are in the log');
like($run->log, qr/: slow: uid ${\ worker_uid()} pid \d+ in \Q$dir\E$/m,
     'it is the worker\'s user, in its directory');
ask($run->address, 'sleep=1000&pid');
ok(wait_for { 2 == (() = slurp($seen) =~ /\d+/g) } 20, 'and another one');
$run->signal('TERM');
is($run->wait(10), 0, 'exit status');

unlink $seen;
$run = commanded(3, $script, 'x', 'long');
my @worker = $run->workers(3);
my @socket = map {
    my $s = FCGIPM::FastCGI::connect_to($run->address);
    FCGIPM::FastCGI::send_request($s, query => 'sleep=1500&pid');
    $s;
} @worker;
my @answer = map { FCGIPM::FastCGI::read_answer($_, 20) } @socket;
ok(wait_for { $run->log =~ /has ended/ } 20, 'three slow requests at once');
is(scalar(() = $run->log =~ /slow: a request/g), 3, 'three lines');
is(scalar(() = slurp($seen) =~ /\d+/g), 1, 'one command at a time');
like($run->log, qr/arguments x long (?:@{[join '|', @worker]})$/m,
     'without %p the pid comes last');
$run->signal('TERM');
is($run->wait(10), 0, 'exit status');

$run = commanded(1, $script, 'x', 'much');
$run->workers(1);
ask($run->address, 'sleep=1000&pid');
ok(wait_for { $run->log =~ /slow: (\d+) more lines of \Q$script\E are left out/ } 20,
   'a command that says too much');
is(scalar(() = $run->log =~ /slow: line \d+$/mg), 400 - 2, '400 lines are enough');
$run->signal('TERM');
is($run->wait(10), 0, 'exit status');

ok(wait_for { $hangs->log =~ /slow: \Q$script\E \(pid (\d+)\) takes longer than 10 s: SIGKILL/ } 30,
   'one that hangs is killed');
ok(wait_for { $hangs->log =~ /has ended: signal 9/ } 10, 'and gone');
is(ask($hangs->address, 'text=well'), 'well', 'the worker is well');
$hangs->signal('TERM');
is($hangs->wait(10), 0, 'exit status');

for my $how (qw(apart leave)) {
    my $run = $apart{$how};
    ok(wait_for { $run->log =~ /\(pid \d+\) takes longer than 10 s: / } 30,
       "$how: takes too long");
    ok(wait_for { !alive($run->{seen}) } 10, "$how: it is killed as well")
        if $how eq 'apart';
    ok(wait_for { $run->log =~ /has ended: / } 10,
       "$how: the command has ended");
    my $before = () = $run->log =~ /slow: arguments/g;
    ask($run->address, 'sleep=1000&pid');
    ok(wait_for { $before < (() = $run->log =~ /slow: arguments/g) } 20,
       "$how: there can be another one");
    $run->signal('TERM');
    is($run->wait(10), 0, 'exit status');
    kill 'KILL', $run->{seen} if $how eq 'leave';
}
kill 'KILL', grep { cmdline($_) eq 'sleep 600' } descendants();

# The end of a manager does not wait for it.
unlink $seen;
$run = commanded(1, $script, 'x', 'hang');
$run->workers(1);
ask($run->address, 'sleep=1000&pid');
ok(wait_for { slurp($seen) =~ /\d/ } 20, 'a command that hangs');
$run->signal('TERM');
is($run->wait(10), 0, 'the end of the manager does not wait for it');
ok(wait_for { !descendants() } 10, 'nor is it left');

# --- what cannot be one
for (['200ms /no/such/program', qr/FcgiPMSlowLog: \/no\/such\/program: No such file/],
     ["200ms $dir", qr/FcgiPMSlowLog: \Q$dir\E is not a program/],
     ['5 parsecs', qr/FcgiPMSlowLog: there is no program "parsecs"/],
     ['5parsecs', qr/FcgiPMSlowLog: "5parsecs" is not a time/]) {
    my ($value, $want) = @$_;
    my $bad = FCGIPM::Run->new(command => [bin('worker')],
                               options => ['--slow-log', $value]);
    is($bad->wait(10), 2, "$value: refused");
    like($bad->log, $want, 'with a reason');
}

done_testing;
