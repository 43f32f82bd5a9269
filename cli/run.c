/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace run [--name NAME] KEY=VALUE... -- COMMAND [ARG...]`: this process places itself and then becomes the command. So
 * the exit status, the signals, the terminal and the pipes are those of the command.
 */
#include "cgroup/pages.h"
#include "cli/engine.h"
#include "place/enter.h"
#include "plugin/base/clock.h"
#include "plugin/base/name.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define NAME_MAX_BYTES 200 /* with "numaplace-", ".scope" and a few escaped characters it is the name of a unit */
#define USUAL_PATH "/usr/local/bin:/usr/bin:/bin"
#define CANNOT_EXECUTE 126 /* as env(1), nohup(1) and shells */
#define NOT_FOUND 127

struct run_options {
	const char *name;
	char nameless[64];
	struct request request;
	char **command;
};

static int take_keys(struct run_options *o, int n, char **keys, struct error *err)
{
	int rc = 0;

	request_init(&o->request);
	for (int i = 0; rc == 0 && i < n; i++) {
		char *value = strchr(keys[i], '=');
		cleanup_free char *key = value ? strndup(keys[i], (size_t)(value - keys[i])) : NULL;

		if (!value)
			return error_set(err, -EINVAL, "run: %s: not of the form KEY=VALUE; the command follows --",
					 quote(keys[i]).text);
		if (!key)
			return error_set(err, -ENOMEM, "out of memory");
		rc = cli_set_key(&o->request, key, value + 1, err);
	}
	if (rc == 0 && !request_asks(&o->request))
		return error_set(err, -EINVAL, "run: a key is missing, for example limits.cpu=4");
	return rc < 0 ? rc : request_finish(&o->request, err);
}

static int check_name(struct run_options *o, struct error *err)
{
	if (!o->name) {
		/* A pid is reused, but not in the same millisecond. */
		snprintf(o->nameless, sizeof(o->nameless), RECORD_NAMELESS "%d-%" PRIx64, (int)getpid(),
			 clock_ns(CLOCK_BOOTTIME) / 1000000);
		o->name = o->nameless;
		return 0;
	}
	if (name_check_id(o->name, err) < 0)
		return error_prefix(err, -EINVAL, "run: --name");
	if (strlen(o->name) > NAME_MAX_BYTES)
		return error_set(err, -EINVAL, "run: --name: longer than %d bytes", NAME_MAX_BYTES);
	if (*o->name == '.' || strncmp(o->name, RECORD_NAMELESS, strlen(RECORD_NAMELESS)) == 0)
		return error_set(err, -EINVAL, "run: --name: \"%s\": a name does not begin with \".\" or \"" RECORD_NAMELESS "\"",
				 quote(o->name).text);
	return 0;
}

static int parse(struct run_options *o, int argc, char **argv, struct error *err)
{
	const struct option_rule rules[] = { { .name = "name", .value = &o->name } };
	int own = 0, words, rc;

	while (own < argc && strcmp(argv[own], "--") != 0)
		own++;
	words = cli_options("run", rules, ARRAY_SIZE(rules), own, argv, err);
	if (words < 0)
		return words;
	rc = take_keys(o, words, argv, err);
	if (rc == 0 && own + 1 >= argc)
		return error_set(err, -EINVAL, "run: a command is missing: run KEY=VALUE... -- COMMAND [ARG...]");
	o->command = argv + own + 1;
	return rc < 0 ? rc : check_name(o, err);
}

/* 0 if @path can be executed, else what execve() would report. */
static int check_file(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	return access(path, X_OK) < 0 ? -errno : 0;
}

/* Before anything is placed: a command that does not exist gets no place. Searches as execvp() does. */
static int check_command(const char *name)
{
	const char *list = getenv("PATH");
	char path[PATH_MAX];
	int rc = -ENOENT;

	if (strchr(name, '/') || !*name)
		return *name ? check_file(name) : -ENOENT;
	for (const char *p = list ? list : USUAL_PATH;; p++) {
		int len = (int)strcspn(p, ":"), found = -ENOENT;

		if ((size_t)snprintf(path, sizeof(path), "%.*s%s%s", len, p, len ? "/" : "", name) < sizeof(path))
			found = check_file(path);
		if (found == 0)
			return 0;
		if (found == -EACCES)
			rc = found;
		p += len;
		if (!*p)
			return rc;
	}
}

static int cannot_execute(struct cli *cli, const char *name, int status, struct error *err)
{
	cli->status = status == -ENOENT ? NOT_FOUND : CANNOT_EXECUTE;
	return error_errno(err, status, "run: %s", quote(name).text);
}

/* The variables that a container gets, too. */
static int set_variables(const struct placement *p, struct error *err)
{
	cleanup_free char *cpus = malloc(IDSET_TEXT_MAX), *nodes = malloc(NODESET_TEXT_MAX), *mems = malloc(NODESET_TEXT_MAX);

	if (!cpus || !nodes || !mems)
		return error_set(err, -ENOMEM, "out of memory");
	idset_format(&p->share.cpus, cpus, IDSET_TEXT_MAX);
	nodeset_format_comma(&p->nodes, nodes, NODESET_TEXT_MAX);
	nodeset_format_comma(&p->mems, mems, NODESET_TEXT_MAX);
	if (setenv("NUMAPLACE_CPUS", cpus, 1) < 0 || setenv("NUMAPLACE_NODES", nodes, 1) < 0 ||
	    setenv("NUMAPLACE_MEMORY_NODES", mems, 1) < 0)
		return error_errno(err, -errno, "run: set the environment");
	return 0;
}

/* The descriptors that are opened here are closed by the caller. */
static int place(struct cli *cli, const struct run_options *o, struct record *out, struct error *err)
{
	cleanup_env struct place_env env = CLI_ENV_NONE;
	char what[200];
	int rc;

	if (cli->sysroot)
		return error_set(err, -EINVAL, "run: --sysroot: a command runs on this machine");
	rc = cli_env(cli, &env, err);
	if (rc < 0)
		return rc;
	env.writer.by_path = NULL; /* libcgroup reads all mounts of the host first */
	/* Unlike the verbs that read: a first placement makes the ledger of this user. */
	place_name_state(&env, cli->state, place_usual_state(false));
	snprintf(what, sizeof(what), "numaplace run: %.150s", o->command[0]);
	make_printable(what);
	return place_run(&env, o->name, what, &o->request, out, err);
}

int verb_run(struct cli *cli, int argc, char **argv, struct error *err)
{
	cleanup_record struct record r = { 0 };
	struct run_options o = { 0 };
	int rc = parse(&o, argc, argv, err);

	if (rc < 0)
		return rc;
	rc = check_command(o.command[0]);
	if (rc < 0)
		return cannot_execute(cli, o.command[0], rc, err);
	rc = place(cli, &o, &r, err);
	if (rc == 0)
		rc = set_variables(&r.placement, err);
	if (rc == 0 && r.placement.policy != POLICY_STRICT)
		rc = libnuma_set_policy(r.placement.policy, &r.placement.mems, err);
	if (rc < 0)
		return rc;
	execvp(o.command[0], o.command);
	return cannot_execute(cli, o.command[0], -errno, err);
}
