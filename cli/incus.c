/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace incus place INSTANCE`: chooses nodes for a stopped instance and sets its limits.cpu.nodes. It is meant for
 * virtual machines: QEMU binds their memory to these nodes at its start, and no hook runs then. The instance's original
 * request is saved in user.numaplace.limits.cpu.nodes, so that the next call chooses again from it.
 */
#include "cli/engine.h"
#include "place/devices.h"
#include "plugin/base/name.h"
#include "runtime-hooks/incus/incus-api.h"
#include "runtime-hooks/common/json-write.h"

#include <errno.h>
#include <string.h>

struct incus_options {
	const char *instance, *project, *socket;
	bool dry_run;
};

static int incus_parse(int argc, char **argv, struct incus_options *o, struct error *err)
{
	const struct option_rule rules[] = {
		{ .name = "project", .value = &o->project },
		{ .name = "socket", .value = &o->socket },
		{ .name = "dry-run", .flag = &o->dry_run },
	};
	int words;

	if (argc < 1 || strcmp(argv[0], "place") != 0)
		return error_set(err, -EINVAL, "incus: %s: usage: numaplace incus place INSTANCE [--project NAME] "
					       "[--socket PATH] [--dry-run]",
				 argc ? quote(argv[0]).text : "a command is missing");
	words = cli_options("incus place", rules, ARRAY_SIZE(rules), argc - 1, argv + 1, err);
	if (words < 0)
		return words;
	if (words > 1)
		return cli_no_arguments("incus place", words - 1, argv + 2, err);
	o->instance = words ? argv[1] : NULL;
	if (!o->instance)
		return error_set(err, -EINVAL, "incus place: an instance is missing");
	if (name_check_id(o->instance, err) < 0)
		return error_prefix(err, -EINVAL, "incus place");
	if (!o->project)
		o->project = "default";
	if (!o->socket)
		o->socket = incus_socket(NULL);
	return o->socket ? 0 : error_set(err, -ENOENT, "no socket of Incus or LXD exists (--socket)");
}

/* All memory of the machine, for limits in percent. */
static uint64_t machine_memory(const struct topology *t)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < t->nnodes; i++)
		sum += t->nodes[i].mem_total;
	return sum;
}

static int incus_choose(const struct cli *cli, struct incus_config *c, struct placement *out, struct reasons *why,
			struct error *err)
{
	cleanup_env struct place_env env = CLI_ENV_NONE;
	cleanup_topology struct topology *t = NULL;
	struct request request;
	int ret = cli_env(cli, &env, err);

	if (ret == 0)
		ret = cli_topology(cli, &t, err);
	if (ret == 0)
		ret = incus_config_settle(c, &env.conf, err);
	if (ret == 0)
		ret = incus_plan_ahead(c, &env.conf, machine_memory(t), &request, err);
	if (ret == 0)
		incus_doubts(c, machine_memory(t), cli_warn);
	if (ret < 0)
		return ret;
	if (c->devices.n)
		ret = place_open(&env, PLACE_READ, err);
	if (ret < 0)
		return ret;
	place_find_devices(&env, &c->devices, &request);
	return place_plan(&env, &request, NULL, out, why, err);
}

static int write_nodes(const struct incus_options *o, const struct incus_config *c, const char *list, struct error *err)
{
	const char *wish = c->native[KEY_CPU_NODES] ? c->native[KEY_CPU_NODES] : "balanced";
	const char *const config[] = {
		"limits.cpu.nodes", list, c->asked[KEY_CPU_NODES] ? NULL : INCUS_PREFIX "limits.cpu.nodes", wish, NULL
	};

	return incus_set(o->socket, o->project, o->instance, config, err);
}

static void incus_print(const struct cli *cli, const struct incus_options *o, const struct placement *p, const char *list,
			const struct reasons *why)
{
	struct json_writer out = JSON_TO(stdout);

	if (!cli->json) {
		printf("%s: nodes %s\n", o->instance, list);
		return;
	}
	json_begin_object(&out, NULL);
	json_put_string(&out, "instance", o->instance);
	json_put_string(&out, "project", o->project);
	json_put_comma(&out, "nodes", ids_of(&p->nodes));
	json_put_list(&out, "mems", ids_of(&p->mems));
	json_begin_array(&out, "reasons");
	for (unsigned int i = 0; i < why->n; i++)
		json_put_string(&out, NULL, why->text[i]);
	json_end(&out);
	json_end(&out);
}

static int incus_place(const struct cli *cli, const struct incus_options *o, struct incus_answer *a, struct error *err)
{
	cleanup_placement struct placement p = { 0 };
	struct reasons why = { 0 };
	char list[NODESET_TEXT_MAX];
	int ret = incus_get(o->socket, o->project, o->instance, a, err);

	if (ret < 0)
		return ret;
	if (!o->dry_run && strcmp(a->status, "Stopped") != 0)
		return error_set(err, -EBUSY, "it is %s: nodes can be chosen only before a start", quote(a->status).text);
	ret = incus_choose(cli, &a->config, &p, &why, err);
	if (ret < 0)
		return ret;
	nodeset_format_comma(&p.nodes, list, sizeof(list));
	if (!o->dry_run)
		ret = write_nodes(o, &a->config, list, err);
	if (ret == 0)
		incus_print(cli, o, &p, list, &why);
	return ret;
}

int verb_incus(struct cli *cli, int argc, char **argv, struct error *err)
{
	struct incus_answer answer = { 0 };
	struct incus_options o = { 0 };
	int ret = incus_parse(argc, argv, &o, err);

	if (ret < 0)
		return ret;
	ret = incus_place(cli, &o, &answer, err);
	incus_config_free(&answer.config);
	if (ret < 0)
		error_prefix(err, ret, "instance %s", quote(o.instance).text);
	return ret;
}
