#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A program that loads for longer than the idle timeout serves those that wait
# for it: they are a need for as long as they wait, so that no worker is told
# to go before it was ready.
#
# One that starts another program while it loads is not ready for that: the old
# workers stay until it is, and when it never is.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::FastCGI qw(connect_to read_answer send_request);
use FCGIPM::Run;
use FCGIPM::Test;
use Test::More;

my $dir = tmp_dir();
my $script = write_script("$dir/slow", 'sleep 2; exec ' . bin('worker'));
my $run = FCGIPM::Run->new(
    processes => '0 6', control => 1, command => [$script],
    options => ['--idle-timeout', '400ms']);
ok(wait_for { $run->status } 10, 'a manager');
my @held = map {
    my $s = connect_to($run->address) or die "connect: $!";
    send_request($s, query => "until=$dir/go&pid");
    $s;
} 1 .. 3;
ok(wait_for {
    3 == grep { $_->{state} eq 'busy' } @{ $run->status->{pools}[0]{worker} }
} 60, 'three requests, three workers');
cmp_ok($run->status->{pools}[0]{spawned}, '<=', 4, 'none was born in vain');
write_file("$dir/go", '', 0644);
is(scalar(grep { !defined read_answer($_, 20)->{error} } @held), 3,
   'all are answered');
is(scalar $run->workers(0), 0, 'and go when they are not needed');
$run->signal('TERM');
is($run->wait(20), 0, 'the manager ends well');

# --- a command in backticks, after a second
write_file("$dir/later.pl", <<"END", 0755);
#!/usr/bin/perl
select undef, undef, undef, 1.1;
`sleep 0.1; echo >>$dir/commands`;
select undef, undef, undef, 0.01 while !-e "$dir/later";
exec '${\ bin('worker')}';
END
chmod 0777, $dir or die "chmod: $!";
$run = FCGIPM::Run->new(processes => 2, control => 1,
                        command => ["$dir/later.pl"]);
ok(wait_for { 2 == (() = slurp("$dir/commands") =~ /\n/g) } 20,
   'two workers have run a command');
$run->counts('default', starting => 2, idle => 0);
write_file("$dir/later", '', 0644);
$run->counts('default', starting => 0, idle => 2);
$run->signal('TERM');
is($run->wait(20), 0, 'that manager ends well, too');

# --- a command in backticks, then the end: by a file, while it is there
write_file("$dir/loads.pl", <<"END", 0755);
#!/usr/bin/perl
`true`;
if (-e "$dir/bad") {
    open my \$fh, '>', "$dir/loading.\$\$";
    select undef, undef, undef, 0.01 while !-e "$dir/end";
    die "it does not load\\n";
}
exec '${\ bin('worker')}';
END
$run = FCGIPM::Run->new(
    processes => 2, control => 1, command => ["$dir/loads.pl"],
    options => ['--reload', 'rolling']);
my @old = sort { $a <=> $b } $run->workers(2);
ok(wait_for { $run->pool_status->{idle} == 2 } 20, 'two workers');
write_file("$dir/bad", '', 0644);
my $out = "$dir/reload.out";
my $reload = FCGIPM::Test::start(
    cmd => [program('fcgipmctl') . '', '-s', $run->control_socket, 'reload',
            '--wait'], out => $out, err => $out);
ok(wait_for { glob "$dir/loading.*" } 20, 'another one loads');
ok(wait_for { 3 == @{ $run->pool_status->{worker} } } 20, 'beside them');
write_file("$dir/end", '', 0644);
is($reload->wait(30), 1, 'reload tells that it has failed');
like(slurp($out), qr/2 old workers are kept/, 'and that the old ones stay');
is_deeply([sort { $a <=> $b } $run->workers(2)], \@old, 'which they do');
$run->signal('TERM');
is($run->wait(20), 0, 'that manager ends well, too');

done_testing;
