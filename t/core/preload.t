#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# FcgiPMPreload: workers are forked from one that has loaded the program, where
# that can be; none is lost when it dies, or lies, or the new code is broken.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(connect_to read_answer request send_request);
use FCGIPM::Load;
use FCGIPM::Run;
use FCGIPM::Strace;
use FCGIPM::Test;
use List::Util qw(sum);
use Test::More;

my $dir = tmp_dir();
my $php = have('php-cgi');
my $script = write_file("$dir/pid.php", <<'PHP', 0644);
<?php usleep(1000 * (int)($_GET['sleep'] ?? 0)); echo 'pid=', getmypid();
PHP
my %php = (params => { SCRIPT_FILENAME => $script, SCRIPT_NAME => '/x',
                       REDIRECT_STATUS => 200 });

sub begin {
    my ($command, @option) = @_;
    return FCGIPM::Run->new(
        processes => 3, control => 1, command => $command,
        options => ['--preload', 'on', '--die-timeout', '30',
                    '--log-level', 'debug', @option]);
}

sub server_of { return $_[0]->pool_status->{fork_server} }

# The pids of those that serve, when there are N, and of a fork server.
sub serving {
    my ($run, $n) = @_;
    my @pid;
    wait_for {
        my $pool = $run->pool_status;
        @pid = sort { $a <=> $b } map { $_->{pid} }
            grep { $_->{state} =~ /^(?:idle|busy)$/ } @{ $pool->{worker} || [] };
        @pid == $n && ($pool->{stopping} // 1) == 0
    } 30, "$n workers" or diag(explain($run->pool_status), $run->log);
    return @pid;
}

# As many requests at once as there are workers: the pids that answer.
sub answered_by {
    my ($run, $n, %ask) = @_;
    my @conn = map { connect_to($run->address) } 1 .. $n;
    send_request($_, query => 'sleep=300&pid', %ask) for @conn;
    my %pid;
    for my $conn (@conn) {
        my $r = read_answer($conn, 30);
        $pid{$1}++ if ($r->{body} // '') =~ /pid=(\d+)/;
    }
    return sort { $a <=> $b } keys %pid;
}

sub load {
    my ($run, %ask) = @_;
    my $address = $run->address;
    return FCGIPM::Load->new(clients => 4, request => sub {
        my $r = request($address, query => 'sleep=' . int rand 20, %ask);
        return $r->{error} // ($r->{body} =~ /^(?:v\d )?pid=\d/
                               ? undef : "answer: $r->{body}");
    });
}

sub nothing_lost {
    my ($load, $name) = @_;
    my $sum = $load->stop;
    is($sum->{failed}, 0, "$name: none of $sum->{ok} requests was lost")
        or diag($load->explain);
    return;
}

sub ends {
    my ($run, $name) = @_;
    $run->signal('TERM');
    is($run->wait(40), 0, "$name: all go") or diag($run->log);
    return;
}

# --- programs that can
# It starts another program while it loads, which does not serve in its place.
my $childish = write_file("$dir/childish.pl", <<'END', 0755);
#!/usr/bin/perl
use FCGI;
select undef, undef, undef, 0.05 until !@ARGV || -e $ARGV[0];
my $said = qx(echo yes);
select undef, undef, undef, 0.5 if !@ARGV;
my $request = FCGI::Request();
while ($request->Accept >= 0) {
    select undef, undef, undef, 0.3;
    print "Content-Type: text/plain\r\n\r\npid=$$";
}
END
for (['C', [bin('loop')]], ['Perl', [bin('perl-fcgi.pl')]],
     ['PHP', $php && [$php], %php], ['Python', [bin('plain.py')]],
     ['a child at load', [$childish]],
     ['by a shell', ['/bin/sh', '-c', 'exec ' . bin('perl-fcgi.pl')]]) {
    my ($name, $command, %ask) = @$_;
  SKIP: {
        skip "$name is not installed", 1 unless $command;
        my $run = begin($command);
        my @pid = serving($run, 3);
        my $server = server_of($run);
        is($run->pool_status->{preload}, 'on', "$name: is preloaded");
        ok(!grep({ $_ == $server } @pid), 'the fork server is no worker');
        is_deeply([map { parent_of($_) } @pid], [($run->manager) x 3],
                  'workers are children of the manager');
        is_deeply([answered_by($run, 3, %ask)], \@pid, 'each serves');
        ok(!grep({ $_->{private_memory} <= 0
                       || $_->{private_memory} > $_->{pss} }
                 @{ $run->pool_status->{worker} }), 'their memory is known');
        my $load = load($run, %ask);
        ok($load->flows(20), 'requests flow');
        for my $reload (1 .. 3) {
            is((ctl($run->control_socket, 'reload', '--wait'))[0], 0, 'reload');
            ok($load->flows(5), 'requests flow on');
        }
        my @now = serving($run, 3);
        isnt(server_of($run), $server, 'another fork server');
        my %old = map { $_ => 1 } @pid;
        ok(!grep({ $old{$_} } @now), 'and other workers');
        kill 'KILL', server_of($run);
        ok(wait_for { !alive($server) } 10, 'it is killed');
        kill 'TERM', $now[0];
        ok(wait_for { server_of($run) && serving($run, 3) == 3 } 30,
           'a worker goes: another fork server makes the next');
        nothing_lost($load, $name);
        ends($run, $name);
    }
}

# --- the kernel takes no more orders for a moment: they are given later
{
    my @deny = qw(strace -D -qq -o /dev/null -e trace=sendmsg
                  -e inject=sendmsg:error=ETOOMANYREFS:when=3 --);
  SKIP: {
        skip 'strace cannot do it here', 2 if system "@deny true 2>&1";
        my $run = FCGIPM::Run->new(
            processes => 3, control => 1, wrap => \@deny,
            command => [bin('loop')], options => ['--preload', 'on']);
        is(scalar serving($run, 3), 3, 'all workers come');
        unlike($run->log, qr/cannot order/, 'no start has failed');
        $run->signal('TERM'); # LeakSanitizer gives 1 under strace
        ok(defined $run->wait(40), 'the manager ends');
    }
}

# --- one that could manage itself (fcgipm.h)
{
    my $run = begin([bin('procmanager')]);
    my @pid = serving($run, 3);
    is($run->pool_status->{preload}, 'on', 'C, libfcgipm: is preloaded');
    is_deeply([map { parent_of($_) } @pid], [($run->manager) x 3],
              'its workers are the manager\'s');
    my %answer;
    wait_for {
        $answer{ request($run->address, query => 'pid')->{body} =~ s/\D+//gr }++;
        keys %answer == 3
    } 20, 'an answer of each';
    is_deeply([sort { $a <=> $b } keys %answer], \@pid, 'each serves');
    is((ctl($run->control_socket, 'reload', '--wait'))[0], 0, 'reload');
    my @now = serving($run, 3);
    ok(!grep({ my $pid = $_; grep { $_ == $pid } @pid } @now), 'others');
    my $open = tmp_dir();
    chmod 0777, $open or die "chmod: $!";
    my $busy = "$open/busy";
    my $conn = connect_to($run->address);
    send_request($conn, query => "until=$busy");
    ok(wait_for { -e "$busy.begun" } 20, 'one has a request');
    my ($serves) = map { $_->{pid} } grep { $_->{state} eq 'busy' }
        @{ $run->pool_status->{worker} };
    kill 'TERM', $serves;
    write_file($busy, '', 0644);
    like(read_answer($conn, 30)->{body}, qr/pid=$serves\b/,
         'told, it answers first');
    ends($run, 'C, libfcgipm');
}

# --- programs that cannot
for (['threads', [bin('threaded')], qr/thread/],
     ['an event loop', [bin('ways'), qw(--loop --wait epoll --copy)],
      qr/epoll/],
     ['asyncio', [bin('plain.py'), 'asyncio'], qr/epoll/],
     ['children that serve', [bin('perl-procmanager.pl'), 2], qr/not seen/],
     ['without the guard', [bin('static')], qr/guard/]) {
    my ($name, $command, $why) = @$_;
    my $run = begin($command);
    my @pid = $run->workers(3);
    ok(wait_for { $run->pool_status->{preload} =~ $why } 10, "$name: why not")
        or diag($run->pool_status->{preload});
    like($run->log, qr/\[warn\].*FcgiPMPreload.*$why/, 'the log has it');
    is(server_of($run), 0, 'there is no fork server');
    # one that does not block in accept() would hang there
    is(scalar(grep { (request($run->address, query => 'pid', timeout => 10)
                      ->{body} // '') =~ /pid=\d/ } 1 .. 8), 8,
       'eight requests, one after the other');
    $run->signal('HUP');
    is(scalar $run->renewed(@pid), 3, 'a reload');
    ends($run, $name);
}

# --- ready and a fork server, for a manager that hears both at once
{
    my $go = "$dir/go";
    my $run = begin([$childish, $go]);
    my ($pid) = $run->workers(1);
    kill 'STOP', $run->manager;
    write_file($go, '', 0644);
    # all signals are blocked but SIGTERM, 15; while it decides, that too
    ok(wait_for { my $blocked = proc_status($pid)->{SigBlk};
                  $blocked =~ /^f/ && !(hex(substr $blocked, -4) & 1 << 14) } 20,
       'it has had children, and waits for orders');
    kill 'CONT', $run->manager;
    my @pid = serving($run, 3);
    is(server_of($run), $pid, 'it is the fork server');
    is_deeply([answered_by($run, 3)], \@pid, 'and others serve');
    ends($run, 'both at once');
}

# --- a release
# A program of a version; "broken" does not load.
sub release {
    my ($version) = @_;
    return write_file("$dir/version", $version, 0644);
}

release(1);
my $program = write_file("$dir/release.pl", <<'END', 0755);
#!/usr/bin/perl
use FCGI;
open my $fh, '<', $ARGV[0] or die;
my $version = <$fh>;
die "this release is broken\n" if $version =~ /broken/;
my $request = FCGI::Request();
while ($request->Accept >= 0) {
    select undef, undef, undef, ($ENV{QUERY_STRING} =~ /sleep=(\d+)/)[0] / 1000
        if $ENV{QUERY_STRING} =~ /sleep/;
    print "Content-Type: text/plain\r\n\r\nv$version pid=$$";
    kill 'SEGV', $$ if $ENV{QUERY_STRING} =~ /segv/;
}
END

for my $reload ('all', 'rolling') {
    release(1);
    my $run = begin([$program, "$dir/version"], '--reload', $reload);
    my @old = serving($run, 3);
    my $server = server_of($run);
    my $load = load($run);
    $load->flows(10);

    release('broken');
    my ($status, $said) = ctl($run->control_socket, 'reload', '--wait');
    isnt($status, 0, "$reload: a broken release is told");
    like($said, qr/this release is broken/, 'with what it said');
    ok($load->flows(10), 'requests flow on');
    is_deeply([grep { alive($_) } @old], \@old, 'the old workers stay');
    ok(alive($server), 'the old fork server stays');
    kill 'TERM', $old[0];
    ok(wait_for { !alive($old[0]) } 10, 'one of them goes');
    is(scalar(serving($run, 3)), 3, 'it is replaced');
    like(request($run->address)->{body}, qr/^v1/, 'by the old release');

    release(2);
    is((ctl($run->control_socket, 'reload', '--wait'))[0], 0, 'a good one');
    my @new = serving($run, 3);
    ok(!grep({ my $pid = $_; grep { $_ == $pid } @old } @new), 'new workers');
    like(request($run->address)->{body}, qr/^v2/, 'of the new release');
    ok(wait_for { !alive($server) } 10, 'the old fork server goes');
    nothing_lost($load, $reload);

    # --- a crash that can be the fault of what all share
    $server = server_of($run);
    request($run->address, query => 'segv');
    ok(wait_for { !alive($server) } 10, 'SIGSEGV: the fork server goes, too');
    ok(wait_for { server_of($run) && serving($run, 3) == 3 } 20,
       'another one is there, and all workers');
    ends($run, $reload);
}

# --- on demand
{
    my $run = FCGIPM::Run->new(
        processes => '0 2', control => 1, command => [bin('perl-fcgi.pl')],
        options => ['--preload', 'auto', '--idle-timeout', '1s']);
    ok(wait_for { $run->status } 20, 'on demand: the manager is there');
    is(server_of($run), 0, 'nothing is loaded');
    like(request($run->address)->{body}, qr/pid=\d/, 'a request');
    my $server = server_of($run);
    ok($server, 'a fork server');
    ok(wait_for { $run->pool_status->{workers} == 0 && alive($server) } 20,
       'idle workers go, it stays');
    ok(wait_for { !alive($server) } 20, 'then it goes as well');
    like(request($run->address)->{body}, qr/pid=\d/, 'the next request');
    ends($run, 'on demand');
}

# --- those that lie
for (['noise', qr/not asked for/], ['itself', qr/no child/],
     ['grandchild', qr/no child/], ['silent', qr/10 s/]) {
    my ($way, $why) = @$_;
    my $run = begin([bin('liar'), $way]);
    ok(wait_for { $run->log =~ /fork server \d+ .*$why/ } 30, "$way: is seen")
        or diag($run->log);
    my ($server) = $run->log =~ /fork server (\d+)/;
    ok(wait_for { !alive($server) } 10, 'is ended');
    is(scalar(serving($run, 3)), 3, 'the pool goes on without');
    like(request($run->address)->{body}, qr/pid=\d/, 'and serves');
    is(scalar($run->below), 3, 'nothing else is left')
        or diag(map { "$_ " . cmdline($_) . "\n" } $run->below);
    ends($run, $way);
}
{
    my $run = begin([bin('liar'), 'unordered']);
    ok(wait_for { ($run->pool_status->{spawned} || 0) == 4 } 20,
       'unordered: those that were ordered have come');
    like(request($run->address)->{body}, qr/pid=\d/, 'and serve');
    my $all = () = $run->below;
    is($all, 4 + 3 * 5, 'and others');
    kill 'KILL', server_of($run);
    ok(wait_for { (() = $run->below) == 3 } 20, 'they go with the fork server')
        or diag(map { "$_ " . cmdline($_) . "\n" } $run->below);
    ends($run, 'unordered');
    $run = begin([bin('liar'), 'complains']);
    ok(wait_for { $run->log =~ /died before it was set up: for a worker/ } 20,
       'complains: what a newborn has said before it died is told')
        or diag($run->log);
    ends($run, 'complains');
}

# --- the manager waits while the program loads
{
    my $gate = write_script("$dir/gated", <<"END");
while [ ! -e $dir/open ]; do sleep 0.02; done
exec ${\ bin('worker')}
END
    my $run = begin([$gate], '--max-processes', 2);
    ok(wait_for { ($run->pool_status->{starting} || 0) == 1 } 20,
       'the program loads');
    my $calls = calls_during($run->pid, sub {
        ctl($run->control_socket, 'ping') for 1 .. 10;
    });
    cmp_ok(sum(values %$calls), '<', 1000, 'the manager waits for that')
        or diag(explain($calls));
    write_file("$dir/open", '');
    is(scalar(serving($run, 2)), 2, 'and then two serve');
    ends($run, 'gated');

    # a release that loads: what is needed meanwhile is the old code's, also when
    # there is no room for all that are to be replaced
    for (['1 6'], ['3 8', '--max-processes', 5]) {
        my ($processes, @more) = @$_;
        my $n = (split ' ', $processes)[0];
        write_file("$dir/open", '');
        unlink "$dir/gone_on";
        $run = FCGIPM::Run->new(
            processes => $processes, control => 1, command => [$gate],
            options => ['--preload', 'on', '--idle-timeout', '1min', @more]);
        is(scalar(serving($run, $n)), $n, "$n serve");
        unlink "$dir/open" or die;
        $run->signal('HUP');
        $run->counts('default', starting => 1);
        my @held = map {
            my $s = connect_to($run->address) or die "connect: $!";
            send_request($s, query => "until=$dir/gone_on&pid");
            $s;
        } 1 .. 4;
        $run->counts('default', busy => 4, starting => 1);
        write_file("$dir/gone_on", "");
        is(scalar(grep { !defined read_answer($_, 20)->{error} } @held), 4,
           "$processes: four requests are answered while a release loads");
        write_file("$dir/open", '');
        ends($run, "gated release, $processes");
    }
}

done_testing;
