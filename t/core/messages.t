#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What the manager says of what happens: at which level, and that pool, pid,
# reason and what comes next are in it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;

my $dir = tmp_dir();
my $run;

sub run_worker {
    my ($options, @command) = @_;
    $run = FCGIPM::Run->new(processes => 2, control => 1,
                            command => [@command ? @command : bin('worker')],
                            options => ['--name', 'app', @$options]);
    return;
}

# Two, who have begun to wait for requests; before that SIGTERM can come to a
# program that has not said yet what it does on it.
sub ready {
    wait_for { ($run->pool_status('app')->{idle} || 0) == 2 } 20, 'two workers';
    return $run->workers(2);
}

sub says {
    my ($level, $pattern, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok(wait_for {
        $run->log =~ /^\S+ \S+ \[$level\] (?:$pattern)$/m
    } 20, "$level: $name") || diag($run->log);
}

sub ends {
    my ($status) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $run->signal('TERM');
    is($run->wait(20), $status, 'the end');
    return;
}

# --- what is normal
run_worker([]);
my @pid = ready();
my $pid = $pid[0];
my $manager = qr/manager \(pid ${\ $run->pid}\)/;
says('notice', qr/$manager: started/, 'the manager\'s start');
says('notice', qr/$manager: pools in force: 1/, 'what it manages');
says('info', qr/pool app: worker $pid started/, 'a worker\'s start');
$run->signal('HUP');
says('notice', qr/$manager: reload: all workers are replaced/, 'SIGHUP');
says('info', qr/pool app: reload: 2 workers are told to go, others are started/,
     'what that means to a pool');
says('info', qr/pool app: worker $pid has gone: exit status 0 after .*/,
     'the end of a worker that was told');
$run->renewed(@pid);
ask($run->address, 'exit=0&pid');
ready();
ends(0);
says('notice', qr/$manager: .*: every worker is told to go/, 'SIGTERM');
says('notice', qr/$manager: ends with 0: all workers have gone/, 'the end');
unlike($run->log, qr/\[(?:warn|error|crit)\]/, 'nothing of that is a warning');

# --- what is not
run_worker([]);
($pid) = ready();
ok(wait_for { age($pid) > 1.1 } 20, 'a settled worker');
kill 'SEGV', $pid;
says('warn', qr/pool app: worker $pid has crashed and is replaced: signal 11 .* after .* s/,
     'a crash');
ends(0);

run_worker(['--drain-timeout', '300ms', '--die-timeout', '1'],
           bin('worker'), '--ignore-term');
($pid) = ready();
$run->signal('HUP');
says('warn', qr/pool app: worker $pid was told to go and has not: SIGKILL to its process group/,
     'one that does not go');
ready();
ends(1);
says('notice', qr/manager .*: ends with 1: not all workers went by themselves/,
     'the end');

run_worker([], bin('worker'), '--exit-at-once', 3);
says('warn', qr/pool app: worker \d+ has died at birth: exit status 3 after .* s/,
     'a death at birth');
says('warn', qr/pool app: 2 starts in a row have failed: the next one is in 0\.\d+ s at the earliest/,
     'when the next start is');
ends(0);

my $broken = write_file("$dir/broken", "#!/no/such/interpreter\n", 0755);
run_worker([], $broken);
says('error', qr/pool app: worker \d+: cannot start \Q$broken\E as \S+: FcgiPMCommand: \Q$broken\E: its first line names an interpreter: \/no\/such\/interpreter: No such file or directory/,
     'a program that cannot be executed');
ends(0);

# --- what is no FastCGI program
sub shell { return write_file("$dir/$_[0]", "#!/bin/sh\n$_[1]\n", 0755) }
for (['a CGI program', qr/it has answered as a CGI program.*fcgiwrap.*/,
      shell('cgi', "echo Content-Type: text/plain\necho\necho hello")],
     ['PHP\'s command line', qr/this is PHP's command line.*php-cgi/,
      shell('php8.2', 'exit 255')],
     ['a WSGI file', qr/a WSGI file is no server.*uwsgi.*/,
      '/bin/true', "$dir/site.wsgi"],
     ['a command', qr/it has not waited for a request.*descriptor 0.*/,
      '/bin/true']) {
    my ($name, $hint, @command) = @$_;
    run_worker([], @command);
    says('warn', qr/pool app: worker \d+ has died at birth: exit status \d+ after \S+ s; $hint/,
         $name);
    ends(0);
}

# --- what counts requests, as php-cgi does; not so few, and not when the
# manager counts
for (['a program', 20, qr/a count of the program's own is to be off/, []],
     ['php-cgi', 20, qr/FcgiPMSetEnv PHP_FCGI_MAX_REQUESTS 0 turns php-cgi's own count off/, []],
     ['few', 5, undef, []],
     ['counted', 50, undef, ['--max-requests', '10']]) {
    my ($name, $count, $hint, $options) = @$_;
    symlink bin('worker'), "$dir/$name";
    run_worker($options, "$dir/$name", '--exit-after', $count);
    ready();
    request($run->address, query => 'pid') for 1 .. 8 * 20;
    my @said = $run->log =~ /\[notice\] (pool app: 5 workers .*)/g;
    is(scalar @said, $hint ? 1 : 0, "$name: said once, or not at all");
    like($said[0], qr/^pool app: 5 workers have ended by themselves within \d+\.\d s, the last one after 20 requests; requests wait while others load\.  FcgiPMMaxRequests has another one ready first; $hint$/,
         'how many, and what to do') if $hint;
    ends(0);
}

my $good = write_file("$dir/release", "#!/bin/sh\nexec ${\ bin('worker')}\n", 0755);
run_worker(['--reload', 'rolling'], $good);
@pid = ready();
$run->signal('HUP');
says('info', qr/pool app: reload: 2 workers are replaced, one when another is ready/,
     'a rolling reload');
$run->renewed(@pid);
ends(0);

run_worker(['--request-timeout', '300ms', '--die-timeout', '1']);
ready();
request($run->address, query => 'sleep=60000');
says('warn', qr/pool app: worker \d+ has been busy with a request for 0\.\d+ s \(FcgiPMRequestTimeout\) and is ended: SIGTERM/,
     'a request that takes too long');
ends(0);

run_worker(['--pid-file', '/no/such/directory/pid']);
is($run->wait(20), 2, 'a pid file that cannot be written ends it');
like($run->log, qr{--pid-file: /no/such/directory/pid: No such file or directory},
     'with the reason');
done_testing;
