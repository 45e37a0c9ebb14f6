#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A graceful to a build of the module that lays out its scoreboard in another
# way, and back: no request is lost, not one that a worker has, not one that
# waits for a worker, not one of a script.  The other build is this one with
# another name of its layout.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Load;
use FCGIPM::Scenario;
use FCGIPM::Test;
use File::Copy qw(copy);
use POSIX ();
use Test::More;

my $LAYOUT = 'scoreboard 1 ';

my $dir = tmp_dir();
chmod 0755, $dir;
my $module = slurp(program('mod_fcgipm.so'));
my %build = (this => $module, other => $module =~ s/\Q$LAYOUT\E/scoreboard X /r);
isnt($build{this}, $build{other}, 'there is another layout');
copy(program('fcgipm-guard.so'), "$dir/fcgipm-guard.so") or die "copy: $!";
chmod 0755, "$dir/fcgipm-guard.so";

# The module's file is another one, as a package makes it.
sub install_module {
    my ($name) = @_;
    write_file("$dir/new.so", $build{$name}, 0644);
    return rename "$dir/new.so", "$dir/mod_fcgipm.so";
}

my $httpd = FCGIPM::Httpd->new(
    modules => ['mime'], fcgipm => 0,
    head => "TypesConfig /dev/null\n"
        . "LoadModule fcgipm_module $dir/mod_fcgipm.so\n");
my $docs = $httpd->dir . '/htdocs';
install("$docs/s.fcgi", 'script');
install("$docs/other.fcgi", 'other');
$httpd->write_config(
    "FcgiPMPidFile " . $httpd->dir . "/run/manager.pid\nFcgiPMDieTimeout 1s\n"
    . pool('app', 'worker', 'FcgiPMProcesses 4') . location('app')
    . pool('one', 'worker', 'FcgiPMProcesses 1') . location('one')
    . scripts($docs, 'FcgiPMProcesses 0 2'));
install_module('this');
ok($httpd->start, 'httpd') or BAIL_OUT('no httpd');

sub tag { return $httpd->get($_[0])->{body} =~ /tag=(\w+)/ ? $1 : 'no tag' }

# Clients of requests that httpd does not try a second time.
sub posts {
    my ($path, $clients) = @_;
    return FCGIPM::Load->new(clients => $clients, request => sub {
        my $r = $httpd->get($path, body => 'x');
        return $r->{error} || ($r->{body} =~ /^pid=\d+ .*\n\z/ ? undef
                               : "$r->{status} $r->{body}");
    });
}

# The answer of a request that goes on while the test does something else.
sub begin {
    my ($path, @arg) = @_;
    my $pid = open(my $out, '-|') // die "fork: $!";
    return $out if $pid;
    my $r = $httpd->get($path, @arg);
    print $r->{error} || "$r->{status} $r->{body}";
    close STDOUT;
    POSIX::_exit(0);
}

for my $name (qw(other this)) {
    is(tag('/s.fcgi?pid'), 'script', "to $name: the script answers");
    my ($was) = grep { $_->{command} =~ m{/s\.fcgi$} }
        @{ $httpd->status->{pools} };
    my $manager = $httpd->manager;
    my $load = posts('/app/?sleep=20&pid', 4);
    my $script = posts('/s.fcgi?sleep=20&pid', 1);
    ok($load->flows(20) && $script->flows(5), 'requests flow');
    my $long = begin('/one/?sleep=4000&pid', body => 'x');
    ok($httpd->counts('one', busy => 1), 'a worker has a long request');
    my $next = begin('/one/?pid', body => 'x');
    ok($httpd->counts('one', queue => 1), 'another one waits for that worker');

    install_module($name);
    ok($httpd->graceful, 'a graceful');
    ok(wait_for { ($httpd->manager || 0) != $manager && $httpd->manager } 10,
       'the manager is another one');
    like(slurp($httpd->error_log),
         qr/manager $manager is of another build or log and is replaced/,
         'as the log says');
    ok($load->flows(20) && $script->flows(5), 'requests flow on');
    is(tag('/other.fcgi?pid'), 'other', 'another script is another pool');
    is(tag('/s.fcgi?pid'), 'script', 'and the first one is itself');
    like(join('', <$long>), qr/^200 pid=\d+ /, 'the long request is answered');
    like(join('', <$next>), qr/^200 pid=\d+ /, 'so is the one that waited');
    for my $each ($load, $script) {
        my $sum = $each->stop;
        is($sum->{failed}, 0, "of $sum->{ok} none is lost")
            or diag($each->explain);
    }
    is(scalar(grep { $_->{listen} eq $was->{listen} }
              @{ $httpd->status->{pools} }), 1, 'the script keeps its socket');
}
unlike($httpd->log, qr/another server|cannot make the socket/,
       'no pool has lost its socket');
ends_well($httpd);
done_testing;
