#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Public bug reports about FastCGI under httpd, tried here with php-cgi, as files
# of a pool and as scripts:
#
#   php-src 15246: mod_proxy_fcgi sends SCRIPT_FILENAME with %20 for a blank, and
#     php-fpm does not find the file.
#   php-src 17643: PATH_INFO comes still encoded, by ProxyPass.
#   tus-php 445: an upload that its client breaks off cannot be resumed, as the
#     program has got nothing of it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Socket::INET;
use Test::More;

my $php = have('php-cgi') or plan skip_all => 'php-cgi is not installed';
my $httpd = FCGIPM::Httpd->new(
    modules => ['mime', 'dir'], head => "TypesConfig /dev/null\n");
my $dir = $httpd->dir;
my $kept = "$dir/kept";
mkdir $_ or die "$_: $!" for "$dir/pool", "$dir/scripts", $kept;
chmod 0777, $kept;
my @php = ($php, '-d', 'enable_post_data_reading=0');
my $config = join '',
    pool('php', \@php, 'FcgiPMProcesses 2', 'FcgiPMRequestBuffer off'),
    "Alias /pool $dir/pool\nAlias /scripts $dir/scripts\n",
    "<Directory $dir/pool>\n    <FilesMatch \"\\.php\$\">\n",
    "        SetHandler fcgipm:php\n    </FilesMatch>\n</Directory>\n",
    "<FcgiPMScripts $dir/scripts>\n    FcgiPMWrapper \"@php\" .php\n",
    "    FcgiPMRequestBuffer off\n</FcgiPMScripts>\n",
    "<Directory $dir/scripts>\n    Options +ExecCGI\n",
    "    AddHandler fcgipm-script .php\n</Directory>\n",
    "<Directory $dir>\n    Require all granted\n</Directory>\n";
$httpd->write_config($config);
ok($httpd->start, 'httpd') or BAIL_OUT('no httpd');

# --- names of files, and PATH_INFO ------------------------------------------

my $text = '<?php echo __FILE__, "\n", $_SERVER["PATH_INFO"] ?? "", "\n";';
my @name = ('my file.php', "\xC3\xBCml\xC3\xA4ut.php", '100%.php', 'a%20b.php',
            'a+b.php', 'a&b;c.php', "it's.php", 'h#sh.php', 'qu?stion.php');

sub encoded {
    my ($path) = @_;
    $path =~ s{([^A-Za-z0-9/._-])}{sprintf '%%%02X', ord $1}ge;
    return $path;
}

for my $way (qw(pool scripts)) {
    for my $name (@name) {
        write_file("$dir/$way/$name", $text, 0644);
        for my $info ('', "/\xE3\x82\xA2 b+c%20d") {
            my $r = $httpd->get(encoded("/$way/$name$info"));
            is($r->{body}, "$dir/$way/$name\n$info\n", "$way: $name$info");
        }
    }
}

# --- an upload that is broken off -------------------------------------------

my $upload = <<"END";
<?php
ignore_user_abort(true);
\$to = "$kept/" . \$_GET['name'];
\$in = fopen('php://input', 'r');
while ((\$some = fread(\$in, 8192)) !== false && \$some !== '') {
    file_put_contents(\$to, \$some, FILE_APPEND);
}
file_put_contents("\$to.end", 'end');
END
for my $way (qw(pool scripts)) {
    write_file("$dir/$way/up.php", $upload, 0644);
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $httpd->port)
        or die "connect: $!";
    my $half = 'x' x 500_000;
    syswrite $s, "PATCH /$way/up.php?name=$way HTTP/1.1\r\nHost: x\r\n"
        . "Content-Length: 1000000\r\n\r\n";
    for (my $sent = 0; $sent < length $half;) {
        $sent += syswrite $s, substr $half, $sent;
    }
    my $came = wait_for { -s "$kept/$way" && -s _ > 400_000 } 30, 'most of it';
    ok($came, "$way: what is sent comes at once");
    close $s;
    wait_for { -e "$kept/$way.end" } 30, 'its end';
    cmp_ok(-s "$kept/$way", '>', 400_000,
           "$way: a client that breaks off finds what it has sent");
}
ends_well($httpd);
done_testing;
