#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A stock peer: Perl's FCGI with FAIL_ACCEPT_ON_INTR, as its documentation
# shows it.  Answers like worker.c: "pid=N ..."; "sleep=MS" in the query
# before that.
use strict;
use warnings;

use FCGI;
use Time::HiRes qw(sleep time);

my $told = 0;
local $SIG{TERM} = sub { $told = 1 };
my $request = FCGI::Request(\*STDIN, \*STDOUT, \*STDERR, \%ENV, 0,
                            FCGI::FAIL_ACCEPT_ON_INTR());
my $n = 0;
while (!$told && $request->Accept >= 0) {
    $n++;
    my $body = '';
    if (($ENV{QUERY_STRING} || '') =~ /sleep=(\d+)/) {
        my $end = time + $1 / 1000;
        sleep 0.01 while time < $end;
    }
    read STDIN, $body, $ENV{CONTENT_LENGTH} if $ENV{CONTENT_LENGTH};
    print "Content-Type: text/plain\r\n\r\n",
        "pid=$$ tag=perl-fcgi requests=$n length=", length $body, "\n";
    $request->Finish;
}
