#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# phpMyAdmin beside a MariaDB of its own: php-cgi as a pool and as scripts.
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

my $installed = '/usr/share/phpmyadmin';
need("$installed/index.php", '/usr/sbin/mariadbd', '/usr/bin/php-cgi');
my $json = JSON::PP->new->utf8;
my $httpd = FCGIPM::Httpd->new(
    modules => [qw(mime dir rewrite)], head => "TypesConfig /etc/mime.types\n");
my $dir = $httpd->dir;
my $root = "$dir/site";
mkdir $root or die "$root: $!";
my $db = mariadb("$dir/db");
owned("$dir/tmp");

# --- a private copy ---------------------------------------------------------

copied($installed, "$root/pma");
my $vendor = "$root/pma/libraries/vendor_config.php";
my $text = slurp($vendor);
$text =~ s{'/var/lib/phpmyadmin/tmp/'}{'$dir/tmp/'};
$text =~ s{'/etc/phpmyadmin/config\.inc\.php'}{'$dir/config.inc.php'};
write_file($vendor, $text, 0644);
write_file("$dir/config.inc.php", <<"END", 0644);
<?php
\$cfg['blowfish_secret'] = '0123456789abcdef0123456789abcdef';
\$cfg['Servers'][1] = ['auth_type' => 'cookie', 'host' => 'localhost',
                      'socket' => '$dir/db/mysql.sock'];
\$cfg['TempDir'] = '$dir/tmp';
\$cfg['SendErrorReports'] = 'never';
END
# a pretty name of one's own
write_file("$root/.htaccess", <<'END', 0644);
RewriteEngine On
RewriteRule ^tables/(\w+)$ pma/index.php?route=/database/structure&db=$1 [QSA,L]
END
my @php = php("$dir/php");
my $common = "DocumentRoot $root\nDirectoryIndex index.php\n";
my %way = (pool => \&by_pool, scripts => \&by_scripts);

# --- what an administrator does ---------------------------------------------

sub login {
    my ($client, $way) = @_;
    my $page = $client->get('/pma/');
    like($page->{body}, qr/Welcome to .*phpMyAdmin/s, "$way: the front page");
    my $in = $client->submit($page, qr/pma_password/, pma_username => 'app',
                             pma_password => 'wrong');
    like($in->{body}, qr/Access denied for user/, "$way: a wrong password");
    $in = $client->submit($in, qr/pma_password/, pma_username => 'app',
                          pma_password => 'secret');
    like($in->{body}, qr/Server: Localhost|Database server/i, "$way: login");
    my ($token) = $in->{body} =~ /token:"([^"]+)"|name="token" value="([^"]+)"/;
    ($token) = grep { defined } $token, $2;
    ok($token, "$way: a token");
    return $token;
}

sub sql {
    my ($client, $token, $db, $query) = @_;
    my $r = $client->post('/pma/index.php?route=/sql', token => $token,
        ajax_request => 'true', db => $db, table => '', sql_query => $query,
        server => 1);
    return eval { $json->decode($r->{body}) } || { said => $r };
}

sub databases {
    my ($client, $way, $token) = @_;
    my $r = $client->post('/pma/index.php?route=/server/databases/create',
        token => $token, ajax_request => 'true', new_db => "of_$way",
        server => 1);
    like($r->{body}, qr/Database .*of_$way.* has been created/s,
         "$way: a database");
    ok(sql($client, $token, "of_$way",
           'CREATE TABLE t (id INT, word VARCHAR(40))')->{success},
       "$way: a table");
    ok(sql($client, $token, "of_$way",
           "INSERT INTO t VALUES (7, 'Gr\xC3\xBC\xC3\x9Fe')")->{success},
       "$way: a row");
    my $page = $client->get("/pma/index.php?route=/sql&db=of_$way&table=t"
                            . '&pos=0');
    like($page->{body}, qr/Gr\xC3\xBC\xC3\x9Fe/, "$way: is shown");
    $page = $client->get("/tables/of_$way");
    like($page->{body}, qr/of_$way/, "$way: the same by RewriteRule");
    is($client->get('/pma/none.php')->{status}, 404,
       "$way: a page that is not there");
    return;
}

# Import and export: 1.5 MB of text there and back.
sub there_and_back {
    my ($client, $way, $token) = @_;
    my @word = map { sprintf "word %06d %s", $_, 'x' x 28 } 1 .. 20_000;
    my $dump = "CREATE TABLE big (id INT PRIMARY KEY, word VARCHAR(60));\n";
    for (my $i = 0; $i < @word; $i += 1000) {
        $dump .= 'INSERT INTO big VALUES '
            . join(',', map { "($_,'$word[$_]')" } $i .. $i + 999) . ";\n";
    }
    my $page = $client->get("/pma/index.php?route=/database/import"
                            . "&db=of_$way");
    $page = $client->submit($page, qr/import_file/, token => $token,
        import_file => ['dump.sql', 'application/sql', $dump]);
    like($page->{body}, qr/Import has been successfully finished/,
         "$way: an upload of " . length($dump) . ' bytes is imported');
    my $r = $client->post('/pma/index.php?route=/export', token => $token,
        server => 1, db => "of_$way", table => 'big', export_type => 'table',
        export_method => 'quick', quick_or_custom => 'custom',
        output_format => 'sendit', what => 'csv', csv_separator => ',',
        csv_enclosed => '"', csv_escaped => '"', csv_terminated => 'AUTO',
        csv_null => 'NULL', csv_structure_or_data => 'data',
        csv_data => '', allrows => 1, aliases_new => '',
        filename_template => '@TABLE@', compression => 'none',
        charset => 'utf-8', maxsize => '');
    like($r->{header}{'content-disposition'} || '', qr/attachment.*big\.csv/,
         "$way: an export");
    my @back = $r->{body} =~ /(word \d{6} x+)/g;
    is(scalar @back, 20_000, "$way: of all rows");
    ok("@back" eq "@word", "$way: word for word");
    return;
}

# A statement that takes two seconds, whose client has gone.
sub job {
    my ($client, $way, $token) = @_;
    my $body = "token=$token&ajax_request=true&server=1&db=of_$way&table="
        . '&sql_query=INSERT+INTO+t+SELECT+8,+CONCAT(%27late%27,SLEEP(2))';
    post_and_leave($client, '/pma/index.php?route=/sql', $body);
    ok(wait_for {
        $client->get("/pma/index.php?route=/sql&db=of_$way&table=t&pos=0")
            ->{body} =~ /late0/
    } 60, "$way: a statement is executed though its client has gone");
    return;
}

for my $way (qw(pool scripts)) {
    served($httpd, $common . $way{$way}->($root, \@php));
    my $client = FCGIPM::Client->new($httpd->port);
    my $token = login($client, $way);
    databases($client, $way, $token);
    there_and_back($client, $way, $token);
    job($client, $way, $token);
    my $cookies = $client->cookies;
    reload_under_load($httpd, $way, sub {
        # a session is locked: each client has its own
        my $r = $client->once($_[0] == 1
            ? "/pma/index.php?route=/database/structure&db=of_$way"
            : '/pma/js/messages.php?l=en&v=1');
        return $r->{error} if defined $r->{error};
        return "status $r->{status}" if $r->{status} != 200;
        return $r->{body} =~ /of_$way|Messages/ ? undef : 'another page';
    });
    is(slurp("$dir/php/php.log"), '', "$way: PHP has no complaint");
}
is($httpd->stop, 0, 'httpd stops');
ok($db->signal('TERM') && defined $db->wait(60), 'MariaDB stops');
done_testing;
