#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What one worker does to the listening socket that all share: the pool serves
# again by itself, and the log says what it was.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(connect_to read_answer request send_request);
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;

sub serves {
    my ($run) = @_;
    my $good = 0;
    return wait_for {
        my $r = request($run->address, timeout => 5);
        $good = defined $r->{error} ? 0 : $good + 1;
        $good >= 6
    } 30, 'six good requests in a row';
}

for my $listen ('unix', 'tcp') {
    for my $plain ([], ['--plain']) {
        my $run = FCGIPM::Run->new(
            processes => 3, command => [bin('worker'), @$plain],
            $listen eq 'tcp' ? (listen => '127.0.0.1:' . free_port()) : ());
        my $name = "$listen @$plain";
        my @old = $run->workers(3);
        ok(serves($run), "$name: a pool serves");

        for my $how ('shutdown', 'shutdown-read') {
            my $lines = () = $run->log =~ /shutdown\(\)/g;
            request($run->address, query => "socket=$how", timeout => 5);
            ok(wait_for { (() = $run->log =~ /shutdown\(\)/g) > $lines } 10,
               "$name: a worker shuts the socket down ($how): said");
            like($run->log, $listen eq 'unix'
                 ? qr/its socket is replaced: a worker has called shutdown\(\)/
                 : qr/set back: shutdown\(\)/, 'and mended');
            ok(serves($run), 'the pool serves');
            is(scalar $run->workers(3), 3, 'with three workers');
        }

        for (['timeout', 'SO_RCVTIMEO'], ['linger', 'SO_LINGER'],
             ['async', 'O_ASYNC'],
             # newer kernels let only root filter TCP
             $listen eq 'unix' ? ['filter', 'a filter'] : ()) {
            my ($how, $said) = @$_;
            my ($pid) = $run->workers(3);
            request($run->address, query => "socket=$how", timeout => 5);
            kill 'KILL', $pid;    # the next birth looks
            ok(wait_for { $run->log =~ /is set back: \Q$said\E$/m } 15,
               "$name: $how is set back");
            ok(serves($run), 'the pool serves');
        }
        $run->signal('TERM');
        is($run->wait(15), 0, 'exit status 0');
    }
}

# --- a worker that does it again and again
for my $listen ('unix', 'tcp') {
    my $dir = tmp_dir();
    my $bad = write_file("$dir/bad", <<'END', 0755);
#!/usr/bin/perl
$SIG{TERM} = 'IGNORE';
shutdown STDIN, 2 while 1;
END
    my $run = FCGIPM::Run->new(
        processes => 2, command => [$bad], control => 1,
        $listen eq 'tcp' ? (listen => '127.0.0.1:' . free_port()) : ());
    my $lines = sub { scalar(() = $run->log =~ /shutdown\(\)/g) };
    my $begin = time;
    ok(wait_for { $lines->() >= 3 } 30,
       "$listen: a worker shuts the socket down without end");
    ok($run->status, 'the manager answers');
    # at once, then once a second; each birth looks as well
    my $births = () = $run->log =~ /worker \d+ started/g;
    cmp_ok($lines->(), '<=', time - $begin + 3 + $births,
           'and says it once a second');
    cmp_ok($births, '<=', 4 * (time - $begin + 3), 'with few births');
    $run->signal('TERM');
    is($run->wait(15), 1, 'it ends');
}

# --- its file is removed
{
    my $run = FCGIPM::Run->new(processes => 2, control => 1,
                               command => [bin('worker')]);
    $run->workers(2);
    ok(serves($run), 'a pool serves');
    unlink $run->dir . '/pool.sock', $run->control_socket;
    $run->signal('HUP');
    ok(wait_for { -S $run->dir . '/pool.sock' } 10,
       'its socket was removed: SIGHUP makes it again');
    ok(serves($run), 'the pool serves');
    is(scalar $run->workers(2), 2, 'with two workers');
    ok(wait_for { $run->status } 10, 'the control socket is there again');
    $run->signal('TERM');
    is($run->wait(15), 0, 'exit status 0');
    ok(!-e $run->dir . '/pool.sock', 'no socket is left');
}

# --- FcgiPMPreload, and births under way: none is left on the former socket
sub preloads {
    my ($command) = @_;
    return FCGIPM::Run->new(
        processes => 3, control => 1, command => $command,
        options => ['--preload', 'on', '--log-level', 'debug']);
}

# As many answer at once as there are workers.
sub all_serve {
    my ($run, $n, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok(wait_for {
        my @conn = grep { $_ } map { connect_to($run->address) } 1 .. $n;
        send_request($_, query => 'sleep=300&pid') for @conn;
        my %pid = map { $_ => 1 }
            map { (read_answer($_, 5)->{body} // '') =~ /pid=(\d+)/ } @conn;
        keys %pid == $n
    } 30, "$name: $n answers at once") || diag($run->log);
}

sub remove { return unlink $_[0]->dir . '/pool.sock' }
sub is_replaced { return $_[0]->log =~ /its socket is replaced/ }

# The next birth looks.
sub remove_and_kill {
    my ($run) = @_;
    remove($run);
    my ($pid) = map { $_->{pid} } grep { $_->{state} eq 'idle' }
        @{ $run->pool_status->{worker} };
    return kill 'KILL', $pid;
}

for (['removed', \&remove_and_kill],
     ['shut down', sub { request($_[0]->address, query => 'socket=shutdown',
                                 timeout => 5) }]) {
    my ($name, $harm) = @$_;
    my $run = preloads([bin('worker')]);
    all_serve($run, 3, "$name, preloaded: a pool serves");
    my $server = $run->pool_status->{fork_server};
    ok($server, 'by a fork server');
    $harm->($run);
    ok(wait_for { is_replaced($run) } 15, "$name: its socket is replaced");
    all_serve($run, 3, 'the pool serves');
    ok(wait_for { !alive($server) } 15, 'that fork server has gone');
    is($run->pool_status->{preload}, 'on', 'another one is there');
    $run->signal('TERM');
    is($run->wait(15), 0, 'exit status 0');
}

# A plan looks at the socket, once a second.
sub replaced_meanwhile {
    my ($run) = @_;
    remove($run);
    return wait_for {
        ctl($run->control_socket, 'scale', 'default', $_)
            for 3, 4;
        is_replaced($run)
    } 20, 'the socket to be replaced';
}

for my $ordered (0, 1) {
    my $dir = tmp_dir();
    my $loads = write_script("$dir/loads",
                             "while [ ! -e $dir/go ]; do sleep 0.05; done; "
                             . 'exec ' . bin('loop'));
    my $run = preloads([$loads]);
    $run->workers(1);
    if ($ordered) {
        kill 'STOP', $run->spawner;
        kill 'KILL', $run->workers(1);
        ok(wait_for { ($run->pool_status->{starting} // 0) == 1
                          && !$run->workers } 10, 'another one is ordered');
    }
    ok(replaced_meanwhile($run), 'the socket is replaced while the program '
       . ($ordered ? 'is about to load' : 'loads'));
    kill 'CONT', $run->spawner;
    write_file("$dir/go", '', 0644);
    all_serve($run, 4, 'the pool serves');
    is($run->pool_status->{preload}, 'on', 'by a fork server');
    $run->signal('TERM');
    is($run->wait(15), 0, 'exit status 0');
}

{
    my $run = FCGIPM::Run->new(processes => 3, control => 1,
                               command => [bin('loop')]);
    all_serve($run, 3, 'executed: a pool serves');
    kill 'STOP', $run->spawner;
    my ($pid) = $run->workers(3);
    kill 'KILL', $pid;
    ok(wait_for { ($run->pool_status->{starting} // 0) == 1 } 10,
       'a worker is ordered');
    ok(replaced_meanwhile($run), 'and the socket replaced');
    kill 'CONT', $run->spawner;
    all_serve($run, 4, 'the pool serves');
    $run->signal('TERM');
    is($run->wait(15), 0, 'exit status 0');
}

# --- its file is removed, and the program does not start for a while
{
    my $dir = tmp_dir();
    my $run = FCGIPM::Run->new(
        processes => 2, control => 1,
        command => [write_script("$dir/some", <<"END")]);
[ -e $dir/broken ] && exit 1
exec ${\ bin('worker')}
END
    ok(serves($run), 'a pool serves');
    $run->counts('default', idle => 2); # none is at its shell any more
    write_file("$dir/broken", '');
    unlink $run->address =~ /^unix:(.*)/ or die;
    ok(wait_for {
        ctl($run->control_socket, 'scale', 'default', 2); # it is looked at
        $run->log =~ /its socket is replaced/
    } 20, 'the socket is replaced');
    ok(wait_for { $run->log =~ /has died at birth/ } 30, 'a new worker fails');
    unlink "$dir/broken" or die;
    ok(serves($run), 'the program is mended: the pool serves');
    $run->signal('TERM');
    is($run->wait(20), 0, 'exit status 0');
}

done_testing;
