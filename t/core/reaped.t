#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A program that ends at once: the log has a line for each death, also when the
# manager reaps it before the spawner has closed its end of the birth's pipe.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;

my $run = FCGIPM::Run->new(command => [bin('worker'), '--exit-at-once', 3]);
my @born;
for (1 .. 100) {
    my $n = @born;
    wait_for {
        @born = $run->log =~ /: worker (\d+) started/g;
        @born > $n
    } 20, 'a birth';
    $run->signal('HUP');    # no pause before the next one
}
$run->signal('TERM');
is($run->wait(20), 0, scalar(@born) . ' births');
my %told = map { $_ => 1 }
    $run->log =~ /: worker (\d+) (?:has died at birth|has gone)/g;
is_deeply([grep { !$told{$_} } @born], [], 'each death is told');

done_testing;
