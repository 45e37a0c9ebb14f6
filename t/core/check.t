#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# fcgipmctl check: the statuses and the line that Nagios wants; and which pools
# status and check show.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;

my ($OK, $WARNING, $CRITICAL, $UNKNOWN) = 0 .. 3;

sub checks {
    my ($socket, $arg, $expect, $pattern, $name) = @_;
    my ($status, $said) = ctl($socket, 'check', @$arg);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($status, $expect, "$name: status $expect");
    like($said, qr/^FCGIPM $pattern\n\z/, 'and its line, one');
    return $said;
}

# --- a pool that serves
my $run = FCGIPM::Run->new(processes => 2, control => 1,
                           command => [bin('worker')],
                           options => ['--name', 'app', '--drain-grace', '1h']);
my $socket = $run->control_socket;
ok(wait_for { ($run->pool_status('app')->{idle} || 0) == 2 } 20, 'two workers');
my $said = checks($socket, [], $OK,
    qr/OK - 1 pools, 2 workers, 0 busy, 0 requests wait \| .*/, 'all well');
like($said, qr/\| 'app workers'=2;;;2;2 'app busy'=0;;;0;2 'app queue'=0;2;20;0 /,
     'performance data, with the limits');
like($said, qr/ 'app requests'=\d+c 'app refused'=0c 'app crashed'=0c /,
     'counters');
checks($socket, ['app'], $OK, qr/OK - 1 pools.*/, 'a pool by its name');
checks($socket, ['none'], $UNKNOWN, qr/UNKNOWN - .*none.*/, 'a pool that is none');
checks($socket, ['--filter', 'a*'], $OK, qr/OK - 1 pools.*/, 'a filter');
checks($socket, ['--filter', 'b*'], $UNKNOWN, qr/UNKNOWN - no pool.*/,
       'one that nothing matches');
checks("$socket.none", [], $CRITICAL, qr/CRITICAL - cannot reach .*/, 'no manager');
is((ctl($socket, 'check', @$_))[0], $UNKNOWN, "usage: check @$_")
    for ['--what'], ['-w', 'x'], ['a', 'b'], ['--json'];

# --- one that drains, and one that was stopped
is((ctl($socket, 'drain', 'app'))[0], 0, 'drain');
checks($socket, [], $OK, qr/OK - app drains \|/, 'a pool that drains');
is((ctl($socket, 'start', 'app'))[0], 0, 'taken back');
checks($socket, [], $OK, qr/OK - 1 pools.* requests wait \| .*/, 'as before');
is((ctl($socket, 'stop', 'app'))[0], 0, 'stopped');
checks($socket, [], $CRITICAL, qr/CRITICAL - app: stopped.*/, 'a pool that is stopped');
$run->signal('TERM');
wait_for { $run->log =~ /ends in/ } 10, 'the grace, which a second TERM ends';
$run->signal('TERM');
$run->wait(20);

# --- one whose new workers die at birth, while the others serve
my $dir = tmp_dir();
my $fails = "$dir/fails";
my $program = write_file("$dir/program", "#!/bin/sh\n[ -e $fails ] && exit 3\n"
                         . "exec ${\ bin('worker')}\n", 0755);
$run = FCGIPM::Run->new(processes => 3, control => 1, command => [$program],
                        options => ['--name', 'app']);
$socket = $run->control_socket;
my @pid = $run->workers(3);
$run->counts('app', idle => 3); # none is at its shell any more
write_file($fails, '');
is((ctl($socket, 'kill', $pid[0]))[0], 0, 'a worker is gone');
ok(wait_for { ($run->pool_status('app')->{failed_starts} || 0) > 1 } 20,
   'two starts in a row have failed');
ok(pid_of($run->address), 'the others serve');
is($run->pool_status('app')->{state}, 'running', 'so the pool is not in backoff');
checks($socket, [], $WARNING,
       qr/WARNING - app: new workers die at birth: worker \d+ has died at birth: exit status 3 .* \| .*/,
       'which hides nothing');
unlink $fails;
ok(wait_for { (ctl($socket, 'check'))[0] == $OK } 40, 'until one lives again');
is($run->pool_status('app')->{failed_starts}, 0, 'and no start has failed');
$run->signal('TERM');
$run->wait(20);

# --- one whose workers die at birth
my $broken = FCGIPM::Run->new(processes => 2, control => 1,
                              command => [bin('worker'), '--exit-at-once', 3],
                              options => ['--name', 'web']);
$socket = $broken->control_socket;
ok(wait_for { ($broken->pool_status('web')->{state} || '') eq 'backoff' } 20, 'in backoff');
checks($socket, [], $CRITICAL,
       qr/CRITICAL - web: workers die at birth: worker \d+ has died at birth: exit status 3 .* \| .*/,
       'a broken pool');
like((ctl($socket, '--filter', 'failing', 'status'))[1], qr/^web +backoff/m,
     'status: those that fail');
unlike((ctl($socket, '--filter', 'x*', 'status'))[1], qr/^web/m,
       'and none of others');
$broken->signal('TERM');
$broken->wait(20);

done_testing;
