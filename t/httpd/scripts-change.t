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
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my $httpd = FCGIPM::Httpd->new(
    modules => ['mime'], head => "TypesConfig /dev/null\n");
my $docs = $httpd->dir . '/htdocs';
mkdir "$docs/one" or die;
my $script = install("$docs/one/s.fcgi", 'v1');
my @line = ('FcgiPMProcesses 0 4', 'FcgiPMIdleTimeout 1h');
$httpd->write_config(scripts("$docs/one", @line));
ok($httpd->start, 'httpd');

sub tag { $httpd->get('/one/s.fcgi?pid')->{body} =~ /tag=(\w+)/ ? $1 : '' }
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
# In place, too.
my $text = slurp($script);
write_file($script, $text =~ s/v4/v5/r);
ok(wait_for { tag() eq 'v5' } 20, 'written to in place');
ok($load->flows(50), 'requests flow');
my $sum = $load->stop;
is($sum->{failed}, 0, 'no request was lost') or diag($load->explain);
is(join(' ', map { $_->{name} } pools()), $name, 'it is the same pool');
is(count_lines($httpd->error_log, "pool $name: .* has changed"), 4,
   'each change is seen once, not by each process');

# One that does not work leaves the old workers where they are.
my ($old) = $httpd->get('/one/s.fcgi?pid')->{body} =~ /pid=(\d+)/;
write_file("$script.new", "#!/bin/sh\necho broken >&2\nexit 3\n", 0755);
rename "$script.new", $script or die;
is(tag(), 'v5', 'a broken one: the old worker answers');
ok(wait_for { $httpd->log =~ /the rolling reload ends/ } 20,
   'the new one has failed');
is(tag(), 'v5', 'the old one answers still');
install($script, 'v6');
ok(wait_for { tag() eq 'v6' } 20, 'mended: the new one answers');

# A refusal is found out as well, and forgotten.
chmod 0777, $script;
is($httpd->get('/one/s.fcgi')->{status}, 403, 'anybody can write: 403');
like($httpd->log, qr/\Q$script\E: it can be written to by anybody/, 'a line');
chmod 0755, $script;
is(tag(), 'v6', 'mended');
unlink $script or die;
is($httpd->get('/one/s.fcgi')->{status}, 404, 'removed: 404');
install($script, 'v7');
ok(wait_for { tag() eq 'v7' } 20, 'it is there again');

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

# --- the manager
$load = load_on($httpd, '/one/s.fcgi?pid', 8);
ok($load->flows(50), 'requests flow');
for my $round (1, 2) {
    my $manager = $httpd->manager;
    kill 'KILL', $manager;
    ok(wait_for { ($httpd->manager || $manager) != $manager } 20,
       'the manager is killed, there is another');
    ok($load->flows(50), 'requests flow');
    ok(wait_for { $httpd->status } 20, 'it can be asked');
    is(scalar pools(), 1, 'one pool');
}
$sum = $load->stop;
is($sum->{failed}, 0, 'no request was lost') or diag($load->explain);
is(scalar(() = glob $httpd->run_dir . '/script-*'), 1, 'and one socket');

# Its socket is gone, whoever has removed it.
unlink glob $httpd->run_dir . '/script-*';
is(tag(), 'v7', 'its socket removed: another one is made');
is($httpd->get('/one/s.fcgi?pid', method => 'POST', body => 'x')->{status},
   200, 'also for a POST');
ends_well($httpd);
done_testing;
