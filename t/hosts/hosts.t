#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Several application hosts behind httpd's mod_proxy_balancer, and behind
# HAProxy, as docs/admin/many-hosts.md has it: each host is a network namespace
# with an fcgipm-run, and clients send GET and POST all the time.  A host is
# drained, rolled to a release that works and to one that does not, added,
# removed; its processes are killed, its cable is pulled, its packets are lost.
#
# The front is this process's own namespace.  make -f Makefile.apxs check-hosts
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::HTTP;
use FCGIPM::Httpd;
use FCGIPM::Load;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(time);

# --- namespaces
my ($unshare, $nsenter, $ip) = map { have($_) } qw(unshare nsenter ip);
plan skip_all => 'network namespaces: root only' if $>;
plan skip_all => 'unshare(1), nsenter(1) and ip(8) are needed'
    unless $unshare && $nsenter && $ip;
if (!$ENV{FCGIPM_HOSTS}) {
    system("$unshare --net $ip link set lo up 2>/dev/null") == 0
        or plan skip_all => 'no network namespace can be made here';
    $ENV{FCGIPM_HOSTS} = 1;
    exec $unshare, '--net', $^X, $0;
}

my $test = $$;
sub run { system(@_) == 0 or die "@_: exit status $?\n" }
sub ns { return "fcgipm-$test-h$_[0]" }
END {
    if ($test && $$ == $test) {
        my $status = $?;
        system("$ip netns del " . ns($_) . ' 2>/dev/null') for 1 .. 3;
        $? = $status;
    }
}
run($ip, 'link', 'set', 'lo', 'up');
for my $n (1 .. 3) {
    my $ns = ns($n);
    system("$ip netns add $ns 2>/dev/null") == 0
        && system("$ip link add f$n type veth peer name eth0 netns $ns") == 0
        or plan skip_all => 'no network namespace, or no veth, can be made';
    run($ip, 'addr', 'add', "10.99.$n.1/24", 'dev', "f$n");
    run($ip, 'link', 'set', "f$n", 'up');
    run($ip, '-n', $ns, 'addr', 'add', "10.99.$n.2/24", 'dev', 'eth0');
    run($ip, '-n', $ns, 'link', 'set', 'eth0', 'up');
}

# --- releases: each request is written down before it is answered
my $dir = tmp_dir();
my $user = defined worker_user() ? 'FcgiPMUser ' . worker_user() : '';
write_file("$dir/done", '', 0666);

sub release {
    my ($n, $number, $begin) = @_;
    my $at = "$dir/h$n/$number";
    mkdir "$dir/h$n";
    mkdir $at or die "$at: $!";
    write_file("$at/app.pl", <<"END", 0755);
#!$^X
use strict; use warnings; use FCGI; use Fcntl;
$begin
my \$request = FCGI::Request();
while (\$request->Accept >= 0) {
    read STDIN, my \$body, \$ENV{CONTENT_LENGTH} || 0;
    sysopen my \$done, '$dir/done', O_WRONLY | O_APPEND or die;
    syswrite \$done, "h$n \$ENV{REQUEST_METHOD} \$ENV{QUERY_STRING}\\n";
    select undef, undef, undef, 0.03;
    print "Content-Type: text/plain\\r\\n\\r\\nh$n $number ", length \$body, "\\n";
}
END
    return;
}
sub link_release {
    my ($n, $number) = @_;
    symlink $number, "$dir/h$n/new" or die "symlink: $!";
    rename "$dir/h$n/new", "$dir/h$n/current" or die "rename: $!";
    return;
}

my %host;
sub start_host {
    my ($n) = @_;
    my $file = write_file("$dir/h$n.conf", <<"END");
FcgiPMRuntimeDir $dir/h$n/run
FcgiPMDieTimeout 20s
FcgiPMDrainGrace 1s
$user
<FcgiPMPool app>
    FcgiPMCommand $dir/h$n/current/app.pl
    FcgiPMProcesses 4
    FcgiPMReload rolling
    FcgiPMListen 10.99.$n.2:9000
    FcgiPMListenClients 10.99.$n.1
</FcgiPMPool>
END
    mkdir "$dir/h$n/run";
    $host{$n} = FCGIPM::Run->new(
        config => $file, dir => "$dir/h$n/run", control => 1,
        options => ['--metrics', "10.99.$n.2:9090"],
        wrap => [$nsenter, '--net=/run/netns/' . ns($n)]);
    return scalar $host{$n}->workers(4);
}
for my $n (1 .. 3) {
    release($n, 1, '');
    release($n, 2, '');
    release($n, 3, 'die "no such table\n";');
    symlink 1, "$dir/h$n/current";
}

# --- httpd in front: what is not safe to repeat goes to a balancer that tries
# one host only, and hears of a drain before it begins
package Front::Httpd {
    use parent -norequire, 'FCGIPM::Httpd';
    use FCGIPM::HTTP;
    sub config {
        my (@n) = @_;
        my $check = 'connectiontimeout=1 timeout=4 retry=2 hcmethod=TCP '
            . 'hcinterval=1 hcpasses=1 hcfails=1';
        my $members = sub {
            my ($more) = @_;
            join '', map {
                "BalancerMember fcgi://10.99.$_.2:9000 $check $more\n"
            } @n
        };
        return "<Proxy balancer://app>\n" . $members->('')
            . "ProxySet nonce=test\n</Proxy>\n"
            . "<Proxy balancer://once>\n" . $members->('status=+I')
            . "ProxySet nonce=test\n</Proxy>\n"
            . "RewriteEngine On\n"
            . "RewriteCond %{REQUEST_METHOD} !^(GET|HEAD|OPTIONS)\$\n"
            . "RewriteRule ^/app/ balancer://once%{REQUEST_URI} [P]\n"
            . "ProxyPass /app/ balancer://app/app/\n"
            . "<Location /balancer-manager>\nSetHandler balancer-manager\n"
            . "</Location>\n";
    }
    sub new {
        my ($class, @n) = @_;
        return $class->SUPER::new(
            fcgipm => 0, config => config(@n),
            modules => [qw(proxy proxy_fcgi proxy_balancer proxy_hcheck watchdog
                           lbmethod_byrequests slotmem_shm rewrite)]);
    }
    # N: no new requests; those that have begun end
    sub leave {
        my ($self, $n, $on) = @_;
        my $page = 'http://localhost:' . $self->port . '/balancer-manager';
        for my $balancer (qw(app once)) {
            my $r = http($self->port, '/balancer-manager', header =>
                         ["Referer: $page",
                          'Content-Type: application/x-www-form-urlencoded'],
                         body => "b=$balancer&w=fcgi://10.99.$n.2:9000&"
                             . "w_status_N=$on&nonce=test");
            return unless $r->{status} == 200;
        }
        return 1;
    }
    sub back { my ($self, $n) = @_; return $self->leave($n, 0) }
    sub drains { my ($self, $n) = @_; return $self->leave($n, 1) }
    sub serve {
        my ($self, @n) = @_;
        $self->write_config(config(@n));
        return $self->graceful;
    }
    sub repeats { 0 }
}

# --- HAProxy in front: asks for /ready itself
package Front::HAProxy {
    use FCGIPM::Test qw(free_port have tmp_dir wait_for write_file);
    use IO::Socket::UNIX;
    sub new {
        my ($class, @n) = @_;
        my $dir = tmp_dir();
        my $self = bless { dir => $dir, port => free_port() }, $class;
        write_file("$dir/haproxy.cfg", <<"END" . join '', map {
global
    stats socket $dir/admin.sock level admin
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 4s
frontend web
    bind 127.0.0.1:$self->{port}
    default_backend app
fcgi-app app
    docroot /srv
    no option keep-conn
backend app
    use-fcgi-app app
    option httpchk GET /ready
    option redispatch 1
    retries 3
    retry-on conn-failure
    default-server check port 9090 inter 300 fall 1 rise 1
END
            my $n = $_;
            "    server h$n 10.99.$n.2:9000 proto fcgi"
                . ((grep { $_ == $n } @n) ? "\n" : " disabled\n")
        } 1 .. 3);
        return $self;
    }
    sub port { $_[0]{port} }
    sub log { FCGIPM::Test::slurp("$_[0]{dir}/log") }
    sub start {
        my ($self) = @_;
        $self->{proc} = FCGIPM::Test::start(
            cmd => [have('haproxy'), '-db', '-f', "$self->{dir}/haproxy.cfg"],
            out => "$self->{dir}/log", err => "$self->{dir}/log");
        return wait_for { -S "$self->{dir}/admin.sock" } 20, 'HAProxy';
    }
    sub set {
        my ($self, $n, $state) = @_;
        my $s = IO::Socket::UNIX->new(Peer => "$self->{dir}/admin.sock")
            or return;
        syswrite $s, "set server app/h$n state $state\n";
        local $/;
        return (<$s> || '') =~ /^\s*$/;
    }
    sub back { 1 }
    sub drains { 1 }
    sub serve {
        my ($self, @n) = @_;
        my %is = map { $_ => 1 } @n;
        return !grep { !$self->set($_, $is{$_} ? 'ready' : 'maint') } 1 .. 3;
    }
    sub repeats { 1 }
    sub stop {
        my ($self) = @_;
        $self->{proc}->signal('TERM');
        return $self->{proc}->wait(20) eq 'SIG15' ? 0 : 1;
    }
}

package main;
# --- clients
my $CLIENTS = 12;
my %counter;
my ($load, $front);
sub begin {
    $load = FCGIPM::Load->new(clients => $CLIENTS, request => sub {
        my ($i) = @_;
        my $id = "$test.$i." . time . '.' . ++$counter{$i};
        my $post = $counter{$i} % 2;
        my $r = http($front->port, "/app/?$id", timeout => 30,
                     $post ? (body => 'x' x 3000) : ());
        return if $r->{status} == 200 && !$r->{error}
            && $r->{body} =~ /^h\d \d @{[$post ? 3000 : 0]}$/;
        return ($post ? 'POST' : 'GET') . " $id "
            . ($r->{error} || $r->{status});
    });
    return $load->flows(3 * $CLIENTS) || die "no requests\n";
}

my @figures;
# @param most  requests that may be lost
# @param bound seconds that a lost one may take
sub finish {
    my ($what, $most, $bound) = @_;
    ok($load->flows(3 * $CLIENTS), "$what: it goes on");
    my $sum = $load->stop;
    my @took = map { (split)[1] } split /\n/, $load->explain;
    my %begun;
    $begun{ (split)[2] }++ for grep { / POST / } split /\n/, slurp("$dir/done");
    my @twice = grep { $begun{$_} > 1 } keys %begun;
    # a POST that was sent to no other host, and was not begun, is not lost
    my $refused = $front->repeats || !$most ? 0
        : grep { my ($post, $id) = split; $post eq 'POST' && !$begun{$id} }
          keys %{ $sum->{why} };
    my $lost = $sum->{failed} - $refused;
    cmp_ok($lost, '<=', $most, "$what: $lost lost, $refused refused, of "
           . ($sum->{ok} + $sum->{failed}))
        or diag join "\n", sort(keys %{ $sum->{why} }), $front->log;
    is(scalar @twice, 0, 'no POST is carried out twice') or diag "@twice";
    my ($longest) = sort { $b <=> $a } @took, 0;
    cmp_ok($longest, '<=', $bound, "the longest took $longest s") if $most;
    push @figures, sprintf '%-32s %6d %5d %7d %7.1f s', $what, $sum->{ok},
        $lost, $refused, $longest;
    return;
}

# Requests that this host has begun since it was asked last.
my %seen;
sub serves {
    my ($n) = @_;
    my $now = () = slurp("$dir/done") =~ /^h$n /mg;
    my $more = $now - ($seen{$n} || 0);
    $seen{$n} = $now;
    return $more;
}
sub is_served_by {
    my ($n) = @_;
    serves($n);
    return wait_for { serves($n) } 30, "requests at host $n";
}

sub scenes {
    my ($name) = @_;
    # --- planned
    ok(begin(), 'requests');
    ok(is_served_by($_), "host $_ serves") for 1 .. 2;
    ok($front->drains(1), 'the front knows');
    is((ctl($host{1}->control_socket, 'drain'))[0], 0, 'drain');
    is($host{1}->wait(30), 0, 'host 1 ends with 0');
    ok(is_served_by(2), 'host 2 serves');
    ok(start_host(1) && $front->back(1) && is_served_by(1), 'host 1 is back');
    finish('drained and started', 0);

    begin();
    for my $n (1, 2) {
        link_release($n, 2);
        is((ctl($host{$n}->control_socket, 'reload', '--wait'))[0], 0,
           "host $n: another release");
    }
    like(http($front->port, '/app/?x')->{body}, qr/^h\d 2 /, 'serves');
    finish('rolled to a release', 0);

    begin();
    link_release(1, 3);
    my ($status, $said) = ctl($host{1}->control_socket, 'reload', '--wait');
    is($status, 1, 'a release that cannot start: fcgipmctl fails');
    like($said, qr/no such table/, 'and says why');
    link_release(1, 2);
    ok(is_served_by(1), 'the former one serves');
    is((ctl($host{1}->control_socket, 'reload', '--wait'))[0], 0,
       'and is set again');
    finish('rolled to one that fails', 0);

    begin();
    ok(start_host(3), 'host 3');
    ok($front->serve(1, 2, 3) && is_served_by(3), 'host 3 is added');
    finish('added', 0);

    begin();
    ok($front->serve(1, 2), 'the front without it');
    is((ctl($host{3}->control_socket, 'drain'))[0], 0, 'drain');
    is($host{3}->wait(30), 0, 'it ends with 0');
    finish('removed', 0);

    # --- not planned: what was under way there is lost
    begin();
    kill 'KILL', $host{1}->pid, descendants($host{1}->pid);
    ok(is_served_by(2), 'killed: host 2 serves');
    finish('killed', $CLIENTS, 6);
    ok(start_host(1) && begin() && is_served_by(1), 'host 1 is back');

    run($ip, '-n', ns(1), 'link', 'set', 'eth0', 'down');
    ok(is_served_by(2), 'cable pulled: host 2 serves');
    finish('cable pulled', $CLIENTS, 6);
    run($ip, '-n', ns(1), 'link', 'set', 'eth0', 'up');
    ok(begin() && is_served_by(1), 'host 1 is back');

    run($ip, 'neigh', 'replace', '10.99.1.2', 'lladdr', '02:00:00:00:00:99', 'dev',
        'f1', 'nud', 'permanent');
    ok(is_served_by(2), 'packets lost: host 2 serves');
    finish('packets lost', $CLIENTS, 6);
    run($ip, 'neigh', 'del', '10.99.1.2', 'dev', 'f1');
    ok(begin() && is_served_by(1), 'host 1 is back');
    finish('after all that', 0);

    $_->signal('TERM') for @host{1, 2};
    # a worker of host 1 can have a request whose end was lost with the packets
    like($host{1}->wait(60), qr/^[01]$/, 'host 1 ends');
    is($host{2}->wait(30), 0, 'host 2 ends with 0');
    is($front->stop, 0, 'exit status of the front');
    diag join "\n", sprintf('%-32s %6s %5s %7s %9s', $name, 'served', 'lost',
                            'refused', 'longest'), @figures;
}

# --- what happens
for my $class (qw(Front::Httpd Front::HAProxy)) {
  SKIP: {
    my ($name) = $class =~ /(\w+)$/;
    skip 'HAProxy is not installed', 1
        if $name eq 'HAProxy' && !have('haproxy');
    @figures = ();
    link_release($_, 1) for 1 .. 3;
    $front = $class->new(1, 2);
    ok(start_host($_), "$name, host $_") for 1 .. 2;
    ok($front->start, 'the front');
    scenes($name);
  }
}

done_testing;
