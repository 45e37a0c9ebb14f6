#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# After mv and a graceful everything goes to the new error log: what httpd, the
# manager and the workers say.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my $httpd = FCGIPM::Httpd->new(config =>
    "FcgiPMGraceful changed\n"
    . pool('app', 'worker', 'FcgiPMProcesses 2') . location('app'));
ok($httpd->start, 'httpd');
my @old = $httpd->workers(2);
my $manager = $httpd->manager;
my ($new, $rotated) = ($httpd->error_log, $httpd->dir . '/error.log.1');

sub said {
    my ($text) = @_;
    my $r = $httpd->get("/app/?fd2=$text%0a&pid");
    return $r->{body} =~ /^pid=(\d+)/ ? $1 : '?';
}

my $pid = said('first');
ok(wait_for { slurp($new) =~ /pool app: pid $pid: first$/m } 10,
   'a line of a worker in the error log');
like(slurp($new), qr/fcgipm.*manager/i, 'and of the manager');

for my $round (1 .. 3) {
    $httpd->logs_afresh($rotated);
    ok($httpd->graceful, "round $round: mv and graceful");
    is($httpd->manager, $manager, 'the manager is the same');
    is_deeply([$httpd->workers(2)], \@old, 'so are the workers');
    my $size = -s $rotated;
    $pid = said("round$round");
    ok(wait_for { slurp($new) =~ /pool app: pid $pid: round$round$/m } 10,
       'a worker of before speaks in the new file');
    my ($victim) = @old;
    wait_for { age($victim) > 1.2 } 10, 'settled workers';
    kill 'KILL', $victim;
    ok(wait_for { @old = $httpd->workers(2);
                  !grep { $_ == $victim } @old } 10, 'it is replaced');
    ok(wait_for { slurp($new) =~ /pool app: .*\b$victim\b/ } 10,
       'so does the manager');
    is(-s $rotated, $size, 'nothing is added to the old one');
    ok(!(grep { /\Q$rotated\E/ } map { values %{ fds($_) } }
         $manager, $httpd->pid), 'nobody holds it');
}

# A manager that dies is replaced by one with the right log.
kill 'KILL', $manager;
ok(wait_for {
    my $now = $httpd->manager;
    $now && $now != $manager
} 10, 'another manager');
$httpd->workers(2);
$pid = said('after');
ok(wait_for { slurp($new) =~ /pool app: pid $pid: after$/m } 10,
   'its workers speak in the new file');
is($httpd->stop, 0, 'httpd stops well');

# A program reads the log: another one after each graceful.
my $dir = tmp_dir();
my $out = "$dir/log";
my $reader = write_file("$dir/reader", "#!/bin/sh\nexec cat >> $out\n", 0755);
sub readers { return grep { cmdline($_) =~ /^cat/ } descendants() }
sub follows {
    my ($pattern, $times, $name) = @_;
    return ok(wait_for { $times <= (() = slurp($out) =~ /$pattern/g) } 20,
              $name);
}
$httpd = FCGIPM::Httpd->new(
    config => "FcgiPMGraceful changed\nErrorLog \"|$reader\"\n"
        . pool('app', 'worker') . location('app'));
$httpd->{resumed} = 0;
$httpd->{proc} = start(cmd => $httpd->_command('-DFOREGROUND'));
ok(wait_for { ($httpd->get('/app/?pid')->{status} || 0) == 200 } 20,
   'httpd with its log piped to a program');
for my $round (1, 2) {
    my @old = readers();
    is(($httpd->run('-k', 'graceful'))[0], 0, "round $round: graceful");
    follows(qr/manager \(pid \d+\): reload: a new configuration/, $round,
            'the manager says so to the new program');
    $pid = said("piped$round");
    follows(qr/pool app: pid $pid: piped$round$/m, 1, 'so does a worker');
    ok(wait_for { !grep { alive($_) } @old } 20, 'the old one has gone');
}
is($httpd->stop, 0, 'httpd stops well');
is_deeply([map { cmdline($_) } descendants()], [], 'nothing is left');

done_testing;
