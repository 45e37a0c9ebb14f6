#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Programs as they are found: php-cgi, Perl's FCGI, FCGI::ProcManager,
# FCGI::Engine; each serves as a pool.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;
sub perl_has {
    my ($module) = @_;
    return 0 == system "$^X -M$module -e 1 >/dev/null 2>&1";
}

my $php = have('php-cgi');
my @case = (
    ['php-cgi', $php, [$php], 'php'],
    ['FCGI', perl_has('FCGI'), [bin('perl-fcgi.pl')], 'perl-fcgi'],
    ['FCGI::ProcManager, a server', perl_has('FCGI::ProcManager'),
     [bin('perl-procmanager.pl'), 0], 'perl-procmanager'],
    ['FCGI::ProcManager, a manager of two', perl_has('FCGI::ProcManager'),
     [bin('perl-procmanager.pl'), 2], 'perl-procmanager'],
    ['FCGI::Engine', perl_has('FCGI::Engine'), [bin('perl-engine.pl')],
     'perl-engine'],
    ['libfcgi, without a handler', 1,
     [bin('worker'), '--plain', '--tag', 'plain'], 'plain'],
);

for (@case) {
    my ($name, $there, $command, $tag) = @$_;
  SKIP: {
        skip "$name is not installed", 1 unless $there;
        my $run = FCGIPM::Run->new(processes => 2, command => $command,
                                   options => ['--die-timeout', '10']);
        my %params = (SCRIPT_FILENAME => bin('hello.php'),
                      REDIRECT_STATUS => 200);
        my @old = $run->workers(2);
        my $round = sub {
            my ($n, %odd) = (0);
            for (1 .. 20) {
                my $r = request($run->address, params => \%params);
                my $good = !$r->{error}
                    && $r->{body} =~ /^pid=\d+ tag=\Q$tag\E /;
                $good ? $n++ : $odd{ $r->{error} || $r->{stdout} }++;
            }
            diag(explain(\%odd), $run->log) if %odd;
            return $n;
        };
        is($round->(), 20, "$name: 20 requests, 20 answers");
        my $r = request($run->address, params => \%params, stdin => 'abc');
        like($r->{body}, qr/length=3$/m, 'a body arrives')
            if $name =~ /^(?:php-cgi|FCGI)$/;
        # Without help these have moments in which SIGTERM gets lost.
        wait_quiet($run->pid, 20);
        $run->signal('HUP');
        my @new = $run->renewed(@old);
        is(scalar @new, 2, 'SIGHUP: new workers');
        is($round->(), 20, 'which answer');
        wait_quiet($run->pid, 20);
        $run->signal('TERM');
        is($run->wait(20), 0, 'SIGTERM: exit status 0');
        is_deeply([map { cmdline($_) } descendants()], [], 'nothing is left');
    }
}

# php-cgi leaves by itself after PHP_FCGI_MAX_REQUESTS.
SKIP: {
    skip 'php-cgi is not installed', 1 unless $php;
    my $run = FCGIPM::Run->new(
        processes => 2, command => [$php],
        options => ['--set-env', 'PHP_FCGI_MAX_REQUESTS=50']);
    my @pid = $run->workers(2);
    wait_for { !grep { age($_) < 1.2 } @pid } 20, 'settled workers';
    my $n = 0;
    for (1 .. 130) {
        my $r = request($run->address, params => {
            SCRIPT_FILENAME => bin('hello.php'), REDIRECT_STATUS => 200 });
        $n++ if !$r->{error} && $r->{body} =~ /^pid=/;
    }
    is($n, 130, 'php-cgi that leaves after 50: 130 requests answered');
}

done_testing;
