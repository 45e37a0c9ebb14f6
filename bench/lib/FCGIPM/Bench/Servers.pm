# SPDX-License-Identifier: Apache-2.0
package FCGIPM::Bench::Servers;

=head1 NAME

FCGIPM::Bench::Servers - what is compared, each ready to be asked

=head1 SYNOPSIS

  my ($up, $left_out) = FCGIPM::Bench::Servers::bring_up('nginx');
  $up->{nginx}{port}        # on 127.0.0.1
  $up->{nginx}{h2}          # a port for HTTP/2 without TLS
  $up->{nginx}{path}{app}   # URL path of the worker; file: of a static file
  $up->{nginx}{config}      # as it was given, for the report

All are up at once and idle but for the one that is being asked.  They end
with the process, by FCGIPM::Test.  A server is a row of C<@SERVERS>; what it
needs and is not there leaves it out.

=cut

use strict;
use warnings;

use File::Copy qw(copy);
use FCGIPM::HTTP;
use FCGIPM::Httpd;
use FCGIPM::Test;
use POSIX ();

# The same for every server.
our %SAME = (
    workers => 8, processes => 2, threads => 64, backlog => 511,
);

our $ANSWER = "Hello, world\n";

my @SERVERS = (
    { name => 'mod_fcgipm', up => \&_fcgipm, cold => '0 16',
      has => sub { -e built('mod_fcgipm.so') } },
    { name => 'other', up => \&_other, optional => 1, cold => '0 16',
      has => sub { $ENV{BENCH_OTHER} } },
    { name => 'mod_fcgid', up => \&_fcgid, cold => 16,
      has => sub { _module('fcgid') } },
    map({ my ($name, %how) = @$_;
          { name => $name, up => sub { _proxy(%how) },
            has => sub { _module('proxy_fcgi') && have('spawn-fcgi')
                         && have('multiwatch') } } }
        ['mod_proxy_fcgi'], ['proxy-reuse', reuse => 1],
        ['proxy-worker', mpm => 'worker'], ['proxy-prefork', mpm => 'prefork']),
    map({ my $mpm = $_;
          { name => "fcgipm-$mpm", up => sub { _fcgipm(undef, $mpm) },
            has => sub { -e built('mod_fcgipm.so') } } } 'worker', 'prefork'),
    { name => 'php-fcgipm', up => \&_php_fcgipm,
      has => sub { -e built('mod_fcgipm.so') && have('php-cgi') } },
    { name => 'php-proxy', up => \&_php_proxy,
      has => sub { _module('proxy_fcgi') && _php_fpm() } },
    { name => 'php-nginx', up => \&_php_nginx,
      has => sub { have('nginx') && _php_fpm() } },
    map({ my ($name, $up) = @$_;
          { name => $name, up => $up,
            has => sub { have('nginx') && have('spawn-fcgi')
                         && have('multiwatch') } } }
        ['nginx', \&_nginx], ['nginx-keep', \&_nginx_keep]),
);

# One static file, of the httpd that has mod_fcgipm in it.
my $FILE = 'hello.txt';

# By spawn-fcgi, which becomes multiwatch: workers that mod_proxy_fcgi, nginx and
# bench/bare share, and those of nginx with kept connections, which would hold
# the others'.  { socket, worker, proc }
my %SPAWNED;
my @PROC;       # a process lives as long as its object
my $TICKS = POSIX::sysconf(POSIX::_SC_CLK_TCK());
my $DIR;        # of the workers' programs

=head1 FUNCTIONS

=head2 bring_up(NAME...)

Brings those up, the one after the other, and has each prove that it answers
rightly from as many workers as it is to have.  Returns them by name, and the
names of those that are left out.

=cut

sub bring_up {
    my %wanted = map { ($_ eq 'static' ? 'mod_fcgipm' : $_ => 1) } @_;
    my (%up, @left_out);
    for my $row (grep { $wanted{ $_->{name} } } @SERVERS) {
        if (!$row->{has}->()) {
            push @left_out, $row->{name} unless $row->{optional};
            next;
        }
        my $server = $row->{up}->();
        $server->{cold} = sub { $row->{up}->($row->{cold}) };
        $server->{path}{app} = '/app';
        _prove($row->{name}, $server);
        $up{ $row->{name} } = $server;
    }
    $up{static} = $up{mod_fcgipm} if $up{mod_fcgipm};
    return (\%up, \@left_out);
}

=head2 spawned_socket()

The path of the unix socket of the pool that spawn-fcgi has started, which it
is when it was not before.

=cut

sub spawned_socket { return _spawned('spawned')->{socket} }

# --- each of them -----------------------------------------------------------

my $HTTPD_ALL = $SAME{processes} * $SAME{threads};
my %MPM = (
    prefork => <<"END",
StartServers $HTTPD_ALL
ServerLimit $HTTPD_ALL
MaxRequestWorkers $HTTPD_ALL
MaxSpareServers $HTTPD_ALL
END
    worker => <<"END",
StartServers $SAME{processes}
ServerLimit $SAME{processes}
ThreadLimit $SAME{threads}
ThreadsPerChild $SAME{threads}
MaxRequestWorkers $HTTPD_ALL
MinSpareThreads 1
MaxSpareThreads $HTTPD_ALL
END
);
$MPM{event} = $MPM{worker} . "AsyncRequestWorkerFactor 64\n";

my $HTTPD_SAME = <<"END";
KeepAlive On
KeepAliveTimeout 60
MaxKeepAliveRequests 0
LogLevel warn
Mutex default
EnableMMAP Off
<Directory />
    AllowOverride None
</Directory>
END

sub _httpd {
    my (%arg) = @_;
    my ($h2, $h2s) = (free_port(), free_port());
    my $mpm = $arg{mpm} || 'event';
    my ($key, $cert) = _certificate();
    my $config = $MPM{$mpm} . $HTTPD_SAME . $arg{config};
    # mod_http2 is for MPMs with threads
    $config .= <<"END" if $mpm eq 'event';
Listen 127.0.0.1:$h2
<VirtualHost 127.0.0.1:$h2>
    Protocols h2c
</VirtualHost>
Listen 127.0.0.1:$h2s
<VirtualHost 127.0.0.1:$h2s>
    Protocols h2
    SSLEngine on
    SSLCertificateFile $cert
    SSLCertificateKeyFile $key
</VirtualHost>
END
    my $httpd = FCGIPM::Httpd->new(
        mpm => $mpm, fcgipm => $arg{fcgipm} || 0,
        modules => [$mpm eq 'event' ? qw(http2 ssl) : (),
                    @{ $arg{modules} || [] }],
        config => $config);
    _fill($httpd);
    $httpd->start or die "$arg{name}: httpd did not start\n";
    my ($version) = $httpd->log =~ m{(Apache/\S+.*?) configured -- resuming};
    return {
        object => $httpd, port => $httpd->port, h2 => $h2, h2s => $h2s,
        dir => $httpd->dir, config => $config, version => $version,
        path => { file => "/$FILE" }, roots => [$httpd->pid],
    };
}

my @CERTIFICATE;

sub _certificate {
    return @CERTIFICATE if @CERTIFICATE;
    my $dir = tmp_dir();
    @CERTIFICATE = ("$dir/key.pem", "$dir/cert.pem");
    FCGIPM::Test::start(
        cmd => [have('openssl'),
                qw(req -x509 -newkey rsa:2048 -nodes -days 2 -subj),
                '/CN=localhost', '-keyout', $CERTIFICATE[0],
                '-out', $CERTIFICATE[1]],
        out => "$dir/openssl", err => "$dir/openssl")->wait(60) == 0
        or die 'openssl: ' . slurp("$dir/openssl");
    return @CERTIFICATE;
}

sub _fill {
    my ($httpd) = @_;
    my $htdocs = $httpd->dir . '/htdocs';
    write_file("$htdocs/$FILE", $ANSWER);
    _worker("$htdocs/worker.fcgi");
    return;
}

sub _dir { return $DIR ||= tmp_dir() }

# A copy, as a worker's user may not get into the source tree.
sub _worker {
    my ($to) = @_;
    copy(built('bench/worker'), $to) or die "$to: $!\n";
    chmod 0755, $to or die "$to: $!\n";
    return $to;
}

sub _module {
    my ($name) = @_;
    return -e FCGIPM::Httpd::modules_dir() . "/mod_$name.so";
}

# PROCESSES, as FcgiPMProcesses has it, when it is not what all have.
sub _fcgipm {
    my ($processes, $mpm) = @_;
    $processes = $SAME{workers} unless defined $processes;
    my $worker = _worker(tmp_dir() . '/worker');
    my $streamed = _worker(tmp_dir() . '/worker-streamed');
    my $server = _httpd(
        name => 'mod_fcgipm', fcgipm => 1, mpm => $mpm, config => <<"END");
<FcgiPMPool app>
    FcgiPMCommand $worker
    FcgiPMProcesses $processes
    FcgiPMListenBacklog $SAME{backlog}
</FcgiPMPool>
<IfDirective FcgiPMPark>
    FcgiPMPark on
</IfDirective>
FcgiPMAlias /app app
<FcgiPMPool streamed>
    FcgiPMCommand $streamed
    FcgiPMProcesses $processes
    FcgiPMListenBacklog $SAME{backlog}
    FcgiPMRequestBuffer off
</FcgiPMPool>
FcgiPMAlias /streamed streamed
END
    $server->{path}{streamed} = '/streamed';
    $server->{worker} = $worker;
    return $server;
}

# The same with the module of another build, to compare two of them.
sub _other {
    local $ENV{FCGIPM_BUILD} = $ENV{BENCH_OTHER};
    return _fcgipm(@_);
}

# Workers are started as requests come; once there, they stay.
sub _fcgid {
    my ($most) = @_;
    $most = $SAME{workers} unless defined $most;
    my $run = tmp_dir();
    my (undef, undef, $uid, $gid) =
        defined worker_user() ? getpwnam worker_user() : ();
    chown $uid, $gid, $run if defined $uid;
    my $server = _httpd(
        name => 'mod_fcgid', modules => ['fcgid'], config => <<"END");
FcgidIPCDir $run
FcgidProcessTableFile $run/shm
FcgidMaxProcesses $most
FcgidMaxProcessesPerClass $most
FcgidMinProcessesPerClass $most
FcgidIdleTimeout 3600
FcgidMaxRequestLen 2147483647
AliasMatch ^/app htdocs/worker.fcgi
<Location /app>
    SetHandler fcgid-script
    Options +ExecCGI
</Location>
END
    $server->{worker} = "$server->{dir}/htdocs/worker.fcgi";
    return $server;
}

# With enablereuse a connection holds its worker: those workers are its own.
sub _proxy {
    my (%how) = @_;
    my $spawned = _spawned($how{reuse} ? 'reused' : 'spawned');
    my $reuse = $how{reuse}
        ? " enablereuse=on max=${\ ($SAME{workers} / $SAME{processes})}" : '';
    my $server = _httpd(
        name => 'mod_proxy_fcgi', modules => [qw(proxy proxy_fcgi)],
        mpm => $how{mpm}, config => <<"END");
ProxyPass /app unix:$spawned->{socket}|fcgi://localhost/$reuse
END
    $server->{worker} = $spawned->{worker};
    push @{ $server->{roots} }, $spawned->{proc}->pid;
    return $server;
}

# --- PHP: a script of one line ------------------------------------------------

my $SCRIPT = '<?php header("Content-Type: text/plain"); echo "Hello, world\n";';

sub _php_file {
    my $dir = tmp_dir();
    return write_file("$dir/app.php", $SCRIPT, 0644);
}

sub _php_fcgipm {
    my $php = have('php-cgi');
    my $file = _php_file();
    my $server = _httpd(name => 'php-fcgipm', fcgipm => 1, config => <<"END");
<FcgiPMPool php>
    FcgiPMCommand $php
    FcgiPMProcesses $SAME{workers}
    FcgiPMMaxRequests 5000
    FcgiPMSetEnv PHP_FCGI_MAX_REQUESTS 0
</FcgiPMPool>
Alias /app $file
<Location /app>
    SetHandler fcgipm:php
    Require all granted
</Location>
END
    return $server;
}

sub _php_fpm { return grep { -x } </usr/sbin/php-fpm*> }

# The one that mod_proxy_fcgi and nginx share: { socket, proc, worker }.
sub _fpm {
    return $SPAWNED{fpm} if $SPAWNED{fpm};
    my ($program) = _php_fpm();
    my $dir = tmp_dir();
    my $user = worker_user();
    my $identity = defined $user ? "user = $user\nlisten.owner = $user\n" : '';
    write_file("$dir/fpm.conf", <<"END");
[global]
error_log = $dir/fpm.log
[www]
${identity}listen = $dir/fpm.sock
listen.backlog = $SAME{backlog}
pm = static
pm.max_children = $SAME{workers}
pm.max_requests = 5000
END
    my $proc = FCGIPM::Test::start(
        cmd => [$program, '-F', '-y', "$dir/fpm.conf"], err => "$dir/stderr");
    push @PROC, $proc;
    wait_for { -S "$dir/fpm.sock" || !$proc->alive } 20, 'php-fpm';
    return $SPAWNED{fpm} = { socket => "$dir/fpm.sock", proc => $proc };
}

sub _php_proxy {
    my $fpm = _fpm();
    my $file = _php_file();
    my $server = _httpd(
        name => 'php-proxy', modules => [qw(proxy proxy_fcgi)],
        config => <<"END");
Alias /app $file
<Location /app>
    SetHandler "proxy:unix:$fpm->{socket}|fcgi://localhost"
    Require all granted
</Location>
END
    push @{ $server->{roots} }, $fpm->{proc}->pid;
    return $server;
}

sub _php_nginx { return _nginx_on(_fpm(), 0, SCRIPT_FILENAME => _php_file()) }

# --- nginx, and workers that are not httpd's ---------------------------------

sub _spawned {
    my ($name) = @_;
    return $SPAWNED{$name} if $SPAWNED{$name};
    my $dir = _dir();
    my $worker = _worker("$dir/worker-$name");
    my $user = worker_user();
    my @user = defined $user ? ('-u', $user, '-U', $user) : ();
    my $proc = FCGIPM::Test::start(
        cmd => [have('spawn-fcgi'), '-n', '-s', "$dir/$name.sock",
                '-b', $SAME{backlog}, @user, '--', have('multiwatch'),
                '-f', $SAME{workers}, '--', $worker],
        err => "$dir/$name.log");
    push @PROC, $proc;
    # mod_proxy turns away for a minute from a socket that refused it once
    wait_for {
        workers({ worker => $worker }) == $SAME{workers} || !$proc->alive
    } 20, 'the workers of spawn-fcgi';
    $proc->alive or die 'spawn-fcgi: ' . slurp("$dir/$name.log");
    return $SPAWNED{$name} = { socket => "$dir/$name.sock", worker => $worker,
                               proc => $proc };
}

my @PARAMS = map { "    fastcgi_param $_;\n" } (
    'GATEWAY_INTERFACE CGI/1.1', 'SERVER_SOFTWARE nginx/$nginx_version',
    'SERVER_PROTOCOL $server_protocol', 'SERVER_NAME $server_name',
    'SERVER_ADDR $server_addr', 'SERVER_PORT $server_port',
    'REMOTE_ADDR $remote_addr', 'REMOTE_PORT $remote_port',
    'REQUEST_METHOD $request_method', 'REQUEST_SCHEME $scheme',
    'REQUEST_URI $request_uri', 'QUERY_STRING $query_string',
    'CONTENT_TYPE $content_type', 'CONTENT_LENGTH $content_length',
    'SCRIPT_NAME $fastcgi_script_name', 'DOCUMENT_URI $document_uri',
    'DOCUMENT_ROOT $document_root',
    'SCRIPT_FILENAME $document_root$fastcgi_script_name',
);

sub _nginx { return _nginx_on(_spawned('spawned'), 0) }

# As many kept connections as workers; a worker process of nginx has its own.
sub _nginx_keep {
    return _nginx_on(_spawned('kept'), $SAME{workers} / $SAME{processes});
}

sub _nginx_on {
    my ($spawned, $keep, %more) = @_;
    my @params = (@PARAMS, map { "    fastcgi_param $_ $more{$_};\n" } keys %more);
    my $kept = $keep ? "\n      fastcgi_keep_conn on;" : '';
    my $keepalive = $keep ? "\n    keepalive $keep;" : '';
    my $dir = tmp_dir();
    my ($port, $h2, $h2s) = (free_port(), free_port(), free_port());
    my ($key, $cert) = _certificate();
    my $user = worker_user();
    my $identity = defined $user ? "user $user;\n" : '';
    my $temp = join '', map { "  ${_}_temp_path $dir/$_;\n" }
        qw(client_body proxy fastcgi uwsgi scgi);
    my $config = $identity . <<"END";
daemon off;
worker_processes $SAME{processes};
pid $dir/pid;
error_log $dir/error.log;
events {
  worker_connections 16384;
}
http {
  access_log off;
  keepalive_timeout 60;
  keepalive_requests 1000000000;
  client_max_body_size 0;
$temp  upstream workers {
    server unix:$spawned->{socket};$keepalive
  }
  server {
    listen 127.0.0.1:$port;
    listen 127.0.0.1:$h2 http2;
    listen 127.0.0.1:$h2s ssl http2;
    ssl_certificate $cert;
    ssl_certificate_key $key;
    location = /$FILE {
      root $dir;
    }
    location /app {
      fastcgi_pass workers;$kept
  ${\ join '  ', @params}    }
  }
}
END
    write_file("$dir/nginx.conf", $config);
    write_file("$dir/$FILE", $ANSWER);
    my $binary = have('nginx');
    my $proc = FCGIPM::Test::start(
        cmd => [$binary, '-p', $dir, '-c', "$dir/nginx.conf",
                '-e', "$dir/error.log"],
        err => "$dir/stderr");
    push @PROC, $proc;
    my ($version) = `$binary -v 2>&1` =~ m{(nginx/\S+)};
    return {
        port => $port, h2 => $h2, h2s => $h2s, dir => $dir,
        config => $config, version => $version,
        worker => $spawned->{worker}, path => { file => "/$FILE" },
        roots => [$proc->pid, $spawned->{proc}->pid],
    };
}

# --- the proof --------------------------------------------------------------

sub _prove {
    my ($name, $server) = @_;
    wait_for { _is_right($server, 'app') } 20, "$name to answer"
        or die "$name does not answer\n";
    if ($server->{path}{file} && !_is_right($server, 'file')) {
        die "$name: no static file\n";
    }
    return if !$server->{worker};
    # mod_fcgid starts a worker only when all others are busy.
    my $n = 0;
    my $enough = wait_for {
        FCGIPM::Bench::Drivers::clients(
            $server, path => '/app?ms=20', clients => 32, each => 2)
            if $n++;
        workers($server) == $SAME{workers}
    } 30, "$SAME{workers} workers of $name";
    $enough or die "$name has not $SAME{workers} workers\n";
    return;
}

sub _is_right {
    my ($server, $what) = @_;
    my $r = http($server->{port}, $server->{path}{$what});
    return !$r->{error} && $r->{status} == 200 && $r->{body} eq $ANSWER;
}

=head2 workers(SERVER)

How many processes execute its worker.

=cut

sub workers {
    my ($server) = @_;
    opendir my $dh, '/proc' or die "/proc: $!";
    return scalar grep {
        /^\d+$/ && (readlink("/proc/$_/exe") || '') eq $server->{worker}
    } readdir $dh;
}

=head2 forget_rss(SERVER), rss(SERVER)

From now on, and: the most bytes of memory that one of its processes has
occupied (proc(5), clear_refs and VmHWM); workers, and who starts them, do not
count.

=cut

sub forget_rss {
    my ($server) = @_;
    for my $pid (_serving($server)) {
        open my $fh, '>', "/proc/$pid/clear_refs" or next;
        print {$fh} "5\n";
        close $fh;
    }
    return;
}

sub rss {
    my ($server) = @_;
    my ($most) = sort { $b <=> $a } map {
        slurp("/proc/$_/status") =~ /^VmHWM:\s*(\d+) kB/m ? $1 * 1024 : 0
    } _serving($server);
    return $most;
}

sub _serving {
    my ($server) = @_;
    my $exe = readlink "/proc/$server->{roots}[0]/exe";
    return grep { (readlink("/proc/$_/exe") || '') eq $exe }
        $server->{roots}[0], descendants($server->{roots}[0]);
}

=head2 cpu_of(SERVER)

Seconds of processor time that all its processes have used so far, workers
included.

=cut

sub cpu_of {
    my ($server) = @_;
    my $ticks = 0;
    for my $pid (map { ($_, descendants($_)) } @{ $server->{roots} }) {
        slurp("/proc/$pid/stat") =~ /^.*\)(.*)/s or next;
        my @field = split ' ', $1;
        $ticks += $field[11] + $field[12];
    }
    return $ticks / $TICKS;
}

1;
