/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Last nodes of ended containers, used only as a hint when they restart. Each is the target of a dangling symbolic
 * link, which is complete or absent, and read with one system call. homes/ has HOMES names, chosen by a hash of the
 * id; a later entry replaces an earlier one.
 */
#include "plugin/ledger/last-place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "plugin/base/crc32.h"
#include "plugin/base/util.h"
#include "plugin/ledger/handle.h"

#define HOMES_DIR "homes"
#define HOMES 1024
#define HOME_WHO_MAX (RECORD_CLASS_MAX + 1 + NAME_ID_MAX + 1)
#define HOME_TEXT_MAX 1024 /* boot id, nodes, container id; longer ones are not saved */

/*
 * False for runtimes that keep the nodes in the container's configuration, and for commands without a name, which are never
 * started again. An entry names a command or a service as CLASS/ID: an id has no slash.
 */
static bool home_name(const char *runtime_class, const char *id, char name[24], char who[HOME_WHO_MAX])
{
	bool oci = strcmp(runtime_class, "oci") == 0, command = strcmp(runtime_class, "run") == 0;

	if (!oci && !command && strcmp(runtime_class, "systemd") != 0)
		return false;
	if (command && strncmp(id, RECORD_NAMELESS, strlen(RECORD_NAMELESS)) == 0)
		return false;
	snprintf(who, HOME_WHO_MAX, "%s%s%s", oci ? "" : runtime_class, oci ? "" : "/", id);
	snprintf(name, 24, HOMES_DIR "/%03x", (unsigned int)(crc32_of(who, strlen(who)) % HOMES));
	return true;
}

/* O_NOFOLLOW: never follows a link to another folder. */
static int open_homes(int ledger)
{
	const int how = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(ledger, HOMES_DIR, how);

	if (fd < 0 && errno == ENOENT && mkdirat(ledger, HOMES_DIR, 0700) == 0)
		fd = openat(ledger, HOMES_DIR, how);
	return fd;
}

void last_place_save(struct ledger *l, const struct record *r)
{
	cleanup_close int dir = -1;
	char name[24], who[HOME_WHO_MAX], nodes[HOME_TEXT_MAX], text[HOME_TEXT_MAX];
	const char *base = name + strlen(HOMES_DIR "/");
	size_t len = nodeset_format(&r->placement.nodes, nodes, sizeof(nodes));

	if (!len || len >= sizeof(nodes) || !l->world.boot_id[0] || !home_name(record_class(r), r->id, name, who))
		return;
	if ((size_t)snprintf(text, sizeof(text), "%s %s %s", l->world.boot_id, nodes, who) >= sizeof(text))
		return;
	dir = open_homes(l->dir);
	if (dir >= 0 && (unlinkat(dir, base, 0) == 0 || errno == ENOENT))
		(void)!symlinkat(text, dir, base);
}

bool ledger_home(const struct ledger *l, const char *runtime_class, const char *id, struct nodeset *nodes)
{
	char name[24], who[HOME_WHO_MAX], text[HOME_TEXT_MAX], *list, *found;
	ssize_t n;

	if (!l->world.boot_id || !home_name(runtime_class, id, name, who))
		return false;
	n = readlinkat(l->dir, name, text, sizeof(text));
	if (n <= 0 || n == sizeof(text))
		return false;
	text[n] = '\0';
	list = strchr(text, ' ');
	found = list ? strchr(list + 1, ' ') : NULL;
	if (!found)
		return false;
	*list++ = *found++ = '\0';
	return strcmp(text, l->world.boot_id) == 0 && strcmp(found, who) == 0 &&
	       nodeset_parse_kernel(list, nodes, NULL) == 0;
}
