#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# logrotate(8) with the configuration of Debian's apache2 under load: no request
# is lost, nor a line that a worker has said, whichever log it goes to.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Load;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my ($logrotate) = grep { defined && -x }
    have('logrotate'), '/usr/sbin/logrotate';
plan skip_all => 'logrotate is missing' unless $logrotate;

my $httpd = FCGIPM::Httpd->new;
my $dir = $httpd->dir;
$httpd->write_config(
    "FcgiPMLogLimit 0\n"
    . pool('app', 'worker', 'FcgiPMProcesses 4')
    . pool('own', 'worker', 'FcgiPMProcesses 4', "FcgiPMErrorLog $dir/own.log")
    . location('app') . location('own'));
ok($httpd->start, 'httpd');
$httpd->workers(8);

# As /etc/logrotate.d/apache2, where the last script is `apache2 reload`.
my @graceful = @{ $httpd->_command('-k', 'graceful') };
my $conf = write_file("$dir/logrotate.conf", <<"END", 0644);
$dir/*.log {
    daily
    missingok
    rotate 14
    compress
    delaycompress
    notifempty
    create 640
    sharedscripts
    postrotate
        @graceful
    endscript
}
END

# Each request is told in the log by its number, in two ways.
my $n = 0;
my $load = FCGIPM::Load->new(clients => 6, request => sub {
    my ($i) = @_;
    my $pool = $i % 2 ? 'app' : 'own';
    my $word = "$pool.$i." . ++$n . '.';
    my $r = $httpd->get("/$pool/?fd2=fd.$word%0a&stderr=proto.$word%0a"
                        . '&sleep=20&pid');
    return $r->{error} if defined $r->{error};
    return "status $r->{status}" if $r->{status} != 200;
    append("$dir/said.$i", "$word\n");
    return;
});
ok($load->flows(100), 'requests flow');

my $rounds = 6;
my $held = 0;
my ($done, $new) = (0, 0);
for my $round (1 .. $rounds) {
    $httpd->{resumed} = 0;      # logrotate makes a new error log
    my $proc = start(cmd => [$logrotate, '-f', '-s', "$dir/state", $conf],
                     out => "$dir/out", err => "$dir/out");
    my $status = $proc->wait(30);
    last unless defined $status && $status eq '0';
    $done++;
    $load->flows(60) or last;
    # whoever is still to say something to a log says it to the new one,
    # before the next rotation compresses the old one
    wait_for {
        !grep { m{\Q$dir\E/(?:error|own)\.log\.1} }
            map { values %{ fds($_) } } $httpd->pid, descendants($httpd->pid)
    } 30, 'the old logs to be let go' or $held++;
    $new++ if -s "$dir/error.log" && -s "$dir/own.log";
}
is($done, $rounds, "$rounds rotations") or diag(slurp("$dir/out"));
is($held, 0, 'each time nobody holds the old logs after a while');
is($new, $rounds, 'the new ones are written to');
my $sum = $load->stop;
diag("$sum->{ok} requests");
is($sum->{failed}, 0, 'not one request was lost') or diag($load->explain);
is($httpd->stop, 0, 'httpd stops well');

my @said = map { split /\n/, slurp("$dir/said.$_") } 1 .. 6;
cmp_ok(scalar @said, '>', 400, 'many lines were said');

# What became of them?
my %found;
for my $log (qw(error own)) {
    for my $file (glob "$dir/$log.log*") {
        my $text = $file =~ /\.gz$/ ? `gzip -dc '$file'` : slurp($file);
        $found{"$log $1"}++ while $text =~ /\b((?:fd|proto)\.[a-z]+\.\d+\.\d+\.)/g;
        $found{manager} += () = $text =~ /pools in force: 2$/mg;
    }
}
my (@lost, @twice);
for my $word (@said) {
    my $log = $word =~ /^own/ ? 'own' : 'error';
    for my $way (qw(fd proto)) {
        my $times = $found{"$log $way.$word"} || 0;
        push @lost, "$way.$word" if !$times;
        push @twice, "$way.$word" if $times > 1;
    }
}
is("@lost", '', 'not one line was lost');
is("@twice", '', 'nor is one there twice');
cmp_ok(scalar(my @gz = glob "$dir/*.gz"), '>=', $rounds, 'old logs are compressed');
is($found{manager}, $rounds + 1, 'so is what the manager says');
done_testing;
