# SPDX-License-Identifier: Apache-2.0
package FCGIPM::HTTP2;

=head1 NAME

FCGIPM::HTTP2 - a client of HTTP/2 without TLS, as few of its frames as do

=head1 SYNOPSIS

  my $s = h2_connected($port);
  h2_ask($s, 1, GET => '/path');          # stream 1
  my ($body, $end) = h2_take($s, 1);      # $end: 'end', 'reset' or ''

RFC 9113, RFC 7541.  It takes as much as the windows allow at first, 65,535
bytes, and more only when it is told to.

=cut

use strict;
use warnings;

use Exporter 'import';
use IO::Select;
use IO::Socket::INET;

our @EXPORT = qw(h2_ask h2_connected h2_reset h2_take);

my ($DATA, $HEADERS, $RESET, $SETTINGS, $WINDOW) = (0, 1, 3, 4, 8);
my $END_STREAM = 1;

# socket => { bytes: no whole frame yet; body, end: by stream, not taken yet }
my %came;

=head1 FUNCTIONS

=head2 h2_connected(PORT)

=cut

sub h2_connected {
    my ($port) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port")
        || die "connect: $!";
    $came{$s} = { bytes => '' };
    syswrite $s, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . _frame($SETTINGS, 0, 0, '');
    return $s;
}

=head2 h2_ask(SOCKET, STREAM, METHOD, PATH), h2_reset(SOCKET, STREAM)

A request that is no GET has a body of ten bytes.

=cut

sub h2_ask {
    my ($s, $stream, $method, $path) = @_;
    my $get = $method eq 'GET';
    my $fields = ($get ? "\x82" : "\x83") . "\x86\x04" . chr(length $path)
        . $path . "\x01\x01x";
    syswrite $s, _frame($HEADERS, $get ? 5 : 4, $stream, $fields)
        . ($get ? '' : _frame($DATA, $END_STREAM, $stream, 'x' x 10));
    return $s;
}

sub h2_reset {
    my ($s, $stream) = @_;
    return syswrite $s, _frame($RESET, 0, $stream, pack 'N', 8);
}

=head2 h2_take(SOCKET, STREAM, MOST)

The body that comes on the stream, until its end or so many bytes, and how it
ended, '' when it has not.

=cut

sub h2_take {
    my ($s, $stream, $most) = @_;
    my $came = $came{$s};
    while (!$came->{end}{$stream}
           && (!defined $most || length($came->{body}{$stream} // '') < $most)) {
        my ($type, $flags, $on, $payload) = _next($s) or last;
        if ($type == $DATA && length $payload) {
            _open_windows($s, $on, length $payload);
            $came->{body}{$on} .= $payload;
        }
        $came->{end}{$on} = 'reset' if $type == $RESET;
        $came->{end}{$on} = 'end'
            if $type <= $HEADERS && $flags & $END_STREAM;
    }
    return (delete $came->{body}{$stream} // '', $came->{end}{$stream} // '');
}

sub _frame {
    my ($type, $flags, $stream, $payload) = @_;
    return substr(pack('N', length $payload), 1)
        . pack('CCN', $type, $flags, $stream) . $payload;
}

sub _next {
    my ($s) = @_;
    my $bytes = \$came{$s}{bytes};
    while (length $$bytes < 9 || length $$bytes < 9 + _length($$bytes)) {
        IO::Select->new($s)->can_read(20) or return;
        sysread $s, $$bytes, 65_536, length $$bytes or return;
    }
    my (undef, undef, $type, $flags, $stream) = unpack 'CnCCN', $$bytes;
    my $length = _length($$bytes);
    my $payload = substr $$bytes, 9, $length;
    substr $$bytes, 0, 9 + $length, '';
    return ($type, $flags, $stream, $payload);
}

sub _length { return unpack('N', "\0" . substr $_[0], 0, 3) }

sub _open_windows {
    my ($s, $stream, $bytes) = @_;
    syswrite $s, join '', map { _frame($WINDOW, 0, $_, pack 'N', $bytes) }
        0, $stream;
    return;
}

1;
