#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# FcgiPMPhpValue and FcgiPMPhpAdminValue, with php-cgi: what a script and its
# .user.ini can change, and what they cannot, as pools, as scripts with a
# wrapper, and when workers are forked (FcgiPMPreload).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my $php = have('php-cgi') or plan skip_all => 'no php-cgi';
my $httpd = FCGIPM::Httpd->new;
my $docs = $httpd->dir . '/htdocs';
my $wrapper = write_file($httpd->dir . '/wrapper-php',
    "#!/bin/sh\nexec $php -d precision=7 \"\$@\"\n", 0755);

# Each setting: what it is, whether the script may set it, what it is then, and
# what ini_restore() makes of it.
for my $place ('pool', 'fork', 'wrap') {
    mkdir "$docs/$place" or die "mkdir: $!";
    write_file("$docs/$place/x.php", <<'END', 0644);
<?php
foreach (explode(' ', $_GET['n']) as $n) {
    $is = ini_get($n);
    $may = @ini_set($n, $_GET['v']) !== false;
    $now = ini_get($n);
    ini_restore($n);
    echo $n, '=', $is, $may ? ' may ' : ' not ', $now, ' ', ini_get($n), "\n";
}
echo function_exists('exec') ? 'exec' : 'no exec', "\n";
END
    write_file("$docs/$place/.user.ini", "memory_limit=77M\n"
        . "max_input_time=77\npost_max_size=77M\nhtml_errors=1\n", 0644);
}

my $values = <<'END';
    FcgiPMPhpValue memory_limit 55M
    FcgiPMPhpValue arg_separator.output "&amp;"
    FcgiPMPhpAdminValue max_input_time 66
    FcgiPMPhpAdminValue post_max_size 3M
    FcgiPMPhpAdminValue error_reporting "E_ALL & ~E_NOTICE"
    FcgiPMPhpAdminValue html_errors Off
    FcgiPMPhpAdminValue disable_functions exec,system
    FcgiPMPhpAdminValue user_agent "it's [PATH=/] ;x"
    FcgiPMPhpAdminValue error_prepend_string "a\"b ${NO_SUCH_X}"
END
$httpd->write_config(
    pool('php', [$php], "FcgiPMProcesses 2\n$values")
    . pool('fork', [$php], "FcgiPMPreload on\n$values")
    . "<Directory $docs/pool>\nSetHandler fcgipm:php\n</Directory>\n"
    . "<Directory $docs/fork>\nSetHandler fcgipm:fork\n</Directory>\n"
    . "<FcgiPMScripts $docs/wrap>\nFcgiPMWrapper $wrapper .php\n$values"
    . "</FcgiPMScripts>\n<Directory $docs/wrap>\nOptions +ExecCGI\n"
    . "SetHandler fcgipm-script\n</Directory>\n");
ok($httpd->start, 'httpd') or diag $httpd->log;

my @rows = (
    # setting, answer with v=88M
    ['memory_limit', '77M may 88M 55M'],
    ['arg_separator.output', '&amp; may 88M &amp;'],
    ['max_input_time', '66 not 66 66'],
    ['post_max_size', '3M not 3M 3M'],
    ['error_reporting', (32767 & ~8) . ' not 32759 32759'],
    ['html_errors', ' not  '],
    ['user_agent', "it's [PATH=/] ;x not it's [PATH=/] ;x it's [PATH=/] ;x"],
    ['error_prepend_string', 'a"b ${NO_SUCH_X} not a"b ${NO_SUCH_X} a"b ${NO_SUCH_X}']);
my $query = '?v=88M&n=' . join '+', map { $_->[0] } @rows;
my $want = join '', map({ "$_->[0]=$_->[1]\n" } @rows), "no exec\n";
for my $place ('pool', 'fork', 'wrap') {
    # The second answer tells whether the first one has left something.
    for my $time (1, 2) {
        my $r = $httpd->get("/$place/x.php$query");
        is($r->{body}, $want, "$place, answer $time") or diag $httpd->log;
    }
}
my ($fork) = grep { $_->{name} eq 'fork' } @{ $httpd->status->{pools} };
ok($fork->{fork_server}, 'workers were forked');
like($httpd->get("/wrap/x.php?v=1&n=precision")->{body}, qr/^precision=7 may/,
     'the wrapper added its own');

# --- php.md: its site, and a section of an administrator's php.ini
my ($site) = slurp(root() . '/docs/admin/php.md') =~ /^## A site\n(.*?)^- /ms;
my $shop = "$docs/shop";
$site = join "\n", $site =~ /^    (.*)$/mg;
$site =~ s{/srv/shop}{$shop}g;
$site =~ s{^(\s*FcgiPMUser\s+)shop}{$1 . worker_user()}me;
$site =~ s{^(</FcgiPMPool>)}{FcgiPMSetEnv PHPRC $shop/etc\n$1}m;
mkdir "$shop$_" or die "mkdir: $!" for '', qw(/htdocs /htdocs/deep /etc
                                              /sessions /tmp);
if ($> == 0) {
    chown worker_uid(), worker_gid(), "$shop/$_" for qw(sessions tmp);
}
write_file("$shop/htdocs/deep/y.php", '<?php session_start(); echo '
    . "ini_get('memory_limit'), ' ', ini_get('upload_tmp_dir');", 0644);
write_file("$shop/etc/php.ini",
    "[PATH=$shop/htdocs/deep]\nmemory_limit=44M\n", 0644);
$httpd->write_config($site);
ok($httpd->graceful, 'the site of php.md') or diag $httpd->log;
is($httpd->get('/shop/htdocs/deep/y.php')->{body}, "44M $shop/tmp",
   'it serves, and a deeper section counts') or diag $httpd->log;
is(scalar(() = glob "$shop/sessions/sess_*"), 1, 'its session is its own');

# --- what cannot be
for my $row (['FcgiPMPhpValue', 'memory_limit', qr/FcgiPMPhpValue takes 2/],
             ['FcgiPMPhpValue', '"a b" 1', qr/"a b" is not the name of a sett/],
             ['FcgiPMPhpAdminValue', qq(user_agent "it's \$x"),
              qr/FcgiPMPhpAdminValue: the value of user_agent has ' and/]) {
    my ($name, $text, $said) = @$row;
    $httpd->write_config(pool('php', [$php], "$name $text\n"));
    my ($rc, $out) = $httpd->run('-t');
    isnt($rc, 0, "$name $text");
    like($out, $said, 'the reason');
}

done_testing;
