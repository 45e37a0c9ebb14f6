# SPDX-License-Identifier: Apache-2.0
package FCGIPM::Httpd;

=head1 NAME

FCGIPM::Httpd - a private httpd on 127.0.0.1

=head1 SYNOPSIS

  my $httpd = FCGIPM::Httpd->new(mpm => 'event', config => <<"END");
  <FcgiPMPool app>
      FcgiPMCommand ${\ bin('worker')}
      FcgiPMProcesses 2
  </FcgiPMPool>
  <Location /app>
      SetHandler fcgipm:app
  </Location>
  END
  ok($httpd->start, 'httpd serves');
  my $r = $httpd->get('/app/?pid');
  ok($httpd->graceful, 'graceful');
  is($httpd->stop, 0, 'exit status');

Its directory holds everything: F<httpd.conf>, F<error.log>, F<htdocs>, the
runtime directory F<run>.  Its configuration loads the module unless
C<< fcgipm => 0 >>, names C<FcgiPMPidFile>, and then includes C<config>.

=cut

use strict;
use warnings;

use parent 'FCGIPM::Managed';

use FCGIPM::HTTP;
use FCGIPM::Test qw(
    built children count_lines fds free_port have kill_tree slurp tmp_dir
    wait_for
    worker_gid worker_user write_file program
);
use POSIX ();
use Time::HiRes qw(time);

# One process per row: MPM => its settings; few and ready processes.
my %MPM = (
    event => "StartServers 2\nServerLimit 16\nThreadsPerChild 16\n"
        . "MinSpareThreads 16\nMaxSpareThreads 64\nMaxRequestWorkers 128\n",
    prefork => "StartServers 4\nServerLimit 64\nMinSpareServers 4\n"
        . "MaxSpareServers 40\nMaxRequestWorkers 64\n",
);
$MPM{worker} = $MPM{event};

sub mpms { return qw(event worker prefork) }

=head1 METHODS

=head2 new(mpm, config, modules => [NAME...], fcgipm => 0, head => TEXT,
env => {...}, wrap => [WORD...])

C<modules> are loaded besides those every test needs; C<head> stands before
the LoadModule of mod_fcgipm.  C<wrap> is what executes httpd when it is
started.

=cut

sub new {
    my ($class, %arg) = @_;
    my $self = bless {
        mpm => 'event', config => '', modules => [], fcgipm => 1, head => '',
        dir => tmp_dir(), port => free_port(), %arg,
    }, $class;
    mkdir "$self->{dir}/$_" or die "mkdir: $!" for qw(run htdocs);
    chmod 0755, "$self->{dir}/$_" for qw(run htdocs);
    write_file("$self->{dir}/htdocs/static.txt", "static\n");
    program('mod_fcgipm.so') if $self->{fcgipm};
    $self->write_config;
    return $self;
}

sub dir { $_[0]{dir} }
sub run_dir { "$_[0]{dir}/run" }
sub port { $_[0]{port} }
sub pid { $_[0]{proc} ? $_[0]{proc}->pid : undef }
sub error_log { "$_[0]{dir}/error.log" }
sub log { slurp($_[0]->error_log) }
sub control_socket { "$_[0]{dir}/run/fcgipm.sock" }
sub pool_socket { "unix:$_[0]{dir}/run/$_[1].sock" }

sub _apxs {
    my ($what) = @_;
    my $apxs = $ENV{APXS} || have('apxs') || have('apxs2')
        or die "apxs is missing\n";
    my $value = `$apxs -q $what`;
    $value =~ s/\s+\z//;
    return $value;
}

my %APXS;
sub modules_dir { return $APXS{libexec} ||= _apxs('LIBEXECDIR') }

=head2 binary()

The httpd program; C<HTTPD> in the environment names another.

=cut

sub binary {
    return $APXS{binary} ||= $ENV{HTTPD}
        || _apxs('SBINDIR') . '/' . _apxs('PROGNAME');
}

# What is compiled in must not be loaded.
sub _builtin {
    my $bin = binary();
    $APXS{builtin} ||= { map { /^\s+(?:mod_)?(\w+)\.c/ ? ($1 => 1) : () }
                         `$bin -l` };
    return $APXS{builtin};
}

sub _load {
    my ($name) = @_;
    return '' if _builtin()->{$name};
    return sprintf "LoadModule %s_module %s/mod_%s.so\n", $name,
        modules_dir(), $name;
}

=head2 write_config(CONFIG)

Writes F<httpd.conf>, with another C<config> when one is given.

=cut

sub write_config {
    my ($self, $config) = @_;
    $self->{config} = $config if defined $config;
    my $user = worker_user();
    my $identity = '';
    if (defined $user) {
        my $group = getgrgid worker_gid();
        $identity = "User $user\nGroup $group\n";
    }
    my $text = join '',
        "ServerRoot $self->{dir}\nDefaultRuntimeDir $self->{dir}/run\n",
        "PidFile $self->{dir}/run/httpd.pid\nServerName localhost\n",
        "Listen 127.0.0.1:$self->{port}\n",
        map({ _load($_) } "mpm_$self->{mpm}", $self->_modules),
        $identity, $MPM{ $self->{mpm} },
        "ErrorLog $self->{dir}/error.log\nLogLevel info\n",
        "Mutex file:$self->{dir}/run default\n",
        "GracefulShutdownTimeout 10\nTimeout 30\n",
        "DocumentRoot $self->{dir}/htdocs\n",
        $self->{head}, $self->_fcgipm, $self->{config};
    return write_file("$self->{dir}/httpd.conf", $text);
}

sub _modules {
    my ($self) = @_;
    return ('unixd', 'authz_core', 'alias', @{ $self->{modules} });
}

sub _fcgipm {
    my ($self) = @_;
    return '' unless $self->{fcgipm};
    return 'LoadModule fcgipm_module ' . built('mod_fcgipm.so') . "\n"
        . "FcgiPMPidFile $self->{dir}/run/manager.pid\n";
}

sub _command {
    my ($self, @arg) = @_;
    return [binary(), '-d', $self->{dir}, '-f', "$self->{dir}/httpd.conf",
            @arg];
}

=head2 run(ARGUMENTS)

C<httpd -d ... -f ... ARGUMENTS> to its end: exit status and what it said.

=cut

sub run {
    my ($self, @arg) = @_;
    my $out = "$self->{dir}/run.out";
    unlink $out;
    my $proc = FCGIPM::Test::start(
        cmd => $self->_command(@arg), env => $self->{env},
        out => $out, err => $out);
    my $status = $proc->wait(30);
    kill_tree($proc->pid) unless defined $status;
    return ($status, slurp($out));
}

=head2 start()

In the foreground, so that the test is its parent.  True as soon as it is
ready; false, with the error log in diag, when it ends or is not in time.

=cut

sub start {
    my ($self) = @_;
    $self->{resumed} = $self->_resumed;
    $self->{proc} = FCGIPM::Test::start(
        cmd => [@{ $self->{wrap} || [] },
                @{ $self->_command('-DFOREGROUND') }],
        env => $self->{env},
        out => "$self->{dir}/stdout", err => "$self->{dir}/stderr");
    return 1 if $self->_settles('httpd to start');
    Test::More::diag(slurp("$self->{dir}/stderr"), $self->log);
    return;
}

sub _resumed {
    my ($self) = @_;
    return count_lines($self->error_log, 'resuming normal operations');
}

# One more "resuming normal operations", in this file or in a new one.  Children
# of before hear of it by a pipe: a request that came now would have the former
# configuration.
sub _settles {
    my ($self, $what, @before) = @_;
    my $before = $self->{resumed} || 0;
    wait_for {
        !$self->{proc}->alive || $self->_resumed > $before
    } 30, $what;
    return unless $self->{proc}->alive && $self->_resumed > $before;
    wait_for { !grep { $self->_accepts($_) } @before } 30,
        'children of before to accept no more';
    return 1;
}

# Does a child have the first socket that httpd has opened, which listens?
sub _accepts {
    my ($self, $child) = @_;
    my $httpds = fds($self->pid);
    my ($first) = sort { $a <=> $b }
        grep { $httpds->{$_} =~ /^socket:/ } keys %$httpds;
    return defined $first
        && grep { $_ eq $httpds->{$first} } values %{ fds($child) };
}

=head2 graceful(), restart()

C<httpd -k ...> as an administrator does it.  True as soon as httpd has read
its configuration again, and no child of before accepts a connection any more.

=cut

sub graceful { my ($self) = @_; return $self->_again('graceful') }
sub restart  { my ($self) = @_; return $self->_again('restart') }

sub _again {
    my ($self, $word) = @_;
    $self->{resumed} = $self->_resumed;
    my @before = children($self->pid);
    my ($status, $said) = $self->run('-k', $word);
    if (!defined $status || $status ne '0') {
        Test::More::diag("httpd -k $word: $said");
        return;
    }
    return $self->_settles("httpd after $word", @before);
}

=head2 graceful_signal()

SIGUSR1 to httpd: a graceful that no C<httpd -k> has checked before.

=cut

sub graceful_signal {
    my ($self) = @_;
    $self->{resumed} = $self->_resumed;
    my @before = children($self->pid);
    $self->{proc}->signal('USR1');
    return $self->_settles('httpd after SIGUSR1', @before);
}

=head2 logs_afresh()

The error log has been moved away: count from nought.

=cut

sub logs_afresh {
    my ($self, $to) = @_;
    rename $self->error_log, $to or die "rename: $!";
    $self->{resumed} = 0;
    return;
}

=head2 stop(), signal(NAME), wait(SECONDS), alive()

C<stop> is SIGTERM and gives the exit status.

=cut

sub stop {
    my ($self) = @_;
    $self->{proc}->signal('TERM');
    return $self->{proc}->wait(30);
}

sub signal { my ($self, $name) = @_; return $self->{proc}->signal($name) }
sub wait { my ($self, $seconds) = @_; return $self->{proc}->wait($seconds) }
sub alive { my ($self) = @_; return $self->{proc}->alive }

=head2 get(PATH, ...)

C<http> of FCGIPM::HTTP.

=cut

sub get {
    my ($self, $path, @arg) = @_;
    return http($self->{port}, $path, @arg);
}

=head2 ask(PATH)

C<get> in a process of its own.  Gives its pid.

=cut

sub ask {
    my ($self, $path) = @_;
    my $pid = fork;
    defined $pid or die "fork: $!";
    return $pid if $pid;
    $self->get($path);
    POSIX::_exit(0);
}

=head2 pid_at(PATH)

Which worker answers there; undef when none does.

=cut

sub pid_at {
    my ($self, $path) = @_;
    my $r = $self->get("$path?pid");
    return $r->{body} =~ /^pid=(\d+)/ ? $1 : undef;
}

=head2 children_of(SOCKET...)

The children of httpd that have these clients' connections; undef: none yet.

=cut

sub children_of {
    my ($self, @sock) = @_;
    my $manager = $self->manager || 0;
    my @child = grep { $_ != $manager } children($self->pid);
    my %inode;
    for my $pid (@child) {
        my $fd = fds($pid);
        /^socket:\[(\d+)\]$/ and $inode{$1} = $pid for values %$fd;
    }
    my %pid_at;
    for my $line (split /\n/, slurp('/proc/net/tcp')) {
        my @f = split ' ', $line;
        next unless @f > 9 && $f[1] =~ /:([0-9A-F]+)$/
            && hex $1 == $self->port && $inode{ $f[9] };
        $pid_at{ hex $1 } = $inode{ $f[9] } if $f[2] =~ /:([0-9A-F]+)$/;
    }
    return map { $pid_at{ $_->sockport } } @sock;
}

=head2 manager()

The living manager's pid by its pid file.

=cut

sub manager {
    my ($self) = @_;
    my $pid = slurp("$self->{dir}/run/manager.pid");
    return $pid =~ /^(\d+)\n\z/ && FCGIPM::Test::alive($1) ? $1 : undef;
}

1;
