#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# libfcgipm does for a signal what FCGI::Engine::ProcManager and
# FCGI::ProcManager do: a table of scenarios for all of them, with a column for
# where these do not do what they are documented to.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::ProcManager;
use FCGIPM::Test;
use POSIX ();
use Test::More;

table(
    { name => 'SIGTERM, idle workers',
      args => { n_processes => 2, die_timeout => 30 },
      do => sub {
          my ($s) = @_;
          $s->servers(2);
          my $file = slurp($s->pidfile);
          $s->signal('TERM');
          return { file => $file eq $s->pid . "\n" };
      },
      file => 1,
      manager => ['initialized', started(2), dies(2), gone(2), dying()],
      workers => [('initialized; note: end TERM=1 HUP=0') x 2] },

    { name => 'SIGTERM, a busy worker',
      args => { n_processes => 1, die_timeout => 30 },
      do => sub {
          my ($s) = @_;
          my ($pid) = $s->servers(1);
          my ($socket, $go) = busy($s);
          $s->signal('TERM');
          $s->said('sending TERM');
          write_file($go, '');
          return { answer => $s->answer($socket) eq "pid=$pid\n" };
      },
      answer => 1,
      manager => ['initialized', started(1), dies(1), gone(1), dying()],
      workers => ['initialized; safe exit after SIGTERM; '
                  . 'note: end TERM=1 HUP=0'] },

    { name => 'SIGTERM, a stuck worker: die timeout',
      args => { n_processes => 1, die_timeout => 1 },
      do => sub {
          my ($s) = @_;
          my ($pid) = $s->servers(1);
          busy($s);
          $s->signal('TERM');
          $s->end;
          return { left => wait_for { !alive($pid) } 20, 'SIGKILL' };
      },
      left => 1, status => 1,
      manager => ['initialized', started(1), dies(1), 'wait timeout'],
      workers => ['initialized'] },

    { name => 'a second SIGTERM while it dies',
      args => { n_processes => 1, die_timeout => 30 },
      do => sub {
          my ($s) = @_;
          my ($pid) = $s->servers(1);
          my ($socket, $go) = busy($s);
          $s->signal('TERM');
          $s->said('sending TERM');
          $s->signal('TERM');
          $s->said('ignoring signal TERM') if $s->is_ours;
          write_file($go, '');
          return { answer => $s->answer($socket) eq "pid=$pid\n" };
      },
      answer => 1,
      manager => ['initialized', started(1), dies(1), 'ignoring signal TERM',
                  gone(1), dying()],
      workers => ['initialized; safe exit after SIGTERM; '
                  . 'note: end TERM=1 HUP=0'],
      differs => { perls(
          why => 'it is in the handler of the first, so says nothing',
          manager => ['initialized', started(1), dies(1), gone(1), dying()]) } },

    { name => 'SIGHUP while it dies',
      args => { n_processes => 1, die_timeout => 30 },
      do => sub {
          my ($s) = @_;
          my ($pid) = $s->servers(1);
          my ($socket, $go) = busy($s);
          $s->signal('TERM');
          $s->said('sending TERM');
          $s->signal('HUP');
          $s->is_ours ? $s->said('ignoring signal HUP') : $s->end;
          write_file($go, '');
          my $answer = $s->answer($socket) eq "pid=$pid\n";
          wait_for { !alive($pid) } 20, 'its end';
          return { answer => $answer };
      },
      answer => 1,
      manager => ['initialized', started(1), dies(1), 'ignoring signal HUP',
                  gone(1), dying()],
      workers => ['initialized; safe exit after SIGTERM; '
                  . 'note: end TERM=1 HUP=0'],
      differs => { perls(
          why => 'the manager dies of it, nobody waits for its workers',
          status => 'SIG1', manager => ['initialized', started(1), dies(1)]) } },

    { name => 'SIGHUP, idle workers',
      args => { n_processes => 2, die_timeout => 30 },
      do => sub {
          my ($s) = @_;
          $s->servers(2);
          $s->signal('HUP');
          $s->said('exited with', 2);
          $s->servers(2);
          $s->signal('TERM');
          return;
      },
      manager => ['initialized', started(2), 'sending TERM to PIDs, W W',
                  (gone(1), started(1)) x 2,
                  dies(2),
                  gone(2), dying()],
      workers => [('initialized; note: end TERM=1 HUP=0') x 4] },

    { name => 'SIGHUP, a busy worker',
      args => { n_processes => 1, die_timeout => 30 },
      do => sub {
          my ($s) = @_;
          my ($old) = $s->servers(1);
          my ($socket, $go) = busy($s);
          $s->signal('HUP');
          $s->said('sending TERM');
          write_file($go, '');
          my $answer = $s->answer($socket) eq "pid=$old\n";
          $s->said('exited with', 1);
          my ($new) = $s->servers(1);
          my $then = $s->ask('pid') eq "pid=$new\n";
          $s->rest($new);
          $s->signal('TERM');
          return { answer => $answer, then => $then };
      },
      answer => 1, then => 1,
      manager => ['initialized', started(1), 'sending TERM to PIDs, W',
                  gone(1), started(1), dies(1), gone(1), dying()],
      workers => ['initialized; note: end TERM=1 HUP=0',
                  'initialized; safe exit after SIGTERM; '
                  . 'note: end TERM=1 HUP=0'] },

    { name => 'SIGTERM and SIGHUP to a worker, idle and busy',
      args => { n_processes => 1, die_timeout => 30 },
      do => sub {
          my ($s) = @_;
          kill 'HUP', $s->servers(1);
          $s->said('exited with', 1);
          my ($pid) = $s->servers(1);
          my ($socket, $go) = busy($s);
          kill 'HUP', $pid;
          write_file($go, '');
          my $answer = $s->answer($socket) eq "pid=$pid\n";
          $s->said('exited with', 2);
          kill 'TERM', $s->servers(1);
          $s->said('exited with', 3);
          $s->servers(1);
          $s->signal('TERM');
          return { answer => $answer };
      },
      answer => 1,
      manager => ['initialized', started(1), (gone(1), started(1)) x 3,
                  dies(1), gone(1), dying()],
      workers => ['initialized; note: end TERM=0 HUP=1',
                  ('initialized; note: end TERM=1 HUP=0') x 2,
                  'initialized; safe exit after SIGHUP; '
                  . 'note: end TERM=0 HUP=1'] },

    { name => 'SIGINT, idle workers',
      args => { n_processes => 2, die_timeout => 30 },
      do => sub {
          my ($s) = @_;
          my @pid = $s->servers(2);
          $s->signal('INT');
          $s->end;
          my $left = grep { alive($_) } @pid;
          kill 'KILL', @pid;
          return { left => $left };
      },
      left => 0,
      manager => ['initialized', started(2), dies(2, 'INT'), gone(2),
                  dying('INT')],
      workers => [('initialized; note: end TERM=1 HUP=0') x 2],
      differs => { perls(
          why => 'the manager dies of it, its workers stay', status => 'SIG2',
          pidfile => 'there', left => 2, workers => [('initialized') x 2],
          manager => ['initialized', started(2)]) } },

    { name => 'SIGINT to all, as from a terminal, a busy worker',
      args => { n_processes => 1, die_timeout => 30 },
      do => sub {
          my ($s) = @_;
          my ($pid) = $s->servers(1);
          my ($socket, $go) = busy($s);
          # the manager first: one that dies of it must not see its worker die
          $s->signal('INT');
          kill 'INT', $pid;
          $s->is_ours ? $s->said('sending TERM') : $s->end;
          write_file($go, '');
          return { answer => $s->answer($socket) eq "pid=$pid\n" };
      },
      answer => 1,
      manager => ['initialized', started(1), dies(1, 'INT'), gone(1),
                  dying('INT')],
      workers => ['initialized; safe exit after SIGTERM; '
                  . 'note: end TERM=1 HUP=0'],
      differs => { perls(
          why => 'all die of it', status => 'SIG2', pidfile => 'there',
          answer => '', workers => ['initialized'],
          manager => ['initialized', started(1)]) } },

    { name => 'SIGTERM and SIGHUP, blocked by the parent',
      args => { n_processes => 1, die_timeout => 30 },
      before => sub {
          POSIX::sigprocmask(POSIX::SIG_BLOCK(), POSIX::SigSet->new(
              POSIX::SIGTERM(), POSIX::SIGHUP(), POSIX::SIGINT()))
              or die "sigprocmask: $!";
      },
      only => [qw(libfcgipm own)],   # Perl's never end
      do => sub {
          my ($s) = @_;
          $s->servers(1);
          $s->signal('HUP');
          $s->said('exited with', 1);
          $s->servers(1);
          $s->signal('TERM');
          return;
      },
      manager => ['initialized', started(1), 'sending TERM to PIDs, W',
                  gone(1), started(1), dies(1), gone(1), dying()],
      workers => [('initialized; note: end TERM=1 HUP=0') x 2] },

    { name => 'no_signals, and a handler of the program that tells of them',
      args => { n_processes => 1, no_signals => 1, handler => 'own' },
      only => [qw(libfcgipm own)],
      do => sub {
          my ($s) = @_;
          my ($old) = $s->servers(1);
          my ($socket, $go) = busy($s);
          $s->signal('HUP');
          $s->said('sending TERM');
          write_file($go, '');
          my $answer = $s->answer($socket) eq "pid=$old\n";
          $s->said('exited with', 1);
          $s->rest($s->servers(1));
          $s->signal('TERM');
          return { answer => $answer };
      },
      answer => 1,
      manager => ['initialized', started(1), 'sending TERM to PIDs, W',
                  gone(1), started(1), dies(1), gone(1), dying()],
      workers => ['initialized; note: end TERM=1 HUP=0',
                  'initialized; safe exit after SIGTERM; '
                  . 'note: end TERM=1 HUP=0'] },

    # SIGHUP, as libfcgi has a handler of its own for SIGTERM.
    { name => 'no_signals',
      args => { n_processes => 1, no_signals => 1 },
      do => sub {
          my ($s) = @_;
          my ($pid) = $s->servers(1);
          kill 'HUP', $pid;
          $s->said('exited with', 1);
          my ($next) = $s->servers(1);
          $s->signal('HUP');
          $s->end;
          my $answer = $s->ask('pid') eq "pid=$next\n";
          wait_for { !alive($next) } 20, 'its end';
          return { answer => $answer };
      },
      answer => 1, status => 'SIG1', pidfile => 'there',
      manager => ['initialized', started(1),
                  'server (pid W) exited with status 1', started(1)],
      workers => ['initialized', 'initialized; safe exit: manager has died; '
                  . 'note: end TERM=0 HUP=0'] },
);

done_testing;
