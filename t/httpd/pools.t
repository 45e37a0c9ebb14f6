#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A graceful that adds, removes and changes pools: as configured afterwards, the
# requests of others untouched.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use POSIX ();
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(time);

# Who works for a pool, by what the manager says.
sub workers_in {
    my ($httpd, $name) = @_;
    my $status = $httpd->status($name) or return;
    my @pid = sort { $a <=> $b } map { $_->{pid} }
        grep { $_->{state} ne 'stopping' }
        map { @{ $_->{worker} } } @{ $status->{pools} };
    return @pid;
}

# A request in a process of its own; its body is there when it has ended.
sub in_background {
    my ($httpd, $path) = @_;
    my $out = tmp_dir() . '/out';
    my $pid = fork;
    defined $pid or die "fork: $!";
    if ($pid == 0) {
        my $r = $httpd->get($path);
        write_file("$out.new", ($r->{error} || '') . "|$r->{body}");
        rename "$out.new", $out;
        POSIX::_exit(0);
    }
    return $out;
}

sub tagged { return [bin('worker'), '--tag', @_] }

my $httpd = FCGIPM::Httpd->new(config =>
    "FcgiPMGraceful changed\nFcgiPMDieTimeout 5\n"
    . pool('keep', tagged('keep'), 'FcgiPMProcesses 3') . location('keep')
    . pool('gone', tagged('gone'), 'FcgiPMProcesses 2') . location('gone')
    . pool('change', tagged('one'), 'FcgiPMProcesses 2')
    . location('change'));
ok($httpd->start, 'httpd with three pools');
is(scalar $httpd->workers(7), 7, 'seven workers');
my $manager = $httpd->manager;
my @keep = workers_in($httpd, 'keep');
my @gone = workers_in($httpd, 'gone');
my @change = workers_in($httpd, 'change');
is_deeply([map { scalar @$_ } \@keep, \@gone, \@change], [3, 2, 2],
          'the manager says whose they are');

my $load = load_on($httpd, '/keep/?sleep=20&pid', 6);
ok($load->flows(20), 'a pool under load');
my $late_gone = in_background($httpd, '/gone/?fd2=g1%0a&sleep=2500&pid');
my $late_change = in_background($httpd, '/change/?fd2=c1%0a&sleep=2500&pid');
ok(wait_for { $httpd->log =~ /g1/ && $httpd->log =~ /c1/ } 10,
   'requests under way in the others');

$httpd->write_config("FcgiPMGraceful changed\nFcgiPMDieTimeout 5\n"
    . pool('keep', tagged('keep'), 'FcgiPMProcesses 3') . location('keep')
    . pool('added', tagged('added'), 'FcgiPMProcesses 2')
    . location('added')
    . pool('change', tagged('two'), 'FcgiPMProcesses 4')
    . location('change'));
ok($httpd->graceful, 'a graceful: one gone, one added, one changed');
like($httpd->get('/added/?pid')->{body}, qr/tag=added/,
     'the pool added answers');
ok(wait_for { 2 == workers_in($httpd, 'added') } 10, 'with two workers');
ok(wait_for {
    $httpd->get('/change/?pid')->{body} =~ /tag=two/
} 10, 'the pool changed answers with its new command');
ok(wait_for { 4 == workers_in($httpd, 'change') } 10, 'with four workers');
is($httpd->get('/gone/')->{status}, 404, 'the pool removed is not reached');
is_deeply([workers_in($httpd, 'keep')], \@keep,
          'the pool that did not change kept its workers');
is($httpd->manager, $manager, 'the manager is the same');
ok(wait_for { -e $late_gone && -e $late_change } 15,
   'the requests under way come to their end');
like(slurp($late_gone), qr/^\|pid=\d+ tag=gone/, 'in the pool removed');
like(slurp($late_change), qr/^\|pid=\d+ tag=one/, 'in the pool changed');
ok(wait_for { !grep { alive($_) } @gone, @change } 10,
   'the workers of before are gone');
ok(wait_for { !-e $httpd->run_dir . '/gone.sock' } 10,
   'so is the socket of the pool removed');
ok(wait_for {
    my $all = $httpd->status;
    'added change keep' eq join ' ', sort map { $_->{name} }
        @{ $all->{pools} }
} 10, 'the manager knows three pools');
my $sum = $load->so_far;
is($sum->{failed}, 0, 'the pool under load has lost nothing')
    or diag($load->explain);

# --- another socket
my $other = tmp_dir();
chmod 0755, $other;
$httpd->write_config("FcgiPMGraceful changed\n"
    . pool('keep', tagged('keep'), 'FcgiPMProcesses 3') . location('keep')
    . pool('change', tagged('three'), 'FcgiPMProcesses 1',
           "FcgiPMListen unix:$other/x.sock") . location('change')
    . pool('tcp', tagged('tcp'), 'FcgiPMListen 127.0.0.1:' . free_port())
    . location('tcp'));
ok($httpd->graceful, 'a graceful: another listening socket');
like($httpd->get('/change/?pid')->{body}, qr/tag=three/, 'the pool answers');
ok(-S "$other/x.sock", 'there');
like($httpd->get('/tcp/?pid')->{body}, qr/tag=tcp/, 'a pool on TCP answers');
is_deeply([workers_in($httpd, 'keep')], \@keep, 'the other kept its workers');
is($load->so_far->{failed}, 0, 'and lost nothing') or diag($load->explain);

# --- fewer and more workers
for my $n (1, 5, 3) {
    $httpd->write_config("FcgiPMGraceful changed\n"
        . pool('keep', tagged('keep'), "FcgiPMProcesses $n")
        . location('keep'));
    ok($httpd->graceful, "a graceful: $n workers");
    ok(wait_for { $n == workers_in($httpd, 'keep') } 15, 'they are there');
    my %now = map { $_ => 1 } workers_in($httpd, 'keep');
    is(scalar(grep { $now{$_} } @keep), $n < @keep ? $n : @keep,
       'none was replaced for it');
    @keep = keys %now;
}
is($load->so_far->{failed}, 0, 'nothing was lost') or diag($load->explain);

# --- hup, the default: all are told
$httpd->write_config(
    pool('keep', tagged('keep'), 'FcgiPMProcesses 3') . location('keep'));
my @old = $httpd->workers(3);
ok($httpd->graceful, 'a graceful with FcgiPMGraceful hup');
is(scalar $httpd->renewed(@old), 3, 'all workers are new');

# --- none: also a changed pool keeps its workers
@old = $httpd->workers(3);
$httpd->write_config("FcgiPMGraceful none\n"
    . pool('keep', tagged('new'), 'FcgiPMProcesses 3') . location('keep'));
ok($httpd->graceful, 'a graceful with FcgiPMGraceful none');
ok($load->flows(10), 'requests flow');
is_deeply([$httpd->workers(3)], \@old, 'the workers have stayed');

# --- no pool at all, and back
$sum = $load->stop;
is($sum->{failed}, 0, "of $sum->{ok} requests none was lost")
    or diag($load->explain);
$httpd->write_config('');
ok($httpd->graceful, 'a graceful: no pool is left');
ok(wait_for { !$httpd->workers } 10, 'no worker either');
$httpd->write_config(pool('keep', tagged('back')) . location('keep'));
ok($httpd->graceful, 'a graceful: a pool again');
ok(wait_for { $httpd->get('/keep/?pid')->{body} =~ /tag=back/ } 10,
   'it answers');
ends_well($httpd);

done_testing;
