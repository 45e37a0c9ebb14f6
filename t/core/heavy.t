#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A worker of which /proc has a lot to say, and which reports news without end,
# does not make the manager deaf.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Run;
use FCGIPM::Test;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

plan skip_all => 'for /proc' unless -d '/proc/self/fd';

my $dir = tmp_dir();
mkdir "$dir/own" or die "mkdir: $!";
chown worker_uid(), worker_gid(), "$dir/own";
my $run = FCGIPM::Run->new(
    command => [bin('heavy'), "$dir/own"], control => 1,
    options => ['--start-timeout', '4s', '--die-timeout', '1s']);
ok(wait_for { $run->log =~ /ready$/m } 60, 'a heavy worker');

# The longest turn of a process that computes for some milliseconds and sleeps
# for 5: what a busy machine makes of a manager that works in slices.
sub longest_turn {
    my ($stop) = @_;
    my ($most, $last) = (0, time);
    until (-e $stop) {
        1 for 1 .. 200_000;
        sleep 0.005;
        my $now = time;
        $most = $now - $last if $now - $last > $most;
        $last = $now;
    }
    return $most;
}
my $other = fork;
if (!$other) {
    write_file("$dir/turn.new", longest_turn("$dir/stop"));
    rename "$dir/turn.new", "$dir/turn";
    POSIX::_exit(0);
}

# it looks for the guard in it, and at its descriptors when it is late
my $begin = time;
my $answers = 0;
ok(wait_for { $answers++ if $run->status; time - $begin >= 8 } 30,
   'it is looked at, and at its start timeout');
cmp_ok($answers, '>=', 5, 'the manager has answered all the time');
my $longest = $run->status->{manager}{loop_max};
write_file("$dir/stop", '');
ok(wait_for { -e "$dir/turn" } 20, 'beside another process');
my $turn = slurp("$dir/turn");
# 8 s on a quiet machine before it read /proc in slices
is_soon($longest, 2 + 4 * $turn, sprintf
        'it was never deaf: for %.3f s at most, the other for %.3f s', $longest,
        $turn);
$run->signal('TERM');
ok(defined $run->wait(30), 'it ends');

done_testing;
