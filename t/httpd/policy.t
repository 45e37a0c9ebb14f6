#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Answered requests pay for the exits of workers that tell nothing; but not
# for those whose program was never executed.
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
my $httpd = FCGIPM::Httpd->new(
    config => pool('app', [$program], 'FcgiPMProcesses 2') . location('app'));
ok($httpd->start, 'httpd');
my @old = $httpd->workers(2);
like($httpd->get('/app/?pid')->{body}, qr/^pid=\d+/, 'it answers') for 1 .. 6;
write_file($program, "#!/no/such/program\n", 0755);
kill 'KILL', @old;
ok(wait_for { $httpd->log =~ / 3 starts in a row have failed/ } 20,
   'a program that cannot be executed any more: starts are delayed');
unlike($httpd->log, qr/has crashed and is replaced: exit status 127/,
       'none of them is taken for one that has served');
is($httpd->stop, 0, 'httpd stops well');
is_deeply([map { cmdline($_) } descendants()], [], 'nothing is left');
done_testing;
