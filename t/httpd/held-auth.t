#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# URLs, methods and internal ways by which a page has been reached past the
# authorizer: each leads there when it grants, and not when it denies.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my $httpd = FCGIPM::Httpd->new(
    modules => [qw(actions authn_core dir http2 include mime negotiation
                   rewrite)],
    head => "TypesConfig /dev/null\nAddType text/html .html\n"
        . "Protocols h2c http/1.1\n");
my $docs = $httpd->dir . '/htdocs';

# --- what is guarded, and what leads there

my @dirs = qw(secret secret/sub open start rules fall);
mkdir "$docs/$_" or die "$_: $!" for @dirs;
write_file("$docs/$_", "SECRET\n", 0644)
    for qw(secret/file.txt secret/index.html secret/page.html open/hidden.txt);
write_file("$docs/open/page.shtml", join "\n",
           map { qq(<!--#include virtual="$_" -->) } '/secret/file.txt',
           '/app/?text=SECRET');

my $require = "Require fcgipm auth\n";

$httpd->write_config(join '',
    pool('app', 'worker'), pool('auth', [$^X, bin('auth.pl')]),
    location('pub', 'app'), "FcgiPMAlias /alias app\n",
    "<Location /app>\nSetHandler fcgipm:app\n$require</Location>\n",
    "<Location /alias>\n$require</Location>\n",
    "<Directory $docs/secret>\nOptions MultiViews\n$require</Directory>\n",
    "<Directory $docs/open>\nOptions Includes\n",
    "AddOutputFilter INCLUDES .shtml\n",
    "<Files hidden.*>\n$require</Files>\n</Directory>\n",
    "Alias /other $docs/secret\nDirectoryIndex index.html\n",
    "<Directory $docs/start>\nDirectoryIndex /secret/file.txt\n</Directory>\n",
    "<Directory $docs/fall>\nFallbackResource /secret/file.txt\n</Directory>\n",
    "<Directory $docs/rules>\nRewriteEngine on\n",
    "RewriteRule ^go /secret/file.txt\n",
    "RewriteRule ^app /app/?text=SECRET\n</Directory>\n",
    "RewriteEngine on\nRewriteRule ^/direct /secret/file.txt [PT]\n",
    "RewriteRule ^/forward /alias/x?text=SECRET [PT]\n",
    "<Location /err>\nErrorDocument 404 /secret/file.txt\n</Location>\n",
    "Action act /app virtual\n",
    "<Location /acted>\nSetHandler act\n</Location>\n");
ok($httpd->start, 'httpd');

# --- URLs: 403, or the page
my $ask = '?text=SECRET';
my @led = (
    map({ "$_/file.txt" } '/secret', '//secret', '/secret/', '/./secret',
        '/secret/.', '/open/../secret', '/%73ecret', '/secret/%2e',
        '/open/%2e%2e/secret', '/secret/sub/..', '/secret/sub//..', '/other',
        '//other', '/%6fther', '/open/../other', '/none/../secret'),
    '/secret/file%2etxt', '/secret/', '/secret//', '/secret/page',
    '/secret/page.html', '/other/page', '/open/hidden.txt',
    '/open/./hidden.txt', '/open//hidden.txt', '/open/hidden%2etxt',
    map({ "$_$ask" } '/app/', '/app', '/app//x', '//app/', '/app/../app/',
        '/%61pp/', '/app/%0a', '/app/a%20b', '/./app/', '/app/.', '/alias',
        '/alias/x', '//alias/', '/alias/./x', '/open/../alias/', '/%61lias'),
    '/start/', '/direct', '/rules/go', '/rules/app', '/forward', '/fall/none',
    "/acted/x$ask", '/pub/?location=/secret/file.txt',
    '/pub/?location=/app/%3ftext%3dSECRET',
);
# Other URLs, at which the page never is.
my @others = map { ref $_ ? $_ : [$_, '400|403|404', '400|404|405'] } (
    ['/secret', 403, 301], ['/other', 403, 301],
    '/secret%2ffile.txt', '/SECRET/file.txt', '/secret/file.txt/',
    '/secret/file.txt/x', '/secret/file.txt%00', '/secret;x/file.txt',
    '/secret/file.txt;x', '/secret\\file.txt', '/secret%5cfile.txt',
    '/secret/file.txt%20', '/secret%00/file.txt', '/%c1%b3ecret/file.txt',
    '/open/hidden.txt/', '/open/HIDDEN.txt', "/app%2f$ask", "/app;x/$ask",
    "/APP/$ask", "/alias%2f$ask", "/aliasx$ask",
);

# --- methods and headers: status when it denies, and when it grants
my @asked = (
    ['/secret/file.txt', 403, 200, method => 'HEAD'],
    ['/secret/file.txt', 403, 200, method => 'POST', body => 'x' x 1000],
    ["/app/$ask", 403, 200, method => 'HEAD'],
    (map { ["/app/$ask", 403, 200, method => $_] }
     qw(POST PUT DELETE OPTIONS PROPFIND FROB get)),
    (map { ['/secret/file.txt', 403, '405|501', method => $_] }
     qw(PUT DELETE FROB)),
    ['/err/none', 404, 404], ['/open/page.shtml', 200, 200],
    ['/secret/file.txt', 403, 206, header => ['Range: bytes=0-5']],
    ['/secret/file.txt', 403, 304, header => ['If-None-Match: *']],
    ['/secret/file.txt', 403, 412, header => ['If-Match: "x"']],
    ['/secret/file.txt', 403, 200, header => [
        'X-Original-URL: /static.txt', 'X-Rewrite-URL: /static.txt',
        'X-HTTP-Method-Override: TRACE', 'Variable-REMOTE_USER: root',
        'X-Forwarded-For: 127.0.0.1', 'Status: 200']],
);

# --- asking

# What is wrong with a row, if anything.
sub wrong {
    my ($url, $denied, $granted, $page, @arg) = @_;
    my %arg = @arg;
    my ($no, $yes) = map {
        $httpd->get($url, %arg, header => ["X-Auth: $_",
                                           @{ $arg{header} || [] }])
    } 'status=403', 'grant';
    my $good = $no->{status} =~ /^(?:$denied)\z/ && $no->{body} !~ /SECRET/
        && $yes->{status} =~ /^(?:$granted)\z/
        && (!defined $page || $page == $yes->{body} =~ /SECRET/);
    return $good ? () : "$url @arg: $no->{status}, $yes->{status}\n";
}

is_deeply([map { wrong($_, 403, 200, 1) } @led], [], @led . ' ways to a page');
is_deeply([map { wrong(@$_[0 .. 2], 0) } @others], [], @others . ' other URLs');
is_deeply([map { my ($url, $no, $yes, @arg) = @$_;
                 wrong($url, $no, $yes, undef, @arg) } @asked],
          [], @asked . ' methods, headers and pages of pages');

# One at a time: curl's prior knowledge does not go together with its reuse of
# connections.
sub by_http2 {
    my ($how, $url) = @_;
    my $out = $httpd->dir . '/curl.out';
    unlink $out;
    start(cmd => [have('curl'), '-sSg', '-m', 30, '--path-as-is',
                  '--http2-prior-knowledge', '-H', "X-Auth: $how", '-w',
                  ' %{http_version} %{http_code}',
                  'http://127.0.0.1:' . $httpd->port . $url],
          out => $out, err => $out)->wait(40);
    return slurp($out) =~ s/\n//gr;
}

SKIP: {
    my @some = grep { m{^/(?:/sec|open/%|app\?|alias/\.|rules/g|pub)} } @led;
    skip 'no curl', 2 * @some unless have('curl');
    for my $url (@some) {
        is(by_http2('status=403', $url), 'no: AUTHORIZER 2 403',
           "HTTP/2: $url denied");
        is(by_http2('grant', $url), 'SECRET 2 200', 'and granted');
    }
}
ends_well($httpd);
done_testing;
