#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# fcgipm-run --config: several pools of a file or a directory, read anew at
# SIGHUP; what is wrong is told with file and line, and leaves all as it was.
# t/httpd/config-file.t has httpd read the same text.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Run;
use FCGIPM::Test;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Test::More;

my $dir = tmp_dir();
my $file = "$dir/pools.conf";
my $worker = bin('worker');
my $user = defined worker_user() ? 'FcgiPMUser ' . worker_user() : '';
my $top = "FcgiPMRuntimeDir $dir/run\nFcgiPMDieTimeout 5\n$user\n";

sub pool {
    my ($name, @line) = @_;
    return join "\n", "<FcgiPMPool $name>", "FcgiPMCommand $worker", @line,
        "</FcgiPMPool>\n";
}
sub address { "unix:$dir/run/$_[0].sock" }

# What FcgiPMSetEnv WHO was when the worker that answers there was born.
sub who {
    return ask($_[0], 'environ') =~ /^WHO=(.*)$/m ? $1 : '';
}

# What fcgipm-run says of a configuration, and its exit status.
sub run_once {
    my (@arg) = @_;
    unlink "$dir/said";
    my $proc = start(cmd => [program('fcgipm-run') . '', @arg],
                     out => "$dir/said", err => "$dir/said");
    return ($proc->wait(20), slurp("$dir/said"));
}

# --- --test
my @wrong = (
    ['a bad value', "\n" . pool('a', 'FcgiPMNice 99'),
     qr/^fcgipm-run: \Q$file\E:\d+: FcgiPMNice: "99" is not a whole number from -20 to 19$/m],
    ["httpd's directive", 'SetHandler fcgipm:a',
     qr/:4: SetHandler is httpd's, .*<IfDefine !FCGIPM_RUN>$/m],
    ['a program that is not there',
     "<FcgiPMPool a>\nFcgiPMCommand /no/such\n</FcgiPMPool>",
     qr{:5: pool a: FcgiPMCommand: .*/no/such}],
    ['two pools of one name', pool('a') . pool('a'), qr/pool a is defined twice/],
    ['two pools at one socket',
     pool('a') . pool('b', "FcgiPMListen unix:$dir/run/a.sock"),
     qr/pool b: FcgiPMListen: .* is pool a's \(\S+:4\) already/],
    ['every fault', "<FcgiPMPool a>\n</FcgiPMPool>\n<FcgiPMPool b>\n</FcgiPMPool>",
     qr/pool a: .*pool b: /s],
    ['no pool', '', qr/there is no <FcgiPMPool>/],
    ['a section that does not end', '<FcgiPMPool a>', qr/was not closed/],
    ['a log that is a program', pool('a', 'FcgiPMErrorLog |cat'),
     qr/pool a: FcgiPMErrorLog: /],
);
for my $case (@wrong) {
    my ($name, $text, $says) = @$case;
    write_file($file, $top . $text);
    my ($status, $said) = run_once('--config', $file, '--test');
    is($status, 2, "$name: is refused");
    like($said, $says, 'with what is wrong, and where');
}
ok(!-e "$dir/run", 'a test leaves nothing behind');
mkdir "$dir/run" or die "$dir/run: $!";
write_file($file, $top . pool('a'));
run_once('--config', $file, '--test');
ok(-d "$dir/run", 'and removes nothing that was there');
rmdir "$dir/run";

write_file($file, $top . pool('a') . "FcgiPMManagerName \${NOT}1\n");
like((run_once('--config', $file, '--test'))[1],
     qr/warning: \S+:\d+: Config variable \$\{NOT\} is not defined/,
     'a warning, as httpd gives it');
for my $case (
    [["--config=$dir/none"], qr{\Q$dir\E/none: No such file}],
    [["--config=$dir/empty"], qr/there is no \*\.conf in it/],
    [["--config=$dir/fifo"], qr/is not a file/],
    [["--config=$file", '--processes=2'], qr/--processes: a pool's settings/],
    [["--config=$file", '--', $worker], qr/\Q$worker\E: a pool's settings/])
{
    my ($args, $says) = @$case;
    mkdir "$dir/empty";
    system 'mkfifo', "$dir/fifo" unless -p "$dir/fifo";
    my ($status, $said) = run_once(@$args);
    is($status, 2, "@$args");
    like($said, $says, 'says why');
}
write_file($file, $top . pool('a'));
is(join('|', run_once('--config', $file, '--test')), "0|Syntax OK\n",
   'a good one');

# --- several pools
write_file($file, $top . "Define PROGRAM $worker\n"
           . pool('a', 'FcgiPMProcesses 2', 'FcgiPMSetEnv WHO a') . <<"END");
<FcgiPMPool b>
    FcgiPMCommand \${PROGRAM} \\
        --trace "$dir/trace b"
    FcgiPMSetEnv WHO "b b"
</FcgiPMPool>
<IfDefine !FCGIPM_RUN>
    FcgiPMAlias /a a
</IfDefine>
END
my $trace = write_file("$dir/trace b", '', 0666);
my $run = FCGIPM::Run->new(
    config => $file, control => 1, dir => $dir, options => ['--log-level=debug']);
my @old = $run->workers(3);
is(who(address('a')), 'a', 'a pool answers');
is(who(address('b')), 'b b', 'and the other');
is_deeply([sort map { $_->{name} } @{ $run->status->{pools} }], [qw(a b)],
          'the status has both');
is(cmdline($run->pid), 'fcgipm-run', 'the title of the manager');
my ($status, $said) = ctl($run->control_socket, 'config', 'b');
like($said, qr/FcgiPMSetEnv.*\Q$file\E:\d+/, 'fcgipmctl config knows the line');
# --- another one with the same control socket
write_file("$dir/other.conf", $top . pool('o'));
($status, $said) = run_once('--config', "$dir/other.conf", '--socket',
                            $run->control_socket);
is($status, 2, 'a second one with the same control socket: refused');
like($said, qr/another server \(pid \d+\) listens there/, 'and told');
ok(!-e "$dir/run/o.sock", 'it has made no socket');

# --- SIGHUP: changed, added, removed
my $b_pid = pid_of(address('b'));
write_file($file, $top . "FcgiPMGraceful changed\n"
           . pool('a', 'FcgiPMProcesses 2', 'FcgiPMSetEnv WHO a2')
           . pool('c', 'FcgiPMSetEnv WHO c'));
my $busy = FCGIPM::FastCGI::connect_to(address('b'));
FCGIPM::FastCGI::send_request($busy, query => 'fd2=busy%0a&sleep=1000&pid');
ok(wait_for { $run->log =~ /busy/ } 10, 'a request is under way');
$run->signal('HUP');
ok(wait_for { $run->log =~ /pools in force: 2/
                  && who(address('a')) eq 'a2' } 20,
   'HUP: a pool has changed');
is(who(address('c')), 'c', 'another is there');
like(FCGIPM::FastCGI::read_answer($busy, 20)->{body} || '', qr/\b$b_pid\b/,
     'the one that was removed answers what it has');
ok(wait_for { !-e "$dir/run/b.sock" && !alive($b_pid) } 20,
   'and goes, with its socket');
ok($run->alive, 'the manager is the same');

# --- what did not change stays
my $c_pid = pid_of(address('c'));
write_file($file, slurp($file) =~ s/a2/a3/r);
$run->signal('HUP');
ok(wait_for { who(address('a')) eq 'a3' } 20,
   'HUP: another change');
is(pid_of(address('c')), $c_pid, 'FcgiPMGraceful changed: the other pool stays');

# --- a fault leaves all as it was
my $good = slurp($file);
my @now = $run->workers(3);
my $taken = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)
    or die "a port: $!";
my $at_taken = pool('e', 'FcgiPMListen 127.0.0.1:' . $taken->sockport);
my ($mode, $inode) = (stat "$dir/run/a.sock")[2, 1];
my $fds = keys %{ fds($run->pid) };
for my $wrong ("SetHandler x \${NOT}1\n", pool('d', 'FcgiPMListen unix:/no/such/s'),
               pool('d') . pool('e', 'FcgiPMUser nobody-of-that-name'),
               pool('d') . pool('e', "FcgiPMListen unix:$trace"),
               pool('d') . $at_taken,
               # pool a has another name, or mode, and a fault comes behind it
               sub { $_[0] =~ s/Pool a>/Pool x>\nFcgiPMListen unix:$dir\/run\/a.sock/r . $at_taken },
               sub { $_[0] =~ s/Pool a>/Pool a>\nFcgiPMListenMode 0666/r . $at_taken }) {
    my $before = () = $run->log =~ /is left as it was/g;
    write_file($file, ref $wrong ? $wrong->($good) : $good . $wrong);
    $run->signal('HUP');
    ok(wait_for { $before < (() = $run->log =~ /is left as it was/g) } 20,
       'HUP: a fault is told')
        or diag $run->log;
}
like($run->log, qr/\[error\] manager \(pid \d+\): the configuration is left as it was: \Q$file\E:\d+: SetHandler/,
     'with file and line');
like($run->log, qr/\[warn\] manager \(pid \d+\): \Q$file\E:\d+: Config variable \$\{NOT\} is not defined/,
     'and a warning');
ok(!-e "$dir/run/d.sock", 'no socket of a pool that came before the fault');
ok(wait_for { $fds >= keys %{ fds($run->pid) } } 20,
   'no descriptor of it either');
is_deeply([sort map { $_->{name} } @{ $run->status->{pools} }], [qw(a c)],
          'the pools are those before');
is_deeply([(stat "$dir/run/a.sock")[2, 1]], [$mode, $inode],
          'their sockets have not been touched');
is(who(address('a')), 'a3', 'and clients reach them');
is_deeply([sort $run->workers(3)], [sort @now],
          'and their workers');
my $in_force = () = $run->log =~ /pools in force: 2/g;
write_file($file, $good);
$run->signal('HUP');
ok(wait_for { (() = $run->log =~ /pools in force: 2/g) > $in_force } 20,
   'mended: it is in force') or diag $run->log;

# --- another pool has the path: the socket stays, and so does its file
write_file($file, $good =~ s{Pool a>}{Pool x>\nFcgiPMListen unix:$dir/run/a.sock\nFcgiPMListenMode 0640}r
                        =~ s/WHO a3/WHO x/r);
$run->signal('HUP');
ok(wait_for { $run->log =~ /pool a: has ended/ } 20, 'a pool is renamed')
    or diag $run->log;
is(who(address('a')), 'x', 'the new one serves at its path');
is((stat "$dir/run/a.sock")[1], $inode, 'the socket is the same');
is((stat _)[2] & 07777, 0640, 'with the mode of the new set');

# --- the end
$run->signal('TERM');
is($run->wait(20), 0, 'TERM: exit status 0');
ok(!-e "$dir/run/$_.sock", "the socket of $_ is gone") for qw(a c);

# --- a directory; TCP; a pool takes the port of another
my $port = free_port();
my $conf = "$dir/conf.d";
mkdir $conf or die "$conf: $!";
write_file("$conf/00-all.conf", $top);
write_file("$conf/10-x.conf", pool('x', "FcgiPMListen 127.0.0.1:$port"));
write_file("$conf/20-y.conf", pool('y'));
write_file("$conf/ignored.conf~", 'Nonsense');
write_file("$conf/.hidden.conf", 'Nonsense');
$run = FCGIPM::Run->new(config => $conf, control => 1, dir => $dir);
$run->workers(2);
ok(pid_of("127.0.0.1:$port"), 'a directory: a pool at a port');
unlink "$conf/10-x.conf";
write_file("$conf/30-z.conf", pool('z', "FcgiPMListen 127.0.0.1:$port",
                                   'FcgiPMSetEnv WHO z'));
$run->signal('HUP');
ok(wait_for { who("127.0.0.1:$port") eq 'z' } 20,
   'HUP: another pool has the port');
$run->signal('HUP') for 1 .. 5;
ok(wait_for { $run->log =~ /pools in force(?:.*pools in force){2}/s } 20,
   'some HUPs at once');
is(who("127.0.0.1:$port"), 'z', 'it serves on');
$run->signal('TERM');
is($run->wait(20), 0, 'exit status');

# --- SIGTERM while many pools are new
write_file($file, $top . pool('a'));
$run = FCGIPM::Run->new(config => $file, control => 1, dir => $dir);
$run->workers(1);
write_file($file, $top . join '', map { pool("n$_", 'FcgiPMProcesses 0 1') } 1 .. 400);
$run->signal('HUP');
ok(wait_for { -e "$dir/run/n1.sock" } 20, 'HUP: pools that are new');
$run->signal('TERM');
is($run->wait(20), 0, 'TERM: exit status 0');
is_deeply([glob "$dir/run/n*.sock"], [], 'no socket is left');

# --- scripts: their pools are made when they are asked for
my $scripts = "$dir/cgi";
mkdir $scripts, 0755 or die "$scripts: $!";
my $script = "$scripts/x.fcgi";
write_file($script, slurp($worker), 0755);
write_file($file, $top . "<FcgiPMScripts $scripts>\nFcgiPMSetEnv WHO s\n"
           . "FcgiPMScriptOwner any\n</FcgiPMScripts>\n");
$run = FCGIPM::Run->new(config => $file, control => 1, dir => $dir);
ok(wait_for { -S $run->control_socket } 20, 'scripts: a manager');
my $control = IO::Socket::UNIX->new(Peer => $run->control_socket)
    or die "control socket: $!";
$control->syswrite("script 1 localhost $script\n");
like(my $answer = $control->getline, qr/^ok \d+ \d+ \S+ unix:\S+$/,
     'a script gets a pool');
is(who(($answer =~ /(unix:\S+)/)[0]), 's', 'which answers');
$run->signal('TERM');
is($run->wait(20), 0, 'exit status');

done_testing;
