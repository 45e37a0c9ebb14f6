#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A child of httpd that has been taken over writes noise to the pipes that it
# shares with the other children, makes them block, and shuts down what it can,
# while requests, growth, a graceful and reports of slow requests go on.
#
# The test takes the descriptors of a child by pidfd_getfd(2): they are the
# same open file descriptions.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Fcntl qw(F_GETFL F_SETFL O_NONBLOCK);
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

plan skip_all => 'only root takes the descriptors of others' if $>;

my ($PIDFD_OPEN, $PIDFD_GETFD) = (434, 438);
my $SECONDS = $ENV{FCGIPM_ATTACK} || 3;

my $httpd = FCGIPM::Httpd->new(config => join '',
    "StartServers 2\nMinSpareThreads 30\nMaxSpareThreads 60\n",
    pool('app', 'worker', 'FcgiPMProcesses 2'), location('app'),
    pool('small', 'worker', 'FcgiPMProcesses 1 4', 'FcgiPMSlowLog 200ms'),
    location('small'));

ok($httpd->start, 'httpd') or BAIL_OUT('no httpd');
my ($parent, $manager) = ($httpd->pid, $httpd->manager);

# Pipes of the process: inode => its descriptor.
sub pipes {
    my ($pid) = @_;
    my %pipe;
    for my $fd (glob "/proc/$pid/fd/*") {
        my ($n) = $fd =~ m{(\d+)$};
        $pipe{$1} = $n if (readlink $fd // '') =~ /^pipe:\[(\d+)\]/;
    }
    return %pipe;
}

# What a child can write and the manager reads.
sub take {
    my ($child) = grep { $_ != $manager } children($parent);
    my %own = pipes($child);
    my %its = pipes($manager);
    my $pidfd = syscall $PIDFD_OPEN, $child, 0;
    my @taken;
    for (grep { exists $its{$_} } keys %own) {
        my $fd = syscall $PIDFD_GETFD, $pidfd, $own{$_} + 0, 0;
        next if $fd < 0;
        open my $file, '>&=', $fd or die "fd $fd: $!";
        push @taken, $file;
    }
    POSIX::close($pidfd) if $pidfd >= 0;
    return @taken;
}

my @taken = take();
if (!@taken) {
    $httpd->stop;
    done_testing(1);
    exit;
}
is(scalar @taken, 2, 'a child has a pipe for wakeups, and one for reports');
ok(!shutdown($_, 2), 'it cannot be shut down') for @taken;

# Noise of any length, so that no message begins where one should.
sub attack {
    my ($until) = @_;
    local $SIG{ALRM} = sub { POSIX::_exit(0) };
    alarm $SECONDS + 30;
    for (my $n = 0; time < $until; $n++) {
        for my $file (@taken) {
            my $flags = fcntl $file, F_GETFL, 0;
            fcntl $file, F_SETFL,
                $n % 3 ? $flags | O_NONBLOCK : $flags & ~O_NONBLOCK;
            syswrite $file, pack 'L*', map { int rand 2**32 } 1 .. 1 + $n % 99;
            syswrite $file, 'x' x (1 + $n % 1500);
        }
    }
    fcntl $_, F_SETFL, O_NONBLOCK for @taken;
    POSIX::_exit(0);
}

my $until = time + $SECONDS;
my $attacker = fork // die "fork: $!";
attack($until) if !$attacker;

my ($asked, $bad) = (0, 0);
while (time < $until) {
    for my $url (qw(/app/?pid /small/?pid)) {
        $asked++;
        $bad++ if ($httpd->get($url)->{status} || 0) != 200;
    }
}
is($bad, 0, 'requests are answered meanwhile');
cmp_ok($asked, '>', 10, 'many of them');
waitpid $attacker, 0;
is($httpd->manager, $manager, 'the manager lives');

# --- afterwards
sub slow_lines {
    return scalar grep { m{pool small: pid \d+: slow: GET \S*/small/\?sleep=} }
        split /\n/, $httpd->log;
}
my $load = load_on($httpd, '/small/?sleep=400&pid', 8);
ok((wait_for {
    my ($pool) = grep { $_->{name} eq 'small' } @{ $httpd->status->{pools} };
    @{ $pool->{worker} } == 4
} 20, 'four workers'), 'a pool grows');
ok((wait_for { slow_lines() } 20, 'a line'), 'slow requests are reported');
is($load->stop->{failed}, 0, 'all are answered');
ok($httpd->graceful, 'graceful');
is($httpd->pid, $parent, 'the parent lives');
is(($httpd->get('/app/?pid'))->{status}, 200, 'requests are answered');
is(count_lines($httpd->error_log, 'exit signal'), 0, 'no child has crashed');
is($httpd->stop, 0, 'httpd stops well');
done_testing;
