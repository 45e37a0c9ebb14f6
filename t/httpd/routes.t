#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# docs/admin/variables.md: the variables of a request, for each way to a worker
# of each kind, and the same by mod_cgi, or php-fpm behind mod_proxy_fcgi.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::HTTP;
use FCGIPM::Scenario;
use FCGIPM::Test;
use File::Copy qw(copy);
use JSON::PP qw(decode_json encode_json);
use Test::More;

my @modules = qw(dir rewrite mime actions env negotiation authn_core proxy
                 proxy_fcgi cgi);
my %kind = ('php-cgi' => 'php', Perl => 'pl', Python => 'py', Ruby => 'rb');
my ($fpm_program) = glob '/usr/sbin/php-fpm*';

# What a difference is about, by its letter.
my %meant = (
    a => [qw(CONTEXT_DOCUMENT_ROOT CONTEXT_PREFIX SCRIPT_FILENAME)]);
my %other = map { $_ => 1 } qw(
    FCGI_ROLE HOME HTTP_HOST LANG LC_CTYPE PATH REMOTE_PORT REQUEST_TIME
    REQUEST_TIME_FLOAT SCRIPT_URI SERVER_PORT USER proxy-nokeepalive);

# --- the page

sub table {
    my ($text, $head) = @_;
    my ($rows) = $text =~ /^\Q$head\E[^\n]*\n\|[-|]+\n((?:\|[^\n]*\n)+)/m
        or return;
    return map {
        [map { s/^\s+|\s+$//g; $_ } (split /\|/, $_, -1)[1 .. tr/|// - 1]]
    } split /\n/, $rows;
}

my $page = slurp(FCGIPM::Test::root() . '/docs/admin/variables.md');
my @way = table($page, '| way | URL |');
my %compared = map { $_->[0] => $_ } table($page, '| way | php-cgi |');
cmp_ok(scalar @way, '>=', 12, 'ways');
is_deeply([sort map { $_->[0] } @way], [sort keys %compared],
          'both tables have the same');

# --- what is served

my $httpd = FCGIPM::Httpd->new(mpm => 'prefork', modules => \@modules);
my $dir = $httpd->dir;
my $root = "$dir/htdocs";
my $port = $httpd->port;
my $peer = free_port();

sub directory {
    my ($path, @line) = @_;
    mkdir $path or die "$path: $!";
    chmod 0755, $path;
    write_file("$path/.htaccess", join('', map { "$_\n" } @line), 0644);
    return;
}

sub install_program {
    my ($x, $path) = @_;
    copy(bin("vars.$x"), $path) or die "$path: $!";
    chmod 0755, $path;
    return;
}

sub files {
    my ($x) = @_;
    my @rewrite = ('RewriteEngine on', 'RewriteCond %{REQUEST_FILENAME} !-f');
    my $top = "$root/$x";
    directory($top, "DirectoryIndex app.$x");
    directory("$top/fall", "FallbackResource /$x/app.$x");
    directory("$top/file", @rewrite, "RewriteRule ^ app.$x [L]");
    directory("$top/path", @rewrite, "RewriteRule ^(.*)\$ app.$x/\$1 [L]");
    directory("$top/query", @rewrite,
              "RewriteRule ^(.*)\$ app.$x?r=\$1 [L,QSA]");
    directory("$top/error", "ErrorDocument 404 /$x/app.$x");
    directory("$top/acted", "SetHandler run-$x");
    write_file("$top/acted/file", "not to be seen\n", 0644);
    directory("$top/multi", 'Options +MultiViews');
    directory("$dir/other/$x");
    install_program($x, $_) for "$dir/other/$x/app.$x", "$top/multi/page.$x",
        map { "$top/${_}app.$x" } '', 'file/', 'path/', 'query/';
    return;
}

my @x = sort values %kind;
my $fpm_socket = "$dir/run/fpm.sock";

sub common {
    return join '', "TypesConfig /dev/null\n",
        map({ "AddType application/x-app .$_\n" } @x), <<"END",
<Directory $root>
AllowOverride All
Options ExecCGI FollowSymLinks MultiViews
</Directory>
<Directory $dir/other>
Options ExecCGI
</Directory>
END
        map({ "Action run-$_ /$_/app.$_\nAlias /$_-alias $dir/other/$_\n" } @x);
}

sub rules {
    return join '', "RewriteEngine on\n",
        map { "RewriteRule ^/$_-server/(.*)\$ /$_/app.$_/\$1 [PT]\n" } @x;
}

sub ours {
    my ($x) = @_;
    return <<"END";
<FilesMatch \\.$x\$>
SetHandler fcgipm:$x
</FilesMatch>
FcgiPMAlias /$x-url $x
<Location /deep/$x>
SetHandler fcgipm:$x
FcgiPMScriptName /deep/$x
</Location>
END
}

sub peers {
    my ($x) = @_;
    return "<FilesMatch \\.php\$>\n"
        . "SetHandler \"proxy:unix:$fpm_socket|fcgi://localhost\"\n"
        . "</FilesMatch>\n" if $x eq 'php';
    return "<FilesMatch \\.$x\$>\nSetHandler cgi-script\n</FilesMatch>\n"
        . "ScriptAlias /$x-url $root/$x/app.$x\n"
        . "ScriptAlias /deep/$x $root/$x/app.$x\n";
}

sub host {
    my ($at, @line) = @_;
    return join '', "<VirtualHost *:$at>\nServerName localhost\n", rules(),
        @line, "</VirtualHost>\n";
}

# cgi.fix_pathinfo the other way, a script with a wrapper, and a target of
# Action that is php-cgi.
sub more_php {
    return pool('fixed', [have('php-cgi'), '-n', '-d', 'cgi.fix_pathinfo=0'])
        . <<"END";
<FcgiPMScripts $root/php>
FcgiPMWrapper "@{[ have('php-cgi') ]} -n" .php
</FcgiPMScripts>
<Location /php/path/>
<If "%{QUERY_STRING} == 'fixed'">
SetHandler fcgipm:fixed
</If>
<If "%{QUERY_STRING} == 'script'">
SetHandler fcgipm-script
</If>
</Location>
Action run-file /php-cgi virtual
<Location /php-cgi>
SetHandler fcgipm:php
</Location>
<Location /php/multi/page.php>
<If "%{QUERY_STRING} == 'action'">
SetHandler run-file
</If>
</Location>
END
}

sub start_fpm {
    my $user = worker_user() || (getpwuid $>)[0];
    write_file("$dir/fpm.conf", <<"END");
[global]
error_log = $dir/fpm.log
daemonize = no
[www]
user = $user
listen = $fpm_socket
listen.owner = $user
pm = static
pm.max_children = 1
END
    my $fpm = FCGIPM::Test::start(
        cmd => [$fpm_program, '-n', '-y', "$dir/fpm.conf"],
        err => "$dir/fpm.err");
    wait_for { -S $fpm_socket } 20, 'the socket of php-fpm';
    return $fpm;
}

# --- asking and comparing

sub vars {
    my ($at, $path) = @_;
    my $r = http($at, $path);
    my $vars = eval { decode_json($r->{body}) };
    return $vars || { ERROR => "$r->{status} $r->{body}" };
}

# As the page writes them.
sub on_page {
    my ($value, $x) = @_;
    return '' unless defined $value;
    $value =~ s/^\Q$root\E/ROOT/;
    $value =~ s{^\Q$dir\E/other/}{/other/};
    return "`$value`";
}

sub different {
    my ($us, $them) = @_;
    return [grep {
        my ($a, $b) = map { ref $_ ? encode_json($_) : $_ } $us->{$_},
            $them->{$_};
        !$other{s/^REDIRECT_//r} && (!defined $a || !defined $b || $a ne $b);
    } sort keys %{ { %$us, %$them } }];
}

sub one_way {
    my ($row, $name) = @_;
    my $x = $kind{$name};
    my ($way, $url, @expected) = map { s/\bX\b/$x/gr } @$row;
    my @var = qw(SCRIPT_NAME SCRIPT_FILENAME PATH_INFO PATH_TRANSLATED
                 REDIRECT_URL);
    my %column = ('php-cgi' => 1, Perl => 2, Python => 3, Ruby => 4);
    my $letter = $compared{ $row->[0] }[$column{$name}];
    return if $letter eq '-';
    $url =~ tr/`//d;
    my $us = vars($port, $url);
    is_deeply([map { on_page($us->{$_}) } @var], \@expected, "$name: $way")
        or diag(explain($us));
    is($us->{PHP_SELF}, $us->{SCRIPT_NAME} . ($us->{PATH_INFO} || ''),
       'PHP_SELF') if $x eq 'php';
    return if $letter eq 'b';
    is_deeply(different($us, vars($peer, $url)), $meant{$letter} || [],
              $letter eq '=' ? 'all as its peer' : "but for $letter");
    return;
}

sub php_besides {
    for (['fixed', 'cgi.fix_pathinfo=0'], ['script', 'a script']) {
        my ($query, $what) = @$_;
        my $got = vars($port, "/php/path/a/b?$query");
        is_deeply([@$got{qw(PATH_INFO FILE REDIRECT_URL)}],
                  ['/a/b', "$root/php/path/app.php", '/php/path/a/b'], $what)
            or diag(explain($got));
    }
    my $us = vars($port, '/php/multi/page.php?action');
    is_deeply([@$us{qw(SCRIPT_NAME FILE)}],
              ['/php/multi/page.php', "$root/php/multi/page.php"],
              'an Action whose target is php-cgi')
        or diag(explain($us));
    return;
}

# --- the test

delete $kind{'php-cgi'} unless have('php-cgi') && $fpm_program;
delete $kind{Ruby} unless have('ruby');
@x = sort values %kind;
mkdir "$dir/other";
chmod 0755, "$dir/other";
files($_) for @x;
my $fpm = $kind{'php-cgi'} ? start_fpm() : undef;
$httpd->write_config(join '', common(),
    map({ pool($_, $_ eq 'php' ? [have('php-cgi'), '-n'] : [bin("vars.$_")]) }
        @x),
    "Listen 127.0.0.1:$peer\n",
    host($port, map({ ours($_) } @x), $fpm ? more_php() : ()),
    host($peer, map { peers($_) } @x));
ok($httpd->start, 'httpd') or BAIL_OUT('no httpd');
for my $name (sort keys %kind) {
    one_way($_, $name) for @way;
}
php_besides() if $fpm;
ends_well($httpd) unless $fpm;
if ($fpm) {
    $fpm->signal('TERM');
    is($fpm->wait(20), 0, 'php-fpm stops');
    ends_well($httpd);
}

done_testing;
