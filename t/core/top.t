#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# fcgipmctl on a terminal, which is tmux here: top, the table of status, its
# colours, and the progress of a reload.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(connect_to read_answer request send_request);
use FCGIPM::Load;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;

my $tmux = have('tmux') or plan skip_all => 'tmux is missing';
my $dir = tmp_dir();
my $ctl = program('fcgipmctl');

# --- a terminal: a server of its own for each, as one that ends is not to be
# met by the next
my $server = 0;

sub tmux {
    my (@arg) = @_;
    my $out = "$dir/tmux.out";
    unlink $out;
    my $proc = start(cmd => [$tmux, '-u', '-S', "$dir/tmux$server", '-f',
                             '/dev/null', @arg], out => $out,
                     env => { TMUX => undef, TERM => 'xterm',
                              LC_ALL => 'C.UTF-8' });
    $proc->wait(20);
    return slurp($out);
}

sub screen { return tmux('capture-pane', '-p', @_) }
sub keys_to { tmux('send-keys', @_) }

sub shows {
    my ($pattern, $name) = @_;
    my $now = '';
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $ok = ok(wait_for { ($now = screen()) =~ $pattern } 20, $name);
    diag($now) unless $ok;
    return $ok ? $now : '';
}

# A shell command on a fresh terminal, and its exit status.
sub on_terminal {
    my ($command, $env) = @_;
    my $text = join "\n", '#!/bin/sh', $env || '', 'echo before',
        $command, 'echo "status=$?"', 'stty -a > ' . "$dir/stty",
        'echo after', 'exec sleep 1000', '';
    write_file("$dir/run", $text, 0755);
    unlink "$dir/stty";
    tmux('kill-server') if $server;
    $server++;
    tmux('new-session', '-d', '-x', 80, '-y', 24, "$dir/run");
    return;
}

my $run = FCGIPM::Run->new(processes => 30, control => 1,
                           command => [bin('worker')],
                           options => ['--name', 'app']);
my $socket = $run->control_socket;
my @pid = $run->workers(30);
ok(wait_for { ($run->pool_status->{idle} || 0) == 30 } 20, '30 workers');
my $top = "$ctl -s $socket top";

# --- pools
on_terminal($top);
my $s = shows(qr/^1-1 of 1 .*\bq quit\b/m, 'top: its keys, the last line');
like($s, qr/^manager ${\ $run->pid} .*pools 1  workers 30/m, 'the manager');
like($s, qr/^POOL +STATE +LIVE +IDLE +BUSY +QUEUE +REQ\/S/m, 'columns');
like($s, qr/^app +running +30 +30 +0 +0 /m, 'a pool');
ok(!(grep { length > 80 } split /\n/, $s), 'in 80 columns');
{
    my $address = $run->address;
    my $load = FCGIPM::Load->new(clients => 2, request => sub {
        my $r = request($address, query => 'sleep=20&pid');
        return $r->{error};
    });
    keys_to('w');
    shows(qr/^ *\d+ app +(?:idle|busy) +[1-9]\d*\.\d /m,
          'a rate while requests are answered') for 1;
    $load->stop;
    shows(qr/0\.0 req\/s/, 'none when none are');
}

# --- workers, scrolled and sorted
$s = shows(qr/1-20 of 30/, 'workers: a page of them');
my $listed = sub {
    my ($screen) = @_;
    return map { /^ *(\d+) app / ? $1 : () } split /\n/, $screen;
};
is(scalar(my @first = $listed->($s)), 20, '20 lines');
keys_to('End');
$s = shows(qr/11-30 of 30/, 'the end');
my %seen = map { $_ => 1 } @first, $listed->($s);
is_deeply([sort { $a <=> $b } keys %seen], \@pid, 'all of them, each once');
keys_to('Up');
shows(qr/10-29 of 30/, 'a line up');
keys_to('PPage');
shows(qr/1-20 of 30/, 'a page up, not beyond the first');
keys_to('<');
wait_for { my @now = $listed->(screen());
           "@now" eq join ' ', (reverse @pid)[0 .. 19] } 10, 'sorted';
is_deeply([$listed->(screen())], [(reverse @pid)[0 .. 19]],
          'by pid, the greatest first');
keys_to('r');
wait_for { ($listed->(screen()))[0] == $pid[0] } 10, 'sorted';
is_deeply([$listed->(screen())], [@pid[0 .. 19]], 'and the other way round');

# --- another size
tmux('resize-window', '-x', 60, '-y', 10);
$s = shows(qr/1-6 of 30/, 'a smaller terminal: less lines');
ok(!(grep { length > 60 } split /\n/, $s), 'and columns');
tmux('resize-window', '-x', 20, '-y', 2);
keys_to('G');
tmux('resize-window', '-x', 132, '-y', 40);
shows(qr/1-30 of 30/, 'a larger one: all');

# --- its end
sub ends_well {
    my ($name, $how) = @_;
    $how->();
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $now = shows(qr/^after$/m, "$name: it ends");
    like($now, qr/^before\nstatus=0\n/m, 'well, and the screen is as it was');
    like(slurp("$dir/stty"), qr/(?<!-)\bicanon\b.*(?<!-)\becho\b/s,
         'so is the terminal');
    return;
}

sub top_pid {
    my ($pid) = grep { cmdline($_) =~ /^\Q$top\E$/ } descendants();
    return $pid;
}

ends_well('q', sub { keys_to('q') });
on_terminal($top);
shows(qr/^app /m, 'again');
ends_well('Ctrl-C', sub { keys_to('C-c') });
for my $signal (qw(TERM INT HUP)) {
    on_terminal($top);
    shows(qr/^app /m, 'again');
    ends_well("SIG$signal", sub { kill $signal, top_pid() });
}
on_terminal("$top none");
shows(qr/^fcgipmctl: there is no pool "none"\nstatus=1\n/m, 'no such pool');
on_terminal("$top app x");
shows(qr/^fcgipmctl: usage: top \[POOL\].*\nstatus=2\n/m, 'usage');
on_terminal("$ctl -s $socket.none top");
shows(qr/^fcgipmctl: cannot reach the manager.*\nstatus=3\n/ms,
      'no manager');
# ncurses itself leaks memory when it does not know a terminal
on_terminal($top, 'TERM=nonsense ASAN_OPTIONS=detect_leaks=0; '
            . 'export TERM ASAN_OPTIONS');
shows(qr/^fcgipmctl: cannot use this terminal.*\nstatus=1\n/m,
      'a terminal that is not known');
{
    my ($status, $said) = ctl($socket, 'top');
    is($status, 1, 'without a terminal: exit status 1');
    is($said, "fcgipmctl: top wants a terminal\n", 'and one line');
}

# --- status, and its colours
on_terminal("$ctl -s $socket status");
$s = shows(qr/^app +running /m, 'status: a table');
ok(!(grep { length > 80 } split /\n/, $s), 'in 80 columns');
like(screen('-e'), qr/\e\[32mrunning/, 'with colours on a terminal');
on_terminal("$ctl -s $socket status", 'NO_COLOR=1; export NO_COLOR');
shows(qr/^app +running /m, 'with NO_COLOR');
unlike(screen('-e'), qr/\e\[3\dm/, 'without');
unlike((ctl($socket, 'status'))[1], qr/\e/, 'nor for a file');

# --- how far a reload is
{
    my $busy = connect_to($run->address);
    send_request($busy, query => 'cat', held => 1);
    ok(wait_for { ($run->pool_status->{worker} || [])
                  && grep { $_->{state} eq 'busy' }
                     @{ $run->pool_status->{worker} } } 10, 'one is busy');
    on_terminal("$ctl -s $socket reload --wait");
    shows(qr/^app: 29 of 30$/m, 'reload --wait: how far it is');
    FCGIPM::FastCGI::end_request($busy);
    shows(qr/^status=0$/m, 'then it is done');
    ok(!read_answer($busy, 10)->{error}, 'that request was answered');
}

# --- the manager goes
on_terminal($top);
shows(qr/^app /m, 'top once more');
$run->signal('TERM');
is($run->wait(20), 0, 'the manager ends');
$s = shows(qr/^(?:cannot reach the manager|the manager closed)/m,
           'top says so');
like($s, qr/^app /m, 'and shows what it saw last');
ends_well('q', sub { keys_to('q') });
tmux('kill-server');

# --- a pool that fails, on a wide terminal
my $name = 'a-pool-whose-name-is-longer-than-seventeen';
my $broken = FCGIPM::Run->new(processes => 1, control => 1,
                              command => [bin('worker'), '--exit-at-once', 3],
                              options => ['--name', $name]);
ok(wait_for { ($broken->pool_status($name)->{state} || '') eq 'backoff' } 20,
   'a pool fails');
on_terminal("$ctl -s ${\ $broken->control_socket} top");
shows(qr/^1 of 1 pools fail: $name: worker \d+/m, 'top says why');
tmux('resize-window', '-x', 200, '-y', 24);
$s = shows(qr/^POOL +STATE .*LAST ERROR/m, 'a wide one has a column for it');
like($s, qr/^$name +backoff .* worker \d+ has died at birth: exit status 3/m,
     'and the whole name');
keys_to('q');
$broken->signal('TERM');
$broken->wait(20);
tmux('kill-server');

done_testing;
