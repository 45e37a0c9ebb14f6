# SPDX-License-Identifier: Apache-2.0
package FCGIPM::Scenario;

=head1 NAME

FCGIPM::Scenario - what several tests do with a real httpd

=cut

use strict;
use warnings;

use Exporter 'import';
use FCGIPM::HTTP;
use FCGIPM::Httpd;
use FCGIPM::Load;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(
    ends_well graceful_under_load install load_on location pool scripts
);

=head2 pool(NAME, COMMAND, LINE...)

The text of a <FcgiPMPool>; COMMAND is a list reference or a worker's name.

=cut

sub pool {
    my ($name, $command, @line) = @_;
    my @word = ref $command ? @$command : bin($command);
    my $text = join ' ', map { /[\s"]/ ? qq("$_") : $_ } @word;
    return join '', "<FcgiPMPool $name>\n    FcgiPMCommand $text\n",
        map({ "    $_\n" } @line), "</FcgiPMPool>\n";
}

=head2 location(NAME, POOL)

F</NAME> is answered by the pool of that name, or by POOL.

=cut

sub location {
    my ($name, $pool) = @_;
    $pool = $name unless defined $pool;
    return "<Location /$name>\n    SetHandler fcgipm:$pool\n</Location>\n";
}

=head2 scripts(DIRECTORY, LINE...)

A <FcgiPMScripts> with these lines, for files *.fcgi.

=cut

sub scripts {
    my ($dir, @line) = @_;
    return join '', "<FcgiPMScripts $dir>\n", map({ "    $_\n" } @line),
        "</FcgiPMScripts>\n<Directory $dir>\n    Options +ExecCGI\n",
        "    AddHandler fcgipm-script .fcgi\n</Directory>\n";
}

=head2 install(PATH, TAG)

A script: a program of its own that becomes F<worker.c> with that tag.  It
takes the place of another one at once.  Gives PATH.

=cut

sub install {
    my ($path, $tag) = @_;
    return write_script($path, 'exec ' . bin('worker') . " --tag $tag");
}

=head2 load_on(HTTPD, PATH, CLIENTS)

Clients that want 200 and a whole answer of F<worker.c>'s C<pid>.

=cut

sub load_on {
    my ($httpd, $path, $clients) = @_;
    return FCGIPM::Load->new(clients => $clients, request => sub {
        my $r = $httpd->get($path);
        return $r->{error} if defined $r->{error};
        return "status $r->{status}" if $r->{status} != 200;
        return $r->{body} =~ /^pid=\d+ .*\n\z/ ? undef : 'another body';
    });
}

=head2 ends_well(HTTPD, CRASHED)

The tests at the end: no child of httpd has crashed, but for CRASHED that the
test itself has seen to; httpd stops, nothing is left.

=cut

sub ends_well {
    my ($httpd, $crashed) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is(count_lines($httpd->error_log, 'exit signal|AH00052'), $crashed || 0,
       'no child of httpd has crashed');
    is($httpd->stop, 0, 'httpd stops well');
    # who was killed at the last moment may need another to be gone
    wait_for { !descendants() } 10, 'the end of all';
    is_deeply([map { cmdline($_) } descendants()], [], 'nothing is left');
    return;
}

=head2 graceful_under_load(MPM)

A whole test: 20 gracefuls in 20 s under 16 clients with requests of 50 ms.

=cut

sub graceful_under_load {
    my ($mpm) = @_;
    my $dir = tmp_dir();
    my $trace = write_file("$dir/trace", '', 0666);
    my $httpd = FCGIPM::Httpd->new(
        mpm => $mpm,
        config => pool('app', [bin('worker'), '--trace', $trace],
                       'FcgiPMProcesses 16') . location('app'));
    ok($httpd->start, "httpd with MPM $mpm");
    my @worker = $httpd->workers(16);
    is(scalar @worker, 16, '16 workers');
    my $manager = $httpd->manager;
    ok($manager, 'a manager');
    my $open = keys %{ fds($manager) };

    my $load = load_on($httpd, '/app/?sleep=50&pid', 16);
    ok($load->flows(100), 'requests flow');
    my ($done, $same, $renewed) = (0, 0, 0);
    my ($begin, $slow) = (time, 0);
    # A machine with other work to do may take longer, but not for ever.
    for my $round (1 .. 20) {
        last if time - $begin > 60;
        my @old = @worker;
        $httpd->graceful or last;
        $done++;
        @worker = $httpd->renewed(@old) or last;
        $renewed++;
        $same++ if ($httpd->manager || 0) == $manager;
        my $ahead = $begin + $round - time;
        $ahead > 0 ? sleep $ahead : $slow++;
    }
    my $took = time - $begin;
    ok($load->flows(32), 'requests still flow');
    my $sum = $load->stop;
    diag(sprintf '%s: %d gracefuls in %.1f s (%d late), %d requests', $mpm,
         $done, $took, $slow, $sum->{ok});
    ok($done == 20 || $took > 60 && $done >= 10, 'all gracefuls');
    is($renewed, $done, 'each made every worker new');
    is($same, $done, 'and left the manager');
    is($sum->{failed}, 0, 'not one request was lost')
        or diag($load->explain);
    # some of a birth may have been counted before
    ok(wait_for { $open >= keys %{ fds($manager) } } 20,
       'the manager has no descriptor more than before')
        or diag(explain(fds($manager)));
    my %told = map { /^term (\d+)/ ? ($1 => 1) : () } split /\n/,
        slurp($trace);
    cmp_ok(scalar keys %told, '>=', 16 * $done * 0.9,
           'the old workers got SIGTERM');
    ends_well($httpd);
    done_testing();
    return;
}

1;
