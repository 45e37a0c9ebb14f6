#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Whatever bytes a worker sends: each answer has its status, a failure has
# exactly one line in the error log, with pool and reason, and nothing that is
# cut short looks whole to the client.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(record);
use FCGIPM::HTTP;
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(time);

my $dir = tmp_dir();
my $tcp = free_port();
my $raw = [$^X, bin('raw.pl')];
my $config = join '',
    # Whose line it is says the request's own header.
    qq(ErrorLogFormat "[%l] case=%{X-Case}i %M"\n),
    pool('raw', $raw, 'FcgiPMProcesses 3', 'FcgiPMIOTimeout 20s'),
    location('raw'),
    pool('tcp', $raw, 'FcgiPMProcesses 3', 'FcgiPMIOTimeout 20s',
         "FcgiPMListen 127.0.0.1:$tcp"), location('tcp'),
    pool('quick', $raw, 'FcgiPMProcesses 3', 'FcgiPMIOTimeout 400ms'),
    location('quick'),
    pool('small', $raw, 'FcgiPMResponseHeaderLimit 4K'), location('small'),
    pool('app', 'worker', 'FcgiPMProcesses 2'), location('app');

# --- a script of records -----------------------------------------------------

my $TYPE = "Content-Type: text/plain\r\n";
my $HEAD = "$TYPE\r\n";
my @FIN = ('eof', 'end');

sub out { return map { "out=$_" } @_ }

# The worker goes on when the client has seen "hello", in one chunk or in many.
my $SEEN = "until=$dir/seen";

sub seen {
    unlink "$dir/seen";
    return (seen => sub {
        (my $text = $_[0]) =~ s/\r\n[0-9a-f]+\r\n//g;
        write_file("$dir/seen", '') if $text =~ /hello/;
    });
}

# A query string; raw.pl reads what is too long for one from a file.
my $scripts = 0;

sub query {
    my @command = map {
        my ($name, $value) = split /=/, $_, 2;
        $value =~ s/([^\w.,:\/-])/sprintf '%%%02x', ord $1/ge
            if defined $value;
        defined $value ? "$name=$value" : $name
    } @_;
    my $query = join '&', @command;
    return $query if length $query < 4000;
    my $file = write_file("$dir/script." . $scripts++, join "\n", @command);
    return "file=$file";
}

# '200', '200 cut', or what went wrong before there was a status.
sub outcome {
    my ($r) = @_;
    return $r->{status} if !defined $r->{error};
    return $r->{status} ? "$r->{status} cut" : $r->{error};
}

# --- the cases ---------------------------------------------------------------

# One row each: name, script, outcomes that are right, the body, what the log
# says (nothing: no line at all), more for http().  A body of undef is not
# looked at: it is httpd's own page, or cut somewhere.
my $CUT = '502|200 cut';
my @padded = map { ("pad=$_", "out=$_,") } 0 .. 255;
my $sixty = 'x' x 60_000;

sub head_of {
    my ($size) = @_;
    my $line = "X-Fill: ";
    my $rest = $size - length "$TYPE$line\r\n\r\n";
    my $text = "$TYPE$line" . 'y' x $rest . "\r\n\r\n";
    return out($text =~ /(.{1,60000})/gs);
}

my @cases = (
    # --- records
    ['an answer', [out("${HEAD}hello"), @FIN], '200', 'hello'],
    ['without the empty record', [out("${HEAD}hello"), 'end'], '200',
     'hello'],
    ['header and body in records of their own',
     [out($HEAD, 'hello'), @FIN], '200', 'hello'],
    ['a record for each byte', [out(split //, "${HEAD}hello"), @FIN], '200',
     'hello'],
    ['padding from 0 to 255', [out($HEAD), @padded, 'pad=3', @FIN], '200',
     join('', map { "$_," } 0 .. 255)],
    ['records of no length', ['eof', out($HEAD), 'eof', 'pad=9', 'eof',
                              out('hel'), 'eof', out('lo'), @FIN], '200',
     'hello'],
    ['the largest record', [out($HEAD, 'z' x 65_535), @FIN], '200',
     'z' x 65_535],
    ['2000 tiny records', [out($HEAD), (map { "out=$_." } 1 .. 2000), @FIN],
     '200', join '', map { "$_." } 1 .. 2000],
    ['no body', [out($HEAD), @FIN], '200', ''],
    ['NULs in the body', [out("${HEAD}a\0b\0"), @FIN], '200', "a\0b\0"],
    ['bytes after the end', [out("${HEAD}hello"), @FIN, 'bytes=garbage'],
     '200', 'hello'],
    ['a status of the application', [out("${HEAD}hello"), 'eof', 'end=7,0'],
     '200', 'hello'],
    ['management records between',
     ['id=0', 'rec=11,12345678', 'id=1', out("${HEAD}he"), 'id=0', 'rec=10,',
      'id=1', out('llo'), @FIN], '200', 'hello'],
    ['a long END_REQUEST', [out("${HEAD}hello"), 'rec=3,' . "\0" x 40],
     '200', 'hello'],

    # --- records that are none
    ['version 0', ['ver=0', out("${HEAD}hello"), @FIN], '502', undef,
     'version 0'],
    ['version 2, later', [out("${HEAD}hel"), 'ver=2', out('lo'), @FIN], $CUT,
     undef, 'version 2'],
    ['HTTP instead of FastCGI',
     ["bytes=HTTP/1.1 200 OK\r\n${TYPE}\r\nhello"], '502', undef,
     'version 72'],
    ['the wrong id', ['id=2', out("${HEAD}hello"), @FIN], '502', undef,
     'request id 2'],
    ['the wrong id at the end', [out("${HEAD}hello"), 'id=256', 'end'], $CUT,
     undef, 'request id 256'],
    ['the id 0', ['id=0', out("${HEAD}hello"), @FIN], '502', undef,
     'request id 0'],
    ['a type of the other direction', ['rec=5,hello', @FIN], '502', undef,
     'type 5'],
    ['an unknown type', ['rec=12,hello', @FIN], '502', undef, 'type 12'],
    ['an unknown type, later', [out("${HEAD}hello"), 'rec=200,', @FIN], $CUT,
     undef, 'type 200'],
    ['a short END_REQUEST', [out("${HEAD}hello"), 'rec=3,1234567'], $CUT,
     undef, 'END_REQUEST of 7'],

    (map { ["a type $_ of the other direction", ["rec=$_,12345678", @FIN],
            '502', undef, "type $_"] } 1, 2, 4, 9),
    ['the type 0', ['rec=0,hello', @FIN], '502', undef, 'type 0'],
    ['END_REQUEST in the header',
     [out('Content-Ty'), 'end', out("pe: a\r\n\r\n")], '502', undef, 'no end'],
    ['two ends', [out("${HEAD}hello"), @FIN, @FIN], '200', 'hello'],
    ['a second answer', [out("${HEAD}hello"), @FIN, out("${HEAD}evil"), @FIN],
     '200', 'hello'],
    ['a length beyond what comes', ['hex=01060001ffffff00', 'close'], '502',
     undef, 'inside a record'],

    # --- END_REQUEST
    ['FCGI_CANT_MPX_CONN', ['end=0,1'], '502', undef, 'CANT_MPX_CONN'],
    ['FCGI_OVERLOADED', ['end=0,2'], '503', undef, 'OVERLOADED'],
    ['FCGI_UNKNOWN_ROLE', ['end=0,3'], '502', undef, 'UNKNOWN_ROLE'],
    ['protocol status 4', ['end=0,4'], '502', undef, 'protocol status 4'],
    ['protocol status 255', ['end=0,255'], '502', undef,
     'protocol status 255'],
    ['overloaded after a body', [out("${HEAD}hello"), 'end=0,2'],
     '503|200 cut', undef, 'OVERLOADED'],
    ['nothing but the end', [@FIN], '502', undef, 'empty'],

    # --- closed
    ['closed before all', ['close'], '502', undef, 'before it answered',
     body => 'x'],
    ['closed in a record', ['cut=5', out($HEAD), 'close'], '502', undef,
     'inside a record'],
    ['closed in the header', [out('Content-Ty'), 'close'], '502', undef,
     'without END_REQUEST'],
    ['closed in a record of the header', ['cut=20', out($HEAD), 'close'],
     '502', undef, 'inside a record'],
    ['closed after the header', [out($HEAD), 'close'], $CUT, undef,
     'without END_REQUEST'],
    ['closed in the body', [out("${HEAD}hello"), 'close'], $CUT, undef,
     'without END_REQUEST'],
    ['closed in a record of the body',
     [out("${HEAD}hello"), 'cut=10', out('world'), 'close'], $CUT, undef,
     'inside a record'],
    ['closed after the body', [out("${HEAD}hello"), 'eof', 'close'], $CUT,
     undef, 'without END_REQUEST'],
    ['closed in END_REQUEST', [out("${HEAD}hello"), 'eof', 'cut=12', 'end',
                               'close'], $CUT, undef, 'inside a record'],
    ['closed late', [out("${HEAD}hello"), $SEEN, 'close'], '200 cut',
     undef, 'without END_REQUEST'],
    ['closed late, with a length',
     [out("Content-Length: 9\r\n${HEAD}hello"), $SEEN, 'close'],
     '200 cut', undef, 'without END_REQUEST'],
    ['closed late, all bytes there',
     [out("Content-Length: 5\r\n${HEAD}hello"), $SEEN, 'close'],
     '200|200 cut', undef, 'without END_REQUEST'],
    ['reset before all', ['reset'], '502', undef, 'before it answered',
     body => 'x'],
    ['reset in the body', [out("${HEAD}hello"), $SEEN, 'reset'],
     '200 cut', undef, 'closed the connection'],

    # --- lines
    ['line feeds only', [out("Content-Type: text/plain\n\nhello"), @FIN],
     '200', 'hello'],
    ['both line ends', [out("Content-Type: text/plain\nX: y\r\n\nhello"),
                        @FIN], '200', 'hello'],
    ['an empty header', [out("\r\nhello"), @FIN], '200', 'hello'],
    ['an empty value', [out("X-Empty:\r\n${HEAD}hello"), @FIN], '200',
     'hello'],
    ['bytes above 127', [out("X-Utf: \303\274\r\n${HEAD}hello"), @FIN],
     '200', 'hello'],
    ['no header at all', [out('hello world'), @FIN], '502', undef, 'no end'],
    ['no header, with line ends', [out("hello world\r\n\r\nmore"), @FIN],
     '502', undef, 'hello world'],
    ['a header without end', [out($TYPE), @FIN], '502', undef, 'no end'],
    ['a header without end, then closed', [out($TYPE), 'close'], '502',
     undef, 'without END_REQUEST'],
    ['half a line end', [out("$TYPE\r"), @FIN], '502', undef, 'no end'],
    ['a line without colon', [out("Foo bar\r\n${HEAD}hello"), @FIN], '502',
     undef, 'Foo bar'],
    ['a line without name', [out(": bar\r\n${HEAD}hello"), @FIN], '502',
     undef, ': bar'],
    ['a blank before the colon', [out("Foo : bar\r\n${HEAD}hello"), @FIN],
     '502', undef, 'Foo '],
    ['a line that goes on', [out("A: b\r\n c\r\n${HEAD}hello"), @FIN],
     '200', 'hello'],
    ['a length that goes on',
     [out("Content-Length: 1\r\n 2\r\n${HEAD}hello"), @FIN], '502', undef,
     'Content-Length'],
    ['a first line that goes on', [out(" A: b\r\n${HEAD}hello"), @FIN], '502',
     undef, ' A: b'],
    ['a body that begins with a blank', [out("$HEAD hello"), @FIN], '200',
     ' hello'],
    ['both', [out("A: b\n\tc\n$HEAD\thello"), @FIN], '200', "\thello"],
    ['a NUL in a value', [out("A: b\0c\r\n${HEAD}hello"), @FIN], '502',
     undef, 'NUL'],
    ['a NUL in a name', [out("A\0: b\r\n${HEAD}hello"), @FIN], '502', undef,
     'NUL'],
    ['a control character', [out("A: b\tc\001\r\n${HEAD}hello"), @FIN],
     '502', undef, 'control'],
    ['a lone carriage return', [out("A: b\rSet-Cookie: c\r\n${HEAD}x"), @FIN],
     '502', undef, 'control'],
    ['a status line', [out("HTTP/1.1 200 OK\r\n${HEAD}hello"), @FIN], '502',
     undef, 'status line'],
    ['a status line, later', [out("${TYPE}HTTP/1.0 200 OK\r\n\r\nx"), @FIN],
     '502', undef, 'HTTP/1.0'],

    # --- long headers
    ['one line of 60,000', [out("X-Long: " . substr $sixty, 8),
                            out("\r\n${HEAD}hello"), @FIN], '200', 'hello'],
    ['1,000 lines', [out(map({ "X-N$_: $_\r\n" } 1 .. 1000),
                         "${HEAD}hello"), @FIN], '200', 'hello'],
    ['a header of 262,144', [head_of(262_144), out('hello'), @FIN], '200',
     'hello'],
    ['a header of 262,145', [head_of(262_145), out('hello'), @FIN], '502',
     undef, 'does not end within'],
    ['a header of 300,000', [out(map { "X-$_: $sixty\r\n" } 1 .. 5),
                             out("\r\nhello"), @FIN], '502', undef,
     'FcgiPMResponseHeaderLimit'],

    ['1 MB without end', [out(map { "X-$_: $sixty\r\n" } 1 .. 18), @FIN],
     '502', undef, 'does not end within'],
    ['1 MB in one line', [out("X: $sixty", ($sixty) x 18), @FIN], '502', undef,
     'does not end within'],
    ['60,000 line ends', [out("${TYPE}X: y" . "\n" x 60_000), @FIN], '200'],
    (map { ["a name with $_", [out("X${_}Y: z\r\n${HEAD}hello"), @FIN], '502',
            undef, 'X'] } '(', '"', ' ', '/', '@', "\177", "\303\244"),

    # --- Status
    ['Status', [out("Status: 200 OK\r\n${HEAD}x"), @FIN], '200', 'x'],
    ['Status without reason', [out("Status: 404\r\n${HEAD}x"), @FIN], '404',
     'x'],
    ['Status with a reason', [out("Status: 404 Nothing here\r\n${HEAD}x"),
                              @FIN], '404', 'x'],
    ['an unknown Status', [out("Status: 477\r\n${HEAD}x"), @FIN], '477',
     'x'],
    ['Status 500', [out("Status: 500 Oops\r\n${HEAD}x"), @FIN], '500', 'x'],
    ['Status 599', [out("Status: 599 Oops\r\n${HEAD}x"), @FIN], '599', 'x'],
    ['Status 100', [out("Status: 100 Continue\r\n${HEAD}x"), @FIN], '502',
     undef, 'Status'],
    (map { ["Status: $_", [out("Status: $_\r\n${HEAD}x"), @FIN], '502',
            undef, 'Status'] } '', 'abc', '20', '2000', '600', '99', '-200',
     'HTTP/1.1 200 OK'),

    (map { ["Status: $_", [out("Status: $_\r\n${HEAD}x"), @FIN], '502', undef,
            'Status'] }
     '101 Switching Protocols', '103', '1000', '0', '+200', '2 00', '0200'),
    ['Status: 200x', [out("Status: 200x\r\n${HEAD}x"), @FIN], '200', 'x'],
    ['two Status lines',
     [out("Status: 200\r\nStatus: 404\r\n${HEAD}x"), @FIN], '200|404'],

    # --- no body
    ['204', [out("Status: 204\r\n\r\n"), @FIN], '204', ''],
    ['204 with a body', [out("Status: 204 No Content\r\n${HEAD}x"), @FIN],
     '204', ''],
    ['304', [out("Status: 304\r\nETag: \"a\"\r\n\r\n"), @FIN], '304', ''],
    ['304 with a body', [out("Status: 304 Not Modified\r\n${HEAD}x"), @FIN],
     '304', ''],
    ['304 with a length', [out("Status: 304\r\nContent-Length: 9\r\n\r\n"),
                           @FIN], '304', ''],
    ['HEAD', [out("${HEAD}hello"), @FIN], '200', '', undef,
     method => 'HEAD'],
    ['HEAD with a length', [out("Content-Length: 5\r\n$HEAD"), @FIN], '200',
     '', undef, method => 'HEAD'],
    ['HEAD with a length and a body',
     [out("Content-Length: 5\r\n${HEAD}hello"), @FIN], '200', '', undef,
     method => 'HEAD'],
    ['HEAD with a length and part of the body',
     [out("Content-Length: 50000\r\n${HEAD}hello"), @FIN], '200', '', undef,
     method => 'HEAD'],
    ['HEAD, a broken answer', [out("nothing"), @FIN], '502', '', 'no end',
     method => 'HEAD'],
    ['what the client has already', [out("ETag: \"a\"\r\n${HEAD}x"), @FIN],
     '304', '', undef, header => ['If-None-Match: "a"']],
    ['what must not have changed', [out("ETag: \"a\"\r\n${HEAD}x"), @FIN],
     '412', undef, undef, header => ['If-Match: "b"']],

    # --- Content-Length
    ['the right length', [out("Content-Length: 5\r\n${HEAD}hello"), @FIN],
     '200', 'hello'],
    ['a length of 0', [out("Content-Length: 0\r\n$HEAD"), @FIN], '200', ''],
    ['the same length twice',
     [out("Content-Length: 5\r\nContent-Length: 5\r\n${HEAD}hello"), @FIN],
     '200', 'hello'],
    ['two lengths',
     [out("Content-Length: 5\r\nContent-Length: 6\r\n${HEAD}hello"), @FIN],
     '502', undef, 'Content-Length'],
    ['more than the length', [out("Content-Length: 3\r\n${HEAD}hello"),
                              out('world'), @FIN], '200', 'hel'],
    ['less than the length', [out("Content-Length: 9\r\n${HEAD}hello"),
                              @FIN], $CUT, undef, '4 bytes shorter'],
    ['nothing of the length', [out("Content-Length: 9\r\n$HEAD"), @FIN],
     $CUT, undef, '9 bytes shorter'],
    ['much, and less than the length',
     [out("Content-Length: 200001\r\n$HEAD"), 'fill=200000', @FIN],
     '200 cut', undef, '1 bytes shorter'],
    (map { ["Content-Length: $_",
            [out("Content-Length: $_\r\n${HEAD}hello"), @FIN], '502', undef,
            'Content-Length'] }
     '', 'x', '-1', '+5', '5x', '0x5', '5, 5', '99999999999999999999'),
    ['an encoding of its own',
     [out("Transfer-Encoding: chunked\r\n${HEAD}hello"), @FIN], '200',
     'hello'],

    # --- Location
    ['a local Location', [out("Location: /static.txt\r\n\r\n"), @FIN],
     '200', "static\n"],
    ['with a body nobody wants',
     [out("Location: /static.txt\r\n${HEAD}hello"), @FIN], '200',
     "static\n"],
    ['after a POST', [out("Location: /static.txt\r\n\r\n"), @FIN], '200',
     "static\n", undef, body => 'x' x 1000],
    ['a local Location with a Status',
     [out("Status: 303 Over There\r\nLocation: /static.txt\r\n${HEAD}x"),
      @FIN], '303', 'x'],
    ['an absolute Location', [out("Location: http://example.org/\r\n\r\n"),
                              @FIN], '302'],
    ['an absolute Location with Status and body',
     [out("Status: 301\r\nLocation: http://example.org/\r\n${HEAD}gone"),
      @FIN], '301', 'gone'],
    ['a local Location that leads nowhere',
     [out("Location: /no/such/file\r\n\r\n"), @FIN], '404'],
    (map { ["Location: $_->[0]", [out("Location: $_->[0]\r\n\r\n"), @FIN],
            $_->[1]] }
     ['/a%0d%0aSet-Cookie:%20b', 404], ['/../../etc/passwd', '400|404'],
     ['/%2e%2e/%2e%2e/etc/passwd', '400|404'], ['/static.txt%00', '400|404'],
     ['//example.org/', '302|404'], ["/$sixty", '40.'], ['javascript:x', 302],
     ["\r\nX: y", '200|302'], ["/static.txt\r\nLocation: /none", '200|404']),
    ['a local Location, then closed',
     [out("Location: /static.txt\r\n\r\n"), 'close'], '502', undef,
     'without END_REQUEST'],
);

# After these the worker is silent.
my @timed = (
    ['silence', [], '504', undef, 'does not answer'],
    ['silence after half a record', ['cut=3', out($HEAD)], '504',
     undef, 'fell silent'],
    ['silence in the header', [out($TYPE)], '504', undef,
     'fell silent'],
    ['silence in the body', [out("${HEAD}hello")], '200 cut', undef,
     'fell silent'],
    ['silence after the body', [out("${HEAD}hello"), 'eof'],
     '200 cut', undef, 'fell silent'],
);

# --- doing them --------------------------------------------------------------

my %expected;   # case => [name, lines, reason, pool]
my $number = 0;

sub try_one {
    my ($httpd, $pool, $row, @before) = @_;
    my ($name, $script, $want, $body, $reason, %arg) = @$row;
    my $case = sprintf '%s.%d', $pool, ++$number;
    my $r = $httpd->get("/$pool/?" . query(@before, @$script), %arg, seen(),
                        header => ["X-Case: $case",
                                   @{ $arg{header} || [] }]);
    my $got = outcome($r);
    my $good = $got =~ /^(?:$want)\z/
        && (!defined $body || $r->{body} eq $body);
    $expected{$case} = [$name, $reason, $pool];
    return $good ? undef
        : "$name" . (@before ? " (@before)" : '') . ": $got, body \""
        . substr($r->{body}, 0, 60) . '"';
}

sub all_of {
    my ($httpd, $pool, $what, $rows, @before) = @_;
    my @wrong = grep { defined } map { try_one($httpd, $pool, $_, @before) }
        @$rows;
    is_deeply(\@wrong, [], "$pool, $what: " . @$rows . ' answers');
    return;
}

# Exactly one line for each failure, and it has the pool and the reason.
sub judge_log {
    my ($httpd) = @_;
    my %lines;
    for my $line (split /\n/, $httpd->log) {
        push @{ $lines{$1} }, $line
            if $line =~ /^\[(?:error|warn|crit)\] case=(\w+\.\d+) (?!AH\d)/;
    }
    my @wrong;
    for my $case (sort keys %expected) {
        my ($name, $reason, $pool) = @{ $expected{$case} };
        my @line = @{ delete $lines{$case} || [] };
        my $good = defined $reason
            ? @line == 1 && $line[0] =~ /pool \Q$pool\E: .*\Q$reason\E/i
            : !@line;
        push @wrong, join "\n  ", "$case $name", @line unless $good;
    }
    is_deeply(\@wrong, [], 'one line for each failure, none for the others');
    is_deeply(\%lines, {}, 'no others');
    return;
}

my $httpd = FCGIPM::Httpd->new(config => $config);
ok($httpd->start, 'httpd');
is(scalar $httpd->workers(12), 12, 'workers of five pools');
for my $pool ('raw', 'tcp') {
    all_of($httpd, $pool, 'as they are', \@cases);
    all_of($httpd, $pool, 'byte by byte', [grep {
        my $size = 0;
        $size += /^fill=(\d+)/ ? $1 : length for @{ $_->[1] };
        $size < 70_000
    } @cases], 'split=1,0');
}
all_of($httpd, 'raw', 'by 7 bytes', \@cases, 'split=7,0');

# --- in two pieces, cut at each place ----------------------------------------
{
    my $answer = record(6, "Status: 201 Made\r\nSet-Cookie: a=1\r\n${TYPE}"
                        . "\r\nhe", padding => 3)
        . record(7, '') . record(6, 'llo') . record(6, '', padding => 1)
        . record(3, "\0" x 8);
    my @wrong;
    for my $at (1 .. length($answer) - 1) {
        my $r = $httpd->get('/raw/?' . query(
            'hex=' . unpack('H*', substr $answer, 0, $at), 'sleep=3',
            'hex=' . unpack 'H*', substr $answer, $at));
        push @wrong, "at $at: " . outcome($r) . " $r->{body}"
            unless outcome($r) eq '201' && $r->{body} eq 'hello'
            && $r->{header}{'set-cookie'} eq 'a=1';
    }
    is_deeply(\@wrong, [], 'an answer in two pieces, whatever the place');
    @wrong = ();
    for my $at (1 .. length($answer) - 1) {
        my $r = $httpd->get('/raw/?' . query(
            'hex=' . unpack('H*', substr $answer, 0, $at), 'close'));
        push @wrong, "at $at: " . outcome($r)
            if outcome($r) !~ /^(?:502|201 cut)\z/;
    }
    is_deeply(\@wrong, [], 'and cut there it never looks whole');
}

# --- headers, line by line ---------------------------------------------------
{
    my @cookie = map { "n$_=v$_; Path=/" } 1 .. 200;
    my $r = $httpd->get('/raw/?' . query(
        out(map({ "Set-Cookie: $_\r\n" } @cookie), "${HEAD}x"), @FIN));
    is_deeply($r->{headers}{'set-cookie'}, \@cookie, '200 cookies, in order');
    $r = $httpd->get('/raw/?' . query(
        out("X-Long: $sixty"), out("\r\n${HEAD}x"), @FIN));
    is($r->{header}{'x-long'}, $sixty, 'a line of 60,000 is whole');
    for my $row (['404', qr/ 404 Not Found$/], ['404 Away', qr/ 404 Away$/],
                 ['200 Fine', qr/ 200 Fine$/], ['299', qr/ 299 ?/]) {
        $r = $httpd->get('/raw/?' . query(
            out("Status: $row->[0]\r\n${HEAD}x"), @FIN));
        like($r->{status_line}, $row->[1], "Status: $row->[0]");
        ok(!exists $r->{header}{status}, 'is no header for the client');
    }
    $r = $httpd->get('/raw/?' . query(
        out("Content-Length: 5\r\n${HEAD}hello"), @FIN), method => 'HEAD');
    is($r->{header}{'content-length'}, 5, 'HEAD has the length');
    for my $body ('', 'h', 'hello', 'x' x 60_000) {
        $r = $httpd->get('/raw/?' . query(
            out("Content-Length: 50000\r\n$HEAD$body"), @FIN),
            method => 'HEAD', header => ['Range: bytes=0-9']);
        is("$r->{status} $r->{header}{'content-length'}", '200 50000',
           'as the worker says it, whatever it writes, and no range');
    }
    $r = $httpd->get('/raw/?' . query(
        out("A: b\r\n c\r\n\td\r\nE: f\n  g \n${HEAD}x"), @FIN));
    is_deeply([map { s/\s+/ /gr } @{ $r->{header} }{qw(a e)}],
              ['b c d', 'f g '], 'lines that go on are one line');
    my @thousand = map { "n$_=" . 'v' x 100 . '; Path=/' } 1 .. 1000;
    my $cookies = query(out(map({ "Set-Cookie: $_\r\n" } @thousand),
                            "${HEAD}x"), @FIN);
    $r = $httpd->get("/raw/?$cookies");
    is_deeply($r->{headers}{'set-cookie'}, \@thousand, '1,000 cookies');
    is($httpd->get("/small/?$cookies")->{status}, 502,
       'FcgiPMResponseHeaderLimit 4K: too many');
    $r = $httpd->get('/raw/?' . query(
        out("Status: 304\r\nETag: \"a\"\r\nCache-Control: x\r\n\r\n"), @FIN));
    is($r->{header}{etag}, '"a"', '304 has its header');
    $r = $httpd->get('/raw/?' . query(
        out("Status: 303\r\nLocation: /x\r\n\r\n"), @FIN));
    like($r->{header}{location}, qr{^(?:http://[^/]+)?/x$},
         'a Location with a Status');
    $r = $httpd->get('/raw/?end=0,2');
    like($r->{header}{'retry-after'}, qr/^\d+$/, '503 has Retry-After');
    $r = $httpd->get('/raw/?' . query(
        out("Location: /app/?env\r\n\r\n"), @FIN), body => 'x' x 10);
    my %env = map { /^(\w+)=(.*)$/ ? ($1 => $2) : () } split /\n/, $r->{body};
    is($env{REQUEST_METHOD}, 'GET', 'a local Location is a GET');
    is($env{CONTENT_LENGTH}, undef, 'without a body');
    is($env{REDIRECT_STATUS}, 200, 'REDIRECT_STATUS');
    is($env{REDIRECT_URL}, '/raw/', 'REDIRECT_URL');
    my $loop = query(out("Location: /raw/?file=$dir/loop\r\n\r\n"), @FIN);
    write_file("$dir/loop", join "\n", split /&/, $loop);
    is($httpd->get("/raw/?file=$dir/loop")->{status}, 500,
       'a Location that leads to itself ends');
}

# --- one connection, two answers ---------------------------------------------
# Nothing of the first may be taken for the second.
for my $row (['more than the length', out("Content-Length: 3\r\n${HEAD}hello"),
              'end'],
             ['bytes after the end', out("${HEAD}hel"), 'end',
              'bytes=garbage'],
             ['204 with a body', out("Status: 204\r\n${HEAD}hello"), 'end'],
             ['304 with a body', out("Status: 304\r\n${HEAD}hello"), 'end'],
             ['an error', out('hello'), 'end']) {
    my ($name, @script) = @$row;
    my $query = query(@script);
    my ($bytes, $how) = talk($httpd->port, join '', map {
        "GET $_->[0] HTTP/1.1\r\nHost: x\r\nConnection: $_->[1]\r\n\r\n"
    } ["/raw/?$query", 'keep-alive'], ['/raw/?ok', 'close']);
    is($how, 'eof', "$name: two requests");
    my @status = $bytes =~ m{HTTP/1\.1 (\d+)}g;
    is(scalar @status, 2, 'two answers') or diag($bytes);
    like($bytes, qr{\r\n\r\n(?:3\r\n)?ok\n(?:\r\n0\r\n\r\n)?\z},
         'the second as it was meant');
    my ($first) = $bytes =~ m{\A(.*)HTTP/1\.1}s;
    unlike($first, qr/hello|garbage/, 'and no trace of what was too much');
}

# A response that is cut is the last of its connection.
for my $length ('', "Content-Length: 9\r\n") {
    my $query = query(out("$length${HEAD}hello"), $SEEN, 'close');
    my ($bytes) = talk($httpd->port, join('', map {
        "GET /raw/?$_ HTTP/1.1\r\nHost: x\r\n\r\n" } $query, 'ok'), 20,
        (seen())[1]);
    my @status = $bytes =~ m{HTTP/1\.1 (\d+)}g;
    is_deeply(\@status, [200], 'cut on a connection that was to be kept');
    like($bytes, qr/hello(?:\r\n)?\z/, 'nothing follows');
}

# --- what is for the log -----------------------------------------------------
{
    my $r = $httpd->get('/raw/?' . query(
        "err=before\n", out($HEAD), "err=one\r\ntw", 'err=o', "err=\n\n",
        out('x'), 'err=tail', @FIN), header => ['X-Case: stderr']);
    is($r->{body}, 'x', 'STDERR is not part of the answer');
    my @line = map { /case=stderr pool raw: (?:pid \d+: )?(.*)$/ ? $1 : () }
        split /\n/, $httpd->log;
    is_deeply(\@line, ['before', 'one', 'two', 'tail'],
              'it is in the log, line by line');
    $r = $httpd->get('/raw/?' . query(
        "err=\e[31mred\0\7", 'err=' . 'e' x 5000, out("${HEAD}x"), @FIN),
        header => ['X-Case: stderr2']);
    is($r->{body}, 'x', 'a long line');
    unlike($httpd->log, qr/[\0-\b\e]/, 'nothing for a terminal in the log');
    my $n = () = $httpd->log =~ /e{100}/g;
    cmp_ok($n, '>=', 45, 'all of it is there, also behind a NUL');
    $r = $httpd->get('/raw/?' . query("err=only this\n", @FIN),
                     header => ['X-Case: stderr3']);
    is($r->{status}, 502, 'only STDERR is no answer');
}

# --- one retry, where it is safe ---------------------------------------------
for my $row (['GET', undef, 2], ['HEAD', undef, 2], ['OPTIONS', undef, 2],
             ['POST', 'x', 1], ['DELETE', undef, 1], ['PUT', 'x', 1]) {
    my ($method, $body, $tries) = @$row;
    my $trace = write_file("$dir/tries", '', 0666);
    my $r = $httpd->get('/raw/?' . query("note=$trace", 'close'),
                        method => $method,
                        defined $body ? (body => $body) : ());
    is($r->{status}, 502, "$method, closed before a byte: 502");
    is(count_lines($trace, '.'), $tries, "after $tries tries");
}

# --- time --------------------------------------------------------------------
# Each waits for the end of its connection: it must come, and with a word.
for my $row (@timed) {
    my $begin = time;
    my $told = write_file("$dir/told", '', 0666);
    push @{ $row->[1] }, "rest=$told";
    is(try_one($httpd, 'quick', $row), undef, "$row->[0]: $row->[2]");
    is_soon(time - $begin, 5, 'in time');
    ok(wait_for { slurp($told) =~ /^(.*)\n/ } 10, 'the worker is left');
    is(slurp($told), "2 eof\n", 'after FCGI_ABORT_REQUEST');
}

# --- the end -----------------------------------------------------------------
is($httpd->get('/raw/?ok')->{body}, "ok\n", 'the pool serves on');
is($httpd->get('/tcp/?ok')->{body}, "ok\n", 'so does the other');
is($httpd->status('raw')->{pools}[0]{in_flight}, 0, 'nothing is under way');
is(count_lines($httpd->error_log, 'exit signal|AH00052'), 0,
   'no child of httpd has crashed');
is($httpd->stop, 0, 'httpd stops well');
judge_log($httpd);

# --- what is cut is seen to be cut -------------------------------------------
# Whatever marks the end of a response: last chunk, length, end of connection.
sub cut_under {
    my ($mpm) = @_;
    my $server = FCGIPM::Httpd->new(mpm => $mpm, config => $config);
    ok($server->start, "MPM $mpm");
    $server->workers(12);
    for my $row (['chunked', '1.1', ''], ['by its length', '1.1', 9],
                 ['by its connection', '1.0', ''],
                 ['HTTP/1.0, by its length', '1.0', 9]) {
        my ($name, $protocol, $length) = @$row;
        my $head = ($length && "Content-Length: $length\r\n") . $HEAD;
        my @wrong;
        for my $end (['close'], ['reset'], ['ver=3', 'out=x'], ['end=0,1'],
                     ['end=0,2'], $length ? ['end'] : ()) {
            for my $when ('sleep=0', $SEEN) {
                my $r = $server->get('/raw/?' . query(
                    out("${head}hello"), $when, @$end),
                    protocol => $protocol, seen());
                push @wrong, "@$end, $when: " . outcome($r)
                    unless outcome($r) =~ /^(?:50[23]|200 cut)\z/
                    && ($when ne $SEEN || outcome($r) eq '200 cut');
            }
        }
        is_deeply(\@wrong, [], "a response that ends $name");
        is($server->get('/raw/?ok')->{body}, "ok\n", 'the next is whole');
    }
    is(count_lines($server->error_log, 'exit signal|AH00052'), 0,
       'no child of httpd has crashed');
    is($server->stop, 0, 'httpd stops well');
    return;
}

cut_under($_) for FCGIPM::Httpd->mpms;
is_deeply([map { cmdline($_) } descendants()], [], 'nothing is left');
done_testing;
