#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# FcgiPMListenClients: a TCP pool serves those that are listed, and closes the
# connections of all others at once, in every way in which a program can wait
# for requests; the manager counts them and the log names them, not each one.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(connect_to request);
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;

my $STRANGER = '127.0.0.2';

sub runs {
    my ($listen, $clients, @command) = @_;
    return FCGIPM::Run->new(
        control => 1, processes => 1, listen => $listen, command => \@command,
        options => ['--listen-clients', $clients, '--die-timeout', '10']);
}

sub refused {
    my ($address, $from) = @_;
    my $r = request($address, from => $from, timeout => 10);
    return ($r->{error} || '') =~ /^(?:closed|read|write)/
        && $r->{stdout} eq '';
}

my @WAY = (
    ['libfcgi', bin('worker')],
    map({ ["ways $_", bin('ways'), split ' '] }
        '--wait poll', '--wait select', '--wait epoll',
        '--loop --wait epoll --copy', '--loop --wait poll', '--threads 3',
        '--threads 3 --lock --wait poll', '--dispatch 3 --wait epoll',
        '--handler sigaction --wait poll', '--seccomp'),
    map({ ["python $_", bin('plain.py'), split ' '] }
        '', 'threads', 'asyncio', 'selectors', 'lock'),
    ['Perl, forked by the worker', bin('perl-procmanager.pl'), 2],
    have('php-cgi') ? ['php-cgi', have('php-cgi')] : (),
    have('node') ? ['Node', bin('plain.js')] : (),
);
for (@WAY) {
    my ($name, @command) = @$_;
    my $address = '127.0.0.1:' . free_port();
    my $run = runs($address, '127.0.0.1 192.0.2.0/24', @command);
    $run->workers(1);
    my %params = (SCRIPT_FILENAME => bin('hello.php'), REDIRECT_STATUS => 200);
    is(scalar grep({ refused($address, $STRANGER) } 1 .. 20), 20,
       "$name: 20 connections of a stranger are closed");
    is(scalar grep({ request($address, params => \%params)->{body} =~ /pid=/ }
                   1 .. 20), 20, "$name: 20 requests of a client are answered");
    my $idle = connect_to($address, $STRANGER);
    $run->signal('TERM');
    is($run->wait(20), 0, "$name: it ends as it should") or diag($run->log);
    my @line = $run->log =~ /^(.*\Qrefused a connection from $STRANGER,\E.*)$/mg;
    cmp_ok(scalar @line, '>=', 1, "$name: the log names the stranger");
    cmp_ok(scalar @line, '<=', 4, 'not each time');
}

# --- counted, also of workers that have gone
{
    my $address = '127.0.0.1:' . free_port();
    my $run = runs($address, '127.0.0.1', bin('worker'));
    my ($old) = $run->workers(1);
    refused($address, $STRANGER) for 1 .. 7;
    $run->counts('default', strangers => 7, requests => 0);
    $run->signal('HUP');
    my ($new) = $run->renewed($old);
    $run->counts('default', strangers => 7, workers => 1);
    refused($address, $STRANGER) for 1 .. 3;
    $run->counts('default', strangers => 10);
    ok(!exists proc_env($new)->{FCGIPM_CLIENTS}, 'the list is not seen');
}

# --- whatever executes the worker
{
    my $address = '127.0.0.1:' . free_port();
    my $run = runs($address, '127.0.0.1', 'env', '-i', bin('worker'));
    $run->workers(1);
    refused($address, $STRANGER) for 1 .. 2;
    $run->counts('default', strangers => 2);
}

# --- which addresses are meant
sub takes {
    my ($name, $listen, $clients, %want) = @_;
    my $port = free_port();
    my $run = runs("$listen:$port", $clients, bin('worker'));
    $run->workers(1);
    for my $from (sort keys %want) {
        my $to = $from =~ /:/ ? "[::1]:$port" : "127.0.0.1:$port";
        my $good = request($to, from => $from, timeout => 10)->{body} =~ /pid=/;
        is($good ? 1 : 0, $want{$from}, "$name: $from");
    }
}
takes('a prefix', '127.0.0.1', '127.0.0.0/30',
      '127.0.0.1' => 1, '127.0.0.2' => 1, '127.0.0.4' => 0,
      '127.0.1.1' => 0);
takes('any', '0.0.0.0', 'any', '127.0.0.1' => 1, '127.0.0.2' => 1);
takes('all addresses', '0.0.0.0', '127.0.0.2 ::1',
      '127.0.0.2' => 1, '127.0.0.1' => 0);
SKIP: {
    skip 'no IPv6 here', 10
        unless IO::Socket::IP->new(LocalAddr => '::1', Listen => 1);
    takes('IPv6', '[::1]', '::1', '::1' => 1);
    takes('another of IPv6', '[::1]', 'fe80::/10', '::1' => 0);
    takes('IPv4 at a socket of IPv6', '[::]', '127.0.0.0/31',
          '127.0.0.1' => 1, '127.0.0.2' => 0, '::1' => 0);
    takes('IPv4 as IPv6 writes it', '[::]', '::ffff:127.0.0.2/128 ::/64',
          '127.0.0.1' => 0, '127.0.0.2' => 1, '::1' => 1);
}

# --- refused at once where nothing would judge
sub not_run {
    my ($name, $said, $listen, @options) = @_;
    my $run = FCGIPM::Run->new(listen => $listen, options => \@options,
                               command => [bin('worker')]);
    is($run->wait(10), 2, "$name: it does not run");
    like($run->log, $said, 'and says why');
}
my $port = free_port();
not_run('all addresses without a list',
        qr/FcgiPMListenClients is missing: .*0\.0\.0\.0:$port.*any"/,
        "0.0.0.0:$port");
not_run('without the guard', qr/could check its clients, as FcgiPMGuard is off/,
        "127.0.0.1:$port", '--guard', 'off', '--listen-clients', '127.0.0.1');
not_run('no address', qr/FcgiPMListenClients: "localhost" is neither/,
        "127.0.0.1:$port", '--listen-clients', 'localhost');
{
    my $run = FCGIPM::Run->new(
        listen => "0.0.0.0:$port", command => [bin('worker')],
        options => ['--guard', 'off', '--listen-clients', 'any']);
    like(request("127.0.0.1:$port")->{body}, qr/pid=/,
         'any: without the guard, too') if $run->workers(1);
}

# --- programs that the guard does not see accept: no stranger is served for long
for (['a wrapper that executes a static program', '', 'exec %s', 'static'],
     ['a wrapper that starts it', '', "%s\n:", 'static'],
     ['an io_uring', '--raw', 'exec %s', 'ways'],
     ['children with one', '--raw --fork 2', 'exec %s', 'ways']) {
    my ($name, $options, $how, $program) = @$_;
    SKIP: {
        skip "$name: not linked", 4 unless -x bin($program);
        my $address = '127.0.0.1:' . free_port();
        my $run = runs($address, '127.0.0.1', write_script(
            tmp_dir() . '/wrapper', sprintf $how, bin($program) . " $options"));
        ok(wait_for { $run->log =~ /so nothing judges/ } 20,
           "$name: a worker that cannot judge is ended");
        ok(wait_for { !$run->below } 10, 'there is no other');
        is(request($address, from => $STRANGER, timeout => 2)->{stdout} || '',
           '', 'no stranger is served');
        is(scalar(() = $run->log =~ /worker \d+ started/g), 1,
           'it was the only one');
    }
}

is_deeply([descendants()], [], 'nothing is left');
done_testing;
