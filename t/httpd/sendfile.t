#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# FcgiPMXSendfile: a worker names a file, httpd sends it, from where it may.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use POSIX ();
use Test::More;

my $dir = tmp_dir();
chmod 0755, $dir;
for my $sub (qw(open open/deep closed other openx)) {
    mkdir "$dir/$sub";
    chmod 0755, "$dir/$sub";
}
my $text = join '', map { "line $_ of a file\n" } 1 .. 20_000;
write_file("$dir/open/file", $text, 0644);
utime 1e9, 1e9, "$dir/open/file";      # the ETag of a new file is weak
write_file("$dir/open/deep/file", "deep\n", 0644);
write_file("$dir/open/empty", '', 0644);
write_file("$dir/closed/file", "secret\n", 0644);
write_file("$dir/openx/file", "secret\n", 0644);
write_file("$dir/other/file", "other\n", 0644);
symlink "$dir/closed/file", "$dir/open/link-out";
symlink "$dir/closed", "$dir/open/dir-out";
symlink "$dir/open/deep/file", "$dir/open/link-in";
symlink "$dir/open/file", "$dir/closed/link-in";
symlink "$dir/other", "$dir/other-link";
symlink 'loop', "$dir/open/loop";
POSIX::mkfifo("$dir/open/fifo", 0666);

my $config = join '',
    pool('on', 'worker', 'FcgiPMProcesses 2', 'FcgiPMXSendfile on',
         "FcgiPMXSendfilePath $dir/open/",
         "FcgiPMXSendfilePath $dir/other-link"),
    location('on'),
    pool('off', 'worker', "FcgiPMXSendfilePath $dir/open"), location('off'),
    pool('raw', [$^X, bin('raw.pl')], 'FcgiPMXSendfile on',
         "FcgiPMXSendfilePath /"), location('raw'),
    "LogLevel fcgipm:debug\n";

sub named {
    my ($file, @more) = @_;
    my $query = join '&', "header=X-Sendfile:%20$file", @more,
        'text=the%20worker%27s';
    return "?$query";
}

# A name that is a file one moment, a FIFO or a link out of the directory the
# next: whichever is found, the answer comes.
sub exchanged {
    my ($httpd) = @_;
    my $name = "$dir/open/turns";
    my @kind = ("$dir/open/deep/file", "$dir/open/fifo", "$dir/open/link-out");
    link $kind[0], $name;
    my $parent = $$;
    my $turner = fork // die "fork: $!";
    if (!$turner) {
        for (my $i = 0; getppid == $parent; $i++) {
            unlink "$name.next";
            link $kind[$i % @kind], "$name.next";
            rename "$name.next", $name;
        }
        POSIX::_exit(0);
    }
    my ($sent, $refused, $other) = (0, 0, 0);
    for (1 .. 800) {
        my $r = $httpd->get('/on/' . named($name), timeout => 10);
        if (!$r->{error} && $r->{status} == 200 && $r->{body} eq "deep\n") {
            $sent++;
        }
        elsif (!$r->{error} && $r->{status} == 403 && $r->{body} !~ /secret/) {
            $refused++;
        }
        else {
            $other++;
            last;
        }
    }
    kill 'KILL', $turner;
    waitpid $turner, 0;
    is($other, 0, "exchanged all the time: sent $sent, refused $refused, "
                  . 'nothing else');
    unlink $name, "$name.next";
    return;
}

sub one_mpm {
    my ($mpm) = @_;
    my $httpd = FCGIPM::Httpd->new(mpm => $mpm, config => $config,
                                   modules => ['deflate', 'filter']);
    ok($httpd->start, "MPM $mpm") or return;
    is(scalar $httpd->workers(4), 4, 'workers');
    my $get = sub {
        my ($file, @arg) = @_;
        return $httpd->get('/on/' . named($file), @arg);
    };

    # --- a file
    my $r = $httpd->get('/on/' . named("$dir/open/file",
        'header=Set-Cookie:%20a=1', 'header=Cache-Control:%20private',
        'header=Content-Disposition:%20attachment'));
    is($r->{error}, undef, 'a file');
    is($r->{status}, 200, 'status 200');
    ok($r->{body} eq $text, 'is sent');
    is($r->{header}{'content-length'}, length $text, 'Content-Length');
    is($r->{header}{'content-type'}, 'text/plain', 'the worker\'s type');
    is($r->{header}{'set-cookie'}, 'a=1', 'its cookie');
    is($r->{header}{'cache-control'}, 'private', 'its Cache-Control');
    is($r->{header}{'content-disposition'}, 'attachment', 'and so on');
    is($r->{header}{'x-sendfile'}, undef, 'not the header itself');
    is($r->{header}{'accept-ranges'}, 'bytes', 'Accept-Ranges');
    my ($etag, $date) = @{ $r->{header} }{qw(etag last-modified)};
    ok($etag, 'ETag');
    ok($date, 'Last-Modified');
    is($get->("$dir/open/empty")->{body}, '', 'an empty one');
    is($get->("$dir/open/deep/file")->{body}, "deep\n", 'one further down');
    is($get->("$dir/other/file")->{body}, "other\n", 'another directory');
    $r = $get->("$dir/open/file", method => 'HEAD');
    is($r->{header}{'content-length'}, length $text, 'HEAD');
    is($r->{body}, '', 'has no body');
    ok($get->("$dir/open/file", body => 'x' x 1000)->{body} eq $text, 'POST');
    $r = $httpd->get('/on/' . named("$dir/open/deep/file",
                                    'status=404%20Not%20Here'));
    is($r->{status}, 404, 'with a status of the worker');
    is($r->{body}, "deep\n", 'it is sent as well');
    $r = $httpd->get('/on/' . named("$dir/open/deep/file",
                                    'header=Content-Length:%2099'));
    is($r->{body}, "deep\n", 'a Content-Length of the worker is not heard');
    is($r->{header}{'content-length'}, 5, 'it is the file\'s');

    # --- a part of it, or nothing new
    $r = $get->("$dir/open/file", header => ['Range: bytes=5-14']);
    is($r->{status}, 206, 'a range');
    is($r->{body}, substr($text, 5, 10), 'of bytes');
    $r = $get->("$dir/open/file", header => ['Range: bytes=-7',
                                             "If-Range: $etag"]);
    ok($r->{body} eq substr($text, -7), 'If-Range');
    is($get->("$dir/open/file", header => ['Range: bytes=9999999-'])
           ->{status}, 416, 'one it has not');
    $r = $get->("$dir/open/file", header => ["If-None-Match: $etag"]);
    is($r->{status}, 304, 'If-None-Match');
    is($r->{body}, '', 'without a body');
    is($get->("$dir/open/file", header => ["If-Modified-Since: $date"])
           ->{status}, 304, 'If-Modified-Since');
    is($get->("$dir/open/file", header => ["If-Match: $etag"])->{status},
       200, 'If-Match');
    is($get->("$dir/open/file", header => ['If-Match: "x"'])->{status},
       412, 'that does not');
    is($get->("$dir/open/file", header => ["If-Unmodified-Since: $date"])
           ->{status}, 200, 'If-Unmodified-Since');
    $r = $httpd->get('/on/' . named("$dir/open/file",
                                    'header=ETag:%20%22mine%22'));
    is($r->{header}{etag}, '"mine"', 'an ETag of the worker');

    # --- what may not be sent
    my @no = (
        ['out by dots', "$dir/open/../closed/file", 403],
        ['out by more dots', "$dir/open/deep/../../closed/file", 403],
        ['out by a link', "$dir/open/link-out", 403],
        ['out by a link to a directory', "$dir/open/dir-out/file", 403],
        ['elsewhere', "$dir/closed/file", 403],
        ['a name that begins alike', "$dir/openx/file", 403],
        ['anywhere', '/etc/passwd', 403],
        ['a directory', "$dir/open/deep", 403],
        ['the directory', "$dir/open", 403],
        ['with a slash', "$dir/open/", 403],
        ['a FIFO', "$dir/open/fifo", 403],
        ['a link to itself', "$dir/open/loop", 403],
        ['one that is not there', "$dir/open/nothing", 404],
        ['below a file', "$dir/open/file/x", 404],
        ['a relative name', 'open/file', 404],
        ['no name', '', 404],
        ['a URL', 'file:///etc/passwd', 404],
        ['two', "$dir/open/file&header=X-Sendfile:%20$dir/open/file", 404],
    );
    for (@no) {
        my ($what, $file, $status) = @$_;
        $r = $httpd->get('/on/' . named($file, 'header=Set-Cookie:%20a=1'));
        is($r->{status}, $status, "$what: $status");
        unlike($r->{body}, qr/secret|root:|worker's/, 'nothing of it');
        is($r->{header}{'x-sendfile'}, undef, 'nor the header');
        is($r->{header}{'set-cookie'}, undef, 'nor the worker\'s others');
        my $log = $file =~ s/&.*//r;
        ok(wait_for { $httpd->log =~ /pool on: X-Sendfile \Q$log\E.*: .+/ }
           10, 'and a line in the log');
    }
    if ($> == 0) {
        chmod 0600, "$dir/open/deep/file";
        is($get->("$dir/open/deep/file")->{status}, 403, 'not readable: 403');
        chmod 0644, "$dir/open/deep/file";
    }
    is($get->("$dir/open/deep/../deep/file")->{body}, "deep\n",
       'dots that stay within');
    is($get->("$dir/open/link-in")->{body}, "deep\n",
       'a link that stays within');
    ok($get->("$dir/closed/link-in")->{body} eq $text, 'or leads into it');

    exchanged($httpd);

    # --- not at all
    $r = $httpd->get('/off/' . named("$dir/open/file"));
    is($r->{status}, 200, 'off');
    is($r->{body}, 'the worker\'s', 'the worker\'s answer is sent');
    is($r->{header}{'x-sendfile'}, undef, 'without the header');
    ok(wait_for { $httpd->log =~ /pool off: X-Sendfile is ignored/ } 10,
       'the log has a word on it');
    $r = $httpd->get('/on/?location=http://example.org/&header=X-Sendfile:'
                     . "%20$dir/open/file");
    is($r->{status}, 302, 'with a Location that counts');
    is($r->{header}{'x-sendfile'}, undef, 'without the header');
    $r = $httpd->get("/raw/?out=x-senDFile:$dir/closed/file%0d%0a%0d%0a"
                     . '&fill=3000000&eof&end');
    is($r->{body}, "secret\n", 'any case, "/" allowed, a long body dropped');
    is($r->{header}{'content-type'}, undef, 'no type is made up');
    $r = $httpd->get("/raw/?out=X-Sendfile:$dir/closed/file%0a%0a&close");
    is($r->{status}, 502, 'an answer that is not whole is none');
    is($r->{header}{'x-sendfile'}, undef, 'without the header');

    ends_well($httpd);
    return;
}

one_mpm($_) for qw(event prefork);

# --- what httpd -t finds
my $httpd = FCGIPM::Httpd->new;
for (['FcgiPMXSendfile maybe', qr/FcgiPMXSendfile.*maybe.*off\|on/],
     ['FcgiPMXSendfilePath files', qr/FcgiPMXSendfilePath.*files.*absolute/],
     ['FcgiPMXSendfilePath /a b', qr/FcgiPMXSendfilePath.*"b".*absolute/],
     ['FcgiPMXSendfile on', qr/pool app.*FcgiPMXSendfilePath/]) {
    my ($line, $said) = @$_;
    $httpd->write_config(pool('app', 'worker', $line));
    my ($status, $out) = $httpd->run('-t');
    isnt($status, 0, "$line: httpd -t fails");
    like($out, $said, 'and says why');
}

done_testing;
