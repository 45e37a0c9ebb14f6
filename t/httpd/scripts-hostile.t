#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Scripts on demand and people who mean ill: what the file system can be made
# to look like, and what somebody with httpd's rights can ask the manager for.
# As root; without, there are no different users.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Socket::UNIX;
use POSIX ();
use Socket;
use Test::More;
use Time::HiRes qw(time);

$> == 0 or plan skip_all => 'needs root';
my ($ANN, $BOB, $GROUP) = (20001, 20002, 65_534);
my $HTTPD = worker_uid();
my $suexec = -e FCGIPM::Httpd->modules_dir . '/mod_suexec.so'
    && grep { -u } glob '/usr/lib/apache2/suexec-* /usr/lib/*/suexec'
    . ' /usr/sbin/suexec';

my $httpd = FCGIPM::Httpd->new(
    modules => ['mime', $suexec ? 'suexec' : ()],
    head => "TypesConfig /dev/null\n");
my $docs = $httpd->dir . '/htdocs';

# A directory and a script in it, of that owner.
sub owned {
    my ($dir, $uid, $gid, $mode, $tag) = @_;
    mkdir $dir or die "$dir: $!" unless -d $dir;
    install("$dir/s.fcgi", $tag || 'good');
    chown $uid, $gid, $dir, "$dir/s.fcgi" or die "$dir: $!";
    chmod $mode, "$dir/s.fcgi";
    return $dir;
}

mkdir "$docs/$_" or die for qw(ann own plain named wrapped);
for (['good'], ['bob', $BOB], ['root', 0, 0], ['group', $ANN, $HTTPD],
     ['world', $ANN, $GROUP, 0757], ['writers', $ANN, $GROUP, 0775],
     ['setuid', $ANN, $GROUP, 04755], ['setgid', $ANN, $GROUP, 02755],
     ['sticky'], ['theirs']) {
    my ($name, $uid, $gid, $mode) = @$_;
    owned("$docs/ann/$name", $uid // $ANN, $gid // $GROUP, $mode // 0755);
}
chmod 01777, "$docs/ann/sticky";
chmod 0775, "$docs/ann/theirs";
owned("$docs/ann/up", $ANN, $GROUP, 0755);
chmod 0777, "$docs/ann/up";
owned("$docs/ann/up/down", $ANN, $GROUP, 0755);
chown $BOB, $GROUP, owned("$docs/ann/in_bobs", $ANN, $GROUP, 0755);
owned("$docs/ann/in_bobs/deep", $ANN, $GROUP, 0755);
mkdir "$docs/ann/link";
symlink "$docs/ann/good/s.fcgi", "$docs/ann/link/s.fcgi" or die;
symlink 'good', "$docs/ann/way" or die;
owned("$docs/own/ann", $ANN, $GROUP, 0755);
owned("$docs/own/root", 0, 0, 0755);
owned("$docs/own/httpd", $HTTPD, $GROUP, 0755);
owned("$docs/plain/root", 0, 0, 0755);
owned("$docs/named/root", 0, 0, 0755);
owned("$docs/plain/ann", $ANN, $GROUP, 0755);
my $outside = owned($httpd->dir . '/outside', $ANN, $GROUP, 0755);

my $identity = "FcgiPMUser #$ANN";
my $host = '';
my $port = free_port();
$host = "Listen 127.0.0.1:$port\n<VirtualHost *:$port>\nServerName bobs\n"
    . "DocumentRoot $docs\nSuexecUserGroup #$BOB #$GROUP\n</VirtualHost>\n"
    if $suexec;
my $config = "FcgiPMSocketMode 0666\nFcgiPMMaxScripts 20\n"
    . "<Directory $docs>\nOptions FollowSymLinks\n</Directory>\n"
    . scripts("$docs/ann", $identity, "FcgiPMGroup #$GROUP")
    . scripts("$docs/own", 'FcgiPMScriptUser owner', "FcgiPMGroup #$GROUP")
    . scripts("$docs/plain", 'FcgiPMProcesses 0 1')
    . scripts("$docs/named", "FcgiPMUser #$HTTPD")
    . scripts("$docs/wrapped", 'FcgiPMScriptUser owner',
              "FcgiPMGroup #$GROUP",
              'FcgiPMWrapper "' . bin('worker') . ' --tag wrapped" .wrap')
    . "<Directory $docs/wrapped>\nAddHandler fcgipm-script .wrap\n"
    . "</Directory>\n" . $host;
$httpd->write_config($config);
ok($httpd->start, 'httpd');

# --- the file system
my @case = (
    ['ann/good' => 200], ['ann/bob' => 403, 'have to belong'],
    ['ann/root' => 403, 'have to belong'],
    ['ann/group' => 403, 'have to belong'],
    ['ann/in_bobs' => 403, 'have to belong'],
    ['ann/world' => 403, 'it can be written to by anybody'],
    ['ann/writers' => 403, 'it can be written to by a group'],
    ['ann/setuid' => 403, 'set-user-ID'], ['ann/setgid' => 403, 'set-group'],
    ['ann/sticky' => 403, 'a directory on the way'],
    ['ann/theirs' => 403, 'a directory on the way'],
    ['ann/in_bobs/deep' => 403, 'have to belong'],
    ['ann/up/down' => 403, 'a directory on the way'],
    ['ann/link' => 403, 'is a symbolic link'],
    ['ann/way' => 403, 'is a symbolic link'],
    ['own/ann' => 200], ['own/root' => 403, 'uid 0'],
    ['own/httpd' => 403, 'FcgiPMScriptMinUid'],
    ['named/root' => 200], ['plain/root' => 200],
    ['plain/ann' => 403, 'or to root'],
);
for (@case) {
    my ($path, $status, $why) = @$_;
    my $r = $httpd->get("/$path/s.fcgi?pid");
    is($r->{status}, $status, "$path: $status");
    like($httpd->log, qr{/$path[^\n]*\Q$why}, "$path: $why") if $why;
    next unless $status == 200;
    my ($pid) = $r->{body} =~ /^pid=(\d+)/;
    is(uid_of($pid), $path =~ /^(?:plain|named)/ ? $HTTPD : $ANN,
       "$path: its user");
}
my %before = map { $_->{name} => 1 } @{ $httpd->status->{pools} };
is(scalar keys %before, 4, 'nothing else has got a pool');

# Names that would be more than one word, or line, on their way.
my $deep = "$docs/plain";
my $url = '/plain';
for my $part ('new%0aline', 'a%20blank', '100%25', ('x' x 240) x 16,
              'x' x 140) {
    (my $name = $part) =~ s/%(..)/chr hex $1/ge;
    owned("$deep/$name", 0, 0, 0755);
    if ($part =~ /xx/ && length $deep < 3500) {
        ($deep, $url) = ("$deep/$name", "$url/$part");
        next; # each 200 makes a pool
    }
    my $r = $httpd->get("$url/$part/s.fcgi?pid");
    if ($part =~ /0a/) {
        is($r->{status}, 403, 'a newline in a name: 403');
        next;
    }
    ($deep, $url) = ("$deep/$name", "$url/$part");
    is($r->{status}, length $deep > 3990 ? 403 : 200,
       'a name of ' . length($deep) . ' bytes, with ' . substr $part, 0, 9);
}
like($httpd->log, qr/the path .*\.\.\." is longer than 4000 bytes/,
     'a line in the log');

# --- somebody with httpd's rights, and others
sub as_user {
    my ($uid, $code) = @_;
    pipe my $in, my $out or die;
    my $pid = fork;
    if (!$pid) {
        $) = "$GROUP $GROUP";
        $( = $GROUP;
        POSIX::setuid($uid);
        my $said = eval { $code->() } // "died: $@";
        syswrite $out, $said;
        POSIX::_exit(0);
    }
    close $out;
    my $said = join '', <$in>;
    waitpid $pid, 0;
    return $said;
}

sub ask {
    my (@line) = @_;
    my $s = IO::Socket::UNIX->new(Peer => $httpd->control_socket)
        or return "connect: $!";
    my $answer = '';
    for (@line) {
        print {$s} "$_\n";
        my $said = <$s>;
        $answer = defined $said ? $said : 'closed';
    }
    chomp $answer;
    return $answer;
}

sub asks {
    my ($uid, @line) = @_;
    return as_user($uid, sub { ask(@line) });
}

my $good = "script 0 localhost:0 $docs/ann/good/s.fcgi";
like(asks($HTTPD, $good), qr/^ok \d+ \d+ s\.fcgi-\w+ unix:/,
     'httpd\'s user may ask');
like(asks($ANN, $good), qr/^error you may not/, 'nobody else may');
my $long = 'x' x 4000;
for (['outside of all templates', "$outside/s.fcgi", 'error 500'],
     ['above', "$docs/ann/../../outside/s.fcgi", 'error 403'],
     ['a program of the system', '/bin/sh', 'error 500'],
     ['a dot', "$docs/ann/./good/s.fcgi", 'error 403'],
     ['two slashes', "$docs/ann//good/s.fcgi", 'error 403'],
     ['no slash', 'good/s.fcgi', 'error 403'],
     ['a NUL', "$docs/ann/good/s.fcgi%00", 'error 403'],
     ['a newline', "$docs/ann/good/s.fcgi%0aok", 'error 403'],
     ['half an escape', "$docs/ann/good/s.fcgi%", 'error 403'],
     ['a blank', "$docs/ann/good/s.fcgi%20x", 'error 404'],
     ['the template itself', "$docs/ann", 'error 500'],
     ['a directory', "$docs/ann/good", 'error 403'],
     ['below a file', "$docs/ann/good/s.fcgi/x", 'error 404'],
     ['a long name', "$docs/ann/$long", 'error 403 .*longer than 4000'],
     ['a longer one', "$docs/ann/" . $long x 5, 'error line too long'],
     ['a template\'s pattern', "$docs/*/good/s.fcgi", 'error 500'],
     ['two words', "$docs/ann/good/s.fcgi x", 'error usage'],
     ['none', '', 'error usage']) {
    my ($what, $path, $answer) = @$_;
    like(asks($HTTPD, "script 0 localhost:0 $path"), qr/^(?:$answer)/,
         "asked for $what");
}
like(asks($HTTPD, $good =~ s/localhost/elsewhere/r), qr/^error 500 there is/,
     'a host that is none');
like(asks($HTTPD, $good =~ s/ 0 / -1 /r), qr/^error usage/, 'no number');
is(asks($HTTPD, $good =~ s/ 0 / 999 /r), 'error later',
   'a configuration of the future');
like(asks($HTTPD, "reload"), qr/^error you may not/, 'no other right');
my ($socket) = asks($HTTPD, $good) =~ /unix:(\S+)$/;
is(as_user($ANN, sub {
    IO::Socket::UNIX->new(Peer => $socket) ? 'in' : "$!"
}), 'Permission denied', 'the pool\'s socket is httpd\'s only');
my @stat = stat $socket;
is($stat[4], $HTTPD, 'its owner');
is($stat[2] & 0777, 0600, 'its mode');

# --- another host's user
SKIP: {
    skip 'there is no mod_suexec with a suexec here', 5 unless $suexec;
    owned("$docs/plain/bob", $BOB, $GROUP, 0755, 'bob');
    my $r = FCGIPM::HTTP::http($port, '/plain/bob/s.fcgi?pid');
    like($r->{body}, qr/^pid=(\d+) tag=bob/, 'SuexecUserGroup') or
        diag($httpd->log);
    my ($pid) = $r->{body} =~ /^pid=(\d+)/;
    is(uid_of($pid), $BOB, 'decides on the user');
    is(FCGIPM::HTTP::http($port, '/plain/root/s.fcgi')->{status}, 403,
       'whose scripts these have to be');
    is($httpd->get('/plain/bob/s.fcgi')->{status}, 403,
       'in another host they are not run');
    like(asks($HTTPD, "script 0 bobs:$port $docs/ann/bob/s.fcgi"),
         qr/^error 403/, 'where FcgiPMUser says who, nobody else is');
}

# --- a wrapper, as whom the script belongs to
for ([$ANN, 'ann'], [$BOB, 'bob']) {
    my ($uid, $name) = @$_;
    owned("$docs/wrapped/$name", $uid, $GROUP, 0644);
    chmod 0755, "$docs/wrapped/$name";
    rename "$docs/wrapped/$name/s.fcgi", "$docs/wrapped/$name/s.wrap" or die;
    my $r = $httpd->get("/wrapped/$name/s.wrap?pid");
    my ($pid) = $r->{body} =~ /^pid=(\d+) tag=wrapped/;
    is($pid && uid_of($pid), $uid, "a wrapper for a script of $name");
}
chown 0, 0, "$docs/wrapped/ann/s.wrap";
is($httpd->get('/wrapped/ann/s.wrap?pid')->{status}, 403,
   'but not for one of root');

# Each file is judged by itself, though all of an owner share one pool.
sub wrapped {
    my ($name) = @_;
    my $r = $httpd->get("/wrapped/$name.wrap?pid");
    return $r->{body} =~ /^pid=(\d+) tag=wrapped/ ? uid_of($1) : $r->{status};
}

sub wrapped_file {
    my ($name, $uid) = @_;
    my $file = write_file("$docs/wrapped/$name.wrap", '', 0644);
    chown $uid, $GROUP, $file;
    return $file;
}
my $ann = wrapped_file('ann/mine', $ANN);
is(wrapped('ann/mine'), $ANN, 'her other script');
is(wrapped('bob/s'), $BOB, 'his pool is there');
symlink "$docs/wrapped/bob/s.wrap", "$docs/wrapped/ann/sym.wrap" or die;
link "$docs/wrapped/bob/s.wrap", "$docs/wrapped/ann/hard.wrap" or die;
is(wrapped("ann/$_"), 403, "her $_ link to his script does not run as him")
    for qw(sym hard);
rename "$docs/wrapped/ann/sym.wrap", $ann or die;
is(wrapped('ann/mine'), 403, 'nor does a link in the place of her script');
unlink $ann, "$docs/wrapped/ann/hard.wrap";
wrapped_file('ann/mine', $ANN);
is(wrapped('ann/mine'), $ANN, 'her own in its place does, at once');
chmod 0666, wrapped_file('bob/open', $BOB);
is(wrapped('bob/open'), 403, 'one that anybody can write to');
is(wrapped('bob/s'), $BOB, 'does not stop his others');
chmod 0644, "$docs/wrapped/bob/open.wrap";
is(wrapped('bob/open'), $BOB, 'nor itself, when it is put right');
chmod 0777, "$docs/wrapped/bob";
ok(wait_for { wrapped('bob/s') == 403 } 20,
   'a directory that anybody can write to is noticed soon');
chmod 0755, "$docs/wrapped/bob";
ok(wait_for { wrapped('bob/s') == $BOB } 20, 'and when it is put right');

# The pool outlives the file that it was made for.
my ($his) = grep { $_->{command} =~ /--tag wrapped/ && $_->{workers}
                   && uid_of($_->{worker}[0]{pid}) == $BOB }
    @{ $httpd->status->{pools} };
unlink "$docs/wrapped/bob/s.wrap" or die;
is(wrapped('bob/s'), 404, 'his first script is gone');
kill 'KILL', $his->{worker}[0]{pid};
is(wrapped('bob/open'), $BOB, 'his others run in a new worker');
ok($httpd->graceful, 'a graceful');
ok(wait_for { (wrapped('bob/open') || 0) == $BOB } 20, 'and after it');
is($httpd->pool_status($his->{name})->{state}, 'running', 'in the same pool');

# --- ten thousand names
my $manager = $httpd->manager;
my $size = sub { proc_status($manager)->{RssAnon} =~ /(\d+)/ ? $1 : 0 };
asks($HTTPD, map { "script 0 localhost:0 $docs/plain/warm$_" } 1 .. 500);
my $was = $size->();
like(asks($HTTPD, map { "script 0 localhost:0 $docs/plain/no$_" }
                  1 .. 10_000), qr/^error 404/, '10,000 names of nothing');
install("$docs/plain/root/n$_.fcgi", $_) for 1 .. 40;
like(asks($HTTPD, map { "script 0 localhost:0 $docs/plain/root/n"
                        . ($_ % 40 + 1) . '.fcgi' } 1 .. 10_000),
     qr/^(?:ok|error 503)/, '10,000 questions for 40 scripts');
cmp_ok($size->() - $was, '<', 2048, 'the manager has not grown (KB)');
is(scalar @{ $httpd->status->{pools} }, 20, 'FcgiPMMaxScripts pools');
# where 10,000 questions take long, pools that were not used go instead
my $full = count_lines($httpd->error_log, 'no other script');
my $room = count_lines($httpd->error_log, 'goes when another script is asked');
cmp_ok($full, '<=', 1, 'one line in the log');
ok($full || $room == 1, 'of that or of room that was made');
is($httpd->manager, $manager, 'it is the same manager');
is($httpd->stop, 0, 'httpd stops well');

# --- swapped while it is looked at
$httpd->write_config(
    scripts("$docs/ann", $identity, "FcgiPMGroup #$GROUP",
            'FcgiPMIdleTimeout 40ms', 'FcgiPMMaxRequests 1'));
# By her who owns the script, as nobody else can: she can make it another
# one of her own, but not one that she cannot execute, nor one as who owns it.
owned("$httpd->{dir}/victim", $BOB, $GROUP, 0700, 'victim');
owned("$docs/ann/race", $ANN, $GROUP, 0755, 'good');
ok($httpd->start, 'httpd');
my $swapper = fork;
if (!$swapper) {
    my $dir = "$docs/ann/race";
    system 'cp', '-a', "$dir/s.fcgi", "$dir/keep";
    for (;;) {
        unlink "$dir/new";
        link "$dir/keep", "$dir/new";
        rename "$dir/new", "$dir/s.fcgi";
        unlink "$dir/new";
        symlink "$httpd->{dir}/victim/s.fcgi", "$dir/new";
        rename "$dir/new", "$dir/s.fcgi";
    }
}
my (%seen, %user);
my $end = time + 4;
while (time < $end) {
    my $r = $httpd->get('/ann/race/s.fcgi?proc&pid');
    my ($tag) = $r->{body} =~ /tag=(\w+)/;
    $seen{ defined $tag ? $tag : $r->{status} || $r->{error} }++;
    $user{$1}++ if $r->{body} =~ /^(uid[^\n]*)/m;
}
kill 'KILL', $swapper;
waitpid $swapper, 0;
diag(join ', ', map { "$_: $seen{$_}" } sort keys %seen);
ok(!$seen{victim}, 'a swapped script: another one is never run');
ok($seen{good} || $seen{403}, 'something has happened');
ok(!grep({ !/\b$ANN\b/ } keys %user), 'and never as somebody else')
    or diag(explain(\%user));
$httpd->stop;
done_testing;
