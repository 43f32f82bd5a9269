/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Contexts of the public API: a machine, its configuration, and the settings of the ledger. Nothing stays open but the
 * root; each call makes the context of place/ that it needs.
 */
#include "lib/context.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <syslog.h>

#define LOCK_TIMEOUT_MS 10000
#define FLAGS (NUMAPLACE_READ_ONLY | NUMAPLACE_DEFAULT_STATE | NUMAPLACE_NO_CONF)

int lib_keep(struct numaplace *np, int status, const struct error *err)
{
	if (status < 0 && err->text[0])
		np->error = *err;
	else if (status < 0)
		error_set(&np->error, status, "%s", strerror(-status));
	return status;
}

int lib_missing(struct numaplace *np, const char *what)
{
	struct error err = { 0 };

	return lib_keep(np, error_set(&err, -EINVAL, "%s: NULL", what), &err);
}

int lib_check_writable(const struct numaplace *np, struct error *err)
{
	return np->read_only ? error_set(err, -EROFS, "the context is read-only") : 0;
}

void lib_warn(const struct numaplace *np, const char *line)
{
	if (np->log)
		np->log(np->log_arg, LOG_WARNING, line);
}

const char *numaplace_version(void)
{
	return NUMAPLACE_VERSION;
}

static int open_root(struct numaplace *np, const char *root, struct error *err)
{
	np->real = !root || strcmp(root, "/") == 0;
	np->root = open(np->real ? "/" : root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (np->root < 0)
		return error_set(err, -EINVAL, "root %s: %s", quote(root).text, strerror(errno));
	if (!np->real && faccessat(np->root, "sys", F_OK, 0) < 0)
		return error_set(err, -EINVAL, "root %s: it has no sys/: a folder that holds sys/ and proc/ is expected",
				 quote(root).text);
	return 0;
}

static int read_conf(struct numaplace *np, const char *path, struct error *err)
{
	if (!path)
		return conf_read(np->root, np->real ? PLACE_CONF : &PLACE_CONF[1], &np->conf, err);
	if (access(path, R_OK) < 0)
		return error_set(err, -EINVAL, "configuration %s: %s", quote(path).text, strerror(errno));
	return conf_read(AT_FDCWD, path, &np->conf, err);
}

static int name_state(struct numaplace *np, const char *state, bool usual, struct error *err)
{
	np->state_named = state && !usual;
	if (!state && np->real)
		state = PLACE_STATE;
	if (!state)
		return 0;
	if (!*state)
		return error_set(err, -EINVAL, "state folder: \"\": empty");
	np->state = strdup(state);
	return np->state ? 0 : error_set(err, -ENOMEM, "out of memory");
}

int numaplace_open(struct numaplace **out, const char *root, const char *state, const char *conf, unsigned int flags)
{
	struct error err = { 0 };
	struct numaplace *np;
	int rc = 0;

	if (!out)
		return -EINVAL;
	*out = np = calloc(1, sizeof(*np));
	if (!np)
		return -ENOMEM;
	np->root = -1;
	conf_init(&np->conf);
	if (flags & ~FLAGS)
		rc = error_set(&err, -EINVAL, "flags 0x%x: unknown", flags & ~FLAGS);
	if (rc == 0)
		rc = open_root(np, root, &err);
	if (rc == 0 && !(flags & NUMAPLACE_NO_CONF))
		rc = read_conf(np, conf, &err);
	if (rc == 0)
		rc = name_state(np, state, flags & NUMAPLACE_DEFAULT_STATE, &err);
	np->read_only = !np->real || flags & (NUMAPLACE_READ_ONLY | NUMAPLACE_NO_CONF);
	return lib_keep(np, rc, &err);
}

void numaplace_close(struct numaplace *np)
{
	if (!np)
		return;
	cleanup_closep(&np->root);
	free(np->state);
	free(np);
}

const char *numaplace_error(const struct numaplace *np)
{
	return np ? np->error.text : "out of memory";
}

void numaplace_set_log(struct numaplace *np, void (*log)(void *arg, int priority, const char *line), void *arg)
{
	np->log = log;
	np->log_arg = arg;
}

/* The context whose call runs in this thread: place_env.message has no argument. */
static __thread struct numaplace *logging;

static void pass_on(const char *line)
{
	lib_warn(logging, line);
}

struct place_env lib_env(struct numaplace *np)
{
	struct place_env env = {
		.root = np->root,
		.real = np->real,
		.state = -1,
		.mount = -1,
		.conf = np->conf,
		.timeout_ms = LOCK_TIMEOUT_MS,
		.message = pass_on,
	};

	place_name_state(&env, np->state_named ? np->state : NULL, np->state);
	logging = np;
	return env;
}
