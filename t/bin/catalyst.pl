#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A stock peer: an application of Catalyst, by Plack's handler for FastCGI as
# its own script myapp_fastcgi.pl runs it.  Answers "pid=N tag=catalyst";
# "sleep=MS" in the query before that.
package TestApp::Controller::Root;
use Moose;
use Time::HiRes qw(sleep time);
BEGIN { extends 'Catalyst::Controller' }
__PACKAGE__->config(namespace => '');

sub default : Path {
    my ($self, $c) = @_;
    my $end = time + ($c->req->params->{sleep} || 0) / 1000;
    sleep 0.01 while time < $end;
    $c->res->content_type('text/plain');
    $c->res->body("pid=$$ tag=catalyst\n");
    return;
}
BEGIN { $INC{'TestApp/Controller/Root.pm'} = __FILE__ }

package TestApp;
use Catalyst;
__PACKAGE__->setup;
__PACKAGE__->inject_components;
BEGIN { $INC{'TestApp.pm'} = __FILE__ }

package main;
use Plack::Handler::FCGI;

Plack::Handler::FCGI->new->run(TestApp->psgi_app);
