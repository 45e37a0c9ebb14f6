# SPDX-License-Identifier: Apache-2.0
package FCGIPM::Client;

=head1 NAME

FCGIPM::Client - what a person with a browser does: cookies, redirects, forms

=head1 SYNOPSIS

  my $client = FCGIPM::Client->new($port);
  my $page = $client->get('/login');
  $page = $client->submit($page, qr/name="password"/,
                          user => 'ann', password => 'x');
  $page = $client->submit($client->get('/files'), qr/type="file"/,
                          file => ['a.txt', 'text/plain', $bytes]);

Answers are those of FCGIPM::HTTP; C<url> is where the redirects led to.

=cut

use strict;
use warnings;

use FCGIPM::HTTP;

sub new {
    my ($class, $port) = @_;
    return bless { port => $port, cookie => {} }, $class;
}

sub base { "http://127.0.0.1:$_[0]{port}" }
sub cookies { $_[0]{cookie} }

=head2 once(PATH, ...), get(PATH, ...)

One request with the client's cookies, C<http>'s arguments; C<get> follows
redirects.

=cut

sub once {
    my ($self, $path, %arg) = @_;
    my @cookie = map { "$_=$self->{cookie}{$_}" } sort keys %{ $self->{cookie} };
    my @header = @cookie ? 'Cookie: ' . join '; ', @cookie : ();
    push @header, 'Referer: ' . $self->base . $self->{last} if $self->{last};
    $self->{last} = $path;
    my $r = http($self->{port}, $path, timeout => 200,
                 host => "127.0.0.1:$self->{port}", %arg,
                 header => [@header, @{ $arg{header} || [] }]);
    $self->_keep($_) for @{ $r->{headers}{'set-cookie'} || [] };
    $r->{url} = $path;
    return $r;
}

sub _keep {
    my ($self, $line) = @_;
    my ($name, $value) = $line =~ /^([^=;]+)=([^;]*)/ or return;
    if ($line =~ /max-age=(?:0|-)|expires=[^;]*(?:19\d\d|200\d|201\d)/i) {
        delete $self->{cookie}{$name};
    }
    else { $self->{cookie}{$name} = $value }
    return;
}

sub get {
    my ($self, $path, %arg) = @_;
    my $r = $self->once($path, %arg);
    for (1 .. 10) {
        my $to = $r->{header}{location};
        last if $r->{status} !~ /^30[1237]$/ || !defined $to;
        $r = $self->once($self->_path($r->{url}, $to));
    }
    return $r;
}

# A URL, as seen from the page at BASE, without this server's name.
sub _path {
    my ($self, $base, $to) = @_;
    $to =~ s/&amp;/&/g;
    $to =~ s/#.*//;
    $to =~ s{^http://(?:127\.0\.0\.1|localhost):$self->{port}}{};
    return $base if $to eq '';
    return $to if $to =~ m{^/};
    my ($path) = $base =~ /^([^?]*)/;
    return $path . $to if $to =~ /^\?/;
    $path =~ s{[^/]*$}{};
    $to =~ s{^\./}{};
    return $path . $to;
}

=head2 post(PATH, NAME => VALUE...), post_form(PATH, ARGUMENTS, NAME =>
VALUE...)

A form with these fields.  A VALUE [FILE NAME, TYPE, BYTES] is an upload, and
makes it multipart/form-data.

=cut

sub post {
    my ($self, $path, @field) = @_;
    my ($type, $body) = _encode(@field);
    return $self->get($path, method => 'POST', body => $body,
        header => ["Content-Type: $type", 'Origin: ' . $self->base]);
}

sub _encode {
    my (@field) = @_;
    return ('application/x-www-form-urlencoded', _query(@field))
        unless grep { ref } @field;
    my $mark = 'fcgipm' . join '', map { int rand 10 } 1 .. 20;
    my $body = '';
    while (my ($name, $value) = splice @field, 0, 2) {
        my ($file, $type, $bytes) = ref $value ? @$value : (undef, undef, $value);
        $body .= "--$mark\r\nContent-Disposition: form-data; name=\"$name\""
            . (defined $file ? "; filename=\"$file\"\r\nContent-Type: $type" : '')
            . "\r\n\r\n$bytes\r\n";
    }
    return ("multipart/form-data; boundary=$mark", "$body--$mark--\r\n");
}

sub _query {
    my (@field) = @_;
    s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ge for @field;
    my @pair;
    while (my ($name, $value) = splice @field, 0, 2) {
        push @pair, "$name=$value";
    }
    return join '&', @pair;
}

=head2 form(PAGE, PATTERN)

The first form of the page whose text matches: C<action> and C<field>, a list
of names and values as the page has them.  Dies when there is none.

=cut

sub form {
    my ($self, $page, $pattern) = @_;
    my $html = $page->{body};      # matched from its beginning each time
    while ($html =~ m{<form\b([^>]*)>(.*?)(?:</form>|\z)}gis) {
        my ($tag, $text) = ($1, $2);
        next unless "$tag$text" =~ $pattern;
        my $action = _attribute($tag, 'action');
        return { action => $self->_path($page->{url},
                                        defined $action ? $action : ''),
                 field => [_fields($text)] };
    }
    die "no form of $page->{url} matches $pattern: status $page->{status}, ",
        $page->{error} || '', "\n", substr($page->{body}, 0, 2000), "\n";
}

sub _attribute {
    my ($tag, $name) = @_;
    $tag =~ /\b$name\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))/is or return;
    return _text(defined $1 ? $1 : defined $2 ? $2 : $3);
}

sub _text {
    my ($text) = @_;
    my %name = (amp => '&', lt => '<', gt => '>', quot => '"');
    $text =~ s/&#x([0-9a-f]+);/chr hex $1/gei;
    $text =~ s/&#(\d+);/chr $1/ge;
    $text =~ s/&(\w+);/exists $name{$1} ? $name{$1} : "&$1;"/ge;
    return $text;
}

# What a browser sends of a form nobody has touched, but for buttons.
sub _fields {
    my ($text) = @_;
    my @field;
    while ($text =~ m{<(input|textarea|select)\b([^>]*)>}gis) {
        my ($kind, $tag) = (lc $1, $2);
        my $after = substr $text, pos $text;
        my $name = _attribute($tag, 'name');
        next unless defined $name && $name ne '';
        my $value = $kind eq 'input' ? _input($tag)
            : $kind eq 'textarea' ? _text($after =~ m{^(.*?)</textarea>}is)
            : _chosen($after =~ m{^(.*?)</select>}is);
        push @field, $name, $value if defined $value;
    }
    return @field;
}

sub _input {
    my ($tag) = @_;
    my $type = lc(_attribute($tag, 'type') || 'text');
    return if $type =~ /^(?:submit|button|image|file|reset)$/;
    my $value = _attribute($tag, 'value');
    if ($type =~ /^(?:checkbox|radio)$/) {
        return unless $tag =~ /\bchecked\b/i;
        return defined $value ? $value : 'on';
    }
    return defined $value ? $value : '';
}

sub _chosen {
    my ($text) = @_;
    return unless defined $text;
    my ($tag) = $text =~ /<option\b([^>]*\bselected\b[^>]*)>/is;
    ($tag) = $text =~ /<option\b([^>]*)>/is unless defined $tag;
    return defined $tag ? _attribute($tag, 'value') : undef;
}

=head2 submit(PAGE, PATTERN, NAME => VALUE...)

Fills in these fields of the form that C<form> finds, and sends it.

=cut

sub submit {
    my ($self, $page, $pattern, %value) = @_;
    my $form = $self->form($page, $pattern);
    my @field;
    my @had = @{ $form->{field} };
    while (my ($name, $value) = splice @had, 0, 2) {
        push @field, $name, $value unless exists $value{$name};
    }
    return $self->post($form->{action}, @field,
                       map { ($_ => $value{$_}) } sort keys %value);
}

1;
