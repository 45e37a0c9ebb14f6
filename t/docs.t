#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The documents say what the program does: docs/admin/directives.md has a
# section for each row of pm_conf_rows.h with its default, range and context;
# docs/admin/control.md has each member of the status and each command;
# docs/internals/architecture.md has each room.  Whatever a page names is there:
# files, functions, and where its links lead.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Find qw(find);
use FCGIPM::Run;
use FCGIPM::Test;
use JSON::PP;
use Test::More;

my $core = root() . '/pm_core';

sub doc { return slurp(root() . "/docs/$_[0]") }

# --- the rows
# "a, f(b, c), d" -> its parts; strings are whole.
sub parts {
    my ($text) = @_;
    my ($depth, @part) = (0, '');
    while ($text =~ /("(?:[^"\\]|\\.)*"|[(),]|[^"(),]+)/g) {
        my $token = $1;
        if ($token eq ',' && !$depth) { push @part, ''; next }
        $depth += $token eq '(' ? 1 : $token eq ')' ? -1 : 0;
        $part[-1] .= $token;
    }
    s/^\s+|\s+$//g for @part;
    return @part;
}

sub string {
    my ($c) = @_;
    return $c =~ /^"(.*)"$/s ? $1 : undef;
}

# The bounds are expressions of numbers and these.
sub number {
    my ($c) = @_;
    $c =~ s/APR_INT64_C\((\d+)\)/$1/g;
    $c =~ s/PM_MS/1000/g;
    $c =~ s/PM_S/1000000/g;
    $c =~ s/PM_H/3600000000/g;
    $c =~ m/^[\d\s*<()-]+$/ or die "a bound: $c";
    return eval $c;    ## no critic: digits and operators only
}

my $source = slurp("$core/config/pm_conf_rows.h");
$source =~ s{/\*.*?\*/}{}gs;
$source =~ s/^\s*#.*$//mg;
my @rows;
while ($source =~ /PM_ROW(\((?:[^()"]|"(?:[^"\\]|\\.)*"|(?1))*\))/g) {
    my %row;
    @row{qw(field name type struct init min max choices change help)} =
        parts(substr $1, 1, -1);
    $row{$_} = string($row{$_}) for qw(name init choices);
    $row{$_} = number($row{$_}) for qw(min max);
    push @rows, \%row;
}
cmp_ok(scalar @rows, '>=', 25, 'the rows were understood');

# --- how a bound is written
sub unit {
    my ($n, @units) = @_;
    return '0' unless $n;
    while (my ($name, $factor) = splice @units, 0, 2) {
        return $n / $factor . $name if $n % $factor == 0;
    }
    return $n;
}
sub time_text { unit($_[0], h => 3600e6, min => 60e6, s => 1e6, ms => 1e3) }
sub size_text { unit($_[0], G => 1 << 30, M => 1 << 20, K => 1 << 10) }
sub octal_text { $_[0] ? sprintf '0%o', $_[0] : 0 }
sub bounds {
    my ($row, $text) = @_;
    return join ' to ', map { $text->($_) } @$row{qw(min max)};
}

my %RANGE = (
    PM_T_NUMBER => sub { "$_[0]{min} to $_[0]{max}" },
    PM_T_RANGE  => sub { "$_[0]{min} to $_[0]{max}" },
    PM_T_STRING => sub { "$_[0]{min} to $_[0]{max} characters" },
    PM_T_PATH   => sub { "$_[0]{min} to $_[0]{max} characters" },
    PM_T_WORDS  => sub { "$_[0]{min} to $_[0]{max} words" },
    PM_T_NAMES  => sub { "$_[0]{min} to $_[0]{max} words" },
    PM_T_CLIENTS => sub { "$_[0]{min} to $_[0]{max} words" },
    PM_T_OCTAL  => sub { bounds($_[0], \&octal_text) },
    PM_T_TIME   => sub { bounds($_[0], \&time_text) },
    PM_T_SIZE   => sub { bounds($_[0], \&size_text)
                         . ($_[0]{min} ? '' : ', or off') },
    PM_T_CHOICE => sub { join ', ', split /\|/, $_[0]{choices} },
);

my %CHANGE = (
    PM_CHANGE_NOTHING => 'at once', PM_CHANGE_SCALE => 'at once',
    PM_CHANGE_WORKERS => 'workers', PM_CHANGE_LISTEN => 'socket',
);
my %CONTEXT = (
    pm_global_t => 'server', pm_conf_t => 'server, pool',
    pm_rules_t => 'scripts',
);
# What changes the address of every pool that has none of its own.
my %EXCEPTION = (FcgiPMRuntimeDir => 'socket');

# --- docs/admin/directives.md
my (%section, @order);
for my $text (split /^(?=### )/m, doc('admin/directives.md')) {
    my ($name) = $text =~ /^### (FcgiPM\w+)$/m or next;
    $section{$name} = $text;
    push @order, $name;
}

for my $row (@rows) {
    my $name = $row->{name};
    my $text = delete $section{$name};
    subtest $name => sub {
        ok(defined $text, 'has a section') or return;
        my %says = $text =~ /^    (\w+): +(.*)$/mg;
        like($says{Syntax} || '', qr/^$name \S/, 'its syntax');
        if (defined $row->{init}) {
            is($says{Default}, $row->{init}, 'its default');
        }
        else {
            like($says{Default} || '', qr/^none\b/, 'it has no default');
        }
        my $range = $RANGE{ $row->{type} };
        if ($range) {
            my $expected = $range->($row);
            like($says{Range} || '', qr/^\Q$expected\E(?:;|$)/, 'its range');
        }
        is($says{Context}, $CONTEXT{ $row->{struct} }, 'its context');
        is($says{Change}, $EXCEPTION{$name} || $CHANGE{ $row->{change} },
           'what a change of it does');
        like($says{Syntax}, qr/\Q$row->{choices}\E/, 'its choices')
            if $row->{choices};
        like($text, qr/\n\n(?:    $name [^\n]+\n)+\n*(?:## [^\n]*\n+)?\z/,
             'it ends with an example');
    };
}
is_deeply([sort keys %section],
          [qw(FcgiPMAccessChecker FcgiPMAlias FcgiPMAuthenticator
              FcgiPMScriptName)],
          'and there is no section without a row but these');

# --- docs/admin/control.md
my $control = doc('admin/control.md');

# The names of all members of a value, at any depth.
sub members {
    my ($value) = @_;
    return map { members($_) } @$value if ref $value eq 'ARRAY';
    return ref $value eq 'HASH'
        ? (keys %$value, map { members($_) } values %$value) : ();
}

my %member;
{
    my $run = FCGIPM::Run->new(control => 1, command => [bin('worker')]);
    $run->workers(1);
    for my $word (qw(status config)) {
        my (undef, $json) = ctl($run->control_socket, '--json', $word);
        $member{$_} = 1 for members(decode_json($json));
    }
}
cmp_ok(scalar keys %member, '>', 25, 'the manager has told its members');
my %told;
for my $line ($control =~ /^\| (`\w+`(?:, `\w+`)*) \| /mg) {
    $told{$_} = 1 for $line =~ /`(\w+)`/g;
}
delete $told{ping};
is_deeply([sort keys %told], [sort keys %member],
          'control.md has every member of the status, and no other');

my %right = (PM_RIGHT_ALL => "root, manager's user",
             PM_RIGHT_ASK => "root, manager's user, httpd's user");
my $words = slurp("$core/policy/pm_control_protocol.c");
my $commands = 0;
while ($words =~ /\{"(\w+)",\s*\w+,\s*"([^"]*)",\s*(\w+)\}/g) {
    my ($word, $args, $right) = ($1, $2 ? " $2" : '', $right{$3});
    like($control, qr/^\| `\Q$word$args\E` \| .* \| \Q$right\E \|$/m,
         "the command $word");
    like(doc('man/fcgipmctl.8'), qr/^\.BI?R? "? ?$word\b|^\.B $word$/m,
         "$word in the manual page");
    like(slurp(root() . '/packaging/fcgipmctl.bash'),
         qr/^    local words="[^"]*\b$word\b/m, "$word is completed")
        unless $word eq 'script';    # httpd's children say it, people do not
    $args =~ s/\[wait\]/[--wait]/;
    like($control, qr/^    fcgipmctl .* \Q$word$args\E$/m,
         "and fcgipmctl $word");
    $commands++;
}
cmp_ok($commands, '>=', 7, 'all of them');

# --- every file and folder of the repository
my %exists;
find({ no_chdir => 1, wanted => sub {
    (my $name = $_) =~ s{^\Q${\ root() }\E/?}{};
    if ($name =~ m{^(?:\.git|build|build-(?!aux(?:/|$)).*)$}) {
        $File::Find::prune = 1;
        return;
    }
    $exists{$name} = 1;
} }, root());
my @page = sort grep { /\.md$/ } keys %exists;

# --- the messages that troubleshooting.md quotes
# The strings of a C source, the parts of each put together.
sub strings {
    my ($c) = @_;
    $c =~ s{/\*.*?\*/}{}gs;
    my $part = qr/"(?:[^"\\\n]|\\.)*"/;
    return map {
        join '', map { s/(?<!%)%\z/%d/r =~ s/\\n//gr =~ s/\\(.)/$1/gr }
            /"((?:[^"\\\n]|\\.)*)"/g
    } $c =~ /($part(?:\s*(?:[A-Z]\w*\s*)?$part)*)/g;
}

# What printf() can make of a format; the system's error can follow it.
sub pattern {
    my ($format) = @_;
    my $re = join '', map { !/^%/ ? quotemeta : $_ eq '%%' ? '%'
                            : /[sc]$/ ? '(.*?)' : '-?[\d.]+' }
        split /(%%|%[-\d.*]*(?:ll?|z)?[a-zA-Z])/, $format;
    return qr/^$re(?:: [A-Z][\w ]+)?$/;
}

# Those that say something, without the words that say whose message it is.
my @format = map { pattern($_) }
    grep { (s/%[-\d.*]*[a-z]//gr =~ tr/A-Za-z//) >= 8 || /[a-z] [a-z]+ [a-z]/ }
    map { s/^(?:pool %s: |mod_fcgipm: |manager \(pid %d\): )//r }
    map { strings(slurp(root() . "/$_")) }
    grep { m{^(?:httpd|pm_core|tools|libfcgipm)/.*\.[ch]$} } sort keys %exists;
cmp_ok(scalar @format, '>', 800, 'the messages of the sources');

# A part of a message that has some words is one, too.
sub is_said {
    my ($text) = @_;
    for my $format (@format) {
        my @part = $text =~ $format or next;
        return 1 if !grep { s/: [A-Z][\w ]+$//r =~ /[a-z] [a-z]+ [a-z]/
                            && !is_said($_) } @part;
    }
    return;
}

my @quoted = doc('admin/troubleshooting.md') =~ /^\| `(.+?)` \|/mg;
cmp_ok(scalar @quoted, '>', 60, 'messages that troubleshooting.md quotes');
ok(is_said($_), "a message: $_") for @quoted;

# --- rooms
my $architecture = doc('internals/architecture.md');
my @room = sort grep { m{^(?:httpd|pm_core|libfcgipm)/\w+$}
                       && -d root() . "/$_" } keys %exists;
for my $room (@room) {
    ok($architecture =~ /^\| (?:\d+ \| )?`\Q$room\E` \| \S/m,
       "architecture.md says what $room is for");
}
is_deeply([$architecture =~ m{^\| \d+ \| `pm_core/(\w+)` \|}mg],
          [slurp("$core/LAYERS") =~ /^(\w+)/mg],
          'and its ranks are those of LAYERS');

my ($map) = slurp(root() . '/CONTRIBUTING.md') =~ /^## The files\n(.*?)^## /ms;
$map ||= '';
for my $folder (grep { m{^\w[^/]*$} && -d root() . "/$_" } sort keys %exists) {
    ok($map =~ m{^    \Q$folder\E/ }m, "CONTRIBUTING.md has $folder/");
}

# --- what a page names is there
# A heading's anchor, as it is made of its text on the web.
sub anchor {
    my $text = lc $_[0];
    $text =~ s/[^\w\- ]//g;
    $text =~ tr/ /-/;
    return $text;
}

# a/b/../c.md -> a/c.md
sub normal {
    my ($path) = @_;
    1 while $path =~ s{(?:^|(?<=/))(?!\.\./)[^/]+/\.\./}{};
    return $path =~ s{/$}{}r;
}

my (%anchor, %identifier);
for my $page (@page) {
    $anchor{$page}{ anchor($_) } = 1
        for slurp(root() . "/$page") =~ /^#+ (.+)$/mg;
}
for my $file (grep { /\.[ch]$/ } keys %exists) {
    $identifier{$_} = 1 for slurp(root() . "/$file") =~ /(\w+)/g,
                            $file =~ m{(\w+)\.[ch]$};
}

my $top = join '|', grep { m{^\w[^/]*$} && -d root() . "/$_" } keys %exists;
for my $page (@page) {
    my $text = slurp(root() . "/$page");
    my ($folder) = $page =~ m{^(.*/)};
    my @lost;
    for my $link ($text =~ /\]\(([^)\s]+)\)/g) {
        next if $link =~ /^\w+:/;
        my ($path, $anchor) = split /#/, $link;
        my $file = $path eq '' ? $page : normal(($folder || '') . $path);
        push @lost, "($link)"
            if !$exists{$file}
            || defined $anchor && $anchor{$file} && !$anchor{$file}{$anchor};
    }
    # `pm_core/os/pm_fds.h`, `t/core/watch.t`; `X` stands for something.
    for my $path ($text =~ m{`((?:$top)/[\w./-]*\w)/?`}g) {
        push @lost, $path if !$exists{$path} && $path !~ /\b[A-Z]+\b/;
    }
    # `pm_fds_close()`, `pm_fds`, `pm_fds.h`, `PM_CHANNEL_FDS`
    for my $name ($text =~ /`((?:pm|hpm|ctl|guard|PM|HPM|GUARD)_\w+)/g) {
        push @lost, $name if !$identifier{$name};
    }
    is_deeply(\@lost, [], "$page: what it names is there");
}

# --- the flows: few files, and each function stands where the page says
for my $page (grep { m{^docs/internals/} } @page) {
    my (@name, %source);
    for my $row (slurp(root() . "/$page") =~ /^\| (.*`\w[\w\/]*\.c`.*) \|$/mg) {
        $source{$_} ||= slurp(root() . "/$_") for $row =~ /`(\w[\w\/]*\.c)`/g;
        my ($first) = split / \| /, $row;
        push @name, $first =~ /`(\w+)`/g, $row =~ /`(\w+)\(\)`/g;
    }
    next if !@name;
    cmp_ok(scalar keys %source, '<=', 14, "$page: a flow of at most 14 files");
    my $source = join "\n", values %source;
    my @lost = grep { $source !~ /^\w[^;={}]*\b$_\([^;{}]*\)\n\{/m } @name;
    is_deeply(\@lost, [], "$page: its functions are in its files");
}

cmp_ok(count_lines(root() . '/README.md', '^'), '<=', 150, 'README is short');
for my $page (map { m{^docs/internals/(?!README)(\w+\.md)$} } @page) {
    ok(doc('internals/README.md') =~ /\]\(\Q$page\E\)/,
       "docs/internals/README.md lists $page");
}

# --- the cookbook: an index, and pages of one form
for my $page (map { m{^docs/admin/cookbook/(?!README)(\w[\w-]*\.md)$} } @page) {
    ok(doc('admin/cookbook/README.md') =~ /\]\(\Q$page\E\)/,
       "the cookbook's README.md lists $page");
    my @part = doc("admin/cookbook/$page") =~ /^## (.*)$/mg;
    is($part[0], 'Packages', "$page begins with packages");
    is("@part[-3 .. -1]", 'Check What to change When it does not work',
       'and ends as all of them do');
}

# --- the manual pages
SKIP: {
    skip 'mandoc is missing', 1 unless have('mandoc');
    my @said = `cd '${\ root() }' && mandoc -Tlint docs/man/*`;
    is_deeply(\@said, [], 'mandoc has nothing to say of the manual pages');
}

done_testing();
