#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# SIGTERMs at random moments to workers under load: with the guard no request
# is lost.  FCGIPM_STORM is how many workers of each kind are told to go; `make
# -f Makefile.apxs storm` tells 10000.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(connect_to read_answer request send_request);
use FCGIPM::Load;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(sleep time);

my $SIGTERMS = $ENV{FCGIPM_STORM} || 80;
my $WORKERS = 4;
my $php = have('php-cgi');
my $script = write_file(tmp_dir() . '/pid.php', "<?php echo 'pid=', getmypid();",
                        0644);

my @KIND = (
    ['C', [bin('loop')]],
    ['C, threads', [bin('threaded')]],
    ['C, threads with a lock', [bin('threaded'), 'lock']],
    ['C, an event loop', [bin('ways'), qw(--loop --wait epoll --copy)]],
    ['C, an epoll set made anew', [bin('ways'), qw(--wait epoll --anew)]],
    ['C, threads, a handler that exits',
     [bin('ways'), qw(--threads 3 --handler exit)]],
    ['Perl', [bin('perl-fcgi.pl')]],
    ['PHP', $php && [$php],
     params => { SCRIPT_FILENAME => $script, SCRIPT_NAME => '/x',
                 REDIRECT_STATUS => 200 }],
    ['Python, threads with a lock', [bin('plain.py'), 'lock']],
    ['Python, asyncio', [bin('plain.py'), 'asyncio']],
    ['Ruby', have('ruby') && [bin('fcgi.rb')]],
    ['Node', have('node') && [bin('plain.js')]],
);

# A client that is quick, or dawdles before it speaks, or asks for time: so
# SIGTERM comes at all moments of a request.
sub ask_somehow {
    my ($address, %ask) = @_;
    my $ms = int rand 4;
    my $s = connect_to($address) or return "connect: $!";
    sleep rand 0.003 if rand() < 0.3;
    send_request($s, %ask, query => "sleep=$ms") or return "send: $!";
    my $r = read_answer($s, 60);
    return $r->{error} if $r->{error};
    return $r->{body} =~ /^pid=\d/ ? undef : "answer: $r->{stdout}";
}

for (@KIND) {
    my ($name, $command, %ask) = @$_;
  SKIP: {
        skip "$name is not installed", 1 unless $command;
        my $run = FCGIPM::Run->new(
            processes => $WORKERS, control => 1, command => $command,
            options => ['--die-timeout', '60', '--log-level', 'notice']);
        $run->workers($WORKERS);
        my $address = $run->address;
        my $load = FCGIPM::Load->new(clients => 6, request => sub {
            return ask_somehow($address, %ask);
        });
        $load->flows(20);
        my ($told, $begin) = (0, time);
        while ($told < $SIGTERMS) {
            # most come when all are at work, some when workers start
            $load->flows(int rand 12, 60) if rand() < 0.9;
            sleep rand 0.01;
            $told += $WORKERS;
            $run->signal('HUP');
        }
        my $seconds = time - $begin;
        ok($load->flows(20), "$name: requests flow on");
        my $sum = $load->stop;
        my $pool = $run->pool_status('default');
        is($sum->{failed}, 0, sprintf '%s: %d workers told in %.0f s, of %d '
           . 'requests none is lost', $name, $told, $seconds,
           $sum->{ok}) or diag($load->explain);
        is($pool->{$_}, 0, "$name: no worker $_") for qw(crashed killed);
        $run->signal('TERM');
        is($run->wait(90), 0, "$name: all go");
    }
}

done_testing;
