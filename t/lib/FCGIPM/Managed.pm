# SPDX-License-Identifier: Apache-2.0
package FCGIPM::Managed;

=head1 NAME

FCGIPM::Managed - what has a manager: a base of FCGIPM::Run and FCGIPM::Httpd

The class that is derived has C<manager>, the manager's pid, C<alive>, C<log>
and C<control_socket>.

=cut

use strict;
use warnings;

use FCGIPM::Test qw(wait_for);
use Test::More ();

=head1 METHODS

=head2 workers(COUNT)

The pids; with COUNT as soon as there are so many, else what there is, with
the log in diag.  A child that is about to become a worker is not one yet.

=cut

sub workers {
    my ($self, $count) = @_;
    return FCGIPM::Test::workers_of($self->manager) unless defined $count;
    my @found;
    wait_for {
        @found = FCGIPM::Test::workers_of($self->manager);
        @found == $count || !$self->alive
    } 20, "$count workers";
    Test::More::diag($self->log) if @found != $count;
    return @found;
}

=head2 survivor, spawner, below

The process that ends the workers should the manager die; the one that makes
them; all others below the manager.  A child that is about to become a worker
has the name of the one that makes it, which is older.

=cut

sub _named {
    my ($self, $name) = @_;
    my ($oldest) = sort { $b->[1] <=> $a->[1] || $a->[0] <=> $b->[0] }
        grep { defined $_->[1] } map { [$_, FCGIPM::Test::age($_)] }
        grep { FCGIPM::Test::cmdline($_) eq $name }
        FCGIPM::Test::children($self->manager);
    return $oldest && $oldest->[0];
}

sub survivor { return $_[0]->_named('fcgipm-survivor') }
sub spawner { return $_[0]->_named('fcgipm-spawner') }

sub below {
    my ($self) = @_;
    my %own = map { $_ => 1 } grep { $_ } $self->survivor, $self->spawner;
    return grep { !$own{$_} } FCGIPM::Test::descendants($self->manager);
}

=head2 renewed(OLD...)

Waits until there are as many workers as OLD, and none of OLD; gives them.

=cut

sub renewed {
    my ($self, @old) = @_;
    my %old = map { $_ => 1 } @old;
    my @now;
    my $done = wait_for {
        @now = $self->workers;
        @now == @old && !grep { $old{$_} } @now
    } 30, 'new workers in the place of ' . join ' ', @old;
    return $done ? @now : ();
}

=head2 status(POOL)

What C<fcgipmctl --json status> says, decoded; undef when it fails.

=cut

sub status {
    my ($self, $pool) = @_;
    return FCGIPM::Test::ctl_status($self->control_socket, $pool);
}

=head2 pool_status(POOL), counts(POOL, NAME => NUMBER...)

Its object in the status, {} when there is none.  A test: that the pool's
status comes to have these numbers.

=cut

sub pool_status {
    my ($self, $pool) = @_;
    my $status = $self->status($pool) or return {};
    return $status->{pools}[0];
}

sub counts {
    my ($self, $pool, %want) = @_;
    my $now;
    my $text = join ' ', map { "$_=$want{$_}" } sort keys %want;
    my $done = wait_for {
        $now = $self->pool_status($pool);
        !grep { !defined $now->{$_} || $now->{$_} != $want{$_} } keys %want
    } 15, "$pool: $text";
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    Test::More::ok($done, "$pool: $text")
        or Test::More::diag(
            map { "$_=" . (defined $now->{$_} ? $now->{$_} : '?') . ' ' }
            sort keys %want);
    return $done;
}

1;
