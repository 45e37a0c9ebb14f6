# SPDX-License-Identifier: Apache-2.0
package FCGIPM::Run;

=head1 NAME

FCGIPM::Run - a pool under fcgipm-run

=head1 SYNOPSIS

  my $run = FCGIPM::Run->new(processes => 2, command => [bin('worker')]);
  my @pid = $run->workers(2);
  ask($run->address, 'pid');
  $run->signal('TERM');
  is($run->wait(10), 0, 'exit status');

=cut

use strict;
use warnings;

use parent 'FCGIPM::Managed';

use FCGIPM::Test qw(program slurp tmp_dir worker_user);

=head1 METHODS

=head2 new(command => [...], processes => N, options => [...],
control => 1, listen => ADDRESS, user => NAME, env => {...}, before => CODE,
wrap => [WORD...], dir => DIRECTORY, config => FILE)

Starts it.  With C<config> its pools are those of the file (or directory), and
C<command>, C<processes>, C<listen> and C<user> mean nothing.  The socket is F<pool.sock> in a directory of its own, C<control>
asks for a control socket there, C<options> are handed on as they are.
C<wrap> is what executes it.  Standard error is F<log>.

=cut

sub new {
    my ($class, %arg) = @_;
    my $dir = $arg{dir} || tmp_dir();
    my $self = bless { processes => 1, dir => $dir,
                       listen => "unix:$dir/pool.sock", %arg }, $class;
    my $user = exists $arg{user} ? $arg{user} : worker_user();
    my @pool = $arg{config} ? ('--config', $arg{config})
        : ('--listen', $self->{listen}, '--processes', $self->{processes},
           defined $user ? ('--user', $user) : ());
    my @cmd = (@{ $arg{wrap} || [] }, program('fcgipm-run') . '', @pool,
               ($arg{control} ? ('--socket', $self->control_socket) : ()),
               @{ $arg{options} || [] },
               $arg{config} ? () : ('--', @{ $arg{command} }));
    $self->{proc} = FCGIPM::Test::start(
        cmd => \@cmd, out => $self->log_file, err => $self->log_file,
        (map { $_ => $arg{$_} } qw(env cwd as before)));
    return $self;
}

sub dir { $_[0]{dir} }
sub pid { $_[0]{proc}->pid }
sub manager { $_[0]->pid }
sub address { $_[0]{listen} }
sub control_socket { "$_[0]{dir}/ctl.sock" }
sub log_file { "$_[0]{dir}/log" }
sub log { slurp($_[0]->log_file) }
sub alive { $_[0]{proc}->alive }
sub signal { my ($self, $name) = @_; return $self->{proc}->signal($name) }
sub wait { my ($self, $seconds) = @_; return $self->{proc}->wait($seconds) }

1;
