#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A worker that sends what a test wants, byte for byte.
#
# The query string is a script: commands separated by `&`, carried out in
# order; values are escaped as in a URL.  `file=PATH` goes on with the script
# in a file (there, a line each).
#
#   out=T       a STDOUT record          err=T    a STDERR record
#   end=APP,PROTO  END_REQUEST (0,0)     eof      an empty STDOUT record
#   rec=TYPE,T  a record of any type     bytes=T  T as it is, no record
#   hex=HEX     bytes, as hex digits     fill=N   N bytes, in STDOUT records
#   ok          header, "ok\n", eof and end: a whole answer
#   id=N  ver=N  pad=N   of the records that follow
#   cut=N       the next record is sent only to its byte N
#   split=N,MS  what follows goes out N bytes at a time, MS apart
#   sleep=MS    read  (the rest of the request)   close   hang
#   reset       close with RST       keep    do not close at the end
#   rest=PATH   read to the end and append to the file a line: the types of
#               the records that came (of a run of one type: one), and
#               "eof", or "half" when there was a piece of one
#   note=PATH   append a line to the file
#   kept=PATH   likewise, if nothing more has come: no record, no end
#   until=PATH  wait until there is such a file
#   die         exit(3) at once
#
# The whole request is read first, unless the script begins with `early`:
# then only the parameters are, and `read` reads the body.  What was read is
# told by `body` (a STDOUT record "length=N"), `longest` (likewise: of the
# records of STDIN) and `params` (all of them, as a
# STDOUT record, "NAME=value" lines).
#
# SIGTERM: as FCGI::ProcManager's workers do.
use strict;
use warnings;

use POSIX ();
use Socket;
use Time::HiRes qw(sleep);

my ($told, $waiting) = (0, 0);
my ($conn, %request, $bytes, %mode);

sub on_term {
    $told = 1;
    POSIX::close(0) if $waiting;
    return;
}

sub handler {
    my ($flags) = @_;
    my $action = POSIX::SigAction->new(\&on_term, undef, $flags);
    $action->safe(0);
    POSIX::sigaction(POSIX::SIGTERM(), $action);
    return;
}

# --- reading ----------------------------------------------------------------

sub need {
    my ($n) = @_;
    while (length $bytes < $n) {
        my $got = sysread $conn, $bytes, 65_536, length $bytes;
        next if !defined $got && $!{EINTR};
        return unless $got;
    }
    return 1;
}

# Reads records until the empty one of the type given.
sub read_until {
    my ($last) = @_;
    for (;;) {
        need(8) or return;
        my (undef, $type, $id, $len, $pad) = unpack 'CCnnC', $bytes;
        need(8 + $len + $pad) or return;
        my $content = substr $bytes, 8, $len;
        substr $bytes, 0, 8 + $len + $pad, '';
        $request{id} = $id;
        $request{$type} .= $content;
        $request{longest} = $len
            if $type == 5 && $len > ($request{longest} || 0);
        return 1 if $type == $last && $len == 0;
    }
}

# Whatever still comes, by type, and how it ends.
sub rest {
    my ($path) = @_;
    my @seen;
    for (;;) {
        need(8) or last;
        my (undef, $type, undef, $len, $pad) = unpack 'CCnnC', $bytes;
        need(8 + $len + $pad) or last;
        substr $bytes, 0, 8 + $len + $pad, '';
        push @seen, $type unless @seen && $seen[-1] == $type;
    }
    push @seen, length $bytes ? 'half' : 'eof';
    note($path, "@seen\n");
    return;
}

sub note {
    my ($path, $line) = @_;
    open my $fh, '>>', $path or return;
    syswrite $fh, $line;
    return;
}

sub pairs {
    my ($text) = @_;
    my @out;
    while (length $text) {
        my @len;
        for (0, 1) {
            my $n = unpack 'C', $text;
            $n = unpack('N', $text) & 0x7fffffff if $n > 127;
            substr $text, 0, ord $text > 127 ? 4 : 1, '';
            push @len, $n;
        }
        push @out, substr($text, 0, $len[0], ''), substr $text, 0, $len[1], '';
    }
    return @out;
}

# --- writing ----------------------------------------------------------------

sub put {
    my ($out) = @_;
    my ($size, $ms) = @{ $mode{split} || [length $out || 1, 0] };
    while (length $out) {
        my $piece = substr $out, 0, $size, '';
        while (length $piece) {
            my $n = syswrite $conn, $piece;
            next if !defined $n && $!{EINTR};
            return unless defined $n;
            substr $piece, 0, $n, '';
        }
        sleep $ms / 1000 if $ms;
    }
    return;
}

sub record {
    my ($type, $content) = @_;
    my $out = pack('CCnnCx', $mode{ver}, $type, $mode{id}, length $content,
                   $mode{pad}) . $content . "\0" x $mode{pad};
    $out = substr $out, 0, delete $mode{cut} if defined $mode{cut};
    put($out);
    return;
}

sub fill {
    my ($n) = @_;
    my $block = join '', 'a' .. 'z';
    $block x= 2520;                  # 65520 bytes, whole alphabets
    while ($n > 0) {
        record(6, $n < length $block ? substr $block, 0, $n : $block);
        $n -= length $block;
    }
    return;
}

sub reset_connection {
    setsockopt $conn, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
    close $conn;
    return;
}

my %COMMAND = (
    out => sub { record(6, $_[0]) },
    err => sub { record(7, $_[0]) },
    eof => sub { record(6, '') },
    end => sub {
        my ($app, $protocol) = split /,/, $_[0];
        record(3, pack 'NCx3', $app || 0, $protocol || 0);
    },
    rec => sub { record(split /,/, $_[0], 2) },
    bytes => sub { put($_[0]) },
    hex => sub { put(pack 'H*', $_[0]) },
    fill => sub { fill($_[0]) },
    ok => sub {
        record(6, "Content-Type: text/plain\r\n\r\nok\n");
        record(6, '');
        record(3, pack 'NCx3', 0, 0);
    },
    body => sub { record(6, 'length=' . length($request{5} || '') . "\n") },
    longest => sub { record(6, "longest=$request{longest}\n") },
    params => sub {
        my @pair = pairs($request{4});
        my $text = '';
        while (my ($name, $value) = splice @pair, 0, 2) {
            $text .= "$name=$value\n";
        }
        record(6, $text);
    },
    (map { my $name = $_; ($name => sub { $mode{$name} = $_[0] }) }
        qw(id ver pad cut)),
    split => sub { $mode{split} = [split /,/, $_[0]] },
    sleep => sub { sleep $_[0] / 1000 },
    read => sub { read_until(5) },
    rest => sub { rest($_[0]) },
    kept => sub {
        my $in = '';
        vec($in, fileno $conn, 1) = 1;
        note($_[0], "pid=$$\n") unless select $in, undef, undef, 0;
    },
    until => sub { sleep 0.01 until -e $_[0] },
    note => sub { note($_[0], "pid=$$\n") },
    close => sub { close $conn },
    reset => sub { reset_connection() },
    hang => sub { sleep 1 while 1 },
    keep => sub { $mode{keep} = 1 },
    die => sub { POSIX::_exit(3) },
    early => sub { },
);

sub script {
    my ($text, $separator) = @_;
    for my $command (split $separator, $text) {
        my ($name, $value) = split /=/, $command, 2;
        $value = '' unless defined $value;
        $value =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
        if ($name eq 'file') {
            open my $fh, '<', $value or next;
            local $/;
            script(scalar <$fh>, qr/\n/);
        }
        elsif ($COMMAND{$name}) { $COMMAND{$name}->($value) }
    }
    return;
}

sub answer {
    (%request, %mode) = ();
    $bytes = '';
    read_until(4) or return close $conn;
    my %env = pairs($request{4});
    my $query = defined $env{QUERY_STRING} ? $env{QUERY_STRING} : '';
    $query = 'ok' if $query eq '';
    read_until(5) if $query !~ /^early\b/;
    %mode = (ver => 1, id => $request{id}, pad => 0);
    script($query, qr/&/);
    close $conn if fileno $conn && !$mode{keep};
    return;
}

# --- main -------------------------------------------------------------------

$SIG{PIPE} = 'IGNORE';
open my $listen, '+<&=', 0 or die "fd 0: $!";
binmode STDERR;
until ($told) {
    handler(0);
    $waiting = 1;
    my $peer = $told ? undef : accept $conn, $listen;
    my $errno = $! + 0;
    $waiting = 0;
    handler(POSIX::SA_RESTART());
    if ($peer) { binmode $conn; answer() }
    elsif (!$told && $errno != POSIX::EINTR()) { POSIX::_exit(1) }
}
POSIX::_exit(0);
