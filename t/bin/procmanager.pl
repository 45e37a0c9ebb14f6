#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# procmanager.c, with Perl's managers in the place of libfcgipm: what that has
# to do is read off here.  The first argument is the class; FCGI::ProcManager
# has the same things under other names.
use strict;
use warnings;
no warnings 'once';

use FCGI;
use IO::Handle;
use POSIX ();
use Time::HiRes ();

my $class = shift;
my %arg = map { split /=/, $_, 2 } @ARGV;
my $engine = $class =~ /Engine/;
my $trace = delete $arg{trace};
my $hold = delete $arg{hold};
my $pm;
my @memory;

STDERR->autoflush;
$0 = 'procmanager.pl';

sub note { print STDERR "note (pid $$): $_[0]\n" }

sub be_busy {
    my ($until) = @_;
    open my $fh, '>', "$until.begun" or die "$until.begun: $!";
    until (-e $until) { Time::HiRes::sleep(0.01) }
    unlink $until, "$until.begun";
    return;
}

# What a hook finds: this is how its place among the other steps is seen.
sub found {
    my ($hook) = @_;
    be_busy($hold) if defined $hold && $hook eq 'server_init';
    return unless $trace;
    my $old = POSIX::SigAction->new;
    POSIX::sigaction(POSIX::SIGTERM(), undef, $old);
    my $handler = $old->handler;
    my $kind = !ref $handler && $handler eq 'DEFAULT' ? 'default'
             : $old->flags & POSIX::SA_RESTART()      ? 'restarts'
             :                                          'interrupts';
    my $file = $engine ? $arg{pidfile} : $arg{pid_fname};
    note("hook $hook: role " . $pm->role . ", TERM $kind, title "
         . ($0 =~ /^perl-fcgi(-pm)?$/ ? $1 ? 'manager' : 'server' : 'none')
         . ', pid file ' . (defined $file && -s $file ? 'there' : 'missing'));
    return;
}

END {
    my $got = $pm && ($engine ? $pm->signals_received
                              : $pm->pm_received_signal) || {};
    note('end TERM=' . ($got->{TERM} || 0) . ' HUP=' . ($got->{HUP} || 0))
        if $pm && $pm->role eq 'server';
}

my %hook = (manager_init => 'managing_init', server_init => 'handling_init',
            pre_dispatch => 'pm_pre_dispatch',
            post_dispatch => 'pm_post_dispatch');

if ($engine) {
    eval "package My; use Moose; extends '$class'; 1" or die $@;
    if ($class !~ /Constrained/) {
        for my $name (keys %hook) {
            My->meta->add_augment_method_modifier(
                $name => sub { found($name) });
        }
    }
    if (defined $arg{pidfile}) {
        $arg{pidfile} = MooseX::Daemonize::Pid::File->new(
            file => $arg{pidfile});
    }
    $pm = My->new(%arg);
    $arg{pidfile} = $arg{pidfile}->file if $arg{pidfile};
}
else {
    eval "require $class; 1" or die $@;
    our @ISA;
    @My::ISA = ($class);
    no strict 'refs';
    for my $name (keys %hook) {
        my $super = $class->can($hook{$name});
        *{"My::$hook{$name}"} = sub { $super->(@_); found($name); return };
    }
    $arg{pid_fname} = delete $arg{pidfile} if exists $arg{pidfile};
    $arg{max_size} = delete $arg{max_process_size}
        if exists $arg{max_process_size};
    $pm = My->new(\%arg);
}

my %does = (
    pid => sub { },
    until => \&be_busy,
    grow => sub { push @memory, 'x' x ($_[0] * 1024) },
    exit => sub { POSIX::_exit($_[0]) },
);

my ($manages, $before, $after) = $engine
    ? qw(manage pre_dispatch post_dispatch)
    : qw(pm_manage pm_pre_dispatch pm_post_dispatch);
$pm->$manages;
my %env;
# Handles of their own: notes are to go to the real STDERR.
my $request = FCGI::Request(\*IN, \*OUT, \*ERR, \%env, 0,
                            FCGI::FAIL_ACCEPT_ON_INTR());
while ($request->Accept >= 0) {
    $pm->$before;
    my ($what, $value) = split /=/, $env{QUERY_STRING}, 2;
    $does{$what}->($value);
    print OUT "Content-Type: text/plain\r\n\r\npid=$$\n";
    $request->Finish;
    $pm->$after;
}
