#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The status page in a browser: 20 pools with 8 workers each, dark and light,
# on a desk and on a phone, while things change.  `make -f Makefile.apxs
# check-browser` installs a browser and runs this.  FCGIPM_PICTURES names a
# directory for pictures of it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Browser;
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use Test::More;

my $why = FCGIPM::Browser::missing();
plan skip_all => $why if $why;

my $pictures = $ENV{FCGIPM_PICTURES};
my $evil = q(</script><img src=x onerror=document.title=1>);
my @name = map { sprintf 'app%02d', $_ } 1 .. 20;
my $httpd = FCGIPM::Httpd->new(
    config => join '',
        "<Location /st>\n    SetHandler fcgipm-status\n</Location>\n",
        map { pool($_, [bin('worker'), '--tag', $evil], 'FcgiPMProcesses 8')
                  . location($_) } @name);
ok($httpd->start, 'httpd');
$httpd->workers(160);
my $url = 'http://localhost:' . $httpd->port . '/st';

my $browser = FCGIPM::Browser->new;
my %DESK = (width => 1280, height => 900);
my %PHONE = (width => 390, height => 844, scale => 2);

sub picture {
    my ($name) = @_;
    $browser->picture("$pictures/$name.png") if $pictures;
    return;
}

sub shown {
    my ($selector) = @_;
    return $browser->run(<<'END', $selector);
return [...document.querySelectorAll(arguments[0])]
    .filter((e) => e.getClientRects().length > 0).map((e) => e.textContent);
END
}

# The cells of a pool's row.
sub row {
    my ($name) = @_;
    return $browser->run(<<'END', $name);
for (const tr of document.querySelectorAll("tr.pool")) {
    if (tr.querySelector(".name").textContent === arguments[0]) {
        return [...tr.cells].map((c) => c.textContent.trim());
    }
}
return null;
END
}

sub quiet {
    my ($name) = @_;
    my @said = $browser->complaints;
    is_deeply(\@said, [], "$name: the browser has nothing to complain of");
    return;
}

# --- a desk
$browser->look(%DESK);
$browser->open($url);
is(scalar @{ shown('tr.pool') }, 20, 'twenty pools');
is_deeply(shown('.plain'), [], 'the plain tables are not shown');
like(shown('.tile')->[0], qr/of 160\b/, '160 workers');
like(shown('#manager')->[0], qr/^manager ${\ $httpd->manager},/,
     'the manager');
is_deeply(shown('.alarm'), [], 'no alarm');
is($browser->run('return document.title'), 'Pools of localhost', 'its title');
quiet('at first');

# Whatever is the same later has not been made anew.
$browser->run(<<'END');
window.mark = document.querySelectorAll("tr.pool")[6];
END
my $client = fork;
if (!$client) {
    for (1 .. 40) { $httpd->get('/app07/?sleep=20&pid') }
    require POSIX;
    POSIX::_exit(0);
}
ok(wait_for { (row('app07') || [])->[6] eq '40' } 20,
   'requests are shown, without a reload');
waitpid $client, 0;
ok($browser->run('return window.mark && window.mark.isConnected'),
   'in the same row as before');
ok($browser->until('return window.mark'
                   . '.querySelector(".of-rate path.edge[d*=L]") !== null',
                   10, 'a line'), 'with a drawing');
like(row('app07')->[5], qr/^\d+ ms$/, 'and their mean time');

# --- sorting
my $click = 'document.querySelectorAll("thead th button")[arguments[0]]'
    . '.click()';
$browser->run($click, 6);
is(shown('tr.pool .name')->[0], 'app07', 'sorted by requests');
is_deeply($browser->run('return [...document.querySelectorAll("th[aria-sort]")]'
                        . '.map((e) => e.ariaSort)'), ['descending'],
          'which is said');
$browser->run($click, 6);
is(shown('tr.pool .name')->[19], 'app07', 'and the other way');
$browser->run($click, 0);
is_deeply(shown('tr.pool .name'), \@name, 'sorted by name');

# --- more of a pool
$browser->run('document.querySelectorAll("tr.pool button")[2].click()');
is(scalar @{ shown('.more .workers tbody tr') }, 8, 'eight workers');
my $command = bin('worker') . " --tag $evil";
is_deeply([grep { index($_, $evil) >= 0 } @{ shown('.more dd') }], [$command],
          'its command, as text');
is($browser->run('return document.images.length'), 0, 'and nothing but text');
$httpd->get('/app03/?pid') for 1 .. 8;
ok($browser->until('return [...document.querySelectorAll(".more .chart rect '
                   . 'title")].some((e) => e.textContent.endsWith(": 8"))',
                   20, 'bars'), 'bars of how long requests took');
picture('more-light');
$browser->run('document.querySelectorAll("tr.pool button")[2].click()');
is_deeply(shown('.more'), [], 'away again');

# --- dark and light, desk and phone
my %back;
for my $dark (0, 1) {
    my $name = $dark ? 'dark' : 'light';
    $browser->look(%DESK, dark => $dark);
    $back{$name} = $browser->run(
        'return getComputedStyle(document.body).backgroundColor');
    picture("desk-$name");
    $browser->look(%PHONE, dark => $dark);
    is($browser->run('return document.documentElement.scrollWidth'), 390,
       "a phone, $name: it fits");
    is_deeply(shown('.pools thead'), [], 'no row of heads');
    is(scalar @{ shown('.sortby select') }, 1, 'but something to sort by');
    is(scalar @{ shown('tr.pool') }, 20, 'and all pools');
    picture("phone-$name");
}
isnt($back{dark}, $back{light}, 'dark is not light');
$browser->look(%DESK);

# --- the manager is not there
my $manager = $httpd->manager;
kill 'STOP', $manager;
ok($browser->until('return /The manager does not answer/.test('
                   . 'document.querySelector("#app .alarm").textContent) && '
                   . 'document.querySelector("#app .alarm")'
                   . '.getClientRects().length', 20, 'the alarm'),
   'a manager that does not answer is told of');
is(scalar @{ shown('tr.pool') }, 20, 'the pools are still there');
picture('no-manager');
kill 'CONT', $manager;
ok(wait_for { !@{ shown('.alarm') } } 20, 'until it answers');
quiet('with all that');
is_deeply([grep { !/^\Q$url\E\?(?:json|css|js)$/ } @{ $browser->run(
              'return performance.getEntriesByType("resource")'
              . '.map((e) => e.name)') }], [],
          'nothing but ?json, and its style and script, was fetched');

# --- without JavaScript
$browser->look(%DESK, script => 0);
$browser->open($url);
$browser->look(%DESK);
my $plain = shown('.plain table');
is(scalar @$plain, 21, 'without JavaScript: a table of pools, and of workers');
is_deeply(shown('tr.pool'), [], 'and nothing else');

# --- httpd is not there
$browser->open($url);
is($httpd->stop, 0, 'httpd stops');
ok($browser->until('return /What is shown is old/.test('
                   . 'document.querySelector("#app .alarm").textContent)', 20,
                   'the alarm'), 'which is told of');

# --- a policy of the whole server; a pool that fails
$httpd = FCGIPM::Httpd->new(
    modules => ['headers'],
    config => join '',
        "<Location /st>\n    SetHandler fcgipm-status\n</Location>\n",
        "Header always set Content-Security-Policy \"default-src 'self'\"\n",
        pool('good', 'worker'),
        pool('web', [bin('worker'), '--exit-at-once', 3]));
ok($httpd->start, 'httpd with a policy of its own');
ok(wait_for { ($httpd->pool_status('web')->{state} || '') eq 'backoff' } 20,
   'a pool fails');
$browser->complaints;    # that no httpd was there
$browser->open('http://localhost:' . $httpd->port . '/st');
ok(wait_for { @{ shown('tr.pool .name') || [] } == 2 } 20,
   'the page is drawn under that policy');
is_deeply(shown('tr.pool .name'), ['web', 'good'], 'what fails comes first');
is_deeply(shown('tr.pool .bad'), [(row('web'))->[7]], 'and is red at once');
is($browser->run('return getComputedStyle(document.querySelector(".tiles"))'
                 . '.display'), 'grid', 'its style is in force');
$browser->run(<<'END');
const box = document.querySelector(".filter input");
box.value = "GO";
box.dispatchEvent(new Event("input"));
END
is_deeply(shown('tr.pool .name'), ['good'], 'a filter');
quiet('with all that');
is($httpd->stop, 0, 'httpd stops');
$browser->quit;
wait_for { !descendants() } 10, 'the end of the browser';
is_deeply([map { cmdline($_) } descendants()], [], 'nothing is left');
done_testing;
