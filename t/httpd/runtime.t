#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What goes wrong only when httpd runs: a failed pool, httpd and the other pools
# serve on.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my $dir = tmp_dir();
my $good = pool('good', 'worker', 'FcgiPMProcesses 2') . location('good');
my $plain = write_file("$dir/plain", "x\n", 0644);
my $odd = write_file("$dir/odd", "#!/no/such/interpreter\n", 0755);

mkdir "$dir/foreign" or die "mkdir: $!";
chown 54321, 54321, "$dir/foreign" if $> == 0;

sub bad { return pool('bad', @_) . location('bad') }

my @case = (
    ['a command that does not exist', bad(["$dir/nothing"]),
     qr/bad.*nothing.*No such file/],
    ['a command that is not executable', bad([$plain]),
     qr/bad.*plain.*(?:executable|Permission)/],
    ['a command without its interpreter', bad([$odd]),
     qr/bad.*No such file/],
    ['a command that exits at once', bad([bin('worker'),
                                          '--exit-at-once', 3]),
     qr/bad.*\b3\b/],
    ['a socket path of 200 characters',
     bad('worker', 'FcgiPMListen unix:/' . 'x' x 200), qr/bad.*107/],
    ['a socket in a directory that is not there',
     bad('worker', "FcgiPMListen unix:$dir/not/there.sock"),
     qr/bad.*not\/there.*No such file/],
    ['a port that is taken',
     bad('worker', 'FcgiPMListen 127.0.0.1:PORT'),
     qr/bad.*(?:in use)/],
    ['a directory that is not there',
     bad('worker', 'FcgiPMDirectory /no/such/dir'),
     qr/bad.*\/no\/such\/dir/],
    ['a pool that is named twice',
     $good . bad('worker') . bad(['/bin/true']), qr/bad.*twice/],
    ($> == 0 ? (['a socket in a directory of another user\'s',
                 bad('worker', "FcgiPMListen unix:$dir/foreign/s"),
                 qr/bad.*foreign.*belongs to another user/],
                ['a user that does not exist',
                 bad('worker', 'FcgiPMUser no-such-user-x'),
                 qr/bad.*no-such-user-x/]) : ()),
);

my $httpd = FCGIPM::Httpd->new(config => $good);
ok($httpd->start, 'httpd with a good pool');
my @worker = $httpd->workers(2);
my $manager = $httpd->manager;
my $load = load_on($httpd, '/good/?sleep=10&pid', 4);
ok($load->flows(20), 'which serves');

for (@case) {
    my ($name, $config, $error) = @$_;
    my $port = $httpd->port;
    $config =~ s/PORT/$port/;
    my $twice = $config =~ /\Q$good\E/;
    # A pool that ran before would keep its former definition.
    $httpd->write_config("FcgiPMGraceful changed\n$good");
    $httpd->graceful;
    $httpd->write_config("FcgiPMGraceful changed\n"
                         . ($twice ? '' : $good) . $config);
    my $size = -s $httpd->error_log;
    ok($httpd->graceful_signal, "$name: httpd goes on");
    ok(wait_for { substr($httpd->log, $size) =~ $error } 10,
       'with a clear error in its log')
        or diag(substr $httpd->log, $size);
    my $r = $httpd->get('/bad/?pid');
    if ($twice) {
        is($r->{status}, 200, 'the first definition serves');
    }
    else {
        ok(wait_for { $httpd->get('/bad/?pid')->{status} == 503 } 10,
           'requests for it: 503');
    }
    ok($load->flows(10), 'the good pool serves on');
}
is($httpd->manager, $manager, 'the manager is the same');
ok(wait_for {
    grep { $_->{name} eq 'bad' && $_->{state} eq 'stopped'
               && $_->{last_error} ne '' } @{ $httpd->status->{pools} }
} 10, 'the status knows the failed pool, and why') if $> == 0;

# --- as soon as it is right, it works
$httpd->write_config("FcgiPMGraceful changed\n$good" . bad('worker'));
ok($httpd->graceful, 'the mistake is mended');
ok(wait_for { $httpd->pid_at('/bad/') } 10, 'the pool serves');

# --- a running pool is not given up for a mistake
my $size = -s $httpd->error_log;
$httpd->write_config("FcgiPMGraceful changed\n$good"
                     . bad(["$dir/nothing"]));
ok($httpd->graceful_signal, 'a running pool is changed into a wrong one');
ok(wait_for {
    substr($httpd->log, $size) =~ /bad.*nothing.*No such file/
} 10, 'a clear error');
ok($httpd->pid_at('/bad/'), 'the pool serves on as it was');

# --- a runtime directory that cannot be written
$httpd->write_config("FcgiPMGraceful changed\n"
    . "FcgiPMRuntimeDir /proc/nowhere\n$good" . location('bad')
    . pool('bad', 'worker', "FcgiPMListen unix:$dir/own.sock"));
$size = -s $httpd->error_log;
ok($httpd->graceful_signal, 'a runtime directory that cannot be');
ok(wait_for {
    substr($httpd->log, $size) =~ m{/proc/nowhere}
} 10, 'a clear error');
ok(wait_for { $httpd->pid_at('/bad/') } 10,
   'a pool with a socket of its own serves');
is($httpd->get('/good/?pid')->{status}, 503, 'one without one cannot');
is($httpd->get('/static.txt')->{status}, 200, 'httpd serves');
$load->stop;

$httpd->write_config($good);
ok($httpd->graceful, 'that is mended as well');
ok(wait_for { $httpd->pid_at('/good/') } 10, 'all is well');

# --- the very first start
is($httpd->stop, 0, 'httpd stops well');
$httpd->write_config($good . bad(["$dir/nothing"]));
ok($httpd->start, 'httpd starts with a pool that cannot');
ok(wait_for { $httpd->pid_at('/good/') } 10, 'the good pool serves');
is($httpd->get('/bad/?pid')->{status}, 503, 'the bad one does not');
ends_well($httpd);

done_testing;
