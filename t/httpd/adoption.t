#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Many pools, and one configuration after another while the manager still puts
# the one before in force: at last it has the pools of the last one, and none
# that serves in all of them has missed a request.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(sleep time);

my $ROUNDS = $ENV{FCGIPM_ADOPTIONS} || 6;

# Pools from one number to another; which configuration it is shows in each.
sub config {
    my ($version, $from, $to) = @_;
    return pool('app', 'worker', 'FcgiPMProcesses 2') . location('app')
        . join '', map {
            pool("p$_", 'loop', 'FcgiPMProcesses 0 2',
                 "FcgiPMQueueLimit $version")
        } $from .. $to;
}

my %want;

sub configure {
    my ($version) = @_;
    my ($from, $to) = $version % 2 ? (1, 120) : (40, 160);

    %want = map { ("p$_" => $version) } $from .. $to;
    return config($version, $from, $to);
}

# What is in force: the number of each pool's configuration.
sub in_force {
    my ($httpd) = @_;
    my %has = map { ($_->{name} => $_->{state}) } @{ $httpd->status->{pools} };
    return { map { $has{$_} eq 'draining' ? () : ($_ => $has{$_}) }
             grep { /^p/ } keys %has };
}

my $version = 100;
my $httpd = FCGIPM::Httpd->new(config => configure($version));
ok($httpd->start, 'httpd') or BAIL_OUT('no httpd');
my $manager = $httpd->manager;
ok($httpd->workers(2), 'it serves');
my $load = load_on($httpd, '/app/?pid', 2);
ok($load->flows(20), 'requests flow');
for my $round (1 .. $ROUNDS) {
    for (1 .. 3) {
        $httpd->write_config(configure(++$version));
        $httpd->graceful_signal;
    }
    ok($httpd->graceful, "round $round: a graceful at last");
    my %has;
    ok(wait_for {
           %has = %{ in_force($httpd) };
           join(' ', sort keys %has) eq join(' ', sort keys %want)
       } 30, 'then the pools are those of the last configuration')
        or diag(scalar keys %has, ' of ', scalar keys %want);
    my (undef, $said) = ctl($httpd->control_socket, 'config', 'p100');
    like($said, qr/FcgiPMQueueLimit\s+$version\b/, 'as it defines them');
}
is($load->stop->{failed}, 0, 'no request is lost');
is($httpd->manager, $manager, 'by the same manager');

# --- a stop while pools are put in force
$httpd->write_config(configure(++$version));
$httpd->graceful_signal;
sleep rand 0.3;
ends_well($httpd);
is_deeply([glob $httpd->run_dir . '/*.sock'], [], 'no socket is left');
done_testing;
