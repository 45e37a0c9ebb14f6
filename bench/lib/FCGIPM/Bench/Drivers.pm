# SPDX-License-Identifier: Apache-2.0
package FCGIPM::Bench::Drivers;

=head1 NAME

FCGIPM::Bench::Drivers - who asks, and measures

=head1 DESCRIPTION

A driver is called as C<driver(SERVER, NAME =E<gt> VALUE...)> and returns

  { requests, bad, seconds, mean_us, p50_us, p99_us }

where C<bad> counts answers other than 2xx, broken connections and time-outs.
C<command> gives what it did in words, for the report.

=cut

use strict;
use warnings;

use File::Basename qw(dirname);
use FCGIPM::Bench::Servers;
use FCGIPM::Test;
use IO::Select;
use FCGIPM::HTTP ();
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(time);

my $PATIENCE = 30;    # seconds: of one answer, as a time-out

# --- wrk ---------------------------------------------------------------------

=head1 DRIVERS

=head2 wrk(SERVER, what => 'app', connections, seconds, query, post)

wrk on kept-alive connections: the next request follows the answer.  C<post>
is the length of each request's body; without it they are GETs.

=cut

sub wrk {
    my ($server, %arg) = @_;
    my $script = root() . '/bench/wrk.lua';
    my ($path, @post) = _wrk_what(
        $server->{path}{ $arg{what} } || $server->{path}{app}, %arg);
    return _run(have('wrk'), _wrk_options(%arg), '-s', $script,
                "http://127.0.0.1:$server->{port}$path", @post);
}

sub _wrk_what {
    my ($path, %arg) = @_;
    return ($path . (defined $arg{query} ? "?$arg{query}" : ''),
            $arg{post} ? ('--', $arg{post}) : ());
}

sub _wrk_options {
    my (%arg) = @_;
    return ('-t', 1, '-c', $arg{connections},
            '-d', "$arg{seconds}s", '--timeout', "${PATIENCE}s", '--latency');
}

# --- h2load ------------------------------------------------------------------

=head2 h2load(SERVER, connections, streams, seconds, query, tls => 1)

h2load, which logs how long each request took.

=cut

sub h2load {
    my ($server, %arg) = @_;
    my $log = tmp_dir() . '/h2load';
    my $said = join ' ', have('h2load'), _h2load_options(%arg),
        "--log-file=$log",
        ($arg{tls} ? "https://127.0.0.1:$server->{h2s}"
                   : "http://127.0.0.1:$server->{h2}")
            . "$server->{path}{app}?$arg{query}";
    $said = `$said`;
    my ($bad) = $said =~ /(\d+) failed/ or die "h2load: $said\n";
    my @times = slurp($log) =~ /^\d+\t2\d\d\t(\d+)$/mg;
    return _sum({ requests => scalar @times, bad => $bad,
                  times => \@times }, $arg{seconds});
}

sub _h2load_options {
    my (%arg) = @_;
    return ('-t', 1, '-c', $arg{connections}, '-m', $arg{streams},
            '-D', $arg{seconds});
}

# --- bare --------------------------------------------------------------------

=head2 bare(SERVER, clients, seconds)

bench/bare.c, without any server, at the socket of spawn-fcgi's workers.

=cut

sub bare {
    my (undef, %arg) = @_;
    return _run(built('bench/bare'), FCGIPM::Bench::Servers::spawned_socket(),
                $arg{clients}, $arg{seconds});
}

# --- clients -----------------------------------------------------------------

=head2 clients(SERVER, path, clients, each)

CLIENTS kept-alive connections, EACH requests on every one; it ends when the
last is answered, so that those who wait longest are counted too.  One that
is not answered in time is bad, and has taken at least that long.

=cut

sub clients {
    my ($server, %arg) = @_;
    my $begin = time;
    my @client = map { { left => $arg{each} } } 1 .. $arg{clients};
    my %sum = (requests => 0, bad => 0, times => []);
    _ask($server, $arg{path}, $_) for @client;
    while (my @busy = grep { $_->{socket} } @client) {
        my $left = $begin + $PATIENCE - time;
        last if $left <= 0;
        my %of = map { (fileno($_->{socket}) => $_) } @busy;
        my $select = IO::Select->new(map { $_->{socket} } @busy);
        for my $socket ($select->can_read($left)) {
            _hear($server, $arg{path}, $of{ fileno $socket }, \%sum);
        }
    }
    _count(\%sum, $_, 0) for grep { $_->{socket} } @client;
    return _sum(\%sum, time - $begin);
}

sub _ask {
    my ($server, $path, $client) = @_;
    $client->{since} = time;
    $client->{text} = '';
    $client->{socket} ||= IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $server->{port})
        or die "connect: $!\n";
    syswrite $client->{socket},
        "GET $path HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    return;
}

sub _hear {
    my ($server, $path, $client, $sum) = @_;
    my $n = sysread $client->{socket}, $client->{text}, 65536,
        length $client->{text};
    my $whole = $n && _is_whole($client->{text});
    return if $n && !$whole;
    _count($sum, $client, $whole && $client->{text} =~ m{^HTTP/1\.1 2});
    if (!$whole || $client->{text} =~ /^Connection: close\r$/mi) {
        delete $client->{socket};
    }
    if (--$client->{left} > 0) { _ask($server, $path, $client) }
    else                       { delete $client->{socket} }
    return;
}

sub _is_whole {
    my ($head, $body) = split /\r\n\r\n/, $_[0], 2;
    return 0 unless defined $body;
    return length $body >= $1 if $head =~ /^Content-Length: (\d+)/mi;
    return $body =~ /(?:^|\r\n)0\r\n\r\n\z/;
}

sub _count {
    my ($sum, $client, $good) = @_;
    $sum->{requests}++;
    $sum->{bad}++ unless $good;
    push @{ $sum->{times} }, (time - $client->{since}) * 1e6;
    return;
}

sub _sum {
    my ($sum, $seconds) = @_;
    my @times = sort { $a <=> $b } @{ $sum->{times} };
    my $total = 0;
    $total += $_ for @times;
    return {
        requests => $sum->{requests}, bad => $sum->{bad},
        seconds => $seconds, mean_us => $total / @times,
        p50_us => $times[@times * 0.5], p99_us => $times[@times * 0.99],
        max_us => $times[-1],
    };
}

# --- cold --------------------------------------------------------------------

=head2 cold(SERVER, path, clients, each)

As clients, of another server of its kind that was started a moment ago and
has no worker yet, of up to 16.  Its httpd has answered each client with a
file before.

=cut

sub cold {
    my ($server, %arg) = @_;
    my $cold = $server->{cold}->();
    clients($cold, %arg, path => $cold->{path}{file}, each => 2);
    my $run = clients($cold, %arg);
    $cold->{object}->stop;
    return $run;
}

# --- starve ------------------------------------------------------------------

=head2 starve(SERVER, path, waiting, streams)

So many requests at once, with C<streams> by h2load as so many in each
connection, and meanwhile a file every few milliseconds, each on a
connection of its own.  C<p50_us> and C<p99_us> are those of the files,
C<alone_us> is the latter without the requests; what is not answered in time is
bad, and a file has taken at least that long then.  C<rss> is the most memory of
one process of the server, workers apart.

=cut

my $FILE_PATIENCE = 5;

sub starve {
    my ($server, %arg) = @_;
    my ($good, $seconds);
    FCGIPM::Bench::Servers::forget_rss($server);
    my @alone = _files_while($server, sub { select undef, undef, undef, 2 });
    my %left = map { my $s = _nonblocking($server); (fileno $s => [$s]) }
        1 .. ($arg{streams} ? 0 : $arg{waiting});
    my @times = _files_while($server, sub {
        my $begin = time;
        $good = $arg{streams} ? _starve_streams($server, %arg)
            : _starve_all(\%left, $arg{path}, $begin + 60);
        $seconds = time - $begin;
    });
    return { requests => $good, bad => $arg{waiting} - $good,
             seconds => $seconds, mean_us => 0,
             alone_us => $alone[@alone * 0.99],
             p50_us => $times[@times * 0.5], p99_us => $times[@times * 0.99],
             rss => FCGIPM::Bench::Servers::rss($server) };
}

# How long each file took while this is done, the shortest first.
sub _files_while {
    my ($server, $do) = @_;
    my ($files, $pid) = _ask_for_files($server);
    $do->();
    kill 'TERM', $pid;
    my @times = sort { $a <=> $b } split ' ', join '', <$files>;
    waitpid $pid, 0;
    return @times;
}

sub _nonblocking {
    my ($server) = @_;
    return IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $server->{port}, Blocking => 0)
        || die "connect: $!\n";
}

sub _streams_options {
    my (%arg) = @_;
    return ('-t', 1, '-n', $arg{waiting}, '-c', $arg{waiting} / $arg{streams},
            '-m', $arg{streams}, '-T', '30s');
}

sub _starve_streams {
    my ($server, %arg) = @_;
    my $said = join ' ', have('h2load'), _streams_options(%arg),
        "http://127.0.0.1:$server->{h2}$arg{path}";
    return `timeout 60 $said` =~ /^status codes: (\d+) 2xx/m ? $1 : 0;
}

# A look at all of them forty times a second costs little.
sub _starve_all {
    my ($left, $path, $until) = @_;
    my $good = 0;
    while (%$left && time < $until) {
        my ($read, $write) = ('', '');
        for my $fd (keys %$left) {
            vec(defined $left->{$fd}[1] ? $read : $write, $fd, 1) = 1;
        }
        select my $can_read = $read, my $can_write = $write, undef, 1;
        for my $fd (keys %$left) {
            my $client = $left->{$fd};
            if (vec $can_write, $fd, 1) {
                $client->[1] = '';
                syswrite $client->[0], "GET $path HTTP/1.1\r\n"
                    . "Host: 127.0.0.1\r\nConnection: close\r\n\r\n"
                    or delete $left->{$fd};
            }
            elsif (vec $can_read, $fd, 1) {
                next if sysread $client->[0], $client->[1], 65_536,
                    length $client->[1];
                $good++ if $client->[1] =~ m{^HTTP/1\.1 200 };
                delete $left->{$fd};
            }
        }
        select undef, undef, undef, 0.025;
    }
    return $good;
}

sub _ask_for_files {
    my ($server) = @_;
    my $pid = open(my $files, '-|');
    defined $pid or die "fork: $!\n";
    return ($files, $pid) if $pid;
    my $stop = 0;
    local $SIG{TERM} = sub { $stop = 1 };
    $| = 1;
    while (!$stop) {
        my $begin = time;
        FCGIPM::HTTP::http($server->{port}, $server->{path}{file},
                           timeout => $FILE_PATIENCE);
        print int(1e6 * (time - $begin)), "\n" unless $stop;
        select undef, undef, undef, 0.01;
    }
    POSIX::_exit(0);
}

# --- transfer ----------------------------------------------------------------

=head2 transfer(SERVER, bytes, up => 1)

One request with curl, whose answer has BYTES, or whose body, from a file
without blocks on the disk.  C<bytes> is what went over, C<rss> the most memory
that a process of the server, workers apart, occupied meanwhile.

=cut

my $SPARSE;    # as long as the last upload

sub transfer {
    my ($server, %arg) = @_;
    my $url = "http://127.0.0.1:$server->{port}$server->{path}{app}";
    my @what = $arg{up} ? ('-T', _sparse($arg{bytes}), $url)
                        : "$url?big=$arg{bytes}";
    FCGIPM::Bench::Servers::forget_rss($server);
    my $begin = time;
    my $side = $arg{up} ? 'upload' : 'download';
    my $said = `@{[ have('curl') ]} -s -o /dev/null -H Expect: @{[
        '-w', "'%{http_code} %{size_$side}'", @what ]}`;
    my $seconds = time - $begin;
    my $good = $said eq "200 $arg{bytes}";
    return { requests => 1, bad => $good ? 0 : 1, seconds => $seconds,
             bytes => $arg{bytes}, map({ ($_ => $seconds * 1e6) }
                                       qw(mean_us p50_us p99_us)),
             rss => FCGIPM::Bench::Servers::rss($server) };
}

sub _sparse {
    my ($bytes) = @_;
    $SPARSE ||= tmp_dir() . '/sparse';
    open my $fh, '>', $SPARSE or die "$SPARSE: $!\n";
    truncate $fh, $bytes or die "$SPARSE: $!\n";
    close $fh;
    return $SPARSE;
}

# --- what they did -----------------------------------------------------------

=head2 command(DRIVER, ARGUMENTS)

=cut

my %COMMAND = (
    wrk => sub {
        my (%arg) = @_;
        my $path = $arg{what} eq 'file' ? 'hello.txt' : $arg{what};
        my ($url, @post) = _wrk_what($path, %arg);
        return join ' ', 'wrk', _wrk_options(%arg), '-s bench/wrk.lua',
            "http://127.0.0.1:PORT/$url", @post;
    },
    h2load => sub {
        my (%arg) = @_;
        return join ' ', 'h2load', _h2load_options(%arg),
            ($arg{tls} ? 'https' : 'http')
                . "://127.0.0.1:PORT/app?$arg{query}";
    },
    bare => sub {
        my (%arg) = @_;
        return "build/bench/bare SOCKET $arg{clients} $arg{seconds}";
    },
    clients => sub {
        my (%arg) = @_;
        return "bench/run's own client: $arg{clients} connections, "
            . "$arg{each} requests on each, GET $arg{path}";
    },
    cold => sub {
        my (%arg) = @_;
        return "bench/run's own client: $arg{clients} connections, one "
            . "request on each, GET $arg{path}";
    },
    starve => sub {
        my (%arg) = @_;
        return join ' ', 'h2load', _streams_options(%arg),
            "http://127.0.0.1:PORT$arg{path}; GET hello.txt meanwhile"
            if $arg{streams};
        return "bench/run's own client: $arg{waiting} connections, one "
            . "request on each, GET $arg{path}; GET hello.txt meanwhile";
    },
    transfer => sub {
        my (%arg) = @_;
        my $url = 'http://127.0.0.1:PORT/app';
        return 'curl -o /dev/null ' . ($arg{up} ? "-T FILE $url"
                                                : "$url?big=$arg{bytes}");
    },
);

sub command {
    my ($driver, %arg) = @_;
    return $COMMAND{$driver}->(%arg);
}

sub _run {
    my (@command) = @_;
    open my $fh, '-|', @command or die "$command[0]: $!\n";
    my @line = <$fh>;
    close $fh or die "$command[0] failed\n@line";
    for my $line (@line) {
        return { $line =~ /(\w+)=(\S+)/g } if $line =~ /^requests=\d+ bad=/;
    }
    die "$command[0] said nothing\n@line";
}

1;
