#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# FcgiPMWatch: a file that is touched, made, written or replaced reloads the
# pool, once; nothing else in its directory does.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(request);
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;

plan skip_all => 'files cannot be watched here' if $^O ne 'linux';

my $dir = tmp_dir();
mkdir "$dir/one" or die "mkdir: $!";
symlink 'one', "$dir/current" or die "symlink: $!";
my $file = "$dir/restart.txt";
my $deep = "$dir/current/tmp/restart.txt";

my $run = FCGIPM::Run->new(
    processes => 2, control => 1, command => [bin('worker')],
    options => ['--watch', "$file $deep"]);
my @pid = $run->workers(2);
wait_for { ($run->pool_status->{idle} || 0) == 2 } 10, 'two workers';

sub reloads { my $s = $run->status; return $s ? $s->{manager}{reloads} : -1 }

sub reloads_by {
    my ($name, $do) = @_;
    my $before = reloads();
    $do->();
    ok(wait_for { reloads() > $before } 10, "$name: a reload") or return;
    @pid = $run->renewed(@pid);
    is(scalar @pid, 2, 'the workers are new');
    is(reloads(), $before + 1, 'once');
    return;
}

sub touch { my ($path) = @_; utime undef, undef, $path or die "$path: $!" }

reloads_by('a file is made', sub { write_file($file, '') });
reloads_by('it is touched', sub { touch($file) });
reloads_by('it is written to', sub { append($file, "now\n") });
reloads_by('another one is renamed over it', sub {
    write_file("$file.new", '');
    rename "$file.new", $file or die "rename: $!";
});

# What is no change: others in the directory, and its end.
{
    my $before = reloads();
    write_file("$dir/other", 'x');
    touch("$dir/other");
    rename "$dir/other", "$dir/another" or die "rename: $!";
    unlink $file or die "unlink: $!";
    # what comes after it has been seen, these have been seen as well
    reloads_by('it is made again, after much that is no change',
               sub { write_file($file, '') });
    is(reloads(), $before + 1, 'that was none');
}

# --- below a symbolic link, and a directory that is not there yet
reloads_by('a directory is made, then the file', sub {
    mkdir "$dir/one/tmp" or die "mkdir: $!";
    write_file($deep, '');
});
reloads_by('it is touched', sub { touch($deep) });
mkdir "$dir/two" or die "mkdir: $!";
mkdir "$dir/two/tmp" or die "mkdir: $!";
write_file("$dir/two/tmp/restart.txt", '');
reloads_by('the link leads to another directory', sub {
    symlink 'two', "$dir/current.new" or die "symlink: $!";
    rename "$dir/current.new", "$dir/current" or die "rename: $!";
});
reloads_by('the file there is touched', sub { touch($deep) });
{
    my $before = reloads();
    touch("$dir/one/tmp/restart.txt");
    reloads_by('not the one in the former directory', sub { touch($deep) });
    is(reloads(), $before + 1, 'which is no longer watched');
}

# --- a pool that is stopped
is((ctl($run->control_socket, 'stop', 'default'))[0], 0, 'stop');
{
    my $before = reloads();
    touch($file);
    ok(wait_for { $run->status } 10, 'the manager lives');
    is((ctl($run->control_socket, 'start', 'default'))[0], 0, 'start');
    ok(wait_for { ($run->pool_status->{idle} || 0) == 2 } 10, 'two workers');
}

# --- nothing happens while nothing happens
SKIP: {
    my $strace = have('strace');
    skip 'strace is missing', 2 unless $strace;
    my $out = tmp_dir() . '/trace';
    wait_for { !$run->pool_status->{stopping} } 10, 'a quiet pool';
    @pid = $run->workers(2);
    my $proc = start(cmd => [$strace, '-qq', '-o', $out, '-p', $run->pid]);
    if (!wait_for { -e $out || !$proc->alive } 10, 'strace') {
        skip 'strace may not trace', 2;
    }
    touch($file);
    @pid = $run->renewed(@pid);
    is(scalar @pid, 2, 'the workers are new once more');
    $proc->signal('INT');
    $proc->wait(10);
    cmp_ok(count_lines($out, 'inotify_add_watch'), '<', 1,
           'a touch makes no watch anew');
}

$run->signal('TERM');
is($run->wait(10), 0, 'exit status 0');

done_testing;
