#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Request Tracker with SQLite, in Debian's FastCGI program: as a pool at a
# prefix, and as a script.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Apps;
use FCGIPM::Client;
use FCGIPM::HTTP;
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my $share = '/usr/share/request-tracker5';
my $server = "$share/libexec/rt-server.fcgi";
my $setup = '/usr/sbin/rt-setup-database-5';
need($server, $setup);
my $httpd = FCGIPM::Httpd->new(
    modules => [qw(mime dir rewrite)], head => "TypesConfig /etc/mime.types\n");
my $dir = $httpd->dir;
my $var = owned("$dir/rt", "$dir/rt/log");
owned("$dir/rt/sessions", "$dir/rt/mason", "$dir/etc");
my $sent = "$dir/rt/mail";
write_script("$dir/sendmail", "cat >> $sent");

# --- a private site ---------------------------------------------------------

# RT reads no other file; its caches are where the program is told.
sub configure {
    my ($path) = @_;
    write_file("$dir/RT_SiteConfig.pm", <<"END", 0644);
Set(\$rtname, 'served by fcgipm');
Set(\$Organization, 'example.org');
Set(\$CorrespondAddress, 'rt\@example.org');
Set(\$WebDomain, '127.0.0.1');
Set(\$WebPort, ${\ $httpd->port});
Set(\$WebPath, '$path');
Set(\$DatabaseType, 'SQLite');
Set(\$DatabaseName, '$var/db');
Set(\$WebSessionClass, 'Apache::Session::File');
Set(\$MailCommand, 'sendmailpipe');
Set(\$SendmailPath, '$dir/sendmail');
Set(\$LogToSyslog, undef);
Set(\$LogToSTDERR, 'warning');
Set(\$LogToFile, undef);
Set(\$Timezone, 'UTC');
Set(\$RestrictReferrer, 1);
\$RT::MasonDataDir = '$var/mason';
\$RT::MasonSessionDir = '$var/sessions';
\$RT::VarPath = '$var';
1;
END
    return;
}

my %env = (RT_SITE_CONFIG => "$dir/RT_SiteConfig.pm",
           RT_SITE_CONFIG_DIR => "$dir/etc");
configure('/deep/rt');
write_file("$dir/password", "S3cret\n", 0644);
my $proc = FCGIPM::Test::start(
    cmd => [$setup, qw(--action init --force --root-password-file),
            "$dir/password"],
    env => \%env, as => worker_user(), out => "$dir/setup.log",
    err => "$dir/setup.log");
my $status = $proc->wait(600);
is($status, 0, 'the database is made') or diag(slurp("$dir/setup.log"));

my $docs = "$dir/site";
mkdir $docs or die "$docs: $!";
write_script("$docs/rt.fcgi", "exec $server");
my @line = (patient(), map { "FcgiPMSetEnv $_ $env{$_}" } sort keys %env);
my $static = "<Directory $share/static>\n    Require all granted\n"
    . "</Directory>\n";
my %way = (
    pool => ['/deep/rt', "${static}Alias /deep/rt/static $share/static\n"
        . pool('rt', [$server], 'FcgiPMProcesses 2 3', @line)
        . "FcgiPMAlias /deep/rt rt\n"],
    script => ['/rt.fcgi', "DocumentRoot $docs\n"
        . scripts($docs, 'FcgiPMProcesses 0 3', @line)],
);

# --- what a person does -----------------------------------------------------

sub login {
    my ($client, $way, $at) = @_;
    my $page = $client->get("$at/");
    like($page->{body}, qr/<title>Login<|Login to served|name="pass"/,
         "$way: the front page");
    my ($style) = $page->{body}
        =~ m{href="(\Q$at\E/NoAuth/css/[^"]*\.css)"};
    like($client->get($style)->{header}{'content-type'}, qr{^text/css},
         "$way: its style");
    my $in = $client->submit($page, qr/name="pass"/, user => 'root',
                             pass => 'wrong');
    like($in->{body}, qr/username or password is incorrect/,
         "$way: a wrong password");
    $in = $client->submit($in, qr/name="pass"/, user => 'root',
                          pass => 'S3cret');
    like($in->{body}, qr/RT at a glance|Newest unowned|Logout/i,
         "$way: login");
    return;
}

sub ticket {
    my ($client, $way, $at) = @_;
    my $bytes = upload_bytes(1_500_000);
    my $page = $client->get("$at/Ticket/Create.html?Queue=1");
    $page = $client->submit($page, qr/name="Subject"/,
        Subject => "Ticket of $way", Content => "Words of the $way",
        Requestors => 'visitor@example.net', SubmitTicket => 'Create',
        Attach => ["$way.bin", 'application/octet-stream', $bytes]);
    my ($id) = $page->{body} =~ /Ticket (\d+) created in queue/;
    ok($id, "$way: a ticket") or diag(substr $page->{body}, 0, 3000), return;
    $page = $client->get("$at/Ticket/Display.html?id=$id");
    like($page->{body}, qr/Ticket of $way/, "$way: is shown");
    my ($path) = $client->get("$at/Ticket/Display.html?id=$id&ForceShowHistory=1")
        ->{body} =~ m{"(\Q$at\E/Ticket/Attachment/\d+/\d+/\Q$way\E\.bin)"};
    ok($path, "$way: its attachment") or return $id;
    ok($client->get($path)->{body} eq $bytes,
       "$way: comes back byte for byte");
    my $mailed = wait_for { slurp($sent) =~ /Ticket of $way/ } 60, 'a mail';
    ok($mailed, "$way: the requestor gets a mail");
    is($client->get("$at/Ticket/None.html")->{status}, 404,
       "$way: a page that is not there");
    return $id;
}

# The mail gateway: a POST whose client has gone makes a ticket.
sub job {
    my ($client, $way, $at) = @_;
    my $mail = "From: root\@localhost\nTo: rt\@example.org\n"
        . "Subject: Late $way\n\nSome words\n";
    my $mark = 'fcgipm-of-rt';
    my $body = join '', map {
        "--$mark\r\nContent-Disposition: form-data; name=\"$_->[0]\"\r\n\r\n"
            . "$_->[1]\r\n"
    } [queue => 'General'], [action => 'correspond'], [SessionType => 'REST'],
        [message => $mail];
    $body .= "--$mark--\r\n";
    leave($httpd->port, join "\r\n",
          "POST $at/REST/1.0/NoAuth/mail-gateway HTTP/1.1",
          'Host: 127.0.0.1:' . $httpd->port,
          "Content-Type: multipart/form-data; boundary=$mark",
          'Content-Length: ' . length $body, '', $body);
    my $made = wait_for {
        $client->get("$at/Search/Results.html?Query=Subject%20LIKE%20'Late'")
            ->{body} =~ /Late $way/
    } 90, 'the ticket of a mail';
    ok($made, "$way: a mail becomes a ticket though the gateway has gone");
    return;
}

for my $way (qw(pool script)) {
    my ($at, $config) = @{ $way{$way} };
    configure($at);
    served($httpd, $config);
    my $client = FCGIPM::Client->new($httpd->port);
    login($client, $way, $at);
    my $id = ticket($client, $way, $at) or next;
    job($client, $way, $at);
    reload_under_load($httpd, $way, sub {
        # a session is locked: others are strangers, who get the login
        my $r = $_[0] == 1 ? $client->once("$at/Ticket/Display.html?id=$id")
            : FCGIPM::Client->new($httpd->port)->once("$at/");
        return $r->{error} if defined $r->{error};
        return "status $r->{status}" if $r->{status} != 200;
        return $r->{body} =~ /Ticket of $way|name="pass"/ ? undef
            : 'another page';
    });
}
ends_well($httpd);
done_testing;
