#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# nginx and HAProxy in front of fcgipm-run: pages, uploads, a reload under load
# and a drain of one of two, without a lost request.  A front that is not
# installed is skipped.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::HTTP;
use FCGIPM::Load;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;

# --- configurations, as docs/admin/many-hosts.md has them
sub nginx {
    my ($dir, $port, @address) = @_;
    my $user = defined worker_user() ? 'user ' . worker_user() . ";\n" : '';
    my $temp = join '', map { "    ${_}_temp_path $dir/$_;\n" }
        qw(client_body proxy fastcgi uwsgi scgi);
    my $servers = join '', map { "        server $_ max_fails=1 fail_timeout=1s;\n" }
        @address;
    write_file("$dir/conf", <<"END");
${user}daemon off;
worker_processes 1;
pid $dir/pid;
error_log $dir/error.log;
events {}
http {
    access_log off;
    client_max_body_size 8m;
$temp
    upstream app {
$servers
    }
    server {
        listen 127.0.0.1:$port;
        location / {
            fastcgi_pass app;
            fastcgi_connect_timeout 2s;
            fastcgi_param REQUEST_METHOD \$request_method;
            fastcgi_param QUERY_STRING \$query_string;
            fastcgi_param CONTENT_LENGTH \$content_length;
            fastcgi_param SCRIPT_NAME \$uri;
        }
    }
}
END
    return (have('nginx'), '-p', $dir, '-e', "$dir/error.log", '-c', "$dir/conf");
}

sub haproxy {
    my ($dir, $port, @address) = @_;
    my $n = 0;
    my $servers = join '', map {
        "    server h" . ++$n . " $_ proto fcgi\n"
    } @address;
    write_file("$dir/conf", <<"END");
defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
frontend web
    bind 127.0.0.1:$port
    default_backend app
fcgi-app app
    docroot /srv
    no option keep-conn
backend app
    use-fcgi-app app
    option redispatch 1
    retries 3
$servers
END
    return (have('haproxy'), '-db', '-f', "$dir/conf");
}

my %front = (nginx => \&nginx, haproxy => \&haproxy);
for my $name (sort keys %front) {
  SKIP: {
    skip "$name is not installed", 1 unless have($name);
    my @address = map { '127.0.0.1:' . free_port() } 1 .. 2;
    my @run = map {
        FCGIPM::Run->new(processes => 3, listen => $_, control => 1,
                         command => [bin('worker')],
                         options => ['--die-timeout=20', '--reload=rolling'])
    } @address;
    my $dir = tmp_dir();
    chmod 0755, $dir;
    my $port = free_port();
    my $proc = start(cmd => [$front{$name}->($dir, $port, @address)],
                     out => "$dir/log", err => "$dir/log");
    $_->workers(3) for @run;
    ok(wait_for { http($port, '/a?pid')->{status} == 200 } 20, "$name: a page")
        or diag slurp("$dir/log"), slurp("$dir/error.log");
    my $big = http($port, '/a?big=3000000');
    is(length $big->{body}, 3_000_000, '3 MB of an answer');
    like(http($port, '/a?echo', body => 'x' x 2_000_000)->{body},
         qr/^length=2000000 /, 'an upload of 2 MB');

    my $load = FCGIPM::Load->new(clients => 10, request => sub {
        my $post = rand() < 0.5;
        my $r = http($port, $post ? '/a?sleep=10&echo' : '/a?sleep=10&pid',
                     $post ? (body => 'x' x 20_000) : ());
        return if $r->{status} == 200 && !$r->{error}
            && $r->{body} =~ ($post ? qr/^length=20000 / : qr/^pid=/);
        return ($post ? 'POST ' : 'GET ') . ($r->{error} || $r->{status});
    });
    ok($load->flows(50), 'requests');
    is((ctl($_->control_socket, 'reload', '--wait'))[0], 0, 'reload') for @run;
    $run[1]->signal('HUP');
    ok($load->flows(50), 'requests');
    is((ctl($run[0]->control_socket, 'drain'))[0], 0, 'drain the first');
    is($run[0]->wait(30), 0, 'which ends with 0');
    ok($load->flows(50), 'the other one serves');
    my $sum = $load->stop;
    is($sum->{failed}, 0, "none lost of $sum->{ok}") or diag explain $sum->{why};
    $run[1]->signal('TERM');
    is($run[1]->wait(20), 0, 'exit status');
    $proc->signal('TERM');
    $proc->wait(20);
  }
}

# --- the examples
{
    my $dir = root() . '/examples/many-hosts';
    my $tmp = tmp_dir();
    my $run = start(
        cmd => [program('fcgipm-run') . '', '--config', "$dir/pools.conf",
                '--test'],
        env => { APP => bin('worker'), FRONT => '127.0.0.1',
                 HOST => '127.0.0.2', RUNTIME_DIRECTORY => $tmp,
                 APP_USER => worker_user() || scalar getpwuid $> },
        err => "$tmp/log");
    is($run->wait(20), 0, 'examples/many-hosts/pools.conf')
        or diag slurp("$tmp/log");
  SKIP: {
        skip 'HAProxy is not installed', 1 unless have('haproxy');
        my $haproxy = start(
            cmd => [have('haproxy'), '-c', '-f', "$dir/haproxy.cfg"],
            env => { HOST1 => '127.0.0.2', HOST2 => '127.0.0.3',
                     ADMIN => "$tmp/admin" },
            out => "$tmp/log", err => "$tmp/log");
        is($haproxy->wait(20), 0, 'examples/many-hosts/haproxy.cfg')
            or diag slurp("$tmp/log");
    }
}

done_testing;
