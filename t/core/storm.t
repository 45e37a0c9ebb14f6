#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# SIGTERMs at random moments to workers under load: with the guard no request
# is lost.  FCGIPM_STORM is how many workers of each kind are told to go; `make
# -f Makefile.apxs storm` tells 10000.  FCGIPM_PRELOAD=on: workers of fork
# servers, where the program can be one; FCGIPM_KINDS is a pattern of kinds.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(connect_to read_answer request send_request);
use FCGIPM::Kinds;
use FCGIPM::Load;
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;
use Time::HiRes qw(sleep time);

my $SIGTERMS = $ENV{FCGIPM_STORM} || 80;
my $MOST_HUPS = $ENV{FCGIPM_STORM} ? 1e9 : 40;    # where programs load slowly
my $WORKERS = 4;
my $CLIENTS = 6;    # of each kind
my $AT_ONCE = 2;    # kinds: one may wait while the other works
my $SCRIPT = php_script(tmp_dir());
my %PHP = (SCRIPT_FILENAME => $SCRIPT, SCRIPT_NAME => '/x',
           REDIRECT_STATUS => 200);

# A client that is quick, or dawdles before it speaks, or asks for time: so
# SIGTERM comes at all moments of a request.
sub ask_somehow {
    my ($address) = @_;
    my $ms = int rand 4;
    my $s = connect_to($address) or return "connect: $!";
    sleep rand 0.003 if rand() < 0.3;
    send_request($s, params => \%PHP, query => "sleep=$ms")
        or return "send: $!";
    my $r = read_answer($s, 60);
    return $r->{error} if $r->{error};
    return $r->{body} =~ /^pid=\d/ ? undef : "answer: $r->{stdout}";
}

# --- a storm over one kind --------------------------------------------------

sub begin {
    my ($name, $command) = @_;
    my $run = FCGIPM::Run->new(
        processes => $WORKERS, control => 1, command => $command,
        options => ['--die-timeout', '60', '--start-timeout', '60s',
                    '--log-level', 'notice',
                    '--preload', $ENV{FCGIPM_PRELOAD} || 'off']);
    wait_for { (($run->pool_status || {})->{workers} // 0) == $WORKERS } 60,
        "$WORKERS workers";
    my $address = $run->address;
    my $load = FCGIPM::Load->new(clients => $CLIENTS, request => sub {
        return ask_somehow($address);
    });
    $load->flows(20);
    my $storm = { name => $name, run => $run, load => $load, begin => time,
                  hups => 0, gone => 0 };
    prepare($storm);
    return $storm;
}

# When the next SIGHUP comes: most when all are at work, some when workers
# start.
sub prepare {
    my ($storm) = @_;
    my $answers = rand() < 0.9 ? int rand 12 : 0;
    $storm->{answers} = $storm->{load}->so_far->{ok} + $answers;
    $storm->{patience} = time + 60;
    $storm->{at} = undef;
    return;
}

sub is_due {
    my ($storm) = @_;
    $storm->{at} ||= time + rand 0.01
        if $storm->{load}->so_far->{ok} >= $storm->{answers}
            || time > $storm->{patience};
    return $storm->{at} && time >= $storm->{at};
}

# @return false: as many as there are to be have been told, and have gone.  One
# that loads goes later, whatever number of SIGHUPs has come.
sub attend {
    my ($storm) = @_;
    return 1 unless is_due($storm);
    $storm->{run}->signal('HUP');
    if (++$storm->{hups} % 20 == 0) {
        my $exited = $storm->{run}->pool_status('default')->{exited};
        $storm->{gone} = $exited if defined $exited;
    }
    prepare($storm);
    return $storm->{gone} < $SIGTERMS && $storm->{hups} < $MOST_HUPS;
}

sub finish {
    my ($storm) = @_;
    my ($name, $run, $load) = @$storm{qw(name run load)};
    my $seconds = time - $storm->{begin};
    ok($load->flows(20), "$name: requests flow on");
    my $sum = $load->stop;
    # on a busy machine fcgipmctl may have to ask again
    my $pool = {};
    ok(wait_for { $pool = $run->pool_status('default');
                  defined $pool->{stopping} && $pool->{stopping} == 0 } 60,
       "$name: none of the told is left");
    is($sum->{failed}, 0, sprintf '%s: %d workers told in %.0f s, of %d '
       . 'requests none is lost', $name, $pool->{exited}, $seconds,
       $sum->{ok}) or diag($load->explain);
    is($pool->{$_}, 0, "$name: no worker $_") for qw(crashed killed);
    $run->signal('TERM');
    is($run->wait(90), 0, "$name: all go");
    return;
}

# --- all kinds --------------------------------------------------------------

my @todo = grep { $_->[2] } kinds();
my @storm;
while (@todo || @storm) {
    push @storm, begin(@{ shift @todo }[1, 2]) while @todo && @storm < $AT_ONCE;
    my @over = grep { !attend($_) } @storm;
    my %over = map { $_ => 1 } @over;
    @storm = grep { !$over{$_} } @storm;
    finish($_) for @over;
    sleep 0.001 unless @over;
}

done_testing;
