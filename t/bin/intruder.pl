#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A worker that does whatever it is told: the body of a request is Perl, whose
# value is the answer.  For tests of what a worker is kept from.
use strict;
use warnings;

use FCGI;
use Fcntl;
use IO::Socket::UNIX;
use Socket;

my $request = FCGI::Request();
while ($request->Accept >= 0) {
    read STDIN, my $code, $ENV{CONTENT_LENGTH};
    my $value = eval $code;
    print "Content-Type: text/plain\r\n\r\n",
        defined $value ? $value : "died: $@";
}
