#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Requests under way are counted exactly, per pool, also when a child of httpd
# crashes with some of them, under each MPM.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Socket::INET;
use Test::More;

my $dir = tmp_dir();
my $raw = [$^X, bin('raw.pl')];
my $config = join '',
    pool('app', $raw, 'FcgiPMProcesses 7'), location('app'),
    pool('other', $raw, 'FcgiPMProcesses 6'), location('other'),
    pool('work', 'worker', 'FcgiPMProcesses 3'), location('work');

# A request that its worker is at until there is the file.
sub under_way {
    my ($httpd, $pool) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $httpd->port)
        or die "connect: $!";
    print {$s} "GET /$pool/?until=$dir/go&ok HTTP/1.1\r\nHost: x\r\n",
        "Connection: close\r\n\r\n";
    $s->flush;
    return $s;
}

sub rest_of {
    my ($s) = @_;
    local $/;
    my $bytes = <$s>;
    return defined $bytes ? $bytes : '';
}

sub one_mpm {
    my ($mpm) = @_;
    my $httpd = FCGIPM::Httpd->new(mpm => $mpm, config => $config);
    ok($httpd->start, "MPM $mpm") or return;
    is(scalar $httpd->workers(16), 16, 'workers of three pools');
    $httpd->counts('app', in_flight => 0);

    for my $signal ('SEGV', 'KILL') {
        my @app = map { under_way($httpd, 'app') } 1 .. 6;
        my @other = map { under_way($httpd, 'other') } 1 .. 3;
        $httpd->counts('app', in_flight => 6);
        $httpd->counts('other', in_flight => 3);

        my @at = $httpd->children_of(@app);
        my @at_other = $httpd->children_of(@other);
        is(scalar(grep { defined } @at, @at_other), 9, 'it is known who is '
           . 'at them');
        my $victim = $at[0];
        my $left = grep { $_ != $victim } @at;
        my $left_other = grep { $_ != $victim } @at_other;
        kill $signal, $victim;
        ok(wait_for { !alive($victim) } 10, "a child gets SIG$signal");
        $httpd->counts('app', in_flight => $left);
        $httpd->counts('other', in_flight => $left_other);

        # In the place of the one that crashed others have come.
        my @new = map { under_way($httpd, 'other') } 1 .. 2;
        $httpd->counts('other', in_flight => $left_other + 2);
        write_file("$dir/go", '', 0644);
        my $whole = grep { /^ok$/m } map { rest_of($_) } @app, @other, @new;
        is($whole, $left + $left_other + 2,
           'who was not at the one that crashed is answered');
        $httpd->counts($_, in_flight => 0) for
            'app', 'other';
        unlink "$dir/go";
        is($httpd->get("/$_/?ok")->{body}, "ok\n", "$_ serves on")
            for 'app', 'other';
    }

    # --- and exactly, whatever ends a request
    for (1 .. 5) {
        $httpd->get('/work/?status=404&text=x');
        $httpd->get('/work/?crash=before,x3', body => 'x');
        $httpd->get('/work/?crash=body,x3');
        $httpd->get('/work/?location=/static.txt');
        $httpd->get('/work/?location=/app/');
        $httpd->get('/app/?out=nothing&close');
        close under_way($httpd, 'other');
        write_file("$dir/go", '', 0644);
        $httpd->counts('other', in_flight => 0);
        unlink "$dir/go";
    }
    my $load = load_on($httpd, '/work/?sleep=5&pid', 6);
    my $most = 0;
    wait_for {
        my $now = $httpd->pool_status('work')->{in_flight};
        $most = $now if defined $now && $now > $most;
        $load->so_far->{ok} > 200
    } 30, 'requests';
    ok($most > 0 && $most <= 6, 'no more are counted than there are clients')
        or diag("$most are");
    is($load->stop->{failed}, 0, 'all are answered');
    $httpd->counts($_, in_flight => 0) for
        'app', 'other', 'work';
    ends_well($httpd, 1);
    return;
}

one_mpm($_) for FCGIPM::Httpd->mpms;
done_testing;
