#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# ThreadSanitizer sees no race in the guard: it and programs with threads are
# built with it (build-tsan/), told at random moments, under load.  Nor in the
# queue of an httpd child, with its waker and its watcher, nor in the connections
# that it keeps, with their closer.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(request);
use FCGIPM::Load;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(sleep);

plan skip_all => 'build-tsan/ has not been built' unless -e
    root() . '/build-tsan/fcgipm-guard.so';
$ENV{FCGIPM_BUILD} = 'build-tsan';

my $reports = tmp_dir();
chmod 0777, $reports;

# Not with the main thread in accept(): ThreadSanitizer keeps a signal that
# comes there back until accept() returns.
for my $args ([bin('threaded')],
              [bin('ways'), '--threads', 4, '--handler', 'sigaction'],
              [bin('ways'), '--threads', 3, '--wait', 'poll', '--copy'],
              [bin('ways'), '--threads', 3, '--wait', 'epoll', '--copy'],
              [bin('ways'), '--dispatch', 3, '--threads', 1, '--close',
               'fclose']) {
    my ($program, @args) = @$args;
    my $name = join ' ', $program =~ /(\w+)\z/, @args;
    my $run = FCGIPM::Run->new(
        processes => 1, control => 1, command => $args,
        options => ['--die-timeout', '30', '--set-env',
                    "TSAN_OPTIONS=log_path=$reports/report exitcode=66"
                    . ' report_thread_leaks=0 atexit_sleep_ms=0']);
    my ($pid) = $run->workers(1);
    my $address = $run->address;
    my $load = FCGIPM::Load->new(clients => 4, request => sub {
        return request($address, query => 'sleep=' . int rand 20)->{error};
    });
    ok($load->flows(10), "$name: serves");
    like(slurp("/proc/$pid/maps"), $_, "$name: $_ is in it")
        for qr/fcgipm-guard/, qr/libtsan/;
    for my $round (1 .. 5) {
        sleep rand 0.1;
        $run->signal('HUP');
        $load->flows(10);
    }
    my $sum = $load->stop;
    is($sum->{failed}, 0, "$name: of $sum->{ok} requests none is lost")
        or diag($load->explain);
    $run->signal('TERM');
    is($run->wait(40), 0, "$name: all go") or diag($run->log);
    unlike($run->log, qr/exit status 66/, "$name: no report");
}
for (['queue', 'the queue of an httpd child'],
     ['kept', 'the connections that it keeps']) {
    my ($program, $name) = @$_;
    my $proc = start(cmd => [root() . "/build-tsan/$program"],
                     env => { TSAN_OPTIONS => "log_path=$reports/report" },
                     out => "$reports/$program", err => "$reports/$program");
    is($proc->wait(60), 0, $name) or diag(slurp("$reports/$program"));
}
my @report = glob "$reports/report*";
is(scalar @report, 0, 'ThreadSanitizer reports nothing')
    or diag(substr slurp($report[0]), 0, 4000);

done_testing;
