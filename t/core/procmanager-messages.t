#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A manager of libfcgipm with a reader of its messages that has gone, or that
# does not read any more: it tells, reaps and ends as if there were one.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Test;
use Fcntl qw(F_GETFL F_SETFL O_NONBLOCK);
use IO::Socket::UNIX;
use POSIX ();
use Test::More;

my $dir = tmp_dir();

# A manager that says all to a pipe; its object and the end to read.
sub manager {
    my ($name) = @_;
    my $socket = IO::Socket::UNIX->new(Local => "$dir/$name", Listen => 64)
        or die "$name: $!";
    pipe my $read, my $write or die "pipe: $!";
    my $proc = start(
        cmd => [built('examples/managed'), '-n', 2, '-p', "$dir/$name.pid"],
        before => sub {
            POSIX::dup2(fileno $socket, 0);
            POSIX::dup2(fileno $write, 2);
        });
    return ($proc, $read, $write);
}

# Fills the pipe through a description of its own, so that the manager's is
# not made non-blocking.
sub fill {
    my ($write) = @_;
    open my $own, '>', '/proc/self/fd/' . fileno $write or die "pipe: $!";
    my $flags = fcntl $own, F_GETFL, 0;
    fcntl $own, F_SETFL, $flags | O_NONBLOCK or die "fcntl: $!";
    1 while syswrite $own, 'x' x 4096;
    1 while syswrite $own, 'x';
    return;
}

for my $case (['a reader that has gone', sub { close $_[0] }],
              ['a reader that does not read', sub { fill($_[1]) }]) {
    my ($what, $spoil) = @$case;
    (my $name = $what) =~ s/\W+/-/g;
    my ($proc, $read, $write) = manager($name);
    my @old;
    wait_for { (@old = children($proc->pid)) == 2 } 20, 'two workers';
    my %answer = map { ask("unix:$dir/$name", '') => 1 } 1 .. 2;
    ok(keys %answer, "$what: workers answer");
    $spoil->($read, $write);
    close $write;

    $proc->signal('HUP');
    my @new;
    ok(wait_for {
        @new = children($proc->pid);
        @new == 2 && !grep { alive($_) } @old
    } 20, 'SIGHUP: other workers');
    my @killed = @new;
    kill 'KILL', @killed;
    ok(wait_for {
        @new = children($proc->pid);
        @new == 2 && !grep { alive($_) } @killed
    } 20, 'of two that were killed: others');
    like(ask("unix:$dir/$name", ''), qr/^pid=\d+ /, 'they answer');
    $proc->signal('TERM');
    is($proc->wait(20), 0, 'SIGTERM: exit status 0');
    is_deeply([grep { alive($_) } @new], [], 'nobody is left');
    ok(!-e "$dir/$name.pid", 'nor the pid file');
}

done_testing;
