#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# One file for httpd, which includes it, and for fcgipm-run --config: both
# understand the same words, at the same lines, and say the same of what is
# wrong.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Run;
use FCGIPM::Test;
use JSON::PP;
use Test::More;

my $dir = tmp_dir();
my $file = "$dir/pools.conf";
my $worker = bin('worker');
my $user = defined worker_user() ? 'FcgiPMUser ' . worker_user() : '';
local $ENV{FCGIPM_WORDS} = 'one two';

# Each a tail of FcgiPMCommand.
my @words = (
    'plain', '"in quotes"', q('in "quotes"'), '"a \\" b"', "'a \\' b'", 'a\\b',
    'a\\\\b', '"a\\nb"', '""', '"no end', 'a"b', '"a"b', '${FCGIPM_WORDS}',
    'x${FCGIPM_WORDS}y', '"${FCGIPM_WORDS}"', '$FCGIPM_WORDS', '${', 'a$', '$$',
    'a$b${FCGIPM_WORDS}', '${DEFINED}', '${DEFINED}${DEFINED}', '${TWICE}',
    "continued\\\nhere", "continued \\\n   here\\\n", '#no', "a\tb",
    "  blanks  ", "\"kept  \\\n  blanks\"", "a\\\r\nb", '"\\${DEFINED}"', "\\\\",
    '${NOT_DEFINED}', '${NAMED}', '${a:b}', 'ä');
my $n = 0;
my $text = "Define DEFINED \"it is\"\nDefine TWICE \"\${DEFINED}!\"\n$user\n"
    . "FcgiPMMaxRequests 1000 5%\nDefine NAMED\nDefine DEFINED\n\"\" ignored\n"
    . "<IfDefine named>\nNonsense\n</IfDefine>\n"
    . join '', map { sprintf <<'END', $n++, $worker, $_ } @words;
<FcgiPMPool p%d>
    FcgiPMProcesses 0 1
    # a comment \
    FcgiPMNice 9
    FcgiPMCommand %s %s


</FcgiPMPool>
END
$text .= <<"END";
<IfModule mod_fcgipm.c>
  <FcgiPMPool "last" >
    <IfModule !fcgipm_module>
      Nonsense
    </IfModule>
    FcgiPMCommand $worker
    fcgipmprocesses 0
  </FcgiPMPool>
</IfModule>
<IfDefine !FCGIPM_RUN>
  FcgiPMAlias /last last
</IfDefine>
END
write_file($file, $text);

# Pool -> setting -> [words, file:line], without what the program around says.
my %own = map { ("FcgiPM$_" => 1) } qw(Listen User Group ListenOwner);

sub settings {
    my ($managed) = @_;
    my ($status, $said) = ctl($managed->control_socket, '--json', 'config');
    my $config = eval { JSON::PP->new->utf8->decode($said) } || {};
    my %pool;
    for my $pool (@{ $config->{pools} || [] }) {
        for (grep { !$own{ $_->{name} } } @{ $pool->{settings} }) {
            $pool{ $pool->{name} }{ $_->{name} } = [$_->{value}, $_->{where}];
        }
    }
    return \%pool;
}

my $httpd = FCGIPM::Httpd->new(mpm => 'event', config => "Include $file\n");
ok($httpd->start, 'httpd includes it');
my $of_httpd;
wait_for { keys %{ $of_httpd = settings($httpd) } > @words } 20, 'all pools';
$httpd->stop;
my $run = FCGIPM::Run->new(config => $file, control => 1,
                           options => ['--runtime-dir', "$dir/run"]);
ok(wait_for { -S $run->control_socket } 20, 'fcgipm-run reads it');
my $of_run;
wait_for { keys %{ $of_run = settings($run) } > @words } 20, 'all pools';
$run->signal('TERM');
is($run->wait(20), 0, 'exit status');

is(scalar keys %$of_httpd, @words + 1, 'all pools')
    or diag join ' ', sort keys %$of_httpd;
for my $pool (sort keys %$of_httpd) {
    is_deeply($of_run->{$pool}, $of_httpd->{$pool}, "$pool is the same");
}

# --- what is wrong
my $top = "FcgiPMRuntimeDir $dir/run\n$user\n";
for my $wrong (
    'FcgiPMNice 99', "FcgiPMNice \\\n99", 'FcgiPMProcesses 5 1',
    'FcgiPMCommand /no/such', 'FcgiPMUser nobody-of-that-name', 'FcgiPMGroup',
    'FcgiPMSetEnv', 'FcgiPMSocket /x', 'SetEnv A b', 'FcgiPMProceses 2',
    'FcgidMaxRequests 1', '<FcgiPMPool c>', 'FcgiPMXSendfile on',
    'FcgiPMListen unix:/no/such/x', 'FcgiPMListen 0.0.0.0:1', 'FcgiPMPhpValue a')
{
    write_file($file, "$top<FcgiPMPool app>\nFcgiPMCommand $worker\n$wrong\n"
               . ($wrong =~ /^</ ? "</FcgiPMPool>\n" : '') . "</FcgiPMPool>\n");
    $httpd->write_config("Include $file\n");
    my (undef, $httpd_said) = $httpd->run('-t');
    my $out = "$dir/said";
    unlink $out;
    my $proc = start(cmd => [program('fcgipm-run') . '', '--config', $file,
                             '--test'], out => $out, err => $out);
    is($proc->wait(20), 2, "$wrong: refused");
    my ($where, $said) =
        slurp($out) =~ /^fcgipm-run: \Q$file\E:(\d+): (?:pool app: )?(.*)$/m;
    like($httpd_said, qr/\Q$said\E/, 'httpd -t says the same')
        or diag slurp($out);
    like($httpd_said, qr/line $where of \Q$file\E|\Q$file\E:$where\b/,
         'of the same line');
}

done_testing;
