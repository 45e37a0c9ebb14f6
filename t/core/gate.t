#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# However many workers are due, and for whatever reason, as many as the pool
# needs are ready at any time, and no more than a quarter of it, at least one, is
# there in addition: but for FcgiPMMaxRequests, whose successors have to be ready
# when a number is reached, so that there can be one for each.  Under load no
# request is lost.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(request);
use FCGIPM::Load;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(time);

# A pool of N under load, whose workers are due as the options say; looked at
# until SO_MANY have been replaced.
sub gate {
    my ($name, $n, $so_many, @option) = @_;
    my $run = FCGIPM::Run->new(
        processes => $n, control => 1, command => [bin('worker'),
                                                   '--slow-start', 20],
        options => ['--die-timeout', '30', @option]);
    ok(wait_for { ($run->pool_status('default')->{workers} || 0) >= $n } 20,
       "$name: $n workers");
    my $address = $run->address;
    my $load = FCGIPM::Load->new(clients => 4, request => sub {
        my $r = request($address, query => 'sleep=5&pid');
        return $r->{error} || ($r->{body} =~ /^pid=\d/ ? undef : 'no pid');
    });
    wait_for { my $p = $run->pool_status('default');
               $p->{workers} - $p->{starting} >= $n } 20, 'all ready';
    my ($least, $most, $looks) = (99, 0, 0);
    ok(wait_for {
        my $p = $run->pool_status('default');
        my $ready = $p->{workers} - $p->{starting};
        $least = $ready if $ready < $least;
        $most = $p->{workers} if $p->{workers} > $most;
        $looks++;
        $p->{recycled} >= $so_many
    } 60, "$name: $so_many are replaced");
    my $sum = $load->stop;
    my $extra = grep({ $_ eq '--max-requests' } @option) ? $n
        : $n < 8 ? 1 : int $n / 4;
    cmp_ok($least, '>=', $n, "$name: seen $looks times, never less than $n "
                             . 'are ready');
    cmp_ok($most, '<=', $n + $extra, "$name: never more than $extra are there "
                                     . 'in addition');
    is($sum->{failed}, 0, "$name: of $sum->{ok} requests none is lost")
        or diag($load->explain);
    my $p = $run->pool_status('default');
    is($p->{$_}, 0, "$name: none $_") for qw(crashed killed);
    $run->signal('TERM');
    is($run->wait(40), 0, "$name: all go");
    return;
}

gate('all outgrow a limit at once', 12, 120, '--size-check-requests', 1,
     '--max-process-size', '4K');
gate('all share too little', 5, 30, '--size-check-requests', 1,
     '--min-share-size', '1G');
gate('all are as old', 12, 36, '--process-lifetime', '300ms');
gate('all have served as many', 8, 80, '--max-requests', '3 30%');
gate('all of it', 9, 80, '--max-requests', 5, '--process-lifetime', '400ms',
     '--size-check-requests', 2, '--max-unshared-size', '4K');

done_testing;
