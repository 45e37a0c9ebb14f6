#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Everything at once, at random moments: gracefuls, HUPs, managers that are
# killed, pools that are scaled, rolled and recycled, under load.  Not one
# request is lost, under each MPM.  FCGIPM_SOAK seconds each, 30 without it;
# not a part of check.
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
my $httpd;

sub ask_for { return ctl($httpd->control_socket, @_) }

# What can happen, and how often.
my @events = (
    [3, 'graceful' => sub { $httpd->graceful }],
    [3, 'HUP' => sub { kill 'HUP', $_[0] }],
    [1, 'SIGKILL' => sub { kill 'KILL', $_[0]; sleep 2 }],
    [1, 'scale' => sub { ask_for('scale', 'app', 2 + int rand 7) }],
    [1, 'roll' => sub { ask_for('reload', 'roll', '--wait') }],
    [1, 'nothing' => sub { sleep 1 }],
);
my @lots = map { ($_) x $_->[0] } @events;

sub config {
    return join '', pool('app', 'worker', 'FcgiPMProcesses 6',
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
        (map { "/$_/?sleep=5&pid" } qw(app need roll)), $php ? '/x.php' : ();
    my %done;
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
        is($sum->{failed}, 0, "$path: of $sum->{ok} requests none is lost")
            or diag($load->explain);
    }
    ends_well($httpd);
}
done_testing();
