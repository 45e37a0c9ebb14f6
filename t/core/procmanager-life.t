#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# As procmanager-signals.t: births and deaths, hooks, pid file, no managing.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::ProcManager;
use FCGIPM::Test;
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

# The end of most rows.
sub term {
    my ($s, $n) = @_;
    $s->servers($n);
    $s->signal('TERM');
    return;
}

sub hook {
    my ($name, $role, $term, $file) = @_;
    return "note: hook $name: role $role, TERM $term, title $role, "
        . 'pid file ' . ($file || 'there');
}

# Somebody has put something in the place of the pid file.
sub trap {
    my ($what, $why, $put, %see) = @_;
    return if $what =~ /user/ && $> != 0;
    my $gone = $why =~ /FIFO|device/ ? 'it is not a regular file' : $why;
    return {
        name => "a pid file that is $what",
        args => { n_processes => 1 }, only => [qw(libfcgipm own)],
        trap => sub {
            my ($file) = @_;
            $put->(write_file("$file.aim", "1\n", 0600), $file)
                or die "$file: $!";
        },
        do => sub {
            my ($s) = @_;
            my $aim = $s->pidfile . '.aim';
            $s->servers(1);
            my %got = (aim => slurp($aim),
                       mode => sprintf '%04o', (stat $aim)[2] & 07777);
            term($s, 1);
            return \%got;
        },
        aim => "1\n", mode => '0600', pidfile => 'there', %see,
        manager => ["Could not write the PID file because: DIR/pid: $why",
                    'initialized', started(1), 'received signal TERM',
                    "Could not remove PID file: $gone",
                    'sending TERM to PIDs, W', gone(1), dying()],
        workers => ['initialized; note: end TERM=1 HUP=0'],
    };
}

# SIGTERM to a worker just before it is ready.
sub told_early {
    my ($s) = @_;
    my $hold = $s->dir . '/HOLD';
    my ($pid) = $s->said('server .* started')
        && $s->log =~ /server \(pid (\d+)\) started/;
    wait_for { -e "$hold.begun" } 20, 'server_init';
    kill 'TERM', $pid;
    write_file($hold, '');
    my $served = 0;
    if (!$s->is_ours) {
        $s->servers(1);
        $served = $s->ask('pid') eq "pid=$pid\n";
    }
    $s->said('exited with');
    wait_for { -e "$hold.begun" } 20, 'another one';
    write_file($hold, '');
    $s->said('server .* initialized', 2);
    term($s, 1);
    return { served => $served };
}

# The socket on these descriptors, and not on 0.
sub elsewhere {
    my @fd = @_;
    return sub {
        POSIX::dup2(0, $_) for @fd;
        open my $null, '<', '/dev/null' or die "/dev/null: $!";
        POSIX::dup2(fileno $null, 0);
    };
}

table(
    { name => 'the place of each hook',
      args => { n_processes => 1, trace => 1 },
      do => sub {
          my ($s) = @_;
          my ($pid) = $s->servers(1);
          $s->ask('pid');
          $s->rest($pid);
          return term($s, 1);
      },
      manager => [hook('manager_init', 'manager', 'interrupts'),
                  'initialized', started(1), dies(1), gone(1), dying()],
      workers => [join '; ', hook('server_init', 'server', 'interrupts'),
                  'initialized', hook('pre_dispatch', 'server', 'restarts'),
                  hook('post_dispatch', 'server', 'interrupts'),
                  'note: end TERM=1 HUP=0'] },

    { name => 'a worker is killed, one exits, one crashes',
      args => { n_processes => 1 },
      do => sub {
          my ($s) = @_;
          kill 'KILL', $s->servers(1);
          $s->said('exited with', 1);
          $s->servers(1);
          $s->ask('exit=3');
          $s->said('exited with', 2);
          kill 'USR2', $s->servers(1);
          $s->said('exited with', 3);
          return term($s, 1);
      },
      manager => ['initialized', started(1),
                  'server (pid W) exited with status 9', started(1),
                  'server (pid W) exited with status 768', started(1),
                  'server (pid W) exited with status 12', started(1),
                  dies(1), gone(1), dying()],
      workers => [('initialized') x 3,
                  'initialized; note: end TERM=1 HUP=0'] },

    { name => 'SIGTERM to a worker that is about to wait',
      args => { n_processes => 1, hold => 'HOLD' },
      do => \&told_early, served => 0,
      manager => ['initialized', started(1), gone(1), started(1), dies(1),
                  gone(1), dying()],
      workers => [('initialized; note: end TERM=1 HUP=0') x 2],
      differs => { perls(
          why => 'it waits, and goes after its next request', served => 1,
          workers => ['initialized; note: end TERM=1 HUP=0',
                      'initialized; safe exit after SIGTERM; '
                      . 'note: end TERM=1 HUP=0']) } },

    { name => 'the same on descriptor 5, which nobody has named',
      args => { n_processes => 1, hold => 'HOLD', fd => 5 },
      before => elsewhere(5), only => [qw(libfcgipm own)],
      do => \&told_early, served => 0,
      manager => ['initialized', started(1), gone(1), started(1), dies(1),
                  gone(1), dying()],
      workers => [('initialized; note: end TERM=1 HUP=0') x 2] },

    { name => 'the same on descriptor 5, named, of two that listen',
      args => { n_processes => 1, hold => 'HOLD', fd => 5, listen_fd => 5 },
      before => elsewhere(4, 5), only => [qw(libfcgipm own)],
      do => \&told_early, served => 0,
      manager => ['initialized', started(1), gone(1), started(1), dies(1),
                  gone(1), dying()],
      workers => [('initialized; note: end TERM=1 HUP=0') x 2] },

    (map {
        { name => 'descriptor 5 of two that listen, which nobody has named',
          args => { n_processes => 1, fd => 5 },
          before => elsewhere(4, 5), only => [$_],
          do => sub {
              my ($s) = @_;
              my ($pid) = $s->servers(1);
              my $answers = grep { $s->ask('pid') eq "pid=$pid\n" } 1 .. 2;
              $s->rest($pid);
              $s->signal('TERM');
              return { answers => $answers };
          },
          answers => 2,
          manager => ['initialized', started(1), dies(1), gone(1), dying()],
          workers => ['initialized; '
                      . ($_ eq 'own' ? 'several descriptors listen: without '
                             . 'fcgipm_set_listen_fd() a signal between two '
                             . 'requests ends this worker only after the '
                             . 'next; ' : '')
                      . 'note: end TERM=1 HUP=0'] }
    } qw(libfcgipm own)),

    { name => 'the manager is killed',
      args => { n_processes => 1 },
      do => sub {
          my ($s) = @_;
          my ($pid) = $s->servers(1);
          $s->signal('KILL');
          $s->end;
          my $answer = $s->ask('pid') eq "pid=$pid\n";
          wait_for { !alive($pid) } 20, 'its end';
          return { answer => $answer };
      },
      answer => 1, status => 'SIG9', pidfile => 'there',
      manager => ['initialized', started(1)],
      workers => ['initialized; safe exit: manager has died; '
                  . 'note: end TERM=0 HUP=0'] },

    { name => 'n_processes 0, SIGTERM while it waits',
      args => { n_processes => 0 },
      do => sub {
          my ($s) = @_;
          my $answer = $s->ask('pid') eq 'pid=' . $s->pid . "\n";
          $s->rest($s->pid);
          $s->signal('TERM');
          return { answer => $answer };
      },
      answer => 1, workers => [],
      manager => ['initialized', 'note: end TERM=1 HUP=0'],
      differs => { perls(why => 'nothing is initialized', manager => []) } },

    { name => 'n_processes 0, SIGTERM while it is busy',
      args => { n_processes => 0 },
      do => sub {
          my ($s) = @_;
          my ($socket, $go) = busy($s);
          $s->signal('TERM');
          write_file($go, '');
          my %see = (answer => $s->answer($socket) eq 'pid=' . $s->pid . "\n");
          return \%see if $s->is_ours;
          $see{then} = $s->ask('pid') eq 'pid=' . $s->pid . "\n";
          $s->signal('KILL');
          return \%see;
      },
      answer => 1, workers => [],
      manager => ['initialized', 'safe exit after SIGTERM',
                  'note: end TERM=1 HUP=0'],
      differs => { perls(why => 'it swallows the signal', manager => [],
                         status => 'SIG9', then => 1) } },

    { name => 'start_delay',
      args => { n_processes => 2, start_delay => 1 },
      do => sub {
          my ($s) = @_;
          $s->said('started', 1);
          my $first = time;
          my $until = $first + 2.5;
          wait_for { count_lines($s->log_file, 'started') > 1
                     || time > $until } 30, 'the second one';
          my $pause = time - $first;
          $s->servers(count_lines($s->log_file, 'started'));
          $s->signal('TERM');
          return { pause => $pause < 0.8 ? 'none' : $pause < 2.4 ? 'a second'
                                                  : 'for ever' };
      },
      pause => 'a second',
      manager => ['initialized', started(2), dies(2), gone(2), dying()],
      workers => [('initialized; note: end TERM=1 HUP=0') x 2],
      differs => { engine => {
          why => 'sleep() gives what was slept, not what is left',
          pause => 'for ever', workers => ['initialized; note: end '
                                           . 'TERM=1 HUP=0'],
          manager => ['initialized', started(1), dies(1), gone(1),
                      dying()] } } },

    { name => 'SIGTERM in the start delay',
      args => { n_processes => 2, start_delay => 600 },
      do => sub { return term($_[0], 1) },
      manager => ['initialized', started(1), dies(1), gone(1), dying()],
      workers => ['initialized; note: end TERM=1 HUP=0'] },

    { name => 'no pid file',
      args => { n_processes => 1, pidfile => undef },
      do => sub {
          my ($s) = @_;
          my ($pid) = $s->servers(1);
          $s->signal('TERM');
          $s->end;
          $s->ask('pid');
          wait_for { !alive($pid) } 20, 'its end';
          return;
      },
      manager => ['initialized', started(1), dies(1), gone(1), dying()],
      workers => ['initialized; note: end TERM=1 HUP=0'],
      differs => { engine => {
          why => 'it calls a method of the file it has not, and fails to end '
              . 'its workers', status => 'any',
          manager => 'any',
          workers => ['initialized; safe exit: manager has died; '
                      . 'note: end TERM=0 HUP=0'] } } },

    { name => 'a pid file that another one has left',
      args => { n_processes => 1 }, stale => "1\n",
      do => sub {
          my ($s) = @_;
          $s->servers(1);
          my $file = slurp($s->pidfile);
          term($s, 1);
          return { file => $file eq $s->pid . "\n" ? 'own' : $file };
      },
      file => 'own',
      manager => ['initialized', started(1), dies(1), gone(1), dying()],
      workers => ['initialized; note: end TERM=1 HUP=0'] },

    { name => 'the mode of the pid file, umask 077',
      args => { n_processes => 1 }, before => sub { umask 077 },
      only => [qw(libfcgipm own)],
      do => sub {
          my ($s) = @_;
          $s->servers(1);
          my %see = (mode => sprintf '%04o', (stat $s->pidfile)[2] & 07777);
          term($s, 1);
          return \%see;
      },
      mode => '0644',
      manager => ['initialized', started(1), dies(1), gone(1), dying()],
      workers => ['initialized; note: end TERM=1 HUP=0'] },

    (map { trap(@$_) }
        ['a symbolic link', 'it is a symbolic link',
         sub { symlink $_[0], $_[1] }],
        ['a hard link', 'it has another name as well (a hard link)',
         sub { link $_[0], $_[1] }],
        ['a FIFO', 'No such device or address',
         sub { POSIX::mkfifo($_[1], 0600) }],
        ['a file of another user', 'it belongs to another user',
         sub { write_file($_[1], "1\n", 0600); chown 1, 1, $_[1] }]),

    { name => 'a pid file that cannot be written',
      args => { n_processes => 1, pidfile => '/dev/null/pid' },
      do => sub { return term($_[0], 1) },
      manager => ['Could not write the PID file because: /dev/null/pid: '
                  . 'Not a directory', 'initialized', started(1),
                  'received signal TERM',
                  'Could not remove PID file: Not a directory',
                  'sending TERM to PIDs, W', gone(1), dying()],
      workers => ['initialized; note: end TERM=1 HUP=0'],
      differs => {
          engine => { manager => 'any' },
          procmanager => {
              why => 'in other words',
              manager => ['open: /dev/null/pid: Not a directory',
                          'initialized', started(1), 'received signal TERM',
                          'unlink: /dev/null/pid: Not a directory',
                          'sending TERM to PIDs, W', gone(1), dying()] },
      } },
);

done_testing;
