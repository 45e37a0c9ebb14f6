#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# FcgiPMPhpAdminValue below FcgiPMChroot, and what php.md says of values that
# come in other ways: parameters of a request, sections for a host or for a
# script in the root itself.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my $php = have('php-cgi') or plan skip_all => 'no php-cgi';
plan skip_all => 'chroot needs root and ldd' unless $> == 0 && have('ldd');
my $httpd = FCGIPM::Httpd->new(modules => ['env']);
my $docs = $httpd->dir . '/htdocs';
my $jail = $httpd->dir . '/jail';

# The program, what it is linked with, and the jail's own path in it: httpd
# tells the path of a script as it is outside.
system('sh', '-ec', <<'END', 'sh', $jail, $php) == 0 or die 'no jail';
jail=$1; php=$2
for file in $php $(ldd $php | grep -o '/[^ ]*'); do
    mkdir -p "$jail${file%/*}"
    cp -L "$file" "$jail$file"
done
mkdir -p "$jail${jail%/*}" "$jail/htdocs" "$jail/only-in-it"
ln -s / "$jail$jail"
END
my $script = <<'END';
<?php
foreach (['memory_limit', 'precision'] as $n) {
    $is = ini_get($n);
    $may = @ini_set($n, $n === 'precision' ? '8' : '88M') !== false;
    echo $n, '=', $is, $may ? ' may ' : ' not ';
}
echo getcwd(), ' ', $_SERVER['PHP_VALUE'] ?? 'none', "\n";
END
write_file($_, $script, 0644)
    for map { "$_/x.php" } "$jail/htdocs", "$jail/only-in-it", $jail, $docs;
mkdir $httpd->dir . '/etc' or die "mkdir: $!";
write_file($httpd->dir . '/etc/php.ini', "[HOST=other.example]\n"
           . "memory_limit=44M\nprecision=5\n", 0644);
my @values = ('FcgiPMPhpValue memory_limit 55M',
              'FcgiPMPhpAdminValue precision 7');
$httpd->write_config(
    pool('jail', [$php, '-n'], "FcgiPMChroot $jail", @values)
    . pool('php', [$php], 'FcgiPMSetEnv PHPRC ' . $httpd->dir . '/etc', @values)
    . <<"END");
Alias /jail $jail/htdocs
<Directory $jail/htdocs>
    SetHandler fcgipm:jail
</Directory>
<VirtualHost 127.0.0.1:${\ $httpd->port}>
</VirtualHost>
<VirtualHost 127.0.0.1:${\ $httpd->port}>
    ServerName jail.example
    DocumentRoot /only-in-it
    FcgiPMAlias /x.php jail
</VirtualHost>
Alias /in-root /x.php
<Location /in-root>
    SetHandler fcgipm:jail
</Location>
<Directory $docs>
    SetHandler fcgipm:php
    <If "%{QUERY_STRING} == 'told'">
        SetEnv PHP_VALUE memory_limit=9M
        SetEnv PHP_ADMIN_VALUE memory_limit=9M
    </If>
</Directory>
END
ok($httpd->start, 'httpd') or diag $httpd->log;

sub says {
    my ($name, $path, $text, @more) = @_;
    # twice: the first request may have left something
    is($httpd->get($path, @more)->{body}, "$text\n", $name) or diag $httpd->log
        for 1, 2;
    return;
}
my $jailed = 'memory_limit=55M may precision=7';
says('a chroot', '/jail/x.php', "$jailed not /htdocs none");
says('a directory that only the chroot has', '/x.php',
     "$jailed not /only-in-it none", host => 'jail.example');
says('a script in the root itself', '/in-root', "$jailed may / none");
says('PHP_VALUE of a request is not read', '/x.php?told',
     "$jailed not $docs memory_limit=9M");
says('a section for a host, which the client names', '/x.php',
     "memory_limit=44M not precision=7 not $docs none",
     host => 'other.example');
ends_well($httpd);
done_testing;
