#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# One script can set O_NONBLOCK on the socket that all workers share; the pool
# recovers by itself.  A program that sets it always keeps it: event loops accept
# until there is nothing more.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;
sub nonblocking {
    my ($pid) = @_;
    return slurp("/proc/$pid/fdinfo/0") =~ /^flags:\s*(\d+)/m
        ? oct($1) & 04000 : undef;
}

for my $plain ([], ['--plain']) {
    my $run = FCGIPM::Run->new(
        processes => 3, command => [bin('worker'), @$plain]);
    my @pid = $run->workers(3);
    wait_for { !grep { age($_) < 1.2 } @pid } 20, 'workers that have settled';
    is(nonblocking($pid[0]), 0, "@$plain: the socket blocks");
    is(request($run->address, query => 'nonblock')->{error}, undef,
       'a worker sets O_NONBLOCK');

    # A worker that comes to accept() now gets EAGAIN and leaves; the next one
    # is born with it cleared, while the others may have answered all these.
    my ($good, $tries) = (0, 0);
    while ($good < 20 && $tries < 200) {
        $tries++;
        $good = request($run->address)->{error} ? 0 : $good + 1;
    }
    is($good, 20, "20 good requests in a row, after $tries");
    ok(wait_for { my ($any) = $run->workers;
                  $any && !(nonblocking($any) // 1) } 20,
       'the socket blocks again');
    wait_for { !grep { age($_) < 1 } $run->workers(3) } 20, 'settled workers';
    my @now = $run->workers(3);
    is(scalar @now, 3, 'there are three workers');
    is(nonblocking($now[0]), 0, 'whose socket blocks');
    is(request($run->address)->{error}, undef, 'a good request') for 1 .. 20;
    is_deeply([$run->workers(3)], \@now, 'and they stay');
    $run->signal('TERM');
    is($run->wait(10), 0, 'exit status 0');
}

# --- event loops, while another one loads
my %LOOP = ('Python, asyncio' => [bin('plain.py'), 'asyncio'],
            (have('node') ? (Node => [bin('plain.js')]) : ()));
for my $name (sort keys %LOOP) {
    my $dir = tmp_dir();
    my $run = FCGIPM::Run->new(
        processes => 1, control => 1, options => ['--start-timeout', '60s'],
        command => [write_script("$dir/run", "while [ -e $dir/hold ];"
                                 . " do sleep 0.05; done\n"
                                 . "exec @{ $LOOP{$name} }")]);
    $run->counts('default', idle => 1);
    my ($pid) = $run->workers(1);
    is(request($run->address)->{error}, undef, "$name: serves");
    is(nonblocking($pid), 04000, "$name: its socket does not block");
    write_file("$dir/hold", '');
    is((ctl($run->control_socket, 'scale', 'default', 2))[0], 0,
       "$name: another one is started");
    is(scalar $run->workers(2), 2, "$name: and loads");
    is(request($run->address, timeout => 10)->{error}, undef,
       "$name: meanwhile requests are answered") for 1 .. 3;
    is(nonblocking($pid), 04000, "$name: its socket does not block");
    unlink "$dir/hold";
    $run->counts('default', idle => 2);
    my @old = $run->workers(2);
    $run->signal('HUP');
    is(scalar $run->renewed(@old), 2, "$name: SIGHUP") or diag($run->log);
    is(request($run->address, timeout => 10)->{error}, undef,
       "$name: requests are answered") for 1 .. 3;
    $run->signal('TERM');
    is($run->wait(20), 0, "$name: exit status 0");
}

done_testing;
