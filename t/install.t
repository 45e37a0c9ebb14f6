#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# "make install" and "make uninstall", below DESTDIR: what is installed is
# complete, and nothing of it stays; no link of Debian's a2enmod to a module
# that is gone, and configuration that still wants it is named.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Find qw(find);
use FCGIPM::Test;
use Test::More;

plan skip_all => 'the tree under test is not build/'
    if ($ENV{FCGIPM_BUILD} || 'build') ne 'build';
my $dir = tmp_dir();
chdir root() or die root() . ": $!";

sub make {
    my ($goal) = @_;
    my $said = `make -s -f Makefile.apxs $goal DESTDIR=$dir/i UNITDIR=/lib/systemd/system CONFDIR=/etc/apache2 MODDIR=/usr/lib/apache2/modules 2>&1`;
    is($?, 0, "make $goal") or diag $said;
    return $said;
}

sub files {
    my @file;
    find({ no_chdir => 1, wanted => sub {
        push @file, s{^\Q$dir/i\E}{}r if -f || -l;
    } }, "$dir/i");
    return sort @file;
}

make('install');
my @file = files();
for my $want (qw(mod_fcgipm\.so fcgipm/fcgipm-guard\.so libfcgipm\.so
                 libfcgipm\.so\.0 fcgipm\.h libfcgipm\.pc sbin/fcgipmctl
                 fcgipm-run sbin/fcgipm-migrate fcgipm-run\.1 fcgipm-run@\.service
                 fcgipm@\.service fcgipm\.service sysusers\.d/fcgipm\.conf
                 tmpfiles\.d/fcgipm\.conf
                 share/fcgipm/prometheus/fcgipm\.rules\.yml
                 share/fcgipm/prometheus/grafana-dashboard\.json)) {
    is(scalar(grep { m{/$want$} } @file), 1, "$want is installed");
}
for my $path (grep { /\.(?:pc|load|service)$/ } @file) {
    unlike(slurp("$dir/i$path"), qr/\@[A-Z]+\@/, "$path is filled in");
}

my $conf = "$dir/i/etc/apache2";
mkdir "$conf/$_" for '', qw(mods-enabled sites-available);
symlink "../mods-available/fcgipm.$_", "$conf/mods-enabled/fcgipm.$_"
    for qw(load conf);
write_file("$conf/sites-available/old.conf", "FcgiPMAlias /x x\n");
write_file("$conf/apache2.conf", "Listen 80\n  <FcgiPMPool x>\n");
write_file("$conf/other.conf", "# FcgiPMPool\n");
my $said = make('uninstall');
my @mods = -e '/etc/debian_version' ? qw(load conf) : ();
like($said, qr/was enabled; removed \S+fcgipm\.$_$/m,
     "the link to fcgipm.$_ is named") for @mods;
like($said, qr{does not start with what is left in \S+/apache2\.conf$}m,
     'configuration that wants the module is named');
is(() = $said =~ /what is left in/g, 1, 'and no other');
is_deeply([files()],
          [sort '/etc/apache2/apache2.conf', '/etc/apache2/other.conf',
           '/etc/apache2/sites-available/old.conf',
           @mods ? () : map { "/etc/apache2/mods-enabled/fcgipm.$_" }
               qw(load conf)],
          'nothing else is left');

done_testing;
