#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A manager of libfcgipm does not try without end what cannot work: a socket
# that is none, a program that ends at its birth.  Workers that have served are
# replaced at once, however short they lived.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::ProcManager;
use FCGIPM::Test;
use POSIX ();
use Test::More;

my $dir = tmp_dir();

# --- nothing to accept on
for my $case (
    ['descriptor 0 is no socket', '',
     'descriptor 0 is not a listening socket, and the program has not opened '
     . 'one'],
    ['nor is the one that the program has named', 'listen_fd=7',
     'descriptor 7 is not a listening socket']) {
    my ($what, $arg, $why) = @$case;
    my $log = "$dir/log" . length $arg;
    my $proc = start(
        cmd => [bin('procmanager'), 'n_processes=2', "pidfile=$dir/pid",
                $arg || ()],
        err => $log);
    is($proc->wait(20), 1, "$what: exit status 1");
    is(slurp($log), 'FastCGI: manager (pid ' . $proc->pid . "): $why\n",
       'it says why');
    ok(!-e "$dir/pid", 'and leaves no pid file');
}

# --- workers that end at their birth
my $fail = write_file("$dir/fail", '');
my $s = FCGIPM::ProcManager->new(
    'libfcgipm', args => { n_processes => 2, die_timeout => 30,
                           fail => $fail });

sub births { return count_lines($s->log_file, 'started$') }

sub slows_down {
    my ($times) = @_;
    return $s->said('in a row have ended at their birth: the next one is '
                    . 'started in 0\.8 s', $times);
}
my $before = 0;
for my $n (1, 2) {
    ok(slows_down($n), 'births are slowed down');
    cmp_ok(births() - $before, '<', 12, 'so there are only a few');
    $before = births();
    last if $n == 2;
    $s->signal('HUP');
}
unlink $fail;
$s->signal('HUP');
is(scalar $s->servers(2), 2, 'what has been mended works after SIGHUP');
like($s->ask('pid'), qr/^pid=/, 'and answers');

write_file($fail, '');
$s->signal('HUP');
ok(slows_down(3), 'broken again');
$s->signal('TERM');
is($s->end, 0, 'SIGTERM in a pause: exit status 0');

# --- workers that live for one request
$s = FCGIPM::ProcManager->new(
    'libfcgipm', constrained => 1,
    args => { n_processes => 1, die_timeout => 30, max_requests => 1 });
is(scalar(grep { $s->ask('pid') =~ /^pid=/ } 1 .. 30), 30,
   'one request each: 30 answers');
$s->said('exited with', 30);
is(count_lines($s->log_file, 'in a row'), 0, 'and no pause');
$s->signal('TERM');
is($s->end, 0, 'exit status 0');

done_testing;
