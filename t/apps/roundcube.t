#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Roundcube with SQLite and a Dovecot of its own: php-cgi as a pool and as
# scripts.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Apps;
use FCGIPM::Client;
use FCGIPM::Httpd;
use FCGIPM::Test;
use IO::Socket::INET;
use JSON::PP ();
use Test::More;

my $installed = '/var/lib/roundcube';
need("$installed/public_html/index.php", '/usr/sbin/dovecot',
     '/usr/bin/php-cgi', '/usr/bin/sqlite3');
my $json = JSON::PP->new->utf8;
my $httpd = FCGIPM::Httpd->new(
    modules => [qw(mime dir rewrite)], head => "TypesConfig /etc/mime.types\n");
my $dir = $httpd->dir;
my $site = "$dir/roundcube";
my $root = "$site/public_html";

# --- mail -------------------------------------------------------------------

sub dovecot {
    my $imap = owned("$dir/imap", "$dir/imap/run", "$dir/imap/mail");
    my $port = free_port();
    my $user = worker_user() || getpwuid $>;
    my $group = getgrgid worker_gid();
    write_file("$dir/dovecot.conf", <<"END", 0644);
base_dir = $imap/run
state_dir = $imap/run
log_path = $imap/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_internal_user = $user
default_internal_group = $group
default_login_user = $user
first_valid_uid = 1
mail_location = maildir:$imap/mail/%u
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=$user gid=$group home=$imap/mail/%u
}
service anvil {
  chroot =
}
service imap-login {
  chroot =
  inet_listener imap {
    port = $port
  }
  inet_listener imaps {
    port = 0
  }
}
namespace inbox {
  inbox = yes
  mailbox Drafts {
    special_use = \\Drafts
    auto = create
  }
}
END
    my $proc = FCGIPM::Test::start(
        cmd => ['/usr/sbin/dovecot', '-F', '-c', "$dir/dovecot.conf"],
        as => worker_user(), out => "$imap/out", err => "$imap/out");
    wait_for {
        IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port")
            || !$proc->alive
    } 60, 'Dovecot';
    die "Dovecot does not start:\n", slurp("$imap/out"), slurp("$imap/log")
        unless $proc->alive;
    return ($proc, $port);
}
my ($imap, $imap_port) = dovecot();

# --- a private copy ---------------------------------------------------------

copied($installed, $site);
system('rm', '-rf', map { "$site/$_" } qw(config temp logs));
owned("$site/temp", "$site/logs", "$dir/db");
mkdir "$site/config" or die "config: $!";
copied("/etc/roundcube/$_", "$site/config/$_")
    for grep { -e "/etc/roundcube/$_" } qw(defaults.inc.php mimetypes.php);
write_file("$site/config/config.inc.php", <<"END", 0644);
<?php
\$config['db_dsnw'] = 'sqlite:///$dir/db/mail.db?mode=0640';
\$config['imap_host'] = ['localhost:$imap_port'];
\$config['smtp_host'] = 'localhost:1';
\$config['des_key'] = 'abcdefghijklmnopqrstuvwx';
\$config['product_name'] = 'Mail by fcgipm';
\$config['temp_dir'] = '$site/temp';
\$config['log_dir'] = '$site/logs';
\$config['plugins'] = [];
END
my $made = FCGIPM::Test::start(
    cmd => ['/bin/sh', '-c', "sqlite3 $dir/db/mail.db < "
            . '/usr/share/roundcube/SQL/sqlite.initial.sql'],
    as => worker_user(), err => "$dir/sqlite.log");
is($made->wait(60), 0, 'the database is made')
    or diag(slurp("$dir/sqlite.log"));
my @php = php("$dir/php");
my @line = ("FcgiPMSetEnv ROUNDCUBE_CONFIG_DIR $site/config");
my $common = "DocumentRoot $root\nDirectoryIndex index.php\n";
my %way = (pool => \&by_pool, scripts => \&by_scripts);

# --- what a person does -----------------------------------------------------

sub login {
    my ($client, $way) = @_;
    my $page = $client->get('/');
    like($page->{body}, qr/<title>Mail by fcgipm/, "$way: the front page");
    my $in = $client->submit($page, qr/_pass/, _user => "ann-$way",
                             _pass => 'wrong');
    is($in->{status}, 401, "$way: a wrong password");
    like($in->{body}, qr/Login failed/, "$way: is told");
    $in = $client->submit($in, qr/_pass/, _user => "ann-$way",
                          _pass => 'secret');
    like($in->{body}, qr/"current_mailbox"|id="mailboxlist"/i, "$way: login");
    is($client->get('/favicon.ico')->{status}, 200,
       "$way: a file by its RewriteRule");
    is($client->get('/config/config.inc.php')->{status}, 403,
       "$way: one that .htaccess forbids");
    my ($token) = $in->{body} =~ /"request_token":"([^"]+)"/;
    ok($token, "$way: a token");
    return $token;
}

# A mail with a file is written, kept as a draft, and read again.
sub mail {
    my ($client, $way, $token) = @_;
    my $bytes = upload_bytes(2_000_000);
    my $page = $client->get('/?_task=mail&_action=compose');
    my ($id) = $page->{body} =~ /"compose_id":"([^"]+)"/;
    ok($id, "$way: a new mail") or return;
    my $r = $client->post("/?_task=mail&_action=upload&_id=$id&_uploadid=up1"
        . '&_remote=1', _token => $token,
        '_attachments[]' => ["$way.bin", 'application/octet-stream', $bytes]);
    like($r->{body}, qr/add2attachment/, "$way: an upload")
        or diag($r->{body});
    $r = $client->submit($page, qr/_subject/, _subject => "Draft of $way",
        _message => "Words of the $way", _draft => 1, _to => 'x@example.net');
    like($r->{body}, qr/Message saved|saved to Drafts/i, "$way: a draft")
        or diag(substr $r->{body}, 0, 2000);
    my $list = $client->get('/?_task=mail&_action=list&_mbox=Drafts&_remote=1');
    like($list->{body}, qr/Draft of $way/, "$way: is listed");
    my ($uid) = $list->{body} =~ /add_message_row\((\d+)/;
    $page = $client->get("/?_task=mail&_action=show&_mbox=Drafts&_uid=$uid");
    like($page->{body}, qr/Words of the $way/, "$way: is shown");
    my ($part) = $page->{body} =~ /(?:_part=|"part)([\d.]+)/;
    $r = $client->get("/?_task=mail&_action=get&_mbox=Drafts&_uid=$uid"
                      . "&_part=$part&_download=1&_token=$token");
    ok($r->{body} eq $bytes, "$way: its file comes back byte for byte");
    return;
}

# A folder is made by a POST whose client has gone.
sub job {
    my ($client, $way, $token) = @_;
    my $body = "_token=$token&_name=Late&_parent=&_mbox=&_framed=1";
    post_and_leave($client, '/?_task=settings&_action=save-folder', $body);
    my $made = wait_for { -d "$dir/imap/mail/ann-$way/.Late" } 60, 'a folder';
    ok($made, "$way: a folder is made though the client has gone");
    return;
}

for my $way (qw(pool scripts)) {
    served($httpd, $common . $way{$way}->($site, \@php, @line));
    my $client = FCGIPM::Client->new($httpd->port);
    my $token = login($client, $way);
    mail($client, $way, $token);
    job($client, $way, $token);
    reload_under_load($httpd, $way, sub {
        my $r = $_[0] == 1
            ? $client->once('/?_task=mail&_action=list&_mbox=Drafts&_remote=1')
            : FCGIPM::Client->new($httpd->port)->once('/');
        return $r->{error} if defined $r->{error};
        return "status $r->{status}" if $r->{status} != 200;
        return $r->{body} =~ /Draft of $way|_pass/ ? undef : 'another page';
    });
    is(slurp("$dir/php/php.log"), '', "$way: PHP has no complaint");
    is(slurp("$site/logs/errors.log") =~ /PHP Error|DB Error/ ? 1 : 0, 0,
       "$way: nor has Roundcube") or diag(slurp("$site/logs/errors.log"));
}
is($httpd->stop, 0, 'httpd stops');
ok($imap->signal('TERM') && defined $imap->wait(60), 'Dovecot stops');
done_testing;
