#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Beside every module that this httpd has and that starts together, the
# module's hooks meet all others': the configuration is read, the server
# starts, a graceful passes, a pool, a script and a file are answered.
# mod_userdir's suexec hook once met a request that the parent had made up.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my $httpd = FCGIPM::Httpd->new(fcgipm => 0);

sub others {
    my %not = map { $_ => 1 } qw(unixd authz_core alias fcgipm);
    return grep { !/^mpm_/ && !$not{$_} }
        map { m{/mod_(\w+)\.so$} ? $1 : () }
        sort glob FCGIPM::Httpd::modules_dir() . '/mod_*.so';
}

# A module that cannot be loaded needs one that comes later, or one that is
# not there.
sub together {
    my @module = others();
    my (%late, $said, $status);
    for (1 .. 3 * @module) {
        $httpd->{modules} = \@module;
        $httpd->write_config('');
        ($status, $said) = $httpd->run('-t');
        return @module if ($status // 1) eq '0';
        my ($bad) = $said =~ m{mod_(\w+)\.so}
            or return BAIL_OUT("these do not start together: $said");
        @module = grep { $_ ne $bad } @module;
        push @module, $bad unless $late{$bad}++;
    }
    return;
}

my @module = together();
cmp_ok(scalar @module, '>', 20, scalar(@module) . ' modules') or diag("@module");

sub all_is_well {
    my ($when) = @_;
    like($httpd->get('/app/?pid')->{body}, qr/^pid=\d+/, "$when: a pool");
    like($httpd->get('/s.fcgi?pid')->{body}, qr/^pid=\d+/, "$when: a script");
    is($httpd->get('/static.txt')->{body}, "static\n", "$when: a file");
    like($httpd->get('/pm?json')->{body}, qr/^\{"version"/, "$when: status");
    return;
}

my $docs = $httpd->dir . '/htdocs';
install("$docs/s.fcgi", 's');
$httpd->{fcgipm} = 1;
$httpd->write_config(
    pool('app', 'worker', 'FcgiPMProcesses 2') . location('app')
    . "<IfModule mime_module>\n    TypesConfig /dev/null\n</IfModule>\n"
    . "<IfModule userdir_module>\n    UserDir public_html\n</IfModule>\n"
    . scripts($docs, 'FcgiPMProcesses 0 2')
    . "<Location /pm>\n    SetHandler fcgipm-status\n</Location>\n");
my ($status, $said) = $httpd->run('-t');
is($status, 0, 'httpd -t') or diag($said);
if (ok($httpd->start, 'httpd starts')) {
    all_is_well('started');
    ok($httpd->graceful, 'a graceful');
    all_is_well('after the graceful');
    ends_well($httpd);
}

done_testing;
