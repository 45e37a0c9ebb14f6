#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# An authorizer (FastCGI 1.0, 6.3) that decides as the client tells it.
#
#   X-Auth: grant            200, with Variable- headers: WHO, ROLE, USER,
#                            COUNT
#   X-Auth: status=N         that status, "no: ROLE" and headers of its own
#   X-Auth: redirect         302 to http://login.example/
#   X-Auth: local            Location: /login without a Status
#   X-Auth: long=N           403 with N bytes
#   X-Auth: die              exits without an answer
#   X-Auth: nonsense         no header
#   X-Auth: hang             sleeps
#   none                     a user called "good" whose password is "secret" is
#                            granted, all else is 401
#
# With an argument, each request's variables are appended to that file, a
# line "NAME=value" each and an empty one behind.
use strict;
use warnings;

use FCGI;
use POSIX ();

my ($trace) = @ARGV;
my $count = 0;

sub answer {
    my ($env) = @_;
    my $say = defined $env->{HTTP_X_AUTH} ? $env->{HTTP_X_AUTH} : '';
    my ($word, $value) = split /=/, $say, 2;
    $word = '' unless defined $word;
    my $role = $env->{FCGI_APACHE_ROLE};
    my $grant = join '', map { "$_\r\n" } 'Status: 200 OK',
        'Variable-WHO: authorizer', "Variable-ROLE_$role: yes",
        "Variable-COUNT: $count", 'X-Authorizer: not for the client';
    return "$grant\r\n" if $word eq 'grant';
    return "Status: 302 Found\r\nLocation: http://login.example/\r\n"
        . "Content-Type: text/plain\r\n\r\ngo there\n" if $word eq 'redirect';
    return "Location: /login\r\n\r\n" if $word eq 'local';
    return "Status: 403 Forbidden\r\nContent-Type: text/plain\r\n\r\n"
        . 'n' x $value if $word eq 'long';
    return "nonsense\n" if $word eq 'nonsense';
    if ($word eq 'status') {
        return "Status: $value\r\nContent-Type: text/x-no\r\n"
            . "WWW-Authenticate: Strange realm=\"pool\"\r\n"
            . "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Why: because\r\n"
            . "\r\nno: $role\n";
    }
    return "$grant\r\n" if ($env->{REMOTE_PASSWD} || '') eq 'secret'
        && $env->{REMOTE_USER} eq 'good';
    return "Status: 401\r\nContent-Type: text/x-no\r\n\r\nno: $role\n";
}

sub note {
    my ($env) = @_;
    return unless defined $trace;
    open my $fh, '>>', $trace or die "$trace: $!";
    print {$fh} join '', map({ "$_=$env->{$_}\n" } sort keys %$env), "\n";
    close $fh;
    return;
}

my %env;
my $request = FCGI::Request(\*STDIN, \*STDOUT, \*STDERR, \%env, 0,
                            FCGI::FAIL_ACCEPT_ON_INTR());
my $told = 0;
$SIG{TERM} = sub { $told = 1 };
while (!$told && $request->Accept >= 0) {
    $count++;
    note(\%env);
    my $say = defined $env{HTTP_X_AUTH} ? $env{HTTP_X_AUTH} : '';
    POSIX::_exit(1) if $say eq 'die';
    sleep 60 if $say eq 'hang';
    print answer(\%env);
    $request->Finish;
}
