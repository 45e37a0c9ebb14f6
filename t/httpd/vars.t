#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What a worker is told of a request: for a file, a Location, an alias, behind
# mod_dir, mod_rewrite, mod_actions and an ErrorDocument; and what it is not
# told.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my @VAR = qw(SCRIPT_NAME SCRIPT_FILENAME PATH_INFO PATH_TRANSLATED);
my $ROOT;    # of the documents

# --- the configuration

my @modules = qw(dir rewrite mime actions env authn_core);

my @dirs = qw(idx fallback rules app.d err);

sub config {
    return join '',
        pool('app', 'worker', 'FcgiPMProcesses 2'),
        (have('php-cgi') ? pool('php', [have('php-cgi')]) : ()),
        "TypesConfig /dev/null\nAddHandler cgi-script .cgi .env\n",
        "<FilesMatch \\.env\$>\nSetHandler fcgipm:app\n</FilesMatch>\n",
        "<FilesMatch \\.php\$>\nSetHandler fcgipm:php\n</FilesMatch>\n",
        location('loc', 'app'),
        "FcgiPMAlias /app.cgi app\nFcgiPMAlias /alias/deep/ app\n",
        "FcgiPMAlias /alias app\nFcgiPMAlias /.env app\n",
        "<Location /alias/other>\nSetHandler default-handler\n",
        "</Location>\n",
        "<Location /pass>\nCGIPassAuth On\nSetHandler fcgipm:app\n",
        "</Location>\n",
        "<Location /set>\nSetEnv HTTP_PROXY evil\nSetEnv OWN mine\n",
        "SetHandler fcgipm:app\n</Location>\n",
        "<Location /nopathinfo>\nAcceptPathInfo Off\nSetHandler fcgipm:app\n",
        "</Location>\n",
        "DirectoryIndex index.env index.php\n",
        # mod_dir wants a name that has no handler of its own
        "<Directory $ROOT/fallback>\nDirectoryIndex index.html\n",
        "FallbackResource /fallback/front.env\n</Directory>\n",
        "<Directory $ROOT/fallback/php>\nFallbackResource /idx/p.php\n",
        "</Directory>\n",
        "<Directory $ROOT/rules>\nRewriteEngine on\n",
        "RewriteCond %{REQUEST_FILENAME} !-f\n",
        "RewriteRule ^q/(.*)\$ front.env?q=\$1 [L,QSA]\n",
        "RewriteCond %{REQUEST_FILENAME} !-f\n",
        "RewriteRule ^p/(.*)\$ front.env/\$1 [L,E=RULE:one]\n",
        "RewriteCond %{REQUEST_FILENAME} !-f\n",
        "RewriteRule ^php/(.*)\$ /idx/p.php/\$1 [L]\n",
        "</Directory>\n",
        "RewriteEngine on\n",
        "RewriteRule ^/server/(.*)\$ /rules/front.env/\$1 [PT]\n",
        "RewriteRule ^/direct/ - [H=fcgipm:app]\n",
        "Action acted /loc virtual\n",
        "<Location /err/acted>\nSetHandler acted\n</Location>\n",
        "<Location /err>\nErrorDocument 404 /err.env/info?env\n</Location>\n";
}

my $PHP = <<'END';
<?php
header('Content-Type: text/plain');
foreach ($_SERVER as $k => $v) {
    if (is_string($v)) echo "$k=$v\n";
}
echo 'FILE=', __FILE__, "\n", 'BODY=', file_get_contents('php://input'), "\n";
END

sub files {
    mkdir "$ROOT/$_" for @dirs, 'fallback/php';
    chmod 0755, map { "$ROOT/$_" } @dirs, 'fallback/php';
    write_file("$ROOT/$_", "x\n", 0644) for 'script.env', 'idx/index.env',
        'fallback/front.env', 'rules/front.env', 'err.env', 'a b.env';
    write_file("$ROOT/$_", $PHP, 0644) for 'idx/p.php', 'p.php',
        'app.d/index.php';
    return;
}

# --- asking

my $httpd;

sub vars {
    my ($path, @arg) = @_;
    my $r = $httpd->get($path, @arg);
    return { map { /^(\w+)=(.*)$/ ? ($1 => $2) : () } split /\n/,
             $r->{body} };
}

# The request's variables are the ones given, undef: not there.
sub has {
    my ($what, $got, %expected) = @_;
    subtest $what => sub {
        for my $name (sort keys %expected) {
            my $value = $expected{$name};
            $value =~ s/^ROOT/$ROOT/ if defined $value;
            is($got->{$name}, $value, $name);
        }
    };
    return;
}

# The four, in the order of @VAR.
sub four {
    my (@value) = @_;
    return map { ($VAR[$_] => $value[$_]) } 0 .. 3;
}

# --- where the script is

sub files_and_places {
    has('a file', vars('/script.env?env'),
        four('/script.env', 'ROOT/script.env'), QUERY_STRING => 'env',
        REQUEST_URI => '/script.env?env', DOCUMENT_ROOT => 'ROOT',
        REDIRECT_URL => undef, REDIRECT_STATUS => undef);
    has('a file, with more behind it', vars('/script.env/a/b%20c?env'),
        four('/script.env', 'ROOT/script.env', '/a/b c', 'ROOT/a/b c'),
        REQUEST_URI => '/script.env/a/b%20c?env');
    has('a file with a blank', vars('/a%20b.env?env'),
        four('/a b.env', 'ROOT/a b.env'));
    has('a Location', vars('/loc/a/b?env'),
        four('/loc', 'ROOT/loc', '/a/b', 'ROOT/a/b'));
    has('a Location, nothing more', vars('/loc?env'),
        four('/loc', 'ROOT/loc'));
    has('a handler by mod_rewrite', vars('/direct/a/b?env'),
        four('/direct', 'ROOT/direct', '/a/b', 'ROOT/a/b'));
    has('an alias', vars('/alias/a/b?env'),
        four('/alias', 'ROOT/alias', '/a/b', 'ROOT/a/b'));
    has('an alias alone', vars('/alias?env'), four('/alias', 'ROOT/alias'));
    has('an alias and a slash', vars('/alias/?env'),
        four('/alias', 'ROOT/alias', '/', 'ROOT/'));
    has('a longer alias', vars('/alias/deep/x?env'),
        four('/alias/deep', 'ROOT/alias/deep', '/x', 'ROOT/x'));
    has('an alias that looks like a CGI script', vars('/app.cgi/x?env'),
        four('/app.cgi', 'ROOT/app.cgi', '/x', 'ROOT/x'));
    has('likewise, of a directory', vars('/alias/x/y.cgi?env'),
        four('/alias', 'ROOT/alias', '/x/y.cgi', 'ROOT/x/y.cgi'));
    has('one that is all extension', vars('/.env?env'),
        four('/.env', 'ROOT/.env'));
    is($httpd->get('/alias/other')->{status}, 404,
       'SetHandler in a Location is above an alias');
    is($httpd->get('/nopathinfo/x')->{status}, 404, 'AcceptPathInfo Off');
    is($httpd->get('/nopathinfo?text=x')->{status}, 200, 'without it');
    return;
}

# --- who came before

sub front_controllers {
    has('DirectoryIndex', vars('/idx/?env'),
        four('/idx/index.env', 'ROOT/idx/index.env'),
        REQUEST_URI => '/idx/?env', QUERY_STRING => 'env');
    for my $path ('/', '/a', '/a/b.html') {
        has("FallbackResource for $path", vars("/fallback$path?env"),
            four('/fallback/front.env', 'ROOT/fallback/front.env'),
            REQUEST_URI => "/fallback$path?env", QUERY_STRING => 'env');
    }
    has('RewriteRule to a query', vars('/rules/q/x?env'),
        four('/rules/front.env', 'ROOT/rules/front.env'),
        QUERY_STRING => 'q=x&env', REQUEST_URI => '/rules/q/x?env',
        REDIRECT_URL => '/rules/q/x', REDIRECT_STATUS => 200);
    has('RewriteRule to more behind the script', vars('/rules/p/x/y?env'),
        four('/rules/front.env', 'ROOT/rules/front.env', '/x/y', 'ROOT/x/y'),
        REQUEST_URI => '/rules/p/x/y?env', REDIRECT_URL => '/rules/p/x/y',
        REDIRECT_RULE => 'one');
    has('RewriteRule of the server', vars('/server/x/y?env'),
        four('/rules/front.env', 'ROOT/rules/front.env', '/x/y', 'ROOT/x/y'),
        REQUEST_URI => '/server/x/y?env', REDIRECT_URL => undef);
    has('Action', vars('/err/acted/file?env'),
        four('/loc', 'ROOT/loc', '/err/acted/file', 'ROOT/err/acted/file'),
        REDIRECT_URL => '/err/acted/file', REDIRECT_HANDLER => 'acted');
    my $r = $httpd->get('/err/nothing?x=y');
    is($r->{status}, 404, 'ErrorDocument');
    has('ErrorDocument of a POST', vars('/err/nothing?x=y', body => 'abc'),
        four('/err.env', 'ROOT/err.env', '/info', 'ROOT/info'),
        QUERY_STRING => 'env', REQUEST_METHOD => 'GET',
        REQUEST_URI => '/err/nothing?x=y', REDIRECT_URL => '/err/nothing',
        REDIRECT_QUERY_STRING => 'x=y', REDIRECT_STATUS => 404,
        REDIRECT_REQUEST_METHOD => 'POST');
    return;
}

# --- what is in a request

sub contents {
    my $env = vars('/loc?env', header => [
        'Proxy: evil', 'X-Own-Header: a', 'X-Own-Header: b',
        'Authorization: Basic eDp5', 'Proxy-Authorization: Basic eDp5',
        'Cookie: c=d']);
    has('headers', $env, HTTP_PROXY => undef, HTTP_X_OWN_HEADER => 'a, b',
        HTTP_COOKIE => 'c=d', HTTP_AUTHORIZATION => undef,
        HTTP_PROXY_AUTHORIZATION => undef, CONTENT_LENGTH => undef,
        GATEWAY_INTERFACE => 'CGI/1.1', REQUEST_METHOD => 'GET');
    has('CGIPassAuth', vars('/pass?env',
                            header => ['Authorization: Basic eDp5']),
        HTTP_AUTHORIZATION => 'Basic eDp5');
    has('SetEnv', vars('/set?env', header => ['Proxy: evil']),
        OWN => 'mine', HTTP_PROXY => undef);
    has('a body', vars('/loc?env', body => 'abc',
                       header => ['Content-Type: text/x-own']),
        CONTENT_LENGTH => 3, CONTENT_TYPE => 'text/x-own',
        REQUEST_METHOD => 'POST', HTTP_CONTENT_LENGTH => undef);
    has('an empty body', vars('/loc?env', body => ''), CONTENT_LENGTH => 0);
    has('a chunked body', vars('/loc?env', body => 'abc' x 1000,
                               chunked => 700),
        CONTENT_LENGTH => 3000, HTTP_TRANSFER_ENCODING => undef);
    has('an empty chunked one', vars('/loc?env', body => '', chunked => 700),
        CONTENT_LENGTH => 0);
    has('the connection', vars('/loc?env'), REMOTE_ADDR => '127.0.0.1',
        SERVER_PORT => $httpd->port, SERVER_NAME => 'localhost',
        SERVER_ADDR => '127.0.0.1', SERVER_PROTOCOL => 'HTTP/1.1',
        REQUEST_SCHEME => 'http');
    my $long = 'v' x 7000;
    has('long headers', vars('/loc?env',
                             header => [map { "X-Long-$_: $long" } 1 .. 20]),
        map { ("HTTP_X_LONG_$_" => $long) } 1 .. 20);
    return;
}

# --- php-cgi, which has its own mind

sub php {
    has('a script', vars('/p.php?q=1'),
        four('/p.php', 'ROOT/p.php'), FILE => 'ROOT/p.php',
        PHP_SELF => '/p.php');
    has('PATH_INFO', vars('/p.php/a/b'),
        four('/p.php', 'ROOT/p.php', '/a/b', 'ROOT/a/b'),
        FILE => 'ROOT/p.php', PHP_SELF => '/p.php/a/b');
    has('DirectoryIndex', vars('/app.d/'),
        four('/app.d/index.php', 'ROOT/app.d/index.php'),
        FILE => 'ROOT/app.d/index.php', REQUEST_URI => '/app.d/');
    has('FallbackResource', vars('/fallback/php/x/y?z=1'),
        four('/idx/p.php', 'ROOT/idx/p.php'), FILE => 'ROOT/idx/p.php',
        REQUEST_URI => '/fallback/php/x/y?z=1', QUERY_STRING => 'z=1');
    has('RewriteRule', vars('/rules/php/x/y'),
        four('/idx/p.php', 'ROOT/idx/p.php', '/x/y', 'ROOT/x/y'),
        FILE => 'ROOT/idx/p.php', PHP_SELF => '/idx/p.php/x/y',
        REDIRECT_URL => '/rules/php/x/y', REQUEST_URI => '/rules/php/x/y');
    has('RewriteRule that names a file', vars('/rules/php/p.php'),
        FILE => 'ROOT/idx/p.php', PATH_INFO => '/p.php');
    has('a body', vars('/p.php', body => 'a=b'), BODY => 'a=b');
    has('a chunked body', vars('/p.php', body => 'a=b', chunked => 1),
        BODY => 'a=b', CONTENT_LENGTH => 3);
    is($httpd->get('/none.php')->{status}, 404, 'no such script');
    return;
}

sub one_mpm {
    my ($mpm) = @_;
    $httpd = FCGIPM::Httpd->new(mpm => $mpm, modules => \@modules);
    $ROOT = $httpd->dir . '/htdocs';
    files();
    $httpd->write_config(config());
    ok($httpd->start, "MPM $mpm") or return;
    my $n = have('php-cgi') ? 3 : 2;
    is(scalar $httpd->workers($n), $n, 'workers');
    files_and_places();
    front_controllers();
    contents();
  SKIP: {
        skip 'no php-cgi', 1 unless have('php-cgi');
        php();
    }
    is(count_lines($httpd->error_log, 'exit signal|AH00052'), 0,
       'no child of httpd has crashed');
    is($httpd->stop, 0, 'httpd stops well');
    return;
}

one_mpm($_) for qw(event prefork);
is_deeply([map { cmdline($_) } descendants()], [], 'nothing is left');

done_testing;
