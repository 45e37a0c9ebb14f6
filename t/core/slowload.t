#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A program that loads for longer than the idle timeout serves those that wait
# for it: they are a need for as long as they wait, so that no worker is told
# to go before it was ready.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(connect_to read_answer send_request);
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;

my $dir = tmp_dir();
my $script = write_script("$dir/slow", 'sleep 2; exec ' . bin('worker'));
my $run = FCGIPM::Run->new(
    processes => '0 6', control => 1, command => [$script],
    options => ['--idle-timeout', '400ms']);
ok(wait_for { $run->status } 10, 'a manager');
my @held = map {
    my $s = connect_to($run->address) or die "connect: $!";
    send_request($s, query => "until=$dir/go&pid");
    $s;
} 1 .. 3;
ok(wait_for {
    3 == grep { $_->{state} eq 'busy' } @{ $run->status->{pools}[0]{worker} }
} 60, 'three requests, three workers');
cmp_ok($run->status->{pools}[0]{spawned}, '<=', 4, 'none was born in vain');
write_file("$dir/go", '', 0644);
is(scalar(grep { !defined read_answer($_, 20)->{error} } @held), 3,
   'all are answered');
is(scalar $run->workers(0), 0, 'and go when they are not needed');
$run->signal('TERM');
is($run->wait(20), 0, 'the manager ends well');

done_testing;
