#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The manager is killed under load: no request is lost, another one comes.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Load;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);

sub manager_dies {
    my ($mpm) = @_;
    my $httpd = FCGIPM::Httpd->new(
        mpm => $mpm,
        config => pool('app', 'worker', 'FcgiPMProcesses 8')
            . location('app'));
    ok($httpd->start, "MPM $mpm") or return;
    my @old = $httpd->workers(8);
    my $load = load_on($httpd, '/app/?sleep=30&pid', 6);
    my $long = FCGIPM::Load->new(clients => 1, request => sub {
        my $r = $httpd->get('/app/?fd2=long%0a&sleep=1000&pid');
        return $r->{error} || ($r->{status} == 200 ? undef : $r->{status});
    });
    ok($load->flows(40), 'requests flow');
    for my $round (1, 2) {
        my $manager = $httpd->manager;
        my $before = count_lines($httpd->error_log, ': long$');
        wait_for { count_lines($httpd->error_log, ': long$') > $before } 10,
            'a long request to begin';
        my $begin = time;
        kill 'KILL', $manager;
        my $new = wait_for {
            my $pid = $httpd->manager;
            $pid && $pid != $manager ? $pid : 0
        } 20, 'another manager';
        my $took = time - $begin;
        ok($new, "round $round: SIGKILL to the manager: there is a new one");
        diag(sprintf '%s: new manager after %.3f s', $mpm, $took);
        is_soon($took, 2, 'within 2 s') if $round == 1;
        is(scalar $httpd->workers(8), 8, 'with all its workers');
        ok(wait_for { !grep { alive($_) } @old } 15,
           'the workers of before leave');
        ok($httpd->alive, 'httpd is the same');
        ok($load->flows(20), 'requests flow');
        @old = $httpd->workers(8);
        wait_for { !grep { age($_) < 1.2 } @old } 20, 'settled workers';
    }
    my $status = $httpd->status;
    is($status->{manager}{restarts}, 2, 'two restarts are counted');
    ok($httpd->graceful, 'a graceful');
    is(scalar $httpd->renewed(@old), 8, 'reaches the new manager');
    for ($load, $long) {
        my $sum = $_->stop;
        cmp_ok($sum->{ok}, '>', 0, "$sum->{ok} requests");
        is($sum->{failed}, 0, 'none was lost or refused')
            or diag($_->explain);
    }
    ends_well($httpd);
    return;
}

# The first ones that die in a row are replaced at once, the next one after a
# delay; so is one that dies after a graceful.
sub managers_die {
    my $httpd = FCGIPM::Httpd->new(
        config => pool('app', 'worker', 'FcgiPMProcesses 2')
            . location('app'));
    ok($httpd->start, 'managers that die one after the other') or return;
    my $manager = $httpd->manager;
    my $another = sub {
        kill 'KILL', $manager;
        my $new = wait_for {
            my $pid = $httpd->manager;
            $pid && $pid != $manager ? $pid : 0
        } 20, 'another manager';
        $manager = $new if $new;
        return $new;
    };
    my $delays = sub {
        return count_lines($httpd->error_log, qr/next manager is started in/);
    };
    for my $n (1 .. 3) {
        ok($another->(), "another one after $n");
        is($delays->(), 0, 'at once');
    }
    # On a busy machine one may have lived for long enough not to count.
    ok(wait_for { $another->() && $delays->() } 60, 'then after a delay');
    ok($httpd->pid_at('/app/'), 'the pool serves');
    ok($httpd->graceful, 'a graceful');
    ok($another->(), 'another one after that');
    ok($httpd->pid_at('/app/'), 'the pool serves');
    ends_well($httpd);
    return;
}

sub new_manager {
    my ($httpd, $former) = @_;
    return wait_for {
        my $pid = $httpd->manager;
        $pid && $pid != $former ? $pid : 0
    } 20, 'another manager';
}

# A client with a request under way; that to `plain` takes 4 s, others never end.
sub begin {
    my ($httpd, $pool) = @_;
    my $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => $httpd->port)
        or die "connect: $!";
    my $what = $pool eq 'plain' ? 'sleep=4000&pid' : 'hang';
    print {$client} "GET /$pool/?fd2=under+way+in+$pool%0a&$what HTTP/1.0\r\n",
        "\r\n";
    ok(wait_for { $httpd->log =~ /under way in $pool/ } 10,
       "a request under way in $pool");
    return $client;
}

# Workers that ignore SIGTERM do not outlive their manager for longer than the
# die timeout: those without a request, and those that nobody waits for.  A
# request that takes longer is answered.
sub stuck {
    my $httpd = FCGIPM::Httpd->new(
        config => "FcgiPMDieTimeout 1\n"
            . pool('idle', [bin('worker'), '--ignore-term'],
                   'FcgiPMProcesses 2')
            . location('idle')
            . pool('busy', [bin('worker'), '--ignore-term'])
            . location('busy')
            . pool('drain', [bin('worker'), '--ignore-term'],
                   'FcgiPMDrainTimeout 1500ms')
            . location('drain')
            . pool('plain', 'worker') . location('plain'));
    ok($httpd->start, 'workers that ignore SIGTERM') or return;
    my ($busy, $drain) = map { $httpd->pid_at("/$_/") } qw(busy drain);
    my $plain = $httpd->pid_at('/plain/');
    my %client = map { ($_ => begin($httpd, $_)) } qw(busy drain plain);
    my @idle = map { $_->{pid} } @{ $httpd->pool_status('idle')->{worker} };
    my $manager = $httpd->manager;
    kill 'KILL', $manager;
    ok(new_manager($httpd, $manager), 'SIGKILL to the manager');
    ok(wait_for { !grep { alive($_) } @idle } 20,
       'workers without a request: killed after the die timeout');
    ok(wait_for { !alive($drain) } 20, 'one with a request: after DrainTimeout');
    ok(alive($busy), 'not without that');
    close $client{busy};
    ok(wait_for { !alive($busy) } 20, 'but when its client has left');
    like(join('', readline $client{plain}), qr/^pid=$plain /m,
         'a request that takes longer is answered');
    like($httpd->log, qr/manager \(pid $manager\) has died; worker $drain, /,
         'the log says so');
    ends_well($httpd);
    return;
}

# Nobody is left to be told, but one.
sub all_die {
    my $httpd = FCGIPM::Httpd->new(
        config => "FcgiPMDieTimeout 1\n"
            . pool('app', [bin('worker'), '--ignore-term'], 'FcgiPMProcesses 2')
            . location('app'));
    ok($httpd->start, 'httpd and the manager are killed') or return;
    my @worker = $httpd->workers(2);
    my $client = begin($httpd, 'app');
    my $survivor = $httpd->survivor;
    kill 'KILL', $httpd->pid, $httpd->manager;
    ok(wait_for { !grep { alive($_) } @worker } 20,
       'the workers are gone after the die timeout');
    ok(wait_for { !alive($survivor) } 20, 'and the process that has ended them');
    kill_tree(descendants());    # httpd's children
    return;
}

manager_dies($_) for FCGIPM::Httpd->mpms;
managers_die();
stuck();
all_die();
done_testing;
