#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A thread stays with a client that is quick, as long as there is a thread for
# everybody; not with one that is slow, nor when the next request is there.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Select;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep);

my $strace = have('strace') or plan skip_all => 'strace is missing';
my $THREADS = 8;
my $config = "StartServers 1\nServerLimit 1\nThreadsPerChild $THREADS\n"
    . "MaxRequestWorkers $THREADS\nKeepAlive On\nMaxKeepAliveRequests 0\n"
    . "KeepAliveTimeout 60\n"
    . pool('app', 'worker', 'FcgiPMProcesses 2') . location('app');
my $httpd;

# --- clients ----------------------------------------------------------------

my $REQUEST = "GET /app/ HTTP/1.1\r\nHost: x\r\n\r\n";

sub client {
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $httpd->port)
        || die "connect: $!";
}

# N requests one after the other, with a pause before each.
# Returns how many were answered.
sub talk_to {
    my ($s, $n, $pause) = @_;
    for my $i (1 .. $n) {
        sleep $pause if $pause;
        syswrite $s, $REQUEST;
        return $i - 1 unless answers($s, 1);
    }
    return $n;
}

# Waits for N answers.
sub answers {
    my ($s, $n) = @_;
    my $bytes = '';
    while (IO::Select->new($s)->can_read(20)) {
        sysread $s, $bytes, 65536, length $bytes or return 0;
        my $have = () = $bytes =~ /^HTTP\/1\.1 200 /mg;
        return 1 if $have == $n && $bytes =~ /\n\z/;
    }
    return 0;
}

# --- what a child does meanwhile ---------------------------------------------

# The calls that wait for a client to send more, of a child without children.
sub stays {
    my ($code) = @_;
    my ($child) = grep { $_ != ($httpd->manager || 0) }
        children($httpd->pid);
    my $out = tmp_dir() . '/trace';
    my $tracer = start(cmd => [$strace, '-f', '-e', 'trace=poll', '-o', $out,
                               '-p', $child], err => "$out.err");
    my $attached = wait_for {
        slurp("$out.err") =~ /attached/ || !$tracer->alive
    } 10, 'strace';
    if (!$attached || !$tracer->alive) {
        note('strace may not attach here');
        done_testing;
        exit 0;
    }
    $code->();
    $tracer->signal('INT');
    $tracer->wait(10);
    return grep { /events=POLLIN\}\], 1, 2\b/ || /resumed.*, 1, 2\)/ }
        split /\n/, slurp($out);
}

sub begin {
    my ($mpm) = @_;
    $httpd = FCGIPM::Httpd->new(mpm => $mpm, config => $config);
    return ok($httpd->start, $mpm);
}

# --- event --------------------------------------------------------------------

begin('event');
my $quick = client();
my $n = 0;
# A client on a busy machine is not always quick.
ok(wait_for { stays(sub { $n = talk_to($quick, 200, 0.0003) }) > 50 } 30,
   'a thread stays with a quick client');
is($n, 200, 'which gets its answers');

my @stay = stays(sub { $n = talk_to($quick, 20, 0.02) });
is($n, 20, 'so does a slow one');
cmp_ok(scalar @stay, '<=', 3, 'and no thread stays');

# As many in one packet: the next is in a filter, where no socket shows it.
@stay = stays(sub {
    $n = talk_to($quick, 3) + 50;
    syswrite $quick, $REQUEST x 50;
    $n = 0 unless answers($quick, 50);
});
is($n, 53, 'requests in one packet');
cmp_ok(scalar @stay, '<=', 6, 'no thread waits for what has come');

my @other = map { client() } 2 .. $THREADS;
talk_to($_, 1) for @other;
@stay = stays(sub { $n = talk_to($quick, 100) });
is($n, 100, 'a quick client among as many as there are threads');
is(scalar @stay, 0, 'no thread stays: somebody could wait for it');

close pop @other;
my $again = wait_for {
    stays(sub { talk_to($quick, 100, 0.0003) }) > 10
} 20, 'a thread to stay';
ok($again, 'one does again, when one of them has left');
$quick->close;
$_->close for @other;
is($httpd->stop, 0, 'httpd stops well');

# --- an MPM whose threads stay anyway ------------------------------------------

begin('worker');
$quick = client();
@stay = stays(sub { $n = talk_to($quick, 50) });
is($n, 50, 'answers');
is(scalar @stay, 0, 'nothing is waited for twice');
$quick->close;
is($httpd->stop, 0, 'httpd stops well');

done_testing;
