#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A child of httpd that has been taken over writes random and extreme words to
# all of the module's memory that it can write, again and again, while requests,
# status, reload, graceful and the end of children go on.
#
# The test writes through /proc/PID/mem, to mappings that the child itself can
# write.  FCGIPM_ATTACK=60 does it for so many seconds.
use strict;
use warnings;
no warnings qw(portable);   # addresses have more than 32 bits

use FindBin;
use lib "$FindBin::Bin/../lib";

use Fcntl qw(O_RDWR SEEK_SET);
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

plan skip_all => 'only root writes to the memory of others' if $>;

my $SECONDS = $ENV{FCGIPM_ATTACK} || 5;

my $httpd = FCGIPM::Httpd->new(config => join '',
    "StartServers 3\nMinSpareThreads 30\nMaxSpareThreads 60\n",
    pool('app', 'worker', 'FcgiPMProcesses 3'), location('app'),
    pool('small', 'worker', 'FcgiPMProcesses 1 4'), location('small'),
    pool('stopped', 'worker', 'FcgiPMProcesses 2'), location('stopped'),
    pool('lazy', 'worker', 'FcgiPMProcesses 0 4'));

my ($parent, $manager);

# Those that have begun: what all write, and a row, is all they can write.
# Before that no client has sent them anything.
sub httpd_children {
    my @pid = grep { $_ != $manager } children($parent);
    return grep {
        my @map = writable($_);
        @map == 2 && grep { $_->[1] < 2**20 } @map
    } @pid;
}

# --- the attack

# What of the module's memory the child can write: [from, size].
sub writable {
    my ($pid) = @_;
    my @map;
    for (split /\n/, slurp("/proc/$pid/maps")) {
        push @map, [hex $1, hex($2) - hex $1]
            if m{^([0-9a-f]+)-([0-9a-f]+) rw-s .*/memfd:fcgipm\b};
    }
    return @map;
}

my @EXTREME = map { pack 'L', $_ }
    0, 1, 0xffffffff, 0x7fffffff, 0x80000000, 0xffff, 0x10000, 0x10001,
    0xffff0000;

# One pass over what the child can write: all of it, or words here and there.
sub write_over {
    my ($mem, $n, @map) = @_;
    for my $map (@map) {
        my ($from, $size) = @$map;
        my $whole = $n % 8 == 0;
        for (1 .. ($whole ? 1 : 2000)) {
            my $word = rand() < 0.5 ? $EXTREME[rand @EXTREME]
                                    : pack 'L', int rand 2**32;
            my $at = $whole ? 0 : 4 * int rand(($size < 65536 ? $size : 65536)
                                               / 4);
            sysseek $mem, $from + $at, SEEK_SET or return;
            syswrite $mem, $whole ? $word x ($size / 4) : $word or return;
        }
    }
    return 1;
}

# Take children over, one after the other, until there is the file.
sub scribble {
    my ($stop) = @_;
    my $n = 0;
    while (!-e $stop) {
        my ($pid) = httpd_children() or next;
        my @map = writable($pid);
        sysopen my $mem, "/proc/$pid/mem", O_RDWR or next;
        # a child that ends is another's turn
        1 while write_over($mem, $n++, @map) && !-e $stop;
    }
    write_file("$stop.count", $n);
    return;
}

sub start_scribbling {
    my ($stop) = @_;
    my $pid = fork;
    die "fork: $!" if !defined $pid;
    if (!$pid) {
        scribble($stop);
        POSIX::_exit(0);
    }
    return $pid;
}

# --- what is looked at

sub named {
    my ($name) = @_;
    my $status = $httpd->status or return {};
    my ($pool) = grep { $_->{name} eq $name } @{ $status->{pools} };
    return $pool || {};
}

sub pids {
    my ($name) = @_;
    return join ' ', sort { $a <=> $b } map { $_->{pid} }
        grep { $_->{state} ne 'stopping' } @{ named($name)->{worker} || [] };
}

# While it goes on, such a child can say that it has as many requests as
# FcgiPMQueueLimit, in its row and in the words of all, as it can send them: who
# is refused for that asks again.
sub answered {
    my ($what, $again) = @_;
    my @bad;
    for my $path (map { ("/$_/?pid") x 10 } qw(app small)) {
        my $r = {};
        wait_for {
            $r = $httpd->get($path);
            !$again || ($r->{status} || 0) != 503
        } 10, 'an answer that is no 503';
        push @bad, "$path: " . ($r->{status} // '-')
            if ($r->{status} || 0) != 200;
    }
    is("@bad", '', "$what: requests are answered")
        or diag(grep { /\[client/ } split /^/, $httpd->log);
    return;
}

ok($httpd->start, 'httpd') or BAIL_OUT('no httpd');
is(scalar $httpd->workers(6), 6, 'workers');
is((ctl($httpd->control_socket, 'stop', 'stopped'))[0], 0, 'a pool is stopped');
ok(wait_for { pids('stopped') eq '' } 20, 'its workers are gone');
($parent, $manager) = ($httpd->pid, $httpd->manager);
ok(wait_for { httpd_children() == children($parent) - 1 } 20,
   'a child can write its row and what all write, nothing else');
is(scalar(grep { uid_of($_) == 0 && $_ != $manager } children($parent)), 0,
   'no child is root');

my $workers = pids('app');
my $stop = $httpd->dir . '/enough';
my $load = load_on($httpd, '/app/?pid', 4);
my $scribbler = start_scribbling($stop);
my ($until, $round) = (time + $SECONDS, 0);
do {
    my $name = 'round ' . ++$round;
    answered($name, 1);
    is($httpd->manager, $manager, "$name: the manager lives");
    is(pids('app'), $workers, "$name: with the same workers")
        if $round == 1;
    is(named('stopped')->{state}, 'stopped', "$name: what is stopped is");
    is(pids('stopped'), '', "$name: and has no worker");
    is_deeply([@{ named('app') }{qw(min max)}], [3, 3], "$name: its bounds");
    # as by sending requests
    for my $pool (qw(small lazy)) {
        cmp_ok(scalar(my @pid = split ' ', pids($pool)), '<=', 4,
               "$name: not more workers than allowed");
    }
    is((ctl($httpd->control_socket, 'reload', 'app', 'wait'))[0], 0,
       "$name: reload");
    my $victim;
    wait_for { ($victim) = httpd_children() } 20, 'a child';
    kill 'KILL', $victim;
    ok(wait_for { !alive($victim) } 10, "$name: a child dies");
    ok($httpd->graceful, "$name: graceful");
    is($httpd->pid, $parent, "$name: the parent lives");
    ok($httpd->alive, "$name: it does");
} while (time < $until);
write_file($stop, '');
waitpid $scribbler, 0;
my $done = $load->stop;
cmp_ok(slurp("$stop.count"), '>', 1, 'all was written over, again and again');
cmp_ok($done->{failed}, '<=', 4 * $round,
       'a child that dies costs its own requests')
    or diag explain $done;
cmp_ok($done->{ok}, '>', 20 * $round, 'the others are answered');

# --- afterwards
ok($httpd->graceful, 'a last graceful');
ok(wait_for { my $p = named('app');
              ($p->{in_flight} // 1) == 0 && ($p->{queue} // 1) == 0 } 30,
   'nothing is under way') or diag explain named('app');
answered('afterwards');
is($httpd->manager, $manager, 'the manager is the first one');
is(named('stopped')->{state}, 'stopped', 'the stopped pool still is');
is((ctl($httpd->control_socket, 'start', 'stopped'))[0], 0, 'and starts');
ok(wait_for { split(' ', pids('stopped')) == 2 } 20, 'with its two workers');
is(count_lines($httpd->error_log, 'exit signal (?!Killed)'), 0,
   'no child has crashed');
is($httpd->stop, 0, 'httpd stops well');
done_testing;
