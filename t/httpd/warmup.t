#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# FcgiPMWarmup in httpd: what the requests carry, of a pool, of a virtual host,
# behind an alias, and of a script.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my $httpd = FCGIPM::Httpd->new(
    modules => ['mime'], head => "TypesConfig /dev/null\n");
my $docs = $httpd->dir . '/htdocs';
mkdir "$docs/$_" or die for qw(dir s other);
write_file("$docs/dir/x.fcgi", '', 0644);

# Tells what its first request was.
my $program = <<'END';
#!/usr/bin/perl
use FCGI;
my ($request, $n, %first) = (FCGI::Request(), 0);
while ($request->Accept >= 0) {
    %first = %ENV if !$n++;
    print "Content-Type: text/plain\r\n\r\nn=$n\n",
        map { "$_=$first{$_}\n" } sort keys %first;
}
END
my $plain = write_file($httpd->dir . '/first.pl', $program, 0755);
write_file("$docs/s/s.fcgi", $program, 0755);

my $port = $httpd->port;
$httpd->write_config(join '',
    pool('dir', [$plain], 'FcgiPMPreload on',
         'FcgiPMWarmup /dir/x.fcgi/more?a=b'), location('dir'),
    pool('host', [$plain],
         'FcgiPMWarmup http://other.example.org/none/more'), location('host'),
    pool('al', [$plain], 'FcgiPMWarmup /some/al/more'),
    "FcgiPMAlias /some/al al\n",
    "<VirtualHost 127.0.0.2:$port>\nServerName other.example.org\n",
    "DocumentRoot $docs/other\n</VirtualHost>\n",
    scripts("$docs/s", 'FcgiPMProcesses 1', 'FcgiPMWarmup /s/s.fcgi?c'));
ok($httpd->start, 'httpd') or diag($httpd->log);

for (['dir', '/dir/x', 'SCRIPT_FILENAME' => "$docs/dir/x.fcgi",
      SCRIPT_NAME => '/dir/x.fcgi', PATH_INFO => '/more',
      QUERY_STRING => 'a=b', DOCUMENT_ROOT => $docs],
     ['host', '/host/x', SCRIPT_FILENAME => "$docs/other/none",
      SCRIPT_NAME => '/none', PATH_INFO => '/more',
      DOCUMENT_ROOT => "$docs/other", SERVER_NAME => 'other.example.org'],
     ['alias', '/some/al/y', SCRIPT_NAME => '/some/al', PATH_INFO => '/more',
      SCRIPT_FILENAME => "$docs/some/al"],
     ['script', '/s/s.fcgi', SCRIPT_NAME => '/s/s.fcgi', QUERY_STRING => 'c',
      SCRIPT_FILENAME => "$docs/s/s.fcgi"]) {
    my ($name, $url, %want) = (@$_, FCGIPM_WARMUP => 1);
    my $body = $httpd->get($url)->{body} // '';
    like($body, qr/^n=2\n/, "$name: has answered before")
        or diag($httpd->log);
    my %got = $body =~ /^(\w+)=(.*)$/mg;
    is($got{$_}, $want{$_}, "$name: $_") for sort keys %want;
}

$httpd->stop;

for (['no/slash', qr/neither a path/], ['ftp://x/y', qr/neither a path/],
     ['http://host', qr/neither a path/]) {
    my ($url, $why) = @$_;
    $httpd->write_config(pool('bad', [$plain], "FcgiPMWarmup $url"));
    my ($status, $said) = $httpd->run('-t');
    isnt($status, 0, "httpd -t: $url");
    like($said, qr/FcgiPMWarmup: "\Q$url\E" is $why/, 'says why');
}

done_testing;
