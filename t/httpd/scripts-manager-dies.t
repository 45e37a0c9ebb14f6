#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# POSTs wait at the sockets of scripts, and the manager is killed: each is
# answered, once.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Select;
use IO::Socket::INET;
use Test::More;

my $POSTS = 12;

my $httpd = FCGIPM::Httpd->new(
    modules => ['mime'], head => "TypesConfig /dev/null\n");
my $docs = $httpd->dir . '/htdocs';
my $go = $httpd->dir . '/go';
my $begun = write_file($httpd->dir . '/begun', '', 0666);

# A worker that writes to a file what it begins, at any time.
sub install_here {
    my ($path, $tag) = @_;
    return write_script($path, 'exec ' . bin('worker')
                        . " --tag $tag 2>>$begun");
}

# Of these scripts, one always has its worker.
sub config {
    my (@line) = @_;
    return join '', map {
        scripts("$docs/$_", 'FcgiPMProcesses ' . ($_ eq 'one' ? '1' : '0 1'),
                "FcgiPMRequestsPerWorker $POSTS", 'FcgiPMIOTimeout 3min',
                @line)
    } qw(one zero);
}
mkdir "$docs/$_" or die for qw(one zero);
install_here("$docs/$_/s.fcgi", 'v1') for qw(one zero);
install_here("$docs/one/$_.fcgi", 'v1') for qw(changed deleted);
$httpd->write_config(config('FcgiPMIdleTimeout 1h'));

ok($httpd->start, 'httpd') or BAIL_OUT('no httpd');
my $parent = $httpd->pid;

sub tag { $httpd->get($_[0] . '?pid')->{body} =~ /tag=(\w+)/ ? $1 : '' }
sub pools { return @{ ($httpd->status || {})->{pools} || [] } }
sub generations { return join ' ', sort map { $_->{listen} } pools() }

my %managers;
sub manager {
    my $pid = $httpd->manager;
    $managers{$pid} = 1 if $pid;
    return $pid;
}

# --- what processes have open ------------------------------------------------

# Lines of /proc/net/unix, and the sockets of a process.
sub unix_sockets {
    my ($pattern) = @_;
    return grep { $_ =~ $pattern } split /\n/, slurp('/proc/net/unix');
}
sub sockets_of {
    my ($pid) = @_;
    return map { (readlink($_) // '') =~ /^socket:\[(\d+)\]/ ? $1 : () }
        glob "/proc/$pid/fd/*";
}

# Socket pairs that keep messages apart: the manager's channel, that to the
# keeper, and that to the spawner.
my $SPAWNER = $^O eq 'linux' ? 1 : 0;

sub packet_pairs {
    my ($pid) = @_;
    my %packet = map { ((split ' ')[6] => 1) }
        unix_sockets(qr/^\S+ \S+ \S+ \S+ 0005 /);
    return scalar grep { $packet{$_} } sockets_of($pid);
}

# Sockets that listen, whoever has them open: those that managers have made,
# under a name with their pid (pm_listen.h), but for the control socket.
sub script_sockets {
    my $made = join '|', keys %managers;
    my @all = unix_sockets(qr/ 00010000 0001 01 +\d+ \.(?:$made)$/);
    return @all - 1;
}
sub kept {
    my ($keeper) = grep { cmdline($_) eq 'fcgipm-keeper' } children($parent);
    return sockets_of($keeper) - 1;
}
sub script_files { return scalar(() = glob $httpd->run_dir . '/script-*') }

# --- clients -----------------------------------------------------------------

sub post {
    my ($path, $id) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $httpd->port)
        or die "connect: $!";
    print {$s} "POST $path?fd2=$id%0a&until=$go&cat HTTP/1.0\r\n",
        'Content-Length: ', length $id, "\r\n\r\n$id";
    return $s;
}

sub answer {
    my ($s) = @_;
    my $bytes = '';
    while (IO::Select->new($s)->can_read(60)) {
        sysread $s, $bytes, 65_536, length $bytes or last;
    }
    return $bytes;
}

sub begun { return count_lines($begun, $_[0]) }

sub next_manager {
    my ($former) = @_;
    return wait_for {
        my $pid = manager();
        $pid && $pid != $former ? $pid : 0
    } 60, 'another manager';
}

# --- POSTs that wait ---------------------------------------------------------

manager();
is(tag($_), 'v1', $_) for qw(/one/s.fcgi /zero/s.fcgi /one/changed.fcgi
    /one/deleted.fcgi);
is(script_sockets(), 4, 'four sockets');
my $same = generations();
my $fds = keys %{ fds($parent) };
is(packet_pairs($parent), 2, 'the parent has the store');
is(packet_pairs($httpd->manager), 2 + $SPAWNER, 'so has the manager');
my ($keeper) = grep { cmdline($_) eq 'fcgipm-keeper' } children($parent);
ok($keeper, 'there is a keeper');
is(kept(), 4, 'which has the sockets');
my $spawner = $httpd->spawner || 0;
my @others = grep { $_ != $httpd->manager && $_ != $keeper
                    && $_ != $spawner }
    children($httpd->manager), children($parent);
cmp_ok(scalar @others, '>', 3, 'there are workers, and children of httpd');
is_deeply([grep { packet_pairs($_) } @others], [], 'no other process has it');

sub listen_of {
    my ($dir) = @_;
    my ($pool) = grep { $_->{command} eq "$docs/$dir/s.fcgi" } pools();
    return $pool->{listen};
}

my %client;
for my $dir (qw(one zero)) {
    $client{"$dir$_"} = post("/$dir/s.fcgi", "$dir$_") for 1 .. $POSTS;
    ok(wait_for { begun("^$dir") == 1 } 20, "$dir: a POST is under way");
    ok((wait_for {
        my ($pool) = grep { $_->{listen} eq listen_of($dir) } pools();
        ($pool->{in_flight} || 0) == $POSTS
    } 20, 'the others at the socket'), 'the others wait at the socket');
}

# Some managers have not even come to their pools.
for my $round (1 .. 5) {
    my $manager = $httpd->manager;
    my $before = begun('^one');
    kill 'KILL', $manager;
    ok(next_manager($manager), "round $round: SIGKILL to the manager");
    next if $round % 2;
    ok(wait_for { begun('^one') > $before } 30,
       'a worker of the next one takes a POST that has waited');
}
write_file($go, '');
is((grep { answer($client{$_}) !~ m{\AHTTP/1.1 200 .*\r\n\r\n$_\z}s }
    sort keys %client), 0, 'each POST is answered with 200');
is_deeply([grep { begun("^$_\$") != 1 } sort keys %client], [],
          'no POST has run twice');

# --- afterwards --------------------------------------------------------------

ok(wait_for { pools() == 4 } 60, 'the manager has the pools');
is(generations(), $same, 'they are the same');
ok(wait_for { $fds >= keys %{ fds($parent) } } 20,
   'the parent has no descriptor more than before');
is(script_sockets(), 4, 'and no socket is left over');
is(kept(), 4, 'the keeper has them');

# While there is no manager the world goes on.
my $manager = $httpd->manager;
kill 'KILL', $manager;
install_here("$docs/one/changed.fcgi", 'v2');
unlink "$docs/one/deleted.fcgi" or die;
is(tag('/one/changed.fcgi'), 'v2', 'a script has changed meanwhile');
is($httpd->get('/one/deleted.fcgi')->{status}, 404, 'and one has gone');
install_here("$docs/one/new.fcgi", 'v3');
is(tag('/one/new.fcgi'), 'v3', 'a new one');
is(tag('/zero/s.fcgi'), 'v1', 'and an old one');
ok(next_manager($manager), 'all by the next manager');
is(scalar pools(), 4, 'which has four pools');
is(script_sockets(), 4, 'with four sockets');
is(script_files(), 4, 'and four files');

$manager = $httpd->manager;
kill 'TERM', $manager;
ok(next_manager($manager), 'SIGTERM to the manager');
is(tag('/one/new.fcgi'), 'v3', 'the script answers');
ok(wait_for { pools() == 4 } 60, 'the next one has the pools');

ok(kill('KILL', $keeper), 'SIGKILL to the keeper');
ok($httpd->graceful, 'graceful');
is(tag('/one/changed.fcgi'), 'v2', 'the script answers');
is(packet_pairs($parent), 2, 'the parent still has the store');
is(packet_pairs($httpd->manager), 2 + $SPAWNER, 'and so has the manager');
is(script_sockets(), 4, 'and the sockets');
ok(wait_for { kept() == 4 } 20, 'as has another keeper')
    or diag('kept ', kept(), ': ', join(' ', map { cmdline($_) }
                                        children($parent)), "\n", $httpd->log);
$httpd->write_config(config('FcgiPMIdleTimeout 100ms'));
ok($httpd->graceful, 'graceful, with pools that go soon');
ok(wait_for { script_sockets() == 0 } 60, 'unused ones go, with their sockets');
ok(wait_for { script_files() == 0 } 60, 'and files');
ok(wait_for { kept() == 0 } 20, 'the keeper has none');
is(tag('/zero/s.fcgi'), 'v1', 'one comes again');
kill 'KILL', $httpd->manager;
ends_well($httpd);
is(script_files(), 0, 'nor does any file');
done_testing;
