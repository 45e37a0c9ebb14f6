#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What the tests stand on: alive() of FCGIPM::Test.  On a busy machine the
# number of a process that has gone is another's in a minute or two, so what is
# not below the test is not alive.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Test;
use Test::More;

my $dir = tmp_dir();
my $shell = start(cmd => ['/bin/sh', '-c',
                          "sleep 60 & echo \$! > $dir/pid; exec sleep 60"],
                  out => "$dir/out", err => "$dir/out");
ok(wait_for { slurp("$dir/pid") =~ /\n/ } 10, 'a child, and one of its own');
chomp(my $below = slurp("$dir/pid"));
ok(alive($$), 'the test is alive');
ok(alive($shell->pid), 'its child');
ok(alive($below), 'one below that');

$shell->signal('KILL');
is($shell->wait(10), 'SIG9', 'the child ends');
ok(!alive($shell->pid), 'it is not alive');
ok(alive($below), 'the orphan is');
SKIP: {
    skip 'orphans do not come to the test here', 2 if parent_of($below) != $$;
    ok(!alive(getppid), 'what started the test is not');
    ok(!alive(1), 'nor is the first process of all');
}
kill 'KILL', $below;
ok(wait_for { !alive($below) } 10, 'until it ends');

done_testing;
