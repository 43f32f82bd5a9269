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
#include <string.h>
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

/* The library does not read the environment of its process. */
static const char *runtime_variable(void)
{
#ifdef NUMAPLACE_LIBRARY
	return NULL;
#else
	return getenv("XDG_RUNTIME_DIR");
#endif
}

/* Writes the folder of this process for files of this boot to @out; false: it is /run. */
static bool runtime_folder(bool bare, char *out, size_t size)
{
	const char *dir = runtime_variable();
	struct stat run;

	if ((own_uid() == 0 && !dir && !bare) || stat("/run", &run) < 0 || run.st_uid == own_uid())
		return false;
	if (dir)
		snprintf(out, size, "%s", dir);
	else
		snprintf(out, size, "/run/user/%u", outer_uid());
	return true;
}

const char *place_usual_state(bool bare)
{
	static char path[PATH_MAX];

	if (!runtime_folder(bare, path, sizeof(path) - strlen("/numaplace")))
		return PLACE_STATE;
	strcat(path, "/numaplace");
	return path;
}

void place_systemd(struct place_systemd *out)
{
	char dir[sizeof(out->at.socket) - 32];

	out->user = runtime_folder(false, dir, sizeof(dir));
	out->at.uid = out->user ? outer_uid() : own_uid();
	snprintf(out->at.socket, sizeof(out->at.socket), out->user ? "%s/systemd/private" : SYSTEMD_SOCKET, dir);
	snprintf(out->control, sizeof(out->control), out->user ? "%s/systemd/user.control" : "/run/systemd/system.control",
		 dir);
}
