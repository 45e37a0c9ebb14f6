#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What a worker is born with: /proc, environment, directory, user, limits.
use strict;
use warnings;

use Config;
use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;
use File::Temp ();
use POSIX ();

my $WORKER = bin('worker');
my $NICE = getpriority 0, 0;

# What a worker says of itself.
sub says {
    my ($run, $what) = @_;
    $run->workers($run->{processes});
    return split /\n/, ask($run->address, $what);
}

sub told { return { map { /^(\w+)=(.*)$/ ? ($1 => $2) : () }
                    says($_[0], 'proc') } }
sub environ { return says($_[0], 'environ') }
sub names { return sort map { /^([^=]*)=/ } @_ }

# --- an unfriendly parent: signals ignored and blocked, descriptors open
{
    my $stray = File::Temp->new;
    my $run = FCGIPM::Run->new(
        processes => 3, command => [$WORKER, '--plain'],
        before => sub {
            $SIG{$_} = 'IGNORE' for qw(PIPE HUP USR1 USR2 ALRM CHLD);
            POSIX::sigprocmask(POSIX::SIG_BLOCK(), POSIX::SigSet->new(
                POSIX::SIGTERM(), POSIX::SIGUSR1(), POSIX::SIGALRM(),
                POSIX::SIGCHLD(), POSIX::SIGHUP()));
            POSIX::dup2(fileno $stray, $_) for 7, 23, 200;
        });
    my @pid = $run->workers(3);
    is(scalar @pid, 3, 'workers of a manager with an odd parent');
    for my $pid (@pid) {
        ok(wait_for { cmdline($pid) =~ /worker/ } 10, "worker $pid");
        my $status = proc_status($pid);
        # libfcgi itself has handlers; the kernel's own mask is what counts
        is($status->{SigBlk}, '0' x 16, 'nothing blocked');
        is($status->{SigIgn}, '0' x 16, 'nothing ignored');
        # the guard has its page till it waits for the first request
        ok(wait_for { join(' ', sort keys %{ fds($pid) }) eq '0 1 2' } 10,
           'no descriptor but 0, 1, 2');
        like(fds($pid)->{0}, qr/^socket:/, '0 is the socket');
        is(parent_of($pid), $run->pid, 'the manager is its parent');
        my ($pgid) = (split ' ', slurp("/proc/$pid/stat"))[4];
        is($pgid, $pid, 'a process group of its own');
        isnt(uid_of($pid), 0, 'it is not root');
        is(uid_of($pid), worker_uid(), 'but who it is to be');
    }
    $run->signal('HUP');
    is(scalar $run->renewed(@pid), 3, 'SIGHUP reaches the manager');
    $run->signal('TERM');
    is($run->wait(10), 0, 'SIGTERM as well');
}

# --- environment
{
    my %env = (PATH => $ENV{PATH}, TZ => 'Europe/Vienna', LANG => 'C.UTF-8',
               SECRET => 'x', LD_LIBRARY_PATH => '/x', KEPT => 'a b=c',
               HOME => '/x', APACHE_RUN_USER => 'x', ABSENT => undef);
    my $run = FCGIPM::Run->new(
        command => [$WORKER], env => \%env,
        options => ['--set-env', 'GIVEN=one two', '--set-env', 'EMPTY=',
                    '--pass-env', 'KEPT', '--pass-env', 'ABSENT']);
    my @got = environ($run);
    is_deeply([names(@got)], [qw(EMPTY GIVEN KEPT LANG PATH TZ)],
              'the environment holds what was asked for and no more');
    my %got = map { /^([^=]*)=(.*)$/ } @got;
    is_deeply(\%got, { EMPTY => '', GIVEN => 'one two', KEPT => 'a b=c',
                       LANG => 'C.UTF-8', PATH => $ENV{PATH},
                       TZ => 'Europe/Vienna' }, 'as it was given');
}
{
    my $run = FCGIPM::Run->new(
        command => [$WORKER],
        options => ['--set-env', 'PATH=/only', '--set-env', 'LANG=xx']);
    my @got = environ($run);
    is_deeply([names(@got)], [qw(LANG PATH), $ENV{TZ} ? 'TZ' : ()],
              'a variable that is set is there once');
    ok((grep { $_ eq 'PATH=/only' } @got), 'with the value that was set');
}

{
    my $run = FCGIPM::Run->new(
        command => ['/bin/sh', '-c', "exec $WORKER"], env => { PATH => undef });
    my @got = environ($run);
    ok((grep { $_ eq 'PATH=/usr/local/bin:/usr/bin:/bin' } @got),
       'there is a PATH where the manager has none');
}

# --- a limit of descriptors that is less than the manager uses
SKIP: {
    my %prlimit = (x86_64 => 302, aarch64 => 261);
    my ($arch) = $Config{archname} =~ /^(\w+)/;
    skip 'how to call prlimit64 is not known here', 2 unless $prlimit{$arch};
    my $limit = pack 'QQ', 60, 4096;
    my $run = FCGIPM::Run->new(
        command => [$WORKER], processes => 70,
        before => sub { syscall $prlimit{$arch}, 0, 7, $limit, 0 });
    is(scalar(my @pid = $run->workers(70)), 70,
       '70 workers of a manager that had 60 descriptors');
    is(told($run)->{rlimit_nofile}, '60 4096', 'a worker has no more');
}

# --- the rest of a process
{
    my $run = FCGIPM::Run->new(command => [$WORKER]);
    my $own = told($run);
    is($own->{cwd}, '/', 'the default directory');
    is($own->{umask}, '022', 'the default umask');
    is($own->{nice}, $NICE, 'the default nice value');
    is($own->{uid}, worker_uid(), 'the user');
    is($own->{euid}, $own->{uid}, 'really');
    is($own->{gid}, worker_gid(), 'the group');
    unlike(" $own->{groups} ", qr/ 0 /, 'not in the group of root')
        if $> == 0;
}
{
    my $dir = tmp_dir();
    my $run = FCGIPM::Run->new(
        command => [$WORKER], processes => 2,
        options => ['--directory', $dir, '--umask', '0027', '--nice', '3',
                    '--rlimit', 'nofile 64 128', '--rlimit', 'core 0',
                    '--process-name', 'my worker',
                    '--manager-name', 'my manager',
                    '--pid-file', "$dir/pid"]);
    my @pid = $run->workers(2);
    my $own = told($run);
    is($own->{cwd}, $dir, 'a directory');
    is($own->{umask}, '027', 'a umask');
    is($own->{nice}, $NICE + 3, 'a nice value');
    is($own->{rlimit_nofile}, '64 128', 'a limit, soft and hard');
    is($own->{rlimit_core}, '0 0', 'one word is both');
    is(cmdline($_), 'my worker', "the title of worker $_") for @pid;
    like(cmdline($run->pid), qr/^my manager/, 'the title of the manager');
    is(slurp("$dir/pid"), $run->pid . "\n", 'the pid file');
    $run->signal('HUP');
    $run->renewed(@pid);
    is(slurp("$dir/pid"), $run->pid . "\n", 'the same after SIGHUP');
    is(told($run)->{cwd}, $dir, 'and the directory');
    $run->signal('TERM');
    is($run->wait(10), 0, 'exit status 0');
    ok(!-e "$dir/pid", 'the pid file is gone');
}

# --- who may not be
{
    my @case = (
        ['a user that does not exist', 'no-such-user-x', qr/no-such-user-x/],
        ($> == 0 ? (['root', 'root', qr/root|uid 0/],
                    ['uid 0', '0', qr/root|uid 0|"0"/],
                    ['nobody named', undef, qr/user/i]) : ()),
    );
    for (@case) {
        my ($name, $user, $error) = @$_;
        my $run = FCGIPM::Run->new(command => [$WORKER], user => $user);
        my $status = $run->wait(10);
        ok($status, "$name: refused");
        like($run->log, $error, 'with the reason');
        is_deeply([descendants()], [], 'nothing runs');
    }
    for (['--group', 'no-such-group-x'], ['--directory', '/no/such/dir'],
         ['--rlimit', 'nofile many'], ['--umask', '9'],
         ['--start-delay', 'soon'], ['--no-such-option', 'x'],
         ['--die-timeout', '-1']) {
        my ($option, $value) = @$_;
        my $run = FCGIPM::Run->new(command => [$WORKER], options => $_);
        ok($run->wait(10), "$option $value: refused");
        my ($word) = $value =~ /(\S+)$/;
        like($run->log, qr/\Q$word\E|invalid option: \Q$option\E;/, 'with the reason');
    }
}

# --- another root
SKIP: {
    skip 'chroot needs root and ldd', 2 unless $> == 0 && have('ldd');
    my $root = tmp_dir();
    for my $file ($WORKER, map { m{(/\S+)} ? $1 : () } `ldd $WORKER`) {
        (my $dir = $file) =~ s{/[^/]*$}{};
        system 'mkdir', '-p', "$root$dir";
        system 'cp', '-L', $file, "$root$file";
    }
    system 'chmod', '-R', 'a+rX', $root;
    my $run = FCGIPM::Run->new(
        command => [$WORKER], options => ['--chroot', $root]);
    my ($pid) = $run->workers(1);
    is(readlink "/proc/$pid/root", $root, 'the root of a worker');
    is(told($run)->{cwd}, '/', 'in which it stands');
}

done_testing;
