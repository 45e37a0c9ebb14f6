#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What a script's file can be: each has its answer and its line in the log, none
# shows its source, and the next script runs.  Owners: scripts-hostile.t.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use File::Copy qw(copy);
use IO::Socket::UNIX;
use POSIX ();
use Test::More;

my $httpd = FCGIPM::Httpd->new(
    modules => ['mime'], head => "TypesConfig /dev/null\n");
my $docs = $httpd->dir . '/htdocs';
my $worker = bin('worker');
my $root = $> == 0;
my @held;

# --- ways to make one

sub text { my ($text, $mode) = @_;
           return sub { write_file($_[0], $text, $mode // 0755) } }
sub good { my ($mode) = @_; return text("#!/bin/sh\nexec $worker\n", $mode) }
sub in { my ($mode) = @_;
         return sub { my ($dir) = $_[0] =~ m{(.*)/};
                      good()->($_[0]); chmod $mode, $dir } }
sub link_to { my ($to) = @_; return sub { symlink $to, $_[0] or die "$!" } }
sub elf { my ($size) = @_;
          return sub { copy($worker, $_[0]); chmod 0755, $_[0];
                       truncate $_[0], $size if $size } }

my $never = 'has (?:died|crashed)';
my @cases = (
    # --- what it contains
    ['good', good(), 200],
    ['no line end', text("#!/bin/sh\nexec $worker"), 200],
    ['blanks', text("#!  /bin/sh  \nexec $worker\n"), 200],
    ['a program', elf(), 200],
    ['half a program', elf(500), 503, 'Exec format error'],
    ['empty', text(''), 503, 'Exec format error'],
    ['no first line', text("exec $worker\n"), 503, 'Exec format error'],
    ['nothing in it', text("#!\n"), 503, 'Exec format error'],
    ['too long', text('#!/' . 'x' x 5000 . "\n"), 503, 'cannot start'],
    ['of DOS', text("#!/bin/sh\r\nexec $worker\r\n"), 503,
     'its first line ends with CR LF'],
    ['no interpreter', text("#!/no/such/sh\n"), 503,
     'names an interpreter: /no/such/sh: No such file'],
    ['a directory for one', text("#!/tmp\n"), 503, 'Permission denied'],
    ['no program for one', text("#!/etc/passwd\n"), 503, 'Permission denied'],
    ['itself for one', sub { text("#!$_[0]\n")->($_[0]) }, 503, 'cannot start'],
    ['NULs', text("#!/bin/sh\0x\n"), 503, $never],
    # --- what it does
    ['ends', text("#!/bin/sh\nexit 0\n"), 503, $never],
    ['fails', text("#!/bin/sh\nexit 7\n"), 503, $never],
    ['kills itself', text("#!/bin/sh\nkill -9 \$\$\n"), 503, $never],
    ['says much', text("#!/bin/sh\nyes | head -c 30000 >&2\nexit 1\n"), 503,
     $never],
    ['is CGI', text("#!/bin/sh\necho Status: 200; echo; echo x\n"), 503,
     $never],
    # --- its mode
    ['not executable', good(0644), 403, 'it is not executable'],
    ['mode 0', good(0), 403, 'it is not executable'],
    ['by its group', good(0610), $root ? 403 : '403|503'],
    ['written by all', good(0757), 403, 'can be written to by anybody'],
    ['written by a group', good(0775), 403, 'can be written to by a group'],
    ['set-user-ID', good(04755), 403, 'it is set-user-ID'],
    ['set-group-ID', good(02755), 403, 'it is set-user-ID'],
    ['sticky', good(01755), 200],
    # --- what it is instead of a file
    ['directory', sub { mkdir $_[0] }, 404],
    ['FIFO', sub { POSIX::mkfifo($_[0], 0755) }, 403, 'not a regular file'],
    ['socket', sub { push @held, IO::Socket::UNIX->new(
        Local => $_[0], Listen => 1) }, 403, 'not a regular file'],
    ['link', link_to("$docs/good/good.fcgi"), 403, 'is a symbolic link'],
    ['beside', link_to('beside.fcgi'), 403],
    ['to nothing', link_to('/nothing'), 403],
    ['to a device', link_to('/dev/null'), 403, 'is a symbolic link'],
    ['hard link', sub { link "$docs/blanks/blanks.fcgi", $_[0] or die "$!" },
     200],
    # --- where it is
    ['dir 0777', in(0777), 403, 'on the way to it can be written to by any'],
    ['dir 1777', in(01777), 403, 'on the way to it can be written to by any'],
    ['dir 0775', in(0775), 403, 'on the way to it can be written to by a gr'],
    $root ? (['dir 0700', in(0700), 403],
             ['device', sub { system 'mknod', $_[0], 'c', 1, 3 }, '403|404'])
          : (),
    # --- its name
    (map { [$_, good(), 200] } '.hidden', 'a blank', '100%41', 'x' x 240,
     "\xff\xfe", q(quotes'"`x`$(x);&|<>*?~), '-rf', '#!'),
    ["new\nline", good(), 403, 'has a control character'],
);

$httpd->write_config(
    "FcgiPMMaxScripts 100\n" . scripts($docs, 'FcgiPMProcesses 0 1')
    . "<Directory $docs>\nOptions +FollowSymLinks\n</Directory>\n");
ok($httpd->start, 'httpd');

sub ask {
    my ($name, $more) = @_;
    my $url = "/$name/$name.fcgi" =~ s/([^\w.\/-])/sprintf '%%%02x', ord $1/ger;
    return $httpd->get($url . ($more || '?pid'));
}

# What was logged since there were so many bytes, as error or warning.
sub logged {
    my ($size) = @_;
    return grep { /fcgipm:(?:error|warn)/ }
        split /\n/, substr $httpd->log, $size;
}

for (@cases) {
    my ($name, $make, $status, $line) = @$_;
    my $shown = $name =~ s/[^ -~]/?/gr;
    mkdir "$docs/$name" or die "$name: $!";
    chmod 0755, "$docs/$name";
    $make->("$docs/$name/$name.fcgi");
    my $size = -s $httpd->error_log;
    for my $more ('?pid', '/info?pid') {
        my $r = ask($name, $more);
        my $want = $status eq 404 && $more =~ /info/ ? '403|404' : $status;
        ok($r->{status} =~ /^(?:$want)\z/ && $r->{body} !~ m{#!/},
           "$shown$more: $want")
            or diag("$r->{status}: $r->{body}\n", logged($size));
    }
    ok(wait_for { grep { /$line/ } logged($size) } 20, "$shown: $line")
        if $line;
}

# --- what changes while it runs
my ($pid) = ask('good')->{body} =~ /^pid=(\d+)/;
ok($pid, 'the first one runs');
my $gate = $httpd->dir . '/gate';
my $client = $httpd->ask("/good/good.fcgi?until=$gate&ok");
my ($pool) = map { $_->{name} } grep { $_->{command} =~ m{/good\.fcgi$} }
    @{ $httpd->status->{pools} };
$httpd->counts($pool, busy => 1);
my $file = "$docs/good/good.fcgi";
unlink $file;
is(ask('good')->{status}, 404, 'removed');
for (['a directory', sub { mkdir $file }, '403|404', sub { rmdir $file }],
     ['a link', sub { symlink $worker, $file }, 403],
     ['a FIFO', sub { POSIX::mkfifo($file, 0755) }, 403],
     ['one of no mode', sub { good(0)->($file) }, 403]) {
    my ($what, $make, $status, $remove) = @$_;
    $make->();
    like(ask('good')->{status}, qr/^(?:$status)\z/, "replaced by $what");
    $remove ? $remove->() : unlink $file;
}
write_file($gate, '', 0644);
ok(wait_for { !alive($client) } 20, 'its request ends');
good()->($file);
ok(wait_for { ask('good')->{status} == 200 } 20, 'there again, it runs');
cmp_ok(scalar @cases, '>=', 27, 'situations');
ends_well($httpd);
done_testing;
