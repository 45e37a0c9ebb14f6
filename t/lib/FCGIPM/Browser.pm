# SPDX-License-Identifier: Apache-2.0
package FCGIPM::Browser;

=head1 NAME

FCGIPM::Browser - headless Chromium, by chromedriver's WebDriver

=head1 SYNOPSIS

  if (my $why = FCGIPM::Browser::missing()) { plan skip_all => $why }
  my $browser = FCGIPM::Browser->new;
  $browser->look(width => 390, height => 844, dark => 1);
  $browser->open($url);
  my $n = $browser->run('return document.querySelectorAll("tr").length');
  $browser->picture('/tmp/x.png');
  my @said = $browser->complaints;     # errors of the console

Everything it keeps is in a private directory.

=cut

use strict;
use warnings;

use FCGIPM::Test qw(free_port have slurp tmp_dir wait_for);
use HTTP::Tiny;
use JSON::PP ();
use MIME::Base64 qw(decode_base64);

=head1 FUNCTIONS AND METHODS

=head2 missing()

Why there can be no browser, or undef.

=cut

sub missing {
    my @none = grep { !have($_) } qw(chromium chromedriver);
    return @none ? "@none: not installed" : undef;
}

sub new {
    my ($class) = @_;
    my $port = free_port();
    my $dir = tmp_dir();
    my $self = bless {
        base => "http://127.0.0.1:$port", dir => $dir,
        http => HTTP::Tiny->new(timeout => 60),
        proc => FCGIPM::Test::start(
            cmd => [have('chromedriver'), "--port=$port"],
            env => { HOME => $dir, TMPDIR => $dir },
            out => "$dir/out", err => "$dir/err"),
    }, $class;
    wait_for {
        $self->{http}->get("$self->{base}/status")->{success}
    } 30, 'chromedriver';
    my $session = $self->_call(POST => '/session', {
        capabilities => { alwaysMatch => {
            browserName => 'chrome',
            'goog:loggingPrefs' => { browser => 'ALL' },
            'goog:chromeOptions' => {
                binary => have('chromium'),
                args => [qw(--headless --no-sandbox --disable-gpu
                    --disable-quic --no-first-run --disable-sync
                    --disable-background-networking --force-color-profile=srgb
                    --disable-component-update --disable-dev-shm-usage
                    --hide-scrollbars), "--user-data-dir=$dir/data"],
            },
        } },
    });
    $self->{session} = "/session/$session->{sessionId}";
    return $self;
}

sub _call {
    my ($self, $method, $path, $body) = @_;
    my $r = $self->{http}->request($method, "$self->{base}$path", {
        headers => { 'Content-Type' => 'application/json' },
        content => $body ? JSON::PP->new->utf8->encode($body) : '',
    });
    my $answer = eval { JSON::PP->new->utf8->decode($r->{content}) };
    die "$method $path: $r->{status} "
        . ($answer ? $answer->{value}{message} : $r->{content}) . "\n"
        unless $r->{success} && $answer;
    return $answer->{value};
}

sub _cdp {
    my ($self, $cmd, $params) = @_;
    return $self->_call(POST => "$self->{session}/goog/cdp/execute",
                        { cmd => $cmd, params => $params });
}

=head2 look(width, height, dark, script => 0)

The screen, the colours the user prefers, and whether there is JavaScript.

=cut

sub look {
    my ($self, %arg) = @_;
    my $true = JSON::PP::true();
    my $false = JSON::PP::false();
    $self->_cdp('Emulation.setDeviceMetricsOverride', {
        width => $arg{width}, height => $arg{height},
        deviceScaleFactor => $arg{scale} || 1,
        mobile => $arg{width} < 700 ? $true : $false });
    $self->_cdp('Emulation.setEmulatedMedia', { features => [
        { name => 'prefers-color-scheme',
          value => $arg{dark} ? 'dark' : 'light' }] });
    $self->_cdp('Emulation.setScriptExecutionDisabled', {
        value => exists $arg{script} && !$arg{script} ? $true : $false });
    return;
}

sub open {
    my ($self, $url) = @_;
    $self->_call(POST => "$self->{session}/url", { url => $url });
    return;
}

=head2 run(JAVASCRIPT, ARGUMENTS), until(JAVASCRIPT, SECONDS, WHAT)

What a function's body gives; waits until it gives something true.

=cut

sub run {
    my ($self, $body, @arg) = @_;
    return $self->_call(POST => "$self->{session}/execute/sync",
                        { script => $body, args => \@arg });
}

sub until {
    my ($self, $body, $seconds, $what) = @_;
    return wait_for { $self->run($body) } $seconds, $what;
}

=head2 picture(PATH), complaints()

A PNG of what can be seen; what the console has said of errors and warnings
since it was asked last.

=cut

sub picture {
    my ($self, $path) = @_;
    my $png = decode_base64(
        $self->_call(GET => "$self->{session}/screenshot"));
    CORE::open my $fh, '>:raw', $path or die "$path: $!";
    print {$fh} $png;
    close $fh or die "$path: $!";
    return length $png;
}

sub complaints {
    my ($self) = @_;
    my $log = $self->_call(POST => "$self->{session}/se/log",
                           { type => 'browser' });
    return map { $_->{message} }
        grep { $_->{level} =~ /SEVERE|WARNING/ } @$log;
}

sub quit {
    my ($self) = @_;
    eval { $self->_call(DELETE => $self->{session}); 1 } if $self->{session};
    $self->{proc}->signal('TERM');
    $self->{proc}->wait(20);
    return;
}

1;
