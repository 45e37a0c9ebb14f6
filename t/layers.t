#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The layers of pm_core/LAYERS hold: what a unit includes lies below it, policy
# and mechanism do not know each other, policy is pure, and nothing but the
# glue needs httpd.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use FCGIPM::Test;
use Test::More;

my $core = root() . '/pm_core';

# What a policy object may call besides policy: functions of libc and of layer
# 0 that touch nothing but their arguments.
my %PURE = map { $_ => 1 } qw(
    memchr memcmp memcpy memmove memset strchr strcmp strcspn strlen strncmp
    strncasecmp strcasecmp strpbrk strrchr strspn strstr
    pm_fail pm_fail_os pm_assert_failed pm_conf_compare pm_conf_row
    __stack_chk_fail _GLOBAL_OFFSET_TABLE_
);
# And what sanitizers and fortification make of those.
my $INSTRUMENT = qr/^__(?:asan|ubsan|sanitizer|tsan)_|^__(?:mem|str)\w+_chk$/;

# --- the text
my %layer;
for my $line (split /\n/, slurp("$core/LAYERS")) {
    next if $line =~ /^\s*(?:#|$)/;
    my ($number, @unit) = split ' ', $line;
    like($number, qr/^[0-4]$/, "a layer: $line");
    for my $unit (@unit) {
        ok(!defined $layer{$unit}, "$unit stands in one layer");
        $layer{$unit} = $number;
    }
}
cmp_ok(scalar keys %layer, '>', 10, 'LAYERS has units')
    or BAIL_OUT('no layers, nothing to hold');

my %units = map { m{/(\w+)\.[ch]$} ? ($1 => 1) : () } glob "$core/*.[ch]";
is_deeply([sort grep { !defined $layer{$_} } keys %units], [],
          'every unit of pm_core stands in LAYERS');
is_deeply([sort grep { !$units{$_} } keys %layer], [],
          'and every unit of LAYERS is there');

# --- what is included
sub includes {
    my ($file) = @_;
    return slurp($file) =~ /^\s*#\s*include\s+["<]([^">]+)[">]/mg;
}

for my $file (sort glob "$core/*.[ch]") {
    my ($unit) = $file =~ m{/(\w+)\.[ch]$};
    my $own = $layer{$unit};
    next unless defined $own;
    my @bad;
    for my $header (includes($file)) {
        my ($other) = $header =~ m{(?:^|/)(pm_\w+)\.h$} or next;
        my $theirs = $layer{$other};
        push @bad, "$header: not in LAYERS" unless defined $theirs;
        next unless defined $theirs && $other ne $unit;
        push @bad, "$header is of layer $theirs" if $theirs > $own;
        push @bad, "$header: policy and mechanism"
            if $own == 2 && $theirs == 1;
    }
    (my $name = $file) =~ s{.*/}{};
    is_deeply(\@bad, [], "$name (layer $own) includes downward only");
}

# --- no header of httpd outside the glue
my $httpd_header = qr{^(?:httpd|http_\w+|ap_\w+|util_\w+|mpm_common|mod_\w+
                       |scoreboard|unixd)\.h$}x;
for my $file (sort map { glob root() . "/$_/*.[ch]" }
              qw(pm_core tools guard)) {
    (my $name = $file) =~ s{^.*/(\w+/\w+\.[ch])$}{$1};
    my @bad = grep { m{([^/]+)$} && $1 =~ $httpd_header } includes($file);
    is_deeply(\@bad, [], "$name includes nothing of httpd");
}

# --- the clock, the kernel, memory and the log are not for policy
sub undefined {
    my ($file) = @_;
    return map { /\bU\s+(\w+)/ ? $1 : () } `nm -u '$file' 2>/dev/null`;
}

my %policy;    # functions of layer 1
my $nm = have('nm');
SKIP: {
    skip 'nm is missing', 1 unless $nm;
    for my $unit (grep { $layer{$_} == 1 } keys %layer) {
        my $object = built("obj/pm_core/$unit.o");
        next unless -e $object;
        for (`nm --defined-only '$object'`) {
            $policy{$1} = 1 if /\s[TtRrDdBbVvW]\s+(\w+)$/;
        }
    }
    my $seen = 0;
    for my $unit (sort grep { $layer{$_} == 1 } keys %layer) {
        next unless -e "$core/$unit.c";
        my $object = built("obj/pm_core/$unit.o");
        ok(-e $object, "$unit has been built") or next;
        $seen++;
        my @bad = grep {
            !($PURE{$_} || $policy{$_} || $_ =~ $INSTRUMENT)
        } undefined($object);
        is_deeply(\@bad, [], "$unit (policy) is pure");
    }
    cmp_ok($seen, '>', 0, 'there is policy');
}

# --- what links without httpd
SKIP: {
    skip 'nm is missing', 1 unless $nm;
    my $archive = program('libpmcore.a');
    my @bad = grep { /^(?:ap|unixd)_/ } undefined($archive);
    is_deeply(\@bad, [], 'pm_core asks for nothing of httpd');
    for my $tool (qw(fcgipmctl fcgipm-run)) {
        my $path = program($tool);
        @bad = grep { /^(?:ap|unixd)_/ } undefined($path);
        is_deeply(\@bad, [], "$tool asks for nothing of httpd");
    }
}
SKIP: {
    skip 'ldd is missing', 1 unless have('ldd');
    for my $tool (qw(fcgipmctl fcgipm-run libfcgipm.so)) {
        my @lib = `ldd '${\ program($tool)}'`;
        is_deeply([grep { /not found|httpd|apache/ } @lib], [],
                  "$tool finds all it needs, without httpd");
    }
}

done_testing;
