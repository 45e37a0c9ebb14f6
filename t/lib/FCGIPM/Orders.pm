# SPDX-License-Identifier: Apache-2.0
package FCGIPM::Orders;

=head1 NAME

FCGIPM::Orders - a fork server that F<t/bin/orders> gives orders to

=head1 SYNOPSIS

  my $orders = FCGIPM::Orders->new(command => [bin('loop')]);
  is($orders->decision, 'SERVES');
  my @born = $orders->born(3);        # { pid => N, page => 'page' }
  $orders->kill($born[0]{pid}, 'TERM');
  is($orders->ended($born[0]{pid}), 'EXIT 0');

=cut

use strict;
use warnings;

use Config;
use FCGIPM::FastCGI qw(connect_to read_answer send_request);
use FCGIPM::Test;
use POSIX ();

my %SIGNAL;
@SIGNAL{ split ' ', $Config{sig_name} } = split ' ', $Config{sig_num};

=head1 METHODS

=head2 new(command => [...], wrap => [...], env => {...})

Starts it and waits for what the program has decided.  C<wrap> is what executes
the program.

=cut

sub new {
    my ($class, %arg) = @_;
    my $dir = tmp_dir();
    my $self = bless { dir => $dir, done => 0 }, $class;
    POSIX::mkfifo("$dir/in", 0600) or die "mkfifo: $!";
    $self->{proc} = FCGIPM::Test::start(
        cmd => [bin('orders'), program('fcgipm-guard.so') . '', "$dir/sock",
                @{ $arg{wrap} || [] }, @{ $arg{command} }],
        out => "$dir/out", err => "$dir/out", env => $arg{env},
        before => sub { open STDIN, '<', "$dir/in" or die "$dir/in: $!" });
    open $self->{in}, '>', "$dir/in" or die "$dir/in: $!";
    $self->{in}->autoflush(1);
    wait_for { $self->said =~ /^(?:SERVES|REFUSED|SILENT) / } 60,
        'a decision';
    return $self;
}

sub address { "unix:$_[0]{dir}/sock" }

=head2 said()

All that it has said.

=cut

sub said { slurp("$_[0]{dir}/out") }

=head2 decision(), server(), reason()

"SERVES" or "REFUSED"; the program's pid; why it is refused.

=cut

sub _decided { $_[0]->said =~ /^(SERVES|REFUSED|SILENT) (\d+) ?(.*)$/m }

sub decision { return ($_[0]->_decided)[0] }
sub server { return ($_[0]->_decided)[1] }
sub reason { return ($_[0]->_decided)[2] }

=head2 say(LINE)

Gives what is said until that has been done.

=cut

sub say {
    my ($self, $line) = @_;
    my $before = length $self->said;
    my $done = ++$self->{done};
    print { $self->{in} } "$line\n";
    wait_for { (() = $self->said =~ /^DONE$/mg) >= $done } 120,
        "'$line' to be done";
    return substr $self->said, $before;
}

=head2 born(N)

Orders N workers.

=cut

sub born {
    my ($self, $n) = @_;
    my $said = $self->say("born $n");
    my @born;
    push @born, { pid => $1, page => $2 }
        while $said =~ /^BORN (\d+) (.*)$/mg;
    return @born;
}

=head2 each(N, query => ..., other => ...)

As many requests at once as there are workers, until each has answered: hash of
its pid to its first answer, of "pid=N ANSWER".  C<other> is the query of all
but one, so that only that is answered by more than one in vain.

=cut

sub each {
    my ($self, $n, %ask) = @_;
    my $other = delete $ask{other};
    my $answer = defined $other ? qr/pid=(\d+) (.+)/s : qr/pid=(\d+)(.*)/s;
    my %answer;
    wait_for {
        my @conn = map { connect_to($self->address) } 1 .. $n;
        send_request($conn[$_], %ask,
                     $_ && defined $other ? (query => $other) : ())
            for 0 .. $#conn;
        for my $conn (@conn) {
            my $body = read_answer($conn, 30)->{body} // '';
            $answer{$1} //= $2 if $body =~ $answer;
        }
        keys %answer == $n
    } 60, 'an answer of each worker';
    return %answer;
}

=head2 kill(PID, SIGNAL), ended(PID)

What became of a process: "EXIT status" or "KILLED signal".

=cut

sub kill {
    my ($self, $pid, $signal) = @_;
    $self->say("kill $pid $SIGNAL{$signal}");
    return;
}

sub ended {
    my ($self, $pid) = @_;
    my $how;
    wait_for { ($how) = $self->said =~ /^((?:EXIT|KILLED) $pid \d+)$/m } 30,
        "$pid to end";
    return ($how // 'nothing') =~ s/ $pid / /r;
}

=head2 page_of(PID)

Its record: hash of C<pid>, C<waiting>, C<busy>, C<requests>.

=cut

sub page_of {
    my ($self, $pid) = @_;
    $self->say("show $pid") =~ /^PAGE (\d+) (\d+) (\d+) (\d+)$/m or return {};
    return { pid => $1, waiting => $2, busy => $3, requests => $4 };
}

1;
