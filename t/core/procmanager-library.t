#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# libfcgipm.so as a library: nothing missing of what Perl's have, nothing too
# much; and the guard, which is preloaded, shows nothing of itself.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Test;
use Test::More;

my $library = program('libfcgipm.so');
my $guard = program('fcgipm-guard.so');

sub nm {
    my ($file, @option) = @_;
    my @name = map { /\s([A-Za-z])\s+([^\s@]+)/ && $1 ne 'A' ? $2 : () }
        `nm @option '$file' 2>/dev/null`;
    return map { $_ => 1 } @name;
}

# --- what can be seen of it
SKIP: {
    skip 'nm is missing', 9 unless have('nm');
    my %own = nm($library, '-D', '--defined-only');
    my ($libc) = map { /libc\.so\S* => (\S+)/ ? $1 : () } `ldd '$library'`;
    my %libc = nm($libc, '-D', '--defined-only');
    ok($own{fcgipm_manage}, 'the C API is there');
    is_deeply([grep { !/^fcgipm_/ } sort keys %own], [],
              'nothing but fcgipm_*');
    my %covers = nm($guard, '-D', '--defined-only');
    ok($covers{accept}, 'the guard covers accept()');
    is_deeply([grep { !$libc{$_} } sort keys %covers], ['fcgipm_guard_told'],
              'nothing but what covers a function of libc, and its door');
    for my $path ($library, $guard) {
        my @needed = map { /NEEDED.*\[(.*)\]/ ? $1 : () }
            `readelf -d '$path'`;
        is_deeply([grep { !/^(?:libc|ld-linux.*)\.so/ } @needed], [],
                  "$path brings no library along");
    }
    like(`readelf -d '$library'`, qr/SONAME.*\[libfcgipm\.so\.0\]/,
         'its name has a number');

    # --- every declaration is there, and nothing else
    my $header = slurp(root() . '/libfcgipm/manage/fcgipm.h');
    my %declared = map { $_ => 1 }
        $header =~ /^FCGIPM_API[^;(]*?\b(fcgipm_\w+)\(/mg;
    is_deeply([sort grep { /^fcgipm_/ } keys %own], [sort keys %declared],
              'what fcgipm.h declares');
    my $page = slurp(root() . '/docs/man/fcgipm.3');
    is_deeply([grep { $page !~ /\b$_\b/ } sort keys %declared], [],
              'fcgipm(3) has each function');

    # --- Perl's methods and attributes: the same name or why there is none
    my %other = (
        (map { $_ => 'of Moose' } qw(BUILD DESTROY dump meta DEMOLISHALL
            BUILDALL BUILDARGS DOES VERSION can does isa)),
        new => 'fcgipm_create',
        _add_pid => 'private', has_pid => 'private',
        sig_sub => 'the handler, which is private',
        sigaction_no_sa_restart => 'no object in C',
        sigaction_sa_restart => 'no object in C',
    );
    my $all = `$^X -MFCGI::Engine::ProcManager::Constrained -e '
        my \$meta = FCGI::Engine::ProcManager::Constrained->meta;
        print "\$_\\n" for map { \$_->name }
            (grep { \$_->original_package_name =~ /^FCGI/ }
             \$meta->get_all_methods), \$meta->get_all_attributes' 2>/dev/null`;
    skip 'FCGI::Engine is not installed', 1 unless $all;
    my %perl = map { $_ => 1 } split ' ', $all;
    cmp_ok(scalar keys %perl, '>', 40, 'methods and attributes of Perl');
    is_deeply([grep { !$own{"fcgipm_$_"} && !$other{$_} && !/^_|^[A-Z_]+$/ }
               sort keys %perl], [], 'each has its counterpart');
}

# --- the header
for my $language (qw(c c++)) {
  SKIP: {
        my ($cc) = grep { have($_) } $language eq 'c' ? qw(gcc clang)
                                                      : qw(g++ clang);
        skip "no compiler for $language", 1 unless $cc;
        my $file = write_file(tmp_dir() . '/x', <<'C');
#include <fcgipm.h>
int main(void) { fcgipm_destroy(fcgipm_create()); return 0; }
C
        my $include = root() . '/libfcgipm/manage';
        my $said = `$cc -x $language -Wall -Wextra -pedantic -Werror -fsyntax-only -I'$include' '$file' 2>&1`;
        is($said, '', "fcgipm.h in $language");
    }
}

done_testing;
