#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What SIGTERM does to workers of all kinds, idle and in a request, with the
# guard and without, is what docs/admin/workers.md says.  FCGIPM_WRITE=1 writes
# the table there.  The rows of Go, Ruby, Node, Catalyst and Django are tested
# where there is such a program.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(connect_to read_answer request send_request);
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(time);

my $PAGE = root() . '/docs/admin/workers.md';
my $script = write_file(tmp_dir() . '/sleep.php', <<'PHP', 0644);
<?php if (preg_match('/sleep=(\d+)/', $_SERVER['QUERY_STRING'], $m)) {
    $end = microtime(true) + $m[1] / 1000;
    while (microtime(true) < $end) usleep(10000);
} echo 'pid=', getmypid();
PHP
# What servers of WSGI and PSGI need.
my %web = (SERVER_NAME => 'localhost', SERVER_PORT => 80, SCRIPT_NAME => '',
           PATH_INFO => '/x', SERVER_PROTOCOL => 'HTTP/1.1');
my %php = (params => { SCRIPT_FILENAME => $script, SCRIPT_NAME => '/x',
                       REDIRECT_STATUS => 200 });

sub go_program {
    my $go = have('go') or return;
    my $dir = tmp_dir();
    my $build = start(cmd => [$go, 'build', '-o', "$dir/worker",
                              root() . '/t/bin/net-http-fcgi.go'],
                      err => "$dir/log",
                      env => { HOME => $dir, GOFLAGS => '-mod=mod',
                               GO111MODULE => 'off' });
    ok(defined $build->wait(300) && -x "$dir/worker", 'Go: builds')
        or diag(slurp("$dir/log"));
    return "$dir/worker";
}

# Of the npm registry: where FCGIPM_NODE_MODULES says that it is.
sub node_fastcgi {
    my $dir = $ENV{FCGIPM_NODE_MODULES};
    return [undef] unless $dir && -d "$dir/node-fastcgi";
    return [scalar have('node'), bin('node-fastcgi.js'), $dir];
}

sub perl_has {
    return !grep { !eval "require $_; 1" } @_;
}

my $go = go_program();
my @KIND = (
    ['C, a loop around libfcgi', [bin('loop')]],
    ['C, libfcgi\'s fcgi_stdio', [bin('stdio')]],
    ['C, libfcgi, four threads', [bin('threaded')]],
    ['C, threads with a lock around accept()',
     [bin('ways'), qw(--threads 4 --lock)]],
    ['C, a handler that raises SIGTERM again',
     [bin('ways'), qw(--wait epoll --handler raise)]],
    ['C, a seccomp filter without getpid, socket, dup2',
     [bin('ways'), '--seccomp']],
    ['php-cgi', [have('php-cgi')], %php],
    ['Perl, FCGI', [bin('perl-fcgi.pl')]],
    ['Perl, FCGI::ProcManager, flags 0', [bin('perl-procmanager.pl'), 0, 1]],
    ['Perl, CGI::Fast', [bin('perl-cgi-fast.pl')]],
    ['Python, plain socket', [bin('plain.py')]],
    ['Python, socketserver, threads', [bin('plain.py'), 'threads']],
    ['Python, asyncio, own handler', [bin('plain.py'), 'asyncio']],
    ['Python, threads with a lock around accept()', [bin('plain.py'), 'lock']],
    ['Python, selectors made anew', [bin('plain.py'), 'selectors']],
    ['Python, closes by syscall(2)', [bin('plain.py'), 'syscall']],
    ['Ruby, FCGI, a handler that exits', [scalar have('ruby'), bin('fcgi.rb')]],
    ['Node, net', [scalar have('node'), bin('plain.js')]],
    ['Node, node-fastcgi', node_fastcgi()],
    ['Perl, Catalyst', [perl_has('Catalyst', 'Plack') && bin('catalyst.pl')]],
    ['Python, Django under uWSGI',
     [scalar have('uwsgi'), qw(--plugins python3 --protocol fastcgi),
      '--need-app', '--wsgi-file', root() . '/t/bin/django_wsgi.py']],
    ['C, linked statically', [bin('static')]],
    ['Go, net/http/fcgi', [$go]],
);

# --- one worker, told once
sub begin {
    my ($kind, $guard, $busy) = @_;
    my ($name, $command, %ask) = @$kind;
    my $run = FCGIPM::Run->new(processes => 1, command => $command,
        options => ['--guard', $guard, '--die-timeout', '600',
                    '--start-timeout', 0]);
    return { name => "$name, guard $guard, " . ($busy ? 'busy' : 'idle'),
             kind => $name, guard => $guard, busy => $busy, run => $run,
             ask => \%ask, said => [] };
}

sub sockets { return scalar grep { /^socket:/ } values %{ fds($_[0]) } }

sub threads { return glob "/proc/$_[0]/task/*" }

# Of all its threads.
sub switches {
    return join ' ', map { slurp("$_/status") =~ /ctxt_switches:\s*(\d+)/g }
        threads($_[0]);
}

# For a worker that stays where it should not.
sub state_of {
    my ($pid) = @_;
    return join "\n", "$pid: " . cmdline($pid),
        map { "$_: " . slurp("$_/wchan") . ' ' . slurp("$_/syscall") }
        threads($pid);
}

# A worker that has gone; or has served or been told, and waits: nothing has
# been done for a while.
sub settled {
    my ($case) = @_;
    my $pid = $case->{pid};
    return 1 if !alive($pid);
    my $now = switches($pid);
    return 0 if $now eq $case->{before};
    ($case->{seen}, $case->{since}) = ($now, time)
        if !defined $case->{seen} || $now ne $case->{seen};
    return time - $case->{since} > 0.6;
}

sub warm_up {
    my ($case) = @_;
    ($case->{pid}) = $case->{run}->workers(1);
    $case->{before} = switches($case->{pid});
    my $r = request($case->{run}->address,
                    params => { %web, REQUEST_URI => '/x',
                                %{ $case->{ask}{params} || {} } });
    is($r->{error}, undef, "$case->{name}: serves") or diag($case->{run}->log);
    return;
}

sub make_busy {
    my ($case) = @_;
    my $before = sockets($case->{pid});
    $case->{conn} = connect_to($case->{run}->address);
    send_request($case->{conn}, query => 'sleep=2000',
                 params => { %web, %{ $case->{ask}{params} || {} },
                             REQUEST_URI => '/x?sleep=2000' });
    ok(wait_for { sockets($case->{pid}) > $before } 20,
       "$case->{name}: has a request");
    return;
}

sub answered {
    my ($answer) = @_;
    return !$answer->{error} && $answer->{body} =~ /pid=\d/;
}

sub how_it_ended {
    my ($case) = @_;
    my $pid = $case->{pid};
    wait_for { $case->{run}->log =~ /worker $pid has gone/ } 10, 'the log';
    my ($how) = $case->{run}->log =~ /worker $pid has gone: (.*?) after/;
    return $how =~ /^exit status (\d+)/ ? "status $1"
           : $how =~ /signal 15/        ? 'SIGTERM'
                                        : $how;
}

# Until each has ended, or has waited for a while: not all at one time, as those
# that stay are told again each second.
sub wait_settled {
    my @left = @_;
    delete $_->{seen} for @left;
    wait_for { !(@left = grep { !settled($_) } @left) } 60,
        'all to go or to wait';
    return;
}

# The words of the table.
sub outcome {
    my ($case) = @_;
    return join ', ', @{ $case->{said} },
        alive($case->{pid}) ? () : 'goes: ' . how_it_ended($case);
}

# By another name of the socket: a manager that ends takes the first away.
sub ask_again {
    my ($case) = @_;
    $case->{state} = state_of($case->{pid});
    $case->{before} = '';
    my $r = request($case->{run}->address . '.again', timeout => 20,
                    params => { %web, REQUEST_URI => '/x',
                                %{ $case->{ask}{params} || {} } });
    push @{ $case->{said} },
        answered($r) ? '*stays, answers one more*' : '*stays*';
    return;
}

my @case;
for my $kind (grep { defined $_->[1][0] && -x $_->[1][0] } @KIND) {
    for my $guard (qw(on off)) {
        push @case, map { begin($kind, $guard, $_) } 0, 1;
    }
}
warm_up($_) for @case;
wait_settled(@case);
for my $case (@case) {
    make_busy($case) if $case->{busy};
    my ($socket) = $case->{run}->address =~ /^unix:(.*)/;
    link $socket, "$socket.again" or die "link $socket: $!";
    $case->{before} = switches($case->{pid});
    $case->{run}->signal('TERM');
}
for my $case (grep { $_->{busy} } @case) {
    push @{ $case->{said} },
        answered(read_answer(delete $case->{conn}, 20)) ? 'answers' : '*lost*';
}
wait_settled(@case);
ask_again($_) for grep { alive($_->{pid}) } @case;
wait_settled(@case);
my %seen;
$seen{ $_->{kind} }{ $_->{guard} }[ $_->{busy} ] = outcome($_) for @case;

# --- the page
my %page;
for my $line (split /\n/, slurp($PAGE)) {
    my (undef, $kind, $guard, @told) = map { s/^\s+|\s+$//gr }
        split /\|/, $line;
    $page{$kind}{$guard} = \@told if ($guard || '') =~ /^(?:on|off)$/;
}

if ($ENV{FCGIPM_WRITE}) {
    my @row = ('| worker | guard | told while it waits | told in a request |',
               '|---|---|---|---|');
    for my $kind (map { $_->[0] } @KIND) {
        for my $guard (qw(on off)) {
            my $told = $seen{$kind}{$guard} || $page{$kind}{$guard} || [];
            push @row, '| ' . join(' | ', $kind, $guard, @$told) . ' |';
        }
    }
    my $text = slurp($PAGE);
    $text =~ s/(<!-- table -->\n).*?(<!-- \/table -->)/
        "$1\n" . join("\n", @row) . "\n\n$2"/se;
    write_file($PAGE, $text);
    diag("$PAGE is written");
}
else {
    for my $kind (map { $_->[0] } @KIND) {
        for my $guard (sort keys %{ $seen{$kind} || {} }) {
            is_deeply($seen{$kind}{$guard}, $page{$kind}{$guard},
                      "docs/admin/workers.md: $kind, guard $guard")
                or diag(map { ($_->{state} || '', "\n", $_->{run}->log) }
                        grep { $_->{kind} eq $kind && $_->{guard} eq $guard }
                        @case);
        }
        ok($page{$kind}{$_}, "docs/admin/workers.md has $kind, guard $_")
            for qw(on off);
    }
}

done_testing;
