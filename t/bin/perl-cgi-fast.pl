#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A stock peer: CGI::Fast, as its documentation shows it.  Answers
# "pid=N tag=perl-cgi-fast"; "sleep=MS" in the query before that.
use strict;
use warnings;

use CGI::Fast;
use Time::HiRes qw(sleep time);

while (my $q = CGI::Fast->new) {
    my $end = time + ($q->param('sleep') || 0) / 1000;
    sleep 0.01 while time < $end;
    print $q->header('text/plain'), "pid=$$ tag=perl-cgi-fast";
}
