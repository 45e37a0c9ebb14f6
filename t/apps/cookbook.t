#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# docs/admin/cookbook, as written: each page's files are written, its commands
# run, its site served by an httpd with Debian's defaults, and what its checks
# say is compared.  In a mount namespace, so that /etc, /srv and the like are
# those of the machine again when it is over.  Only the port is another one.
#
# FCGIPM_RECIPES="plack rack": only these.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Apps;
use FCGIPM::Httpd;
use FCGIPM::Recipe;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

# What a recipe writes to is a layer above the machine's own.
my $APART = <<'END';
set -e
top=$1; shift
mount -t tmpfs -o mode=755 tmpfs "$top"
for dir in /etc /home /run /srv /var/lib; do
    mkdir -p "$top$dir/new" "$top$dir/work"
    mount -t overlay -o "lowerdir=$dir,upperdir=$top$dir/new,workdir=$top$dir/work" overlay $dir
done
FCGIPM_APART=1 exec "$@"
END

if (!$ENV{FCGIPM_APART}) {
    plan skip_all => 'it writes to /etc and /srv, in a namespace: for root'
        if $> != 0;
    my $top = tmp_dir();
    plan skip_all => 'no mount namespace, or no overlay, can be had'
        if system("unshare -m sh -c '$APART' sh $top true >$top.said 2>&1");
    exit(system('unshare', '-m', 'sh', '-c', $APART, 'sh', $top, $^X, $0) >> 8);
}

# --- the machine that a recipe is for ---------------------------------------

# Debian's apache2.conf, and the modules that it has on.
my @MODULES = qw(authz_host auth_basic authn_core authn_file authz_user
                 autoindex deflate dir env filter mime negotiation reqtimeout
                 setenvif);
my $DEFAULTS = <<'END';
TypesConfig /etc/mime.types
DirectoryIndex index.html index.cgi index.pl index.php index.xhtml index.htm
<Directory />
    Options FollowSymLinks
    AllowOverride None
    Require all denied
</Directory>
<Directory /usr/share>
    AllowOverride None
    Require all granted
</Directory>
<Directory /var/www/>
    Options Indexes FollowSymLinks
    AllowOverride None
    Require all granted
</Directory>
AddOutputFilterByType DEFLATE text/html text/plain text/xml text/css
AddOutputFilterByType DEFLATE application/javascript application/json
END

# A package whose program is enough, or another one in its place.
my %INSTEAD = ('mariadb-server' => '/usr/sbin/mariadbd', npm => 'npm');

sub is_here {
    my ($package) = @_;
    my $other = $INSTEAD{$package};
    return 1 if defined $other && (-x $other || have($other));
    return `dpkg-query -W -f '\${db:Status-Status}' $package 2>&1` eq 'installed';
}

# --- what the page says -----------------------------------------------------

sub shell {
    my ($httpd, $text) = @_;
    my $out = $httpd->dir . '/shell.out';
    unlink $out;
    my $proc = FCGIPM::Test::start(
        cmd => ['/bin/sh', '-e', '-c', $text], cwd => '/root',
        env => { HOME => $httpd->dir . '/home', LANG => 'C.UTF-8',
                 PATH => '/usr/sbin:/usr/bin:/sbin:/bin' },
        out => $out, err => $out);
    my $status = $proc->wait(600);
    kill_tree($proc->pid) if !defined $status;
    return (defined $status && $status eq '0', slurp($out));
}

sub file_step {
    my ($httpd, $path, $text) = @_;
    my ($dir) = $path =~ m{^(.*)/};
    system('mkdir', '-p', $dir) == 0 or die "mkdir $dir";
    write_file($path, $text, 0644);
    return 1;
}

sub run_step {
    my ($httpd, $text) = @_;
    my ($done, $said) = shell($httpd, $text);
    ok($done, "its commands: " . ($text =~ /^(.*)$/m)[0]) or diag($text, $said);
    return $done;
}

sub site_step {
    my ($httpd, $text) = @_;
    is($httpd->stop, 0, 'httpd stops') if $httpd->pid;
    my $to = '127.0.0.1:' . $httpd->port;
    $text =~ s/<VirtualHost \*:80>/<VirtualHost $to>/g;
    $httpd->write_config($text);
    my ($status, $said) = $httpd->run('-t');
    is($said, "Syntax OK\n", 'httpd -t has nothing to say');
    my $done = $httpd->start;
    ok($done, 'httpd serves it');
    return $done;
}

sub check_step {
    my ($httpd, @check) = @_;
    for my $check (@check) {
        my ($command, @line) = @$check;
        my $here = $command =~ s{http://localhost}{'http://127.0.0.1:' . $httpd->port}er;
        my (undef, $said) = shell($httpd, $here);
        is($said, join('', map { "$_\n" } @line), $command)
            or diag($httpd->log), return 0;
    }
    return 1;
}

my %STEP = (file => \&file_step, run => \&run_step, site => \&site_step,
            check => \&check_step);

# A server of databases where the page's client looks for it.
sub database {
    my ($httpd) = @_;
    my $server = mariadb($httpd->dir . '/db');
    mkdir '/run/mysqld';
    symlink $httpd->dir . '/db/mysql.sock', '/run/mysqld/mysqld.sock'
        or die "mysqld.sock: $!";
    return $server;
}

sub follow {
    my ($page) = @_;
    my @none = grep { !is_here($_) } @{ $page->{packages} };
    plan skip_all => "not installed: @none (make check-apps as root does it)"
        if @none;
    my $httpd = FCGIPM::Httpd->new(
        modules => [@MODULES, @{ $page->{modules} }], head => $DEFAULTS);
    mkdir $httpd->dir . '/home';
    my $db = grep({ $_ eq 'mariadb-server' } @{ $page->{packages} })
        ? database($httpd) : undef;
    like(join(' ', map { $_->[0] } @{ $page->{steps} }),
         qr/^(?:(?:file |run )*site check ?)+$/, 'a check follows each site');
    for my $step (@{ $page->{steps} }) {
        my ($kind, @arg) = @$step;
        $STEP{$kind}->($httpd, @arg) or last;
    }
    if ($httpd->pid) {
        # what a worker itself says is logged as a warning
        is_deeply([grep { /:(?:warn|error|crit|alert|emerg)\]/
                          && !/pool \S+: pid \d+: / } split /\n/, $httpd->log],
                  [], 'nothing to warn of');
        is($httpd->stop, 0, 'httpd stops');
    }
    return;
}

my @name = split ' ', $ENV{FCGIPM_RECIPES} || join ' ', recipes();
for my $name (@name) {
    subtest $name => sub { follow(recipe($name)); done_testing };
}
wait_for { !descendants() } 20, 'the end of all';
done_testing;
