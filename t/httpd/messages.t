#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What administrators get wrong first: httpd -t says which directive, in which
# line of which file, what is wrong with it and what to write instead.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my $dir = tmp_dir();
chmod 0755, $dir or die "$dir: $!";
my $worker = bin('worker');
my $user = worker_user() || getpwuid $>;

sub script {
    my ($name, $text) = @_;
    return write_file("$dir/$name", $text, 0755);
}

# The line that is wrong is the third.
sub with {
    return "<FcgiPMPool app>\nFcgiPMCommand $worker\n@_\n</FcgiPMPool>\n";
}

# Here it is the second.
sub runs { return "<FcgiPMPool app>\nFcgiPMCommand @_\n</FcgiPMPool>\n" }

mkdir "$dir/closed" or die "mkdir: $!";
my $hidden = script('closed/prog', "#!/bin/sh\n");
# root's own, and nobody else's
chmod 0700, "$dir/closed" or die "chmod: $!";

# what it is => configuration => line of it => what is said, each of them
my @wrong = (
    ['an interpreter that is missing', runs(script('perl', "#!/no/perl\n")), 2,
     qr{FcgiPMCommand: \Q$dir\E/perl: its first line names an interpreter: },
     qr{: /no/perl: No such file}],
    ['an interpreter that is no program', runs(script('text', "#!/etc/passwd\n")),
     2, qr{FcgiPMCommand: .*/text: .*/etc/passwd is not executable by},
     qr/mode is 0644/],
    ['an interpreter that is not along PATH',
     runs(script('env', "#!/usr/bin/env no-such-x\n")), 2,
     qr/FcgiPMCommand: .*"no-such-x".*PATH.*FcgiPMSetEnv/],
    ['lines of Windows', runs(script('dos', "#!/usr/bin/perl\r\n1;\r\n")), 2,
     qr/FcgiPMCommand: .*CR LF/, qr{"/usr/bin/perl<CR>"},
     qr{sed -i 's/\[\[:cntrl:\]\]\$//' \Q$dir\E/dos}],
    ['lines of Windows, by env', runs(script('dose', "#!/usr/bin/env perl\r\n")),
     2, qr/FcgiPMCommand: .*CR LF/, qr/"perl<CR>"/],
    ['no first line', runs(script('none', "print 1;\n")), 2,
     qr{FcgiPMCommand: \Q$dir\E/none is neither a program .* #!/usr/bin/perl}],
    ($> == 0 ? (
        ['a directory on the way', runs($hidden), 2,
         qr{FcgiPMCommand: \Q$hidden\E: user $user may not search the directory},
         qr{\Q$dir\E/closed .*mode is 0700}],
        ['a directory to work in', with("FcgiPMDirectory $dir/closed"), 3,
         qr{FcgiPMDirectory: .*user $user may not search .*\Q$dir\E/closed}],
    ) : ()),
    ['a misspelled setting', with('FcgiPMComand x'), 3,
     qr/FcgiPMComand .*did you mean FcgiPMCommand\?/],
    ['a setting without its prefix', with('Processes 3'), 3,
     qr/Processes .*did you mean FcgiPMProcesses\?/],
    ['SetEnv', with('SetEnv A b'), 3, qr/SetEnv .*did you mean FcgiPMSetEnv\?/],
    ['a directive of httpd\'s', with('ServerName x'), 3,
     qr/ServerName .*that may begin with FcgiPM/],
    ['a directive of mod_fcgid\'s', with('FcgidMaxRequestLen 3'), 3,
     qr/FcgidMaxRequestLen .*fcgipm-migrate/],
    ['the manager\'s setting', with('FcgiPMDieTimeout 3'), 3,
     qr/FcgiPMDieTimeout .*one for all pools: write it outside/],
    ['a quoted command with arguments', runs("\"$worker -c /etc\""), 2,
     qr/FcgiPMCommand: "\Q$worker\E -c \/etc": .*the quotes make one word/,
     qr/write \Q$worker\E without them/],
    ['a command not along PATH', runs('no-such-program-x'), 2,
     qr{FcgiPMCommand: .*"no-such-program-x" along PATH, .*/bin}],
    ['numbers swapped', with('FcgiPMProcesses 8 2'), 3,
     qr/FcgiPMProcesses: "8 2": .*write "2 8"/],
    ['limits swapped', with('FcgiPMRLimit nofile 9 4'), 3,
     qr/FcgiPMRLimit: "9 4": .*write "nofile 4 9"/],
    ['512MB', with('FcgiPMMaxProcessSize 512MB'), 3,
     qr/FcgiPMMaxProcessSize: "512MB" .*: write 512M$/m],
    ['5m', with('FcgiPMIdleTimeout 5m'), 3,
     qr/FcgiPMIdleTimeout: "5m" .*: write 5min$/m],
    ['2 days', with('FcgiPMProcessLifetime 2d'), 3,
     qr/FcgiPMProcessLifetime: "2d" .*: write 48h$/m],
    ['a misspelled choice', with('FcgiPMReload rollling'), 3,
     qr/FcgiPMReload: "rollling" .*: write rolling$/m],
    ['a path for a socket', with("FcgiPMListen $dir/s"), 3,
     qr/FcgiPMListen: "\Q$dir\E\/s" .*: write unix:\Q$dir\E\/s$/m],
    ['a port for a socket', with('FcgiPMListen 9000'), 3,
     qr/FcgiPMListen: "9000" .*: write 127\.0\.0\.1:9000$/m],
    ['a socket in no directory', with("FcgiPMListen unix:$dir/no/s"), 3,
     qr{FcgiPMListen: \Q$dir\E/no/s: No such file .*: make its directory, \Q$dir\E/no },
     qr/tmpfiles\.d.*FcgiPMRuntimeDir/],
    ['a control socket in none', "FcgiPMSocket $dir/no/s\n", 1,
     qr{FcgiPMSocket: \Q$dir\E/no/s: No such file .*: make its directory, }],
    ['a runtime directory in none', "FcgiPMRuntimeDir $dir/no/dir\n" . with(''),
     1, qr{FcgiPMRuntimeDir: .*\Q$dir\E/no/dir: .*make the one above it}],
    ['two words', with('FcgiPMUser a b'), 3,
     qr/FcgiPMUser takes one word, 2 are given: .*user .*quotes/],
    ['no word', with('FcgiPMUmask'), 3,
     qr/FcgiPMUmask takes one word, none is given: umask/],
    ['a wrapper without its interpreter', "<FcgiPMScripts $dir>\n"
     . 'FcgiPMWrapper ' . script('wrap', "#!/no/sh\n") . " .php\n"
     . "</FcgiPMScripts>\n", 1,
     qr{FcgiPMWrapper: .*/wrap: .*interpreter: /no/sh: No such file}],
);

# what is started nevertheless, as only a request may ever meet it
my @warned = (
    ['a handler of no pool', with('')
     . "<Location /x>\nSetHandler fcgipm:ap\n</Location>\n", 6,
     qr/SetHandler fcgipm:ap .*no pool "ap".*500.*did you mean "app"\?/],
    ['a handler by extension', with('') . 'AddHandler fcgipm:nope .x', 5,
     qr/AddHandler fcgipm:nope .*no pool "nope".*write a <FcgiPMPool nope>/],
    ['the pool that has no name', with('') . 'AddHandler fcgipm .x', 5,
     qr/AddHandler fcgipm .*no pool "default"/],
);

# what is right: a script in each way there is, names that requests decide
my @right = (
    runs(script('sh', "#!  /bin/sh -e\n")),
    runs(script('envs', "#!/usr/bin/env sh\n")),
    runs(script('envv', "#!/usr/bin/env -S sh -e\n")),
    runs(script('perlw', "#!/usr/bin/perl -w\r\n1;\n")),
    with('') . "<Location /x>\nSetHandler fcgipm:app\n</Location>\n"
    . "SetHandler \"expr=fcgipm:%{HTTP_HOST}\"\nAddHandler cgi-script .x\n",
);

my $httpd = FCGIPM::Httpd->new(modules => ['mime']);
$httpd->write_config("#\n");
my $before = () = slurp($httpd->dir . '/httpd.conf') =~ /\n/g;

sub try_config {
    my ($config) = @_;
    $httpd->write_config("$config\n");
    return $httpd->run('-t');
}

sub says_all {
    my ($out, $line, $name, @said) = @_;
    my $conf = quotemeta $httpd->dir . '/httpd.conf';
    my $at = $before - 1 + $line;
    push @said, qr/$conf:$at\b|line $at of $conf/;
    my @missing = grep { $out !~ $_ } @said;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is_deeply(\@missing, [], "$name: what, where, and what to do")
        || diag($out);
}

for (@wrong) {
    my ($name, $config, $line, @said) = @$_;
    my ($status, $out) = try_config($config);
    isnt($status, 0, "$name: httpd -t fails");
    says_all($out, $line, $name, @said);
}
for (@warned) {
    my ($name, $config, $line, @said) = @$_;
    my ($status, $out) = try_config($config);
    is($status, 0, "$name: httpd -t allows it");
    says_all($out, $line, $name, @said);
}
for (@right) {
    my ($status, $out) = try_config($_);
    is($status, 0, 'right');
    unlike($out, qr/mod_fcgipm/, 'and nothing is said of it') or diag($_);
}

done_testing;
