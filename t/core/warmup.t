#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# FcgiPMWarmup: a worker, or the fork server, answers requests before any client
# is served; code whose answers fail does not replace what works.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(request);
use FCGIPM::Run;
use FCGIPM::Test;
use IO::Socket::INET;
use Test::More;

my $dir = tmp_dir();
my $php = have('php-cgi');

# Its state is what its first request was, and how many there were.
my $program = write_file("$dir/program.pl", <<'END', 0755);
#!/usr/bin/perl
use FCGI;
use IO::Socket::INET;
my ($file) = @ARGV;
my $mode = '';
if ($file) {
    open my $fh, '<', $file or die "$file: $!";
    $mode = <$fh>;
}
my ($n, $kept, %first) = (0);
my $request = FCGI::Request();
while ($request->Accept >= 0) {
    my $query = $ENV{QUERY_STRING} || '';
    $n++;
    %first = %ENV if $n == 1;
    my $warm = $ENV{FCGIPM_WARMUP} ? 'warm' : 'client';
    if ($warm eq 'warm') {
        $query .= "&$mode";
        exit 3 if $query =~ /exit/;
        kill 'SEGV', $$ if $query =~ /crash/;
        $kept = IO::Socket::INET->new("127.0.0.1:$1") or die
            if $query =~ /connect=(\d+)/;
        system 'true' if $query =~ /child/;
    }
    select undef, undef, undef, $1 / 1000 if $query =~ /sleep=(\d+)/;
    print STDERR "said in the warm-up\n" if $query =~ /say/;
    print $query =~ /status=(\d+)/ ? "Status: $1\r\n" : '',
        "Content-Type: text/plain\r\n\r\n",
        join ' ', "pid=$$", "n=$n", "mode=$mode", map { "$_=$first{$_};" }
            sort grep { /^(?:FCGIPM|HTTP|HTTPS|PATH_INFO|QUERY|RE|S)/ } keys %first;
}
END

sub begin {
    my ($command, $warmup, @option) = @_;
    my @manager = ('--die-timeout', '30', '--log-level', 'debug');
    return FCGIPM::Run->new(
        processes => 3, control => 1, command => $command,
        options => [(map { ('--warmup', $_) } @$warmup), @manager, @option])
        unless grep { / / } @$warmup;
    # Behind a blank stands what httpd has added to a URL: a quoted word, which
    # an option does not have.
    my $own = tmp_dir();
    my ($user, %set) = (worker_user(), @option);
    my $file = write_file("$own/pools.conf", join "\n", '<FcgiPMPool app>',
        'FcgiPMCommand ' . join(' ', map { qq{"$_"} } @$command),
        "FcgiPMListen unix:$own/pool.sock", 'FcgiPMProcesses 3',
        defined $user ? "FcgiPMUser $user" : (),
        (map { qq{FcgiPMWarmup "$_"} } @$warmup),
        (map { 'FcgiPM' . ucfirst(s/^--//r) . " $set{$_}" } keys %set),
        "</FcgiPMPool>\n");
    return FCGIPM::Run->new(dir => $own, control => 1, config => $file,
                            options => \@manager);
}

# The pids of those that serve, when all do.
sub serving {
    my ($run, $n) = @_;
    my @pid;
    wait_for {
        my $pool = $run->pool_status || {};
        @pid = sort { $a <=> $b } map { $_->{pid} }
            grep { $_->{state} =~ /^(?:idle|busy)$/ } @{ $pool->{worker} || [] };
        @pid == ($n || 3) && !$pool->{stopping}
    } 30, 'workers' or diag(explain($run->pool_status), $run->log);
    return @pid;
}

# One answer of each worker.
sub each_answer {
    my ($run, %ask) = @_;
    my %answer;
    wait_for {
        my $body = request($run->address, %ask)->{body} // '';
        $answer{$1} //= $body if $body =~ /pid=(\d+)/;
        keys %answer == 3
    } 30, 'an answer of each';
    return values %answer;
}

sub ends {
    my ($run, $name) = @_;
    $run->signal('TERM');
    is($run->wait(40), 0, "$name: all go") or diag($run->log);
    return;
}

# --- a fork server: one process has answered, and all have what it has
for (['preloaded', 2, '--preload', 'on'], ['each worker', 2]) {
    my ($name, $n, @option) = @$_;
    my $run = begin([$program],
                    ['https://www.example.org:8443/a%20b/x?q=1&r /a%20b '
                     . '/srv/www', '/second?say'], @option);
    my @pid = serving($run);
    my $pool = $run->pool_status;
    like($pool->{warmup}, qr/^2 answered in \d/, "$name: the status has it");
    is($pool->{preload}, @option ? 'on' : 'off', 'is it preloaded?');
    is_deeply([map { $_->{requests} } grep { $_->{state} eq 'idle' }
               @{ $pool->{worker} }], [0, 0, 0],
              'the requests are no clients\'');
    my @answer = each_answer($run);
    is(scalar(grep { /n=3 .*FCGIPM_WARMUP=1;/ } @answer), 3,
       'each has answered two before') or diag(@answer);
    for ('SCRIPT_NAME=/a b;', 'PATH_INFO=/x;', 'QUERY_STRING=q=1&r;',
         'REQUEST_URI=/a%20b/x?q=1&r;', 'SCRIPT_FILENAME=/srv/www/a b;',
         'HTTP_HOST=www.example.org:8443;', 'SERVER_NAME=www.example.org;',
         'SERVER_PORT=8443;', 'HTTPS=on;', 'REQUEST_METHOD=GET;') {
        my $pair = $_;
        like($answer[0], qr/ \Q$pair\E/, $pair);
    }
    my $asked = () = $run->log =~ /FcgiPMWarmup: worker \d+ has answered 2/g;
    is($asked, @option ? 1 : 3, 'answered by so many processes');
    is((() = $run->log =~ /said in the warm-up/g), $asked,
       'what they say in it is logged');
    ends($run, $name);
}

# --- PHP: the file is compiled once, or once by each, and never for a client
my $script = write_file("$dir/cache.php", <<'PHP', 0644);
<?php $s = opcache_get_status(false)['opcache_statistics'];
echo 'pid=', getmypid(), " misses=$s[misses] hits=$s[hits] ",
     'lcg=', lcg_value(), ' mt=', mt_rand(), ' uniq=', uniqid('', true);
PHP
for (['preloaded', '--preload', 'on'], ['each worker']) {
    my ($name, @option) = @$_;
  SKIP: {
        skip 'php-cgi is not installed', 1 unless $php;
        my $run = begin([$php, '-d', 'opcache.enable=1', '-d',
                         'opcache.file_update_protection=0'],
                        ["/cache.php /cache.php $dir"], @option);
        serving($run);
        skip 'PHP has no opcache', 1
            if `$php -d opcache.enable=1 -m` !~ /opcache/i;
        my @answer = each_answer($run, params => {
            SCRIPT_FILENAME => $script, SCRIPT_NAME => '/cache.php',
            REDIRECT_STATUS => 200 });
        is(scalar(grep { /misses=1 / } @answer), 3,
           "PHP, $name: compiled once, before") or diag(@answer);
        for my $random (qw(lcg mt uniq)) {
            my %number = map { /$random=(\S+)/ ? ($1 => 1) : () } @answer;
            is(scalar keys %number, 3, "$random: each has numbers of its own")
                or diag(@answer);
        }
        ends($run, $name);
    }
}

# --- several in one option
{
    my $run = FCGIPM::Run->new(command => [$program], control => 1,
                            options => ['--warmup', '/one?a  /two?b=c']);
    serving($run, 1);
    like($run->pool_status->{warmup}, qr/^2 answered/,
         'an option with two URLs: both are answered') or diag($run->log);
    like(request($run->address)->{body}, qr{ REQUEST_URI=/one\?a;},
         'the first one is a URL of its own');
    ends($run, 'two');
}

# --- other ways to wait for a request
for (['accept', [bin('loop')]], ['select', [bin('plain.pl')]],
     ['Python', [bin('plain.py')]],
     ['C, fcgi_stdio', [bin('stdio')]], ['threads', [bin('threaded')]],
     ['a shell', ['/bin/sh', '-c', 'exec ' . bin('perl-fcgi.pl')]],
     (map { ["$_, one by one", [bin('ways'), '--wait', $_]] }
          qw(poll select ppoll pselect epoll epoll_pwait2)),
     (map { ["$_, a loop", [bin('ways'), '--loop', '--copy', '--wait', $_]] }
          qw(poll epoll)),
     ['a loop that keeps', [bin('ways'), qw(--loop --keep --wait epoll)]],
     ['four threads', [bin('ways'), qw(--threads 4)]]) {
    my ($name, $command) = @$_;
    my $run = begin($command, [map { "/w?sleep=50&$_" } 1 .. 3],
                    '--preload', 'auto');
    serving($run);
    like($run->pool_status->{warmup}, qr/^3 answered/, "$name: are answered")
        or diag($run->log);
    like(request($run->address, query => 'pid')->{body} // '', qr/pid=\d/,
         'and clients');
    ends($run, $name);
}

# --- where it is not possible
for (['static', [bin('static')], qr/guard is not in/],
     ['those who serve are its children', [bin('ways'), '--fork', 2],
      qr/others serve/],
     ['no guard', [bin('loop')], qr/FcgiPMGuard/, '--guard', 'off']) {
    my ($name, $command, $why, @option) = @$_;
    my $run = begin($command, ['/x'], @option);
    ok(wait_for { ($run->pool_status->{warmup} // '') =~ $why } 20, 
       "$name: the status has why not") or diag($run->log);
    like($run->log, qr/\[warn\].*FcgiPMWarmup: not asked.*$why/, 'the log too');
    like(request($run->address, query => 'pid')->{body}, qr/pid=\d/, 'serves');
    ends($run, $name);
}

# --- a fork server that its requests have spoilt
{
    my $listen = IO::Socket::INET->new(Listen => 10, LocalAddr => '127.0.0.1')
        or die "listen: $!";
    my $run = begin([$program], ['/x?connect=' . $listen->sockport],
                    '--preload', 'on');
    serving($run);
    like($run->pool_status->{preload},
         qr/^after FcgiPMWarmup: .*a socket connected to 127/,
         'a connection that is kept: no fork server, and why');
    is(scalar(grep { /n=2 / } each_answer($run)), 3, 'each is warm');
    ends($run, 'a connection');
    $run = begin([$program], ['/x?child'], '--preload', 'on');
    serving($run);
    is($run->pool_status->{preload}, 'on', 'a child that has ended is none');
    ends($run, 'a child');
}

# --- clients come meanwhile
{
    my $run = begin([$program], ['/x?sleep=700'], '--preload', 'on');
    wait_for { $run->log =~ /worker \d+ started/ } 20, 'a worker';
    like(request($run->address)->{body}, qr/n=[2-9] .*FCGIPM_WARMUP=1/,
         'a client is served by one that is warm');
    ends($run, 'clients');
}

# --- answers that fail, at the first start: nothing better is there
for (['status=500', qr{/x\?status=500 is answered with 500}],
     ['exit', qr/died at birth/], ['crash', qr/died at birth/]) {
    my ($way, $why) = @$_;
    my $run = begin([$program], ["/x?$way", '/y'], '--preload', 'on');
    ok(wait_for { $run->log =~ $why } 20, "$way: is told") or diag($run->log);
    if ($way =~ /status/) {
        serving($run);
        like($run->pool_status->{warmup}, $why, 'the status has it');
        is($run->pool_status->{preload}, 'on', 'it serves nevertheless');
    }
    ends($run, $way);
}
{
    my $run = begin([$program], ['/fast', '/slow?sleep=60000'],
                    '--start-timeout', '1');
    ok(wait_for { $run->log =~ qr{FcgiPMWarmup: /slow\?sleep=60000 is not answered by worker \d+ in time} } 20, 'not in time')
        or diag($run->log);
    $run->signal('TERM');
    is($run->wait(10), 0, 'told in its warm-up, a worker goes at once');
}

# --- a release
for (['rolling', '--preload', 'on', '--reload', 'rolling'],
     ['rolling, executed', '--reload', 'rolling'],
     ['at once', '--preload', 'on']) {
    my ($name, @option) = @$_;
    my $mode = write_file("$dir/mode", 'v1', 0644);
    my $run = begin([$program, $mode], ['/x'], @option);
    my @old = serving($run);
    for my $broken ('status=503', 'exit') {
        write_file($mode, $broken, 0644);
        my ($status, $said) = ctl($run->control_socket, 'reload', '--wait');
        isnt($status, 0, "$name: a release that answers $broken is told");
        like($said, qr{/x is answered with 503}, 'and why')
            if $broken =~ /status/;
        is_deeply([grep { alive($_) } @old], \@old, 'the old workers stay')
            or diag($run->log);
        like(request($run->address)->{body}, qr/mode=v1/, 'and serve');
    }
    write_file($mode, 'v2', 0644);
    is((ctl($run->control_socket, 'reload', '--wait'))[0], 0, 'a good one')
        or diag($run->log);
    serving($run);
    like(request($run->address)->{body}, qr/n=2 mode=v2/, 'replaces it, warm');
    ends($run, $name);
}

done_testing;
