/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lxc-writer: changes or reads the config file of a container through liblxc, as other programs do.
 *	save NAME N    with one old handle: sets lxc.start.order to 1..N and saves each time
 *	fresh NAME N   the same with a new handle each time
 *	check NAME N   reads the file N times under LXC's lock; prints how often it was incomplete
 *	hold NAME SEC  holds LXC's lock
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <lxc/lxccontainer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int order(struct lxc_container *c, int i)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", i);
	return c->set_config_item(c, "lxc.start.order", text) && c->save_config(c, NULL) ? 0 : 1;
}

static int save(const char *name, int n, int fresh)
{
	struct lxc_container *c = lxc_container_new(name, NULL);
	int failed = 0;

	for (int i = 1; i <= n && c; i++) {
		failed += order(c, i);
		usleep(100000);
		if (!fresh)
			continue;
		lxc_container_put(c);
		c = lxc_container_new(name, NULL);
	}
	return !c || failed;
}

static int lock(const char *name)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/lxc/lock//var/lib/lxc/.%s", name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 || fcntl(fd, F_OFD_SETLKW, &whole) < 0 ? -1 : fd;
}

/* A complete file has every line that the test wrote and ends with a newline. */
static int is_whole(const char *name)
{
	static const char *const lines[] = { "limits.cpu = 4\n", "lxc.include = ", "lxc.rootfs.path = ",
					     "lxc.uts.name = ", "lxc.mount.entry = ", "# the end\n" };
	char path[256], text[65536];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/var/lib/lxc/%s/config", name);
	f = fopen(path, "r");
	n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	if (f)
		fclose(f);
	text[n] = '\0';
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		if (!strstr(text, lines[i]))
			return 0;
	return n && text[n - 1] == '\n';
}

static int check(const char *name, int n)
{
	int torn = 0;

	for (int i = 0; i < n; i++) {
		int fd = lock(name);

		torn += fd < 0 || !is_whole(name);
		close(fd);
		usleep(5000);
	}
	printf("%d torn of %d\n", torn, n);
	return torn != 0;
}

int main(int argc, char **argv)
{
	int n = argc == 4 ? atoi(argv[3]) : 0;

	if (n <= 0)
		return 2;
	if (strcmp(argv[1], "check") == 0)
		return check(argv[2], n);
	if (strcmp(argv[1], "hold") == 0)
		return lock(argv[2]) < 0 || sleep((unsigned int)n);
	return save(argv[2], n, strcmp(argv[1], "fresh") == 0);
}
