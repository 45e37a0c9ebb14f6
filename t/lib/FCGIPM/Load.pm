# SPDX-License-Identifier: Apache-2.0
package FCGIPM::Load;

=head1 NAME

FCGIPM::Load - clients that do one request after the other until told

=head1 SYNOPSIS

  my $load = FCGIPM::Load->new(clients => 16, request => sub {
      my $r = http($port, '/app/?sleep=50&pid');
      return $r->{error} || ($r->{status} == 200 ? undef : $r->{status});
  });
  ok($load->flows(100), '100 requests answered');
  ...
  my $sum = $load->stop;   # { ok => N, failed => N, why => {REASON => N} }

Each client is a process.  Its request returns undef for a good one, else the
reason.  A client finishes its request before it stops.

=cut

use strict;
use warnings;

use FCGIPM::Test;
use POSIX ();
use Time::HiRes qw(sleep time);

sub new {
    my ($class, %arg) = @_;
    my $self = bless {
        dir => tmp_dir(), clients => $arg{clients} || 16,
        request => $arg{request}, pids => [],
    }, $class;
    for my $i (1 .. $self->{clients}) {
        my $pid = fork;
        defined $pid or die "fork: $!";
        if ($pid == 0) {
            eval { $self->_client($i); 1 } or print STDERR "# client: $@";
            POSIX::_exit(0);
        }
        push @{ $self->{pids} }, $pid;
    }
    return $self;
}

# Told to stop by a file, as a signal would cut a request.  Counts go to a
# file of fixed length, so that who reads sees whole numbers.
sub _client {
    my ($self, $i) = @_;
    open my $fh, '>', "$self->{dir}/count.$i" or die "count: $!";
    my ($ok, $failed) = (0, 0);
    until (-e "$self->{dir}/stop") {
        my $begin = time;
        my $why = $self->{request}->($i);
        if (defined $why) {
            $failed++;
            append("$self->{dir}/why.$i", sprintf "%.3f %.3f %s\n",
                   $begin, time - $begin, $why);
        }
        else { $ok++ }
        sysseek $fh, 0, 0;
        syswrite $fh, pack 'QQ', $ok, $failed;
        sleep 0.05 if defined $why;      # a dead server makes no spinning
    }
    return;
}

=head2 so_far()

The sum up to now, as C<stop> gives it.

=cut

sub so_far {
    my ($self) = @_;
    my %sum = (ok => 0, failed => 0, why => {});
    for my $i (1 .. $self->{clients}) {
        my ($ok, $failed) = unpack 'QQ',
            slurp("$self->{dir}/count.$i") || pack 'QQ', 0, 0;
        $sum{ok} += $ok;
        $sum{failed} += $failed;
        for my $line (split /\n/, slurp("$self->{dir}/why.$i")) {
            my (undef, undef, $why) = split / /, $line, 3;
            $sum{why}{$why}++;
        }
    }
    return \%sum;
}

=head2 flows(N, SECONDS)

Waits until N more requests have been answered well.

=cut

sub flows {
    my ($self, $n, $seconds) = @_;
    my $from = $self->so_far->{ok};
    return wait_for { $self->so_far->{ok} >= $from + $n } $seconds || 30,
        "$n more good requests";
}

sub stop {
    my ($self) = @_;
    write_file("$self->{dir}/stop", '');
    wait_for { !grep { alive($_) } @{ $self->{pids} } } 60,
        'the clients to finish';
    return $self->so_far;
}

=head2 explain()

What failed and when, for diag: "TIME TOOK REASON" lines.

=cut

sub explain {
    my ($self) = @_;
    my @line = sort map { split /\n/, slurp("$self->{dir}/why.$_") }
        1 .. $self->{clients};
    return join "\n", @line > 20 ? (@line[0 .. 19], '...') : @line;
}

1;
