#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A stock peer: FCGI::ProcManager around FCGI, as its documentation shows it.
# The argument is n_processes: 0 makes this process itself the server, any
# other number makes it a manager with so many servers of its own.  With another
# argument flags are 0: it then swallows a SIGTERM that comes in accept().
# "sleep=MS" in the query: before the answer.
use strict;
use warnings;

use FCGI;
use FCGI::ProcManager;
use Time::HiRes qw(sleep time);

my $manager = FCGI::ProcManager->new({
    n_processes => shift || 0, die_timeout => 5,
});
$manager->pm_manage;
my $request = FCGI::Request(\*STDIN, \*STDOUT, \*STDERR, \%ENV, 0,
                            @ARGV ? 0 : FCGI::FAIL_ACCEPT_ON_INTR());
my $n = 0;
while ($request->Accept >= 0) {
    $manager->pm_pre_dispatch;
    if (($ENV{QUERY_STRING} || '') =~ /sleep=(\d+)/) {
        my $end = time + $1 / 1000;
        sleep 0.01 while time < $end;
    }
    $n++;
    print "Content-Type: text/plain\r\n\r\n",
        "pid=$$ tag=perl-procmanager requests=$n length=0\n";
    $request->Finish;
    $manager->pm_post_dispatch;
}
