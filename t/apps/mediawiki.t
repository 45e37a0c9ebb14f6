#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# MediaWiki with SQLite and its sessions in APCu: php-cgi as a pool and as
# scripts.  APCu belongs to one php-cgi and its children, so there is one.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Apps;
use FCGIPM::Client;
use FCGIPM::Httpd;
use FCGIPM::Test;
use JSON::PP ();
use Test::More;

my $wiki = '/usr/share/mediawiki';
need("$wiki/index.php", '/usr/bin/php-cgi', '/usr/bin/php',
     glob('/usr/lib/php/*/apcu.so') || 'apcu.so');
my $json = JSON::PP->new->utf8;
my $httpd = FCGIPM::Httpd->new(
    modules => [qw(mime dir rewrite)], head => "TypesConfig /etc/mime.types\n");
my $dir = $httpd->dir;
my $root = "$dir/site";
my $base = 'http://127.0.0.1:' . $httpd->port;
mkdir $root or die "$root: $!";
# maintenance scripts are to keep SQLite's files writable for the workers
owned("$dir/data", "$dir/images", "$dir/cache", "$dir/php");

# --- a private site ---------------------------------------------------------

copied($wiki, "$root/w");
system('rm', '-rf', "$root/w/images", "$root/w/LocalSettings.php",
       "$root/w/config");
symlink "$dir/images", "$root/w/images" or die "images: $!";

sub maintenance {
    my ($script, @arg) = @_;
    my $proc = FCGIPM::Test::start(
        cmd => ['/usr/bin/php', "$root/w/maintenance/$script.php", @arg],
        as => worker_user(), cwd => "$root/w", out => "$dir/$script.log",
        err => "$dir/$script.log");
    my $status = $proc->wait(300);
    is($status, 0, "maintenance/$script") or diag(slurp("$dir/$script.log"));
    return;
}
maintenance('install', '--dbtype=sqlite', "--dbpath=$dir/data",
            '--dbname=wiki', "--server=$base", '--scriptpath=/w',
            '--pass=S3cret-and-long', '--confpath=/' . "$dir/data",
            'Served by fcgipm', 'Ann');
my $settings = slurp("$dir/data/LocalSettings.php");
write_file("$root/w/LocalSettings.php", $settings . <<"END", 0644);
\$wgArticlePath = '/wiki/\$1';
\$wgUsePathInfo = true;
\$wgMainCacheType = CACHE_ACCEL;
\$wgSessionCacheType = CACHE_ACCEL;
\$wgEnableUploads = true;
\$wgFileExtensions = ['png', 'bin', 'txt'];
\$wgVerifyMimeType = false;
\$wgStrictFileExtensions = false;
\$wgUploadDirectory = '$dir/images';
\$wgCacheDirectory = '$dir/cache';
\$wgTmpDirectory = '$dir/php';
\$wgJobRunRate = 1;
\$wgRunJobsAsync = true;
\$wgShowExceptionDetails = true;
END

# /wiki/Name in the two ways that the manual has.
my %htaccess = (pool => <<'END', scripts => <<'END2');
RewriteEngine On
RewriteRule ^/?wiki(/.*)?$ w/index.php [L]
RewriteRule ^$ w/index.php [L]
END
DirectoryIndex w/index.php
FallbackResource /w/index.php
END2
my @php = ('/usr/bin/env', 'PHP_FCGI_CHILDREN=4', 'PHP_FCGI_MAX_REQUESTS=0',
           php("$dir/php", 'apc.enabled' => 1, 'apc.shm_size' => '64M'));
my @line = ('FcgiPMProcesses 1 1', 'FcgiPMRequestsPerWorker 4');
my $common = "DocumentRoot $root\nDirectoryIndex index.php\n"
    . "<Directory $dir/images>\n    Require all granted\n</Directory>\n"
    . "<Directory />\n    Options +FollowSymLinks\n</Directory>\n";
my %way = (pool => \&by_pool, scripts => \&by_scripts);

# --- what a reader and an author do -----------------------------------------

sub api {
    my ($client, %arg) = @_;
    my $r = $client->post('/w/api.php', format => 'json', %arg);
    return eval { $json->decode($r->{body}) } || { said => $r->{body} };
}

sub token {
    my ($client, $type) = @_;
    return api($client, action => 'query', meta => 'tokens',
               type => $type)->{query}{tokens}{"${type}token"};
}

sub login {
    my ($client, $way) = @_;
    my $page = $client->get('/wiki/Special:UserLogin');
    my $in = $client->submit($page, qr/wpPassword/, wpName => 'Ann',
                             wpPassword => 'wrong');
    like($in->{body}, qr/Incorrect username or password/,
         "$way: a wrong password");
    $in = $client->submit($in, qr/wpPassword/, wpName => 'Ann',
                          wpPassword => 'S3cret-and-long');
    like($in->{body}, qr/"wgUserName":"Ann"/, "$way: login");
    # each request finds the session, whichever process answers
    my $known = grep {
        $client->get('/wiki/Main_Page')->{body} =~ /"wgUserName":"Ann"/
    } 1 .. 12;
    is($known, 12, "$way: and stays so");
    return;
}

sub pages {
    my ($client, $way) = @_;
    my $page = $client->get('/');
    like($page->{url}, qr{^/wiki/Main_Page}, "$way: / leads to the main page");
    like($page->{body}, qr/<title>Served by fcgipm/, "$way: the main page");
    my ($css) = $page->{body} =~ m{href="(/w/load\.php\?[^"]*only=styles[^"]*)"};
    $css =~ s/&amp;/&/g;
    like($client->get($css)->{header}{'content-type'}, qr{^text/css},
         "$way: its style");
    is($client->get('/wiki/None_of_that_name')->{status}, 404,
       "$way: a page that is not there");
    return;
}

sub edit {
    my ($client, $way) = @_;
    my $title = "\xC3\x9Cber $way/sub";           # UTF-8, a slash
    my $page = $client->submit(
        $client->get("/w/index.php?title=$way-form&action=edit"),
        qr/wpTextbox1/, wpTextbox1 => "Words of the $way", wpSave => 'Save');
    is($page->{url}, "/wiki/\u$way-form", "$way: an edit by form");
    like($page->{body}, qr/Words of the $way/, "$way: is shown");

    my $done = api($client, action => 'edit', title => $title,
                   text => "[[Category:Of $way]] by API",
                   token => token($client, 'csrf'));
    is($done->{edit}{result}, 'Success', "$way: an edit by API")
        or diag($json->encode($done));
    for my $path ("/wiki/%C3%9Cber_$way/sub",
                  "/w/index.php/%C3%9Cber_$way/sub") {
        my $r = $client->once($path);
        is($r->{status}, 200, "$way: $path");
        like($r->{body}, qr/by API/, "$way: is the page");
    }
    return;
}

# A page's category is counted by a job, which runs when the page has been
# delivered: a POST to Special:RunJobs whose client does not wait.
sub jobs {
    my ($client, $way) = @_;
    my $template = "Template:T-$way";
    api($client, action => 'edit', title => $template, text => 'one',
        token => token($client, 'csrf'));
    api($client, action => 'edit', title => "User-$way", text => "{{T-$way}}",
        token => token($client, 'csrf'));
    api($client, action => 'edit', title => $template,
        text => "[[Category:Late $way]]", token => token($client, 'csrf'));
    ok(wait_for {
        $client->get('/wiki/Main_Page');
        $client->get("/wiki/Category:Late_$way")->{body} =~ /User-$way/
    } 120, "$way: a job puts a page into its category");
    ok(wait_for {
        $client->get('/wiki/Main_Page');
        my $left = api($client, action => 'query', meta => 'siteinfo',
                       siprop => 'statistics');
        !$left->{query}{statistics}{jobs}
    } 120, "$way: no job is left");
    return;
}

sub upload {
    my ($client, $way) = @_;
    my $bytes = upload_bytes(3_000_000);
    my $page = $client->submit($client->get('/wiki/Special:Upload'),
        qr/wpUploadFile/, wpDestFile => "$way.bin", wpIgnoreWarning => 1,
        wpUpload => 'Upload',
        wpUploadFile => ["$way.bin", 'application/octet-stream', $bytes]);
    my ($path) = $page->{body} =~ m{href="(/w/images/[^"]*/\u$way\.bin)"};
    ok($path, "$way: an upload") or diag($page->{body}), return;
    ok($client->get($path)->{body} eq $bytes,
       "$way: comes back byte for byte");
    return;
}

for my $way (qw(pool scripts)) {
    write_file("$root/.htaccess", $htaccess{$way}, 0644);
    served($httpd, $common . $way{$way}->($root, \@php, @line));
    my $client = FCGIPM::Client->new($httpd->port);
    pages($client, $way);
    login($client, $way);
    edit($client, $way);
    upload($client, $way);
    jobs($client, $way);
    # a reload ends the php-cgi that has the sessions: its readers are strangers
    reload_under_load($httpd, $way, sub {
        my $r = FCGIPM::Client->new($httpd->port)->once(
            $_[0] % 2 ? '/wiki/Main_Page'
                       : "/w/index.php/%C3%9Cber_$way/sub");
        return $r->{error} if defined $r->{error};
        return "status $r->{status}" if $r->{status} != 200;
        return $r->{body} =~ m{Served by fcgipm.*</html>}s ? undef
            : 'another page';
    });
    is(slurp("$dir/php/php.log"), '', "$way: PHP has no complaint");
}
is($httpd->stop, 0, 'httpd stops');
done_testing;
