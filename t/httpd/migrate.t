#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# fcgipm-migrate: eleven configurations of mod_fcgid and php-fpm become ones
# that httpd takes; php-fpm's answers are those of mod_fcgipm; docs/admin has its
# rows, and rows are there for all directives that the peers here know.
# t/apps/migrate.t compares the answers with mod_fcgid's.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Migrate;
use FCGIPM::Test;
use Test::More;

# --- what becomes of each
# case => status, what the configuration has, what it has not
my %EXPECT = (
    suexec => [0, [
        qr{^    <FcgiPMScripts \S+/ann/www>\n}m,
        qr{^\s+FcgiPMWrapper\ \S+/ann/bin/php-wrapper\ \.php\n
           \s+FcgiPMProcesses\ 0\ 4\n\s+</}mx,
        qr{FcgiPMProcesses 0 2\n        FcgiPMSetEnv APP bob\n},
        qr{^    SuexecUserGroup \S+ \S+$}m, qr{^FcgiPMMaxProcesses 200$}m,
        qr{^# FcgidSpawnScoreUpLimit 20\n#   \(\S+/main\.conf:4\) not needed:}m,
        qr{^FcgiPMIOTimeout 40s$}m]],
    trac => [0, [
        qr{^\s+<FcgiPMScripts\ \S+/cgi-bin>\n\s+FcgiPMProcesses\ 0\ 100\n
           \s+FcgiPMSetEnv\ TRAC_ENV\ "\S+/trac\ env"\n}mx,
        qr{^        Options \+ExecCGI\n}m,
        qr{^    AddHandler fcgipm-script \.fcgi}m,
        qr{^    FcgiPMIOTimeout 90s}m, qr{^<IfModule mod_fcgipm\.c>}m]],
    mapserver => [0, [
        qr{FcgiPMSetEnv MS_MAPFILE \S+/world\.map\n},
        qr{/maps>\n\s+FcgiPMProcesses\ 0\ 100\n\s+FcgiPMSetEnv\ MS_MAPFILE
           \ \S+/maps\.map\n}x,
        qr{^LimitRequestBody 15728640$}m,
        qr{^FcgiPMMaxRequests 1000$}m, qr{^FcgiPMRequestTimeout 120s$}m]],
    moodle => [0, [
        qr{FcgiPMWrapper "\S+ -d memory_limit=200M" \.php\n},
        qr{FcgiPMWrapper /\S+ \* virtual\n},
        qr{FcgiPMSetEnv APP "moodle \\"lms\\""\n}, qr{FcgiPMProcesses 0 16\n},
        qr{^FcgiPMRequestBuffer 1048576$}m,
        qr{^FcgiPMProcessLifetime 7200s$}m]],
    gitweb => [1, [
        qr{<FcgiPMScripts\ \S+/gitweb>\n\s+FcgiPMProcesses\ 0\ 5\n
           \s+FcgiPMIdleTimeout\ 30s\n
           \s+FcgiPMSetEnv\ GITWEB_CONFIG\ /etc/gitweb\.conf\n}x,
        qr{/viewvc>\n\s+FcgiPMProcesses 0 100\n\s+FcgiPMIdleTimeout 300s\n},
        qr{FcgiPMIOTimeout 75s\n\s+FcgiPMMaxRequests 100\n},
        $> ? () : qr{/viewvc\.fcgi belongs\n\s+FcgiPMScriptOwner any\n},
        qr{^# FcgidCmdOptions \S+/old\.fcgi .*\n#   TODO \(\S+:7\)}m]],
    hosting => [1, [
        qr{^\s*<FcgiPMPool door>$}m, qr{^        FcgiPMAccessChecker door$}m,
        qr{^        Require fcgipm door\n}m, qr{CGIPassAuth On},
        qr{FcgiPMSetEnv SITE \$\{SITES\}\n\s+FcgiPMSetEnv SHOP one\n},
        qr{FcgiPMProcesses 1 6}, qr{^FcgiPMMaxRequests 0$}m,
        qr{^# --- \S+/sites\.d/shop\.conf$}m,
        qr{TODO \(\S+:25\) not in force here},
        qr{TODO \(\S+/shop\.conf:14\)}, qr{TODO \(\S+/shop\.conf:19\)}]],
    panel => [1, [
        qr{FcgiPMWrapper \S+/starter \.php3\n\s+FcgiPMWrapper \S+ \.php\n},
        qr{FcgiPMRequestTimeout 3600s\n}, qr{^\tLimitRequestBody 1073741824$}m,
        qr{TODO \(\S+/web1/sub/\.htaccess:2\)}, qr{TODO \(\S+:56\)}]],
    debian => [0, [
        qr{^    FcgiPMCommand /usr/bin/php-cgi\S* -c \S+/fpm/php\.ini$}m,
        qr{^    FcgiPMProcesses 2 5\n    FcgiPMSpareProcesses 1$}m,
        qr{^    SetHandler fcgipm:www$}m]],
    ondemand => [0, [
        qr{^FcgiPMDieTimeout 10s\nFcgiPMMaxProcesses 40\n}m,
        qr{FcgiPMProcesses 0 8\n    FcgiPMIdleTimeout 30s\n},
        qr{FcgiPMMaxRequests 500\n    FcgiPMRequestTimeout 2min\n},
        qr{^    FcgiPMPhpValue date\.timezone Europe/Berlin$}m,
        qr{^    FcgiPMPhpValue display_errors 0$}m,
        qr{PhpAdminValue sendmail_path "/\S+ -t -i -f www\@example\.org"$}m,
        qr{^    FcgiPMPhpAdminValue memory_limit 96M$}m,
        qr{FcgiPMNoNewPrivs off}, qr{FcgiPMSetEnv APP "a b"\n}]],
    chroot => [1, [
        qr{FcgiPMProcesses 3\n},
        qr{^    FcgiPMChroot \S+\n    FcgiPMDirectory /\n}m,
        qr{FcgiPMSlowLog 5s}, qr{FcgiPMRLimit core unlimited},
        qr{FilesMatch "\\\.\(\?:php\|php3\)\$"}]],
    users => [1, [
        qr{<FcgiPMPool\ ann>.*FcgiPMProcesses\ 2\ 6.*</FcgiPMPool>.*
           <FcgiPMPool\ bob>.*FcgiPMProcesses\ 2\n}sx,
        qr{process\.dumpable = yes\n\s*#   \(\S+:14\) not needed: a worker can},
        qr{FcgiPMRLimit nofile 512}, qr{FcgiPMNice 5}, qr{FcgiPMSlowLog 3s},
        qr{FcgiPMPhpAdminValue log_errors 1\n}, qr{FcgiPMSetEnv HOME /tmp\n},
        qr{<Location /fpm-status>\n    SetHandler fcgipm-status\n},
        qr{# <FilesMatch}]],
);

for my $case (cases('mod_fcgid'), cases('php-fpm')) {
    my $name = $case->{name};
    SKIP: {
        skip "$name: $case->{skip}", 1 if $case->{skip};
        my ($expected, $has) = @{ $EXPECT{$name} };
        my ($status, $config, $said) = migrate($case);
        is($status, $expected, "$name: exit status") or diag($said);
        my @lost = grep { $config !~ $_ } @$has;
        is_deeply(\@lost, [], "$name: what it has become") or diag($config);
        unlike($config, qr/^\s*(?:Fcgid|fcgid-script|php_)/mi,
               "$name: nothing of $case->{peer} is left");
        my $todo = () = $config =~ /^\s*#   TODO /mg;
        my $told = () = $said =~ /^  \S+:\d+: /mg;
        is($told, $todo, "$name: each TODO is told on standard error");
        my $httpd = after($case);
        my ($rc, $words) = $httpd->run('-t');
        is($rc, 0, "$name: httpd -t") or diag($words, $config);
        is(scalar(() = $config =~ /^\s*<FcgiPMScripts /mg), 1,
           'panel: one directory, one section') if $name eq 'panel';
        served($case, $httpd) if $name =~ /^(?:users|ondemand|suexec)$/;
    }
}

# --- the same answers
sub served {
    my ($case, $httpd) = @_;
    my @old = $case->{peer} eq 'php-fpm' ? by_fpm($case) : ();
    return if $case->{peer} eq 'php-fpm' && !@old;
    ok($httpd->start, "$case->{name}: httpd starts") or return;
    my @new = answers($httpd, $case);
    is_deeply(\@new, \@old, "$case->{name}: the same answers") if @old;
    like($new[0], qr/^\S+ 200\n/, "$case->{name}: an answer");
    is($httpd->stop, 0, "$case->{name}: httpd stops");
    like(join("\n", @new), qr/memory_limit=61M.*memory_limit=62M/s,
         'suexec: each user has a php.ini') if $case->{name} eq 'suexec';
    return;
}

sub by_fpm {
    my ($case) = @_;
    my $program = fpm_program() or return;
    my $fpm = start(cmd => [$program, '-F', '-y', $case->{file}],
                    err => "$case->{dir}/fpm.err");
    my $socket = $case->{name} eq 'users' ? 'bob' : 'shop';
    wait_for { -S "$case->{dir}/run/$socket.sock" || !$fpm->alive } 20,
        'php-fpm';
    my $httpd = before($case);
    ok($httpd->start, "$case->{name}: httpd starts before php-fpm") or return;
    my @answer = answers($httpd, $case);
    is($httpd->stop, 0, "$case->{name}: it stops");
    $fpm->signal('TERM');
    $fpm->wait(20);
    return @answer;
}

# --- the command itself
sub run {
    my (@arg) = @_;
    my $out = tmp_dir() . '/out';
    my $proc = start(cmd => [tool(), @arg], out => $out, err => $out);
    return ($proc->wait(20), slurp($out));
}

like((run('--version'))[1], qr/^fcgipm-migrate \d+\.\d+/, '--version');
like((run('--help'))[1], qr/^usage: /, '--help');
is((run('apache'))[0], 2, 'another server');
is((run('mod_fcgid', '/nowhere'))[0], 2, 'no such file');
{
    my $dir = tmp_dir();
    my $file = write_file("$dir/a.conf", "FcgidIOTimeout 7\n<Directory /x>\n");
    my ($status, $said) = run('mod_fcgid', $file);
    is($status, 2, 'a section without its end');
    like($said, qr{\Q$file\E: <Directory> without </Directory>}, 'is named');
    write_file($file, "Include sub.conf\nFcgidWrapper /bin/php .php\n");
    write_file("$dir/sub.conf", "AddHandler fcgid-script .php\n"
               . "FcgidIOTimeout soon\nDocumentRoot /srv\n");
    write_file("$dir/envvars", "export APACHE_RUN_USER=www-data\n");
    ($status, $said) = run('--write', "$dir/new", 'mod_fcgid', $file);
    is($status, 1, '--write, and something to decide');
    like(slurp("$dir/new$dir/sub.conf"), qr/^AddHandler fcgipm-script \.php\n/,
         'writes each file');
    like(slurp("$dir/new$dir/a.conf"), qr/^Include sub\.conf\n/,
         'which include each other');
    like($said, qr/sub\.conf:2: FcgidIOTimeout soon/, 'a value that is none');
    write_file($file, join '', map { "LoadModule ${_}_module mod_$_.so\n" }
               qw(fcgid fcgipm));
    like((run('mod_fcgid', $file))[1],
         qr/^# LoadModule fcgid.*\n#   \(.*\bnot needed: mod_fcgipm is loaded/m,
         'a module that is loaded is not loaded twice');
    write_file($file, "[a]\nuser = root\nno_such = 1\n");
    ($status, $said) = run('php-fpm', $file);
    is($status, 1, 'a directive that php-fpm has not');
    like($said, qr/a\.conf:3: no_such = 1/, 'is named');
}

# --- php-fpm's requests in httpd's configuration
{
    my $dir = tmp_dir();
    write_file("$dir/fpm.conf", join '', map { "[$_->[0]]\nuser = www-data\n"
        . "pm = static\npm.max_children = 2\nlisten = $_->[1]\n" }
        ['ann', '/run/ann.sock'], ['bob', '127.0.0.1:9001'],
        ['eve', '/run/eve.sock']);
    my $file = write_file("$dir/httpd.conf", <<'END');
<IfModule proxy_fcgi_module>
    <FilesMatch "\.php$">
        SetHandler "proxy:unix:/run/ann.sock|fcgi://localhost"
    </FilesMatch>
</IfModule>
SetHandler proxy:fcgi://localhost:9001
SetHandler proxy:fcgi://localhost:9002
ProxyPassMatch ^/(.*\.php)$ fcgi://127.0.0.1:9001/srv/$1
END
    my ($status, $text) = run('--php', '/bin/true', '--httpd', $file, 'php-fpm',
                              "$dir/fpm.conf");
    is($status, 1, '--httpd');
    like($text, qr/^<IfModule fcgipm_module>\n.*\n {8}SetHandler fcgipm:ann\n/m,
         'a unix socket, whatever mod_proxy_fcgi');
    like($text, qr/^SetHandler fcgipm:bob\nSetHandler proxy:fcgi:\S+9002\n/m,
         'a TCP socket, and one of another program');
    like($text, qr/TODO \(\S+:8\)/, 'ProxyPassMatch is left to decide');
    unlike($text, qr/^#? *SetHandler fcgipm:ann.*SetHandler fcgipm:ann/ms,
           'what has its way needs no other');
    like($text, qr/^# <FilesMatch .*\n#     SetHandler fcgipm:eve/m,
         'a pool that httpd does not name');
}

SKIP: {
    my ($conf) = glob '/etc/apache2/conf-available/php*-fpm.conf';
    my ($case) = grep { $_->{name} eq 'debian' } cases('php-fpm');
    skip 'not as Debian has it', 3 if !$conf || $case->{skip};
    my $file = write_file("$case->{dir}/httpd.conf", "Include $conf\n");
    is((migrate($case, '--httpd', $file))[0], 0, 'conf-available/php-fpm');
    push @{ $case->{modules} }, 'setenvif';
    my $httpd = after($case);
    ok($httpd->start, 'httpd starts');
    like((answers($httpd, $case))[0], qr{^\S+ 200\n.*SCRIPT_NAME=/page\.php\n}s,
         'and has PHP');
    $httpd->stop;
}

# --- what bash offers
SKIP: {
    my $bash = have('bash') or skip 'bash is missing', 3;
    my $offered = sub {
        my $out = tmp_dir() . '/out';
        start(cmd => [$bash, '-c', 'source "$1"; shift; COMP_WORDS=("$@"); '
                      . 'COMP_CWORD=$(($# - 1)); _fcgipm_migrate; '
                      . 'echo "${COMPREPLY[@]}"', 'bash',
                      root() . '/packaging/fcgipm-migrate.bash', 'x', @_],
              out => $out, err => $out)->wait(20);
        return slurp($out);
    };
    is($offered->(''), "mod_fcgid php-fpm\n", 'completion: the peers');
    my $file = root() . '/packaging/fcgipm-migrate.bash';
    is($offered->('mod_fcgid', substr $file, 0, -2), "$file\n", 'a file');
    my %option = map { $_ => 1 } (run('--help'))[1] =~ /(--\w+)/g;
    is_deeply([sort split ' ', $offered->('--')], [sort keys %option],
              'the options');
}

# --- the rows and the documents
for (['mod_fcgid', 'from-mod_fcgid.md'], ['php-fpm', 'from-php-fpm.md']) {
    my ($peer, $page) = @$_;
    my $text = slurp(root() . "/docs/admin/$page");
    my @lost = grep { index($text, "$_\n") < 0 }
        split /\n/, (run('--rows', $peer))[1];
    is_deeply(\@lost, [], "$page has the rows of fcgipm-migrate");
}

# --- all directives of the peers are there
sub rows_of { return map { /^\| (.*?) \|/ ? $1 =~ tr/`//dr : () }
                  split /\n/, (run('--rows', $_[0]))[1] }

my $fcgid = FCGIPM::Httpd::modules_dir() . '/mod_fcgid.so';
SKIP: {
    skip 'mod_fcgid is not here', 2 unless -e $fcgid;
    my $binary = slurp($fcgid);
    my %has = map { $_ => 1 } rows_of('mod_fcgid');
    my @new = $binary =~ /\0(Fcgid[A-Z]\w+)(?=\0)/g;
    cmp_ok(scalar @new, '>', 25, 'mod_fcgid.so has told its directives');
    is_deeply([grep { !$has{$_} } @new], [], 'each has a row');
}

# The other peers have pages without a tool.  FCGIPM_PEERS: a directory with
# modules that are not installed.
for (['mod_proxy', 'from-mod_proxy_fcgi.md', qr/(?:Proxy|Balancer)[A-Z]\w+/],
     ['mod_proxy_fcgi', 'from-mod_proxy_fcgi.md', qr/ProxyFCGI\w+/],
     ['mod_wsgi', 'from-passenger-and-mod_wsgi.md', qr/WSGI[A-Z]\w+/],
     ['mod_passenger', 'from-passenger-and-mod_wsgi.md',
      qr/(?:Passenger|Rails|Rack)[A-Z]\w+/]) {
    my ($module, $page, $directive) = @$_;
    my ($path) = grep { -e } map { "$_/$module.so" }
        FCGIPM::Httpd::modules_dir(), $ENV{FCGIPM_PEERS} || ();
    SKIP: {
        skip "$module is not here", 2 unless $path;
        my $text = slurp(root() . "/docs/admin/$page");
        my @name = slurp($path) =~ /(?<=\0)($directive)(?=\0)/g;
        cmp_ok(scalar @name, '>', 1, "$module has told its directives");
        is_deeply([grep { $text !~ /`$_`/ } @name], [],
                  "$page has each of $module");
    }
}

my $fpm = fpm_program();
SKIP: {
    skip 'php-fpm is not here', 2 unless $fpm;
    my $dir = tmp_dir();
    my $user = worker_user();
    write_file("$dir/fpm.conf", "[global]\nerror_log=$dir/log\n[w]\n"
               . (defined $user ? "user=$user\n" : '')
               . "listen=$dir/s\npm=ondemand\npm.max_children=1\n");
    my $text = `'$fpm' -tt -y '$dir/fpm.conf' 2>&1`;
    my ($part, @name) = ('');
    for (split /\n/, $text) {
        $part = $1 eq 'global' ? '[global] ' : '' if /\[(global|w)\]\s*$/;
        push @name, "$part$1" if /NOTICE:\s+([\w.]+)(?:\[\])? = /;
    }
    my %has = map { $_ => 1 } rows_of('php-fpm');
    cmp_ok(scalar @name, '>', 40, 'php-fpm has told its directives');
    is_deeply([grep { !$has{$_} } @name], [], 'each has a row');
}

done_testing;
