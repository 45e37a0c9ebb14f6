#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What is wrong in a configuration and can be known: refused by httpd -t, with
# directive, text and range, and nothing left behind.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my $dir = tmp_dir();
my $worker = bin('worker');
my $plain = write_file("$dir/plain", "x\n", 0644);
my $long = 'x' x 200;

# Only root can give a directory away, and has other users to fear.
my ($foreign, $open) = ("$dir.foreign", "$dir.open");
mkdir $_ or die "$_: $!" for $foreign, $open;
chmod 0777, $open or die "$open: $!";
chown 54321, 54321, $foreign if $> == 0;
symlink '.', "$dir/way" or die "symlink: $!";
END { rmdir $_ for grep { defined } $foreign, $open }

sub with {
    return "<FcgiPMPool app>\nFcgiPMCommand $worker\n@_\n</FcgiPMPool>\n";
}

# what it is => configuration => what httpd -t must say, each of them
my @wrong = (
    # numbers, times, sizes, choices
    ['a word for a number', with('FcgiPMListenBacklog many'),
     qr/FcgiPMListenBacklog/, qr/many/, qr/\b65535\b/],
    ['a number with a tail', with('FcgiPMListenBacklog 10x'),
     qr/FcgiPMListenBacklog/, qr/10x/],
    ['a file in the place of a socket', with('FcgiPMListen unix:/etc/passwd'),
     qr/FcgiPMListen: .*\/etc\/passwd: something else is there/],
    ['a number too small', with('FcgiPMListenBacklog 0'),
     qr/FcgiPMListenBacklog/, qr/"?0"?/, qr/\b1\b.*65535/],
    ['a number too big', with('FcgiPMListenBacklog 70000'),
     qr/FcgiPMListenBacklog/, qr/70000/, qr/\b65535\b/],
    ['a number out of this world',
     with('FcgiPMListenBacklog 99999999999999999999'),
     qr/FcgiPMListenBacklog/, qr/99999999999999999999/],
    ['a nice value too high', with('FcgiPMNice 20'),
     qr/FcgiPMNice/, qr/\b20\b/, qr/-20.*19/],
    ['a bad time', 'FcgiPMDieTimeout soon', qr/FcgiPMDieTimeout/, qr/soon/],
    ['a bad unit', 'FcgiPMDieTimeout 3weeks', qr/FcgiPMDieTimeout/,
     qr/3weeks/],
    ['a negative time', 'FcgiPMDieTimeout -1', qr/FcgiPMDieTimeout/, qr/-1/],
    ['a time too long', 'FcgiPMDieTimeout 2h', qr/FcgiPMDieTimeout/, qr/2h/,
     qr/1\s*h|3600/],
    ['a connect timeout of nought', with('FcgiPMConnectTimeout 0'),
     qr/FcgiPMConnectTimeout/, qr/\b0\b/],
    ['a bad size', with('FcgiPMRequestBuffer 64Q'), qr/FcgiPMRequestBuffer/,
     qr/64Q/],
    ['a size too big', with('FcgiPMRequestBuffer 4G'),
     qr/FcgiPMRequestBuffer/, qr/4G/],
    ['an unknown choice', 'FcgiPMGraceful perhaps', qr/FcgiPMGraceful/,
     qr/perhaps/, qr/hup/, qr/changed/, qr/none/],
    ['a mode that is not octal', with('FcgiPMListenMode 0689'),
     qr/FcgiPMListenMode/, qr/0689/],
    ['a mode too big', 'FcgiPMSocketMode 7777', qr/FcgiPMSocketMode/,
     qr/7777/, qr/777/],
    ['more at least than at most', with('FcgiPMProcesses 8 2'),
     qr/FcgiPMProcesses/],
    ['too many processes', with('FcgiPMProcesses 100000'),
     qr/FcgiPMProcesses/, qr/100000/, qr/\b10000\b/],
    ['an unknown limit', with('FcgiPMRLimit stack 1'), qr/FcgiPMRLimit/,
     qr/stack/, qr/nofile/],
    ['a soft limit above the hard one', with('FcgiPMRLimit nofile 9 4'),
     qr/FcgiPMRLimit/, qr/\b9\b/, qr/\b4\b/],
    # how many words
    ['a word too many', with('FcgiPMUser a b'), qr/FcgiPMUser/],
    ['a word too few', with('FcgiPMSetEnv'), qr/FcgiPMSetEnv/],
    ['no word', with('FcgiPMUmask'), qr/FcgiPMUmask/],
    ['a name that is none', with('FcgiPMSetEnv A=B c'), qr/FcgiPMSetEnv/,
     qr/A=B/],
    # sections
    ['an unknown directive in a pool', with('DocumentRoot /x'),
     qr/DocumentRoot/],
    ['the manager\'s own in a pool', with('FcgiPMDieTimeout 3'),
     qr/FcgiPMDieTimeout/],
    ['a pool without a name', "<FcgiPMPool>\nFcgiPMCommand /bin/true\n"
     . '</FcgiPMPool>', qr/FcgiPMPool/],
    ['a directive in a virtual host', "<VirtualHost *>\nFcgiPMNice 3\n"
     . '</VirtualHost>', qr/FcgiPMNice/],
    ['a pool in a pool', with(with('')), qr/FcgiPMPool/],
    (map { ["a pool called $_", "<FcgiPMPool \"$_\">\nFcgiPMCommand $worker"
            . "\n</FcgiPMPool>", qr/FcgiPMPool|pool/i, qr/\Q$_\E/] }
     'a b', 'a/b', '.hidden', 'semi;colon', 'x' x 65),
    # the whole
    ['a pool named twice', with('') . with('FcgiPMNice 1'), qr/\bapp\b/,
     qr/twice/],
    ['two pools with one socket',
     with("FcgiPMListen unix:$dir/s")
     . pool('other', 'worker', "FcgiPMListen unix:$dir/s"),
     qr/FcgiPMListen/, qr{\Q$dir\E/s}, qr/\bapp\b/, qr/\bother\b/],
    ['the same socket, written in another way',
     with("FcgiPMListen unix:$dir/s")
     . pool('other', 'worker', "FcgiPMListen unix:$dir/./way//s"),
     qr/FcgiPMListen/, qr/pool app's .* already/, qr/\bother\b/],
    ['a pool whose socket is the control socket', pool('fcgipm', 'worker'),
     qr/pool fcgipm /, qr/FcgiPMListen: .*fcgipm.sock is the control socket/],
    ['a pid file that is a pool\'s socket', "FcgiPMPidFile $dir/s\n"
     . with("FcgiPMListen unix:$dir/way/s"),
     qr/FcgiPMListen: .*s is the manager's FcgiPMPidFile already/],
    ['a pid file that is httpd\'s', 'FcgiPMPidFile httpd.pid',
     qr/FcgiPMPidFile: .*httpd.pid is httpd's PidFile already/],
    ['a pid file that is the control socket',
     "FcgiPMSocket $dir/x\nFcgiPMPidFile $dir/way/x",
     qr/FcgiPMPidFile: .* is the control socket/],
    ['a pid file that is the log', 'FcgiPMPidFile ../error.log',
     qr/FcgiPMPidFile: .*error.log is a log already/],
    ['a log that is a pool\'s socket', with("FcgiPMListen unix:$dir/s")
     . pool('other', 'worker', "FcgiPMErrorLog $dir/way/s"),
     qr/FcgiPMErrorLog: .*s is pool app's .* already/],
    ['two pools with one port', with('FcgiPMListen 127.0.0.1:9')
     . pool('other', 'worker', 'FcgiPMListen localhost:9'),
     qr/FcgiPMListen: .*:9 is pool app's/],
    ['a pool with a script\'s socket', pool('script-1f', 'worker')
     . "<FcgiPMScripts $dir>\n</FcgiPMScripts>\n",
     qr/script-1f.sock is a script's/],
    ['ChrootDir', 'ChrootDir /tmp' . "\n" . with(''),
     qr/ChrootDir \/tmp: /, qr/FcgiPMChroot/],
    ['a pool without a command', "<FcgiPMPool app>\nFcgiPMNice 1\n"
     . '</FcgiPMPool>', qr/FcgiPMCommand/, qr/\bapp\b/],
    ['an alias to no pool', 'FcgiPMAlias /x nosuch', qr/FcgiPMAlias/,
     qr/nosuch/],
    ['an alias without a slash', with('') . 'FcgiPMAlias x app',
     qr/FcgiPMAlias/, qr/"x"/],
    # the machine
    ['a command that does not exist', pool('app', ["$dir/nothing"]),
     qr/FcgiPMCommand/, qr{\Q$dir\E/nothing}, qr/No such file/],
    ['a command that is not executable', pool('app', [$plain]),
     qr/FcgiPMCommand/, qr/\Q$plain\E/, qr/executable|Permission/],
    ['a command that is a directory', pool('app', [$dir]),
     qr/FcgiPMCommand/, qr/\Q$dir\E/],
    ['a command not in PATH', pool('app', ['no-such-program-x']),
     qr/FcgiPMCommand/, qr/no-such-program-x/],
    ['a socket path of 200 characters', with("FcgiPMListen unix:/$long"),
     qr/FcgiPMListen/, qr/x{5}/, qr/\b107\b/],
    ['a default socket too long', "FcgiPMRuntimeDir /$long\n" . with(''),
     qr/x{5}/, qr/\b107\b/],
    ['a control socket of 200 characters', "FcgiPMSocket /$long",
     qr/FcgiPMSocket/, qr/\b107\b/],
    ['a port out of range', with('FcgiPMListen 127.0.0.1:70000'),
     qr/FcgiPMListen/, qr/70000/],
    ['an IPv6 address without brackets', with('FcgiPMListen ::1:9000'),
     qr/FcgiPMListen: "::1:9000": an IPv6 address needs brackets/],
    ['a link-local address without an interface',
     with('FcgiPMListen [fe80::1]:9000'), qr/FcgiPMListen/,
     qr/needs an interface/],
    ['all addresses, and not said for which clients',
     with('FcgiPMListen 0.0.0.0:9'), qr/pool app/,
     qr/FcgiPMListenClients is missing/, qr/FcgiPMListen 0\.0\.0\.0:9/,
     qr/FcgiPMListenClients 192\.0\.2\.7/, qr/FcgiPMListenClients any/],
    ['an address of a network, likewise', with('FcgiPMListen 192.0.2.1:9'),
     qr/FcgiPMListenClients is missing/],
    ['a client that is a name', with('FcgiPMListenClients localhost'),
     qr/FcgiPMListenClients: "localhost" is neither "any" nor an address/],
    ['a client beyond its prefix', with('FcgiPMListenClients 192.0.2.7/24'),
     qr/FcgiPMListenClients: "192\.0\.2\.7\/24"/],
    ['any client and one', with("FcgiPMListenClients ::1\n"
     . 'FcgiPMListenClients any'), qr/FcgiPMListenClients: "any" stands alone/],
    ['clients without end', with(map({ "FcgiPMListenClients 192.0.2.$_\n" }
     1 .. 65)), qr/FcgiPMListenClients: 65 addresses, 64 are allowed/],
    ['files to watch without end', with(map({ "FcgiPMWatch /f$_\n" } 1 .. 17)),
     qr/FcgiPMWatch: 17 paths, 16 are allowed/],
    ['clients, and nothing that judges', with('FcgiPMListen 192.0.2.1:9',
     "\nFcgiPMListenClients 192.0.2.7\nFcgiPMGuard off"),
     qr/FcgiPMListenClients: .*FcgiPMGuard is off/,
     qr/"FcgiPMListenClients any"/],
    ['the same on loopback', with("FcgiPMListen 127.0.0.1:9\n"
     . "FcgiPMListenClients 127.0.0.1\nFcgiPMGuard off"),
     qr/FcgiPMListenClients: .*FcgiPMGuard is off/],
    ['clients in a chroot', with("FcgiPMListen 192.0.2.1:9\n"
     . "FcgiPMListenClients 192.0.2.7\nFcgiPMChroot $dir"),
     qr/FcgiPMListenClients: .*FcgiPMChroot/],
    ['an address that is none', with('FcgiPMListen nonsense'),
     qr/FcgiPMListen/, qr/nonsense/],
    ['a directory that is none', with('FcgiPMDirectory /no/such/dir'),
     qr/FcgiPMDirectory/, qr{/no/such/dir}],
    ['a runtime directory that cannot be', 'FcgiPMRuntimeDir /proc/nowhere'
     . "\n" . with(''), qr/FcgiPMRuntimeDir/, qr{/proc/nowhere}],
    ($> == 0 ? (
        ['a user that does not exist', with('FcgiPMUser no-such-user-x'),
         qr/no-such-user-x/],
        ['root as user', with('FcgiPMUser root'), qr/uid 0/],
        ['a group that does not exist', with('FcgiPMGroup no-such-group-x'),
         qr/no-such-group-x/],
        ['an owner that does not exist',
         with('FcgiPMListenOwner no-such-user-x'), qr/FcgiPMListenOwner/,
         qr/no-such-user-x/],
        ['a socket in a directory of another user\'s',
         with("FcgiPMListen unix:$foreign/s"), qr/FcgiPMListen/,
         qr{\Q$foreign\E/s is not safe}, qr/belongs to another user/],
        ['a socket where every user can write',
         with("FcgiPMListen unix:$open/s"), qr/FcgiPMListen/,
         qr{\Q$open\E/s is not safe}, qr/can be written by every user/],
        ['such a runtime directory', "FcgiPMRuntimeDir $open\n" . with(''),
         qr/FcgiPMRuntimeDir/, qr{\Q$open\E\S* is not safe}],
        ['such a control socket', "FcgiPMSocket $foreign/c", qr/FcgiPMSocket/,
         qr{\Q$foreign\E/c is not safe}],
        ['such a pid file', "FcgiPMPidFile $foreign/pid", qr/FcgiPMPidFile/,
         qr{\Q$foreign\E/pid is not safe}],
        ['such a log', with("FcgiPMErrorLog $foreign/log"),
         qr/FcgiPMErrorLog/, qr{\Q$foreign\E/log is not safe}],
    ) : ()),
);

my $httpd = FCGIPM::Httpd->new;
my @before = sort glob $httpd->run_dir . '/*';
for (@wrong) {
    my ($name, $config, @said) = @$_;
    $httpd->write_config("$config\n");
    my ($status, $out) = $httpd->run('-t');
    isnt($status, 0, "$name: httpd -t fails");
    my @missing = grep { $out !~ $_ } @said;
    is_deeply(\@missing, [], 'and says what, where and what is allowed')
        or diag($out);
}

# --- several mistakes are told at once
$httpd->write_config(pool('one', ["$dir/nothing1"])
                     . pool('two', ["$dir/nothing2"]));
my ($status, $out) = $httpd->run('-t');
isnt($status, 0, 'two pools that cannot be');
like($out, qr/\bone\b.*nothing1/, 'the one is told');
like($out, qr/\btwo\b.*nothing2/, 'the other as well');

# --- what is right
my $user = worker_user();
my @right = (
    ['nothing at all', ''],
    ['every directive', join '', map({ "$_\n" } 'FcgiPMSocketMode 0660',
        "FcgiPMRuntimeDir $dir/rt", 'FcgiPMDieTimeout 500ms',
        "FcgiPMManagerName \"x y\"", 'FcgiPMGraceful changed',
        "FcgiPMSocket $dir/ctl.sock", "FcgiPMPidFile $dir/pid",
        'FcgiPMNice 3', 'FcgiPMSetEnv EVERY one'),
        with(join "\n", 'FcgiPMProcesses 2', 'FcgiPMListenBacklog 65535',
             "FcgiPMListen unix:$dir/s", 'FcgiPMListenMode 0666',
             (defined $user ? ("FcgiPMListenOwner $user",
                               "FcgiPMUser $user") : ()),
             "FcgiPMDirectory $dir", 'FcgiPMUmask 077', 'FcgiPMNice -5',
             'FcgiPMSetEnv A "b c"', 'FcgiPMPassEnv HOME USER',
             'FcgiPMRLimit nofile 100 200', 'FcgiPMRLimit core 0',
             'FcgiPMProcessName w', 'FcgiPMStartDelay 1min',
             'FcgiPMDrainTimeout 1h', 'FcgiPMConnectTimeout 10',
             'FcgiPMIOTimeout 30s', 'FcgiPMRequestBuffer off'),
        "FcgiPMAlias /a app\n",
        "<VirtualHost *>\nFcgiPMAlias /b app\nFcgiPMAlias /b/c !\n",
        with('') =~ s/app/own/r, "</VirtualHost>\n"],
    ['a log that pools share', with("FcgiPMErrorLog $dir/log")
     . pool('other', 'worker', "FcgiPMErrorLog $dir/way/log")],
    ['ChrootDir with a TCP pool', "ChrootDir /tmp\n"
     . with('FcgiPMListen 127.0.0.1:9')],
    ['a default pool', "FcgiPMCommand $worker\nFcgiPMProcesses 2\n"],
    ['a name of 64 characters', pool('x' x 64, 'worker',
                                     "FcgiPMListen unix:$dir/s")],
    ['a command along PATH', pool('app', ['sh', '-c', 'true'])],
);
for (@right) {
    my ($name, @config) = @$_;
    $httpd->write_config(join '', @config);
    ($status, $out) = $httpd->run('-t');
    is($status, 0, "$name: httpd -t is content") or diag($out);
    like($out, qr/Syntax OK/, 'and says so');
}
# --- what is allowed, but should be known
my $any = "\nFcgiPMListenClients any";
for (['all addresses', with("FcgiPMListen 0.0.0.0:9$any"),
      qr/pool app .*every host that reaches FcgiPMListen 0.0.0.0:9/],
     ['all of IPv6', with("FcgiPMListen [::]:9$any"),
      qr/every host that reaches/],
     ['all addresses, for some', with('FcgiPMListen [::]:9',
      "\nFcgiPMListenClients ::1 192.0.2.7"),
      qr/pool app .*FcgiPMListen \[::\]:9 are all addresses of this host/],
     ['not for httpd itself', with('FcgiPMListen 192.0.2.1:9',
      "\nFcgiPMListenClients 192.0.2.7"),
      qr/pool app .*FcgiPMListenClients does not list .*its own requests/],
     ['a pool\'s socket that httpd may not use', with('FcgiPMListenMode 0466'),
      qr/pool app .*httpd's user \S+ may not connect.*FcgiPMListenMode 0466/],
     ['sockets of scripts likewise', "<FcgiPMScripts $dir>\n"
      . "FcgiPMListenMode 0\n</FcgiPMScripts>\n",
      qr/<FcgiPMScripts \Q$dir\E>: httpd's user \S+ may not connect/],
     ['the control socket likewise', "FcgiPMSocketMode 0060\n" . with(''),
      qr/FcgiPMSocketMode 0060: .*may not connect to it/],
     $> == 0 ? ['a pool\'s socket of somebody else',
                with('FcgiPMListenOwner games'),
                qr/pool app .*may not connect.*FcgiPMListenOwner games/] : (),
     $> == 0 ? ['a pool of httpd\'s user beside one of another',
                with('') . pool('other', 'worker', 'FcgiPMUser games'),
                qr/pool app .*runs as httpd's user.*pool other .*games/] : ()) {
    my ($name, $config, $said) = @$_;
    $httpd->write_config($config);
    ($status, $out) = $httpd->run('-t');
    is($status, 0, "$name: httpd -t allows it");
    like($out, $said, 'and warns');
}
$httpd->write_config(with('FcgiPMListen 127.0.0.1:9')
    . pool('other', 'worker', 'FcgiPMListen [::1]:9')
    . pool('outside', 'worker', 'FcgiPMListen 192.0.2.1:9',
           'FcgiPMListenClients 192.0.2.0/30')
    . ($> == 0 ? pool('group', 'worker', 'FcgiPMListenOwner root:' . worker_gid(),
                      'FcgiPMListenMode 0660') =~ s/:(\d+)/:#$1/r : ''));
unlike(($httpd->run('-t'))[1], qr/warn/,
       'loopback, judged, or open to httpd\'s group: no warning');
is_deeply([sort glob $httpd->run_dir . '/*'], \@before,
          'httpd -t left no socket and no file');
is_deeply([glob "$dir/*"], [$plain, "$dir/way"], 'nowhere');
is_deeply([descendants()], [], 'and no process');

done_testing;
