#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A stock peer: FCGI::Engine, whose manager's signal policy mod_fcgipm's is.
# Without --listen it serves on fd 0, one process, as a worker is to.
use strict;
use warnings;

package Answer;

my $n = 0;

sub handler {
    $n++;
    print "Content-Type: text/plain\r\n\r\n",
        "pid=$$ tag=perl-engine requests=$n length=0\n";
    return;
}

package main;

use FCGI::Engine;

FCGI::Engine->new(handler_class => bless({}, 'Answer'))->run;
