/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The runtime's parser has the last word, so this one is tolerant. It skips a known option with its value, an unknown
 * option alone, and any other word that is not a command of a runtime.
 *
 * getopt_long() cannot do this: the options of future runtimes are unknown, their words must reach the runtime
 * unchanged and in order, and runc's spelling (-bundle DIR, -b=DIR) is not getopt's.
 */
#include "runtime-hooks/oci/command.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * An option's name, without dashes, and the member of struct command for its value; NO_PLACE: the value is not needed.
 */
struct option {
	const char *name;
	size_t place;
};
#define PLACE(member) offsetof(struct command, member)
#define NO_PLACE SIZE_MAX

static const struct option ours[] = {
	{ "runtime", PLACE(runtime) },
	{ "conf", PLACE(conf) },
	{ "state", PLACE(state) },
	{ "hook", PLACE(hook) },
	{ "timeout", PLACE(timeout) },
};

static const struct option global[] = {
	{ "root", NO_PLACE },
	{ "log", PLACE(log) },
	{ "log-format", PLACE(log_format) },
	{ "log-level", NO_PLACE },
	{ "criu", NO_PLACE },
	{ "rootless", NO_PLACE },
	{ "cgroup-manager", NO_PLACE },
};

static const struct option of_create[] = {
	{ "bundle", PLACE(bundle) },
	{ "b", PLACE(bundle) },
	{ "config", PLACE(config) },
	{ "f", PLACE(config) },
	{ "console-socket", NO_PLACE },
	{ "pidfd-socket", NO_PLACE },
	{ "pid-file", NO_PLACE },
	{ "preserve-fds", NO_PLACE },
};

static const struct option of_restore[] = {
	{ "bundle", PLACE(bundle) },
	{ "b", PLACE(bundle) },
	{ "config", PLACE(config) },
	{ "console-socket", NO_PLACE },
	{ "empty-ns", NO_PLACE },
	{ "image-path", NO_PLACE },
	{ "lsm-mount-context", NO_PLACE },
	{ "lsm-profile", NO_PLACE },
	{ "manage-cgroups-mode", NO_PLACE },
	{ "network-lock", NO_PLACE },
	{ "parent-path", NO_PLACE },
	{ "pid-file", NO_PLACE },
	{ "work-path", NO_PLACE },
};

static const char *const verbs[] = {
	"checkpoint", "create", "delete", "events", "exec", "features", "init", "kill",	 "list",  "mounts", "pause",
	"ps",	      "restore", "resume", "run",   "spec", "start",	"state", "update", "help", "help-man",
};

static bool is_verb(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(word, verbs[i]) == 0)
			return true;
	return false;
}

static const struct option *find(const struct option *options, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(options[i].name) == len && strncmp(options[i].name, name, len) == 0)
			return &options[i];
	return NULL;
}

/* Like getopt_long(), which crun uses: the whole name, or a unique prefix of it. */
static const struct option *find_long(const struct option *options, size_t n, const char *name, size_t len)
{
	const struct option *found = find(options, n, name, len);

	if (found || !len)
		return found;
	for (size_t i = 0; i < n; i++) {
		if (strncmp(options[i].name, name, len) != 0)
			continue;
		if (found)
			return NULL;
		found = &options[i];
	}
	return found;
}

static void set(struct command *c, const struct option *o, const char *value)
{
	if (o->place != NO_PLACE)
		memcpy((char *)c + o->place, &value, sizeof(value));
}

/* Reads the option argv[*i] if it is one of @options. Advances *i if the value is the next word. */
static void take(struct command *c, const struct option *options, size_t n, char **argv, int *i)
{
	bool is_long = argv[*i][1] == '-';
	const char *name = argv[*i] + 1 + is_long;
	size_t len = strcspn(name, "=");
	const struct option *o = is_long ? find_long(options, n, name, len) : find(options, n, name, len);

	if (!o && !is_long && len > 1) {
		/* -bDIR, -dbDIR, -ddb DIR: crun allows flags in front; -d is the only one without a value */
		name += strspn(name, "d");
		o = find(options, n, name, 1);
		len = 1;
		if (o && name[1]) {
			set(c, o, name + 1);
			return;
		}
	}
	if (!o)
		return;
	if (name[len])
		set(c, o, name + len + 1);
	else if (argv[*i + 1])
		set(c, o, argv[++*i]);
}

/* Reads one of numaplace's own options and advances *@i to its value. Returns 1 if argv[*i] was one, else 0. */
static int take_ours(struct command *c, char **argv, int *i, struct error *err)
{
	const char *name = argv[*i] + 2;
	size_t len;
	const struct option *o;

	if (strncmp(argv[*i], "--", 2) != 0)
		return 0;
	len = strcspn(name, "=");
	o = find(ours, ARRAY_SIZE(ours), name, len);
	if (!o)
		return 0;
	if (!name[len] && !argv[*i + 1])
		return error_set(err, -EINVAL, "--%s: needs a value", o->name);
	set(c, o, name[len] ? name + len + 1 : argv[++*i]);
	return 1;
}

/* Parses the words after create, run or restore. */
static void parse_container(struct command *c, const struct option *options, size_t n, char **argv, int i)
{
	for (; argv[i]; i++) {
		if (strcmp(argv[i], "--") == 0)
			break;
		if (argv[i][0] != '-' || !argv[i][1])
			c->id = argv[i];
		else
			take(c, options, n, argv, &i);
	}
	if (argv[i] && argv[i + 1])
		c->id = argv[i + 1];
}

int command_parse(int argc, char **argv, struct command *out, struct error *err)
{
	int kept = 1, i = 1, r;

	*out = (struct command){ .self = argc ? argv[0] : "", .argv = argv };
	for (; i < argc && !out->verb; i++) {
		int from = i;

		r = take_ours(out, argv, &i, err);
		if (r < 0)
			return r;
		if (r)
			continue;
		if (argv[i][0] == '-' && argv[i][1])
			take(out, global, ARRAY_SIZE(global), argv, &i);
		else if (is_verb(argv[i]))
			out->verb = argv[i];
		while (from <= i && from < argc)
			argv[kept++] = argv[from++];
	}
	while (i < argc)
		argv[kept++] = argv[i++];
	argv[kept < argc ? kept : argc] = NULL;
	out->creates = out->verb && (strcmp(out->verb, "create") == 0 || strcmp(out->verb, "run") == 0);
	out->updates = out->verb && strcmp(out->verb, "update") == 0;
	for (i = 1; out->verb && argv[i] != out->verb; i++)
		;
	out->restores = out->verb && strcmp(out->verb, "restore") == 0;
	out->rest = out->verb ? argv + i + 1 : NULL;
	if (out->creates)
		parse_container(out, of_create, ARRAY_SIZE(of_create), argv, i + 1);
	else if (out->restores)
		parse_container(out, of_restore, ARRAY_SIZE(of_restore), argv, i + 1);
	return 0;
}

bool command_is_called(const struct command *c, const char *name)
{
	size_t self = strlen(c->self), len = strlen(name);

	return self > len && c->self[self - len - 1] == '-' && strcmp(c->self + self - len, name) == 0;
}
