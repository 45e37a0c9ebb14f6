# SPDX-License-Identifier: Apache-2.0
package FCGIPM::Kinds;

=head1 NAME

FCGIPM::Kinds - the kinds of worker that storms and soaks go through

=cut

use strict;
use warnings;

use Exporter 'import';
use FCGIPM::Test;

our @EXPORT = qw(kinds php_script);

=head2 kinds()

A row for each: the name of a pool, what it is, its command, undef when that
is not installed.  Each answers "pid=N ...", and "sleep=MS" in the query before
that; PHP by php_script().

=cut

sub kinds {
    my $php = have('php-cgi');
    my $only = $ENV{FCGIPM_KINDS} || '.';
    return grep { $_->[0] =~ /$only/ } (
        ['loop', 'C', [bin('loop')]],
        ['threads', 'C, threads', [bin('threaded')]],
        ['lock', 'C, threads with a lock', [bin('threaded'), 'lock']],
        ['epoll', 'C, an event loop',
         [bin('ways'), qw(--loop --wait epoll --copy)]],
        ['anew', 'C, an epoll set made anew',
         [bin('ways'), qw(--wait epoll --anew)]],
        ['exits', 'C, threads, a handler that exits',
         [bin('ways'), qw(--threads 3 --handler exit)]],
        ['perl', 'Perl', [bin('perl-fcgi.pl')]],
        ['php', 'PHP', $php && [$php]],
        ['pylock', 'Python, threads with a lock', [bin('plain.py'), 'lock']],
        ['asyncio', 'Python, asyncio', [bin('plain.py'), 'asyncio']],
        ['ruby', 'Ruby', have('ruby') && [bin('fcgi.rb')]],
        ['node', 'Node', have('node') && [bin('plain.js')]],
    );
}

=head2 php_script(DIRECTORY)

Writes it there.  Gives its path.

=cut

sub php_script {
    my ($dir) = @_;
    return write_file("$dir/pid.php", <<'END', 0644);
<?php
usleep(1000 * (int)($_GET['sleep'] ?? 0));
echo 'pid=', getmypid();
END
}

1;
