#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# FcgiPMPreload: a program that loads, and whose forked workers die, crash or
# hang at birth.  The pool serves as without FcgiPMPreload, and says why.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(request);
use FCGIPM::Load;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;

my $dir = tmp_dir();
my $WHY = qr/forked workers fail at birth/;

sub begin {
    my ($command, @option) = @_;
    return FCGIPM::Run->new(
        processes => 3, control => 1, command => $command,
        options => ['--preload', 'auto', '--die-timeout', '30',
                    '--log-level', 'debug', @option]);
}

sub all_workers {
    my ($run) = @_;
    return grep { $_->{state} ne 'forks' }
        @{ $run->pool_status->{worker} || [] };
}

sub serving {
    my ($run) = @_;
    my @pid;
    wait_for {
        my @all = all_workers($run);
        @pid = map { $_->{pid} } grep { $_->{state} eq 'idle' } @all;
        @pid == 3 && @all == 3
    } 40, 'three workers' or diag(explain($run->pool_status), $run->log);
    return @pid;
}

# Until a worker of its comes to know that it is one.
my $poll = write_file("$dir/poll.pl", <<'END', 0755);
#!/usr/bin/perl
use FCGI;
my ($how, $file) = @ARGV;
open my $fh, '<', $file or die if $file;
my $version = $file ? <$fh> : 1;
my ($loaded, $request, $looked) = ($$, FCGI::Request());
while (1) {
    vec(my $ready = '', 0, 1) = 1;
    my $n = select $ready, undef, undef, 0.2;
    if ($$ != $loaded && !$looked) {
        $looked = 1;
        exit 1 if $file && -e "$file.die";
    }
    if ($$ != $loaded && $version > 0) {
        kill 'SEGV', $$ if $how eq 'crash';
        exit 1;
    }
    next if $n < 1;
    $request->Accept >= 0 or last;
    print "Content-Type: text/plain\r\n\r\nv$version pid=$$";
    $request->Finish;
}
END
my $hook = write_file("$dir/hook.py", <<'END', 0755);
#!/usr/bin/python3
import os, runpy, sys
os.register_at_fork(after_in_child=lambda: os._exit(1))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0])
END

# --- at the start
for (['it dies at once', [bin('liar'), 'dies']],
     ['it crashes at once', [bin('liar'), 'crashes']],
     ['it never waits', [bin('liar'), 'hangs'], '--start-timeout', '2s'],
     ['no one comes', [bin('liar'), 'complains']],
     ['the fork server ends', [bin('liar'), 'leaves']],
     ['it keeps the pid of its load', [$poll, 'exit']],
     ['likewise, a crash', [$poll, 'crash']],
     ['a handler of fork ends it', [$hook, bin('plain.py')]]) {
    my ($name, $command, @option) = @$_;
    my $run = begin($command, @option);
    ok(wait_for { ($run->pool_status->{preload} // '') =~ $WHY } 30,
       "$name: the status says why") or diag($run->log);
    is(scalar(serving($run)), 3, 'three workers');
    like(request($run->address, query => 'pid')->{body}, qr/pid=\d/, 'serve');
    like($run->log, qr/FcgiPMPreload: each worker loads .*$WHY/, 'the log too');
    is($run->pool_status->{fork_server}, 0, 'no fork server');
    is(scalar($run->below), 3, 'nothing else is left');
    $run->signal('TERM');
    is($run->wait(40), 0, "$name: all go") or diag($run->log);
}

# --- one whose workers have worked stays
{
    my $file = write_file("$dir/stays", 0, 0644);
    my $run = begin([$poll, 'exit', $file]);
    serving($run);
    my $server = $run->pool_status->{fork_server};
    like(request($run->address)->{body}, qr/pid=\d/, 'a worker has served');
    write_file("$file.die", '', 0644);
    ctl($run->control_socket, 'scale', 'default', 4);
    ok(wait_for { $run->log =~ /starts in a row have failed/ } 30,
       'others die at birth') or diag($run->log);
    unlink "$file.die" or die;
    $run->counts('default', idle => 4);
    is($run->pool_status->{fork_server}, $server, 'by the same fork server');
    $run->signal('TERM');
    is($run->wait(40), 0, 'all go') or diag($run->log);
}

# --- a release
for my $reload ('all', 'rolling') {
    my $file = write_file("$dir/version", 0, 0644);
    my $run = begin([$poll, 'exit', $file], '--reload', $reload);
    my @old = serving($run);
    is($run->pool_status->{preload}, 'on', "$reload: workers are forked");
    my $address = $run->address;
    my $load = FCGIPM::Load->new(clients => 2, request => sub {
        my $r = request($address);
        return $r->{error} // ($r->{body} =~ /^v\d pid/ ? undef : $r->{body});
    });
    $load->flows(5);
    write_file($file, 1, 0644);
    my ($status, $said) = ctl($run->control_socket, 'reload', '--wait');
    # one may die when the last old worker has just gone: that is told
    ok($status == 0 || $said =~ /has died at birth/,
       'a release whose forked workers die') or diag($said);
    serving($run);
    my $sum = $load->stop;
    is($sum->{failed}, 0, "none of $sum->{ok} requests was lost")
        or diag($load->explain);
    like(request($address)->{body}, qr/^v1/, 'replaces the one before');
    like($run->pool_status->{preload}, $WHY, 'by workers that load it');
    write_file($file, 0, 0644);
    is((ctl($run->control_socket, 'reload', '--wait'))[0], 0, 'the next one');
    serving($run);
    is($run->pool_status->{preload}, 'on', 'is tried anew');
    $run->signal('TERM');
    is($run->wait(40), 0, "$reload: all go") or diag($run->log);
}

# --- the old workers of a reload stay until a forked one waits for requests
{
    my $which = write_file("$dir/which", bin('loop') . '', 0644);
    my $run = begin([write_script("$dir/either",
                                  "read -r it <$which; exec \$it hangs")],
                    '--start-timeout', '10s');
    my @old = serving($run);
    is($run->pool_status->{preload}, 'on', 'workers are forked');
    write_file($which, bin('liar') . '', 0644);
    $run->signal('HUP');
    ok(wait_for { 6 == all_workers($run) } 20,
       'a reload: new ones come that never wait') or diag($run->log);
    is_deeply([grep { alive($_) } @old], \@old, 'the old ones are there');
    like(request($run->address)->{body}, qr/tag=loop/, 'and serve');
    wait_for { !grep { alive($_) } @old } 40, 'the old ones to go';
    is(scalar(serving($run)), 3, 'until others do');
    like(request($run->address)->{body}, qr/^pid=\d+$/, 'which serve');
    $run->signal('TERM');
    is($run->wait(40), 0, 'all go') or diag($run->log);
}

done_testing;
