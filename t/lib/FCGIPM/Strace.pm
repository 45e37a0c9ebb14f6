# SPDX-License-Identifier: Apache-2.0
package FCGIPM::Strace;

=head1 NAME

FCGIPM::Strace - the system calls of a process while something is done

=head1 SYNOPSIS

  my $calls = calls_during($pid, sub { ... });   # { read => 12, ... }
  my @name = sequence_during($pid, sub { ... }); # qw(epoll_wait read ...)

=cut

use strict;
use warnings;

use Exporter 'import';
use FCGIPM::Test;

our @EXPORT = qw(calls_during sequence_during);

=head2 calls_during(PID, CODE)

Of all its threads.  Dies when strace(1) cannot watch it.  A call it sits in at
the beginning counts when it ends.

=cut

sub calls_during {
    my %calls;
    $calls{ $_->[1] }++ for _trace(@_);
    return \%calls;
}

=head2 sequence_during(PID, CODE)

The names of this process's own calls, one after the other.

=cut

sub sequence_during {
    my ($pid, $code) = @_;
    return map { $_->[1] } grep { $_->[0] == $pid } _trace($pid, $code);
}

sub _trace {
    my ($pid, $code) = @_;
    my $dir = tmp_dir();
    my $strace = start(cmd => [have('strace') || die("there is no strace\n"),
                               '-f', '-p', $pid, '-o', "$dir/calls"],
                       err => "$dir/err");
    # It says so once, when it has all threads.
    wait_for { slurp("$dir/err") =~ /attached(?: with \d+ threads)?$/m }
        20, 'strace to watch' or die slurp("$dir/err");
    $code->();
    $strace->signal('INT');
    $strace->wait(20);
    return map { /^(?:(\d+)\s+)?(\w+)\(/ ? [$1 // $pid, $2] : () }
        split /\n/, slurp("$dir/calls");
}

1;
