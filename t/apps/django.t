#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A site of Django under uWSGI: as a pool at /, as one at a prefix, and as a
# script behind the rewrite rules of a .htaccess.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Apps;
use FCGIPM::Client;
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my $packages = '/usr/lib/python3/dist-packages';
need("$packages/django/__init__.py", '/usr/lib/uwsgi/plugins/python3_plugin.so');
my $httpd = FCGIPM::Httpd->new(
    modules => [qw(mime dir rewrite)], head => "TypesConfig /etc/mime.types\n");
my $dir = $httpd->dir;
my $state = owned("$dir/state");
my $static = "$packages/django/contrib/admin/static";
my $site = write_file("$dir/mysite.py", slurp(root() . '/t/apps/django_site.py'),
                      0644);
my @uwsgi = (have('uwsgi'), qw(--plugins python3 --protocol fastcgi --need-app
             --disable-logging --wsgi-file), $site);

sub manage {
    my (@arg) = @_;
    my $proc = FCGIPM::Test::start(
        cmd => ['/usr/bin/python3', $site, @arg], as => worker_user(),
        env => { SITE_DIR => $state, DJANGO_SUPERUSER_PASSWORD => 'S3cret' },
        out => "$dir/manage.log", err => "$dir/manage.log");
    my $status = $proc->wait(120);
    is($status, 0, "manage.py $arg[0]") or diag(slurp("$dir/manage.log"));
    return;
}
manage('migrate');
manage(qw(createsuperuser --noinput --username ann --email ann@example.org));

# --- three ways -------------------------------------------------------------

my @line = (patient(), "FcgiPMSetEnv SITE_DIR $state", "FcgiPMSetEnv LANG C.UTF-8");
my $files = "<Directory $static>\n    Require all granted\n</Directory>\n"
    . "Alias /static $static\n";
my $docs = "$dir/site";
mkdir $docs or die "$docs: $!";
write_script("$docs/site.fcgi", "exec @uwsgi");
write_file("$docs/.htaccess", <<'END', 0644);
RewriteEngine On
RewriteRule ^site\.fcgi - [L]
RewriteCond %{REQUEST_FILENAME} !-f
RewriteRule ^(.*)$ site.fcgi/$1 [QSA,L]
END
my %way = (
    pool => $files . pool('site', \@uwsgi, 'FcgiPMProcesses 2 4', @line)
        . "FcgiPMAlias / site\n",
    prefix => $files . pool('site', \@uwsgi, 'FcgiPMProcesses 2 4', @line)
        . "<Location /deep/app>\n    SetHandler fcgipm:site\n"
        . "    FcgiPMScriptName /deep/app\n</Location>\n",
    script => "DocumentRoot $docs\n$files" . scripts($docs, 'FcgiPMProcesses 0 4', @line)
        . "<Directory $docs>\n    AllowOverride All\n</Directory>\n",
);

# --- what a visitor does ----------------------------------------------------

sub pages {
    my ($client, $way, $at) = @_;
    my $page = $client->get("$at/");
    like($page->{body}, qr{<title>A site}, "$way: the front page");
    my ($link) = $page->{body} =~ /href="([^"]*)"/;
    is($link, "$at/2026/first-words/", "$way: its link is as in urls.py");
    like($client->get("$link?page=3")->{body},
         qr{first-words of 2026</h1><p>page 3<}, "$way: leads to the page");
    is($client->get("$at/none/")->{status}, 404, "$way: none that is not there");
    # APPEND_SLASH
    my $r = $client->once("$at/2026/first-words");
    is($r->{status}, 301, "$way: an URL without its slash");
    is($r->{header}{location}, $link, "$way: leads to the one with it");
    is($client->get("$at/stream")->{body},
       join('', map { "part $_\n" } 0 .. 4), "$way: a stream comes whole");
    return $link;
}

sub login {
    my ($client, $way, $at) = @_;
    my $page = $client->get("$at/admin/");
    like($page->{url}, qr{^\Q$at\E/admin/login/}, "$way: the admin wants a login");
    my ($css) = $page->{body} =~ m{href="(/static/[^"]*\.css)"};
    like($client->get($css)->{header}{'content-type'}, qr{^text/css},
         "$way: $css is httpd's own");
    my $in = $client->submit($page, qr/password/, username => 'ann',
                             password => 'wrong');
    like($in->{body}, qr/enter the correct username/, "$way: a wrong password");
    $in = $client->submit($page, qr/password/, username => 'ann',
                          password => 'S3cret');
    like($in->{body}, qr/Site administration/, "$way: login");
    $page = $client->submit($client->get("$at/admin/auth/group/add/"),
                            qr/name="name"/, name => "group of $way");
    like($page->{body}, qr/group of $way.*was added successfully/s,
         "$way: a group is added");
    return;
}

sub uploads {
    my ($client, $way, $at) = @_;
    for my $size (0, 1000, 10_000_000) {
        my $bytes = upload_bytes($size);
        my $r = $client->submit($client->get("$at/upload/"), qr/type="file"/,
            file => ["$way-$size.bin", 'application/octet-stream', $bytes]);
        is($r->{url}, "$at/files/$way-$size.bin", "$way: $size bytes are sent");
        ok($r->{status} == 200 && $r->{body} eq $bytes,
           "$way: and come back byte for byte");
    }
    return;
}

sub jobs {
    my ($client, $way, $at) = @_;
    for my $i (1 .. 6) {
        leave($httpd->port, "POST $at/job/$way-$i HTTP/1.1\r\nHost: x\r\n"
              . "Content-Length: 4\r\n\r\nwork");
    }
    for my $i (1 .. 6) {
        wait_for { -s "$state/job-$way-$i" } 60, "job $i";
        is(slurp("$state/job-$way-$i"), "POST 4\n",
           "$way: job $i runs though its client has gone");
    }
    $client->post("$at/background/$way");
    ok(reload($httpd), "$way: reload");
    ok(wait_for { -s "$state/background-$way" } 60,
       "$way: what a worker has started goes on after it");
    return;
}

for my $row ([pool => ''], [prefix => '/deep/app'], [script => '']) {
    my ($way, $at) = @$row;
    served($httpd, $way{$way});
    my $client = FCGIPM::Client->new($httpd->port);
    my $link = pages($client, $way, $at);
    login($client, $way, $at);
    uploads($client, $way, $at);
    jobs($client, $way, $at);
    reload_under_load($httpd, $way, sub {
        my $r = $client->once($_[0] % 2 ? $link : "$at/admin/");
        return $r->{error} if defined $r->{error};
        return $r->{body} =~ /first-words of|Site administration/ ? undef
            : "another page, status $r->{status}";
    });
    is(scalar(grep { /error|Traceback/i && !/fcgipm:info/ }
              split /\n/, $httpd->log), 0, "$way: no error in the log")
        or diag($httpd->log);
}
ends_well($httpd);
done_testing;
