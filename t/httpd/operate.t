#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What an administrator does to the pools of a running httpd: where settings
# come from, stop, scale, and how long that holds; rolling reloads with good
# and bad releases, by fcgipmctl and by graceful, under load.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Load;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP;
use Test::More;

my $worker = bin('worker');
my $RELEASE = tmp_dir() . '/release';

sub release {
    my ($what, $name) = @_;
    $name = $RELEASE unless defined $name;
    return write_script($name, $what);
}

sub config {
    my (%with) = @_;
    return join '', "FcgiPMDieTimeout 2\nFcgiPMNice 1\n",
        pool('app', [$with{app} || $RELEASE], 'FcgiPMProcesses 3',
             'FcgiPMReload rolling', 'FcgiPMStartTimeout 5s',
             @{ $with{lines} || [] }),
        pool('other', [$worker], 'FcgiPMProcesses 2',
             'FcgiPMSetEnv A "one two"', 'FcgiPMSetEnv B 2'),
        pool('demand', [$^X, bin('raw.pl')], 'FcgiPMProcesses 0 1'),
        location('app'), location('other'), location('demand');
}

release("exec $worker");
my $httpd = FCGIPM::Httpd->new(config => config());
ok($httpd->start, 'httpd');
my $socket = $httpd->control_socket;
my $conf = $httpd->dir . '/httpd.conf';

sub named {
    my ($name) = @_;
    my ($pool) = grep { $_->{name} eq $name }
        @{ ($httpd->status || { pools => [] })->{pools} };
    return $pool || {};
}

sub pids {
    my ($name) = @_;
    my @pid = sort { $a <=> $b } map { $_->{pid} }
        grep { $_->{state} ne 'stopping' } @{ named($name)->{worker} || [] };
    return @pid;
}

sub line_number {
    my ($pattern) = @_;
    my $n = 0;
    for (split /\n/, slurp($conf)) {
        $n++;
        return $n if /$pattern/;
    }
    return 0;
}

# --- where settings come from
{
    my ($status, $said) = ctl($socket, '--json', 'config');
    is($status, 0, 'config: exit status 0');
    my $all = eval { decode_json($said) } || {};
    my %pool = map {
        ($_->{name} => { map { ($_->{name} => $_) } @{ $_->{settings} } })
    } @{ $all->{pools} || [] };
    my %global = map { ($_->{name} => $_) }
        @{ $all->{manager}{settings} || [] };
    my $at = sub { "$conf:" . line_number($_[0]) };
    is_deeply($pool{other}{FcgiPMProcesses},
              { name => 'FcgiPMProcesses', value => [['2']], from => 'pool',
                where => $at->('FcgiPMProcesses 2') }, 'of a pool');
    is_deeply($pool{app}{FcgiPMNice},
              { name => 'FcgiPMNice', value => [['1']], from => 'server',
                where => $at->('FcgiPMNice') }, 'of the server');
    is_deeply($global{FcgiPMDieTimeout},
              { name => 'FcgiPMDieTimeout', value => [['2s']],
                from => 'server', where => $at->('FcgiPMDieTimeout') },
              "the manager's");
    is($pool{app}{FcgiPMUmask}{from}, 'default', 'a default');
    is_deeply([map { $pool{app}{$_}{value}[0][0] }
               'FcgiPMUmask', 'FcgiPMListenMode', 'FcgiPMIdleTimeout'],
              ['0022', '0600', '1min'], 'values as they are written');
    is($pool{app}{FcgiPMListen}{from}, 'httpd', 'what follows httpd');
    is_deeply($pool{other}{FcgiPMSetEnv}{value}, [['A', 'one two'],
                                                  ['B', '2']], 'a list');
    is($pool{other}{FcgiPMSetEnv}{where},
       $at->('SetEnv A') . ', ' . $at->('SetEnv B'), 'and its lines');
    is_deeply($pool{app}{FcgiPMCommand}{value}, [[$RELEASE]], 'a command');
    ($status, $said) = ctl($socket, 'config', 'other');
    is($status, 0, 'for people');
    like($said, qr/^pool other$/m, 'the pool');
    like($said, qr/^  FcgiPMSetEnv +A "one two" +pool \Q$conf\E:\d+/m,
         'a setting, its value and where it stands');
    unlike($said, qr/^pool app$/m, 'not the others');
    is((ctl($socket, 'config', 'none'))[0], 1, 'no such pool');
}

# --- stop and scale, and how long that holds
like((ctl($socket, 'drain', 'other'))[1], qr/httpd is the front/,
     'drain is for fcgipm-run');
is((ctl($socket, 'stop', 'other'))[0], 0, 'stop');
is($httpd->get('/other/?pid')->{status}, 503, 'requests get 503');
is((ctl($socket, 'scale', 'app', 4))[0], 0, 'scale');
is(scalar(grep { defined } $httpd->workers(4)), 4, 'four workers of the one');
ok($httpd->graceful, 'a graceful');
my $reloads = $httpd->status->{manager}{reloads};
is(named('other')->{state}, 'stopped', 'what was stopped stays so');
is(named('app')->{max}, 4, 'what was scaled, too');
is($httpd->get('/other/?pid')->{status}, 503, 'requests get 503');
{
    my $manager = $httpd->manager;
    kill 'KILL', $manager;
    ok(wait_for { my $pid = $httpd->manager;
                  $pid && $pid != $manager && $httpd->status } 20,
       'another manager');
    ok(wait_for { (named('app')->{idle} || 0) == 4 } 20, 'has four workers');
    is(named('other')->{state}, 'stopped', 'and one pool that is stopped');
}
my @old = pids('app');
$httpd->write_config(config(lines => ['FcgiPMSetEnv C 3']));
my $wait = IO::Socket::UNIX->new(Peer => $socket);
ok($httpd->graceful, 'another definition');
ok(wait_for { named('app')->{max} == 3 } 10, 'ends the scale');
my $text = '';
print {$wait} "ping\n";
ok(defined($text = readline $wait) && $text =~ /^ok/,
   'who was connected to the control socket is so still');
is((ctl($socket, 'start', 'other'))[0], 0, 'start');
ok(wait_for { (named('other')->{idle} || 0) == 2 } 20, 'workers start');
is($httpd->get('/other/?pid')->{status}, 200, 'and serve');
ok(wait_for { my $app = named('app');
              $app->{idle} == 3 && !$app->{stopping} } 20,
   'three workers of the other');

# --- stop, while some have a worker and others wait for one
sub ask_later {
    my ($path) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $httpd->port)
        or die "connect: $!";
    print {$s} "GET $path HTTP/1.0\r\n\r\n";
    $s->flush;
    return $s;
}

sub status_of {
    my ($s) = @_;
    local $SIG{ALRM} = sub { die "late\n" };
    alarm 20;
    my $line = eval { readline $s } || '';
    alarm 0;
    return $line =~ m{^HTTP/1\.\d (\d+)} ? $1 : "no answer: $line";
}

{
    my $go = tmp_dir() . '/go';
    my @asked = map { ask_later("/demand/?until=$go&ok") } 1 .. 4;
    ok(wait_for { my $p = named('demand');
                  ($p->{busy} || 0) == 1 && ($p->{queue} || 0) == 3 } 20,
       'on demand: one has the worker, three wait');
    is((ctl($socket, 'stop', 'demand'))[0], 0, 'stop');
    wait_for { (named('demand')->{in_flight} || 0) <= 1 } 10,
        'those that wait to be sent away';
    write_file($go, '', 0644);
    is_deeply([sort map { status_of($_) } @asked], [200, 503, 503, 503],
              'it is answered, those that wait get 503');
    is($httpd->get('/demand/?ok')->{status}, 503, 'so does who comes');
    ok(wait_for { !@{ named('demand')->{worker} } } 10, 'no worker is left');
    is((ctl($socket, 'start', 'demand'))[0], 0, 'start');
    ok(wait_for { named('demand')->{state} eq 'running' } 20, 'it runs');
    is($httpd->get('/demand/?ok')->{status}, 200, 'and serves');
    is((ctl($socket, 'scale', 'demand', 0, 3))[0], 0, 'scale');
    unlink $go;
    @asked = map { ask_later("/demand/?until=$go&ok") } 1 .. 3;
    ok(wait_for { (named('demand')->{busy} || 0) == 3 } 20,
       'three have a worker each');
    write_file($go, '', 0644);
    is_deeply([map { status_of($_) } @asked], [200, 200, 200],
              'all are answered');
}

# --- releases under load
my $load = load_on($httpd, '/app/?sleep=20&pid', 6);
ok($load->flows(30), 'requests flow');
my $bad = "$RELEASE.bad";
for my $case (['exits at once', "echo broken >&2\nexit 3",
               qr/died at birth: exit status 3/],
              ['exits later', "echo broken >&2\nsleep 1.2\nexit 4",
               qr/died at birth: exit status 4/],
              ['is never ready', "echo broken >&2\nexec sleep 1000",
               qr/FcgiPMStartTimeout/]) {
    my ($name, $what, $why) = @$case;
    @old = pids('app');
    release($what);
    my ($status, $said) = ctl($socket, 'reload', 'app', '--wait');
    is($status, 1, "fcgipmctl: a release that $name: exit status 1");
    like($said, $why, 'the reason');
    like($said, qr/^worker \d+ broken$/m, 'its last words');
    ok($load->flows(30), 'requests flow');
    is_deeply([pids('app')], \@old, 'the old workers are there');

    release("exec $worker");
    release($what, $bad);
    my $ends = count_lines($httpd->error_log, 'rolling reload ends');
    $httpd->write_config(config(app => $bad, lines => ['FcgiPMSetEnv C 3']));
    ok($httpd->graceful, "graceful: a command that $name");
    ok(wait_for {
        count_lines($httpd->error_log, 'rolling reload ends') > $ends
    } 20, 'ends the reload');
    ok($load->flows(30), 'requests flow');
    is_deeply([pids('app')], \@old, 'the old workers are there');
    ok(wait_for { !(named('app')->{starting} || 0) } 10, 'nobody is tried');
    like(named('app')->{last_error}, $why, 'the status says why');

    $httpd->write_config(config(lines => ['FcgiPMSetEnv C 3']));
    ok($httpd->graceful, 'graceful: a good command');
    ok(wait_for { my %now = map { $_ => 1 } pids('app');
                  keys %now == 3 && !grep { $now{$_} } @old } 30,
       'all are replaced');
    ok($load->flows(30), 'requests flow');
    @old = pids('app');
    ($status, $said) = ctl($socket, 'reload', '--wait');
    is($status, 0, 'fcgipmctl: a good release: exit status 0');
    ok(!(grep { alive($_) } @old), 'all were replaced');
}
my $sum = $load->stop;
cmp_ok($sum->{ok}, '>', 200, "$sum->{ok} requests");
is($sum->{failed}, 0, 'not one was lost') or diag($load->explain);

# --- an old worker dies after a release that does not start
@old = pids('app');
release('exit 3', $bad);
$httpd->write_config(config(app => $bad, lines => ['FcgiPMSetEnv C 3']));
my $ends = count_lines($httpd->error_log, 'rolling reload ends');
ok($httpd->graceful, 'graceful: a bad command');
ok(wait_for {
    count_lines($httpd->error_log, 'rolling reload ends') > $ends
} 20, 'ends the reload');
kill 'KILL', @old[0, 1];
ok(wait_for { my %now = map { $_ => 1 } pids('app');
              named('app')->{idle} == 3 && !$now{ $old[0] } } 20,
   'two old workers die: others of the former definition come');
is($httpd->get('/app/?pid')->{status}, 200, 'and serve') for 1 .. 6;
@old = pids('app');
is((ctl($socket, 'reload', 'app', '--wait'))[0], 1,
   'a reload tries the new one again');
is_deeply([pids('app')], \@old, 'in vain');
kill 'KILL', $old[0];
ok(wait_for { my @now = pids('app');
              @now == 3 && $now[0] != $old[0] && named('app')->{idle} == 3
   } 20, 'as before');
release("exec $worker", $bad);
is((ctl($socket, 'reload', 'app', '--wait'))[0], 0, 'a good release');
is(cmdline((pids('app'))[0]), $worker, 'is in force');

ends_well($httpd);
done_testing;
