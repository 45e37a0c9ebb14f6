#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The packages are the same, byte for byte, when built once more in another
# directory, locale, time zone and with another umask; and lintian has nothing
# to say for which packaging/debian has no reason.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Digest::SHA;
use FCGIPM::Test;
use Test::More;

chdir root() or die root() . ": $!";

sub debs {
    my ($dir) = @_;
    return map { s{.*/}{}r => Digest::SHA->new(256)->addfile($_)->hexdigest }
        glob "$dir/*.deb $dir/*.dsc $dir/*.tar.*";
}

my $again = 'build/deb-again/in/other/place';
my $said = `umask 027; TZ=Asia/Tokyo LC_ALL=C LANG=C make -s -f Makefile.apxs run-deb DEB_DIR=$again 2>&1`;
is($?, 0, 'built once more') or diag $said;
my %first = debs('build/deb');
my %again = debs($again);
is(scalar(grep { /\.deb$/ } keys %first), 7, 'four packages, and what debuggers want');
is_deeply(\%again, \%first, 'the same bytes');
system 'rm', '-rf', 'build/deb-again';

SKIP: {
    skip 'lintian is missing', 1 unless have('lintian');
    is(`lintian --fail-on none -EvIL '>=warning' build/deb/*.changes 2>/dev/null | grep '^[EW]:'`,
       '', 'lintian: no error, no warning');
}

done_testing;
