# SPDX-License-Identifier: Apache-2.0
package FCGIPM::Test;

=head1 NAME

FCGIPM::Test - what every test of mod_fcgipm stands on

=head1 SYNOPSIS

  use FCGIPM::Test;
  my $dir  = tmp_dir();                      # gone at the end
  my $proc = start(cmd => [...], err => "$dir/log");
  ok(wait_for { -S "$dir/s" } 10, 'the socket');
  $proc->signal('TERM');
  is($proc->wait(10), 0, 'exit status');

=head1 WHAT IT PROMISES

Nothing a test starts outlives the test, whichever way the test ends: the
test is made the reaper of all its descendants (on Linux, prctl(2)
PR_SET_CHILD_SUBREAPER), and what is left at the end is killed.  A test that
wants to know what was left asks C<descendants()>.

Waiting is always for a condition, with a deadline, in C<wait_for>.

=cut

use strict;
use warnings;

use Config;
use Cwd ();
use Exporter 'import';
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use File::Spec;
use File::Temp ();
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX qw(:sys_wait_h);
use Scalar::Util qw(weaken);
use Test::More ();
use Time::HiRes qw(time sleep);

our @EXPORT = qw(
    age alive append bin built children cmdline count_lines cpu ctl descendants
    fds free_port have is_soon kill_tree parent_of passable proc_env
    proc_status program root slurp start tmp_dir uid_of wait_for wait_quiet
    worker_gid worker_uid worker_user write_file
    write_script
);

my $OWNER = $$;        # forked clients must not clean up for the test
my %STARTED;           # pid => what start() gave, until that is reaped
my @DIRS;
my @PORTS;             # that are ours, see free_port()
my $REAPER = 0;
my $CTL_DIR;

# --- where things are -------------------------------------------------------

my $ROOT = Cwd::abs_path(dirname(__FILE__) . '/../../..');

=head1 FUNCTIONS

=head2 root(), built(NAME), bin(NAME), have(PROGRAM)

The source tree; what the build made (C<FCGIPM_BUILD> names another build
directory than C<build>); a test worker, compiled or script; the path of an
installed program or undef.

=cut

sub root { $ROOT }

sub built {
    my ($name) = @_;
    my $dir = $ENV{FCGIPM_BUILD} || 'build';
    $dir = "$ROOT/$dir" unless $dir =~ m{^/};
    return "$dir/$name";
}

sub bin {
    my ($name) = @_;
    my $path = $name =~ /\./ ? "$ROOT/t/bin/$name" : built("t/bin/$name");
    die "$path is not there\n" unless -e $path;
    return passable(dirname($path)) ? $path : _copy($path, $name);
}

# Another user cannot get into a tree below, say, /root.
my $BIN_DIR;

sub _copy {
    my ($path, $name) = @_;
    my $copy = ($BIN_DIR ||= tmp_dir()) . "/$name";
    return $copy if -e $copy;
    require File::Copy;
    File::Copy::copy($path, $copy) or die "$copy: $!";
    chmod 0755, $copy;
    return $copy;
}

=head2 passable(DIRECTORY)

Can a worker's user get there?

=cut

sub passable {
    my ($dir) = @_;
    return 1 if $> != 0;
    $dir = Cwd::abs_path($dir);
    while ($dir ne '/') {
        return 0 unless (stat $dir)[2] & 1;
        $dir = dirname($dir);
    }
    return 1;
}

sub have {
    my ($name) = @_;
    for my $dir (split(/:/, $ENV{PATH} || ''), '/usr/sbin', '/sbin') {
        return "$dir/$name" if -x "$dir/$name" && !-d _;
    }
    return;
}

=head2 program(NAME...)

Dies, so that the test fails, unless the build has made all these.

=cut

sub program {
    my @path = map { built($_) } @_;
    -e or die "$_ has not been built\n" for @path;
    return wantarray ? @path : $path[0];
}

# --- users ------------------------------------------------------------------

=head2 worker_user(), worker_uid(), worker_gid()

Whom workers run as: as root another user, who is then not to be uid 0; else
oneself (undef).

=cut

sub worker_user {
    return if $> != 0;
    for my $user (qw(www-data nobody)) {
        return $user if defined getpwnam $user;
    }
    die "there is no user www-data and no user nobody\n";
}

sub worker_uid { my $u = worker_user(); defined $u ? (getpwnam $u)[2] : $> }
sub worker_gid { my $u = worker_user(); defined $u ? (getpwnam $u)[3] : $) + 0 }

# --- files ------------------------------------------------------------------

=head2 tmp_dir()

A private directory that the worker's user can pass.  As C<FCGIPM_KEEP> is
set it stays, and the test says where.

=cut

sub tmp_dir {
    my $where = File::Spec->tmpdir;
    $where = '/tmp' unless passable($where);
    my $dir = File::Temp::tempdir('fcgipm-XXXXXX', DIR => $where);
    chmod 0755, $dir or die "chmod $dir: $!";
    push @DIRS, $dir;
    return $dir;
}

sub write_file {
    my ($path, $text, $mode) = @_;
    open my $fh, '>', $path or die "$path: $!";
    print {$fh} $text;
    close $fh or die "$path: $!";
    chmod $mode, $path if defined $mode;
    return $path;
}

=head2 write_script(PATH, TEXT)

A program for sh, with those lines.  It takes the place of another one at once.
Gives PATH.

=cut

sub write_script {
    my ($path, $text) = @_;
    write_file("$path.new", "#!/bin/sh\n$text\n", 0755);
    rename "$path.new", $path or die "$path: $!";
    return $path;
}

sub append {
    my ($path, $text) = @_;
    open my $fh, '>>', $path or die "$path: $!";
    print {$fh} $text;
    close $fh or die "$path: $!";
    return;
}

=head2 slurp(PATH)

The text of a file, '' when there is none (yet).

=cut

sub slurp {
    my ($path) = @_;
    open my $fh, '<', $path or return '';
    local $/;
    my $text = <$fh>;
    return defined $text ? $text : '';
}

sub count_lines {
    my ($path, $pattern) = @_;
    return scalar grep { /$pattern/ } split /\n/, slurp($path);
}

=head2 free_port()

A port of 127.0.0.1 that is this test's for as long as it runs: not one the
kernel gives to clients of others (ip_local_port_range begins at 32768), and
marked by a socket without a file, so that tests that run side by side do not
choose the same.

=cut

sub free_port {
    for (1 .. 1000) {
        my $port = 10_000 + int rand 20_000;
        my $mark = IO::Socket::UNIX->new(Local => "\0fcgipm-port-$port",
                                         Listen => 1) or next;
        IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port,
                              Listen => 1, Proto => 'tcp') or next;
        push @PORTS, $mark;
        return $port;
    }
    die "no free port: $!";
}

# --- waiting ----------------------------------------------------------------

=head2 wait_for CODE SECONDS, WHAT

Calls CODE until it gives something true, which is returned, or until SECONDS
have gone: then says what was waited for and returns nothing.  SECONDS are those
of a machine with up to four processes that want to run for each processor;
with more of them they are longer.

=cut

sub _overload {
    my ($load) = slurp('/proc/loadavg') =~ /^([\d.]+)/;
    my $cpus = () = slurp('/proc/stat') =~ /^cpu\d/mg;
    my $overload = ($load || 0) / (4 * ($cpus || 1));
    return $overload > 1 ? $overload : 1;
}

sub wait_for (&$$) {
    my ($code, $seconds, $what) = @_;
    $seconds *= _overload();
    my $deadline = time + $seconds;
    for (;;) {
        reap();
        my $got = $code->();
        return $got if $got;
        last if time > $deadline;
        sleep 0.01;
    }
    Test::More::diag(sprintf 'waited %g s in vain for %s', $seconds, $what);
    return;
}

=head2 is_soon TOOK, SECONDS, WHAT

A test: something took less than SECONDS, which are longer as in C<wait_for>.

=cut

sub is_soon {
    my ($took, $seconds, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::cmp_ok($took, '<', $seconds * _overload(), $what);
}

# Collect whoever has ended; also orphans that have come to us.
sub reap {
    return if $$ != $OWNER;
    local ($?, $!);
    while ((my $pid = waitpid -1, WNOHANG) > 0) {
        # the pid may be another's at once
        my $proc = delete $STARTED{$pid};
        $proc->{status} = $? if $proc;
    }
    return;
}

# --- processes --------------------------------------------------------------

sub _prctl_subreaper {
    my %number = (x86_64 => 157, aarch64 => 167, i686 => 172, i386 => 172);
    my ($arch) = $Config{archname} =~ /^(\w+)/;
    return unless $^O eq 'linux' && $number{$arch};
    # PR_SET_CHILD_SUBREAPER
    my $one = 1;
    $REAPER = eval { syscall($number{$arch}, 36, $one, 0, 0, 0) == 0 };
    return;
}

sub _stat {
    my ($pid) = @_;
    my $text = slurp("/proc/$pid/stat");
    return unless $text =~ /^\d+ \((.*)\) (\S) (\d+) (\d+) (\d+)/s;
    return { comm => $1, state => $2, ppid => $3, pgid => $4, sid => $5 };
}

=head2 alive(PID), children(PID), descendants(PID...), parent_of(PID)

Of what F</proc> says; a zombie is not alive and nobody's child.  Alive is what
is below the test only: the pid of a process that has gone can be a stranger's.
The descendants of the test itself, when no PID is given, include orphans.

=cut

sub alive {
    my ($pid) = @_;
    my $stat = _stat($pid);
    return $stat && $stat->{state} !~ /[ZX]/ && _is_ours($pid) ? 1 : 0;
}

sub parent_of { my $s = _stat($_[0]); return $s ? $s->{ppid} : undef }

# Orphans are the test's children.  If a parent ends meanwhile, PID has another
# one: it begins again.
sub _is_ours {
    my ($pid) = @_;
    return 1 if !$REAPER;
    my $at = $pid;
    while ($at && $at != $OWNER) {
        my $parent = parent_of($at);
        return 0 if !defined $parent && $at == $pid;
        $at = defined $parent ? $parent : $pid;
    }
    return $at;
}

sub _all {
    opendir my $dh, '/proc' or die "/proc: $!";
    my %all;
    for my $pid (grep { /^\d+$/ } readdir $dh) {
        my $stat = _stat($pid) or next;
        $all{$pid} = $stat if $stat->{state} !~ /[ZX]/;
    }
    return \%all;
}

sub children {
    my ($pid) = @_;
    my $all = _all();
    my @found = sort { $a <=> $b }
        grep { $all->{$_}{ppid} == $pid } keys %$all;
    return @found;
}

sub descendants {
    my @todo = grep { defined } @_;
    @todo = $$ if !@todo;
    my $all = _all();
    my %below;
    push @{ $below{ $all->{$_}{ppid} } }, $_ for keys %$all;
    my @found;
    while (@todo) {
        my @next = @{ $below{ shift @todo } || [] };
        push @todo, @next;
        push @found, @next;
    }
    @found = sort { $a <=> $b } @found;
    return @found;
}

sub cmdline {
    my ($pid) = @_;
    my $text = slurp("/proc/$pid/cmdline");
    $text =~ s/\0+\z//;
    return join ' ', split /\0/, $text;
}

sub proc_env {
    my ($pid) = @_;
    return { map { /^([^=]*)=(.*)\z/s ? ($1 => $2) : () }
             split /\0/, slurp("/proc/$pid/environ") };
}

sub proc_status {
    my ($pid) = @_;
    return { map { /^(\w+):\s*(.*)$/ ? ($1 => $2) : () }
             split /\n/, slurp("/proc/$pid/status") };
}

sub uid_of {
    my ($pid) = @_;
    return (split ' ', proc_status($pid)->{Uid} || '')[0];
}

=head2 fds(PID)

Its descriptors: number => what it leads to.

=cut

sub fds {
    my ($pid) = @_;
    opendir my $dh, "/proc/$pid/fd" or return {};
    return { map { ($_ => readlink("/proc/$pid/fd/$_") || '') }
             grep { /^\d+$/ } readdir $dh };
}

=head2 workers_of(MANAGER)

Its children that have become another program; one between fork and exec is
none yet.  The manager's own program is read last: it has children only when it
is fcgipm-run or httpd itself, before that it is the test's Perl, which the
survivor differs from as well.  An undef MANAGER has none.

=cut

sub workers_of {
    my ($manager) = @_;
    return unless defined $manager;
    my %exe = map { $_ => scalar readlink "/proc/$_/exe" } children($manager);
    my $own = readlink "/proc/$manager/exe" or return;
    return grep { defined $exe{$_} && $exe{$_} ne $own }
        sort { $a <=> $b } keys %exe;
}

=head2 ctl(SOCKET, ARGUMENTS), ctl_status(SOCKET, POOL)

fcgipmctl to its end: exit status and what it said; the status, decoded,
undef when it cannot be had.

=cut

sub ctl {
    my ($socket, @arg) = @_;
    my $out = ($CTL_DIR ||= tmp_dir()) . '/ctl.out';
    unlink $out;
    my $proc = start(
        cmd => [program('fcgipmctl') . '', '-s', $socket, @arg],
        out => $out, err => $out);
    my $status = $proc->wait(30);
    return ($status, slurp($out));
}

sub ctl_status {
    my ($socket, $pool) = @_;
    my ($status, $said) = ctl($socket, '--json', 'status',
                              defined $pool ? $pool : ());
    return unless defined $status && $status eq '0';
    return eval { JSON::PP->new->utf8->decode($said) };
}

=head2 cpu(PID)

Seconds of processor time it has used.

=cut

sub cpu {
    my ($pid) = @_;
    my $text = slurp("/proc/$pid/stat");
    $text =~ s/^.*\)//s or return 0;
    my @field = split ' ', $text;
    return ($field[11] + $field[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

=head2 age(PID)

Seconds since it was started.

=cut

sub age {
    my ($pid) = @_;
    my $text = slurp("/proc/$pid/stat");
    $text =~ s/^.*\)//s or return;
    my $started = (split ' ', $text)[19] / POSIX::sysconf(POSIX::_SC_CLK_TCK());
    my ($now) = split ' ', slurp('/proc/uptime');
    return $now - $started;
}

=head2 wait_quiet(PID, SECONDS)

Waits until nobody below PID has run for 0.3 s: all that start have started,
all that are idle wait in accept().  For programs that lose a signal at other
times.

=cut

sub wait_quiet {
    my ($pid, $seconds) = @_;
    my ($seen, $since) = ('', time);
    return wait_for {
        my $now = join ' ', map {
            my $status = proc_status($_);
            "$_:" . join ':', map { defined $_ ? $_ : '' }
                @$status{qw(voluntary_ctxt_switches
                            nonvoluntary_ctxt_switches)}
        } descendants($pid);
        ($seen, $since) = ($now, time) if $now ne $seen;
        time - $since > 0.3
    } $seconds, 'everybody to be quiet';
}

=head2 start(cmd => [...], out => PATH, err => PATH, env => {...},
cwd => DIR, as => USER, before => CODE)

Starts a program in a process group and session of its own, without stdin,
and gives an object: C<pid>, C<signal(NAME)>, C<alive>, C<wait(SECONDS)>
which returns the exit status, C<'SIG' . number>, or undef when it still
runs.  The process is killed, with all below it, when the object goes out of
scope.  Output goes to files, by default to F</dev/null>.  C<before> is called
in the child.

=cut

sub start {
    my (%arg) = @_;
    my $pid = fork;
    defined $pid or die "fork: $!";
    if ($pid == 0) {
        eval { _become(%arg); 1 } or print STDERR $@;
        POSIX::_exit(127);
    }
    my $proc = bless { pid => $pid, cmd => $arg{cmd} }, 'FCGIPM::Test::Proc';
    weaken($STARTED{$pid} = $proc);
    return $proc;
}

sub _become {
    my (%arg) = @_;
    POSIX::setsid();
    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE CHLD USR1);
    open STDIN, '<', '/dev/null' or die "/dev/null: $!";
    open STDOUT, '>>', $arg{out} || '/dev/null' or die "stdout: $!";
    open STDERR, '>>', $arg{err} || '/dev/null' or die "stderr: $!";
    chdir $arg{cwd} or die "chdir: $!" if $arg{cwd};
    if ($arg{env}) {
        for my $name (keys %{ $arg{env} }) {
            if (defined $arg{env}{$name}) { $ENV{$name} = $arg{env}{$name} }
            else                          { delete $ENV{$name} }
        }
    }
    $arg{before}->() if $arg{before};
    _drop($arg{as}) if defined $arg{as};
    exec { $arg{cmd}[0] } @{ $arg{cmd} } or die "$arg{cmd}[0]: $!\n";
}

sub _drop {
    my ($user) = @_;
    my ($uid, $gid) = (getpwnam $user)[2, 3];
    $) = "$gid $gid";
    $( = $gid;
    POSIX::setuid($uid);
    die "still uid $>\n" if $> != $uid || $< != $uid;
}

=head2 kill_tree(PID...)

SIGKILL to these and all below them, and waits until they are gone.

=cut

sub kill_tree {
    my @new = @_;
    my (%all, @left);
    my $deadline = time + 10;
    # One that is stopped makes no children that would be missed.
    while (@new) {
        kill 'STOP', @new;
        @all{@new} = ();
        @new = grep { !exists $all{$_} } descendants(keys %all);
    }
    # Until they are reaped their pids are nobody else's.
    for (@left = keys %all; @left && time < $deadline; sleep 0.01) {
        kill 'KILL', @left;
        @left = grep { alive($_) } @left;
    }
    reap();
    return;
}

sub forgotten {
    my ($proc) = @_;
    kill_tree($proc->pid) if $$ == $OWNER && !defined $proc->status;
    return;
}

# --- the end ----------------------------------------------------------------

sub _clean {
    return if $$ != $OWNER;
    local ($?, $!);
    $SIG{$_} = 'IGNORE' for qw(INT TERM HUP);
    kill_tree(descendants());
    kill_tree(descendants());
    for my $dir (splice @DIRS) {
        if ($ENV{FCGIPM_KEEP}) { Test::More::diag("kept: $dir") }
        else                   { remove_tree($dir, { safe => 0 }) }
    }
    return;
}

_prctl_subreaper();
$SIG{PIPE} = 'IGNORE';
for my $name (qw(INT TERM HUP)) {
    $SIG{$name} = sub { exit 130 if $$ == $OWNER; POSIX::_exit(130) };
}

END { _clean() }

package FCGIPM::Test::Proc;

use strict;
use warnings;

sub pid { $_[0]{pid} }

# Who forgets it ends it, with all below it.
sub DESTROY {
    my ($self) = @_;
    FCGIPM::Test::forgotten($self);
    return;
}

# The wait status; undef: it runs, or is another test process's child.
sub status {
    FCGIPM::Test::reap();
    return $_[0]{status};
}

sub signal {
    my ($self, $name) = @_;
    return defined $self->status ? 0 : kill $name, $self->{pid};
}

sub alive { return !defined $_[0]->status && FCGIPM::Test::alive($_[0]{pid}) }

sub wait {
    my ($self, $seconds) = @_;
    my $end = FCGIPM::Test::wait_for { defined $self->status }
        $seconds, "the end of pid $self->{pid} ($self->{cmd}[0])";
    return unless $end;
    my $status = $self->status;
    return $status & 127 ? 'SIG' . ($status & 127) : $status >> 8;
}

1;
