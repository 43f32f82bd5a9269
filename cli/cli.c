/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opens the machine, the configuration and the ledger that the global options name. With --sysroot, nothing of this
 * host is read unless an option names it.
 */
#include "cli/cli.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define LOCK_TIMEOUT_MS 10000

void cli_warn(const char *line)
{
	fprintf(stderr, "numaplace: warning: %s\n", line);
}

int cli_topology(const struct cli *cli, struct topology **out, struct error *err)
{
	int ret = topology_read(cli->root, out, err);

	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < (*out)->nwarnings; i++)
		cli_warn((*out)->warnings[i]);
	return 0;
}

int cli_conf(const struct cli *cli, struct conf *out, struct error *err)
{
	conf_init(out);
	if (cli->conf) {
		if (access(cli->conf, R_OK) < 0)
			return error_set(err, -EINVAL, "--conf %s: %s", quote(cli->conf).text, strerror(errno));
		return conf_read(AT_FDCWD, cli->conf, out, err);
	}
	return conf_read(cli->root, cli->sysroot ? &PLACE_CONF[1] : PLACE_CONF, out, err);
}

/* The ledger of this user's own containers if there is one, else the machine's. */
static const char *usual_state(void)
{
	const char *own = place_usual_state(true);

	return access(own, F_OK) == 0 ? own : PLACE_STATE;
}

int cli_env(const struct cli *cli, struct place_env *out, struct error *err)
{
	struct place_env env = {
		.root = cli->root,
		.real = !cli->sysroot,
		.state = -1,
		.mount = -1,
		.writer.by_path = libcgroup_write_cpuset,
		.timeout_ms = LOCK_TIMEOUT_MS,
		.message = cli_warn,
	};
	int ret = cli_conf(cli, &env.conf, err);

	if (ret < 0)
		return ret;
	place_name_state(&env, cli->state, cli->sysroot ? NULL : usual_state());
	*out = env;
	return 0;
}

int cli_with_ledger(const struct cli *cli, const struct topology *t,
		    int (*look)(void *arg, struct ledger *ledger, struct error *err), void *arg, struct error *err)
{
	cleanup_env struct place_env env = CLI_ENV_NONE;
	cleanup_ledger struct ledger *ledger = NULL; /* cleaned up before env, which holds its folder */
	int ret = cli_env(cli, &env, err);

	if (ret < 0)
		return ret;
	if (env.state_path) {
		ret = place_look(&env, t, &ledger, err);
		if (ret < 0)
			return ret;
	}
	return look(arg, ledger, err);
}

void cli_json_reasons(struct json_writer *w, const struct reasons *why)
{
	json_begin_array(w, "reasons");
	for (unsigned int i = 0; i < why->n; i++)
		json_put_string(w, NULL, why->text[i]);
	json_end(w);
}

int cli_set_key(struct request *r, const char *key, const char *value, struct error *err)
{
	int ret = request_set(r, key, value, err);

	return ret == -ENOENT ? err->status = -EINVAL : ret;
}

int cli_no_arguments(const char *verb, int argc, char **argv, struct error *err)
{
	if (!argc)
		return 0;
	return error_set(err, -EINVAL, "%s: unexpected argument: %s", verb, quote(argv[0]).text);
}

int cli_options(const char *verb, const struct option_rule *rules, unsigned int n, int argc, char **argv,
		struct error *err)
{
	const struct option_table table = { .verb = verb, .rule = rules, .n = n };

	return options_parse(&table, argc, argv, err);
}

int cli_output_option(const char *verb, int argc, char **argv, const char **file, struct error *err)
{
	const struct option_rule rules[] = { { .name = "output", .letter = 'o', .value = file } };
	int words = cli_options(verb, rules, ARRAY_SIZE(rules), argc, argv, err);

	return words < 0 ? words : cli_no_arguments(verb, words, argv, err);
}
