#!/usr/bin/env perl
# SPDX-License-Identifier: GPL-2.0-only
#
# The mails of a series need no kernel source: git needs the lines that the hunks
# name, at their place, and this writes a file for each path that has those lines
# and fillers for all others.
#
#   mails.pl skeleton DIR PATCH...	write these files below DIR
#   mails.pl restore PATCH MAIL		put the hunks of PATCH into MAIL
#
# git formats the mails from commits on top of the skeleton: header, message,
# diffstat and new files are as on the real base. The blob ids in "index" lines and
# the text behind the second @@ of a hunk are not; "restore" takes each change of an
# existing file from the patch, which git wrote on the real base.
use strict;
use warnings;

# A file is a list of lines, each [TEXT]; TEXT is undef until a hunk names it.
# "base" is the file before the first patch, "now" the one after the last.
my %files;

sub fail
{
	print STDERR "error: @_\n";
	exit 1;
}

# The file has at least $count lines now, and so had the base.
sub extend
{
	my ($file, $count) = @_;

	while (@{$file->{now}} < $count) {
		my $line = [undef];

		push @{$file->{base}}, $line;
		push @{$file->{now}}, $line;
	}
}

# A hunk says that line $at (from 0) of the file is $text.
sub context
{
	my ($file, $at, $text, $where) = @_;

	extend($file, $at + 1);
	my $line = $file->{now}[$at];
	$line->[0] //= $text;
	fail("$where: another patch has \"$line->[0]\" where this has \"$text\"")
		if $line->[0] ne $text;
}

sub read_patch
{
	my ($name) = @_;
	my ($file, $path);
	my ($old, $new, $at) = (0, 0, 0);

	open(my $patch, '<', $name) or fail("$name: $!");
	while (my $text = <$patch>) {
		chomp $text;
		if ($old > 0 || $new > 0) {
			my $kind = substr($text, 0, 1);

			$text = substr($text, 1);
			if ($kind eq '+') {
				splice(@{$file->{now}}, $at++, 0, [$text]);
				$new--;
			} elsif ($kind eq '-') {
				context($file, $at, $text, "$name, $path");
				splice(@{$file->{now}}, $at, 1);
				$old--;
			} elsif ($kind eq ' ') {
				context($file, $at++, $text, "$name, $path");
				$old--;
				$new--;
			} else {
				fail("$name, $path: not a line of a hunk: \"$kind$text\"");
			}
		} elsif ($text =~ m{^diff --git a/(\S+) b/\S+$}) {
			$path = $1;
			$file = $files{$path} //= { base => [], now => [], mode => '100644' };
		} elsif ($text =~ /^index [0-9a-f]+\.\.[0-9a-f]+ (\d+)$/) {
			$file->{mode} = $1;
		} elsif ($text =~ /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/) {
			($old, $new) = ($2 // 1, $4 // 1);
			# The place in the new file, as earlier hunks are applied.
			$at = $new ? $3 - 1 : $3;
			extend($file, $at);
		} elsif (defined $file && $text =~ /^(new|deleted) file|^rename |^old mode/) {
			fail("$name, $path: the series can only change and add files");
		}
	}
}

sub skeleton
{
	my ($dir, @patches) = @_;

	read_patch($_) for @patches;
	for my $path (sort keys %files) {
		my $name = "$dir/$path";
		my $n = 0;

		system('mkdir', '-p', $name =~ s{/[^/]*$}{}r) == 0 or exit 1;
		open(my $out, '>', $name) or fail("$name: $!");
		# Fillers differ, so that git finds one way to compare the files.
		for my $line (@{$files{$path}{base}}) {
			$n++;
			print $out $line->[0] // "\t($n)", "\n";
		}
		close($out) or fail("$name: $!");
		chmod(oct(substr($files{$path}{mode}, 3)), $name);
	}
}

# The parts of a patch or mail: what is before the first diff, and [PATH, TEXT] each.
sub parts
{
	my ($name) = @_;
	my @parts = ['', ''];

	open(my $in, '<', $name) or fail("$name: $!");
	while (my $text = <$in>) {
		push @parts, [$1, ''] if $text =~ m{^diff --git a/(\S+) b/};
		$parts[-1][1] .= $text;
	}
	return @parts;
}

sub restore
{
	my ($patch, $mail) = @_;
	my ($text, %stored) = ('');

	$stored{$_->[0]} = $_->[1] for parts($patch);
	delete $stored{''};
	for my $part (parts($mail)) {
		$text .= delete $stored{$part->[0]} // $part->[1];
	}
	fail("$patch changes $_, and the mail does not") for keys %stored;
	open(my $out, '>', $mail) or fail("$mail: $!");
	print $out $text;
	close($out) or fail("$mail: $!");
}

my $command = shift // '';
if ($command eq 'skeleton' && @ARGV > 1) {
	skeleton(@ARGV);
} elsif ($command eq 'restore' && @ARGV == 2) {
	restore(@ARGV);
} else {
	fail('use mails.pl skeleton DIR PATCH... or mails.pl restore PATCH MAIL');
}
