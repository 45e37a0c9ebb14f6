# SPDX-License-Identifier: Apache-2.0
package FCGIPM::Apps;

=head1 NAME

FCGIPM::Apps - applications from Debian, private and served in two ways

=cut

use strict;
use warnings;

use Exporter 'import';
use FCGIPM::Client;
use FCGIPM::HTTP;
use FCGIPM::Httpd;
use FCGIPM::Load;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Socket::INET;
use Test::More;

our @EXPORT = qw(
    by_pool by_scripts copied leave mariadb need owned patient php
    post_and_leave reload reload_under_load served upload_bytes
);

=head2 need(PATH...)

Skips the test unless all of these files are there, and says how to get them.

=cut

sub need {
    my @none = grep { !-e } @_;
    plan skip_all => "not here: @none (make check-apps as root installs them)"
        if @none;
    return;
}

=head2 copied(FROM, TO), owned(DIRECTORY...)

A copy that is the test's own, without links and without what they do not lead
to, and directories that the worker's user can write to.  Both give the
directory.

=cut

sub copied {
    my ($from, $to) = @_;
    my @said = grep { !/cannot stat/ } `LC_ALL=C cp -rL '$from' '$to' 2>&1`;
    die "cp $from $to: @said" if @said || !-e $to;
    system('chmod', '-R', 'u+w,a+rX', $to) == 0 or die "chmod $to: $?";
    return $to;
}

sub owned {
    my @dir = @_;
    for my $dir (@dir) {
        -d $dir or mkdir $dir or die "$dir: $!";
        chown worker_uid(), worker_gid(), $dir or die "$dir: $!" if $> == 0;
    }
    return $dir[0];
}

=head2 php(DIRECTORY, SETTING => VALUE...)

The command of a php-cgi whose sessions, uploads and log are in DIRECTORY.

=cut

sub php {
    my ($dir, %more) = @_;
    owned($dir);
    my %ini = (
        'session.save_path' => $dir, 'upload_tmp_dir' => $dir,
        'sys_temp_dir' => $dir, 'error_log' => "$dir/php.log",
        'log_errors' => 1, 'display_errors' => 0,
        'upload_max_filesize' => '64M', 'post_max_size' => '64M',
        'max_execution_time' => 120, %more);
    return (have('php-cgi'), map { ('-d', "$_=$ini{$_}") } sort keys %ini);
}

=head2 patient()

Lines for a pool whose workers take long to start, and to answer, on a busy
machine.  FCGIPM_PRELOAD=on (auto) adds FcgiPMPreload.

=cut

sub patient {
    return ((map { "FcgiPM$_ 3min" } qw(StartTimeout QueueTimeout IOTimeout)),
            map { "FcgiPMPreload $_" } $ENV{FCGIPM_PRELOAD} || ());
}

=head2 by_pool(DIRECTORY, COMMAND, LINE...), by_scripts(DIRECTORY, COMMAND,
LINE...)

The configuration that has the PHP files below DIRECTORY answered by COMMAND (a
list reference): as files of a pool named C<php>, or as scripts.

=cut

sub by_pool {
    my ($root, $command, @line) = @_;
    return pool('php', $command, 'FcgiPMProcesses 1 6', patient(), @line)
        . "<Directory $root>\n    AllowOverride All\n    Options +FollowSymLinks\n"
        . "    <FilesMatch \"\\.php\$\">\n        SetHandler fcgipm:php\n"
        . "    </FilesMatch>\n</Directory>\n";
}

sub by_scripts {
    my ($root, $command, @line) = @_;
    my $words = join ' ', @$command;
    return "<FcgiPMScripts $root>\n    FcgiPMWrapper \"$words\" .php\n"
        . "    FcgiPMProcesses 0 6\n" . join('', map { "    $_\n" } patient(), @line)
        . "</FcgiPMScripts>\n<Directory $root>\n    AllowOverride All\n"
        . "    Options +FollowSymLinks +ExecCGI\n"
        . "    AddHandler fcgipm-script .php\n</Directory>\n";
}

=head2 served(HTTPD, CONFIG)

Starts httpd with this configuration, instead of the one that it has.

=cut

sub served {
    my ($httpd, $config) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($httpd->stop, 0, 'httpd stops') if $httpd->pid;
    $httpd->write_config($config);
    ok($httpd->start, 'httpd starts') or BAIL_OUT('no httpd');
    return;
}

=head2 leave(PORT, BYTES)

A client that sends a request and closes at once.

=cut

sub leave {
    my ($port, $bytes) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port")
        or die "connect: $!";
    syswrite($s, $bytes) == length $bytes or die "write: $!";
    close $s;
    return;
}

=head2 post_and_leave(CLIENT, PATH, BODY)

The client posts a form, with its cookies, and closes at once.

=cut

sub post_and_leave {
    my ($client, $path, $body) = @_;
    my $cookies = $client->cookies;
    return leave($client->{port}, join "\r\n", "POST $path HTTP/1.1",
                 "Host: 127.0.0.1:$client->{port}",
                 'Cookie: ' . join('; ', map { "$_=$cookies->{$_}" }
                                   keys %$cookies),
                 'Content-Type: application/x-www-form-urlencoded',
                 'Content-Length: ' . length $body, '', $body);
}

=head2 upload_bytes(SIZE)

Bytes of every value, none of them text.

=cut

sub upload_bytes {
    my ($size) = @_;
    my $all = join '', map { chr } 0 .. 255;
    return substr $all x ($size / 256 + 1), 0, $size;
}

=head2 reload(HTTPD)

C<fcgipmctl reload --wait>: true when all workers have been replaced.

=cut

sub reload {
    my ($httpd) = @_;
    my $out = $httpd->dir . '/reload.out';
    my $proc = FCGIPM::Test::start(
        cmd => [program('fcgipmctl') . '', '-s', $httpd->control_socket,
                'reload', '--wait'], out => $out, err => $out);
    my $status = $proc->wait(300);
    return 1 if defined $status && $status eq '0';
    diag('reload: ', slurp($out));
    return 0;
}

=head2 reload_under_load(HTTPD, NAME, REQUEST, ROUNDS)

Clients do REQUEST, which gives undef or a reason, while all workers of all
pools are replaced ROUNDS times: no request fails.

=cut

sub reload_under_load {
    my ($httpd, $name, $request, $rounds) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $load = FCGIPM::Load->new(clients => 4, request => $request);
    my $done = 0;
    for (1 .. $rounds || 3) {
        $load->flows(6, 180) or last;
        $done += reload($httpd);
    }
    $load->flows(6, 180);
    my $sum = $load->stop;
    is($done, $rounds || 3, "$name: reloads in the middle of requests");
    is($sum->{failed}, 0, "$name: none of $sum->{ok} requests failed")
        or diag($load->explain);
    return;
}

=head2 mariadb(DIRECTORY)

A MariaDB of its own below DIRECTORY, as the worker's user, on the socket
F<DIRECTORY/mysql.sock> only, with a user C<app>, password C<secret>, who may do
everything.  Gives the process, whose end is its end.

=cut

sub mariadb {
    my ($dir) = @_;
    owned($dir, "$dir/tmp");
    my @user = defined worker_user() ? ('--user=' . worker_user()) : ();
    my $sql = write_file("$dir/init.sql", join("\n",
        "CREATE USER app\@localhost IDENTIFIED BY 'secret';",
        'GRANT ALL ON *.* TO app@localhost WITH GRANT OPTION;', ''), 0644);
    my @common = ('--no-defaults', "--datadir=$dir/data", @user,
                  "--tmpdir=$dir/tmp");
    _to_the_end([have('mariadb-install-db'), @common,
                 '--auth-root-authentication-method=normal', '--skip-test-db'],
                "$dir/install.log");
    my $server = FCGIPM::Test::start(
        cmd => [have('mariadbd'), @common, "--socket=$dir/mysql.sock",
                "--pid-file=$dir/pid", '--skip-networking',
                "--init-file=$sql", '--innodb-buffer-pool-size=64M',
                '--innodb-flush-log-at-trx-commit=0', '--performance-schema=0'],
        out => "$dir/log", err => "$dir/log");
    wait_for { slurp("$dir/log") =~ /ready for connections/
               || !$server->alive } 120, 'MariaDB';
    die "MariaDB does not start:\n" . slurp("$dir/log")
        unless $server->alive && -S "$dir/mysql.sock";
    return $server;
}

sub _to_the_end {
    my ($command, $log) = @_;
    my $proc = FCGIPM::Test::start(cmd => $command, out => $log, err => $log);
    my $status = $proc->wait(300);
    die "$command->[0]: ", defined $status ? "status $status" : 'no end', "\n",
        slurp($log) unless defined $status && $status eq '0';
    return;
}

1;
