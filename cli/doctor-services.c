/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lines such as "ExecStartPre=+/usr/libexec/numaplace/service-hook %n limits.cpu=4" below etc/systemd/system.
 */
#include "cli/doctor-services.h"

#include "plugin/base/path.h"

#include <string.h>

#define UNITS "etc/systemd/system"
#define HOOK "/service-hook"
#define KEY "ExecStartPre="

struct services {
	struct doctor *d;
	unsigned int fine, wrong;
};

static bool ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), tail = strlen(end);

	return len > tail && strcmp(name + len - tail, end) == 0;
}

/* @line: what follows ExecStartPre=. */
static void look_at_line(struct services *s, const char *path, const char *line)
{
	const char *program = line + strspn(line, "-+!:@");
	size_t len = strcspn(program, " \t\n");
	char name[300];

	snprintf(name, sizeof(name), "%.*s", (int)(len < 299 ? len : 299), program);
	if (!ends_with(name, HOOK))
		return;
	s->wrong++;
	if (!memchr(line, '+', (size_t)(program - line)))
		doctor_say(s->d, VERDICT_DO, "services", "/%.200s: " KEY "%.80s: write " KEY "+%.80s: without + the hook "
			   "has the user and the sandbox of the service", path, name, name);
	else if (*name != '/' || !doctor_has(s->d, name + 1))
		doctor_say(s->d, VERDICT_DO, "services", "/%.200s: %.100s does not exist, so that the service does not "
			   "start", path, name);
	else if (strncmp(program + len + strspn(program + len, " \t"), "%n ", 3) != 0)
		doctor_say(s->d, VERDICT_DO, "services", "/%.200s: the first argument of %.100s must be %%n", path, name);
	else {
		s->wrong--;
		s->fine++;
	}
}

static void look_at_file(struct services *s, const char *path)
{
	char text[16384];

	if (!doctor_read(s->d, path, text, sizeof(text)))
		return;
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (strncmp(line, KEY, strlen(KEY)) == 0)
			look_at_line(s, path, line + strlen(KEY));
}

static void look_at_folder(struct services *s, const char *folder)
{
	cleanup_closedir DIR *list = path_list(s->d->cli->root, folder);
	const struct dirent *e;
	char path[700];

	while (list && (e = readdir(list)))
		if (ends_with(e->d_name, ".conf") &&
		    (size_t)snprintf(path, sizeof(path), "%s/%s", folder, e->d_name) < sizeof(path))
			look_at_file(s, path);
}

void doctor_check_services(struct doctor *d)
{
	cleanup_closedir DIR *list = path_list(d->cli->root, UNITS);
	struct services s = { .d = d };
	const struct dirent *e;
	char path[400];

	while (list && (e = readdir(list))) {
		if ((size_t)snprintf(path, sizeof(path), UNITS "/%s", e->d_name) >= sizeof(path))
			continue;
		if (ends_with(e->d_name, ".service.d"))
			look_at_folder(&s, path);
		else if (ends_with(e->d_name, ".service"))
			look_at_file(&s, path);
	}
	if (s.fine && !s.wrong)
		doctor_say(d, VERDICT_FINE, "services", "%u line%s in /" UNITS " call%s service-hook", s.fine,
			   s.fine == 1 ? "" : "s", s.fine == 1 ? "s" : "");
}
