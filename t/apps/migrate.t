#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What fcgipm-migrate makes of a configuration of mod_fcgid, or of php-fpm as
# Debian has it, answers as before: each case of t/migrate is served by the peer
# and by mod_fcgipm.  suexec cannot be asked below /tmp: t/httpd/migrate.t has
# that one.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Apps;
use FCGIPM::Httpd;
use FCGIPM::Migrate;
use FCGIPM::Test;
use Test::More;

need(FCGIPM::Httpd::modules_dir() . '/mod_fcgid.so');

# The answers of one httpd.
sub served_by {
    my ($what, $httpd, $case) = @_;
    ok($httpd->start, "$case->{name}: $what starts") or return ();
    my @answer = answers($httpd, $case);
    is($httpd->stop, 0, "$case->{name}: $what stops");
    return @answer;
}

for my $case (grep { $_->{name} ne 'suexec' } cases('mod_fcgid')) {
    SKIP: {
        skip "$case->{name}: $case->{skip}", 1 if $case->{skip};
        my @old = served_by('mod_fcgid', before($case), $case);
        isnt((migrate($case))[0], 2, "$case->{name}: moved");
        my @new = served_by('mod_fcgipm', after($case), $case);
        like($_, qr/^\S+ 200\b/, "$case->{name}: an answer") for @new;
        is_deeply(\@new, \@old, "$case->{name}: the same answers");
    }
}

done_testing;
