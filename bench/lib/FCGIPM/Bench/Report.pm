# SPDX-License-Identifier: Apache-2.0
package FCGIPM::Bench::Report;

=head1 NAME

FCGIPM::Bench::Report - what was measured, as text in Markdown

=head1 SYNOPSIS

  my $median = medians(\@runs);            # as one run, and {low}, {high}
  print table($scenario, \%runs);          # one scenario
  print machine(), versions($up), commands(\@scenarios), configs($up);

=cut

use strict;
use warnings;

use Exporter 'import';
use FCGIPM::Bench::Drivers;
use FCGIPM::Bench::Servers;
use FCGIPM::Test;
use POSIX qw(strftime uname);

our @EXPORT = qw(
    commands configs floor_of machine median medians rate record recorded table
    versions
);

my $AGAINST = 'mod_proxy_fcgi';

=head1 FUNCTIONS

=head2 medians(RUNS), rate(RUN)

=cut

sub median {
    my @sorted = sort { $a <=> $b } @_;
    return ($sorted[$#sorted / 2] + $sorted[@sorted / 2]) / 2;
}

sub rate { my ($run) = @_; return $run->{requests} / $run->{seconds} }

sub medians {
    my ($runs) = @_;
    my %of = map {
        my $name = $_;
        ($name => median(map { $_->{$name} } @$runs))
    } qw(seconds mean_us p50_us p99_us);
    $of{cpu_us} = median(map { 1e6 * $_->{cpu} / ($_->{requests} || 1) }
                         @$runs);
    my @rate = sort { $a <=> $b } map { rate($_) } @$runs;
    if (defined $runs->[0]{bytes}) {
        $of{mb} = median(map { $_->{bytes} / $_->{seconds} / 1e6 } @$runs);
    }
    for my $name (qw(alone_us max_us)) {
        $of{$name} = median(map { $_->{$name} || 0 } @$runs);
    }
    if (defined $runs->[0]{rss}) {
        ($of{rss}) = sort { $b <=> $a } map { $_->{rss} } @$runs;
    }
    my $bad = 0;
    $bad += $_->{bad} for @$runs;
    return { %of, rate => median(@rate), low => $rate[0],
             high => $rate[-1], bad => $bad };
}

# --- one scenario ------------------------------------------------------------

# heading => sub(median, median of what it is compared with, scenario)
my %COLUMN = (
    'req/s'    => sub { _round($_[0]{rate}) },
    'low-high' => sub { _round($_[0]{low}) . '-' . _round($_[0]{high}) },
    'x'        => sub { _ratio($_[0]{rate}, $_[1]{rate}) },
    'mean ms'  => sub { _ms($_[0]{mean_us}) },
    '50% ms'   => sub { _ms($_[0]{p50_us}) },
    '50% x'    => sub { _ratio($_[0]{p50_us}, $_[1]{p50_us}) },
    '99% ms'   => sub { _ms($_[0]{p99_us}) },
    '99% x'    => sub { _ratio($_[0]{p99_us}, $_[1]{p99_us}) },
    'max ms'   => sub { _ms($_[0]{max_us}) },
    'cpu us'   => sub { _round($_[0]{cpu_us}) },
    'MB/s'     => sub { _round($_[0]{mb}) },
    'cpu ms'   => sub { _round($_[0]{cpu_us} / 1000) },
    'memory MB' => sub { sprintf '%.1f', $_[0]{rss} / 1e6 },
    'last ms'  => sub { _ms(1e6 * $_[0]{seconds}) },
    'last x'   => sub { _ratio(1e6 * $_[0]{seconds}, $_[2]{ideal_us}) },
    'alone 99% ms' => sub { _ms($_[0]{alone_us}) },
    'of ideal' => sub { _ratio($_[0]{rate}, $_[2]{ideal_rate}) },
    'x ideal'  => sub { _ratio($_[0]{p99_us}, $_[2]{ideal_us}) },
    'bad'      => sub { $_[0]{bad} },
);

sub _round { return sprintf '%.0f', $_[0] }
sub _ms { return sprintf '%.3f', $_[0] / 1000 }

sub _ratio {
    my ($this, $that) = @_;
    return $that ? sprintf('%.2f', $this / $that) : '-';
}

=head2 table(SCENARIO, RUNS)

RUNS is server => [run...].  Ratios, headed C<x>, are to mod_proxy_fcgi, or the
server that is the scenario's C<against>: for
requests a second more is better, for times less.

=cut

sub table {
    my ($scenario, $runs) = @_;
    my @head = @{ $scenario->{columns} };
    my $against = $scenario->{against} || $AGAINST;
    my %median = map { ($_ => medians($runs->{$_})) } keys %$runs;
    my @row = map {
        my $server = $_;
        [$server, map { $COLUMN{$_}->($median{$server},
                                      $median{$against} || {}, $scenario) }
                      @head]
    } grep { $median{$_} } @{ $scenario->{servers} };
    return "\n## $scenario->{name}\n\n$scenario->{title}\n\n"
        . _grid(['', @head], @row);
}

sub _grid {
    my @row = @_;
    my @width = map {
        my $i = $_;
        (sort { $b <=> $a } 3, map { length $_->[$i] } @row)[0]
    } 0 .. $#{ $row[0] };
    my @line = map { _line(\@width, @$_) } @row;
    my @rule = ('-' x $width[0], map { '-' x ($_ - 1) . ':' }
                @width[1 .. $#width]);
    return join '', $line[0], _line(\@width, @rule), @line[1 .. $#line];
}

sub _line {
    my ($width, $first, @rest) = @_;
    my @cell = (sprintf('%-*s', $width->[0], $first),
                map { sprintf '%*s', $width->[$_ + 1], $rest[$_] }
                    0 .. $#rest);
    return '| ' . join(' | ', @cell) . " |\n";
}

=head2 floor_of(RUNS)

RUNS is scenario => server => [run...].  What a server would need that cost
httpd no more than a static file and the exchange no more than the system
calls it is made of, and how far mod_fcgipm is from that.

=cut

sub floor_of {
    my ($runs) = @_;
    my @line;
    for my $n (1, 32) {
        my ($static, $ours) =
            map { $_ && medians($_) } @{ $runs->{"hello-$n"} }
            {qw(static mod_fcgipm)};
        my $bare = $runs->{"floor-$n"}{bare} or next;
        next unless $static && $ours;
        push @line, _distance($n, $static, medians($bare), $ours);
    }
    return '' unless @line;
    return "\n## How far from the floor\n\n"
        . "The floor is a static file plus the bare exchange: at one "
        . "connection the sum of\ntheir medians, at 32, where the "
        . "processors are what there is too little of, the\nrate that both "
        . "together leave.\n\n" . join '', @line;
}

sub _distance {
    my ($n, $static, $bare, $ours) = @_;
    if ($n == 1) {
        my $floor = $static->{p50_us} + $bare->{p50_us};
        return sprintf "- 1 connection: floor %.3f ms (%.3f + %.3f), "
            . "mod_fcgipm %.3f ms, %.2f x\n", map({ $_ / 1000 }
            $floor, $static->{p50_us}, $bare->{p50_us}, $ours->{p50_us}),
            $ours->{p50_us} / $floor;
    }
    my $floor = 1 / (1 / $static->{rate} + 1 / $bare->{rate});
    return sprintf "- %d connections: floor %.0f req/s (of %.0f and %.0f), "
        . "mod_fcgipm %.0f req/s, %.2f x\n", $n, $floor, $static->{rate},
        $bare->{rate}, $ours->{rate}, $ours->{rate} / $floor;
}

# --- what it was measured on -------------------------------------------------

=head2 machine(), versions(UP), commands(SCENARIOS), configs(UP)

=cut

sub machine {
    my ($model) = slurp('/proc/cpuinfo') =~ /^model name\s*:\s*(.*)$/m;
    my $cores = () = slurp('/proc/cpuinfo') =~ /^processor\s*:/mg;
    my ($system, undef, $release, undef, $arch) = uname();
    my ($load) = split ' ', slurp('/proc/loadavg');
    return sprintf "%s; %s %s %s; %d cores (%s); load before it began %s\n",
        strftime('%Y-%m-%d %H:%M UTC', gmtime), $system, $release, $arch,
        $cores, $model || '?', $load || '?';
}

=head2 record(TEXT, NAME, SECTION), recorded(TEXT)

TEXT (of results.md) with that section in the place of the former one; the
sections of TEXT that were put there so.

=cut

my $MARK = "<!-- Written by bench/record; do not edit. -->\n";

sub record {
    my ($text, $name, $section) = @_;
    my $new = "## $name\n$MARK\n$section\n";
    $text =~ s/^## \Q$name\E\n.*?(?=^## )/$new/ms
        or $text =~ s/^(?=## Versions\n)/$new/m
        or die "there is no \"## Versions\"\n";
    return $text;
}

sub recorded {
    my ($text) = @_;
    return join '', $text =~ /^(## [\w-]+\n\Q$MARK\E.*?)(?=^## )/msg;
}

sub versions {
    my ($up) = @_;
    my ($own) = slurp(root() . '/pm_core/base/pm_base.h')
        =~ /PM_VERSION "([^"]+)"/;
    my $commit = `git -C ${\ root()} rev-parse --short HEAD 2>/dev/null`;
    chomp $commit;
    my @line = 'mod_fcgipm ' . $own . ($commit ? ", at $commit" : '');
    push @line, map { $_->{version} || () }
        map { $up->{$_} || () } qw(mod_fcgipm mod_fcgid nginx);
    push @line, _first_line('wrk -v'), _first_line('spawn-fcgi -v'),
        _first_line('multiwatch -v'), _package('libfcgi-dev'),
        _first_line('gcc --version');
    return join '', map { "- $_\n" } grep { length } @line;
}

sub _first_line {
    my ($command) = @_;
    my ($program, @arg) = split ' ', $command;
    my $path = have($program) or return '';
    my ($line) = split /\n/, `$path @arg 2>&1 </dev/null`;
    $line = '' unless defined $line;
    $line =~ s/\s*(?:Copyright.*| - .*| \(ipv6.*)//;
    return $line;
}

sub _package {
    my ($name) = @_;
    have('dpkg-query') or return '';
    my $version = `dpkg-query -W -f '\${Version}' $name 2>/dev/null`;
    return $version ? "$name $version" : '';
}

sub commands {
    my ($scenarios) = @_;
    return join '', map {
        "- $_->{name}: `" . FCGIPM::Bench::Drivers::command(
            $_->{driver}, %{ $_->{args} }) . "`\n"
    } @$scenarios;
}

# Directories, ports and sockets of this run say nothing.
sub configs {
    my ($up) = @_;
    my $text = '';
    for my $name (grep { $up->{$_} && $_ ne 'static' } sort keys %$up) {
        my $config = $up->{$name}{config};
        $config =~ s{/[\w./-]*fcgipm-\w{6}}{DIR}g;
        $config =~ s{(127\.0\.0\.1):\d+}{$1:PORT}g;
        $text .= "\n$name:\n\n" . join '', map { "    $_\n" }
            split /\n/, $config;
    }
    return $text;
}

1;
