#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What bash offers for fcgipmctl: words, options, and the pools and workers
# there are.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;

my $bash = have('bash') or plan skip_all => 'bash is missing';
my $ctl = program('fcgipmctl');
my $run = FCGIPM::Run->new(processes => 2, control => 1,
                           command => [bin('worker')],
                           options => ['--name', 'app']);
my @pid = $run->workers(2);
my $socket = $run->control_socket;
my $script = root() . '/packaging/fcgipmctl.bash';

# What is offered for the last of these words.
sub offered {
    my (@word) = @_;
    my $out = tmp_dir() . '/out';
    my $proc = start(
        cmd => [$bash, '-c', 'source "$1"; shift; COMP_WORDS=("$@"); '
                . 'COMP_CWORD=$(($# - 1)); _fcgipmctl; '
                . 'printf "%s\n" "${COMPREPLY[@]}"', 'bash', $script, $ctl,
                @word],
        out => $out, err => $out);
    $proc->wait(20);
    return join ' ', sort split ' ', slurp($out);
}

my %word = map { $_ => 1 } `'$ctl' --help` =~ /^  (\w+)/mg;
delete $word{script};    # httpd's children send it
cmp_ok(scalar keys %word, '>', 7, 'fcgipmctl has told its words');
is(offered(''), join(' ', sort keys %word), 'all words');
is(offered('st'), 'start status stop', 'those that begin so');
is(offered('--'), 
   '--critical --filter --help --json --socket --version --wait --warning', 'options');
is(offered('-s', $socket, 'reload', ''), 'app', 'the pools');
is(offered('-s', $socket, 'stop', 'b'), '', 'none that begins so');
is(offered('-s', $socket, 'reload', 'app', ''), 'wait', 'then wait');
is(offered('--socket', $socket, 'reload', ''), 'app',
   'the pools, by the long name of -s');
is(offered('-s', $socket, 'kill', ''), join(' ', sort @pid), 'workers');
is(offered('-s', "$socket.none", 'status', ''), '', 'no manager, no words');
is(offered('ping', ''), '', 'nothing follows ping');
like(offered('-s', substr $socket, 0, -2), qr/\Q$socket\E/, 'a socket');

done_testing;
