#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# FcgiPMPreload in httpd: gracefuls, dying fork servers and managers under load,
# a pool and a script.  No request is lost.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::HTTP qw(ask_at status_of);
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Strace;
use FCGIPM::Test;
use List::Util qw(sum);
use Test::More;

my $httpd = FCGIPM::Httpd->new(
    modules => ['mime'], head => "TypesConfig /dev/null\n");
my $docs = $httpd->dir . '/htdocs';
mkdir "$docs/s" or die;
my $script = install("$docs/s/s.fcgi", 'v1');
$httpd->write_config(join '',
    pool('app', [bin('perl-fcgi.pl')], 'FcgiPMProcesses 3',
         'FcgiPMPreload on'), location('app'),
    pool('roll', [bin('perl-fcgi.pl')], 'FcgiPMProcesses 3',
         'FcgiPMReload rolling', 'FcgiPMPreload on'), location('roll'),
    scripts("$docs/s", 'FcgiPMProcesses 0 3', 'FcgiPMPreload on'));
ok($httpd->start, 'httpd');
like($httpd->get('/s/s.fcgi?pid')->{body}, qr/tag=v1/, 'a script');

sub pools { return @{ ($httpd->status || { pools => [] })->{pools} } }
sub servers { return map { $_->{fork_server} } pools() }

# Each pool is preloaded, and none of these processes is there.
sub renewed {
    my (@old) = @_;
    my %old = map { $_ => 1 } @old;
    return wait_for {
        my @pool = pools();
        my @pid = map { $_->{pid} } map { @{ $_->{worker} } } @pool;
        @pool == 3 && !grep({ $_->{preload} ne 'on' || !$_->{fork_server}
                                  || $_->{stopping} } @pool)
            && !grep({ $old{$_} } @pid)
    } 30, 'fork servers';
}

ok(renewed(), 'all three are preloaded')
    or diag($httpd->log, explain([pools()]));
my %load = map { ($_ => load_on($httpd, "$_?sleep=10&pid", 3)) }
    qw(/app/ /roll/ /s/s.fcgi);
ok($_->flows(20), 'requests flow') for values %load;

for my $n (1 .. 4) {
    my @old = servers();
    $httpd->graceful_signal;
    ok(renewed(@old), "graceful $n: other fork servers") or diag($httpd->log);
    ok($_->flows(10), 'requests flow on') for values %load;
}

kill 'KILL', servers();
ok(wait_for { !grep { alive($_) } servers() } 10, 'fork servers are killed');
ok($_->flows(10), 'requests flow on') for values %load;
$httpd->graceful_signal;
ok(renewed(), 'a graceful loads others');

my ($manager, @all) = ($httpd->manager, $httpd->below);
kill 'KILL', $manager;
ok(wait_for { my $now = $httpd->manager; $now && $now != $manager } 20,
   'the manager is killed, another one is there');
ok($_->flows(20), 'requests flow on') for values %load;
ok(renewed(@all), 'with fork servers of its own');
ok(wait_for { !grep { alive($_) } @all } 20, 'nothing is left of the former')
    or diag(map { "$_ " . cmdline($_) . "\n" } grep { alive($_) } @all);

for my $path (sort keys %load) {
    my $sum = $load{$path}->stop;
    is($sum->{failed}, 0, "$path: none of $sum->{ok} requests was lost")
        or diag($load{$path}->explain);
}
ends_well($httpd);
# The manager waits while the program loads for several requests.
my $gate = write_script("$docs/gated", <<"END");
while [ ! -e $docs/open ]; do sleep 0.02; done
exec ${\ bin('worker')}
END
my $cold = FCGIPM::Httpd->new(
    config => pool('cold', [$gate], 'FcgiPMProcesses 0 8', 'FcgiPMPreload on')
        . location('cold'));
ok($cold->start, 'httpd with a cold pool');
my @held = map { ask_at($cold->port, '/cold?ok') } 1 .. 3;
$cold->counts('cold', starting => 1, queue => 3);
my $calls = calls_during($cold->manager, sub { $cold->status for 1 .. 10 });
cmp_ok(sum(values %$calls), '<', 1000, 'the manager waits, too')
    or diag(explain($calls));
write_file("$docs/open", '');
is(scalar(grep { status_of($_) == 200 } @held), 3, 'all are answered');
ends_well($cold);
done_testing;
