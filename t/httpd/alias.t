#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Applications at a URL beside what httpd maps itself: the longest of Alias and
# FcgiPMAlias, exemptions, what stands above both; SCRIPT_NAME in a <Location>
# of any depth; pools of virtual hosts, and by mod_macro.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my @modules = qw(dir env rewrite proxy proxy_fcgi userdir vhost_alias
                 cgi macro status);
my ($httpd, $ROOT);

# Who answers: the pool's tag and the variables, or the file's text.
sub answer {
    my ($path, @arg) = @_;
    my $r = $httpd->get("$path?pid&env", @arg);
    my %env = map { /^(\w+)=(.*)$/ ? ($1 => $2) : () } split /\n/, $r->{body};
    ($env{TAG}) = $r->{body} =~ /^pid=\d+ tag=(\w+)/;
    return { status => $r->{status}, body => $r->{body}, env => \%env };
}

sub is_file {
    my ($path, $text, @arg) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $r = answer($path, @arg);
    is("$r->{status} $r->{body}", "200 $text\n", "$path is a file");
    return;
}

sub is_app {
    my ($path, $tag, $script_name, $path_info, @arg) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $env = answer($path, @arg)->{env};
    is_deeply([@$env{qw(TAG SCRIPT_NAME PATH_INFO)}],
              [$tag, $script_name, $path_info],
              "$path is pool $tag at \"$script_name\"");
    return $env;
}

sub app {
    my ($tag) = @_;
    return pool($tag, [bin('worker'), '--tag', $tag]);
}

sub files {
    for my $dir (qw(srv srv/static srv/app srv/cgi htdocs/open htdocs/pages
                    htdocs/pages/deep home home/nobody)) {
        mkdir $httpd->dir . "/$dir";
        chmod 0755, $httpd->dir . "/$dir";
    }
    my $dir = $httpd->dir;
    write_file("$dir/srv/static/a.css", "alias\n", 0644);
    write_file("$dir/srv/app/a.txt", "app alias\n", 0644);
    write_file("$dir/srv/cgi/x", "script\n", 0755);
    write_file("$dir/htdocs/open/a.txt", "exempt\n", 0644);
    write_file("$dir/htdocs/page.txt", "page\n", 0644);
    write_file("$dir/htdocs/pages/own.txt", "own\n", 0644);
    write_file("$dir/home/nobody/a.txt", "user\n", 0644);
    return $dir;
}

# --- the longest prefix

sub mapping {
    my ($dir) = @_;
    return join '', map({ app($_) } qw(root app deep)), <<"END";
FcgiPMAlias / root
Alias /static $dir/srv/static
Alias /app/static/ $dir/srv/static/
FcgiPMAlias /app app
Alias /app $dir/srv/app
FcgiPMAlias /app/static/deep deep
ScriptAlias /cgi-bin/ $dir/srv/cgi/
FcgiPMAlias /cgi-bin/app deep
AliasMatch ^/match/(.*)\$ $dir/srv/static/\$1
FcgiPMAlias /match/a deep
FcgiPMAlias /open !
FcgiPMAlias /open/app app
FcgiPMAlias /cgi-bin/app/cgi !
UserDir $dir/home
<Location /server-status>
SetHandler server-status
</Location>
Redirect /old http://elsewhere.example/new
ProxyPass /gone !
ProxyPass /away fcgi://127.0.0.1:1/
RewriteEngine on
RewriteRule ^/short/(.*)\$ /app/long/\$1 [PT]
RewriteRule ^/file\$ $ROOT/page.txt [L]
END
}

sub longest {
    is_app('/', 'root', '', '/');
    is_app('/any/thing', 'root', '', '/any/thing');
    is_file('/static/a.css', 'alias');
    is_app('/statics', 'root', '', '/statics');
    is_app('/app/x', 'app', '/app', '/x');
    is_app('/app/a.txt', 'app', '/app', '/a.txt');
    is_file('/app/static/a.css', 'alias');
    my $env = is_app('/app/static/deep/x', 'deep', '/app/static/deep', '/x');
    is($env->{SCRIPT_FILENAME}, "$ROOT/app/static/deep", 'it is no file');
    is_deeply([@$env{qw(CONTEXT_PREFIX CONTEXT_DOCUMENT_ROOT)}], ['', $ROOT],
              'nothing of the alias is left');
    is(answer('/cgi-bin/none')->{status}, 404, 'a ScriptAlias');
    is_app('/cgi-bin/app/x', 'deep', '/cgi-bin/app', '/x');
    is(answer('/cgi-bin/app/cgi/x')->{status}, 404,
       'an exemption leaves it to ScriptAlias');
    is_file('/match/a.css', 'alias');
    is_file('/open/a.txt', 'exempt');
    is(answer('/open/none')->{status}, 404, 'an exempt URL without a file');
    is_app('/open/app/x', 'app', '/open/app', '/x');
    is_app('/opened', 'root', '', '/opened');
    is_file('/~nobody/a.txt', 'user');
    return;
}

sub above {
    like(answer('/server-status')->{body}, qr/Apache Server Status/,
         'SetHandler in a Location is above an alias');
    is(answer('/old/x')->{status}, 302, 'so is a Redirect');
    is(answer('/away/x')->{status}, 503, 'and a ProxyPass');
    is_app('/gone/x', 'root', '', '/gone/x');
    is_app('/short/x', 'app', '/app', '/long/x');
    is_file('/file', 'page');
    return;
}

# VirtualDocumentRoot maps all that is left.
sub virtual_root {
    $httpd->write_config("VirtualDocumentRoot $ROOT\n" . app('app')
                         . "FcgiPMAlias /app app\n");
    ok($httpd->graceful, 'VirtualDocumentRoot');
    is_app('/app/x', 'app', '/app', '/x');
    is_file('/page.txt', 'page');
    return;
}

# --- FcgiPMScriptName

sub named {
    write_file("$ROOT/pages/.htaccess", "FcgiPMScriptName /pages/deep\n"
               . "SetHandler fcgipm:app\n", 0644);
    $httpd->write_config(app('app') . <<"END");
<Location /one/two/three>
SetHandler fcgipm:app
FcgiPMScriptName /one/two/three
</Location>
<Location /one/two/three/plain>
FcgiPMScriptName none
</Location>
<Location /no/path/info>
SetHandler fcgipm:app
FcgiPMScriptName /no/path/info
AcceptPathInfo Off
</Location>
<Location /elsewhere>
SetHandler fcgipm:app
FcgiPMScriptName /other
</Location>
<LocationMatch ^/match>
SetHandler fcgipm:app
FcgiPMScriptName /
</LocationMatch>
<Location /open/app>
SetHandler fcgipm:app
FcgiPMScriptName /open/app/
</Location>
<Directory $ROOT/pages>
AllowOverride FileInfo
</Directory>
END
    ok($httpd->graceful, 'FcgiPMScriptName');
    my $env = is_app('/one/two/three/a/b%20c', 'app', '/one/two/three',
                     '/a/b c');
    is_deeply([@$env{qw(SCRIPT_FILENAME PATH_TRANSLATED)}],
              ["$ROOT/one/two/three", "$ROOT/a/b c"], 'where it would be');
    is_app('/one/two/three', 'app', '/one/two/three', undef);
    is_app('/one/two/three/', 'app', '/one/two/three', '/');
    is_app('/one/two/three/plain/x', 'app', '/one',
           '/two/three/plain/x');
    is_app('/no/path/info', 'app', '/no/path/info', undef);
    is(answer('/no/path/info/x')->{status}, 404, 'AcceptPathInfo Off');
    is_app('/elsewhere/x', 'app', '/elsewhere', '/x');
    is_app('/match/x', 'app', '', '/match/x');
    is_app('/open/app/x', 'app', '/open/app', '/x');
    is_app('/pages/deep/x', 'app', '/pages/deep', '/x');
    $env = is_app('/pages/own.txt', 'app', '/pages/own.txt', undef);
    is($env->{SCRIPT_FILENAME}, "$ROOT/pages/own.txt", 'a file stays a file');
    return;
}

# --- as hosters write

sub hosts {
    $httpd->write_config(app('app') . join '', map { <<"END" } qw(ann bob));
<VirtualHost *>
ServerName $_.example
DocumentRoot $ROOT
@{[ app($_) ]}FcgiPMAlias /$_ $_
FcgiPMAlias /shared app
<Location /loc>
SetHandler fcgipm:$_
</Location>
</VirtualHost>
END
    ok($httpd->graceful, 'pools in virtual hosts');
    for my $name (qw(ann bob)) {
        my @host = (host => "$name.example");
        is_app("/$name/x", $name, "/$name", '/x', @host);
        is_app('/shared/x', 'app', '/shared', '/x', @host);
        is_app('/loc/x', $name, '/loc', '/x', @host);
    }
    is(answer('/bob/x', host => 'ann.example')->{status}, 404,
       'an alias is of its own host');
    is_deeply([sort map { $_->{name} } @{ $httpd->status->{pools} }],
              [qw(ann app bob)], 'the manager has all pools');
    return;
}

sub macro {
    my $file = $httpd->dir . '/site.conf';
    write_file($file, "<Macro Site \$name>\n# a comment\n<VirtualHost *>\n"
               . "ServerName \$name.example\n" . app('$name')
               . "FcgiPMAlias / \$name\n</VirtualHost>\n</Macro>\n"
               . "<Macro Both \$x \$y>\nUse Site \$x\nUse Site \$y\n</Macro>\n"
               . "\nUse Both ann bob\nUse Site eve\n", 0644);
    $httpd->write_config("Include $file\n");
    ok($httpd->graceful, 'pools by a macro');
    is_app('/x', 'eve', '', '/x', host => 'eve.example');
    is_app('/x', 'bob', '', '/x', host => 'bob.example');
    my $line = () = slurp($file) =~ /\n/g;
    my ($status, $out) = ctl($httpd->control_socket, 'config', 'eve');
    like($out, qr/\Q$file:$line\E/, 'where a setting stands: file and line');
    unlike($out, qr/macro/, 'nothing else');
    return $file;
}

# What is wrong is told by httpd -t.
sub told {
    my ($file) = @_;
    for my $host (qw(a b)) {
        write_file($httpd->dir . "/$host.conf", "<VirtualHost *>\nServerName "
                   . "$host\n" . app('same') . "</VirtualHost>\n", 0644);
    }
    for (['a pool of two virtual hosts', "Include [ab].conf\n",
          qr{pool same is defined twice, at \S+/a.conf:3 and at \S+/b.conf:3}],
         ['a pool of the server, too', app('same') . "Include b.conf\n",
          qr{same is defined twice, at \S+/httpd.conf:\d+ and at \S+b.conf:3}],
         ['a pool of a macro used twice', "Include $file\n\nUse Site eve\n",
          qr{eve is defined twice, at \Q$file\E:\d+ and at \S+httpd.conf:\d+}],
         ['scripts of two virtual hosts', join('', map { "<VirtualHost *>\n"
              . "ServerName $_\n<FcgiPMScripts /srv>\n</FcgiPMScripts>\n"
              . "</VirtualHost>\n" } qw(a b)),
          qr{<FcgiPMScripts /srv> \(\S+:\d+\): it stands at \S+:\d+ already}],
         ['a pool in a directory', "<Directory />\n" . app('x')
          . "</Directory>\n", qr/FcgiPMPool/],
         ['settings of the server in a virtual host',
          "<VirtualHost *>\nFcgiPMNice 3\n</VirtualHost>\n", qr/FcgiPMNice/],
         ['a script name without a slash', "FcgiPMScriptName x\n",
          qr/FcgiPMScriptName: "x"/]) {
        my ($what, $config, $said) = @$_;
        $httpd->write_config($config);
        my ($status, $out) = $httpd->run('-t');
        isnt($status, 0, "$what: httpd -t fails");
        like($out, $said, 'and says where');
    }
    return;
}

$httpd = FCGIPM::Httpd->new(modules => \@modules);
$ROOT = $httpd->dir . '/htdocs';
my $dir = files();
$httpd->write_config(mapping($dir));
ok($httpd->start, 'httpd') or BAIL_OUT('no httpd');
longest();
above();
virtual_root();
named();
hosts();
my $file = macro();
told($file);
ends_well($httpd);

done_testing;
