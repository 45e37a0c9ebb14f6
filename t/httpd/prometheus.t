#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# packaging/prometheus: the alert rules and the queries of the dashboard name
# metrics that there are, and a real Prometheus that scrapes httpd answers them;
# of two pools the one that fails is told.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use FCGIPM::HTTP;
use FCGIPM::Httpd;
use FCGIPM::Scenario;
use FCGIPM::Test;
use JSON::PP;
use Test::More;

my $room = root() . '/packaging/prometheus';
my $rules = slurp("$room/fcgipm.rules.yml");
my $dashboard = JSON::PP->new->utf8->decode(slurp("$room/grafana-dashboard.json"));
my @query = map { [$_->{title}, map { $_->{expr} } @{ $_->{targets} }] }
    @{ $dashboard->{panels} };

# --- names
my %there = map { $_ => 1 } slurp(root() . '/docs/admin/status.md') =~ /`(fcgipm_\w+)`/g;
my %named = map { s/_bucket$//r => 1 } "$rules @{[map { @$_ } @query]}" =~ /\b(fcgipm_\w+)/g;
cmp_ok(scalar keys %named, '>', 10, 'rules and dashboard name metrics');
is_deeply([grep { !$there{$_} } sort keys %named], [], 'that are documented');

my ($promtool, $prometheus) = map { have($_) } 'promtool', 'prometheus';
if (!$promtool || !$prometheus) {
    done_testing;
    diag('Prometheus is not installed: its part was left out');
    exit;
}
my $dir = tmp_dir();
my $check = start(cmd => [$promtool, 'check', 'rules', "$room/fcgipm.rules.yml"],
                  out => "$dir/check", err => "$dir/check");
is($check->wait(30), 0, 'promtool is content') or diag(slurp("$dir/check"));

# --- a server with metrics
my $httpd = FCGIPM::Httpd->new(
    config => join '',
        "<Location /st>\n    SetHandler fcgipm-status\n</Location>\n",
        pool('app', 'worker', 'FcgiPMProcesses 2'), location('app'),
        pool('web', [bin('worker'), '--exit-at-once', 3]));
ok($httpd->start, 'httpd');
ok(wait_for { ($httpd->pool_status('web')->{state} || '') eq 'backoff' } 20,
   'a pool fails');

# --- and a Prometheus, whose alerts wait for nothing
my $port = free_port();
write_file("$dir/rules.yml", $rules =~ s/^ +for: .*\n//mgr);
write_file("$dir/prometheus.yml", <<"END");
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [ $dir/rules.yml ]
scrape_configs:
  - job_name: fcgipm
    metrics_path: /st
    params: { openmetrics: [""] }
    static_configs: [ { targets: ["127.0.0.1:${\ $httpd->port}"] } ]
END
my $server = start(cmd => [$prometheus, "--config.file=$dir/prometheus.yml",
                           "--storage.tsdb.path=$dir/data",
                           "--web.listen-address=127.0.0.1:$port"],
                   out => "$dir/out", err => "$dir/out");

sub ask_prometheus {
    my ($path) = @_;
    my $r = eval { http($port, "/api/v1/$path") } || {};
    return eval { JSON::PP->new->utf8->decode($r->{body}) } || {};
}

sub result {
    my ($query) = @_;
    $query =~ s/\$(?:instance|pool)/.*/g;
    $query =~ s/\$__rate_interval/1m/g;
    $query =~ s/([^\w.~-])/sprintf '%%%02X', ord $1/ge;
    my $answer = ask_prometheus("query?query=$query");
    return $answer->{status} && $answer->{status} eq 'success'
        ? $answer->{data}{result} : undef;
}

ok(wait_for { @{ result('fcgipm_manager_up == 1') || [] } } 60,
   'Prometheus has scraped') or diag(slurp("$dir/out"));
$httpd->get('/app/') for 1 .. 5;
ok(wait_for { @{ result('rate(fcgipm_pool_requests_total{pool="app"}[1m]) > 0') || [] } }
   60, 'it counts requests');
for (@query) {
    my ($title, @expr) = @$_;
    ok(scalar @{ result($_) || [] }, "$title: $_") for @expr;
}

# --- the alerts
sub firing {
    return map { "$_->{labels}{alertname} " . ($_->{labels}{pool} || '') }
        @{ ask_prometheus('alerts')->{data}{alerts} || [] };
}

ok(wait_for { grep { $_ eq 'FcgiPMPoolFails web' } firing() } 30,
   'the alert of the pool that fails');
my @firing = firing();
is_deeply([grep { / app$/ } @firing], [], 'there is none of the other')
    or diag("@firing");
ok(!(grep { /^FcgiPMNoMetrics|^FcgiPMManager/ } @firing), 'nor of the manager');
is_deeply([map { "$_->{name}: $_->{lastError}" } grep { $_->{health} ne 'ok' }
           map { @{ $_->{rules} } }
           @{ ask_prometheus('rules')->{data}{groups} || [] }],
          [], 'all rules can be evaluated');

kill 'TERM', $server->pid;
$server->wait(30);
is($httpd->stop, 0, 'httpd stops');
done_testing;
