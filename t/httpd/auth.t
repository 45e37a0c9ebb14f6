#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Pools that decide on access: Require fcgipm, AuthBasicProvider fcgipm,
# FcgiPMAccessChecker.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use MIME::Base64 qw(encode_base64);
use Test::More;

my $auth = bin('auth.pl');
my $dir = tmp_dir();
my $trace = write_file("$dir/trace", '', 0666);

my @modules = qw(authn_core auth_basic authz_host authz_user access_compat
    dir rewrite headers actions);

sub place {
    my ($name, @line) = @_;
    return join '', "<Location /$name>\n    SetHandler fcgipm:app\n",
        map({ "    $_\n" } @line), "</Location>\n";
}

my $basic = "AuthType Basic\nAuthName pool\nAuthBasicProvider fcgipm\n"
    . "FcgiPMAuthenticator auth\nRequire valid-user";

my $config = join '',
    pool('app', 'worker', 'FcgiPMProcesses 2'),
    pool('auth', [$^X, $auth, $trace], 'FcgiPMIOTimeout 1s',
         'FcgiPMProcesses 2'),
    pool('dead', [bin('worker'), '--exit-at-once', 1]),
    place('require', 'Require fcgipm auth'),
    place('any', 'Require fcgipm auth', 'Require ip 127.0.0.1'),
    place('none-of', '<RequireAll>', 'Require all granted',
          'Require not fcgipm auth', '</RequireAll>'),
    place('document', 'Require fcgipm auth',
          'ErrorDocument 403 /static.txt', 'ErrorDocument 401 "mine'),
    place('headers', 'Require fcgipm auth', 'Header set X-Set set'),
    place('dead', 'Require fcgipm dead'),
    place('alive-or-dead', 'Require fcgipm dead', 'Require ip 127.0.0.1'),
    place('basic', $basic),
    place('both', $basic =~ s/Require.*//r, '<RequireAll>',
          'Require valid-user', 'Require fcgipm auth', '</RequireAll>'),
    place('basic-dead', $basic =~ s/Authenticator auth/Authenticator dead/r),
    place('basic-nobody', $basic =~ s/FcgiPMAuth.*\n//r),
    place('check', 'FcgiPMAccessChecker auth'),
    place('check/open', 'FcgiPMAccessChecker none'),
    place('check-any', 'FcgiPMAccessChecker auth', 'Satisfy Any',
          'Require fcgipm auth'),
    place('check-dead', 'FcgiPMAccessChecker dead'),
    place('forward', 'Require fcgipm auth', 'RewriteEngine on',
          'RewriteRule x\\.old$ /forward/new [PT]'),
    "<Directory \"$dir\">\nAllowOverride AuthConfig\n</Directory>\n",
    "Alias /files $dir\n";

sub env_of {
    my ($r) = @_;
    return { map { /^(\w+)=(.*)$/ ? ($1 => $2) : () } split /\n/,
             $r->{body} };
}

# The variables of the authorizer's last request.
sub told {
    my @request = split /\n\n/, slurp($trace);
    return env_of({ body => $request[-1] });
}

sub asked { my @all = split /\n\n/, slurp($trace); return scalar @all }

sub says { return (header => ["X-Auth: $_[0]", @_[1 .. $#_]]) }

sub login {
    my ($user, $password) = @_;
    return 'Authorization: Basic ' . encode_base64("$user:$password", '');
}

sub one_mpm {
    my ($mpm) = @_;
    my $httpd = FCGIPM::Httpd->new(mpm => $mpm, config => $config,
                                   modules => \@modules);
    ok($httpd->start, "MPM $mpm") or return;
    ok(wait_for {
        !grep { $_->{name} ne 'dead' && $_->{workers} < 2 }
            @{ ($httpd->status || { pools => [{ name => '', workers => 0 }] })
                   ->{pools} }
    } 20, 'the workers are there');

    # --- Require: granted
    my $n = asked();
    my $r = $httpd->get('/require/a/b?env', says('grant'));
    is($r->{status}, 200, 'Require: granted') or diag($httpd->log);
    my $env = env_of($r);
    is($env->{WHO}, 'authorizer', 'Variable-WHO is a variable');
    is($env->{ROLE_AUTHORIZER}, 'yes', 'and was asked as authorizer');
    is($r->{header}{'x-authorizer'}, undef, 'no other header comes through');
    is($r->{header}{'variable-who'}, undef, 'nor does that');
    is($env->{FCGI_APACHE_ROLE}, undef, 'the role is not the worker\'s');
    is($env->{SCRIPT_NAME} . $env->{PATH_INFO}, '/require/a/b',
       'which has what it needs');
    is(asked(), $n + 1, 'asked once');
    my $told = told();
    ok(!exists $told->{$_}, "the authorizer has no $_")
        for qw(CONTENT_LENGTH PATH_INFO PATH_TRANSLATED SCRIPT_NAME);
    is($told->{FCGI_ROLE}, 'AUTHORIZER', 'its role');
    is($told->{REQUEST_URI}, '/require/a/b?env', 'REQUEST_URI');
    is($told->{QUERY_STRING}, 'env', 'QUERY_STRING');
    is($told->{REMOTE_ADDR}, '127.0.0.1', 'REMOTE_ADDR');
    $r = $httpd->get('/require/?cat', body => 'the body', says('grant'));
    is($r->{body}, 'the body', 'a body goes to the worker');
    ok(!exists told()->{CONTENT_LENGTH}, 'not to the authorizer');

    # --- Require: denied
    for my $status (401, 403, 404, 418, 500) {
        $r = $httpd->get('/require/?text=x', says("status=$status"));
        is($r->{status}, $status, "denied with $status");
        is($r->{body}, "no: AUTHORIZER\n", 'its body');
        is($r->{header}{'content-type'}, 'text/x-no', 'its type');
        is($r->{header}{'x-why'}, 'because', 'its header');
        is_deeply($r->{headers}{'set-cookie'}, ['a=1', 'b=2'], 'both cookies');
    }
    $r = $httpd->get('/require/', says('status=401'));
    is_deeply($r->{headers}{'www-authenticate'}, ['Strange realm="pool"'],
              'its WWW-Authenticate');
    like($httpd->get('/require/', says('status=499 Not You'))->{status_line},
         qr/ 499 Not You$/, 'its reason');
    $r = $httpd->get('/require/', says('redirect'));
    is($r->{status}, 302, 'sent elsewhere');
    is($r->{header}{location}, 'http://login.example/', 'there');
    is($r->{body}, "go there\n", 'with a body');
    $r = $httpd->get('/require/', says('local'));
    is($r->{status}, 302, 'Location without Status');
    is($r->{header}{location}, '/login', 'as it was given');
    $r = $httpd->get('/require/', says('long=300000'));
    is($r->{status}, 403, 'a long page');
    is(length $r->{body}, 300_000, 'all of it');
    $r = $httpd->get('/require/', method => 'HEAD', says('status=403'));
    is($r->{status}, 403, 'HEAD');
    is($r->{body}, '', 'without a body');
    $r = $httpd->get('/require/', body => 'x' x 100_000, says('status=403'));
    is($r->{status}, 403, 'POST');
    is($r->{body}, "no: AUTHORIZER\n", 'its body');
    $r = $httpd->get('/document/', says('status=403'));
    is($r->{body}, "no: AUTHORIZER\n", 'not an ErrorDocument\'s');
    $r = $httpd->get('/document/', says('status=401'));
    is($r->{body}, "no: AUTHORIZER\n", 'nor a text of it');
    is($httpd->get('/headers/', says('status=403'))->{header}{'x-set'},
       'set', 'mod_headers has its say');

    # --- with others
    $r = $httpd->get('/any/?text=x', says('status=403'));
    is($r->{status}, 200, 'RequireAny: another one grants');
    is($httpd->get('/any/?status=403&text=mine', says('status=401'))->{body},
       'mine', 'what was denied does not come back');
    is($httpd->get('/none-of/', says('status=401'))->{status}, 200,
       'Require not: denied is granted');
    $r = $httpd->get('/none-of/', says('grant'));
    is($r->{status}, 403, 'and granted is denied');
    like($r->{body}, qr/<h1>Forbidden/i, 'by httpd');
    $n = asked();
    $r = $httpd->get('/forward/x.old?env', says('grant'));
    is(env_of($r)->{WHO}, 'authorizer',
       'an internal redirect keeps the variables');

    # --- no answer
    my %why = ('nonsense' => qr/header/, 'die' => qr/closed/,
               'hang' => qr/does not answer/,
               'long=2000000' => qr/longer than/);
    for my $how (sort keys %why) {
        $r = $httpd->get('/require/?text=x', says($how));
        is($r->{status}, 500, "$how: 500");
        ok(wait_for {
            $httpd->log =~ /pool auth: Require fcgipm: no answer.*$why{$how}/
        } 10, 'which the log explains');
    }
    ok(wait_for { $httpd->status('dead')->{pools}[0]{state} eq 'backoff' } 10,
       'a pool that cannot start');
    for my $place (qw(dead alive-or-dead check-dead)) {
        $r = $httpd->get("/$place/?text=x");
        is($r->{status}, 503, "/$place: 503");
        like($r->{header}{'retry-after'}, qr/^\d+$/, 'with Retry-After');
    }
    $r = $httpd->get('/basic-dead/?text=x', header => [login('a', 'b')]);
    is($r->{status}, 503, 'nobody to check the password: 503');
    $r = $httpd->get('/basic-nobody/?text=x', header => [login('a', 'b')]);
    is($r->{status}, 500, 'no FcgiPMAuthenticator: 500');
    ok(wait_for { $httpd->log =~ /there is no FcgiPMAuthenticator/ } 10,
       'the log says so');
    ok(wait_for { $httpd->log =~ /pool dead: FcgiPMAccessChecker: no answer/ }
       10, 'and which pool gave no answer');

    # --- AuthBasicProvider
    $r = $httpd->get('/basic/?env');
    is($r->{status}, 401, 'no user: 401');
    is($r->{header}{'www-authenticate'}, 'Basic realm="pool"', 'of httpd');
    $r = $httpd->get('/basic/?env', header => [login('good', 'secret')]);
    is($r->{status}, 200, 'the right password');
    $env = env_of($r);
    is($env->{REMOTE_USER}, 'good', 'REMOTE_USER');
    is($env->{ROLE_AUTHENTICATOR}, 'yes', 'and a variable');
    ok(!exists $env->{$_}, "but no $_")
        for qw(REMOTE_PASSWD HTTP_AUTHORIZATION);
    $told = told();
    is($told->{FCGI_APACHE_ROLE}, 'AUTHENTICATOR', 'the authenticator\'s role');
    is($told->{REMOTE_USER}, 'good', 'the user');
    is($told->{REMOTE_PASSWD}, 'secret', 'the password');
    is($told->{AUTH_TYPE}, 'Basic', 'the type');
    $r = $httpd->get('/basic/', header => [login('good', 'wrong')]);
    is($r->{status}, 401, 'a wrong password');
    is($r->{header}{'www-authenticate'}, 'Basic realm="pool"', 'ask again');
    $n = asked();
    $r = $httpd->get('/both/?env', says('grant', login('x', 'y')));
    is($r->{status}, 200, 'authenticated and authorized');
    is(asked(), $n + 2, 'each asked once');
    is(told()->{REMOTE_USER}, 'x', 'the authorizer knows the user');
    ok(!exists told()->{REMOTE_PASSWD}, 'but no password');

    # --- FcgiPMAccessChecker
    $r = $httpd->get('/check/?env', says('grant'));
    is(env_of($r)->{ROLE_ACCESS_CHECKER}, 'yes', 'access is checked');
    $r = $httpd->get('/check/', says('status=403'));
    is($r->{status}, 403, 'denied');
    is($r->{body}, "no: ACCESS_CHECKER\n", 'with its page');
    is($httpd->get('/check/', says('redirect'))->{status}, 302, 'or elsewhere');
    is($httpd->get('/check/open/?text=x')->{body}, 'x', 'none: not there');
    $r = $httpd->get('/check-any/', says('status=403'));
    is($r->{body}, "no: AUTHORIZER\n", 'Satisfy Any: asked on');

    # --- .htaccess
    write_file("$dir/file.txt", "a file\n", 0644);
    write_file("$dir/.htaccess", "Require fcgipm auth\n", 0644);
    is($httpd->get('/files/file.txt', says('grant'))->{body}, "a file\n",
       '.htaccess: granted');
    is($httpd->get('/files/file.txt', says('status=403'))->{body},
       "no: AUTHORIZER\n", 'denied');
    write_file("$dir/.htaccess", "Require fcgipm nosuch\n", 0644);
    is($httpd->get('/files/file.txt')->{status}, 500, 'no such pool');
    ok(wait_for { $httpd->log =~ /Require fcgipm: there is no pool "nosuch"/ }
       10, 'which the log names');

    ends_well($httpd);
    return;
}

chmod 0755, $dir;
one_mpm($_) for qw(event prefork);

# --- what httpd -t finds
my $httpd = FCGIPM::Httpd->new(modules => \@modules);
for (['Require fcgipm nosuch', qr/Require fcgipm: .*nosuch.*:\d+/],
     ['Require fcgipm a b', qr/one word/],
     ['Require fcgipm a/b', qr{a/b}],
     ['FcgiPMAccessChecker nosuch', qr/FcgiPMAccessChecker: .*nosuch/],
     ['FcgiPMAuthenticator nosuch', qr/FcgiPMAuthenticator: .*nosuch/],
     ['AuthType Digest', undef]) {
    my ($line, $said) = @$_;
    for my $at ('%s', "<VirtualHost *>\n%s\n</VirtualHost>") {
        $httpd->write_config(sprintf "$at\n",
                             "<Location /x>\n$line\n</Location>");
        my ($status, $out) = $httpd->run('-t');
        defined $said ? isnt($status, 0, "$line: httpd -t fails")
                      : is($status, 0, "$line: httpd -t is content");
        like($out, $said, "and says why ($status)") if defined $said;
    }
}

done_testing;
