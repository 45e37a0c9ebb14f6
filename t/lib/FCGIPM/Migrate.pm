# SPDX-License-Identifier: Apache-2.0
package FCGIPM::Migrate;

=head1 NAME

FCGIPM::Migrate - configurations of mod_fcgid and php-fpm that are moved

=head1 SYNOPSIS

  for my $case (cases()) {
      my ($status, $config, $said) = migrate($case);
      my $httpd = after($case);            # FCGIPM::Httpd, not started
      my @answer = answers($httpd, $case);
  }

A case is a configuration of F<t/migrate>, with its sites: C<name>, C<peer>,
C<file>, C<dir>, C<port>, C<modules>, C<urls> ([PATH, PORT]...).

=cut

use strict;
use warnings;

use Exporter 'import';
use FCGIPM::HTTP;
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;

our @EXPORT = qw(after answers before cases fpm_program migrate tool);

# What the answers of PHP, and of worker.c, are compared by.
my $PAGE = <<'END';
<?php
header('Content-Type: text/plain');
foreach (['SCRIPT_NAME', 'PATH_INFO', 'SCRIPT_FILENAME', 'REQUEST_URI',
          'QUERY_STRING', 'PHP_SELF'] as $name)
    echo "$name=", $_SERVER[$name] ?? '', "\n";
foreach (['memory_limit', 'upload_max_filesize', 'open_basedir', 'log_errors',
          'date.timezone', 'display_errors', 'session.save_path',
          'sendmail_path', 'disable_functions'] as $name)
    echo "$name=", ini_get($name), "\n";
foreach (['memory_limit' => '200M', 'date.timezone' => 'Asia/Tokyo',
          'log_errors' => 0] as $name => $value)
    echo "set $name=", var_export(@ini_set($name, $value), true), "\n";
foreach (['APP', 'TMPDIR', 'USER', 'HOME', 'PHPRC', 'SHOP'] as $name)
    echo "$name=", getenv($name), "\n";
echo 'cwd=', getcwd(), "\n";
preg_match('/^Uid:\s+\d+\s+(\d+).*^Gid:\s+\d+\s+(\d+)/ms',
           file_get_contents('/proc/self/status'), $m);
echo "uid=$m[1] gid=$m[2]\n";
echo 'body=', strlen(file_get_contents('php://input')), "\n";
END

my %COMPARED = map { $_ => 1 } qw(
    SCRIPT_NAME PATH_INFO SCRIPT_FILENAME REQUEST_URI QUERY_STRING TRAC_ENV
    MS_MAPFILE PROJ_LIB GITWEB_CONFIG SITE SHOP STAGE HTTP_AUTHORIZATION
);

sub fpm_program { my ($path) = glob '/usr/sbin/php-fpm*'; return $path }
sub tool { return program('fcgipm-migrate') }

sub users {
    my $user = worker_user();
    my ($other) = $> == 0 ? grep { defined getpwnam $_ && $_ ne $user }
        qw(nobody games www-data) : ();
    my %name;
    @name{qw(USER USER2)} = map { defined $_ ? $_ : scalar getpwuid $> }
        $user, $other;
    $name{"GROUP$_"} = getgrgid((getpwnam $name{"USER$_"})[3]) for '', 2;
    return %name;
}

# A script of worker.c, a page of PHP.
sub script { install($_[0], 'migrate') }
sub page { write_file($_[0], $PAGE, 0644) }

sub dirs {
    my ($dir, @name) = @_;
    for my $path (map { "$dir/$_" } @name) {
        mkdir $path or die "$path: $!";
        chmod 0755, $path;
    }
    return;
}

sub give {
    my ($user, @path) = @_;
    chown +(getpwnam $user)[2, 3], @path if $> == 0;
    return;
}

# A text of t/migrate with its @NAME@.
sub filled {
    my ($case, $name, $to) = @_;
    my $text = slurp(root() . "/t/migrate/$name");
    $text =~ s/\@([A-Z0-9]+)\@/$case->{word}{$1} or die "$name: \@$1\@"/ge;
    return write_file("$case->{dir}/$to", $text);
}

sub suexec_site {
    my ($case) = @_;
    my $dir = $case->{dir};
    for (['ann', 'USER', '61M'], ['bob', 'USER2', '62M']) {
        my ($name, $user, $limit) = @$_;
        dirs($dir, $name, "$name/www", "$name/bin", "$name/etc");
        write_file("$dir/$name/etc/php.ini", "memory_limit = $limit\n");
        write_script("$dir/$name/bin/php-wrapper",
                     "PHPRC=$dir/$name/etc\nexport PHPRC\n"
                     . "PHP_FCGI_CHILDREN=0\nexport PHP_FCGI_CHILDREN\n"
                     . "exec $case->{word}{PHP}");
        page("$dir/$name/www/page.php");
        give($case->{word}{$user}, map { "$dir/$name/$_" } '', 'www', 'bin',
             'bin/php-wrapper', 'www/page.php');
    }
    return;
}

sub hosting_site {
    my ($case) = @_;
    my $dir = $case->{dir};
    dirs($dir, 'sites', 'sites/shop', 'sites.d');
    filled($case, 'hosting-fcgid.conf', 'fcgid.conf');
    filled($case, 'hosting-site.conf', 'sites.d/shop.conf');
    script("$dir/sites/shop/app.fcgi");
    script("$dir/door.fcgi");
    return;
}

sub panel_site {
    my ($case) = @_;
    my $dir = $case->{dir};
    dirs($dir, qw(web1 web1/sub scripts));
    write_script("$dir/scripts/starter", "exec $case->{word}{PHP} -d "
                 . 'memory_limit=63M');
    page("$dir/web1/page.php");
    write_file("$dir/web1/sub/.htaccess", "# fcgid\n"
               . "AddHandler fcgid-script .py\n", 0644);
    return;
}

sub users_site {
    my ($case) = @_;
    my $dir = $case->{dir};
    dirs($dir, qw(pool.d ann run));
    filled($case, "users-$_.fpm", "pool.d/$_.conf") for qw(ann bob);
    give($case->{word}{USER}, "$dir/ann");
    page("$dir/page.php");
    return;
}

# name, peer, modules, what makes its site, urls; a second port is PORT2
my @CASE = (
    ['suexec', 'mod_fcgid', ['mime', 'suexec'], \&suexec_site,
     ['/page.php/a/b?q=1', 'PORT'], ['/page.php', 'PORT2']],
    ['trac', 'mod_fcgid', ['mime'], sub {
        dirs($_[0]{dir}, 'cgi-bin');
        script("$_[0]{dir}/cgi-bin/trac.fcgi");
    }, ['/trac/wiki/Start?env', 'PORT'], ['/trac?environ', 'PORT']],
    ['mapserver', 'mod_fcgid', ['mime'], sub {
        dirs($_[0]{dir}, qw(cgi-bin sites sites/maps));
        script("$_[0]{dir}/$_.fcgi") for qw(cgi-bin/mapserv sites/maps/map);
    }, ['/cgi-bin/mapserv.fcgi?env', 'PORT'],
       ['/cgi-bin/mapserv.fcgi?environ', 'PORT'],
       ['/map.fcgi?environ', 'PORT2']],
    ['moodle', 'mod_fcgid', ['mime', 'dir'], sub {
        dirs($_[0]{dir}, qw(moodle moodle/pretty));
        page("$_[0]{dir}/moodle/$_") for qw(index.php file.php);
    }, ['/moodle/', 'PORT'], ['/moodle/file.php/1/picture.png?x=y', 'PORT'],
       ['/moodle/file.php', 'PORT', body => 'x' x 200_000]],
    ['gitweb', 'mod_fcgid', ['mime', 'dir'], sub {
        dirs($_[0]{dir}, qw(gitweb viewvc));
        script("$_[0]{dir}/gitweb/gitweb.cgi");
        script("$_[0]{dir}/viewvc/viewvc.fcgi");
        script("$_[0]{dir}/old.fcgi");
        # mod_fcgid runs what belongs to anybody
        give($_[0]{word}{USER2}, "$_[0]{dir}/viewvc/viewvc.fcgi");
    }, ['/gitweb/?environ', 'PORT'], ['/gitweb/gitweb.cgi/p?env', 'PORT'],
       ['/viewvc/trunk/a?env', 'PORT']],
    ['hosting', 'mod_fcgid', ['mime', 'rewrite', 'authn_core', 'authz_user'],
     \&hosting_site, ['/app.fcgi/x?env', 'PORT'], ['/front/a?env', 'PORT'],
       ['/app.fcgi?environ', 'PORT']],
    ['panel', 'mod_fcgid', ['mime'], \&panel_site, ['/page.php/a?b', 'PORT'],
     ['/page.php', 'PORT2']],
    ['debian', 'php-fpm', [], sub { page("$_[0]{dir}/page.php") },
     ['/page.php/a?q=1', 'PORT']],
    ['ondemand', 'php-fpm', [], sub {
        dirs($_[0]{dir}, 'run');
        page("$_[0]{dir}/page.php");
    }, ['/page.php/a?q=1', 'PORT'], ['/page.php', 'PORT', body => 'abc']],
    ['chroot', 'php-fpm', [], sub { }],
    ['users', 'php-fpm', ['authz_host'], \&users_site,
     ['/ann/page.php', 'PORT'], ['/bob/page.php?q=2', 'PORT']],
);

=head2 cases(PEER)

The cases of a peer, with their files; those that cannot be here (php-cgi,
suexec, php-fpm's files are missing) have C<skip>, the reason.

=cut

sub cases {
    my ($peer) = @_;
    return map { _case(@$_) } grep { $_->[1] eq $peer } @CASE;
}

sub _case {
    my ($name, $peer, $modules, $site, @url) = @_;
    my $dir = tmp_dir();
    my $case = { name => $name, peer => $peer, dir => $dir, urls => \@url,
                 modules => $modules };
    $case->{word} = { users(), DIR => $dir, PHP => have('php-cgi') || 'none',
                      PORT => free_port(), PORT2 => free_port() };
    $case->{skip} = _lacking($case);
    return $case if $case->{skip};
    mkdir "$dir/sock";
    give($case->{word}{USER}, "$dir/sock");
    $site->($case);
    $case->{file} = $name eq 'debian' ? (glob '/etc/php/*/fpm/php-fpm.conf')[0]
        : filled($case, $name . ($peer eq 'php-fpm' ? '.fpm' : '.conf'),
                 'main.conf');
    return $case;
}

sub _lacking {
    my ($case) = @_;
    return 'php-cgi is missing'
        if $case->{word}{PHP} eq 'none'
        && ($case->{peer} eq 'php-fpm'
            || $case->{name} =~ /suexec|moodle|hosting|panel/);
    return 'php-fpm is missing'
        if $case->{name} eq 'debian' && !glob '/etc/php/*/fpm/php-fpm.conf';
    return 'root only' if $case->{name} =~ /suexec|users|chroot/ && $> != 0;
    return 'www-data and root only' if $case->{name} eq 'debian' && $> != 0
        && getpwuid $> ne 'www-data';
    return 'suexec is missing' if $case->{name} eq 'suexec'
        && !-e '/usr/lib/apache2/suexec' && !have('suexec');
    return;
}

=head2 migrate(CASE, ARGUMENT...)

fcgipm-migrate: its status, the configuration, what it said.

=cut

sub migrate {
    my ($case, @arg) = @_;
    my ($out, $err) = map { "$case->{dir}/migrated.$_" } qw(conf err);
    my $proc = start(cmd => [tool(), @arg, $case->{peer}, $case->{file}],
                     out => $out, err => $err);
    my $status = $proc->wait(60);
    $case->{config} = slurp($out);
    return ($status, $case->{config}, slurp($err));
}

# Which files are whose; the tool leaves that to the site.
sub _handlers {
    my ($case) = @_;
    my $of = sub {
        my ($dir, $handler) = @_;
        return "Alias /$dir $case->{dir}\n<Location /$dir>\n"
            . "    SetHandler \"$handler\"\n</Location>\n";
    };
    return join '', map { $of->($_, $_[1]->($_)) } qw(ann bob)
        if $case->{name} eq 'users';
    return '';
}

=head2 before(CASE), after(CASE)

An httpd with the peer, and one with what fcgipm-migrate has made of it; not
started.

=cut

sub before {
    my ($case) = @_;
    return _httpd($case, fcgipm => 0, modules => ['fcgid'],
                  config => "Include $case->{file}\n")
        if $case->{peer} eq 'mod_fcgid';
    my $dir = $case->{dir};
    my $one = $case->{name} eq 'debian' ? '/run/php/none.sock'
        : "$dir/run/shop.sock";
    return _httpd($case, fcgipm => 0, modules => ['proxy', 'proxy_fcgi'],
        config => $case->{name} eq 'users'
            ? _handlers($case,
                        sub { "proxy:unix:$dir/run/$_[0].sock|fcgi://l" })
            : "<FilesMatch \"\\.php\$\">\n    SetHandler "
              . "\"proxy:unix:$one|fcgi://localhost\"\n</FilesMatch>\n");
}

sub after {
    my ($case) = @_;
    return _httpd($case, config => $case->{config}
                  . _handlers($case, sub { "fcgipm:$_[0]" }));
}

sub _httpd {
    my ($case, %more) = @_;
    my @module = (@{ $case->{modules} }, @{ delete $more{modules} || [] });
    my $httpd = FCGIPM::Httpd->new(
        port => $case->{word}{PORT}, modules => \@module,
        head => 'TypesConfig /dev/null' x grep({ $_ eq 'mime' } @module) . "\n"
            . ($case->{peer} eq 'php-fpm' ? "DocumentRoot $case->{dir}\n" : ''),
        %more);
    $httpd->write_config;
    return $httpd;
}

=head2 answers(HTTPD, CASE)

What each URL of the case gives: status and the lines that matter.

=cut

sub answers {
    my ($httpd, $case) = @_;
    my @answer;
    for my $url (@{ $case->{urls} }) {
        my ($path, $port, @more) = @$url;
        my $r = http($case->{word}{$port}, $path, @more);
        my @line = split /\n/, $r->{body};
        @line = sort grep { /^(\w+)=/ && $COMPARED{$1} } @line
            if $path =~ /\benv/;
        push @answer, join "\n", "$path $r->{status}", @line;
    }
    return @answer;
}

1;
