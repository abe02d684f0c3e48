# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# How apt is called: with lists and a cache below build/, so that neither the lists of
# the system nor their lock matter, and with the exact names of packages.

# apt_options DIR: set APT to the options for lists and a cache in DIR. The sources are
# those of DIR/sources.list, or of the system. A dpkg at work is waited for.
apt_options()
{
	mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
	APT=(-o "Dir::State::Lists=$1/lists" -o "Dir::Cache=$1/cache" -o APT::Default-Release=
	     -o APT::Sandbox::User=root -o DPkg::Lock::Timeout=900 -o APT::Cmd::Pattern-Only=true)
	[ ! -e "$1/sources.list" ] ||
		APT+=(-o "Dir::Etc::SourceList=$1/sources.list" -o Dir::Etc::SourceParts=/dev/null)
}

# mirrors LABEL: where apt has that archive from, "Debian" or "Debian-Security"
mirrors()
{
	# shellcheck disable=SC2016 # names of apt's
	apt-get "${APT[@]}" indextargets --format '$(LABEL) $(REPO_URI)' \
		'Created-By: Packages' | sed -n "s,^$1 \(.*[^/]\)/*\$,\1,p" | sort -u
}
