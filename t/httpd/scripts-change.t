#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Scripts on demand while the world changes: the script, the configuration,
# the manager.  No request is lost.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Load;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(sleep);

my $httpd = FCGIPM::Httpd->new(
    modules => ['mime'], head => "TypesConfig /dev/null\n");
my $docs = $httpd->dir . '/htdocs';
mkdir "$docs/one" or die;
my $script = install("$docs/one/s.fcgi", 'v1');
my @line = ('FcgiPMProcesses 0 4', 'FcgiPMIdleTimeout 1h');
$httpd->write_config(scripts("$docs/one", @line));
ok($httpd->start, 'httpd');

# All workers are of that version.
sub settled {
    my ($version) = @_;
    return wait_for { !grep { tag() ne $version } 1 .. 12 } 20, $version;
}

sub tag { $httpd->get('/one/s.fcgi?pid')->{body} =~ /tag=(\w+)/ ? $1 : '' }
sub socket_file {
    return join ' ', map { (stat)[1] } glob $httpd->run_dir . '/script-*';
}

sub pools { return @{ $httpd->status->{pools} } }

# --- the script
is(tag(), 'v1', 'a script');
my ($name) = map { $_->{name} } pools();
my $load = load_on($httpd, '/one/s.fcgi?sleep=20&pid', 8);
ok($load->flows(50), 'requests flow');
for my $version (2 .. 4) {
    install($script, "v$version");
    ok(wait_for { tag() eq "v$version" } 20, "version $version");
    ok($load->flows(50), 'requests flow');
}
is(count_lines($httpd->error_log, "pool $name: .* has changed"), 3,
   'each change is seen once, not by each process');
# In place, too, which can be two changes.
my $text = slurp($script);
write_file($script, $text =~ s/v4/v5/r);
ok(wait_for { tag() eq 'v5' } 20, 'written to in place');
ok($load->flows(50), 'requests flow');
my $sum = $load->stop;
ok(settled('v5'), 'every worker is new');
is($sum->{failed}, 0, 'no request was lost') or diag($load->explain);
is(join(' ', map { $_->{name} } pools()), $name, 'it is the same pool');

# One that does not work leaves the old workers where they are.
my ($old) = $httpd->get('/one/s.fcgi?pid')->{body} =~ /pid=(\d+)/;
write_script($script, "echo broken >&2\nexit 3");
is(tag(), 'v5', 'a broken one: the old worker answers');
ok(wait_for { $httpd->log =~ /the rolling reload ends/ } 20,
   'the new one has failed');
is(tag(), 'v5', 'the old one answers still');
install($script, 'v6');
ok(settled('v6'), 'mended: the new one answers');

# A refusal is found out as well, and forgotten.
chmod 0777, $script;
is($httpd->get('/one/s.fcgi')->{status}, 403, 'anybody can write: 403');
like($httpd->log, qr/\Q$script\E: it can be written to by anybody/, 'a line');
chmod 0755, $script;
is(tag(), 'v6', 'mended');
unlink $script or die;
is($httpd->get('/one/s.fcgi')->{status}, 404, 'removed: 404');
install($script, 'v7');
ok(settled('v7'), 'it is there again');

# --- the configuration
$load = load_on($httpd, '/one/s.fcgi?sleep=20&pid', 8);
ok($load->flows(50), 'requests flow');
my $pid = $httpd->pid_at('/one/s.fcgi');
ok($httpd->graceful, 'graceful');
ok(wait_for { $httpd->pid_at('/one/s.fcgi') != $pid } 20, 'new workers');
ok($load->flows(50), 'requests flow');
$httpd->write_config(scripts("$docs/one", @line, 'FcgiPMSetEnv NEW yes'));
ok($httpd->graceful, 'graceful, with another template');
ok(wait_for {
    $httpd->get('/one/s.fcgi?environ')->{body} =~ /^NEW=yes$/m
} 20, 'which is in force');
is(scalar pools(), 1, 'it is the same pool');
$httpd->write_config(scripts($docs, @line));
ok($httpd->graceful, 'graceful, with another template for it');
ok($load->flows(50), 'requests flow');
$sum = $load->stop;
is($sum->{failed}, 0, 'no request was lost') or diag($load->explain);
$httpd->write_config('');
ok($httpd->graceful, 'graceful, without');
ok(wait_for { !pools() } 30, 'the pool is gone');
is_deeply([glob $httpd->run_dir . '/script-*'], [], 'with its socket');
$httpd->write_config(scripts($docs, @line));
ok($httpd->graceful, 'graceful, with it again');
is(tag(), 'v7', 'and there it is, for the first request');

# --- the manager: the next one goes on with the sockets
for my $signal (qw(KILL TERM)) {
    $load = load_on($httpd, '/one/s.fcgi?pid', 8);
    ok($load->flows(50), 'requests flow');
    my ($manager, $socket) = ($httpd->manager, socket_file());
    kill $signal, $manager;
    ok(wait_for { ($httpd->manager || $manager) != $manager } 20,
       "SIG$signal to the manager, there is another");
    ok($load->flows(50), 'requests flow');
    ok(wait_for { $httpd->status } 20, 'it can be asked');
    is(scalar pools(), 1, 'one pool');
    $sum = $load->stop;
    is($sum->{failed}, 0, 'no request was lost') or diag($load->explain);
    is(socket_file(), $socket, 'and the same socket');
}

# Its socket is gone, whoever has removed it.
unlink glob $httpd->run_dir . '/script-*';
is(tag(), 'v7', 'its socket removed: another one is made');
is($httpd->get('/one/s.fcgi?pid', method => 'POST', body => 'x')->{status},
   200, 'also for a POST');

# --- pools that vanish all the time, right before they are needed
$httpd->write_config(scripts($docs, 'FcgiPMProcesses 0 4',
                             'FcgiPMIdleTimeout 20ms'));
ok($httpd->graceful, 'graceful, with pools that vanish at once');
my $from = count_lines($httpd->error_log, 'was not used for');
$load = FCGIPM::Load->new(clients => 8, request => sub {
    my ($i) = @_;
    sleep 0.12 * rand;
    my @post = rand() < 0.5 ? (method => 'POST', body => 'abc') : ();
    my $r = $httpd->get('/one/s.fcgi/pid', @post);
    return $r->{error} || ($r->{status} == 200 ? undef : $r->{status});
});
ok($load->flows(300), '300 requests');
$sum = $load->stop;
is($sum->{failed}, 0, 'no request was lost') or diag($load->explain);
my $vanished = count_lines($httpd->error_log, 'was not used for') - $from;
cmp_ok($vanished, '>', 3, "while pools have vanished ($vanished)");
ends_well($httpd);
done_testing;
