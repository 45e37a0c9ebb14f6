#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The process that makes the workers stays over restarts, holds no log of
# httpd's, and goes with the manager.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use POSIX ();
use Test::More;

plan skip_all => 'only Linux has it' unless $^O eq 'linux';

my $httpd = FCGIPM::Httpd->new(
    config => pool('app', 'worker', 'FcgiPMProcesses 2') . location('app'));
ok($httpd->start, 'httpd') or BAIL_OUT('no httpd');
my $manager = $httpd->manager;
my @worker = $httpd->workers(2);
my $server = $httpd->spawner;
ok($server, 'a process that makes workers');
# while it forks it has the newborn's pipe
ok(wait_for { !grep { !m{^(?:/dev/null|socket:.*)$} } values %{ fds($server) } }
       20, 'nothing of httpd\'s is open in it') or diag(explain(fds($server)));

for my $how (qw(graceful restart)) {
    ok($httpd->$how, $how);
    my @new = $httpd->renewed(@worker);
    is(scalar @new, 2, 'other workers');
    is(scalar(grep { parent_of($_) == $manager } @new), 2,
       'the manager is their parent');
    is($httpd->spawner, $server, 'the same process has made them');
    @worker = @new;
}

my $load = load_on($httpd, '/app/?sleep=2&pid', 4);
ok($load->flows(20), 'requests flow');
for (1 .. 5) {
    my $old = $httpd->spawner or next;
    kill 'KILL', $old;
    $httpd->graceful_signal;
    @worker = $httpd->renewed(@worker);
    is(scalar @worker, 2, 'it is killed: other workers');
    ok($load->flows(20), 'requests flow');
}
ok(wait_for {
       $httpd->graceful_signal;
       @worker = $httpd->renewed(@worker);
       $httpd->spawner;
   } 60, 'there is another one');
is($load->stop->{failed}, 0, 'no request is lost');
is($httpd->manager, $manager, 'the same manager');

$server = $httpd->spawner;
kill 'KILL', $manager;
ok(wait_for { !alive($server) } 20, 'it goes with its manager');
ok(wait_for { my $now = $httpd->manager; $now && $now != $manager } 20,
   'another manager');
$httpd->workers(2);
$server = $httpd->spawner;
ok($server, 'has its own');
ends_well($httpd);
ok(!alive($server), 'it goes with httpd');

# A birth that hangs is not ended by another definition: FcgiPMStartTimeout 0
my $dir = tmp_dir();
chmod 0755, $dir;
write_file("$dir/cgroup.controllers", '');
POSIX::mkfifo("$dir/cgroup.procs", 0666) or die "mkfifo: $!";
sub hanging {
    return pool('app', 'worker', 'FcgiPMStartTimeout 0', "FcgiPMCgroup $dir",
                "FcgiPMQueueLimit $_[0]") . "FcgiPMGraceful changed\n";
}
$httpd = FCGIPM::Httpd->new(config => hanging(10));
ok($httpd->start, 'httpd');
my $birth = sub { (($httpd->pool_status('app') || {})->{worker} || [])->[0] };
my $born;
ok(wait_for { $born = $birth->() } 20, 'a birth hangs');
$httpd->write_config(hanging(20));
ok($httpd->graceful, 'a graceful');
ok(wait_for {
       (ctl($httpd->control_socket, 'config', 'app'))[1] =~ /QueueLimit\s+20/
   } 20, 'another definition is in force');
is_deeply([map { $_->{pid}, $_->{state} } $birth->()],
          [$born->{pid}, 'starting'], 'the birth goes on');
unlike($httpd->log, qr/does not execute its program/, 'and is not late');
$httpd->stop;
done_testing;
