#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# SetHandler fcgipm-status: the page, ?json, ?openmetrics, and the section on
# mod_status's page; with a manager, with one that does not answer, and with
# none.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use IPC::Open3 qw(open3);
use JSON::PP ();
use Test::More;
use Time::HiRes qw(time);

my $python = '/usr/bin/python3';
my $has_parser = 0 == system
    "$python -c 'import prometheus_client.openmetrics' >/dev/null 2>&1";

my $evil = q(</script><img src=x>'"&\\);
my $dir = tmp_dir();
my $location = "<Location /st>\n    SetHandler fcgipm-status\n</Location>\n"
    . "<Location /server-status>\n    SetHandler server-status\n"
    . "</Location>\n";

sub config {
    my (%listen) = @_;
    my $quoted = $evil =~ s/(["\\])/\\$1/gr;
    return join '', $location,
        pool('app', 'worker', 'FcgiPMProcesses 2',
             map { "FcgiPMListen $_" } grep { $_ } $listen{app}),
        location('app'),
        "<FcgiPMPool odd>\n    FcgiPMCommand ${\ bin('worker')} "
            . qq(--tag "$quoted"\n</FcgiPMPool>\n),
        location('odd'),
        pool('bad', ['/bin/sh', '-c', 'echo "no <b>&luck" >&2; exit 1']),
        location('bad'),
        pool('held', [$^X, bin('raw.pl')], 'FcgiPMProcesses 2'),
        location('held'),
        "<VirtualHost *>\n    ServerName localhost\n    DocumentRoot "
            . "\${DOCS}\n</VirtualHost>\n";
}

my $httpd = FCGIPM::Httpd->new(modules => ['status'], head => '');
$httpd->write_config(config() =~ s/\$\{DOCS\}/$httpd->dir . '\/htdocs'/er);

sub again {
    my (%listen) = @_;
    $httpd->write_config(
        config(%listen) =~ s/\$\{DOCS\}/$httpd->dir . '\/htdocs'/er);
    return $httpd->graceful;
}

# --- what is looked at ------------------------------------------------------

sub json {
    my $r = $httpd->get('/st?json');
    return { status => $r->{status} } if $r->{error} || $r->{status} != 200;
    return eval { JSON::PP->new->utf8->decode($r->{body}) } || {};
}

sub pool_of {
    my ($status, $name) = @_;
    my ($pool) = grep { $_->{name} eq $name } @{ $status->{pools} || [] };
    return $pool || {};
}

# The families by name, as the parser has understood them.
sub metrics {
    my ($text) = @_;
    my $pid = open3(my $in, my $out, undef, $python, bin('openmetrics.py'));
    print {$in} $text;
    close $in;
    my $said = do { local $/; <$out> };
    waitpid $pid, 0;
    my $list = eval { JSON::PP->new->utf8->decode($said) };
    diag("the parser: $said") unless $list;
    return { map { $_->{name} => $_ } @{ $list || [] } };
}

# The value of the sample with these labels.
sub value {
    my ($families, $name, %label) = @_;
    (my $family = $name) =~ s/_(?:total|count|sum|bucket|info)$//;
    my $f = $families->{$family} or return "no $family";
    for my $sample (@{ $f->{samples} }) {
        next unless $sample->[0] eq $name;
        my %has = %{ $sample->[1] };
        next if grep { ($has{$_} // '') ne $label{$_} } keys %label;
        return $sample->[2];
    }
    return 'no such sample';
}

sub valid {
    my ($name) = @_;
    my $r = $httpd->get('/st?openmetrics');
    is($r->{status}, 200, "$name: metrics");
    like($r->{body}, qr/\n# EOF\n\z/, "$name: they have an end");
    my %seen;
    is_deeply([grep { $seen{$_}++ } $r->{body} =~ /^([^#].*?) \S+$/mg], [],
              "$name: nothing is there twice");
    return unless $has_parser;
    my $families = metrics($r->{body});
    cmp_ok(scalar keys %$families, '>', 10, "$name: they are valid");
    return $families;
}

# Names of all members, however deep; of arrays the first element's.
sub shape {
    my ($value) = @_;
    return ref $value eq 'HASH'
        ? { map { $_ => shape($value->{$_}) } keys %$value }
        : ref $value eq 'ARRAY' ? [map { shape($_) } grep { defined }
                                   $value->[0]]
        : '';
}

# --- tests ------------------------------------------------------------------

sub methods {
    for my $method (qw(POST PUT DELETE OPTIONS PATCH)) {
        my $r = $httpd->get('/st', method => $method,
                            $method =~ /^P/ ? (body => 'x') : ());
        is($r->{status}, 405, "$method: 405");
        my %allowed = map { $_ => 1 } split /\s*,\s*/, $r->{header}{allow};
        delete $allowed{TRACE};    # that is httpd's
        is(join(' ', sort keys %allowed), 'GET HEAD', 'what is allowed');
    }
    for my $form ('', '?json', '?openmetrics') {
        my $r = $httpd->get("/st$form", method => 'HEAD');
        is("$r->{status} $r->{body}", '200 ', "HEAD $form: no body");
        my $get = $httpd->get("/st$form", header => [
            'If-None-Match: *', 'If-Modified-Since: ' . gmtime() . ' GMT']);
        is($get->{status}, 200, "GET $form: it is always another one");
        is($get->{header}{'content-type'}, $r->{header}{'content-type'},
           'the same type');
        is($get->{header}{'cache-control'}, 'no-store', 'not to be stored');
    }
    is($httpd->get('/st?openmetrics')->{header}{'content-type'},
       'application/openmetrics-text; version=1.0.0; charset=utf-8',
       'the type of metrics');
    is($httpd->get('/st?json')->{header}{'content-type'}, 'application/json',
       'the type of JSON');
    return;
}

sub as_json {
    my $told = json();
    is_deeply(shape($told), shape($httpd->status),
              '?json has the members of the control socket\'s status');
    ok($told->{manager}{answers}, 'the manager answers');
    is($told->{manager}{pid}, $httpd->manager, 'which it is');
    my $app = pool_of($told, 'app');
    is($app->{requests}, 5, 'requests');
    is($app->{workers}, 2, 'workers');
    my %worker = map { $_ => 1 } $httpd->workers;
    is(scalar(grep { $worker{ $_->{pid} } } @{ $app->{worker} }), 2,
       'their pids');
    is(pool_of($told, 'odd')->{command}, bin('worker') . " --tag $evil",
       'a command with all kinds of characters');
    return;
}

sub as_metrics {
    my $m = valid('with a manager') or return;
    is($m->{fcgipm_pool_requests}{type}, 'counter', 'requests are a counter');
    is(value($m, 'fcgipm_pool_requests_total', pool => 'app'), 5,
       'how many');
    is(value($m, 'fcgipm_manager_up'), 1, 'the manager is up');
    is(value($m, 'fcgipm_build_info'), 1, 'the build');
    is(value($m, 'fcgipm_pool_workers', pool => 'app', state => 'idle'), 2,
       'workers by state');
    is(value($m, 'fcgipm_pool_state', pool => 'app',
             fcgipm_pool_state => 'running'), 1, 'the state');
    for my $name (qw(fcgipm_pool_request_duration_seconds
                     fcgipm_pool_queue_duration_seconds)) {
        is($m->{$name}{type}, 'histogram', "$name: a histogram");
        is($m->{$name}{unit}, 'seconds', 'its unit');
        is(value($m, "${name}_count", pool => 'app'), 5, 'its count');
        is(value($m, "${name}_bucket", pool => 'app', le => '+Inf'), 5,
           'its last bucket');
        cmp_ok(value($m, "${name}_bucket", pool => 'app', le => '0.05'),
               '<=', value($m, "${name}_bucket", pool => 'app', le => '60.0'),
               'they add up');
    }
    cmp_ok(value($m, 'fcgipm_pool_request_duration_seconds_sum',
                 pool => 'app'), '>=', 0.1, 'the sum of times');
    for my $cause (qw(exited crashed killed)) {
        like(value($m, 'fcgipm_pool_workers_ended_total', pool => 'app',
                   cause => $cause), qr/^0/, "none has $cause");
    }
    for my $reason (qw(queue_limit queue_timeout unavailable)) {
        like(value($m, 'fcgipm_pool_requests_refused_total', pool => 'app',
                   reason => $reason), qr/^0/, "none refused by $reason");
    }
    like(value($m, "fcgipm_pool_requests_${_}_total", pool => 'app'), qr/^0/,
         "none $_") for qw(aborted retried);
    cmp_ok(value($m, 'fcgipm_pool_workers_ended_total', pool => 'bad',
                 cause => 'crashed'), '>', 1, 'crashes are counted');
    my ($pid) = map { $_->{pid} } @{ pool_of(json(), 'app')->{worker} };
    cmp_ok(value($m, 'fcgipm_worker_resident_memory_bytes', pool => 'app',
                 pid => $pid), '>', 100_000, "a worker's memory");
    is(value($m, 'fcgipm_workers_left_out'), 0, 'no worker is left out');
    return;
}

sub as_page {
    my $r = $httpd->get('/st');
    my $page = $r->{body};
    is($r->{status}, 200, 'the page');
    like($page, qr{^<tr><td>app<td>running<td>2<}m, 'a plain table');
    like($page, qr{<td>\d+<td>idle<td>}, 'and the workers');
    unlike($page, qr/<img|<b>&luck/, 'nothing comes through as it is');
    like($page, qr/&lt;img src=x&gt;/, 'but escaped');
    like($page, qr/\\u003cimg/, 'for the script as well');
    my ($policy) = $r->{header}{'content-security-policy'};
    like($policy, qr/default-src 'none'/, 'nothing else may be loaded');
    my ($nonce) = $policy =~ /script-src 'nonce-([^']+)'/;
    is_deeply([$page =~ /<(?:script|style|link)\b (?!type="application\/json")([^>]*)>/g],
              [qq(rel="stylesheet" href="?css" nonce="$nonce"),
               qq(src="?js" defer nonce="$nonce")],
              'its own script and style may, from its own URL');
    unlike($page, qr/ style=| on\w+=/, 'there are no others');
    for (['css', 'text/css', qr/^:root \{/m], ['js', 'text/javascript', qr/^\(function/m]) {
        my ($form, $type, $text) = @$_;
        my $file = $httpd->get("/st?$form");
        is($file->{status}, 200, "?$form");
        like($file->{header}{'content-type'}, qr/^\Q$type\E\b/, 'its type');
        like($file->{body}, $text, 'its text');
    }
    isnt($httpd->get('/st')->{header}{'content-security-policy'}, $policy,
         'another time by another number');
    my ($data) = $page =~ m{id="data">(.*?)</script>}s;
    my $told = eval { JSON::PP->new->utf8->decode($data) };
    is(pool_of($told || {}, 'odd')->{command}, bin('worker') . " --tag $evil",
       'what the script begins with');
    return;
}

sub as_section {
    my $page = $httpd->get('/server-status')->{body};
    like($page, qr{<h2>mod_fcgipm</h2>\s*<p>Manager: process ${\
         $httpd->manager},}, 'mod_status has a section');
    like($page, qr{<b>app</b></td><td>running</td>(?:<td[^>]*>\d+</td>){9}},
         'with a row for the pool');
    like($httpd->get('/server-status?notable')->{body},
         qr{<p><b>app</b>: running, Workers 2}, 'without tables');
    my $auto = $httpd->get('/server-status?auto')->{body};
    like($auto, qr/^FcgiPMManager: ${\ $httpd->manager}$/m, '?auto');
    like($auto, qr/^FcgiPMPools: 4$/m, 'has pools');
    like($auto, qr/^FcgiPMRequests: [5-9]$/m, 'requests');
    like($auto, qr/^FcgiPMPool\[app\]: State=running Workers=2 .*Requests=5/m,
         'and a line for each pool');
    return;
}

sub all_busy {
    my @client = map { $httpd->ask("/held/?until=$dir/go&ok") } 1 .. 4;
    ok(wait_for { pool_of(json(), 'held')->{in_flight} == 4 } 10,
       'every worker is busy, others wait');
    my $held = pool_of(json(), 'held');
    is("$held->{busy} $held->{idle} $held->{queue}", '2 0 2', '?json tells');
    ok(wait_for {
        2 == grep { $_->{busy_for} > 0 } @{ pool_of(json(), 'held')->{worker} }
    } 10, 'for how long');
    is($httpd->get($_)->{status}, 200, "$_ answers")
        for qw(/st /st?openmetrics /server-status);
    write_file("$dir/go", '', 0644);
    waitpid $_, 0 for @client;
    return;
}

sub draining {
    my $client = $httpd->ask('/app/?sleep=2000&ok');
    ok(wait_for { pool_of(json(), 'app')->{in_flight} } 10, 'a request');
    ok(again(app => 'unix:' . $httpd->run_dir . '/other.sock'),
       'a graceful, another socket');
    ok(wait_for { 2 == grep { $_->{name} eq 'app' } @{ json()->{pools} } } 10,
       'the pool is there twice') or return;
    valid('while one drains');
    waitpid $client, 0;
    ok(wait_for { 1 == grep { $_->{name} eq 'app' } @{ json()->{pools} } } 20,
       'it goes');
    return;
}

# What is told when nobody is asked.
sub alone {
    my ($name, $requests) = @_;
    my $begin = time;
    my $told = json();
    is_soon(time - $begin, 10, "$name: httpd answers itself");
    ok(exists $told->{manager} && !$told->{manager}{answers}, 'and says so');
    like($told->{manager}{error}, qr/\w/, "why: $told->{manager}{error}");
    my $app = pool_of($told, 'app');
    is($app->{requests}, $requests, 'it knows of requests');
    is($app->{command}, bin('worker'), 'of the configuration');
    is_deeply($app->{worker}, [], 'not of workers');
    my %with = (%$app, worker => []);
    is_deeply([sort keys %with], [sort keys %{ $httpd->{before} }],
              'the members are the same');
    my $page = $httpd->get('/st')->{body};
    like($page, qr/class="alarm">The manager does not answer: /,
         'the page says so too');
    like($page, qr{^<tr><td>app<td>running<}m, 'and has the pools');
    my $m = valid($name);
    if ($m) {
        is(value($m, 'fcgipm_manager_up'), 0, 'the metrics say so');
        is(value($m, 'fcgipm_pool_requests_total', pool => 'app'), $requests,
           'and go on counting');
        like(value($m, 'fcgipm_pool_workers', pool => 'app'), qr/^no/,
             'what is not known is not there');
    }
    is($httpd->get('/server-status')->{status}, 200, 'mod_status answers');
    return;
}

sub down {
    my $manager = $httpd->manager;
    my $app = pool_of(json(), 'app');
    my $requests = $app->{requests};
    $httpd->{before} = $app;
    kill 'STOP', $manager;
    alone('a manager that hangs', $requests);
    kill 'CONT', $manager;
    ok(wait_for { (json()->{manager} || {})->{answers} } 10,
       'it is asked again');

    # The parent cannot start another as long as it is stopped.
    kill 'STOP', $httpd->pid;
    kill 'KILL', $manager;
    ok(wait_for { !alive($manager) } 10, 'the manager is killed');
    alone('no manager', $requests);
    kill 'CONT', $httpd->pid;
    ok(wait_for {
        my $m = json()->{manager} || {};
        $m->{answers} && $m->{pid} != $manager && $m->{restarts} == 1
    } 20, 'another one is started, and answers');
    $httpd->workers(5);
    return;
}

sub too_many {
    my $many = FCGIPM::Httpd->new(config => $location
        . pool('many', 'worker', 'FcgiPMProcesses 520'));
    ok($many->start, 'a pool with 520 workers');
    $many->workers(520);
    my $text = '';
    ok(wait_for {
        $text = $many->get('/st?openmetrics')->{body} || '';
        $text =~ /^fcgipm_manager_up 1$/m;
    } 120, 'its manager answers in time, births behind it');
    is(scalar(() = $text =~ /^fcgipm_worker_requests_total/mg), 512,
       '512 workers have metrics');
    like($text, qr/^fcgipm_workers_left_out 8$/m, 'the others are counted');
    is($many->stop, 0, 'httpd stops');
    return;
}

ok($httpd->start, 'httpd');
ok(wait_for { pool_of($httpd->status || {}, 'bad')->{state} eq 'backoff' } 20,
   'pools');
ok(wait_for {
    2 == grep { $_->{state} eq 'idle' }
        @{ pool_of($httpd->status, 'app')->{worker} }
} 20, 'workers');
$httpd->get('/app/?sleep=30&ok') for 1 .. 5;
diag('without the parser: python3-prometheus-client is missing')
    unless $has_parser;
methods();
as_json();
as_metrics();
as_page();
as_section();
all_busy();
draining();
down();
too_many();
ends_well($httpd);
done_testing;
