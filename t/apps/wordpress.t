#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# WordPress with a MariaDB of its own: php-cgi as a pool and as scripts.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Apps;
use FCGIPM::Client;
use FCGIPM::HTTP;
use FCGIPM::Httpd;
use FCGIPM::Test;
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use POSIX qw(strftime);
use Test::More;

need('/usr/share/wordpress/wp-login.php', '/usr/sbin/mariadbd',
     '/usr/bin/php-cgi');
my $json = JSON::PP->new->utf8;
my $httpd = FCGIPM::Httpd->new(
    modules => [qw(mime dir rewrite)], head => "TypesConfig /etc/mime.types\n");
my $root = $httpd->dir . '/wordpress';
my $db = mariadb($httpd->dir . '/db');
my $jobs = owned($httpd->dir . '/jobs');
my $site = 'http://127.0.0.1:' . $httpd->port;

# --- a private copy ---------------------------------------------------------

copied('/usr/share/wordpress', $root);
unlink "$root/.htaccess", "$root/wp-config.php";
owned("$root/wp-content/uploads", $root);
write_file("$root/wp-config.php", <<"END", 0644);
<?php
define('DB_NAME', 'wordpress');
define('DB_USER', 'app');
define('DB_PASSWORD', 'secret');
define('DB_HOST', 'localhost:${\ $httpd->dir}/db/mysql.sock');
define('DB_CHARSET', 'utf8mb4');
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('WP_ACCESSIBLE_HOSTS', '127.0.0.1');
define('AUTOMATIC_UPDATER_DISABLED', true);
define('WP_ENVIRONMENT_TYPE', 'local');
define('WP_CRON_LOCK_TIMEOUT', 5);
if (isset(\$_GET['fcgipm_until'])) define('DISABLE_WP_CRON', true);
\$table_prefix = 'wp_';
if (!defined('ABSPATH')) define('ABSPATH', __DIR__ . '/');
require_once(ABSPATH . 'wp-settings.php');
END

# ?fcgipm_job=NAME: a job for cron that takes a second and leaves a file.
# ?fcgipm_until=FILE: holds a worker until there is that file.
mkdir "$root/wp-content/mu-plugins" or die "mkdir: $!";
write_file("$root/wp-content/mu-plugins/fcgipm.php", <<"END", 0644);
<?php
add_action('fcgipm_job', function (\$name) {
    sleep(1);
    file_put_contents("$jobs/\$name", "done\\n", FILE_APPEND);
});
add_filter('pre_wp_mail', '__return_true');
add_action('init', function () {
    if (isset(\$_GET['fcgipm_job'])) {
        wp_schedule_single_event(time() - 1, 'fcgipm_job',
                                 [\$_GET['fcgipm_job']]);
        die("scheduled\\n");
    }
    if (isset(\$_GET['fcgipm_until'])) {
        while (!file_exists("$jobs/" . \$_GET['fcgipm_until'])) {
            clearstatcache();
            usleep(20000);
        }
        die("held\\n");
    }
});
END

my @php = php($httpd->dir . '/php');
my $common = "DocumentRoot $root\nDirectoryIndex index.php\n";
my %way = (pool => \&by_pool, scripts => \&by_scripts);

# --- what a visitor and an author do ----------------------------------------

sub installed {
    my ($client) = @_;
    system("mariadb --no-defaults -S '${\ $httpd->dir}/db/mysql.sock' -u app "
           . "-psecret -e 'CREATE DATABASE wordpress'") == 0 or die 'database';
    my $page = $client->get('/');
    is($page->{url}, '/wp-admin/install.php', 'the front page: an installation');
    $page = $client->post('/wp-admin/install.php?step=2',
        weblog_title => 'Served by fcgipm', user_name => 'ann',
        admin_password => 'S3cret-and-long', pw_weak => 'on',
        admin_password2 => 'S3cret-and-long',
        admin_email => 'ann@example.org', blog_public => '1', language => '');
    like($page->{body}, qr/WordPress has been installed/, 'is installed');
    unlink $httpd->dir . '/php/php.log';        # it asked for absent tables
    return;
}

sub login {
    my ($client, $way) = @_;
    my $page = $client->get('/wp-login.php');
    my $in = $client->submit($page, qr/name="pwd"/, log => 'ann',
                             pwd => 'wrong');
    like($in->{body}, qr/password you entered .* is incorrect/s,
         "$way: a wrong password");
    $in = $client->submit($page, qr/name="pwd"/, log => 'ann',
                          pwd => 'S3cret-and-long');
    like($in->{body}, qr{<h1>Dashboard</h1>}, "$way: login");
    return;
}

# WordPress writes .htaccess itself.
sub permalinks {
    my ($client, $way, $structure, $path) = @_;
    my $page = $client->get('/wp-admin/options-permalink.php');
    $page = $client->submit($page, qr/permalink_structure/,
        selection => 'custom', permalink_structure => $structure);
    like($page->{body}, qr/Permalink structure updated/, "$way: $structure");
    my ($link) = $client->get('/')->{body}
        =~ m{href="\Q$site\E($path/[^"]*hello-world/)"};
    ok($link, "$way: the front page links to it") or return;
    my $post = $client->once($link);
    is($post->{status}, 200, "$way: $link");
    like($post->{body}, qr/Welcome to WordPress\. This is your first post/,
         "$way: is the post");
    my $none = $client->once("$path/2001/01/nothing/");
    is($none->{status}, 404, "$way: and none that is not there");
    return $link;
}

# The REST interface with cookies and a nonce.
sub rest {
    my ($client, $method, $path, $data, @header) = @_;
    my $nonce = $client->get('/wp-admin/admin-ajax.php?action=rest-nonce');
    my $r = $client->once("/wp-json/wp/v2/$path", method => $method,
        header => ["X-WP-Nonce: $nonce->{body}",
                   @header ? @header : 'Content-Type: application/json'],
        defined $data ? (body => ref $data ? $json->encode($data) : $data) : ());
    $r->{data} = eval { $json->decode($r->{body}) } || {};
    return $r;
}

sub rest_posts {
    my ($client, $way) = @_;
    my $r = rest($client, POST => 'posts', { title => "By REST: $way",
                 content => 'Some words', status => 'publish' });
    is($r->{status}, 201, "$way: REST creates a post") or diag($r->{body});
    my $id = $r->{data}{id};
    my ($path) = $r->{data}{link} =~ m{^\Q$site\E(/.*)};
    like($client->get($path)->{body}, qr/By REST: $way/, "$way: it is there");
    $r = rest($client, PUT => "posts/$id", { title => "Changed: $way" });
    is($r->{data}{title}{raw}, "Changed: $way", "$way: REST changes it");
    $r = rest($client, DELETE => "posts/$id?force=true");
    ok($r->{data}{deleted}, "$way: REST deletes it");
    is($client->get($path)->{status}, 404, "$way: it is gone");

    $r = rest($client, POST => 'users/me/application-passwords',
              { name => "key of $way" });
    my $key = encode_base64("ann:$r->{data}{password}", '');
    $r = http($httpd->port, '/wp-json/wp/v2/users/me?context=edit',
              timeout => 90, header => ["Authorization: Basic $key"]);
    is($r->{status}, 200, "$way: REST with a password of its own");
    like($r->{body}, qr/"username":"ann"/, "$way: and who it is");
    return;
}

sub comment {
    my ($client, $way, $link) = @_;
    my $page = $client->submit($client->get($link), qr/name="comment"/,
                               comment => "I am the $way");
    like($page->{body}, qr/I am the $way/, "$way: a comment");
    return;
}

sub uploads {
    my ($client, $way) = @_;
    my $bytes = "PK\3\4" . upload_bytes(5_000_000);
    my $r = rest($client, POST => 'media', $bytes,
                 "Content-Disposition: attachment; filename=\"rest-$way.zip\"",
                 'Content-Type: application/zip');
    is($r->{status}, 201, "$way: an upload by REST") or diag($r->{body});
    back($client, $way, $r->{data}{source_url}, $bytes);

    $bytes = "PK\3\4" . upload_bytes(3_000_000);
    my $page = $client->get('/wp-admin/media-new.php?browser-uploader');
    $page = $client->submit($page, qr/async-upload/,
        'html-upload' => 'Upload',
        'async-upload' => ["form-$way.zip", 'application/zip', $bytes]);
    my ($list) = rest($client, GET => "media?search=form-$way");
    back($client, $way, $list->{data}[0]{source_url}, $bytes);
    return;
}

sub back {
    my ($client, $way, $url, $bytes) = @_;
    my ($path) = ($url || '') =~ m{^\Q$site\E(/.*)};
    ok($path, "$way: uploaded") or return;
    my $r = $client->once($path);
    ok($r->{body} eq $bytes, "$way: $path comes back byte for byte");
    return;
}

# --- cron: a POST to wp-cron.php whose client closes once it is sent ---------

sub cron {
    my ($client, $way) = @_;
    for my $i (1 .. 3) {
        is($client->get("/?fcgipm_job=$way-$i")->{body}, "scheduled\n",
           "$way: job $i is scheduled");
        # a page view calls cron, unless it is running
        wait_for { $client->get('/'); -e "$jobs/$way-$i" } 60, "job $i";
        is(slurp("$jobs/$way-$i"), "done\n", "$way: and runs, once");
    }

    # every worker is busy when it is called
    $client->get("/?fcgipm_job=$way-late");
    my @holder = map { $httpd->ask("/?fcgipm_until=$way-go") } 1 .. 6;
    my ($pool) = wait_for {
        (grep { $_->{busy} == 6 } @{ $httpd->status->{pools} })[0]
    } 60, 'six busy workers';
    ok($pool, "$way: all workers are busy") or return;
    leave($httpd->port, join "\r\n", 'POST /wp-cron.php?doing_wp_cron HTTP/1.1',
          "Host: 127.0.0.1:${\ $httpd->port}", 'Content-Length: 0',
          'Connection: close', '', '');
    wait_for { $httpd->pool_status($pool->{name})->{queue} } 20, 'it to wait';
    write_file("$jobs/$way-go", '');
    wait_for { -e "$jobs/$way-late" } 60, 'the job of a client that has gone';
    is(slurp("$jobs/$way-late"), "done\n",
       "$way: cron that waited for a worker runs without its client");
    return;
}

# WordPress publishes at once what is due within a minute.
sub post_later {
    my ($client, $way) = @_;
    my $r = rest($client, POST => 'posts', { title => "Future: $way",
        content => 'Later', status => 'future',
        date_gmt => strftime('%Y-%m-%dT%H:%M:%S', gmtime time + 65) });
    is($r->{data}{status}, 'future', "$way: a post for later")
        or diag($r->{body});
    unlike($client->get('/')->{body}, qr/Future: $way/, "$way: is not there");
    return;
}

sub published {
    my ($client, $way) = @_;
    ok(wait_for { $client->get('/')->{body} =~ /Future: $way/ } 120,
       "$way: cron publishes the post when it is due");
    return;
}

my $installed = 0;
for my $way (qw(pool scripts)) {
    served($httpd, $common . $way{$way}->($root, \@php));
    my $client = FCGIPM::Client->new($httpd->port);
    installed($client) unless $installed++;
    like($client->get('/')->{body}, qr/<title>Served by fcgipm/,
         "$way: the front page");
    login($client, $way);
    permalinks($client, $way, '/index.php/%year%/%monthnum%/%postname%/',
               '/index.php');
    my $link = permalinks($client, $way, '/%year%/%monthnum%/%postname%/', '');
    rest_posts($client, $way);
    comment($client, $way, $link);
    uploads($client, $way);
    post_later($client, $way);
    cron($client, $way);
    reload_under_load($httpd, $way, sub {
        my $r = $client->once($_[0] % 2 ? $link : '/wp-admin/');
        return $r->{error} if defined $r->{error};
        return "status $r->{status}" if $r->{status} != 200;
        return $r->{body} =~ m{Welcome to WordPress\. This|<h1>Dashboard}
            && $r->{body} =~ m{</html>\s*\z} ? undef : 'another page';
    });
    published($client, $way);
    # two of its crons at once take the same event from the list
    is(join("\n", grep { !/Cron unschedule .* could_not_set/ }
            split /\n/, slurp($httpd->dir . '/php/php.log')),
       '', "$way: PHP has no complaint");
}
is($httpd->stop, 0, 'httpd stops');
ok($db->signal('TERM') && defined $db->wait(60), 'MariaDB stops');
done_testing;
