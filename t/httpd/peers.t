#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Programs as they are found, each a pool of a real httpd.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use File::Copy qw(copy);
use Test::More;

sub perl_has {
    my ($module) = @_;
    return 0 == system "$^X -M$module -e 1 >/dev/null 2>&1";
}

my $php = have('php-cgi');
my %pool = (
    plain => [bin('worker'), '--plain', '--tag', 'plain'],
    ($php ? (php => [$php]) : ()),
    (perl_has('FCGI') ? ('perl-fcgi' => [bin('perl-fcgi.pl')]) : ()),
    (perl_has('FCGI::ProcManager')
        ? ('perl-procmanager' => [bin('perl-procmanager.pl'), 2]) : ()),
    (perl_has('FCGI::Engine')
        ? ('perl-engine' => [bin('perl-engine.pl')]) : ()),
);
my $httpd = FCGIPM::Httpd->new(config => join '',
    map({ pool($_, $pool{$_}, 'FcgiPMProcesses 2') . location($_) }
        sort keys %pool),
    "<FilesMatch \\.php\$>\n    SetHandler fcgipm:php\n</FilesMatch>\n");
copy(bin('hello.php'), $httpd->dir . '/htdocs/hello.php');
chmod 0644, $httpd->dir . '/htdocs/hello.php';
ok($httpd->start, 'httpd');
my @old = $httpd->workers(2 * keys %pool);

for my $round (1, 2) {
    for my $name (sort keys %pool) {
        my $path = $name eq 'php' ? '/hello.php' : "/$name/";
        my $n = 0;
        for (1 .. 20) {
            my $r = $httpd->get($path);
            $n++ if !$r->{error} && $r->{status} == 200
                && $r->{body} =~ /^pid=\d+ tag=\Q$name\E /;
        }
        is($n, 20, "$name: 20 requests, 20 answers");
        next unless $name =~ /^(?:php|perl-fcgi)$/;
        for my $chunk (0, 100) {
            my $r = $httpd->get($path, body => 'x' x 1234, chunked => $chunk);
            like($r->{body}, qr/length=1234$/m,
                 $chunk ? 'a chunked body arrives' : 'a body arrives');
        }
    }
    # Without help some have moments in which SIGTERM gets lost.
    wait_quiet($httpd->manager, 20);
    last if $round == 2;
    ok($httpd->graceful, 'a graceful');
    is(scalar $httpd->renewed(@old), scalar @old, 'all workers are new');
}
is($httpd->get('/none.php')->{status}, 404, 'a script that is not there: 404')
    if $php;
ends_well($httpd);

done_testing;
