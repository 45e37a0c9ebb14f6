#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What the guard costs: one cheap system call for a request at the most.  How
# much time that is, bench/guard tells.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Run;
use FCGIPM::Strace;
use FCGIPM::Test;
use Test::More;

my $N = 40;
my $ROUNDS = 3;
my %CHEAP = map { $_ => 1 } qw(getpid getsockname);   # getpid: for sigaction
my %php = (params => { SCRIPT_FILENAME => bin('hello.php'),
                       REDIRECT_STATUS => 200 });

for (['C, libfcgi', [bin('loop')]],
     ['C, libfcgi, four threads', [bin('threaded')]],
     ['C, a handler for each request', [bin('worker')]],
     ['C, event loop', [bin('ways'), qw(--loop --wait epoll --copy)]],
     ['Perl, FCGI', [bin('perl-fcgi.pl')]],
     ['Perl, FCGI::ProcManager', [bin('perl-procmanager.pl'), 0]],
     ['Perl, select and accept', [bin('plain.pl')]],
     ['Python', [bin('plain.py')]],
     ['PHP', [have('php-cgi')], %php]) {
    my ($name, $command, %ask) = @$_;
  SKIP: {
        skip "$name is not installed", 1 unless defined $command->[0];
        my %calls;
        for my $guard (qw(off on)) {
            my $run = FCGIPM::Run->new(processes => 1, command => $command,
                                       options => ['--guard', $guard]);
            my ($pid) = $run->workers(1);
            request($run->address, %ask) for 1 .. 3;
            # A request that comes in pieces, as the client is slow, only adds
            # waits: the least of some rounds are the worker's own.
            for my $round (1 .. $ROUNDS) {
                my $now = calls_during($pid, sub {
                    request($run->address, %ask) for 1 .. $N;
                });
                $calls{$guard} ||= $now;
                for my $call (keys %{ $calls{$guard} }) {
                    my $n = $now->{$call} || 0;
                    $calls{$guard}{$call} = $n if $n < $calls{$guard}{$call};
                }
            }
        }
        my ($more, %more) = (0);
        for my $call (keys %{ { %{ $calls{on} }, %{ $calls{off} } } }) {
            my $n = (($calls{on}{$call} || 0) - ($calls{off}{$call} || 0))
                / $N;
            $more += $n;
            $more{$call} = $n if $n > 0.2;
        }
        cmp_ok($more, '<', 1.3, sprintf '%s: %.1f system calls more', $name,
               $more) or diag(explain(\%calls));
        is_deeply([grep { !$CHEAP{$_} } keys %more], [], 'cheap ones')
            or diag(explain(\%more));
    }
}

done_testing;
