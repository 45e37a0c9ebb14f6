#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# As procmanager-signals.t: the limits of FCGI::Engine::ProcManager::Constrained
# and FCGI::ProcManager::Constrained.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::ProcManager;
use FCGIPM::Test;
use Test::More;

# Perl's look at no size without this.
my $pid = 0 == system "$^X -MLinux::Pid -e 1 >/dev/null 2>&1";
my @sizes = $pid ? () : (only => [qw(libfcgipm own)]);

my @one = ('initialized', started(1), gone(1), started(1), dies(1), gone(1),
           dying());
my @left = ('initialized', started(1), dies(1), gone(1), dying());

sub row {
    my ($name, $args, $query, $exit, %more) = @_;
    return {
        name => $name, constrained => 1,
        args => { n_processes => 1, %$args }, manager => \@one,
        workers => ["initialized; $exit; note: end TERM=0 HUP=0",
                    'initialized; note: end TERM=1 HUP=0'],
        served => scalar @$query,
        do => sub {
            my ($s) = @_;
            my ($first) = $s->servers(1);
            my $n = 0;
            for (@$query) {
                $n++ if $s->ask($_) eq "pid=$first\n";
            }
            $s->said('exited with') unless $more{differs}{ $s->kind };
            $s->servers(1);
            $s->signal('TERM');
            return { served => $n };
        },
        %more,
    };
}

# What one sees of a worker that goes on.
sub goes_on {
    my ($why, @kind) = @_;
    return map { $_ => { why => $why, manager => \@left,
                         workers => ['initialized; note: end TERM=1 HUP=0'] }
    } @kind;
}

my $memory = 'safe exit due to memory limits exceeded after %d requests';
my $uncounted = 'it counts requests only when max_requests is set';
my $unknown = 'it has no such limit';
my @both = qw(engine procmanager);

table(
    row('max_requests', { max_requests => 3 }, [('pid') x 3],
        'safe exit after max_requests (3)'),
    row('PM_MAX_REQUESTS', {}, [('pid') x 2],
        'safe exit after max_requests (2)', env => { PM_MAX_REQUESTS => 2 }),
    row('PM_SIZECHECK_NUM_REQUESTS and PM_MAX_SIZE', { max_requests => 100 },
        ['pid', 'grow=150000'], sprintf($memory, 2), @sizes,
        env => { PM_SIZECHECK_NUM_REQUESTS => 1, PM_MAX_SIZE => 150_000 },
        differs => { goes_on('it does not read these', 'engine') }),
    row('max_process_size, looked at each 2 requests',
        { max_requests => 100, sizecheck_num_requests => 2,
          max_process_size => 150_000 },
        ['pid', 'pid', 'grow=150000', 'pid'], sprintf($memory, 4), @sizes),
    row('max_process_size, max_requests 0',
        { sizecheck_num_requests => 1, max_process_size => 150_000 },
        ['grow=150000'], sprintf($memory, 1), @sizes,
        differs => { goes_on($uncounted, @both) }),
    row('max_unshared_size',
        { max_requests => 100, sizecheck_num_requests => 1,
          max_unshared_size => 150_000 },
        ['pid', 'grow=150000'], sprintf($memory, 2), @sizes,
        differs => { goes_on($unknown, 'procmanager') }),
    row('min_share_size',
        { max_requests => 100, sizecheck_num_requests => 1,
          min_share_size => 10_000_000 },
        ['pid'], sprintf($memory, 1), @sizes,
        differs => { goes_on($unknown, 'procmanager') }),
    row('sizes without sizecheck_num_requests',
        { max_requests => 2, max_process_size => 1, min_share_size => 1,
          max_unshared_size => 1 },
        ['pid', 'pid'], 'safe exit after max_requests (2)'),
    { name => 'SIGTERM during the last request', constrained => 1,
      args => { n_processes => 1, max_requests => 1 },
      do => sub {
          my ($s) = @_;
          my ($pid) = $s->servers(1);
          my ($socket, $go) = busy($s);
          kill 'TERM', $pid;
          write_file($go, '');
          my $answer = $s->answer($socket) eq "pid=$pid\n";
          $s->said('exited with');
          $s->servers(1);
          $s->signal('TERM');
          return { answer => $answer };
      },
      answer => 1, manager => \@one,
      workers => ['initialized; note: end TERM=1 HUP=0',
                  'initialized; safe exit after SIGTERM; '
                  . 'note: end TERM=1 HUP=0'],
      differs => { procmanager => {
          why => 'it looks at its count first',
          workers => ['initialized; note: end TERM=1 HUP=0',
                      'initialized; safe exit after max_requests (1); '
                      . 'note: end TERM=1 HUP=0'] } } },
);

done_testing;
