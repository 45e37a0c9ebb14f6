#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A second httpd or fcgipm-run takes no socket, control socket or pid file from
# one that runs; what a dead one has left behind, and one's own, is replaced.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Run;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my $app = pool('app', 'worker', 'FcgiPMProcesses 2') . location('app');
my $first = FCGIPM::Httpd->new(config => $app);
ok($first->start, 'an httpd');
ok(wait_for { $first->pid_at('/app/') } 10, 'which serves');
my $run = $first->run_dir;
my $manager = $first->manager;

sub is_well {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok($first->pid_at('/app/'), 'the first httpd serves');
    is($first->manager, $manager, 'with the same manager');
    is($first->status->{manager}{pid}, $manager, 'which is reached');
    return;
}

# --- another httpd
sub refused {
    my ($name, $said, $config) = @_;
    my $other = FCGIPM::Httpd->new(config => $config . pool('own', 'worker'));
    my $proc = FCGIPM::Test::start(
        cmd => $other->_command('-DFOREGROUND'), err => $other->dir . '/stderr');
    my $status = $proc->wait(20);
    ok($status, "another httpd with its $name does not start");
    like($other->log, $said, 'and says why');
    is_well();
    return;
}
refused('control socket',
        qr{\Q$run\E/fcgipm.sock: another server \(pid $manager\) listens},
        "FcgiPMSocket $run/fcgipm.sock\n");
refused('pid file', qr{\Q$run\E/manager.pid is another manager's \(pid $manager},
        "FcgiPMPidFile $run/manager.pid\n");

refused('runtime directory',
        qr{server \(pid ${\ $first->pid}\) holds \Q$run\E/fcgipm.lock;.*RuntimeDir},
        "FcgiPMRuntimeDir $run\nFcgiPMSocket $run/other.sock\n");
{
    my $other = FCGIPM::Httpd->new(config => pool('own', 'worker')
                                   . location('own'));
    ok($other->start, 'another httpd with a directory of its own');
    ok(-e $other->run_dir . '/fcgipm.lock', 'which it holds');
    my $own = 'FcgiPMSocket ' . $other->control_socket . "\n"
        . pool('own', 'worker') . location('own');
    $other->write_config("FcgiPMRuntimeDir $run\n$own");
    ok($other->graceful, 'a graceful to that of the first one');
    like($other->log, qr/FcgiPMRuntimeDir: another server \(pid \d+\) holds/,
         'is told');
    ok(wait_for { $other->pid_at('/own/') } 10, 'and it serves');
    $other->write_config($own);
    ok($other->graceful, 'and back');
    is($other->stop, 0, 'it stops well');
    ok(!-e $other->run_dir . '/fcgipm.lock', 'and leaves no lock behind');
    is_well();
}
{
    my $socket = $first->pool_socket('app');
    my $other = FCGIPM::Httpd->new(
        config => pool('own', 'worker') . location('own')
            . pool('app', 'worker', "FcgiPMListen $socket") . location('app'));
    ok($other->start, 'another one with a pool on its socket');
    like($other->log, qr{pool app .*another server \(pid \d+\) listens there},
         'says which pool has failed, and why');
    is($other->get('/app/?pid')->{status}, 503, 'whose requests get 503');
    ok(wait_for { $other->pid_at('/own/') } 10, 'its own pool serves');
    is($other->stop, 0, 'it stops well');
    is_well();
}

# --- fcgipm-run
for (['socket', ['listen', $first->pool_socket('app')]],
     ['control socket', ['options', ['--socket', "$run/fcgipm.sock"]]],
     ['pid file', ['options', ['--pid-file', "$run/manager.pid"]]]) {
    my ($name, $arg) = @$_;
    my $other = FCGIPM::Run->new(command => [bin('worker')], @$arg);
    is($other->wait(20), 2, "fcgipm-run with its $name ends");
    like($other->log, qr/another (?:server|manager)/, 'and says why');
    is_well();
}

# --- one's own: a pool that comes back while it still drains
my $slow = $first->ask('/app/?sleep=3000&pid');
ok(wait_for { $first->pool_status('app')->{busy} } 10, 'a slow request');
$first->write_config('');
ok($first->graceful, 'its pool is removed');
$first->write_config($app);
ok($first->graceful, 'and comes back');
ok(wait_for { $first->pid_at('/app/') } 10, 'it serves') or diag($first->log);
waitpid $slow, 0;

# --- a dead one: httpd's parent is killed
my $busy = $first->ask('/app/?sleep=2000&pid');
ok(wait_for { $first->pool_status('app')->{busy} } 10, 'a slow request');
$first->signal('KILL');
ok(wait_for { !-e "$run/$_" } 10, "SIGKILL to httpd: its manager removes $_")
    for qw(fcgipm.sock app.sock manager.pid);
my @child = grep { cmdline($_) =~ /FOREGROUND/ } descendants();
kill 'KILL', @child;
ok(wait_for { !grep { alive($_) } @child } 10, 'httpd\'s children go as well');
waitpid $busy, 0;
ok($first->start, 'httpd starts again at once');
ok(wait_for { $first->pid_at('/app/') } 10, 'and serves') or diag($first->log);

# --- a control socket and pid file that were left behind
kill 'KILL', $first->manager;
ok(wait_for { $first->status } 10, 'SIGKILL to the manager: its successor '
   . 'takes the control socket') or diag($first->log);
ok($first->manager, 'and the pid file');
ends_well($first);

done_testing;
