# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Kernels that are booted without kunit.py, with a program of ours as init.

# make_initrd SOURCE GEN_INIT_CPIO DIR [CFLAGS]: DIR/initrd, with nothing else in it
make_initrd()
{
	aarch64-linux-gnu-gcc -static -O2 -Wall -Wextra -Werror "${@:4}" -o "$3/init" "$1"
	cat > "$3/list" <<-EOT
	dir /dev 0755 0 0
	nod /dev/console 0600 0 0 c 5 1
	file /init $3/init 0755 0 0
	EOT
	"$2" -t 0 "$3/list" > "$3/initrd"
}

# check_consoles END BAD LOG...: a boot is none that does not get to a line END, or
# that has one of BAD before.
check_consoles()
{
	local end=$1 bad=$2 log why
	shift 2

	for log in "$@"; do
		why=$(grep -m1 -oE "Kernel panic - .*|^qemu-system.*|$bad" "$log" ||
			{ grep -q "^$end" "$log" || echo "no end in $TIMEOUT s"; })
		[ -z "$why" ] || die "$(basename "$log" .log): ${why%$'\r'} (console: $log)"
	done
}
