#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A request that waits for a worker holds no thread, whatever kind of request
# it is: with the event MPM of httpd 2.4.63 and later, plain and over TLS.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::HTTP qw(rest_of status_of);
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IO::Select;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;
use Time::HiRes qw(time);

my $ssl = eval { require IO::Socket::SSL; 1 };
my $openssl = have('openssl') or die "openssl is missing\n";
my $dir = tmp_dir();
my $tls = free_port();
my ($go, $transport) = (0, 'plain');

is(start(cmd => [$openssl, qw(req -x509 -newkey ec -pkeyopt),
                 qw(ec_paramgen_curve:prime256v1 -nodes -days 2),
                 qw(-subj /CN=localhost -keyout), "$dir/key.pem",
                 '-out', "$dir/cert.pem"],
         out => "$dir/openssl", err => "$dir/openssl")->wait(60), 0,
   'a certificate') or diag(slurp("$dir/openssl"));

my $docs = "$dir/docs";
mkdir $_ or die "mkdir: $!" for $docs, map { "$docs/$_" } qw(blog index ssi);
chmod 0755, $_ for $docs, glob "$docs/*";
write_file("$docs/blog/.htaccess",
           "RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\n"
               . "RewriteRule . /blog/front.app [L]\n");
write_file("$docs/blog/front.app", 'text=front');
write_file("$docs/index/index.app", '');
write_file("$docs/ssi/page.shtml",
           qq(<!--#include virtual="/one/?text=first" -->,)
               . qq(<!--#include virtual="/one/?text=second" -->));

# FcgiPMIOTimeout: a worker is held for as long as a busy machine takes to send
# what is to wait for it.
my $config = join '',
    "AsyncRequestWorkerFactor 100\nFcgiPMPark on\nFcgiPMIOTimeout 10min\n",
    "LogFormat \"%r %>s %{FCGIPM_QUEUE}n\" park\nCustomLog $dir/access park\n",
    "Listen 127.0.0.1:$tls\n<VirtualHost 127.0.0.1:$tls>\n    SSLEngine on\n",
    "    SSLCertificateFile $dir/cert.pem\n",
    "    SSLCertificateKeyFile $dir/key.pem\n</VirtualHost>\n",
    pool('one', 'worker', 'FcgiPMQueueTimeout 10min'), location('one'),
    pool('many', 'worker', 'FcgiPMQueueTimeout 10min'), location('many'),
    pool('late', 'worker', 'FcgiPMQueueTimeout 700ms'), location('late'),
    pool('limit', 'worker', 'FcgiPMQueueLimit 2'), location('limit'),
    pool('off', 'worker', 'FcgiPMRequestBuffer off'), location('off'),
    location('errors', 'one'),
    "<Location /errors>\n    ErrorDocument 404 \"no such page\"\n</Location>\n",
    location('zip', 'one'),
    "<Location /zip>\n    SetOutputFilter DEFLATE\n</Location>\n",
    map({ "Alias /$_ $docs/$_\n" } qw(blog index ssi)),
    "<Directory $docs>\n    AllowOverride All\n    Require all granted\n",
    "    Options +Includes +FollowSymLinks\n",
    "    DirectoryIndex index.app\n</Directory>\n",
    "<FilesMatch \\.app\$>\n    SetHandler fcgipm:one\n</FilesMatch>\n",
    "<Directory $docs/ssi>\n    SetOutputFilter INCLUDES\n</Directory>\n",
    "TypesConfig /dev/null\nAddType text/html .shtml\n",
    "RequestReadTimeout header=20 body=1\n";

my $httpd = FCGIPM::Httpd->new(
    modules => [qw(ssl deflate filter rewrite dir include mime reqtimeout)],
    config => $config);

# --- clients ----------------------------------------------------------------

# One context: each of its own would read all the CAs of the system.
my $context = $ssl && IO::Socket::SSL::SSL_Context->new(SSL_verify_mode => 0);

sub client {
    my $class = $transport eq 'TLS' ? 'IO::Socket::SSL' : 'IO::Socket::INET';
    my $port = $transport eq 'TLS' ? $tls : $httpd->port;
    return $class->new(PeerAddr => "127.0.0.1:$port",
                       $transport eq 'TLS' ? (SSL_reuse_ctx => $context) : ())
        || die "connect: $!";
}

# Sends bytes as they are.
sub say_to {
    my ($s, $bytes) = @_;
    while (length $bytes) {
        my $n = syswrite $s, $bytes;
        defined $n or die "write: $!";
        substr $bytes, 0, $n, '';
    }
    return $s;
}

sub request {
    my ($method, $path, %arg) = @_;
    return join "\r\n", "$method $path HTTP/1.1", 'Host: x',
        $arg{keep} ? () : 'Connection: close', @{ $arg{header} || [] },
        defined $arg{body} ? 'Content-Length: ' . length $arg{body} : (), '',
        defined $arg{body} ? $arg{body} : '';
}

sub ask { return say_to(client(), request('GET', @_)) }

# Its one worker is busy until go().
sub hold {
    my ($pool) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $httpd->port)
        or die "connect: $!";
    say_to($s, request('GET', "/$pool/?until=$dir/go$go&text=held"));
    $httpd->counts($pool, busy => 1, queue => 0);
    return $s;
}

sub go { write_file("$dir/go$go", '', 0644); $go++; return }

# What is sent while the worker is busy, and is parked, and what comes.
sub parked {
    my ($bytes, $pool) = @_;
    my $held = hold($pool || 'one');
    my $s = say_to(client(), $bytes);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $httpd->counts($pool || 'one', parked => 1, blocked => 0);
    go();
    is(status_of($held), 200, 'the one before it is answered');
    return rest_of($s);
}

sub ends_quiet {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return $httpd->counts($_[0] || 'one', queue => 0, in_flight => 0,
                          parked => 0, blocked => 0);
}

# --- kinds of requests ------------------------------------------------------

my @KIND = (
    ['GET', request('GET', '/one/?text=hello'), qr/\r\n\r\n.*hello/s],
    ['HEAD', request('HEAD', '/one/?text=hello'),
     qr{^HTTP/1\.1 200 .*\r\n\r\n\z}s],
    ['pipelining',
     join('', map({ request('GET', "/one/?text=n$_.", keep => 1) } 1 .. 3),
          request('GET', '/one/?text=n4.')),
     qr/n1\..*n2\..*n3\..*n4\./s],
    ['POST of 300 kB',
     request('POST', '/one/?echo', body => 'x' x 300_000),
     qr/length=300000/],
    ['POST, and a GET behind it',
     request('POST', '/one/?echo', body => 'y' x 20_000, keep => 1)
         . request('GET', '/one/?text=behind'),
     qr/length=20000.*behind/s],
    ['mod_deflate',
     request('GET', '/zip/?big=50000', header => ['Accept-Encoding: gzip']),
     qr/^Content-Encoding: gzip/m],
    ['a status of its own', request('GET', '/one/?status=404&text=mine'),
     qr{^HTTP/1\.1 404 .*mine}s],
    ['ErrorDocument', request('GET', '/errors/?status=404'),
     qr{^HTTP/1\.1 404 }],
    ['a rewrite of .htaccess', request('GET', '/blog/2026/11/post'),
     qr{^HTTP/1\.1 200 .*pid=}s],
    ['DirectoryIndex', request('GET', '/index/'), qr{^HTTP/1\.1 200 .*pid=}s],
    ['a redirect by the worker',
     request('GET', '/one/?location=/static.txt'),
     qr{^HTTP/1\.1 200 .*static}s],
);

sub kinds {
    for (@KIND) {
        my ($what, $bytes, $wanted) = @$_;
        my $got = parked($bytes);
        like($got, $wanted, "$transport: $what");
    }
    my $got = parked(request('GET', '/one/?big=3000000'));
    my ($body) = $got =~ /\r\n\r\n(.*)\z/s;
    cmp_ok(length $body, '>=', 3_000_000, "$transport: 3 MB");
    return ends_quiet();
}

# The connection is kept, and parks again and again.
sub kept {
    my $s = client();
    for my $i (1 .. 3) {
        my $held = hold('one');
        say_to($s, request('GET', "/one/?text=turn$i", keep => 1));
        $httpd->counts('one', parked => 1);
        go();
        status_of($held);
        my $got = '';
        while ($got !~ /turn$i/ && ($transport eq 'TLS' && $s->pending
                                    || IO::Select->new($s)->can_read(10))) {
            sysread($s, $got, 65_536, length $got) or last;
        }
        like($got, qr{^HTTP/1\.1 200.*turn$i}s, "request $i");
    }
    close $s;
    return ends_quiet();
}

# Requests that have to wait in their threads stand in the same line.
sub subrequests {
    my $held = hold('one');
    my $page = ask('/ssi/page.shtml');
    $httpd->counts('one', blocked => 1, parked => 0);
    my $other = ask('/one/?text=other');
    $httpd->counts('one', blocked => 1, parked => 1);
    go();
    like(rest_of($page), qr/first.*second/s, 'a page of two subrequests');
    like(rest_of($other), qr/other/, 'and the one beside it');
    is(status_of($held), 200, 'and the one before');
    return ends_quiet();
}

sub streamed {
    my $held = hold('off');
    my $s = say_to(client(), request('POST', '/off/?echo', body => 'z' x 5000));
    $httpd->counts('off', blocked => 1, parked => 0);
    go();
    like(rest_of($s), qr/length=5000/, 'a body that is streamed');
    status_of($held);
    return ends_quiet('off');
}

sub gone {
    my $aborted = $httpd->pool_status('one')->{aborted};
    my $held = hold('one');
    my @s = map { ask("/one/?text=$_") } 1 .. 4;
    my $post = say_to(client(), request('POST', '/one/?echo', body => 'abc'));
    $httpd->counts('one', parked => 5);
    setsockopt $s[1], SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)
        if $transport eq 'plain';
    close $s[0];
    close $s[1];
    close $post;
    $httpd->counts('one', parked => 3, aborted => $aborted + 2);
    go();
    like(rest_of($s[$_]), qr/$_/, 'who is there is answered') for 2, 3;
    status_of($held);
    return ends_quiet();
}

sub late {
    my $held = hold('late');
    for (1 .. 2) {
        my $s = client();
        my $begin = time;
        my $got = rest_of(say_to($s, request('GET', '/late/?text=x')));
        my $took = time - $begin;
        like($got, qr{^HTTP/1\.1 503 }, 'has waited for too long');
        like($got, qr/^Retry-After: \d+\r$/m, 'with Retry-After');
        cmp_ok($took, '>=', 0.7, 'not before FcgiPMQueueTimeout');
        is_soon($took, 6, 'and soon after it');
    }
    go();
    is(status_of($held), 200, 'who had the worker');
    return ends_quiet('late');
}

sub limit {
    my $held = hold('limit');
    my @s = map { ask('/limit/?text=x') } 1, 2;
    $httpd->counts('limit', parked => 2);
    is(status_of(ask('/limit/?text=x')), 503, 'one too many');
    go();
    is(status_of($_), 200, 'the others') for @s, $held;
    return ends_quiet('limit');
}

# mod_reqtimeout's clock does not run while a request waits.
sub body_timeout {
    my $held = hold('one');
    my $s = say_to(client(), request('POST', '/one/?echo', body => 'abc',
                                     keep => 1));
    $httpd->counts('one', parked => 1);
    select undef, undef, undef, 1.5;
    say_to($s, request('GET', '/one/?text=next'));
    go();
    like(rest_of($s), qr/length=3.*next/s, 'waited longer than its body may');
    return status_of($held) && ends_quiet();
}

# Requests are sent to the socket of a quick worker, but not to one that hangs.
sub hangs {
    status_of(ask('/many/?text=x')) for 1 .. 40;
    my $held = hold('many');
    my ($pool, @s);
    do {
        push @s, ask('/many/?text=x');
        wait_for {
            $pool = $httpd->pool_status('many');
            $pool->{in_flight} == 1 + @s;
        } 20, 'it has come';
    } while (!$pool->{parked} && @s < 32);
    cmp_ok(scalar @s, '<', 25, 'few are sent');
    push @s, map { ask('/many/?text=x') } 1 .. 3;
    $httpd->counts('many', parked => 4);
    go();
    is(status_of($_), 200, 'answered') for $held, @s;
    return ends_quiet('many');
}

# More requests wait than there are threads, and a file is answered.
sub many {
    my $n = 300;
    my $held = hold('many');
    my @s = map { ask('/many/?sleep=1&text=x') } 1 .. $n;
    my $parked = wait_for {
        $httpd->pool_status('many')->{parked} >= $n - 32
    } 20, 'all are parked';
    ok($parked, "$n are parked, but for those sent to the worker's socket");
    is($httpd->pool_status('many')->{blocked}, 0, 'none holds a thread');
    my $begin = time;
    is($httpd->get('/static.txt')->{status}, 200, 'a file') for 1 .. 5;
    is_soon(time - $begin, 3, 'at once');
    go();
    my @got = map { rest_of($_) } @s;
    my @bad = grep { $got[$_] !~ m{^HTTP/1\.1 200 .*x\z}s } 0 .. $#got;
    is(scalar @bad, 0, 'all are answered')
        or diag(map({ "request $_ got \"$got[$_]\"\n" } @bad),
                $httpd->log, slurp("$dir/access"));
    is(status_of($held), 200, 'and the one before');
    return ends_quiet('many');
}

# --- all of it --------------------------------------------------------------

my @TEST = ([kinds => \&kinds], [kept => \&kept], [gone => \&gone],
            [late => \&late], [limit => \&limit], [streamed => \&streamed],
            [subrequests => \&subrequests], ['body timeout' => \&body_timeout],
            [hangs => \&hangs], [many => \&many]);

ok($httpd->start, 'httpd') or BAIL_OUT('httpd does not start');
is(scalar $httpd->workers(5), 5, 'the workers');
if (!can_park()) {
    diag('the MPM of this httpd cannot park requests');
    ends_well($httpd);
    done_testing;
    exit;
}

sub can_park {
    my $held = hold('one');
    my $s = ask('/one/?text=x');
    $httpd->counts('one', queue => 1);
    my $parked = $httpd->pool_status('one')->{parked};
    go();
    status_of($_) for $held, $s;
    return $parked;
}

my @only = @ARGV;
for ('plain', $ssl ? 'TLS' : ()) {
    $transport = $_;
    for my $test (@TEST) {
        next if @only && !grep { $_ eq "$transport: $test->[0]" } @only;
        subtest("$transport: $test->[0]",
                sub { $test->[1]->(); done_testing });
    }
}
my $sent = () = slurp("$dir/access") =~ /^\S+ \S+ HTTP/mg;
cmp_ok($sent, '>', 300, 'the access log has them') unless @only;
ends_well($httpd);
done_testing;
