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

# What a policy object may call besides policy: functions of libc and of
# lower rooms that touch nothing but their arguments.
my %PURE = map { $_ => 1 } qw(
    memchr memcmp memcpy memmove memset strchr strcmp strcspn strlen strncmp
    strncasecmp strcasecmp strpbrk strrchr strspn strstr
    pm_fail pm_fail_os pm_assert_failed pm_conf_compare pm_conf_row
    __stack_chk_fail _GLOBAL_OFFSET_TABLE_
);
# And what sanitizers and fortification make of those.
my $INSTRUMENT = qr/^__(?:asan|ubsan|sanitizer|tsan)_|^__(?:mem|str)\w+_chk$/;

# --- the text
my (%rank, %only);
for my $line (split /\n/, slurp("$core/LAYERS")) {
    next if $line =~ /^\s*(?:#|$)/;
    my ($room, @lower) = split ' ', $line;
    ok(!defined $rank{$room}, "$room stands there once");
    ok(defined $rank{$_}, "$room: $_ is a lower room") for @lower;
    $rank{$room} = keys %rank;
    $only{$room} = {map { $_ => 1 } @lower} if @lower;
}
cmp_ok(scalar keys %rank, '>', 5, 'LAYERS has rooms')
    or BAIL_OUT('no rooms, nothing to hold');

my @rooms = map { m{([^/]+)/$} } glob "$core/*/";
is_deeply([sort keys %rank], [sort @rooms], 'LAYERS and pm_core agree');
is_deeply([glob "$core/*.[ch]"], [], 'no unit lies flat in pm_core');

# --- what is included
sub includes {
    my ($file) = @_;
    return slurp($file) =~ /^\s*#\s*include\s+["<]([^">]+)[">]/mg;
}

for my $file (sort glob "$core/*/*.[ch]") {
    my ($room, $name) = $file =~ m{([^/]+)/([^/]+)$};
    my @bad;
    for my $header (grep { m{(?:^|/)(?:pm|hpm)_\w+\.h$} } includes($file)) {
        my ($other) = $header =~ m{^pm_core/([^/]+)/pm_\w+\.h$};
        if (!$other) {
            push @bad, "$header: not named from the root";
            next;
        }
        next if $other eq $room;
        push @bad, "$header is above" if $rank{$other} > $rank{$room};
        push @bad, "$header: not for $room"
            if $only{$room} && !$only{$room}{$other};
    }
    is_deeply(\@bad, [], "$room/$name includes downward only");
}

# --- a pool's side of a request does not know HTTP's side
for my $file (sort glob root() . '/httpd/upstream/*.[ch]') {
    (my $name = $file) =~ s{^.*/httpd/}{};
    my @bad = grep { m{^httpd/request/} } includes($file);
    is_deeply(\@bad, [], "$name includes nothing of httpd/request");
}

# --- a unit is one .c with its .h; every room says what it is for
my %unit;
for my $file (map { glob root() . "/$_" }
              qw(httpd/*/*.c pm_core/*/*.c libfcgipm/*/*.c)) {
    my ($name) = $file =~ m{([^/]+)\.c$};
    ok(!$unit{$name}++, "$name is the name of one unit");
}
for my $dir (map { glob root() . "/$_" }
             qw(httpd/*/ pm_core/*/ libfcgipm/*/)) {
    (my $room = $dir) =~ s{^.*/([^/]+/[^/]+)/$}{$1};
    my $lines = -e "$dir/README.md" ? () = slurp("$dir/README.md") =~ /\n/g : 0;
    ok($lines && $lines <= 10, "$room has a README.md of at most ten lines");
}

# --- no header of httpd outside the glue
my $httpd_header = qr{^(?:httpd|http_\w+|ap_\w+|util_\w+|mpm_common|mod_\w+
                       |scoreboard|unixd)\.h$}x;
for my $file (sort map { glob root() . "/$_/*.[ch]" }
              qw(pm_core/* tools libfcgipm/*)) {
    (my $name = $file) =~ s{^.*/([^/]+/[^/]+\.[ch])$}{$1};
    my @bad = grep { m{([^/]+)$} && $1 =~ $httpd_header } includes($file);
    is_deeply(\@bad, [], "$name includes nothing of httpd");
}

# --- the clock, the kernel, memory and the log are not for policy
sub undefined {
    my ($file) = @_;
    return map { /\bU\s+(\w+)/ ? $1 : () } `nm -u '$file' 2>/dev/null`;
}

my %policy;    # functions of the room
my @policy = map { m{(\w+)\.c$} } sort glob "$core/policy/*.c";
my $nm = have('nm');
SKIP: {
    skip 'nm is missing', 1 unless $nm;
    for my $unit (@policy) {
        my $object = built("obj/pm_core/policy/$unit.o");
        next unless -e $object;
        for (`nm --defined-only '$object'`) {
            $policy{$1} = 1 if /\s[TtRrDdBbVvW]\s+(\w+)$/;
        }
    }
    my $seen = 0;
    for my $unit (@policy) {
        my $object = built("obj/pm_core/policy/$unit.o");
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
    for my $tool (qw(fcgipmctl fcgipm-run fcgipm-guard.so
                     libfcgipm.so)) {
        my @lib = `ldd '${\ program($tool)}'`;
        is_deeply([grep { /not found|httpd|apache/ } @lib], [],
                  "$tool finds all it needs, without httpd");
    }
}

# --- t/mutation/run changes what is there
my @mutations = `$^X $FindBin::Bin/mutation/run --list`;
is($?, 0, 'the text of each mutation is in its unit');
cmp_ok(scalar @mutations, '>', 70, scalar @mutations . ' mutations');

done_testing;
