#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# PHP with FcgiPMPreload and FcgiPMWarmup: JIT, an opcache that is too small for
# its files, files that are rewritten, opcache_reset, reloads, and SIGKILL for
# workers and fork servers.  No answer has a wrong byte, and no request is lost
# but what a killed worker had in hand.  FCGIPM_PHP_ANSWERS, 100,000 without it;
# not a part of check.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(request);
use FCGIPM::Load;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(sleep time);

my $ANSWERS = $ENV{FCGIPM_PHP_ANSWERS} || 100_000;
my $FILES = 30;
my $WORKERS = 6;

my $php = have('php-cgi') or plan skip_all => 'php-cgi is not installed';
`$php -d opcache.enable=1 -m` =~ /opcache/i
    or plan skip_all => 'PHP has no opcache';
my $dir = tmp_dir();
srand($ENV{FCGIPM_SEED} // 1);

# File I in a version: much code that is not called, so that 8 MB do not hold
# all files; and a loop that gets hot.
sub write_php {
    my ($i, $version) = @_;
    my $bulk = join '', map {
        "function bulk_${i}_$_(\$a) { return ['$version', \$a, '"
            . ('x' x 40) . "$_', \$a . '$i' . \$a, [1, \$a, '$_']]; }\n"
    } 1 .. 700;
    write_file("$dir/new.$i", <<PHP, 0644);
<?php
$bulk
class C$i {
    const VERSION = $version;
    public static function sum(int \$n): int {
        \$sum = 0;
        for (\$k = 0; \$k < \$n; \$k++) {
            \$sum = (\$sum * 31 + \$k * $version + $i) % 1000003;
        }
        return \$sum;
    }
}
\$n = (int)\$_GET['n'];
\$bulk = bulk_${i}_@{[1 + $version % 700]}(\$n);
echo 'file=$i version=', C$i\::VERSION, ' n=', \$n, ' sum=', C$i\::sum(\$n),
     ' bulk=', \$bulk[0], ',', \$bulk[3], ' rand=', mt_rand(), '.';
PHP
    rename "$dir/new.$i", "$dir/f$i.php" or die "rename: $!";
    return;
}

sub expected {
    my ($i, $version, $n) = @_;
    my $sum = 0;
    $sum = ($sum * 31 + $_ * $version + $i) % 1000003 for 0 .. $n - 1;
    return "file=$i version=$version n=$n sum=$sum bulk=$version,$n$i$n rand=";
}

write_file("$dir/reset.php", '<?php echo opcache_reset() ? "reset" : "busy";',
           0644);
my @version = (1) x $FILES;
write_php($_, 1) for 0 .. $FILES - 1;

my @command = ($php, map { ('-d', $_) }
    qw(opcache.enable=1 opcache.memory_consumption=8
       opcache.interned_strings_buffer=1 opcache.max_accelerated_files=200
       opcache.jit=tracing opcache.jit_buffer_size=4M opcache.jit_hot_loop=16
       opcache.jit_hot_func=16 opcache.revalidate_freq=0
       opcache.file_update_protection=0 opcache.max_wasted_percentage=5));
# Behind a blank stands what httpd adds to a URL, as in t/core/warmup.t.
my $own = tmp_dir();
my $user = worker_user();
my $pools = write_file("$own/pools.conf", join "\n", '<FcgiPMPool app>',
    'FcgiPMCommand ' . join(' ', map { qq{"$_"} } @command),
    "FcgiPMListen unix:$own/pool.sock", "FcgiPMProcesses $WORKERS",
    defined $user ? "FcgiPMUser $user" : (), 'FcgiPMReload rolling',
    'FcgiPMPreload on', 'FcgiPMSetEnv PHP_FCGI_MAX_REQUESTS 0',
    (map { qq{FcgiPMWarmup "/f$_.php?n=50 /f$_.php $dir"} } 0 .. 4),
    "</FcgiPMPool>\n");
my $run = FCGIPM::Run->new(dir => $own, control => 1, config => $pools,
                           options => ['--die-timeout', '30']);

sub file {
    my ($name) = @_;
    return (params => { SCRIPT_FILENAME => "$dir/$name", SCRIPT_NAME => "/$name",
                        REDIRECT_STATUS => 200 });
}

ok(wait_for { (($run->pool_status // {})->{preload} // '') eq 'on' } 300, 'is preloaded')
    or diag($run->log);
my $warm = $run->pool_status->{warmup};
like($warm, qr/^5 answered/, 'warm');

my $load = FCGIPM::Load->new(clients => 4, request => sub {
    my ($client) = @_;
    my $i = int rand $FILES;
    my $n = 1 + int rand 100;
    my $r = request($run->address, query => "n=$n", timeout => 60,
                    file("f$i.php"));
    return "lost: $r->{error}" if $r->{error};
    my ($version) = $r->{body} =~ /version=(\d+)/ or return "wrong: $r->{body}";
    my $want = expected($i, $version, $n);
    return $r->{body} =~ /\A\Q$want\E\d+\.\z/ ? undef
        : "wrong: wants $want, has $r->{body}";
});

my %did = map { $_ => 0 } qw(rewritten reset killed servers reloads);
my $end = time + ($ENV{FCGIPM_PHP_SECONDS} || 3600);
while ($load->so_far->{ok} < $ANSWERS && time < $end) {
    sleep 0.1;
    my $what = rand;
    if ($what < 0.5) {
        my $i = int rand $FILES;
        write_php($i, ++$version[$i]);
        $did{rewritten}++;
    }
    elsif ($what < 0.7) {
        my $said = request($run->address, timeout => 60, file('reset.php'));
        $did{reset}++ if ($said->{body} // '') =~ /^reset/;
    }
    elsif ($what < 0.9) {
        my @pid = map { $_->{pid} } grep { $_->{state} =~ /idle|busy/ }
            @{ ($run->pool_status // {})->{worker} || [] };
        $did{killed} += kill 'KILL', $pid[rand @pid] if @pid;
    }
    elsif ($what < 0.95) {
        my $server = ($run->pool_status // {})->{fork_server};
        $did{servers} += kill 'KILL', $server if $server;
    }
    elsif ($what < 0.96) {
        ctl($run->control_socket, 'reload');
        $did{reloads}++;
    }
}
my $sum = $load->stop;
my @wrong = grep { /^wrong/ } keys %{ $sum->{why} };
my $lost = 0;
$lost += $sum->{why}{$_} for grep { !/^wrong/ } keys %{ $sum->{why} };
note(join ', ', "$sum->{ok} answers", "$lost lost",
     map { "$did{$_} $_" } sort keys %did);
is(scalar @wrong, 0, 'no wrong byte') or diag(@wrong[0 .. ($#wrong < 5 ? $#wrong : 5)]);
cmp_ok($sum->{ok}, '>=', $ANSWERS, "$ANSWERS answers");
cmp_ok($lost, '<=', $did{killed}, 'lost: at most what killed workers had')
    or diag($load->explain);
ok(wait_for { my $pool = $run->pool_status // {};
              ($pool->{preload} // '') eq 'on'
                  && grep({ $_->{state} eq 'idle' } @{ $pool->{worker} })
                  == $WORKERS } 300, 'all are there at the end, preloaded')
    or diag(explain($run->pool_status));
unlike($run->log, qr/signal 11|signal 6\b/, 'none has crashed')
    or diag($run->log);
$run->signal('TERM');
is($run->wait(40), 0, 'all go');

done_testing;
