#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A manager that starts many workers is asked in between: it starts them in
# slices.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Run;
use FCGIPM::Test;
use IO::Socket::UNIX;
use JSON::PP;
use Test::More;

my $WORKERS = 150;
my $run = FCGIPM::Run->new(processes => $WORKERS, control => 1,
                           command => [bin('loop')],
                           options => ['--die-timeout', 30]);
ok(wait_for { -S $run->control_socket } 20, 'a control socket');
my $s = IO::Socket::UNIX->new(Peer => $run->control_socket)
    or BAIL_OUT("connect: $!");

sub spawned {
    print {$s} "status default\n";
    $s->flush;
    my $line = readline $s;
    $line = readline $s if defined $line && $line =~ /^ok/;
    my $status = eval { decode_json($line) } or return -1;
    return $status->{pools}[0]{spawned};
}

# Answers that were given when some of the workers, and not all, were there.
sub in_between {
    my ($from) = @_;
    my ($now, $n) = ($from, 0);
    wait_for {
        $now = spawned();
        $n++ if $now > $from && $now < $from + $WORKERS;
        $now >= $from + $WORKERS
    } 60, "$WORKERS more workers";
    return $n;
}

# This process may not have been at it just then.
ok(wait_for {
       wait_for { spawned() % $WORKERS == 0 } 60, 'all to be born';
       my $from = spawned();
       $run->signal('HUP');
       in_between($from)
   } 120, "the manager answers while it starts $WORKERS workers");
my $longest = $run->status->{manager}{loop_max};
cmp_ok($longest, '>', 0, 'it tells its longest round');
diag("longest round: $longest s");
$run->signal('TERM');
is($run->wait(60), 0, 'exit status 0');
ok(wait_for { !descendants() } 20, 'no process is left');

done_testing;
