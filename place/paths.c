/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The owner of /run tells the machine's root from root in a user namespace.
 */
#include "place/paths.h"

#include "plugin/base/file.h"
#include "plugin/base/util.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* This user's id outside the user namespace. */
static unsigned int outer_uid(void)
{
	unsigned int inside, outside, count;
	char map[4096];

	if (file_read(AT_FDCWD, "/proc/self/uid_map", map, sizeof(map)) > 0 &&
	    sscanf(map, "%u %u %u", &inside, &outside, &count) == 3 && own_uid() - inside < count)
		return outside + (own_uid() - inside);
	return own_uid();
}

const char *place_usual_state(bool bare)
{
	static char path[PATH_MAX];
	const char *dir = getenv("XDG_RUNTIME_DIR");
	struct stat run;

	if ((own_uid() == 0 && !dir && !bare) || stat("/run", &run) < 0 || run.st_uid == own_uid())
		return PLACE_STATE;
	if (dir)
		snprintf(path, sizeof(path), "%s/numaplace", dir);
	else
		snprintf(path, sizeof(path), "/run/user/%u/numaplace", outer_uid());
	return path;
}
