/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hook of a service of systemd: ExecStartPre=+/usr/libexec/numaplace/service-hook %n KEY=VALUE...
 *
 * It places the unit, whose control process it is, before systemd starts the main process. A failure is one line on stderr,
 * which systemd shows in the status of the unit, and in syslog; the service does not start, unless numaplace.conf says
 * on-failure = warn. There is no hook for the end: the next sweep drops a service whose cgroup is gone.
 */
#include "place/enter.h"
#include "plugin/base/util.h"
#include "runtime-hooks/common/confine.h"
#include "runtime-hooks/common/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define SECONDS 60 /* systemd may be busy with the start of many services */

struct options {
	struct hook_options common;
	const char *unit;
	int nkeys;
	char **keys;
};

static int parse_options(int argc, char **argv, struct options *o, struct error *err)
{
	int words = hook_options_parse(&o->common, argc - 1, argv + 1, err);

	if (words < 0)
		return words;
	if (words < 2)
		return error_set(err, -EINVAL, "usage: service-hook [--conf FILE] [--state DIR] [--timeout SECONDS] UNIT "
				 "KEY=VALUE...");
	o->unit = argv[1];
	o->keys = argv + 2;
	o->nkeys = words - 1;
	return 0;
}

static int take_key(struct request *r, const char *word, struct error *err)
{
	const char *value = strchr(word, '=');
	char key[64];
	int rc;

	if (!value)
		return error_set(err, -EINVAL, "%s: not of the form KEY=VALUE", quote(word).text);
	if ((size_t)snprintf(key, sizeof(key), "%.*s", (int)(value - word), word) >= sizeof(key))
		return error_set(err, -EINVAL, "%s: no such key", quote(word).text);
	rc = request_set(r, key, value + 1, err);
	return rc == -ENOENT ? error_set(err, -EINVAL, "%s: no such key", quote(key).text) : rc;
}

static int make_request(const struct options *o, struct request *out, struct error *err)
{
	int rc = 0;

	request_init(out);
	for (int i = 0; rc == 0 && i < o->nkeys; i++)
		rc = take_key(out, o->keys[i], err);
	if (rc == 0 && !request_asks(out))
		return error_set(err, -EINVAL, "a key is missing, for example limits.cpu=4");
	return rc;
}

static int run(struct place_env *env, const struct options *o, struct error *err)
{
	cleanup_record struct record r = { 0 };
	struct request request;
	int rc = conf_read(AT_FDCWD, o->common.conf, &env->conf, err);

	if (rc < 0)
		return rc;
	if (env->conf.warn_only)
		hook_time_up_status(0);
	rc = make_request(o, &request, err);
	if (rc < 0)
		return rc;
	place_name_state(env, o->common.state, place_usual_state(false));
	return place_service(env, o->unit, &request, &r, err);
}

int main(int argc, char **argv)
{
	struct options o = { .common = { .conf = PLACE_CONF, .seconds = SECONDS } };
	struct place_env env = {
		.root = -1, .real = true, .state = -1, .mount = -1, .message = hook_warn,
	};
	struct error err = { 0 };
	int rc;

	hook_begin_place(&env);
	rc = parse_options(argc, argv, &o, &err);
	if (rc < 0) {
		hook_say(LOG_ERR, err.text);
		return error_exit_status(rc);
	}
	hook_subject("service %s", quote(o.unit).text);
	hook_time_limit(o.common.seconds, &env);
	confine_privileges(0);
	confine_calls(0);
	rc = run(&env, &o, &err);
	place_close(&env);
	if (rc == 0)
		return 0;
	hook_say(env.conf.warn_only ? LOG_WARNING : LOG_ERR, err.text);
	return env.conf.warn_only ? 0 : error_exit_status(rc);
}
