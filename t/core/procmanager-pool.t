#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A program with libfcgipm, by itself and as a pool; and what fcgipm_accept()
# does for connections: none that was accepted is lost, and none that is silent
# holds a worker.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(:DEFAULT connect_to send_request read_answer record
    begin_record params stream PARAMS STDIN_);
use FCGIPM::ProcManager;
use FCGIPM::Run;
use FCGIPM::Test;
use File::Copy qw(copy);
use Test::More;

# Where any user can get at them.
my $dir = tmp_dir();
for my $path (built('examples/managed'), program('libfcgipm.so.0')) {
    (my $name = $path) =~ s{.*/}{};
    copy($path, "$dir/$name") or die "$path: $!";
    chmod 0755, "$dir/$name";
}
my $managed = "$dir/managed";

sub answers { return map { ask($_[0], '') =~ /^pid=(\d+) / } 1 .. $_[1] }

# SIGHUPs with six requests around each: three that have been sent and three
# that are only connections by then.  How many were answered, how others ended.
sub storm {
    my ($manager, $times) = @_;
    my ($good, %bad) = (0);
    for (1 .. $times) {
        my @conn = map { connect_to($manager->address) } 1 .. 6;
        send_request($_, query => 'pid') for @conn[0 .. 2];
        $manager->signal('HUP');
        send_request($_, query => 'pid') for @conn[3 .. 5];
        for (@conn) {
            my $r = read_answer($_, 30);
            $r->{body} =~ /^pid=/ ? $good++ : $bad{ $r->{error} || 'empty' }++;
            close $_;
        }
    }
    return ($good, \%bad);
}

# --- by itself
{
    my $log = "$dir/log";
    my $proc = FCGIPM::Test::start(
        cmd => [$managed, '-n', 3, '-p', "$dir/pid", "$dir/sock"],
        env => { LD_LIBRARY_PATH => $dir }, err => $log);
    my $address = "unix:$dir/sock";
    my @old;
    wait_for { count_lines($log, 'server .* initialized') == 3 } 20,
        'three workers';
    @old = children($proc->pid);
    is(scalar @old, 3, 'alone: a manager of three');
    is(slurp("$dir/pid"), $proc->pid . "\n", 'its pid file');
    is(scalar(answers($address, 30)), 30, '30 requests, 30 answers');
    $proc->signal('HUP');
    my @new;
    wait_for {
        @new = children($proc->pid);
        @new == 3 && !grep { alive($_) } @old
    } 20, 'new ones';
    is(scalar @new, 3, 'SIGHUP: three new ones');
    is(scalar(answers($address, 30)), 30, 'which answer');
    $proc->signal('TERM');
    is($proc->wait(20), 0, 'SIGTERM: exit status 0');
    is_deeply([descendants()], [], 'nobody is left');
    ok(!-e "$dir/pid", 'nor the pid file');
}

# --- as a pool, with the guard and without
for my $guard (qw(on off)) {
    my $run = FCGIPM::Run->new(
        processes => 2, command => [$managed, '-n', 3, '-p', "$dir/no.pid"],
        options => ['--set-env', "LD_LIBRARY_PATH=$dir", '--guard', $guard,
                    '--die-timeout', 20]);
    my @old = $run->workers(2);
    is(scalar @old, 2, "a pool, guard $guard: two workers");
    is(scalar(answers($run->address, 30)), 30, '30 requests, 30 answers');
    is_deeply([sort { $a <=> $b } $run->below],
              [sort { $a <=> $b } @old], 'which manage nobody');
    ok(!-e "$dir/no.pid", 'and write no pid file');
    like(cmdline($old[0]), qr/^\Q$managed\E /, 'the title stays');
    wait_for { count_lines($run->log_file, 'FastCGI: server .* initialized')
               == 2 } 20, 'what they say';
    is(count_lines($run->log_file, 'FastCGI: server .* initialized'), 2,
       'they say they are servers');
    like($run->log, qr/\[info\] pool \S+ pid $old[0]: FastCGI: server /,
         'at level info, without a mark of it');
    $run->signal('HUP');
    is(scalar $run->renewed(@old), 2, 'SIGHUP: new ones');
    is(scalar(answers($run->address, 30)), 30, 'which answer');
    my ($good, $bad) = storm($run, 20);
    is_deeply($bad, {}, "of $good requests in 20 SIGHUPs none is lost");
    $run->signal('TERM');
    is($run->wait(20), 0, 'SIGTERM: all gone in time');
    unlike($run->log, qr/libfcgipm|cannot open shared|ld\.so/,
           'and the loader has no complaint');
}

# --- a storm by itself: no request is lost, nobody is killed
{
    my $s = FCGIPM::ProcManager->new(
        'libfcgipm', args => { n_processes => 4, die_timeout => 60 });
    $s->servers(4);
    my ($good, $bad) = storm($s, 60);
    is_deeply($bad, {}, "of $good requests in 60 SIGHUPs none is lost");
    $s->signal('TERM');
    is($s->end, 0, 'and then all go');
    my @odd = $s->log =~ /(exited with status (?!0$).*)/mg;
    is_deeply(\@odd, [], 'each worker with status 0');
}

# --- a connection that is kept, one that says nothing
{
    my $s = FCGIPM::ProcManager->new(
        'libfcgipm', args => { n_processes => 1, die_timeout => 60 });
    my ($pid) = $s->servers(1);
    my $kept = connect_to($s->address);
    my $request = begin_record(flags => 1)
        . stream(PARAMS, params(QUERY_STRING => 'pid')) . stream(STDIN_, '');
    for (1 .. 3) {
        syswrite $kept, $request;
        is(read_answer($kept, 20)->{body}, "pid=$pid\n", 'a kept connection');
    }
    $s->signal('HUP');
    ok(wait_for { !alive($pid) } 20, 'does not keep a worker that is told');
    my ($next) = $s->servers(1);
    is(sysread($kept, my $byte, 1), 0, 'it is closed');

    my $silent = connect_to($s->address);
    is($s->ask('pid'), "pid=$next\n", 'nor does a silent one, for ever');
    my $again = connect_to($s->address);
    wait_quiet($s->pid, 20);
    $s->signal('TERM');
    is($s->end, 0, 'nor when told');
}

done_testing;
