/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * LXC has loaded the same config file just before, as the same user.
 */
#include "runtime-hooks/lxc/lxc-restored.h"

#include "plugin/base/util.h"
#include "runtime-hooks/lxc/lxc-config.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* The line of @lines, of hook commands, that has this program's path. NULL: none. */
static char *find_own(char *lines)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n < 0 ? 0 : n] = '\0';
	for (char *line = strtok(lines, "\n"); line && *self; line = strtok(NULL, "\n"))
		if (strstr(line, self))
			return line;
	return NULL;
}

int lxc_restored(const char *name, const char *file, struct error *err)
{
	cleanup_free char *lines = NULL, *command = NULL;
	int rc = lxc_config_hooks(name, file, &lines, err);
	const char *own = rc == 0 && lines ? find_own(lines) : NULL;

	if (!own)
		return rc;
	if (asprintf(&command, "exec %s", own) < 0) {
		command = NULL;
		return error_errno(err, -ENOMEM, "hook");
	}
	alarm(0);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	return error_errno(err, -errno, "run /bin/sh");
}
