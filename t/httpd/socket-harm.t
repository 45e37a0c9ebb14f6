#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A pool whose listening socket a worker has shut down, or somebody has removed,
# serves again by itself under httpd; over graceful, and with another manager.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use POSIX ();
use Test::More;

my $httpd = FCGIPM::Httpd->new(
    config => "FcgiPMGraceful none\n"
        . pool('app', 'worker', 'FcgiPMProcesses 2') . location('app')
        . pool('idle', 'worker', 'FcgiPMProcesses 0 2') . location('idle')
        . pool('plain', 'worker') . location('plain')
        . pool('good', 'worker') . location('good'));
ok($httpd->start, 'httpd');
my @good = $httpd->pid_at('/good/');

sub comes_back {
    my ($pool, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $row = 0;
    ok(wait_for {
        $row = $httpd->pid_at("/$pool/") ? $row + 1 : 0;
        $row >= 4
    } 20, "$what: the pool serves again") or diag($httpd->log);
    is($httpd->pid_at('/good/'), $good[0], 'the other pool has its worker');
    return;
}

for my $pool ('app', 'idle') {
    $httpd->get("/$pool/?socket=shutdown");
    ok(wait_for { $httpd->log =~ /pool $pool: its socket is replaced: a worker/ }
       10, "$pool: the log says what a worker did");
    comes_back($pool, 'shutdown()');

    unlink $httpd->run_dir . "/$pool.sock" or die "unlink: $!";
    comes_back($pool, 'a removed socket');
    like($httpd->log, qr/pool $pool: its socket is replaced: its file was rem/,
         'and the log says so');
}

# httpd's user owns the file, so each process of that user can change its mode
sub set_mode {
    my ($file, $mode) = @_;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        POSIX::setuid(worker_uid());
        POSIX::_exit(chmod($mode, $file) ? 0 : 1);
    }
    waitpid $pid, 0;
    is($?, 0, "httpd's user sets a mode");
    return;
}
my $file = $httpd->run_dir . '/app.sock';
set_mode($file, 0);
comes_back('app', 'a socket that nobody may connect to');
set_mode($file, 0666);
is((ctl($httpd->control_socket, 'reload', 'app', 'wait'))[0], 0, 'reload');
ok((wait_for { ((stat $file)[2] & 07777) == 0600 } 10, 'its mode'),
   'one that everybody may connect to is set back');
like($httpd->log, qr/pool app: .* which is set back: its mode/, 'a line');

# one that was removed and nothing else
unlink $httpd->run_dir . '/plain.sock' or die "unlink: $!";
comes_back('plain', 'a removed socket');

kill 'KILL', $httpd->manager;
ok(wait_for { $httpd->status } 20, 'another manager');
@good = wait_for { $httpd->pid_at('/good/') } 20, 'the other pool';
comes_back('app', 'another manager, which gets the socket of before');
comes_back('plain', 'which has not been shut down');
ok($httpd->graceful, 'graceful');
comes_back('app', 'graceful');
comes_back('idle', 'graceful');
ends_well($httpd);

done_testing;
