#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Which requests a pool takes: .htaccess files do not name a pool of another
# user, unless FcgiPMAllow says so; FcgiPMFileOwner binds a pool to the files of
# its user.  As root; without, there are no different users.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

$> == 0 or plan skip_all => 'needs root';
my ($ANN, $BOB, $GROUP) = (20001, 20002, 65_534);

my $httpd = FCGIPM::Httpd->new(
    modules => [qw(actions dir mime rewrite setenvif)], head => "TypesConfig /dev/null\n");
my $docs = $httpd->dir . '/htdocs';
mkdir "$docs/$_" or die "$_: $!" for qw(ann bob bob/sub bound php site
                                         start two wrapped);
sub file {
    my ($name, $uid) = @_;
    my $path = write_file("$docs/$name", "a file\n", 0644);
    chown $uid, $GROUP, $path;
    return;
}
file('bob/x.php', $BOB);
file('bob/x.map', $BOB);
file('bob/sub/x.php', $BOB);
file('two/x.php', $BOB);
file('ann/x.php', $ANN);
file('ann/bobs.php', $BOB);
file('site/x.php', $ANN);

my @user = ("FcgiPMUser #$ANN", "FcgiPMGroup #$GROUP");
my $php = have('php-cgi');
my $port = free_port();
$httpd->write_config(join '',
    "<Directory $docs>\nAllowOverride FileInfo AuthConfig Indexes\n",
    "Options FollowSymLinks\n</Directory>\n",
    "<Directory $docs/ann>\nSetHandler fcgipm:ann\n</Directory>\n",
    "<Directory $docs/site>\nSetHandler fcgipm:listed\n</Directory>\n",
    pool('ann', 'worker', @user), pool('plain', 'worker'),
    pool('group', 'worker', 'FcgiPMGroup #20003'),
    $php ? (pool('php', [$php], @user),
            pool('bound', [$php], @user, 'FcgiPMFileOwner user'),
            "<Directory $docs/php>\nSetHandler fcgipm:php\n</Directory>\n",
            "<Directory $docs/bound>\nSetHandler fcgipm:bound\n</Directory>\n",
            "<Directory $docs/wrapped>\nOptions +ExecCGI\n",
            "SetHandler fcgipm-script\n</Directory>\n",
            "<FcgiPMScripts $docs/wrapped>\nFcgiPMScriptUser owner\n",
            "FcgiPMGroup #$GROUP\n",
            "FcgiPMWrapper $php .html\n</FcgiPMScripts>\n") : (),
    pool('owned', 'worker', @user, 'FcgiPMFileOwner user',
         "FcgiPMAllow directory:$docs/a*"),
    pool('listed', 'worker', @user,
         "FcgiPMAllow directory:$docs/bob/sub location:/here/",
         'FcgiPMAllow host:other.example'),
    "FcgiPMAlias /here listed\nFcgiPMAlias /hereafter listed\n",
    "Listen 127.0.0.1:$port\n<VirtualHost *:$port>\nDocumentRoot $docs\n",
    "ServerName other.example\n</VirtualHost>\n");
ok($httpd->start, 'httpd');

sub htaccess { return write_file("$docs/$_[0]/.htaccess", $_[1], 0644) }

sub runs_as {
    my ($url, $at) = @_;
    my $r = FCGIPM::HTTP::http($at || $httpd->port, $url);
    return $r->{body} =~ /^pid=(\d+) / ? uid_of($1) : $r->{status};
}

# --- what a .htaccess file names
is(runs_as('/ann/x.php?pid'), $ANN, 'the configuration names a pool');
for my $line (
    'SetHandler fcgipm:ann', 'SetHandler "FCGIPM:ann"',
    "<Files x.php>\nSetHandler fcgipm:ann\n</Files>",
    "<If \"true\">\nSetHandler fcgipm:ann\n</If>",
    "SetEnvIf Host . P=ann\nSetHandler \"fcgipm:%{reqenv:P}\"",
    'AddHandler fcgipm:ann .php', 'AddType fcgipm:ann .php',
    'ForceType fcgipm:ann',
    "RewriteEngine on\nRewriteRule ^x - [NC,H=fcgipm:ann]",
    "RewriteEngine on\nRewriteRule ^x\\.(ph)p - [Handler=fcg\$1:ann]",
    "RewriteEngine on\nRewriteRule x\\.php - [E=a:b,T=fcgipm:ann]",
    # as mod_rewrite reads its arguments and flags
    "RewriteEngine on\nRewriteRule ^x|a\\ b - [H=fcgipm:ann]",
    "RewriteEngine on\nRewriteRule ^x - [H=fcg\\ipm:ann]",
    "RewriteEngine on\nRewriteRule ^x - \"[NC,\fH=fcgipm:ann]\"",
    "RewriteEngine on\nRewriteRule ^x - \"[H=fcgipm:ann ]\"",
    "RewriteEngine on\nRewriteRule ^x '-'[H=fcgipm:ann]",
    "RewriteEngine on\nRewriteRule '^x' \"-\"  '[NC, \tHandler=FcgiPM:ann]'",
) {
    htaccess('bob', "$line\n");
    my $got = runs_as('/bob/x.php?pid');
    my ($what) = $line =~ /([^\n]*fcg[^\n]*)/i;
    if ($line =~ /SetEnvIf|\$1/) {   # it may come to nothing, but never to her
        isnt($got, $ANN, "$what: refused");
        next;
    }
    is($got, 403, "$what: refused");
}
like($httpd->log, qr{pool ann: \Q$docs\E/bob/x\.php is refused: a \.htaccess},
     'a line in the log');
# mod_dir takes another file for the directory, with its configuration; what
# mod_rewrite has set for the directory stays.
htaccess('bob', "RewriteEngine on\nRewriteRule ^\$ - [H=fcgipm:ann]\n"
         . "DirectoryIndex /two/x.php\n");
is(runs_as('/bob/?pid'), 403, 'a handler of the directory before: refused');
htaccess('start', "DirectoryIndex /bob/\n");
is(runs_as('/start/?pid'), 403, 'nor through a directory before it');
htaccess('bob', "SetHandler fcgipm:plain\n");
is(runs_as('/bob/x.php?pid'), worker_uid(), 'a pool of httpd\'s user may be');
htaccess('bob', "SetHandler fcgipm-status\n");
is(runs_as('/bob/x.php'), 403, 'nor the status');
like($httpd->log, qr/names the handler fcgipm-status/, 'a line in the log');
for my $line ('Require fcgipm ann', 'FcgiPMAccessChecker ann') {
    htaccess('bob', "$line\n");
    is(runs_as('/bob/x.php'), 500, "$line: refused");
    like($httpd->log, qr/the user of pool ann is not httpd's/, 'a line');
}
# Ordinary files of that kind do not take the configuration's pool away.
htaccess('ann', "RewriteEngine on\nSetEnvIf Host . A=b\n"
         . "RewriteRule ^y/(.*)\$ x.php?\$1 [L,E=X:%{HTTP:A}]\n");
is(runs_as('/ann/y/pid'), $ANN, 'other directives in .htaccess');
is(runs_as('/bob/../ann/x.php?pid'), $ANN, 'and other places');

htaccess('bob', "SetHandler fcgipm:group\n");
is(runs_as('/bob/x.php?pid'), 403, 'nor a pool with a group of its own');

# --- php-cgi runs PATH_TRANSLATED, which nobody has judged, for an Action and
# after other internal redirects
SKIP: {
    skip 'no php-cgi', 6 if !$php;
    write_file("$docs/$_/page.html", '<?php echo "her page";', 0755)
        for qw(php bound wrapped);
    chown $ANN, $GROUP, map { "$docs/$_" } map { ($_, "$_/page.html") }
        qw(php bound wrapped);
    write_file("$docs/bob/evil.bob", '<?php echo "his file";', 0644);
    for my $dir (qw(php bound wrapped)) {
        htaccess('bob', "Action bobs /$dir/page.html\nAddHandler bobs .bob\n");
        is($httpd->get('/bob/evil.bob')->{body}, 'her page',
           "$dir: a .htaccess file that makes her page an Action's program");
        htaccess('bob', "RewriteEngine on\n"
                 . "RewriteRule go /$dir/page.html/bob/evil.bob [L]\n");
        is($httpd->get('/bob/go')->{body}, 'her page', "$dir: a RewriteRule");
    }
}

# --- FcgiPMAllow
htaccess('bob', "SetHandler fcgipm:listed\n");
is(runs_as('/bob/sub/x.php?pid'), $ANN, 'an allowed directory, by .htaccess');
is(runs_as('/bob/x.php?pid'), 403, 'not the one above');
is(runs_as('/site/x.php?pid'), 403, 'nor where the configuration names it');
is(runs_as('/here/x?pid'), $ANN, 'an allowed location');
is(runs_as('/here?pid'), $ANN, 'itself');
is(runs_as('/hereafter?pid'), 403, 'not one that begins like it');
is(runs_as('/site/x.php?pid', $port), $ANN, 'an allowed virtual host');

# --- FcgiPMFileOwner
htaccess('ann', "SetHandler fcgipm:owned\n");
is(runs_as('/ann/x.php?pid'), $ANN, 'a file of the pool\'s user');
is(runs_as('/ann/bobs.php?pid'), 403, 'one of another user');
is(runs_as('/ann/none.php?pid'), 403, 'one that is not there');
htaccess('bob', "SetHandler fcgipm:owned\n");
link "$docs/ann/x.php", "$docs/bob/hard.php" or die;
is(runs_as('/bob/hard.php?pid'), 403, 'a link from elsewhere');
is($httpd->stop, 0, 'httpd stops well');

# --- wrong
for (['FcgiPMAllow /srv', qr/FcgiPMAllow: "\/srv" is not directory:/],
     ['FcgiPMAllow directory:srv', qr/FcgiPMAllow: "directory:srv" is not/],
     ['FcgiPMAllow host:', qr/FcgiPMAllow: "host:" is not/],
     ['FcgiPMFileOwner root', qr/FcgiPMFileOwner.*any\|user/]) {
    my ($line, $why) = @$_;
    $httpd->write_config(pool('app', 'worker', $line));
    my ($status, $said) = $httpd->run('-t');
    isnt($status, 0, "$line: not accepted");
    like($said, $why, 'and why');
}
my $plain = FCGIPM::Httpd->new(config => "RewriteRule a b\n");
like(($plain->run('-t'))[1], qr/Invalid command 'RewriteRule'/,
     'a directive whose module is missing is none');
done_testing;
