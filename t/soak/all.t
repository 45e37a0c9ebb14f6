#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Everything at once, at random moments: gracefuls, HUPs, managers that are
# killed, pools that are scaled, rolled and recycled, under load.  Not one
# request is lost, under each MPM.  FCGIPM_SOAK seconds each, 30 without it;
# not a part of check.
#
# FCGIPM_PRELOAD=on: the same with fork servers, which are killed, too, and so
# are workers: each may lose the requests that it has, one at a time.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(sleep time);

my $seconds = $ENV{FCGIPM_SOAK} || 30;
my $php = have('php-cgi');
my $preload = $ENV{FCGIPM_PRELOAD};
my $httpd;
my %killed;    # workers, by pool

sub ask_for { return ctl($httpd->control_socket, @_) }

sub pick { my @of = @_; return $of[rand @of] }

sub some_pool { return pick(@{ ($httpd->status || {})->{pools} || [] }) || {} }

sub kill_fork_server {
    my $pid = some_pool()->{fork_server};
    kill 'KILL', $pid if $pid;
    return;
}

sub kill_worker {
    my $pool = some_pool();
    my $w = pick(grep { $_->{state} =~ /^(?:idle|busy)$/ } @{ $pool->{worker} });
    $killed{ $pool->{name} } += kill 'KILL', $w->{pid} if $w;
    return;
}

# What can happen, and how often.
my @events = (
    [3, 'graceful' => sub { $httpd->graceful }],
    [3, 'HUP' => sub { kill 'HUP', $_[0] }],
    [1, 'SIGKILL' => sub { kill 'KILL', $_[0]; sleep 2 }],
    [1, 'scale' => sub { ask_for('scale', 'app', 2 + int rand 7) }],
    [1, 'roll' => sub { ask_for('reload', 'roll', '--wait') }],
    [1, 'nothing' => sub { sleep 1 }],
    $preload ? ([2, 'fork server' => \&kill_fork_server],
                [2, 'worker' => \&kill_worker]) : (),
);
my @lots = map { ($_) x $_->[0] } @events;

sub config {
    return join '', $preload ? "FcgiPMPreload $preload\n" : (),
        pool('perl', [bin('perl-fcgi.pl')], 'FcgiPMProcesses 4'),
        location('perl'), pool('app', 'worker', 'FcgiPMProcesses 6',
                         'FcgiPMMaxRequests 200 20%'), location('app'),
        pool('need', 'worker', 'FcgiPMProcesses 0 8',
             'FcgiPMIdleTimeout 1s'), location('need'),
        pool('roll', 'worker', 'FcgiPMProcesses 4', 'FcgiPMReload rolling'),
        location('roll'),
        $php ? (pool('php', [$php], 'FcgiPMProcesses 4'),
                "<FilesMatch \\.php\$>\n    SetHandler fcgipm:php\n",
                "</FilesMatch>\n") : ();
}

for my $mpm (FCGIPM::Httpd::mpms()) {
    $httpd = FCGIPM::Httpd->new(mpm => $mpm, config => config());
    write_file($httpd->dir . '/htdocs/x.php', '<?php usleep(2000);'
               . ' echo "pid=", getmypid(), " \n";');
    ok($httpd->start, "httpd with MPM $mpm");
    my @load = map { [$_, load_on($httpd, $_, 4)] }
        (map { "/$_/?sleep=5&pid" } qw(app need roll perl)),
        $php ? '/x.php' : ();
    my %done;
    %killed = ();
    my $end = time + $seconds;
    while (time < $end) {
        my $manager = $httpd->manager;
        my (undef, $name, $code) = @{ $lots[rand @lots] };
        if ($manager) {
            $code->($manager);
            $done{$name}++;
        }
        sleep rand 0.5;
    }
    diag("$mpm: ", join ', ', map { "$_ $done{$_}" } sort keys %done);
    for (@load) {
        my ($path, $load) = @$_;
        my $sum = $load->stop;
        my ($pool) = $path =~ m{^/(\w+)/};
        my $most = $killed{ $pool || 'php' } || 0;
        ok($sum->{failed} <= $most, "$path: of $sum->{ok} requests "
           . "$sum->{failed} lost, $most workers killed")
            or diag($load->explain);
    }
    ends_well($httpd);
}
done_testing();
