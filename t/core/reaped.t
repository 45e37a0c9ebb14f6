#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A program that ends at once: the log has a line for each death, also when the
# manager reaps it before the spawner has closed its end of the birth's pipe.
# One whose children end faster than they can be reaped: deadlines are kept.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
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

# The manager takes longer to reap one than it reaps in a round.
my @slowly = qw(strace -D -qq -o /dev/null -e trace=waitid
                -e inject=waitid:delay_exit=6000 --);
SKIP: {
    skip 'strace cannot do it here', 1 if system "@slowly true 2>&1";
    my $breed = FCGIPM::Run->new(
        wrap => \@slowly, command => [$^X, bin('intruder.pl')],
        options => ['--request-timeout', '1', '--die-timeout', '1']);
    my ($worker) = $breed->workers(1);
    my $r = request($breed->address, timeout => 60, stdin => <<'END');
my $until = time + 15;
while (time < $until) {
    my $child = fork // last;
    exec '/bin/sh', '-c', 'sleep 0.01 &' if !$child;
    waitpid $child, 0;
}
'bred for 15 s'
END
    unlike($r->{body} // '', qr/bred/, 'FcgiPMRequestTimeout ends it')
        or diag($breed->log);
    $breed->signal('TERM');
    ok(defined $breed->wait(60), 'the manager ends');
}

done_testing;
