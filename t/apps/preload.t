#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# FcgiPMPreload and the programs that people have: which can be fork servers, and
# why others cannot; all of them serve.  The table of docs/admin/memory.md says
# the same.  FCGIPM_KINDS is a pattern of programs.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Apps;
use FCGIPM::FastCGI qw(request);
use FCGIPM::Run;
use FCGIPM::Test;
use Storable ();
use Test::More;

my $dir = tmp_dir();
chmod 0755, $dir;
my ($PAGE) = slurp(root() . '/docs/admin/memory.md')
    =~ /^## Which programs\n(.*?)^## /ms or die 'the page has no such table';

sub file {
    my ($name, $text) = @_;
    return write_file("$dir/$name", $text, 0755);
}

sub perl_has { return !grep { !eval "require $_; 1" } @_ }

sub python_has {
    return system("python3 -c 'import $_[0]' 2>/dev/null") == 0;
}

sub go_program {
    my $go = have('go') or return;
    my $build = FCGIPM::Test::start(
        cmd => [$go, 'build', '-o', "$dir/worker",
                root() . '/t/bin/net-http-fcgi.go'], err => "$dir/go.log",
        env => { HOME => $dir, GOFLAGS => '-mod=mod', GO111MODULE => 'off' });
    return defined $build->wait(300) && -x "$dir/worker" && "$dir/worker";
}

sub node_fastcgi {
    my $in = $ENV{FCGIPM_NODE_MODULES};
    return $in && -d "$in/node-fastcgi"
        ? [have('node'), bin('node-fastcgi.js'), $in] : undef;
}

# A configuration of a munin that knows no value.
sub munin {
    my $at = owned("$dir/munin");
    Storable::nstore({}, "$at/$_.storable") for qw(datafile limits htmlconf);
    return write_file("$at/munin.conf", join('', map { "$_ $at\n" }
                      qw(dbdir htmldir logdir rundir))
                      . "tmpldir /etc/munin/templates\n", 0644);
}

my $php = have('php-cgi');
my $script = file('pid.php', '<?php echo "pid=", getmypid();');
my %php = (params => { SCRIPT_FILENAME => $script, SCRIPT_NAME => '/x',
                       REDIRECT_STATUS => 200 });
my $loop = 'my $r = FCGI::Request(); while ($r->Accept >= 0) {'
    . ' print "Content-Type: text/plain\r\n\r\npid=$$" }';
my $uwsgi = have('uwsgi');
my @uwsgi = ($uwsgi, qw(--plugins python3 --protocol fastcgi --need-app
                        --disable-logging));

my $plackup = have('plackup');
my $gitweb = '/usr/share/gitweb/gitweb.cgi';
my $munin = '/usr/lib/munin/cgi/munin-cgi-html';
my $fcgiwrap = '/usr/sbin/fcgiwrap';
my $mapserv = '/usr/lib/cgi-bin/mapserv';
my $cgi = file('hello.cgi', <<'END');
#!/bin/sh
echo "Content-Type: text/plain"
echo
echo "pid=$$"
END
my $map = file('demo.map', <<'END');
MAP
  NAME "demo"
  EXTENT -180 -90 180 90
  SIZE 36 18
  WEB METADATA "ows_title" "pid=0" "ows_srs" "EPSG:4326"
    "ows_onlineresource" "http://localhost/" "ows_enable_request" "*" END END
END
my $mojo = file('mojo.pl', <<'END');
use Mojolicious::Lite;
get '/*rest' => sub { $_[0]->render(text => "pid=$$") };
app->secrets(['of a test']);
app->start;
END

# What it is, its command, why it is refused ('': it is not), how it is asked:
# environment of the worker (env), parameters (params), query; what it says.
my @PROGRAM = (
    ['php-cgi', $php && [$php, '-n'], '', %php],
    ['php-cgi, opcache', $php && [$php, '-d', 'opcache.enable=1'], '', %php],
    ['php-cgi, opcache and JIT',
     $php && [$php, qw(-d opcache.enable=1 -d opcache.jit=tracing
                       -d opcache.jit_buffer_size=4M)], '', %php],
    ['php-cgi, PHP_FCGI_CHILDREN',
     $php && ['/usr/bin/env', 'PHP_FCGI_CHILDREN=2', $php], 'not seen', %php],
    ['C, libfcgi', [bin('loop')], ''],
    ['C, fcgi_stdio', [bin('stdio')], ''],
    ['C, libfcgipm (fcgipm.h)', [bin('procmanager')], ''],
    ['C, threads that accept', [bin('threaded')], 'thread'],
    ['C, fork before accept', [bin('ways'), '--fork', 2], 'not seen'],
    ['C, epoll', [bin('ways'), qw(--loop --wait epoll --copy)], 'epoll'],
    ['C, linked statically', [bin('static')], 'guard'],
    ['Perl, FCGI', [bin('perl-fcgi.pl')], ''],
    ['Perl, CGI::Fast', perl_has('CGI::Fast') && [bin('perl-cgi-fast.pl')], ''],
    ['Perl, Plack', perl_has('Plack::Handler::FCGI') && [file('plack.pl', <<'END')], ''],
#!/usr/bin/perl
use Plack::Handler::FCGI;
Plack::Handler::FCGI->new->run(sub {
    [200, ['Content-Type' => 'text/plain'], ["pid=$$"]] });
END
    ['Perl, Catalyst', perl_has('Catalyst', 'Plack') && [bin('catalyst.pl')],
     ''],
    ['Perl, Mojolicious', $plackup && perl_has('Mojolicious::Lite')
     && [$plackup, qw(-E production -s FCGI --manager=), $mojo], '',
     env => { HOME => $dir, MOJO_MODE => 'production' }],
    ['Perl, gitweb', -x $gitweb && [$gitweb, '--fastcgi'], '',
     says => qr/gitweb/i],
    ['Perl, munin', -x $munin && perl_has('CGI::Fast') && [$munin], '',
     env => { MUNIN_CONFIG => munin() }, says => qr/munin/i],
    ['Perl, FCGI::ProcManager',
     perl_has('FCGI::ProcManager') && [bin('perl-procmanager.pl'), 2],
     'not seen'],
    ['Perl, DBI with SQLite open', perl_has('DBI', 'DBD::SQLite')
     && [file('dbi.pl', <<'END' . $loop)], 'SQLite database'],
#!/usr/bin/perl
use DBI; use FCGI;
my $db = DBI->connect("dbi:SQLite:dbname=/tmp/fcgipm-preload-$$.db", '', '',
                      { RaiseError => 1 });
$db->do('create table t (a)');
unlink "/tmp/fcgipm-preload-$$.db";
END
    ['Python, a loop of its own', [bin('plain.py')], ''],
    ['Python, threads', [bin('plain.py'), 'threads'], ''],
    ['Python, asyncio', [bin('plain.py'), 'asyncio'], 'epoll'],
    ['Python, WSGI under uWSGI',
     $uwsgi && [@uwsgi, '--wsgi-file', file('site.py', <<'END')], 'epoll'],
import os

def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'pid=%d' % os.getpid()]
END
    ['Python, Django under uWSGI',
     $uwsgi && python_has('django')
     && [@uwsgi, '--wsgi-file', root() . '/t/bin/django_wsgi.py'], 'epoll'],
    ['Python, Flask under uWSGI',
     $uwsgi && system('/usr/bin/python3 -c "import flask" 2>/dev/null') == 0
     && [@uwsgi, '--callable', 'app', '--wsgi-file', file('flask_app.py', <<'END')],
import os
from flask import Flask

app = Flask(__name__)


@app.route('/<path:path>')
def answer(path):
    return 'pid=%d' % os.getpid()
END
     'epoll'],
    ['fcgiwrap', -x $fcgiwrap && [$fcgiwrap], '',
     params => { SCRIPT_FILENAME => $cgi }],
    ['mapserv', -x $mapserv && [$mapserv], '',
     env => { MS_MAPFILE => $map },
     query => 'SERVICE=WMS&VERSION=1.1.1&REQUEST=GetCapabilities',
     says => qr/MapServer/],
    ['Ruby, fcgi', have('ruby') && system("ruby -e 'require \"fcgi\"' 2>/dev/null") == 0
     && [have('ruby'), bin('fcgi.rb')], 'timer'],
    ['Node, net', have('node') && [have('node'), bin('plain.js')], 'thread'],
    ['Node, node-fastcgi', node_fastcgi(), 'thread'],
    ['Go, net/http/fcgi', go_program() && ["$dir/worker"], 'guard'],
    ['a shell that executes one', ['/bin/sh', '-c', 'exec ' . bin('loop')], ''],
    ['a shell that starts one', ['/bin/sh', '-c', bin('loop') . '; true'],
     'not seen'],
);

my %web = (SERVER_NAME => 'localhost', SERVER_PORT => 80, SCRIPT_NAME => '',
           PATH_INFO => '/x', SERVER_PROTOCOL => 'HTTP/1.1',
           REQUEST_URI => '/x');

my $only = $ENV{FCGIPM_KINDS} || '.';
for (grep { $_->[0] =~ /$only/ } @PROGRAM) {
    my ($name, $command, $why, %ask) = @$_;
    my ($row) = $PAGE =~ /^\| \Q$name\E \| (.*) \|$/m;
    like($row // '', $why eq '' ? qr/^yes|^as that/ : qr/^no: /,
         "$name: the page says so");
  SKIP: {
        skip "$name is not here", 1 unless $command;
        my $run = FCGIPM::Run->new(
            processes => 2, control => 1, command => $command,
            options => ['--preload', 'on', '--die-timeout', '10', map {
                ('--set-env', "$_=$ask{env}{$_}") } sort keys %{ $ask{env} || {} }]);
        my $state;
        wait_for {
            my $pool = $run->pool_status || {};
            $state = $pool->{preload} // 'loading';
            $state ne 'loading' && $pool->{idle} > 0
        } 60, 'a decision' or diag($run->log);
        like($state, $why eq '' ? qr/^on$/ : qr/\Q$why\E/, $name);
        my $r = request($run->address, query => $ask{query} // 'pid',
                        timeout => 30,
                        params => { %web, %{ $ask{params} || {} } });
        like($r->{body} // $r->{error}, $ask{says} || qr/pid=\d/, 'serves')
            or diag($run->log);
        $run->signal('TERM');
        $run->wait(20);
    }
}

done_testing;
