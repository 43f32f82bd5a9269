/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Recognises an instance, and removes it from the ledger when it stops; incus-start.c places it.
 */
#include "runtime-hooks/incus/incus-hook.h"

#include "plugin/base/name.h"
#include "plugin/base/util.h"

#include <string.h>

#define HOOK_CALL " callhook "

/* The rest of @line from "=" if its key begins with "lxc.hook.", else NULL. */
static const char *hook_value(const char *line)
{
	const char *equals = strchr(line, '=');

	return strncmp(line, "lxc.hook.", 9) == 0 ? equals : NULL;
}

/* Extracts the absolute folder from "... callhook /var/lib/incus "default" "c1" start"; false: not such a line. */
static bool daemon_folder(const char *line, char *out, size_t size)
{
	const char *value = hook_value(line);
	const char *at = value ? strstr(value, HOOK_CALL) : NULL;
	size_t len;

	if (!at)
		return false;
	at += strlen(HOOK_CALL);
	at += *at == '"' || *at == '\'';
	len = strcspn(at, " \t\"'");
	if (*at != '/' || len >= size)
		return false;
	memcpy(out, at, len);
	out[len] = '\0';
	return true;
}

bool incus_detect(const char *lxc_conf, const char *id, struct incus_instance *out)
{
	cleanup_free char *copy = strdup(lxc_conf);
	char folder[PATH_MAX - 512] = "";
	char *rest = copy;
	bool lxd = false;

	for (char *line; copy && (line = strsep(&rest, "\n"));) {
		if (!*folder)
			daemon_folder(line, folder, sizeof(folder));
		if (strncmp(line, "lxc.mount.entry", 15) == 0 && strstr(line, " dev/lxd "))
			lxd = true;
	}
	if (!*folder || strchr(id, '/') || strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
		return false;
	/* With security.devlxd = false there is no such entry; then the folder's name decides. */
	lxd |= strstr(folder, "/lxd") != NULL;
	out->runtime = lxd ? "lxd" : "incus";
	out->id = id;
	snprintf(out->folder, sizeof(out->folder), "%s/containers/%.255s", folder, id);
	return true;
}

int incus_stop(struct place_env *env, const struct incus_instance *i, struct error *err)
{
	return name_check_id(i->id, NULL) < 0 ? 0 : place_release(env, i->runtime, i->id, err);
}
