#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# URLs by which servers have run uploads as PHP or shown the source of a script:
# with a pool and with a wrapper, a script runs and nothing else does, and no
# source is seen.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use POSIX ();
use Test::More;

my $php = have('php-cgi') or plan skip_all => 'no php-cgi';
my $httpd = FCGIPM::Httpd->new(
    modules => [qw(dir mime negotiation rewrite)],
    head => "TypesConfig /dev/null\n");
my $docs = $httpd->dir . '/htdocs';

# --- files: scripts say that they run, and so do uploads when they are run

my $SCRIPT = q(<?php /* SOURCE */ echo 'RAN ', basename(__FILE__), ' ',)
    . q( isset($_SERVER['PATH_INFO']) ? $_SERVER['PATH_INFO'] : '';);
my $UPLOAD = q(upload <?php echo 'EV', 'IL';);

for my $base ('pool', 'wrap', 'mime') {
    my $dir = "$docs/$base";
    mkdir $_ or die "$_: $!" for $dir, "$dir/d.php", "$dir/idx";
    write_file("$dir/$_", $SCRIPT, 0644)
        for 'x.php', 'x.jpg.php', '.php', 'd.php/index.php', 'idx/index.php',
            'a b.php';
    write_file("$dir/$_", $UPLOAD, 0644)
        for 'up.jpg', "up.php\n", 'up.php.jpg', 'up.php.', 'up.php ',
            'd.php/up.jpg', 'up.php;.jpg', 'up.php~', 'up.php::$DATA',
            'up.php\\.jpg';
    write_file("$dir/secret.php", $SCRIPT, 0);
    POSIX::mkfifo("$dir/fifo.php", 0644) or die "mkfifo: $!";
}

$httpd->write_config(join '', pool('php', [$php]),
    "DirectoryIndex index.php\n",
    "<Directory $docs>\nOptions MultiViews\n</Directory>\n",
    "<Directory $docs/pool>\n<FilesMatch \\.php\$>\nSetHandler fcgipm:php\n",
    "</FilesMatch>\n</Directory>\n",
    map { my ($base, @how) = @$_;
          ("<FcgiPMScripts $docs/$base>\nFcgiPMWrapper $php .php\n",
           "</FcgiPMScripts>\n<Directory $docs/$base>\nOptions +ExecCGI\n",
           @how, "\n</Directory>\n") }
        ['wrap', "<FilesMatch \\.php\$>\nSetHandler fcgipm-script\n",
         '</FilesMatch>'],
        ['mime', 'AddHandler fcgipm-script .php']);
ok($httpd->start, 'httpd');

# --- URLs: status, and what the answer begins with

my @ran = map { ref $_ ? $_ : [$_, $_] } (
    'x.php', 'x.jpg.php', ['a%20b.php', 'a b.php'],
    map { [$_->[0], "x.php$_->[1]"] }
    ['x.php/', ' /'], ['x.php/.php', ' /.php'], ['x.php/up.jpg', ' /up.jpg'],
    ['x.php//up.jpg', ' /up.jpg'], ['x.php/%0a', " /\n"],
    ['x.php/' . 'a/' x 2000, ' /a/a/a'], ['/x.php', ''], ['./x.php', ''],
    ['x%2ephp', ''], ['x.ph%70', ''], ['d.php/../x.php', ''],
    ['up.jpg/%2e%2e/x.php', ''], ['x.php?-s', ''], ['x.php?%2ds+x.php', ''],
    ['x.php?-dauto_prepend_file=/etc/passwd', ''],
    ['x.php?-d+allow_url_include%3d1+-d+auto_prepend_file%3dphp://input', '']);
push @ran, map { [$_, 'index.php'] } 'd.php/', 'idx/', 'idx//', 'idx/.';

my @files = ('up.jpg', 'up.php%0a', 'up.php%20', 'up.php::$DATA',
    'up.php%5c.jpg', 'up.php;.jpg', 'up.php~', 'up.jpg?x.php', 'up.jpg?-s',
    'd.php/up.jpg', 'none.php/../up.jpg', 'x.php/../up.jpg',
    'x.php/%2e%2e/up.jpg');

my @none = ('up.jpg/x.php', 'up.jpg/.php', 'up.jpg%00.php', 'up.jpg%0a.php',
    'up.jpg%3f.php', 'up.jpg%23.php', 'up.jpg;x.php', 'up.jpg/..%2fx.php',
    'd.php/up.jpg/x.php', 'none.php', 'none.php/up.jpg', 'x.php%00',
    'x.php%00.jpg', 'x.php%0a', 'x.php.', 'x.php%2e', 'x.php%20', 'X.PHP',
    'x.PhP', 'x.php::$DATA', 'x.php\\', 'x.php%5c', 'x.php;.jpg', 'x.php~',
    'x.php.bak', 'x.phps', 'x.php%2f', 'x.php%2fup.jpg', 'x.php%252f',
    'x.php%3f.jpg', 'x.php%c0%80.jpg', 'x.php%e2%80%8b', '..%2fpool/x.php',
    'php://filter/read=convert.base64-encode/resource=x.php', 'idx/x.php',
    'x', 'up');

my @rows = ((map { [$_->[0], 200, "RAN $_->[1]"] } @ran),
            (map { [$_, 200, 'upload'] } @files),
            (map { [$_, 404, ''] } @none),
            (map { [$_, 403, ''] } 'secret.php', 'fifo.php', 'fifo.php/x.php'),
            (map { [$_, 301, ''] } 'd.php', 'idx'));

# To mod_mime's AddHandler a file may have several extensions (the wrapper's
# rule then refuses it), and one called ".php" has none and is an ordinary file.
my @two = ('up.php.jpg', 'up.php.', 'up.php.jpg/x.php');
my $match = [['.php', 200, 'RAN .php'], [$two[2], 404, ''],
             map { [$_, 200, 'upload'] } @two[0, 1]];
my %more = (pool => $match, wrap => $match,
            mime => [map { [$_, 403, ''] } @two]);

for my $base ('pool', 'wrap', 'mime') {
    my @wrong;
    my @all = (@rows, @{ $more{$base} });
    for (@all) {
        my ($url, $status, $begin) = @$_;
        my $r = $httpd->get("/$base/$url", method => 'GET',
                            body => q(<?php echo 'EV', 'IL';));
        my $text = $r->{body} =~ s/^/BODY /r;
        push @wrong, "$url: " . ($r->{error} || $r->{status}) . ', '
            . substr $text, 0, 80
            unless $r->{status} eq $status && $text !~ /EVIL|SOURCE/
            && ($status != 200 || $text =~ /^BODY \Q$begin\E/);
    }
    is_deeply(\@wrong, [], "$base: " . @all . ' URLs') or diag($httpd->log);
}
is($httpd->get('/pool/x.php')->{body}, 'RAN x.php ', 'the pool serves on');
ends_well($httpd);
done_testing;
