/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/doctor-nri.h"

#include "plugin/base/path.h"
#include "plugin/base/util.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define OURS "numaplace-nri"
#define ENABLED "etc/systemd/system/multi-user.target.wants/numaplace-nri.service"
#define NAMES_MAX 160

/* Plugins that set the CPUs of containers. */
static const char *const known[] = { "nri-resource-policy-topology-aware", "nri-resource-policy-balloons", "dracpu" };
#define POLICY "nri-resource-policy-"

struct plugins {
	char folder[300]; /* from which the runtime launches plugins; without the leading slash */
	bool ours;        /* numaplace-nri is used */
	char rivals[NAMES_MAX], others[NAMES_MAX];
};

static bool sets_cpus(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(name, known[i]) == 0)
			return true;
	return false;
}

/* The name in the folder is free; "10-balloons" is usual, too. */
static bool launched_sets_cpus(const char *name)
{
	char full[sizeof(POLICY) + NAME_MAX];

	snprintf(full, sizeof(full), POLICY "%s", name);
	return sets_cpus(name) || sets_cpus(full);
}

/* Adds a name to a list, unless it is there or the list is full. */
static void add(char *list, const char *name)
{
	size_t used = strlen(list);

	if (!strstr(list, name) && used < NAMES_MAX)
		snprintf(list + used, NAMES_MAX - used, "%s%s", used ? ", " : "", quote(name).text);
}

/* The folder that plugin_path in the configuration of containerd names, or the usual one. */
static void find_folder(const struct doctor *d, char *out, size_t size)
{
	char conf[16384];

	snprintf(out, size, "opt/nri/plugins");
	if (!doctor_read(d, "etc/containerd/config.toml", conf, sizeof(conf)))
		return;
	for (const char *line = conf; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *word = line + strspn(line, " \t"), *value = word + strcspn(word, "\"'\n");

		if (strncmp(word, "plugin_path", strlen("plugin_path")) != 0 || *value == '\n' || value[0] == '\0' ||
		    value[1] != '/')
			continue;
		value += 2;
		snprintf(out, size, "%.*s", (int)strcspn(value, "\"'\n"), value);
	}
}

/* Plugins that the runtime launches are files NN-NAME. */
static void look_at_launched(const struct doctor *d, struct plugins *p)
{
	cleanup_closedir DIR *list = path_list(d->cli->root, p->folder);
	const struct dirent *e;

	while (list && (e = readdir(list))) {
		const char *name = e->d_name;

		if (!isdigit((unsigned char)name[0]) || !isdigit((unsigned char)name[1]) || name[2] != '-')
			continue;
		name += 3;
		if (strncmp(name, "numaplace", strlen("numaplace")) == 0)
			p->ours = true;
		else
			add(launched_sets_cpus(name) ? p->rivals : p->others, e->d_name);
	}
}

/* The others connect to the runtime, also from a container. */
static void look_at_processes(const struct doctor *d, struct plugins *p)
{
	cleanup_closedir DIR *proc = path_list(d->cli->root, "proc");
	const struct dirent *e;

	while (proc && (e = readdir(proc))) {
		char path[300], command[4096];
		const char *name;

		if (e->d_name[strspn(e->d_name, "0123456789")])
			continue;
		snprintf(path, sizeof(path), "proc/%s/cmdline", e->d_name);
		if (!doctor_read(d, path, command, sizeof(command)))
			continue;
		name = strrchr(command, '/');
		name = name ? name + 1 : command;
		if (strcmp(name, OURS) == 0)
			p->ours = true;
		else if (sets_cpus(name))
			add(p->rivals, name);
	}
}

void doctor_check_nri(struct doctor *d)
{
	struct plugins p = { .ours = doctor_has(d, ENABLED) };

	find_folder(d, p.folder, sizeof(p.folder));
	look_at_launched(d, &p);
	look_at_processes(d, &p);
	d->nri = p.ours;
	if (!p.ours)
		return;
	if (*p.rivals)
		doctor_say(d, VERDICT_DO, "nri", "beside " OURS ", %s can set the CPUs of containers, and the runtime refuses a "
			   "container whose CPUs two plugins set: use one plugin", p.rivals);
	else
		doctor_say(d, VERDICT_FINE, "nri", OURS " is used; no other plugin is known to set CPUs");
	if (*p.others)
		doctor_say(d, VERDICT_NOTE, "nri", "the runtime also launches %s from /%.100s: if one of them sets CPUs, the "
			   "runtime refuses each container that " OURS " places, too", p.others, p.folder);
}
