#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Scripts on demand: a file gets a pool when it is asked for, and what httpd
# makes of a file handler holds.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Socket::UNIX;
use Test::More;
use Time::HiRes qw(sleep);

my $php = have('php-cgi');
my $httpd = FCGIPM::Httpd->new(
    modules => ['mime', 'dir'], head => "TypesConfig /dev/null\n");
my $docs = $httpd->dir . '/htdocs';
my $site = $httpd->dir . '/site';
mkdir "$_" or die "$_: $!"
    for "$docs/sub", "$docs/ht", "$docs/plain", $site, "$site/php";
install("$docs/$_.fcgi", $_) for qw(a b few sub/index sub/c herd);
install("$docs/ht/x", 'ht');
install("$docs/plain/p.fcgi", 'plain');
write_file("$docs/not.fcgi", "#!/bin/sh\n", 0644);
write_file("$docs/ht/.htaccess", "SetHandler fcgipm-script\n");
install("$site/other.fcgi", 'other');
write_file("$site/php/$_.php", '<?php echo getmypid(), " ", '
           . '$_SERVER["SCRIPT_FILENAME"], "\n";', 0644) for 1, 2;
my ($port) = free_port();

# The processes of each of the two hosts are its own.
my $config = join '',
    "FcgiPMMaxScripts 20\n",
    scripts($docs, 'FcgiPMProcesses 0 4', 'FcgiPMIdleTimeout 1h',
            'FcgiPMSetEnv FROM template'),
    "<Directory $docs>\n    AllowOverride FileInfo\n",
    "    DirectoryIndex index.fcgi\n</Directory>\n",
    "<Directory $docs/plain>\n    Options -ExecCGI\n</Directory>\n",
    "<Directory $site>\n    Options +ExecCGI\n",
    "    AddHandler fcgipm-script .fcgi\n</Directory>\n",
    "Alias /site $site\n";
$config .= join '', "<FcgiPMScripts $site/php>\n",
    "    FcgiPMWrapper $php .php\n",
    "    FcgiPMWrapper \"$php -q\" .vphp virtual\n",
    "</FcgiPMScripts>\n<Directory $site/php>\n",
    "    AddHandler fcgipm-script .php .vphp\n</Directory>\n",
    "Listen 127.0.0.1:$port\n<VirtualHost *:$port>\n",
    "    ServerName two\n    DocumentRoot $site\n</VirtualHost>\n" if $php;
$httpd->write_config($config);
is(($httpd->run('-t'))[0], 0, 'the configuration is good');
ok($httpd->start, 'httpd');
is(scalar @{ $httpd->status->{pools} }, 0, 'there is no pool');

sub by_command {
    my ($command) = @_;
    return grep { $_->{command} eq $command } @{ $httpd->status->{pools} };
}

# --- a script is a file
like($httpd->get('/a.fcgi?pid')->{body}, qr/^pid=\d+ tag=a requests=1$/,
     'a script answers');
like($httpd->get('/a.fcgi?pid')->{body}, qr/^pid=\d+ tag=a requests=2$/,
     'and again, the same worker');
like($httpd->get('/b.fcgi?pid')->{body}, qr/tag=b requests=1$/,
     'another script, another worker');
my %env = $httpd->get('/a.fcgi/more/info?env')->{body} =~ /^(\w+)=(.*)$/mg;
is($env{SCRIPT_FILENAME}, "$docs/a.fcgi", 'SCRIPT_FILENAME');
is($env{SCRIPT_NAME}, '/a.fcgi', 'SCRIPT_NAME');
is($env{PATH_INFO}, '/more/info', 'PATH_INFO');
like($httpd->get('/a.fcgi?environ')->{body}, qr/^FROM=template$/m,
     'the environment is the template\'s');
is($httpd->get('/a.fcgi?header=X-Sendfile:%20/etc/motd&text=own')->{body},
   "own", 'X-Sendfile of a script is ignored while it is off');
like($httpd->get('/sub/c.fcgi?proc')->{body}, qr{\Q$docs\E/sub$}m,
     'its directory is its own');
like($httpd->get('/sub/?pid')->{body}, qr{tag=sub/index}, 'DirectoryIndex');
like($httpd->get('/ht/x?pid')->{body}, qr/tag=ht/, '.htaccess');
my ($a) = by_command("$docs/a.fcgi");
like($a->{name}, qr/^a\.fcgi-[0-9a-f]{16}$/, 'its name in the status');
is($a->{workers}, 1, 'one worker');
is($httpd->pool_status($a->{name})->{command}, "$docs/a.fcgi",
   'and it can be asked for by it');

like((ctl($httpd->control_socket, 'script', 0, 'localhost:0',
          "$docs/a.fcgi"))[1], qr/^ok \d+ \d+ a\.fcgi\S* unix:/, 'by hand: its pool');

# --- what is no script
my @error = (
    ['/none.fcgi', 404, qr{\Q$docs\E/none\.fcgi: it does not exist}],
    ['/none.fcgi/info', 404, qr{none\.fcgi: it does not exist}],
    ['/plain/p.fcgi', 403, qr{p\.fcgi: Options ExecCGI is off}],
    ['/not.fcgi', 403, qr{\Q$docs\E/not\.fcgi: it is not executable}],
    ['/ht/', 403, qr{ht/: it is a directory}],
    ['/site/other.fcgi', 500,
     qr{\Q$site\E/other\.fcgi: no <FcgiPMScripts> covers it; \S+ \Q$site\E}],
);
for my $case (@error) {
    my ($path, $status, $line) = @$case;
    is($httpd->get($path)->{status}, $status, "$path: $status");
    like($httpd->log, $line, "$path: a line in the log");
}
is($httpd->get('/static.txt')->{body}, "static\n", 'other files are files');

# --- many at once, of many processes
my $before = $httpd->status->{pools};
my $load = load_on($httpd, '/herd.fcgi?sleep=20&pid', 16);
ok($load->flows(100), '16 clients for one script');
is($load->stop->{failed}, 0, 'all are answered');
is(scalar(by_command("$docs/herd.fcgi")), 1, 'by one pool');
is(scalar @{ $httpd->status->{pools} }, @$before + 1, 'of one more');

# --- one that was stopped stays so, though nobody uses it
($a) = by_command("$docs/b.fcgi");
is((ctl($httpd->control_socket, 'stop', $a->{name}))[0], 0, 'stop');
is($httpd->get('/b.fcgi')->{status}, 503, 'it is stopped');
is((ctl($httpd->control_socket, 'start', $a->{name}))[0], 0, 'start');
ok(wait_for { $httpd->get('/b.fcgi')->{status} == 200 } 20, 'it goes on');

# --- a wrapper
SKIP: {
    skip 'php-cgi is not installed', 9 unless $php;
    my $get = sub {
        my ($path, $at) = @_;
        return FCGIPM::HTTP::http($at || $httpd->port, $path);
    };
    my ($pid, $file) = split ' ', $get->('/site/php/1.php')->{body};
    is($file, "$site/php/1.php", 'a wrapper gets the script\'s name');
    my @second = split ' ', $get->('/site/php/2.php')->{body};
    is($second[1], "$site/php/2.php", 'and that of another script');
    is(scalar(by_command($php)), 1, 'both by one pool');
    is($get->('/site/php/3.php')->{status}, 404, 'one that is not there');
    is($get->('/site/php/3.vphp')->{status}, 404,
       'a virtual one that is not there: the wrapper says so');
    is(scalar(by_command("$php -q")), 1, 'by its own pool');
    like($get->('/php/1.php', $port)->{body}, qr/^\d+ /, 'another host');
    my @pool = by_command($php);
    is(scalar @pool, 2, 'has a pool of its own');
    is(scalar(grep { $_->{name} =~ /^php-cgi-two_0-|^php-cgi-two_\d+-/ }
              @pool), 1, 'named after it');
}

# --- too many
my $log = $httpd->error_log;
install("$docs/many$_.fcgi", "many$_") for 1 .. 20;
my $served = grep {
    my $n = $_;
    wait_for { $httpd->get("/many$n.fcgi?pid")->{status} == 200 } 20, 'room'
} 1 .. 20;
is($served, 20, 'beyond FcgiPMMaxScripts: others go');
ok(wait_for { @{ $httpd->status->{pools} } == 20 } 20,
   'there are as many as may be');
is(count_lines($log, 'the one not used for longest goes'), 1,
   'one line in the log');
# in its turn: none goes that was used a moment ago
ok(wait_for { $httpd->get('/a.fcgi')->{status} == 200 } 20,
   'one that went comes again');
ends_well($httpd);
is_deeply([glob $httpd->run_dir . '/script-*'], [], 'no socket is left');

# --- the one not used for longest goes, none that has a request
$httpd->write_config("FcgiPMMaxScripts 2\n"
                     . scripts($docs, 'FcgiPMIdleTimeout 1h'));
my $said = count_lines($log, 'all in use: no other script');
ok($httpd->start, 'httpd');
is($httpd->get("/$_.fcgi")->{status}, 200, "$_.fcgi") for qw(a b);
ok(wait_for { $httpd->get('/few.fcgi')->{status} == 200 } 20, 'a third');
ok(wait_for {
    join(' ', map { scalar by_command("$docs/$_.fcgi") } qw(a b few)) eq '0 1 1'
} 20, 'the first has gone for it');
my $gate = $httpd->dir . '/gate';
# The child that is asked may have refused the third a moment ago, and does so
# for a second.
sub busy { return scalar grep { $_->{busy} } @{ $httpd->status->{pools} } }
for my $name (qw(b few)) {
    my $others = busy();
    wait_for {
        $httpd->ask("/$name.fcgi?until=$gate&ok");
        wait_for { busy() > $others } 2, "$name.fcgi has it"
    } 20, "$name.fcgi has a request";
}
is(busy(), 2, 'both have a request');
my $refused = $httpd->get('/a.fcgi');
is($refused->{status}, 503, 'another: 503');
ok($refused->{header}{'retry-after'}, 'Retry-After');
like($httpd->log, qr/fcgipm:warn.* script: \S+a\.fcgi: there are too many/,
     'at warn, with its reason');
is($httpd->get('/a.fcgi')->{status}, 503, 'again');
is(count_lines($log, 'all in use: no other script'), $said + 1,
   'and what to do about it, once');
write_file($gate, '', 0644);
ok(wait_for { $httpd->get('/a.fcgi')->{status} == 200 } 20, 'then it runs');
ends_well($httpd);

# --- one that has requests only is asked for, and none of them notices
$httpd->write_config("FcgiPMMaxScripts 1\n"
                     . scripts($docs, 'FcgiPMProcesses 1',
                               'FcgiPMIdleTimeout 1h'));
ok($httpd->start, 'httpd');
{
    my $load = load_on($httpd, '/few.fcgi?sleep=2&pid', 16);
    ok($load->flows(50), 'one script has all requests');
    sleep 1.1;    # it is not taken away at once
    my $others = 0;
    my $s = IO::Socket::UNIX->new(Peer => $httpd->control_socket)
        or die "control socket: $!";
    for (1 .. 1000) {
        syswrite $s, "script 0 localhost:0 $docs/a.fcgi\n" x 40;
        $others += grep { <$s> !~ /^error 503/ } 1 .. 40;
    }
    is($others, 0, 'another is asked for, often');
    is($load->stop->{failed}, 0, 'no request fails') or diag($load->explain);
}
ends_well($httpd);

# --- who is not used goes
# What it says goes to its own log, also when it comes again.
sub says {
    my ($text) = @_;
    $httpd->get("/a.fcgi?fd2=$text%0a&stderr=by%20$text&text=x");
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok(wait_for {
        my $log = slurp($httpd->dir . '/scripts.log');
        $log =~ /\[pool a\.fcgi-\w+:pid \d+\] $text$/m
            && $log =~ /\[pool a\.fcgi-\w+:pid \d+ client 127\S+\] by $text$/m
    } 20, "its own log: $text");
}

$httpd->write_config(scripts($docs, 'FcgiPMIdleTimeout 1s',
                             'FcgiPMErrorLog scripts.log'));
ok($httpd->start, 'httpd');
like($httpd->get('/a.fcgi?pid')->{body}, qr/tag=a requests=1$/, 'a script');
is(scalar(() = glob $httpd->run_dir . '/script-*'), 1, 'its socket');
says('first');
ok(wait_for { !glob $httpd->run_dir . '/script-*' } 20, 'the socket to go');
ok(wait_for { !@{ $httpd->status->{pools} } } 20, 'the pool to go');
is(scalar $httpd->workers, 0, 'no worker is left');
like($httpd->get('/a.fcgi?pid')->{body}, qr/tag=a requests=1$/,
     'it comes again');
says('second');

# One that cannot be started when it has changed is tried again.
my $flag = $httpd->dir . '/flag';
write_script("$docs/a.fcgi", "test -e $flag || exit 3\n"
             . 'exec ' . bin('worker') . ' --tag later');
ok(wait_for {
    $httpd->get('/a.fcgi?pid')->{body} =~ /tag=a /
        && $httpd->log =~ /the rolling reload ends/
} 20, 'a new one that does not start: the old one answers');
write_file($flag, '');
ok(wait_for { $httpd->get('/a.fcgi?pid')->{body} =~ /tag=later/ } 20,
   'as soon as it starts it answers');
is($httpd->stop, 0, 'httpd stops well');

# --- what httpd -t finds
for (['relative', '<FcgiPMScripts srv/www>', qr/"srv\/www" is not absolute/],
     ['..', '<FcgiPMScripts /srv/../x>', qr/has an empty part, "." or ".."/],
     ['no directory', '<FcgiPMScripts>', qr/takes one word, a directory/],
     ['a command', "<FcgiPMScripts /srv>\nFcgiPMCommand /bin/true",
      qr/FcgiPMCommand cannot occur within <FcgiPMScripts>/],
     ['a limit of all', "<FcgiPMScripts /srv>\nFcgiPMMaxScripts 1",
      qr/FcgiPMMaxScripts cannot occur within <FcgiPMScripts>/],
     ['a wrapper that is none', "<FcgiPMScripts /srv>\nFcgiPMWrapper /none",
      qr/<FcgiPMScripts \/srv> \(\S+\): FcgiPMWrapper: .*\/none/],
     ['a wrapper along PATH', "<FcgiPMScripts /srv>\nFcgiPMWrapper sh",
      qr/"sh" does not begin with an absolute path/],
     ['virtual, as owner', "<FcgiPMScripts /srv>\n"
      . "FcgiPMWrapper /bin/sh .x virtual\nFcgiPMScriptUser owner",
      qr/there need not be a file that has an owner/],
     ['no such directory', '<FcgiPMScripts /no/such/dir>',
      qr{<FcgiPMScripts /no/such/dir> .*: /no/such/dir: No such file}],
     ['no directory but a file', '<FcgiPMScripts ' . bin('worker') . '>',
      qr/is not a directory/],
     ['one for everybody', '<FcgiPMScripts /tmp>',
      qr/can be written to by .*: no script in it will be run/],
     ['no user', "<FcgiPMScripts /srv>\nFcgiPMUser nobody-there",
      qr/there is no user|no such user/]) {
    my ($what, $text, $error) = @$_;
    $httpd->write_config("$text\n</FcgiPMScripts>\n");
    my ($status, $said) = $httpd->run('-t');
    isnt($status, 0, "httpd -t: $what");
    like($said, $error, "httpd -t: $what: why");
}
$httpd->write_config("FcgiPMWrapper /bin/sh\n");
like(($httpd->run('-t'))[1], qr/FcgiPMWrapper stands in <FcgiPMScripts>/,
     'httpd -t: a rule outside');
$httpd->write_config("<FcgiPMScripts /srv>\n</FcgiPMScripts>\n" x 2);
like(($httpd->run('-t'))[1], qr/it stands at \S+ already/,
     'httpd -t: twice');
done_testing;
