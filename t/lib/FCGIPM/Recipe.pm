# SPDX-License-Identifier: Apache-2.0
package FCGIPM::Recipe;

=head1 NAME

FCGIPM::Recipe - a page of docs/admin/cookbook, read as somebody who follows it

=cut

use strict;
use warnings;

use Exporter 'import';
use FCGIPM::Test;

our @EXPORT = qw(recipe recipes);

=head2 recipes()

The names of all pages.

=cut

sub recipes {
    my @page = glob root() . '/docs/admin/cookbook/*.md';
    return sort grep { $_ ne 'README' } map { m{([^/]+)\.md$} } @page;
}

=head2 recipe(NAME)

The page as a hash: C<packages> that it has installed, C<modules> of httpd that
it turns on, C<steps> in the order of the page.  A step is

    [file    => PATH, TEXT]       `/path`: and a block
    [run     => TEXT]             a block ```sh without those two commands
    [site    => TEXT]             a block ```apache
    [check   => [COMMAND, LINE...]...]    a block ```console

=cut

my %BLOCK = (
    sh => \&_commands, apache => sub { [site => $_[1]] }, console => \&_checks,
);

sub recipe {
    my ($name) = @_;
    my $text = slurp(root() . "/docs/admin/cookbook/$name.md");
    my %page = (name => $name, packages => [], modules => [], steps => []);
    while ($text =~ /(?:^`(\/[^`]+)`:\n\n)?^```(\w+)\n(.*?)^```$/msg) {
        my ($path, $kind, $block) = ($1, $2, $3);
        my $step = defined $path ? [file => $path, $block]
            : ($BLOCK{$kind} || die "$name: a block $kind without a file\n")
                ->(\%page, $block);
        push @{ $page{steps} }, $step if $step;
    }
    return \%page;
}

sub _commands {
    my ($page, $text) = @_;
    my %words = ('apt install' => 'packages', a2enmod => 'modules');
    $text =~ s/\\\n//g;
    my $rest = '';
    for my $line (split /^/, $text) {
        if ($line =~ /^(apt install|a2enmod) (.+)$/) {
            push @{ $page->{ $words{$1} } }, split ' ', $2;
        }
        elsif ($line !~ /^systemctl /) {    # it has services
            $rest .= $line;
        }
    }
    return $rest =~ /\S/ ? [run => $rest] : undef;
}

sub _checks {
    my (undef, $text) = @_;
    my @check;
    for my $line (split /\n/, $text) {
        if ($line =~ /^\$ (.*)$/) { push @check, [$1] }
        elsif ($check[-1][0] =~ s/\\$//) { $check[-1][0] .= $line =~ s/^> //r }
        else { push @{ $check[-1] }, $line }
    }
    return [check => @check];
}

1;
