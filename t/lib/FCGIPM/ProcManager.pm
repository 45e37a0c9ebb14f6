# SPDX-License-Identifier: Apache-2.0
package FCGIPM::ProcManager;

=head1 NAME

FCGIPM::ProcManager - one scenario for three process managers

=head1 SYNOPSIS

  table(
      { name => 'SIGTERM, idle workers',
        args => { n_processes => 2 },
        do => sub {
            my ($s) = @_;
            $s->servers(2);
            $s->signal('TERM');
        },
        manager => [...], workers => [...], status => 0, pidfile => 'missing',
        differs => { engine => { why => '...', status => 'SIGTERM' } } });

=head1 DESCRIPTION

What is done to a program that manages itself, and what one sees of it:
F<t/bin/procmanager.c>, which uses libfcgipm, and F<t/bin/procmanager.pl> with
FCGI::Engine::ProcManager (C<engine>) and FCGI::ProcManager (C<procmanager>),
or with what these call Constrained.  Each is to give the row's observations;
where one of Perl's does not do what its documentation says, C<differs> has
what it does instead, and C<why>.

Observations: C<manager>, its lines on standard error, in order; C<workers>,
the lines of each worker, sorted; C<status>, the manager's exit status;
C<pidfile>: C<there> or C<missing> at the end; what C<do> returns (a hash
reference) goes along.  A pid of the program's is C<W> in any line, its directory C<DIR>.

=cut

use strict;
use warnings;

use Config;
use Exporter 'import';
use FCGIPM::FastCGI ();
use FCGIPM::Test;
use IO::Socket::UNIX;
use POSIX ();
use Test::More;

our @EXPORT = qw(busy dies dying gone perls started table);

my %KIND = (
    engine => ['FCGI::Engine::ProcManager', 'libfcgi-engine-perl'],
    procmanager => ['FCGI::ProcManager', 'libfcgi-procmanager-perl'],
);

sub _has {
    my ($module) = @_;
    return 0 == system "$^X -M$module -e 1 >/dev/null 2>&1";
}

=head1 FUNCTIONS

=head2 table(ROW...)

C<constrained> in a row takes the class of that name; C<before> is called in the
manager-to-be; C<only> names the kinds the row is for.  C<own> is libfcgipm in a loop of the program's own.

=cut

sub table {
    my @row = @_;
    my %there = map { $_ => _has($KIND{$_}[0]) } keys %KIND;
    for my $row (@row) {
        my @kind = $row->{only} ? @{ $row->{only} }
                                : qw(libfcgipm own engine procmanager);
        for my $kind (@kind) {
          SKIP: {
                skip "$KIND{$kind}[0] is not installed", 1
                    if $KIND{$kind} && !$there{$kind};
                _row($row, $kind);
            }
        }
    }
    return;
}

=head2 started(N), gone(N), dies(N, SIGNAL), dying(SIGNAL), perls(...)

Lines of a manager: N workers have started, have gone with status 0; it has got
SIGTERM (or SIGNAL) and tells N; they have gone.  The same in C<differs> for both of Perl's.

=cut

sub started { return ('server (pid W) started') x $_[0] }
sub gone { return ('server (pid W) exited with status 0') x $_[0] }
sub dying { 'dying: safe exit from signal ' . ($_[0] || 'TERM') }

sub dies {
    my ($n, $signal) = @_;
    return ('received signal ' . ($signal || 'TERM'),
            'sending TERM to PIDs, ' . join ' ', ('W') x $n);
}

sub perls {
    my %differs = @_;
    return map { $_ => {%differs} } keys %KIND;
}

=head2 busy(OBJECT)

Makes a worker busy; returns the connection and the file that ends it.

=cut

sub busy {
    my ($s) = @_;
    my $go = $s->dir . '/go';
    my $socket = FCGIPM::FastCGI::connect_to($s->address)
        or die $s->address . ": $!";
    FCGIPM::FastCGI::send_request($socket, query => "until=$go");
    wait_for { -e "$go.begun" } 30, 'a busy worker';
    return ($socket, $go);
}

sub _row {
    my ($row, $kind) = @_;
    my $s = __PACKAGE__->new($kind, %$row);
    my $more = $row->{do}->($s);
    my $got = $s->seen;
    %$got = (%$got, %$more) if ref $more eq 'HASH';
    my %differs = %{ ($row->{differs} || {})->{$kind} || {} };
    my $why = delete $differs{why};
    my %want = (status => 0, pidfile => 'missing',
                map({ $_ => $row->{$_} } grep { exists $row->{$_} }
                    qw(manager workers status pidfile), keys %$got),
                %differs);
    for my $key (keys %want) {
        delete @$got{$key}, delete $want{$key}
            if defined $want{$key} && !ref $want{$key}
            && $want{$key} eq 'any';
    }
    $want{workers} = [sort @{ $want{workers} }];
    my $name = "$row->{name}: $kind" . (defined $why ? " ($why)" : '');
    is_deeply($got, \%want, $name)
        or diag($s->tail);
    return;
}

=head1 METHODS

=head2 new(KIND, args => {...}, constrained => 0, env => {...}, before => CODE,
stale => TEXT, trap => CODE)

C<stale> stands in the pid file; C<trap> makes something else of it.

=cut

sub new {
    my ($class, $kind, %row) = @_;
    my $dir = tmp_dir();
    my $self = bless { dir => $dir, kind => $kind }, $class;
    my %arg = (pidfile => $self->pidfile, %{ $row{args} || {} });
    delete $arg{pidfile} unless defined $arg{pidfile};
    $arg{hold} = "$dir/$arg{hold}" if defined $arg{hold};
    write_file($self->pidfile, $row{stale}) if exists $row{stale};
    $row{trap}->($self->pidfile) if $row{trap};
    my $socket = IO::Socket::UNIX->new(Local => "$dir/sock", Listen => 64)
        or die "$dir/sock: $!";
    my @cmd = !$KIND{$kind}
        ? (bin('procmanager') . '', $kind eq 'own' ? 'loop=own' : ())
        : ($^X, bin('procmanager.pl') . '',
           $KIND{$kind}[0] . ($row{constrained} ? '::Constrained' : ''));
    $self->{proc} = FCGIPM::Test::start(
        cmd => [@cmd, map { "$_=$arg{$_}" } sort keys %arg],
        err => $self->log_file, env => $row{env},
        before => sub {
            POSIX::dup2(fileno $socket, 0);
            $row{before}->() if $row{before};
        });
    return $self;
}

sub kind { $_[0]{kind} }
sub is_ours { !$KIND{ $_[0]{kind} } }
sub dir { $_[0]{dir} }
sub pid { $_[0]{proc}->pid }
sub pidfile { "$_[0]{dir}/pid" }
sub address { "unix:$_[0]{dir}/sock" }
sub log_file { "$_[0]{dir}/log" }
sub log { slurp($_[0]->log_file) }
sub signal { my ($self, $name) = @_; return $self->{proc}->signal($name) }

sub tail {
    my ($self) = @_;
    my @line = split /^/, $self->log;
    return join '', splice @line, @line > 40 ? -40 : 0;
}

# [who, pid, text] of each line.
sub _lines {
    my ($self) = @_;
    return map {
        /^(?:FastCGI: (manager|server)|(note)) \(pid (\d+)\): (.*)/
            ? [$1 || $2, $3, $4] : ['?', 0, $_]
    } split /\n/, $self->log;
}

=head2 servers(N)

Waits until N workers are started, initialized and alive, and for Perl's sake
until they are in accept(2): just before they lose a signal.  Returns their pids.

=cut

sub servers {
    my ($self, $n) = @_;
    my @pid;
    wait_for {
        my @line = $self->_lines;
        my %known = map { $_->[2] =~ /pid (\d+)\) started/ ? ($1 => 1) : () }
            @line;
        my %seen = map { ($_->[1] => 1) }
            grep { $_->[0] eq 'server' && $_->[2] eq 'initialized' } @line;
        @pid = sort { $a <=> $b } grep { $known{$_} && alive($_) } keys %seen;
        @pid == $n
    } 30, "$n workers of $self->{kind}" or diag($self->tail);
    $self->rest(@pid) unless $self->is_ours;
    return @pid;
}

=head2 rest(PID...)

Waits until these wait for a request.

=cut

my %ACCEPT = (x86_64 => '(?:43|288)', aarch64 => '(?:202|242)');

sub rest {
    my ($self, @pid) = @_;
    my ($arch) = $Config{archname} =~ /^(\w+)/;
    my $accept = $ACCEPT{$arch};
    my @cannot = grep { alive($_) && slurp("/proc/$_/syscall") eq '' } @pid;
    if (!$accept || @cannot) {
        wait_quiet($self->pid, 30);
        return;
    }
    wait_for {
        !grep { slurp("/proc/$_/syscall") !~ /^$accept / } @pid
    } 30, "@pid of $self->{kind} in accept()";
    return;
}

=head2 said(PATTERN, TIMES)

Waits until so many (1) lines match.

=cut

sub said {
    my ($self, $pattern, $times) = @_;
    return wait_for { count_lines($self->log_file, $pattern) >= ($times || 1) }
        30, "$pattern of $self->{kind}";
}

=head2 ask(QUERY), answer(SOCKET)

A whole request, what was answered; the answer to one that has been sent.

=cut

sub ask {
    my ($self, $query) = @_;
    return FCGIPM::FastCGI::ask($self->address, $query);
}

sub answer {
    my ($self, $socket) = @_;
    my $r = FCGIPM::FastCGI::read_answer($socket, 30);
    return defined $r->{error} ? $r->{error} : $r->{body};
}

=head2 end()

The manager's exit status, once it has ended.

=cut

sub end {
    my ($self) = @_;
    $self->{status} = $self->{proc}->wait(60) unless exists $self->{status};
    return $self->{status};
}

=head2 seen()

Waits for the manager's end, and for that of all below it but such as C<do>
has asked to stay; what one sees.

=cut

sub seen {
    my ($self) = @_;
    my $status = $self->end;
    my (%of, @manager);
    my @line = $self->_lines;
    my %pid = map { $_->[1] => 1 } grep { $_->[1] } @line;
    $pid{$_} = 1 for map { $_->[2] =~ /server \(pid (\d+)\)/ } @line;
    delete $pid{ $self->pid };
    for (@line) {
        my ($who, $pid, $text) = @$_;
        $text =~ s/\b(\d+)\b/$pid{$1} ? 'W' : $1/ge;
        $text =~ s/\Q$self->{dir}\E/DIR/g;
        $text = "note: $text" if $who eq 'note';
        if ($pid == $self->pid || !$pid) { push @manager, $text }
        else                             { push @{ $of{$pid} }, $text }
    }
    return { manager => \@manager, status => $status,
             workers => [sort map { join '; ', @$_ } values %of],
             pidfile => -e $self->pidfile ? 'there' : 'missing' };
}

1;
