#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The guard: any dynamically linked program is a good worker.  SIGTERM while
# it waits: it goes at once, status 0; during a request: after the answer.
# And the manager knows what its workers do.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;

my $php = have('php-cgi');
my $dir = tmp_dir();
my $script = write_file("$dir/until.php", <<'PHP', 0644);
<?php if (preg_match('/until=([^&]+)/', $_SERVER['QUERY_STRING'], $m)) {
    while (!file_exists($m[1])) { clearstatcache(); usleep(1000); }
} echo 'pid=', getmypid(), ' tag=php';
PHP
my %php = (params => { SCRIPT_FILENAME => $script, SCRIPT_NAME => '/x' });

my @case = (
    ['libfcgi, without a handler', [bin('worker'), '--plain'], {}],
    ['libfcgi, four threads', [bin('threaded')], {}],
    ['libfcgi, threads with a lock', [bin('threaded'), 'lock'], {}],
    ['a plain socket, no handler', [bin('plain.pl')], {}],
    ['php-cgi', $php && [$php], \%php],
    ['behind env', ['/usr/bin/env', 'X=1', bin('threaded')], {}],
);

sub worker_of {
    my ($run, $pid) = @_;
    return (grep { $_->{pid} == $pid } @{ (($run->status // {})->{pools} // [])->[0]{worker} // [] })[0]
        // {};
}

for (@case) {
    my ($name, $command, $ask) = @$_;
  SKIP: {
        skip "$name is not installed", 1 unless $command;
        my $run = FCGIPM::Run->new(processes => 1, control => 1, command => $command,
                                   options => ['--die-timeout', '20s']);
        my ($old) = $run->workers(1);
        is(request($run->address, query => 'pid', %$ask)->{error}, undef,
           "$name: serves");
        ok(wait_for { my $w = worker_of($run, $old);
                      $w->{requests} == 1 && $w->{state} eq 'idle' } 10,
           'it is known to be idle, after one request');
        unlike(slurp("/proc/$old/environ") && join(' ', values %{ fds($old) }),
               qr/memfd/, 'no descriptor of the guard is left');

        # idle
        $run->signal('HUP');
        ok(wait_for { !alive($old) } 10, 'idle, told: gone at once');

        # busy
        my ($new) = $run->renewed($old);
        my $busy = FCGIPM::FastCGI::connect_to($run->address);
        FCGIPM::FastCGI::send_request($busy, query => "until=$dir/go$new&pid", %$ask);
        ok(wait_for { worker_of($run, $new)->{state} eq 'busy' } 10,
           'it is known to be busy');
        $run->signal('HUP');
        ok(wait_for { (worker_of($run, $new)->{state} || '') eq 'stopping' } 10,
           'it has been told');
        write_file("$dir/go$new", '', 0644);
        my $r = FCGIPM::FastCGI::read_answer($busy, 20);
        close $busy;
        like($r->{body}, qr/pid=$new\b/, 'busy, told: it answers first');
        ok(wait_for { !alive($new) } 10, 'and goes then');
        ok(wait_for { $run->log =~ /worker $new has gone: exit status \d / }
               10, "by itself");
        $run->signal('TERM');
        is($run->wait(10), 0, 'SIGTERM: all gone in time');
    }
}

# --- where there is no guard
for (['switched off', [bin('threaded')], ['--guard', 'off']],
     ['another library is preloaded', [bin('threaded')],
      ['--set-env', 'LD_PRELOAD=libc.so.6']]) {
    my ($name, $command, $options) = @$_;
    my $run = FCGIPM::Run->new(processes => 1, control => 1, command => $command,
                               options => [@$options, '--die-timeout', '1']);
    my ($pid) = $run->workers(1);
    is(request($run->address, query => 'pid')->{error}, undef,
       "$name: it serves");
    unlike(slurp("/proc/$pid/maps"), qr/fcgipm/, 'without a guard');
    is(worker_of($run, $pid)->{requests}, 0, 'and less is known');
    $run->signal('TERM');
    is($run->wait(10), 1, 'threads that swallow SIGTERM are killed');
}

# --- a program that the worker starts is not guarded
{
    my $run = FCGIPM::Run->new(processes => 1, command => [bin('worker')]);
    $run->workers(1);
    my $env = ask($run->address, 'environ');
    unlike($env, qr/LD_PRELOAD|FCGIPM/, 'the guard leaves no variable');
}

# What an interpreter copies when it begins has nothing of the guard.
{
    my $said = "$dir/said";
    my $plain = bin('plain.py');
    my $python = write_file("$dir/copy.py", <<"END", 0644);
import os
with open('$said.new', 'w') as f:
    f.write(' '.join(os.environ))
os.rename('$said.new', '$said')
exec(open('$plain').read())
END
    chmod 0777, $dir;
    my $run = FCGIPM::Run->new(
        processes => 1, control => 1,
        command => ['/bin/sh', '-c', "exec /usr/bin/python3 $python"]);
    my ($pid) = $run->workers(1);
    ok(wait_for { (worker_of($run, $pid)->{state} || '') eq 'idle' } 10,
       'Python, by a shell: guarded');
    like(slurp($said), qr/\bPATH\b/, 'its os.environ');
    unlike(slurp($said), qr/LD_PRELOAD|FCGIPM_GUARD/,
           'has nothing of the guard');
}

# --- programs that execute the worker
my $WORKER = bin('worker');
my $ctypes = 'import ctypes; c = ctypes.CDLL(None); c.%s(b\'%s\', b\'w\', '
    . 'None%s)';
for (['exec of a shell', ['/bin/sh', '-c', "exec $WORKER"]],
     ['env, nice', ['env', '-i', 'nice', $WORKER]],
     ['Perl', [$^X, '-e', 'exec @ARGV', $WORKER]],
     ['execl()', ['/usr/bin/python3', '-c', sprintf $ctypes, 'execl', $WORKER,
                  '']],
     ['execlp()', ['/usr/bin/python3', '-c', sprintf $ctypes, 'execlp',
                   $WORKER, '']],
     ['execle()', ['/usr/bin/python3', '-c', sprintf $ctypes, 'execle',
                   $WORKER, ', (ctypes.c_char_p * 2)(b\'OWN=x\', None)']],
     ['a shell that preloads something',
      ['/bin/sh', '-c', "LD_PRELOAD=libm.so.6 exec $WORKER"], 'LD_PRELOAD']) {
    my ($name, $command, $kept) = @$_;
    my $run = FCGIPM::Run->new(processes => 1, control => 1,
                               command => $command);
    my ($pid) = $run->workers(1);
    my $env = ask($run->address, 'environ');
    ok(wait_for { worker_of($run, $pid)->{requests} == 1 } 10,
       "$name: the worker is guarded");
    is(join(' ', $env =~ /^(LD_PRELOAD|FCGIPM\w*)=/gm), $kept || '',
       'and has none of its variables');
    like($env, qr/^LD_PRELOAD=libm.so.6$/m, 'but its own') if $kept;
    like($env, qr/^OWN=x$/m, 'what it was given') if $name eq 'execle()';
}

# --- storms: no request is lost
for (['C', [bin('worker'), '--plain'], {}],
     ['Perl', [bin('perl-fcgi.pl')], {}],
     ['threads', [bin('threaded')], {}], ['PHP', $php && [$php], \%php]) {
    my ($name, $command, $ask) = @$_;
  SKIP: {
        skip "$name is not installed", 1 unless $command;
        my $run = FCGIPM::Run->new(processes => 4, command => $command);
        $run->workers(4);
        my ($good, $bad) = (0, 0);
        for my $round (1 .. 15) {
            my @conn = map { FCGIPM::FastCGI::connect_to($run->address) }
                1 .. 4;
            FCGIPM::FastCGI::send_request($_, query => 'pid', %$ask)
                for @conn[0, 1];
            $run->signal('HUP');
            FCGIPM::FastCGI::send_request($_, query => 'pid', %$ask)
                for @conn[2, 3];
            for (@conn) {
                my $r = FCGIPM::FastCGI::read_answer($_, 20);
                ($r->{body} // '') =~ /pid=/ ? $good++ : $bad++;
                close $_;
            }
        }
        is($bad, 0, "$name: of " . ($good + $bad)
                    . ' requests in 15 HUPs none is lost');
    }
}

done_testing;
