#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# packaging/ agrees with the sources: one version, each function of fcgipm.h in
# the symbols file, each file of "make install" in a package and in the spec.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use FCGIPM::Test;
use File::Path qw(make_path);
use Test::More;

my $top = root();
my ($version) = slurp("$top/pm_core/base/pm_base.h")
    =~ /^#define PM_VERSION "(.*)"/m;
ok($version, "version $version");

my ($debian) = slurp("$top/packaging/debian/changelog")
    =~ /\Amod-fcgipm \((.*)-\d+\)/;
is($debian, $version, 'debian/changelog');
my $spec = slurp("$top/packaging/fcgipm.spec");
is(($spec =~ /^Version:\s*(\S+)/m)[0], $version, 'fcgipm.spec');
like($spec, qr/^\* .* - \Q$version\E-\d+$/m, 'and its changelog');
like(slurp("$top/CHANGES.md"), qr/^## \Q$version\E\b/m, 'CHANGES.md');

my $header = slurp("$top/libfcgipm/manage/fcgipm.h");
my %declared = map { $_ => 1 }
    $header =~ /^FCGIPM_API[^;(]*?\b(fcgipm_\w+)\(/mg;
my %symbol = map { $_ => 1 } slurp("$top/packaging/debian/libfcgipm0.symbols")
    =~ /^ (fcgipm_\w+)\@FCGIPM_0 \d/mg;
is_deeply([sort keys %symbol], [sort keys %declared],
          'libfcgipm0.symbols has what fcgipm.h declares');

my $mk = slurp("$top/build-aux/install.mk");
my ($table) = $mk =~ /^INSTALLED := \\\n((?:.*\\\n)*.*)/m;
my %file = (MODULE => 'mod_fcgipm.so', GUARD => 'fcgipm-guard.so',
            API => 'libfcgipm.so.0');
$table =~ s/\$\(notdir \$\((\w+)\)\)/$file{$1}/g;
my @name = $table =~ m{/([^/\s)]+)\)?(?:\s|$)}mg;
cmp_ok(scalar @name, '>', 14, 'files of make install');
my $debs = join '', map { slurp($_) }
    glob "$top/packaging/debian/*.{install,apache2}";
for my $name (@name) {
    my ($man) = $name =~ /\.([138])$/;
    like($debs, $man ? qr{^usr/share/man/man$man$}m
        : qr{/\Q$name\E$}m, "$name is in a package")
        if $name !~ /\@/;
    like($spec, qr{/\Q$name\E\*?$}m, "$name is in the spec")
        if $name !~ /\.load$/;
}

# --- what systemd says of its units
SKIP: {
    skip 'systemd-analyze is missing', 1 unless have('systemd-analyze');
    my $dir = tmp_dir();
    my $run = write_file("$dir/fcgipm-run", "#!/bin/sh\n", 0755);
    my @unit = map {
        my $unit = "$dir/" . (m{([^/]+)$})[0] =~ s/\@/\@x/r;
        write_file($unit, slurp($_) =~ s/\@BINDIR\@/$dir/gr);
    } glob "$top/packaging/systemd/*.service";
    my $said = `systemd-analyze verify --man=no @unit 2>&1`;
    is($said, '', 'systemd-analyze has nothing to say of the units');
}

# --- what an upgrade, and a removal, of the package does to its service
SKIP: {
    skip 'debhelper is missing', 4 unless have('dh_installsystemd');
    my $dir = tmp_dir();
    my $units = "$dir/debian/fcgipm/lib/systemd/system";
    make_path($units);
    write_file("$dir/debian/$_", slurp("$top/packaging/debian/$_"))
        for qw(control changelog rules);
    write_file("$units/$_", slurp("$top/packaging/systemd/$_"))
        for qw(fcgipm.service fcgipm@.service);
    my $said = `cd $dir && make -s -f debian/rules override_dh_installsystemd 2>&1`;
    is($?, 0, 'dh_installsystemd') or diag($said);
    my %does = map { /(preinst|postinst|prerm)/ ? ($1 => slurp($_)) : () }
        glob "$dir/debian/.debhelper/generated/fcgipm/* $dir/debian/*.debhelper";
    unlike($does{preinst} // '', qr/invoke stop/,
           'an upgrade does not stop fcgipm.service');
    like($does{postinst}, qr/_dh_action=restart\n.*invoke \$_dh_action 'fcgipm/s,
         'it restarts the service');
    like($does{prerm}, qr/= remove .*invoke stop 'fcgipm\.service'/s,
         'a removal stops it');
}

done_testing;
