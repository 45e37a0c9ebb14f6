#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# When a reload is done, no request is answered by an old worker: also with
# programs that swallow a SIGTERM and answer one more request, and without the
# guard, when others tell the manager less.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Load;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(time);

my @KIND = (
    ['libfcgi, four threads', [bin('threaded')]],
    ['FCGI::ProcManager, flags 0', [bin('perl-procmanager.pl'), 0, 1]],
    ['a program that ignores SIGTERM', [bin('worker'), '--ignore-term']],
);

sub who { my ($address) = @_; return pid_of($address) || 0 }

# Who answers within the second after a reload?  A load of several clients, so
# that whoever still accepts gets something.
sub after_reload {
    my ($name, $run, @option) = @_;
    my $address = $run->address;
    my @old = $run->workers(3);
    my $begin = time;
    my ($status, $said) = ctl($run->control_socket, 'reload', '--wait');
    is($status, 0, sprintf '%s: reload, done after %.1f s', $name,
       time - $begin) or diag($said, $run->log);
    my %old = map { $_ => 1 } @old;
    my %by;
    $by{ who($address) }++ for 1 .. 60;
    is(scalar(grep { $old{$_} } keys %by), 0, "$name: no old one answers")
        or diag(explain(\%by));
    is($by{0}, undef, "$name: all are answered");
    is(scalar(grep { alive($_) } @old), 0, "$name: no old one is left");
    return;
}

for my $kind (@KIND) {
    my ($name, $command) = @$kind;
    for my $guard (qw(on off)) {
        my $run = FCGIPM::Run->new(
            processes => 3, control => 1, command => $command,
            options => ['--guard', $guard, '--die-timeout', '500ms',
                        '--drain-timeout', '1']);
        $run->workers(3);
        wait_quiet($run->pid, 20);
        after_reload("$name, guard $guard, idle", $run);
        my $address = $run->address;
        my $load = FCGIPM::Load->new(clients => 4, request => sub {
            my $r = request($address, query => 'sleep=20&pid');
            return $r->{error};
        });
        ok($load->flows(20), "$name, guard $guard: under load");
        after_reload("$name, guard $guard, under load", $run);
        my $sum = $load->stop;
        # SIGKILL by the drain timeout can cost one; not with the guard
        is($sum->{failed}, 0, "$name: $sum->{ok} requests, none lost")
            or diag($load->explain)
            if $guard eq 'on' && $name !~ /ignores/;
    }
}

done_testing;
