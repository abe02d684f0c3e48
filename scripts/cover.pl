#!/usr/bin/env perl
# SPDX-License-Identifier: GPL-2.0-only
#
# cover.pl DIR: print DIR/cover with {TEXT} replaced by the number of the patch whose
# file name in DIR/series contains TEXT. So a cover letter is right when patches move.
use strict;
use warnings;

my ($dir) = @ARGV;
my %number;

sub fail
{
	print STDERR "error: @_\n";
	exit 1;
}

fail('use cover.pl DIR') if @ARGV != 1;

open(my $series, '<', "$dir/series") or fail("$dir/series: $!");
while (<$series>) {
	next if /^#/;
	my ($name) = split;
	$number{$name} = 1 + keys %number;
}

open(my $cover, '<', "$dir/cover") or fail("$dir/cover: $!");
while (my $line = <$cover>) {
	$line =~ s{\{([^{}]+)\}}{
		my @names = grep { index($_, $1) >= 0 } keys %number;

		fail("$dir/cover: {$1} names " . @names . " patches of the series, not one")
			if @names != 1;
		$number{$names[0]};
	}ge;
	print $line;
}
