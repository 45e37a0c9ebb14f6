# SPDX-License-Identifier: Apache-2.0
package FCGIPM::FastCGI;

=head1 NAME

FCGIPM::FastCGI - FastCGI records, and a client for one request

=head1 SYNOPSIS

  my $r = request('unix:/path', query => 'pid');
  # $r->{error}    why there is no whole answer, or undef
  # $r->{status}   of the Status: header, 200 without one
  # $r->{header}   { 'content-type' => '...' }
  # $r->{body}  $r->{stdout}  $r->{stderr}
  # $r->{app_status}  $r->{protocol_status}  $r->{reserved}

=cut

use strict;
use warnings;

use Exporter 'import';
use IO::Select;
use IO::Socket::IP;
use IO::Socket::UNIX;
use Time::HiRes qw(time);

our @EXPORT = qw(ask pid_of request);
our @EXPORT_OK = qw(connect_to record begin_record params stream records_of
    send_request read_answer BEGIN_REQUEST ABORT_REQUEST END_REQUEST PARAMS
    STDIN_ STDOUT_ STDERR_);

use constant {
    BEGIN_REQUEST => 1, ABORT_REQUEST => 2, END_REQUEST => 3, PARAMS => 4,
    STDIN_ => 5, STDOUT_ => 6, STDERR_ => 7,
};

=head1 BYTES

=head2 record(TYPE, CONTENT, id => 1, version => 1, padding => 0)

=cut

sub record {
    my ($type, $content, %arg) = @_;
    my $pad = $arg{padding} || 0;
    return pack('CCnnCx', defined $arg{version} ? $arg{version} : 1, $type,
                defined $arg{id} ? $arg{id} : 1, length $content, $pad)
        . $content . "\0" x $pad;
}

=head2 begin_record(role => 1, flags => 0, id => 1)

=cut

sub begin_record {
    my (%arg) = @_;
    return record(BEGIN_REQUEST,
                  pack('nCx5', $arg{role} || 1, $arg{flags} || 0), %arg);
}

sub _length { $_[0] < 128 ? pack('C', $_[0]) : pack('N', $_[0] | 1 << 31) }

=head2 params(NAME => VALUE...)

The name-value pairs, without records.

=cut

sub params {
    my $bytes = '';
    while (my ($name, $value) = splice @_, 0, 2) {
        $bytes .= _length(length $name) . _length(length $value)
            . $name . $value;
    }
    return $bytes;
}

=head2 stream(TYPE, BYTES)

In as many records as needed and the empty one that ends it.

=cut

sub stream {
    my ($type, $bytes, %arg) = @_;
    my $out = '';
    for (my $at = 0; $at < length $bytes; $at += 65_528) {
        $out .= record($type, substr($bytes, $at, 65_528), %arg);
    }
    return $out . record($type, '', %arg);
}

=head2 records_of(BYTES)

Takes whole records from the front of the string it is given.

=cut

sub records_of {
    my @found;
    while (length $_[0] >= 8) {
        my ($version, $type, $id, $len, $pad) = unpack 'CCnnC', $_[0];
        last if length $_[0] < 8 + $len + $pad;
        push @found, { version => $version, type => $type, id => $id,
                       content => substr($_[0], 8, $len) };
        substr $_[0], 0, 8 + $len + $pad, '';
    }
    return @found;
}

=head1 A REQUEST

=head2 connect_to(ADDRESS, FROM)

A socket to C<unix:/path> or C<host:port>, there from the address FROM if it is
given; undef with $! set.

=cut

sub connect_to {
    my ($address, $from) = @_;
    return IO::Socket::UNIX->new(Peer => $1) if $address =~ /^unix:(.*)/;
    return IO::Socket::IP->new(PeerAddr => $address, Proto => 'tcp',
                               $from ? (LocalAddr => $from) : ());
}

=head2 send_request(SOCKET, query => ..., params => {...}, stdin => ...,
                   held => 1, keep => 1)

With held its body has no end: a worker that reads it (query "cat") is busy
until end_request().  With keep the connection is to be kept
(FCGI_KEEP_CONN).

=cut

sub send_request {
    my ($socket, %arg) = @_;
    my $stdin = defined $arg{stdin} ? $arg{stdin} : '';
    my %params = (
        GATEWAY_INTERFACE => 'CGI/1.1', SERVER_PROTOCOL => 'HTTP/1.1',
        SERVER_SOFTWARE => 'test', SERVER_NAME => 'localhost',
        SERVER_PORT => 80, REMOTE_ADDR => '127.0.0.1',
        REQUEST_METHOD => length $stdin ? 'POST' : 'GET',
        SCRIPT_NAME => '/test', REQUEST_URI => '/test',
        QUERY_STRING => defined $arg{query} ? $arg{query} : '',
        (length $stdin ? (CONTENT_LENGTH => length $stdin) : ()),
        %{ $arg{params} || {} },
    );
    my $bytes = begin_record(flags => $arg{keep} ? 1 : 0)
        . stream(PARAMS, params(%params))
        . ($arg{held} ? '' : stream(STDIN_, $stdin));
    local $SIG{PIPE} = 'IGNORE';
    while (length $bytes) {
        my $n = syswrite $socket, $bytes;
        return unless defined $n;
        substr $bytes, 0, $n, '';
    }
    return 1;
}

=head2 end_request(SOCKET)

=cut

sub end_request {
    my ($socket) = @_;
    return syswrite $socket, stream(STDIN_, '');
}

=head2 read_answer(SOCKET, SECONDS)

=cut

sub read_answer {
    my ($socket, $seconds) = @_;
    my $deadline = time + $seconds;
    my $ready = IO::Select->new($socket);
    my %r = (stdout => '', stderr => '');
    my $bytes = '';
    until (defined $r{app_status}) {
        my $left = $deadline - time;
        return _no(\%r, 'timeout')
            unless $left > 0 && $ready->can_read($left);
        my $n = sysread $socket, $bytes, 65_536, length $bytes;
        return _no(\%r, "read: $!") unless defined $n;
        return _no(\%r, 'closed before the end') if $n == 0;
        for my $rec (records_of($bytes)) {
            $r{stdout} .= $rec->{content} if $rec->{type} == STDOUT_;
            $r{stderr} .= $rec->{content} if $rec->{type} == STDERR_;
            @r{qw(app_status protocol_status reserved)}
                = unpack 'NCa*', $rec->{content}
                if $rec->{type} == END_REQUEST;
        }
    }
    return _understood(\%r);
}

sub _no { my ($r, $why) = @_; $r->{error} = $why; return _understood($r) }

sub _understood {
    my ($r) = @_;
    $r->{header} = {};
    my ($head, $body) = split /\r?\n\r?\n/, $r->{stdout}, 2;
    $r->{body} = defined $body ? $body : '';
    for my $line (split /\r?\n/, defined $head ? $head : '') {
        $r->{header}{ lc $1 } = $2 if $line =~ /^([^:]+):\s*(.*)$/;
    }
    my ($status) = ($r->{header}{status} || '200') =~ /^(\d+)/;
    $r->{status} = $status;
    return $r;
}

=head2 request(ADDRESS, query => ..., timeout => 20, from => ADDRESS, ...)

=cut

sub request {
    my ($address, %arg) = @_;
    my $socket = connect_to($address, $arg{from});
    return _no({ stdout => '', stderr => '' }, "connect: $!") unless $socket;
    my $sent = send_request($socket, %arg);
    my $why = $sent ? undef : "write: $!";
    my $r = read_answer($socket, $arg{timeout} || 20);
    $r->{error} = $why if defined $why && defined $r->{error};
    return $r;
}

=head2 ask(ADDRESS, QUERY), pid_of(ADDRESS)

The body of the answer ('' when there was none); who answered.

=cut

sub ask {
    my ($address, $query) = @_;
    return request($address, query => $query)->{body};
}

sub pid_of {
    my ($address) = @_;
    return ask($address, 'pid') =~ /^pid=(\d+)/ ? $1 : undef;
}

1;
