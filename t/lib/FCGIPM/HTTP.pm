# SPDX-License-Identifier: Apache-2.0
package FCGIPM::HTTP;

=head1 NAME

FCGIPM::HTTP - one HTTP/1.1 request on one connection, judged strictly

=head1 SYNOPSIS

  my $r = http($port, '/path', method => 'POST', body => 'x', chunked => 1);
  # $r->{error}   why there is no whole answer, or undef
  # $r->{status}  $r->{header}{'content-type'}  $r->{body}

An answer is whole when all of its Content-Length, its last chunk, or, with
neither, the end of the connection is there.  A refused connection, a reset
and an answer cut short each are an error of their own.

=cut

use strict;
use warnings;

use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(time);

our @EXPORT = qw(http talk);
our @EXPORT_OK = qw(ask_at rest_of status_of);

=head2 http(PORT, PATH, method, header => [LINE...], body, chunked => SIZE,
timeout => 20, protocol => '1.1', host => NAME, seen => CODE)

C<chunked> sends the body in chunks of that size.  C<seen> is called with all
that has come, each time that there is more.

=cut

sub http {
    my ($port, $path, %arg) = @_;
    my $deadline = time + ($arg{timeout} || 20);
    my $s = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $port, Proto => 'tcp',
        Timeout => $arg{timeout} || 20);
    return { error => "connect: $!", status => 0, header => {}, body => '' }
        unless $s;
    local $SIG{PIPE} = 'IGNORE';
    my $method = $arg{method} || (defined $arg{body} ? 'POST' : 'GET');
    my $wrote = _write($s, _head($method, $path, port => $port, %arg)
                           . _body(%arg));
    my ($bytes, $how) = _read($s, $deadline, $arg{seen});
    my $r = _parse($bytes, $method, $how);
    $r->{error} = "write: $wrote" if defined $wrote && defined $r->{error};
    return $r;
}

=head2 talk(PORT, BYTES, SECONDS, SEEN)

Sends BYTES as they are and gives what comes until the connection is closed,
and how it was: 'eof', 'timeout', or the error.

=cut

sub talk {
    my ($port, $bytes, $seconds, $seen) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port")
        or return ('', "connect: $!");
    local $SIG{PIPE} = 'IGNORE';
    _write($s, $bytes);
    return _read($s, time + ($seconds || 20), $seen);
}

=head2 ask_at(PORT, PATH)

Sends a GET and gives its socket: the answer is read later.

=cut

sub ask_at {
    my ($port, $path) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port")
        or die "connect: $!";
    print {$s} "GET $path HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    $s->flush;
    return $s;
}

=head2 rest_of(SOCKET, SECONDS), status_of(SOCKET, SECONDS)

All that comes until the connection is closed, or silent for so long (20
seconds); and the status in it, 0 when there is none.

=cut

sub rest_of {
    my ($s, $seconds) = @_;
    my $ready = IO::Select->new($s);
    my $bytes = '';
    while (($s->can('pending') && $s->pending)    # TLS
           || $ready->can_read($seconds || 20)) {
        sysread($s, $bytes, 65_536, length $bytes) or last;
    }
    return $bytes;
}

sub status_of { return rest_of(@_) =~ m{^HTTP/1\.1 (\d+)} ? $1 : 0 }

sub _head {
    my ($method, $path, %arg) = @_;
    my $protocol = $arg{protocol} || '1.1';
    my @line = ("$method $path HTTP/$protocol",
                'Host: ' . ($arg{host} || "localhost:$arg{port}"),
                'Connection: close', @{ $arg{header} || [] });
    if ($arg{chunked}) { push @line, 'Transfer-Encoding: chunked' }
    elsif (defined $arg{body}) {
        push @line, 'Content-Length: ' . length $arg{body};
    }
    return join "\r\n", @line, '', '';
}

sub _body {
    my (%arg) = @_;
    my $body = $arg{body};
    return '' unless defined $body;
    return $body unless $arg{chunked};
    my $out = '';
    for (my $at = 0; $at < length $body; $at += $arg{chunked}) {
        my $piece = substr $body, $at, $arg{chunked};
        $out .= sprintf "%x\r\n%s\r\n", length $piece, $piece;
    }
    return "${out}0\r\n\r\n";
}

# Returns nothing, or why it could not.
sub _write {
    my ($s, $bytes) = @_;
    while (length $bytes) {
        my $n = syswrite $s, $bytes;
        return "$!" unless defined $n;
        substr $bytes, 0, $n, '';
    }
    return;
}

# Until the answer is whole: '' ; else why not: 'timeout', 'reset', 'eof'.
sub _read {
    my ($s, $deadline, $seen) = @_;
    my $ready = IO::Select->new($s);
    my $bytes = '';
    for (;;) {
        my $left = $deadline - time;
        return ($bytes, 'timeout') if $left <= 0 || !$ready->can_read($left);
        my $n = sysread $s, $bytes, 65_536, length $bytes;
        return ($bytes, "$!") unless defined $n;
        return ($bytes, 'eof') if $n == 0;
        $seen->($bytes) if $seen;
    }
}

sub _parse {
    my ($bytes, $method, $how) = @_;
    my %r = (status => 0, header => {}, body => '');
    $bytes =~ s/\AHTTP\/1\.1 100 [^\r\n]*\r\n\r\n//;
    my ($head, $body) = split /\r\n\r\n/, $bytes, 2;
    if (!defined $body) {
        $r{error} = length $bytes ? "header cut short ($how)"
            : $how eq 'eof' ? 'closed without an answer' : $how;
        return \%r;
    }
    my ($first, @line) = split /\r\n/, $head;
    ($r{status}) = $first =~ /^HTTP\/1\.\d (\d+)/;
    $r{status_line} = $first;
    for (@line) {
        my ($name, $value) = /^([^:]+):\s*(.*)$/ or next;
        push @{ $r{headers}{ lc $name } }, $value;
        $r{header}{ lc $name } = $value;
    }
    _body_of(\%r, $body, $how)
        unless $method eq 'HEAD' || $r{status} =~ /^(?:1..|204|304)$/;
    $r{body} = $body if $method eq 'HEAD';
    return \%r;
}

sub _body_of {
    my ($r, $bytes, $how) = @_;
    my $len = $r->{header}{'content-length'};
    if (($r->{header}{'transfer-encoding'} || '') =~ /chunked/i) {
        while ($bytes =~ s/\A([0-9a-fA-F]+)[^\r\n]*\r\n//) {
            my $n = hex $1;
            return if $n == 0;
            last if length $bytes < $n + 2;
            $r->{body} .= substr $bytes, 0, $n;
            substr $bytes, 0, $n + 2, '';
        }
        $r->{error} = "body cut short ($how)";
    }
    elsif (defined $len) {
        $r->{body} = $bytes;
        $r->{error} = "body cut short ($how)" if length $bytes != $len;
    }
    else {
        $r->{body} = $bytes;
        $r->{error} = $how if $how ne 'eof';
    }
    return;
}

1;
