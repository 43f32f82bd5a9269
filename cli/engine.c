/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opens the machine, the configuration and the ledger that the global options name. With --sysroot, nothing of this
 * host is read unless an option names it.
 */
#include "cli/engine.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define LOCK_TIMEOUT_MS 10000

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
		int ret = cli_check_conf(cli, err);

		return ret < 0 ? ret : conf_read(AT_FDCWD, cli->conf, out, err);
	}
	return conf_read(cli->root, cli->sysroot ? &PLACE_CONF[1] : PLACE_CONF, out, err);
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
	place_name_state(&env, cli->state, cli->sysroot ? NULL : cli_usual_state());
	*out = env;
	return 0;
}

int cli_set_key(struct request *r, const char *key, const char *value, struct error *err)
{
	int ret = request_set(r, key, value, err);

	return ret == -ENOENT ? err->status = -EINVAL : ret;
}
