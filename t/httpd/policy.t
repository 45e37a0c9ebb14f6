#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Answered requests pay for the exits of workers that tell nothing; but not
# for those whose program was never executed, nor for one that dies while it
# loads and the first request waits, or while others of its pool have reported.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my $dir = tmp_dir();
chmod 0755, $dir;
my $program = write_script("$dir/app", 'exec ' . bin('worker'));
my @idle = ('FcgiPMProcesses 0 2', 'FcgiPMIdleTimeout 1s');
my $httpd = FCGIPM::Httpd->new(
    config => pool('app', [$program], 'FcgiPMProcesses 2') . location('app')
        . pool('first', [write_script("$dir/first", 'exit 2')], @idle)
        . pool('alone', ["$dir/first"], @idle, 'FcgiPMGuard off')
        . pool('later', [write_script("$dir/later", 'exec ' . bin('worker'))],
               @idle)
        . join('', map { location($_) } qw(first alone later)));
ok($httpd->start, 'httpd');
my @old = $httpd->workers(2);
like($httpd->get('/app/?pid')->{body}, qr/^pid=\d+/, 'it answers') for 1 .. 6;
write_file($program, "#!/no/such/program\n", 0755);
kill 'KILL', @old;
ok(wait_for { $httpd->log =~ / 3 starts in a row have failed/ } 20,
   'a program that cannot be executed any more: starts are delayed');
unlike($httpd->log, qr/has crashed and is replaced: exit status 127/,
       'none of them is taken for one that has served');

for my $pool (qw(first alone)) {
    is($httpd->get("/$pool/")->{status}, 503, "$pool: no worker loads");
    my @line = $httpd->log =~ /pool $pool: (worker \d+ has .*)/g;
    like($line[0], qr/has died at birth: exit status 2/,
         "$pool: the first one's death is one at birth");
}
like($httpd->get('/later/?pid')->{body}, qr/^pid=\d+/, 'later: it answers');
ok(wait_for { !@{ $httpd->pool_status('later')->{worker} } } 20,
   'later: idle, it has no worker');
write_script("$dir/later", 'exit 3');
is($httpd->get('/later/')->{status}, 503, 'later: no worker loads any more');
like($httpd->log, qr/pool later: worker \d+ has died at birth: exit status 3/,
     'and that is what the log says');
for (1 .. 20) {
    ctl($httpd->control_socket, $_, 'later') for qw(stop start);
    my $status = $httpd->get('/later/')->{status};
    is($status, 503, 'no worker loads');
}
unlike($httpd->log, qr/has crashed and is replaced: exit status [23]/,
       'none of them is taken for one that has served');
is($httpd->stop, 0, 'httpd stops well');
is_deeply([map { cmdline($_) } descendants()], [], 'nothing is left');
done_testing;
