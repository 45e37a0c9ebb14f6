#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# php-cgi reads a request record by record, and the end of its body when the script
# has run.  On a kept connection httpd does not take it for a worker that has not
# begun: no script runs twice.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Socket::INET;
use Test::More;

my $php = have('php-cgi') or plan skip_all => 'no php-cgi';
my $dir = tmp_dir();
my $runs = write_file("$dir/runs", '', 0666);
write_file("$dir/fast.php", "<?php echo 'fast';", 0644);
write_file("$dir/slow.php", <<"PHP", 0644);
<?php
file_put_contents('$runs', \$_GET['n'] . "\\n", FILE_APPEND);
usleep(400000);
echo 'slow';
PHP
my $httpd = FCGIPM::Httpd->new(config => join '',
    pool('php', [$php], 'FcgiPMProcesses 3', 'FcgiPMKeepConnections on',
         'FcgiPMSetEnv PHP_FCGI_MAX_REQUESTS 0'),
    "Alias /app $dir\n<Directory $dir>\n    Require all granted\n",
    "    SetHandler fcgipm:php\n</Directory>\n");
ok($httpd->start, 'httpd') or BAIL_OUT('no httpd');
$httpd->workers(3);

# Two requests on one connection, the second right behind the first.
sub ask_both {
    my ($n) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $httpd->port)
        or return '';
    syswrite $s, "GET /app/fast.php HTTP/1.1\r\nHost: x\r\n\r\n"
        . "GET /app/slow.php?n=$n HTTP/1.1\r\nHost: x\r\n"
        . "Connection: close\r\n\r\n";
    local $/;
    return scalar readline $s;
}

my $reused = sub { $httpd->pool_status('php')->{reused} };
my ($n, $bad, $before) = (0, 0, $reused->());
ok(wait_for {
       $bad++ if ask_both(++$n) !~ /fast.*slow/s;
       $reused->() > $before;
   } 60, 'a long script runs on a kept connection') or diag($n);
is($bad, 0, 'all are answered');
my %times;
$times{$_}++ for split ' ', slurp($runs);
is_deeply([grep { $times{$_} > 1 } keys %times], [], 'none has run twice');
is(scalar keys %times, $n, 'each has run');
is($httpd->pool_status('php')->{retried}, 0, 'no second worker was asked');
ends_well($httpd);
done_testing;
