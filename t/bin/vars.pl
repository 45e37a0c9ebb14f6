#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The request's variables as JSON, as a FastCGI worker and as a CGI script;
# with "to=URL" in the query a redirect by the server itself.
use strict;
use warnings;

use FCGI;
use JSON::PP;

my %env;
my $request = FCGI::Request(\*STDIN, \*STDOUT, \*STDERR, \%env);
my $vars = $request->IsFastCGI ? \%env : \%ENV;
while ($request->Accept >= 0) {
    if (($vars->{QUERY_STRING} || '') =~ /^to=(.*)/) {
        print "Location: $1\r\n\r\n";
        next;
    }
    print "Content-Type: application/json\r\n\r\n", encode_json($vars);
}
