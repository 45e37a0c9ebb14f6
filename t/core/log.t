#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What workers write to stdout and stderr: line by line in the log, with pool
# and pid in front.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;
sub lines { return split /\n/, $_[0]->log }

my $run = FCGIPM::Run->new(
    processes => 2, command => [bin('worker')],
    options => ['--name', 'my.app']);
$run->workers(2);

sub said {
    my ($query) = @_;
    my $body = ask($run->address, "$query&pid");
    return $body =~ /^pid=(\d+)/ ? $1 : '?';
}

my $pid = said('fd2=to%20stderr%0a');
ok(wait_for { $run->log =~ /pool my\.app: pid $pid: to stderr$/m } 10,
   'stderr');
$pid = said('fd1=to%20stdout%0a');
ok(wait_for { $run->log =~ /pool my\.app: pid $pid: to stdout$/m } 10,
   'stdout');
my ($line) = grep { /to stderr/ } lines($run);
like($line, qr/\[warn\]/, 'at level warn');

$pid = said('fd2=' . join '%0a', '%3c7%3e7', '%3c6%3e6', '%3c5%3e5', '%3c3%3e3',
            '%3c9%3e9', '%3c6', '');
ok(wait_for { $run->log =~ /pid $pid: <6$/m } 10, 'lines with a level');
is_deeply([$run->log =~ /(\[\w+\]) pool \S+ pid $pid: ((?:<.*)?\d)$/mg],
          ['[info]', 6, '[notice]', 5, '[warn]', 3, '[warn]', '<9>9',
           '[warn]', '<6'], 'are logged at it, warn at the most');

$pid = said('fd2=one%0atwo%0a%0athree%0a');
ok(wait_for {
    3 == grep { /pid $pid: (?:one|two|three)$/ } lines($run)
} 10, 'several lines in one write are several lines');

$pid = said('fd2=par&sleep=200&fd2=tial&sleep=200&fd2=%20line%0a');
ok(wait_for { $run->log =~ /pid $pid: partial line$/m } 10,
   'a line that comes in pieces is one line');

# Two workers that write pieces at the same time do not mix.
my @socket = map {
    my $s = FCGIPM::FastCGI::connect_to($run->address);
    FCGIPM::FastCGI::send_request($s,
        query => "fd2=left$_-&sleep=700&fd2=right$_%0a&pid");
    $s;
} 1, 2;
FCGIPM::FastCGI::read_answer($_, 20) for @socket;
ok(wait_for {
    $run->log =~ /: left1-right1$/m && $run->log =~ /: left2-right2$/m
} 10, 'nor do the lines of two workers mix');

$pid = said('fd2=' . 'y' x 7168 . '%0a');
ok(wait_for { $run->log =~ /pid $pid: y{7168}$/m } 10,
   'a line of 7168 bytes is one line');
$pid = said('fd2=' . 'z' x 20_000 . '%0anext%20line%0a');
ok(wait_for { $run->log =~ /pid $pid: next line$/m } 10, 'a longer one');
is(join(' ', $run->log =~ /pid $pid: (z+.*)$/mg), 'z' x 7168 . ' [cut]',
   'is cut, with a mark');

$pid = said('fd2=a%1b[31mb%07c%0dd%09e%0a');
ok(wait_for { $run->log =~ /pid $pid: a/ } 10, 'control characters');
unlike($run->log, qr/[\x00-\x08\x0b-\x1f\x7f]/, 'do not reach the log raw');

$pid = said('fd2=nul%00inside%0a');
ok(wait_for { $run->log =~ /pid $pid: nul.*inside/ } 10,
   'what follows a NUL is not lost');

$pid = said('exit=0&fd2=last%20words');
ok(wait_for { $run->log =~ /pid $pid: last words$/m } 10,
   'a line without its end, at the end of the worker');

# A flood: the worker is not held up, the manager stays well, the log is not
# filled.
$run->workers(2);
my $rss = sub {
    return (split ' ', proc_status($run->pid)->{VmRSS} || 0)[0];
};
my $before = $rss->();
my $flood = join '', map { 'fd2=' . ('flood%20' x 500) . '%0a&' } 1 .. 12;
my $n = 0;
for (1 .. 40) {
    $n++ unless request($run->address, query => "${flood}pid")->{error};
}
is($n, 40, '40 requests that write 48 KB to stderr each are answered');
cmp_ok($rss->() - $before, '<', 20_000, 'the manager has not grown by 20 MB');
sub floods { return scalar grep { /pid \d+: flood / } lines($run) }
ok(wait_for { floods() == 40 * 12 } 20, 'all of it is in the log');
for (1 .. 80) {
    $n++ unless request($run->address, query => "${flood}pid")->{error};
}
is($n, 120, '80 more, which is more than 1000 lines in ten seconds');
my ($dropped) = wait_for {
    $run->log =~ /\[warn\] pool my\.app: manager: (\d+) lines of its workers were dropped/
        && $1
} 30, 'the count of what was dropped';
ok($dropped, 'how many were dropped is said');
is(floods() + $dropped, 120 * 12, 'that is the truth');
said('fd2=after%20all%0a');
ok(wait_for { $run->log =~ /: after all$/m } 10,
   'then what workers say is in the log again');

# Everything in the log has a shape.
my @odd = grep { !/^\S+ \S+ \[\w+\] \S/ } lines($run);
is_deeply(\@odd, [], 'every line of the log has its prefix');

done_testing;
