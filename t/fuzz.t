#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The fuzz targets of t/fuzz, each with its seeds and a bounded number of
# inputs, always the same ones.  `make -f Makefile.apxs fuzz` goes on for
# longer, and with others.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use FCGIPM::Test;
use Test::More;

my $runs = 50_000;
my $seconds = 15;

my @target = map { m{/(\w+)\.c$} } sort glob root() . '/t/fuzz/*.c';
cmp_ok(scalar @target, '>', 0, 'there are targets');
for my $name (@target) {
    SKIP: {
        my $program = root() . "/build-fuzz/t/fuzz/$name";
        skip "$name: no libFuzzer here (clang, libclang-rt-dev)", 3
            unless -x $program;
        my $dir = tmp_dir();
        mkdir "$dir/corpus" or die "mkdir: $!";
        my $proc = start(
            cmd => [$program, "-runs=$runs", "-max_total_time=$seconds",
                    '-seed=1', '-max_len=4096', "-artifact_prefix=$dir/",
                    "$dir/corpus", root() . "/t/fuzz/seeds/$name"],
            out => "$dir/out", err => "$dir/out");
        my $status = $proc->wait(4 * $seconds);
        my $said = slurp("$dir/out");
        is($status, 0, "$name: nothing is found");
        my ($done) = $said =~ /^#(\d+)\s+DONE/m;
        diag("$name: ", $done || 0, ' inputs');
        my @seed = glob root() . "/t/fuzz/seeds/$name/*";
        cmp_ok($done || 0, '>', 1000 + @seed, 'in many inputs');
        ok(scalar @seed, 'seeds among them');
        diag(join "\n", grep { /\.[ch]:\d+|ERROR|SUMMARY|Base64/ }
             split /\n/, $said) unless defined $status && $status eq '0';
    }
}
done_testing;
