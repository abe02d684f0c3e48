// SPDX-License-Identifier: GPL-2.0-only
/*
 * make coverage's half in user space, and the only program on its machine: write
 * what gcov has counted while the suites ran to the console. Files under
 * /sys/kernel/debug/gcov have the names of those that the compiler would write.
 *
 * Lines that begin with "gcda," are for scripts/coverage.py:
 *   gcda,file,NAME
 *   gcda,data,HEXADECIMAL
 *   gcda,size,BYTES
 *   gcda,end,FILES
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#define GCOV	"/sys/kernel/debug/gcov"
#define LINE	512

static unsigned int files;

static void hex(const unsigned char *data, ssize_t len)
{
	char text[2 * LINE + 1];
	ssize_t i;

	for (i = 0; i < len; i++)
		sprintf(text + 2 * i, "%02x", data[i]);
	printf("gcda,data,%s\n", text);
}

/* What is no .gcda is a link to the notes of the compiler. */
static int dump(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	const char *suffix = strrchr(name, '.');
	unsigned char data[LINE];
	size_t size = 0;
	ssize_t len;
	int fd;

	if (type != FTW_F || !suffix || strcmp(suffix, ".gcda"))
		return 0;
	fd = open(name, O_RDONLY);
	if (fd < 0) {
		printf("gcda,error,%s: %m\n", name);
		return 0;
	}
	printf("gcda,file,%s\n", name + strlen(GCOV));
	while ((len = read(fd, data, sizeof(data))) > 0) {
		hex(data, len);
		size += len;
	}
	if (len < 0)
		printf("gcda,error,%s: %m\n", name);
	printf("gcda,size,%zu\n", size);
	close(fd);
	files++;
	return 0;
}

int main(void)
{
	/* What the kernel has to say would end up between the lines. */
	klogctl(6, NULL, 0);
	mkdir("/sys", 0755);
	if (mount("sys", "/sys", "sysfs", 0, NULL) ||
	    mount("debug", "/sys/kernel/debug", "debugfs", 0, NULL))
		printf("gcda,error,debugfs: %m\n");
	else if (nftw(GCOV, dump, 16, FTW_PHYS))
		printf("gcda,error,%s: %m\n", GCOV);
	printf("gcda,end,%u\n", files);
	fflush(stdout);
	klogctl(7, NULL, 0);
	reboot(RB_POWER_OFF);
	return 1;
}
