#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The documents name every figure of pm_metric_rows.h as it is given out, and
# no other: docs/admin/control.md the members of the status, docs/admin/
# status.md the metrics and the words of mod_status.  A name that changes in
# the rows alone fails here.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use FCGIPM::Test;
use Test::More;

# --- the rows
my @COLUMN = qw(object member type known page section table top width family
                label value help);
my $source = slurp(root() . '/pm_core/control/pm_metric_rows.h');
$source =~ s{/\*.*?\*/}{}gs;
my @rows;
while ($source =~ /^PM_METRIC\(((?:[^()"]|"(?:[^"\\]|\\.)*")*)\)/mg) {
    (my $text = $1) =~ s/"\s+"//g;
    my @word = $text =~ /("(?:[^"\\]|\\.)*"|[^\s,]+)/g;
    is(scalar @word, scalar @COLUMN, "$word[0] $word[1]: understood");
    s/^"(.*)"$/$1/ for @word;
    my %row;
    @row{@COLUMN} = map { $_ eq 'NULL' ? undef : $_ } @word;
    push @rows, \%row;
}
is(scalar @rows, scalar(() = $source =~ /^PM_METRIC\(/mg), 'all rows');
cmp_ok(scalar @rows, '>', 40, 'as many as there must be');

# --- docs/admin/control.md
my $control = slurp(root() . '/docs/admin/control.md');
my %BEGIN = (MANAGER => '`manager`:', POOL => 'Each of `pools`:',
             WORKER => 'Each of `worker`:');
for my $object (sort keys %BEGIN) {
    my ($table) = $control =~ /^\Q$BEGIN{$object}\E\n\n((?:\|.*\n)+)/m;
    my @told = map { /`(\w+)`/g } ($table || '') =~ /^\| ([^|]*) \|/mg;
    is_deeply([sort grep { $_ ne 'worker' } @told],
              [sort map { $_->{member} } grep { $_->{object} eq $object }
               @rows],
              "control.md has the members of a \L$object\E");
}

# --- docs/admin/status.md
my %TYPE = (STATE => 'stateset', COUNTER => 'counter',
            HISTOGRAM => 'histogram');
my $status = slurp(root() . '/docs/admin/status.md');
my (%told, %is);
for my $line ($status =~ /^\| (`fcgipm_.*)\|$/mg) {
    my ($names, $type, $meaning) = split /\s*\|\s*/, $line, 3;
    for my $name ($names =~ /`(\w+)`/g) {
        $told{$name} = join ' ', $type, $names =~ /\*$/ ? '*' : '',
            sort $meaning =~ /`(\w+)`/g;
    }
}
for my $row (grep { $_->{family} } @rows) {
    my $name = $row->{family} . ($row->{type} eq 'COUNTER' ? '_total' : '');
    my $known = $row->{known} eq 'MANAGER' ? '*' : '';
    push @{ $is{$name}{words} }, grep { defined } $row->{value};
    $is{$name}{words} = [qw(starting running backoff stopped draining)]
        if $row->{type} eq 'STATE';
    $is{$name}{label} = $row->{object} eq 'WORKER' ? 'pid' : $row->{label};
    $is{$name}{begin} = join ' ', $TYPE{ $row->{type} } || 'gauge', $known;
}
for my $name (sort keys %is) {
    my @word = (@{ $is{$name}{words} }, grep { defined } $is{$name}{label});
    is(delete $told{$name}, join(' ', $is{$name}{begin}, sort @word),
       "status.md: $name, its type and labels");
}
is_deeply([sort keys %told],
          [qw(fcgipm_build_info fcgipm_workers_left_out)],
          'and no other metric but these');

# --- mod_status
my ($section) = $status =~ /^## mod_status\n(.*)/ms;
my @word = map { s/ (\w)/\u$1/gr } grep { defined }
    map { $_->{section} } @rows;
is_deeply([sort grep { !/^(?:Manager|Pools|Pool)$/ }
           $section =~ /`FcgiPM(\w+)`/g],
          [sort @word], 'status.md has the words of ?auto');

# --- columns of a terminal and of mod_status are numbers, or have their width
for my $row (@rows) {
    my $name = "$row->{object} $row->{member}";
    like($row->{type}, qr/^(?:NUMBER|COUNTER|BYTES)$/, "$name adds up")
        if $row->{section};
    cmp_ok($row->{width}, '>=', length($row->{table} || $row->{top}),
           "$name: its head fits in its column")
        if $row->{table} || $row->{top};
}

done_testing;
