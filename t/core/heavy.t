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
use Test::More;

plan skip_all => 'for /proc' unless -d '/proc/self/fd';

my $dir = tmp_dir();
mkdir "$dir/own" or die "mkdir: $!";
chown worker_uid(), worker_gid(), "$dir/own";
my $run = FCGIPM::Run->new(
    command => [bin('heavy'), "$dir/own"], control => 1,
    options => ['--start-timeout', '4s', '--die-timeout', '1s']);
ok(wait_for { $run->log =~ /ready$/m } 60, 'a heavy worker');

# it looks for the guard in it, and at its descriptors when it is late
my $begin = time;
my $answers = 0;
ok(wait_for { $answers++ if $run->status; time - $begin >= 8 } 30,
   'it is looked at, and at its start timeout');
cmp_ok($answers, '>=', 5, 'the manager has answered all the time');
my $longest = $run->status->{manager}{loop_max};
# 8 s on a quiet machine before it read /proc in slices; it has less of a busy one
cmp_ok($longest, '<', 3, "it was never deaf: for $longest s at most");
$run->signal('TERM');
ok(defined $run->wait(30), 'it ends');

done_testing;
