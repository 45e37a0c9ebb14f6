#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The start delay stands between two births, and only there.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(time);

# When births of a trace are seen, until there are N.
sub births {
    my ($trace, $n) = @_;
    my @birth;
    wait_for {
        push @birth, time while @birth < count_lines($trace, '^born ');
        @birth >= $n
    } 30, "$n births";
    return @birth;
}

my $dir = tmp_dir();
my $trace = write_file("$dir/trace", '', 0666);
# Each time from before the first birth: a busy machine shows that one late.
my $begin = time;
my $run = FCGIPM::Run->new(
    processes => 4, command => [bin('worker'), '--trace', $trace],
    options => ['--start-delay', '400ms']);
my @birth = births($trace, 4);
is(scalar @birth, 4, 'four workers');
my $took = $birth[3] - $begin;
cmp_ok($took, '>=', 1.2, sprintf 'three delays between them: %.2f s', $took);
is_soon($took, 6, 'not more');
is(request($run->address)->{error}, undef, 'the pool serves');

my @old = $run->workers(4);
$begin = time;
$run->signal('HUP');
@birth = births($trace, 8);
$took = $birth[7] - $begin;
cmp_ok($took, '>=', 1.2, sprintf 'SIGHUP keeps the delay: %.2f s', $took);
is(scalar $run->renewed(@old), 4, 'four new workers');

$begin = time;
$run->signal('TERM');
is($run->wait(10), 0, 'exit status 0');
is_soon(time - $begin, 2, 'the end knows no start delay');

$run = FCGIPM::Run->new(
    processes => 4, command => [bin('worker'), '--trace', $trace],
    options => ['--start-delay', '10s']);
ok(wait_for { count_lines($trace, '^born ') >= 9 } 10, 'the first is born');
$begin = time;
$run->signal('TERM');
is($run->wait(10), 0, 'SIGTERM between two births: exit status 0');
is_soon(time - $begin, 5, 'at once');
is(count_lines($trace, '^born '), 9, 'nobody else was born');

done_testing;
