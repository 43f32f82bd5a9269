/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opens the library's context, and parses the options of verbs. With --sysroot, nothing of this host is read unless an
 * option names it.
 */
#include "cli/cli.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "org.numaplace." /* of annotations; not accepted here */

void cli_warn(const char *line)
{
	fprintf(stderr, "numaplace: warning: %s\n", line);
}

int cli_check_conf(const struct cli *cli, struct error *err)
{
	if (cli->conf && access(cli->conf, R_OK) < 0)
		return error_set(err, -EINVAL, "--conf %s: %s", quote(cli->conf).text, strerror(errno));
	return 0;
}

static void warn(void *arg, int priority, const char *line)
{
	(void)arg;
	(void)priority;
	cli_warn(line);
}

int cli_open(const struct cli *cli, unsigned int flags, struct numaplace **out, struct error *err)
{
	/* A recorded machine even if it is "/", which is this machine for the library. */
	const char *root = cli->sysroot && strcmp(cli->sysroot, "/") == 0 ? "/." : cli->sysroot;
	const char *state = cli->state;
	int ret = flags & NUMAPLACE_NO_CONF ? 0 : cli_check_conf(cli, err);

	if (ret < 0)
		return ret;
	if (!state && !cli->sysroot) {
		state = cli_usual_state();
		flags |= NUMAPLACE_DEFAULT_STATE;
	}
	ret = numaplace_open(out, root, state, cli->conf, flags);
	if (ret < 0)
		return cli_result(*out, ret, err);
	numaplace_set_log(*out, warn, NULL);
	return 0;
}

int cli_result(const struct numaplace *np, int status, struct error *err)
{
	return status < 0 ? error_set(err, status, "%s", numaplace_error(np)) : status;
}

int cli_snapshot(const struct cli *cli, struct numaplace_snapshot **out, struct error *err)
{
	cleanup_numaplace struct numaplace *np = NULL;
	int ret = cli_open(cli, NUMAPLACE_READ_ONLY, &np, err);

	return ret < 0 ? ret : cli_result(np, numaplace_snapshot_take(np, 0, out), err);
}

struct idset cli_set(const char *list)
{
	struct idset set = { { 0 } };

	idset_parse_kernel(list, &set, NULL);
	return set;
}

struct nodeset cli_nodes(const char *list)
{
	struct nodeset set = { { 0 } };

	nodeset_parse_kernel(list, &set, NULL);
	return set;
}

void cli_json_comma(struct json_writer *w, const char *key, const char *list)
{
	struct nodeset set = cli_nodes(list);

	json_put_comma(w, key, ids_of(&set));
}

void cli_json_reasons(struct json_writer *w, const struct numaplace_placement *p)
{
	const char *line;

	json_begin_array(w, "reasons");
	for (unsigned int i = 0; (line = numaplace_placement_reason(p, i)); i++)
		json_put_string(w, NULL, line);
	json_end(w);
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

int cli_predict(struct numaplace *np, const struct numaplace_placement *p, struct numaplace_prediction **out,
		struct error *err)
{
	int ret = numaplace_predict(np, p, out);

	return ret == -ENOENT ? 0 : cli_result(np, ret, err);
}

void cli_speed_text(const struct numaplace_prediction *p, char *buf, size_t size)
{
	const struct numaplace_speed *own = numaplace_prediction_speed(p, 0), *second = numaplace_prediction_speed(p, 1);
	int used = snprintf(buf, size, "%u %% of this container alone on an idle machine%s%s", own->percent,
			    *own->reason ? ": " : "", own->reason);

	if (second && used > 0 && (size_t)used < size)
		snprintf(buf + used, size - (size_t)used, "; runner-up %u %%%s%s", second->percent,
			 *second->reason ? ": " : "", second->reason);
}

static void json_speed(struct json_writer *w, const struct numaplace_speed *s)
{
	json_put_uint(w, "percent", s->percent);
	json_put_string(w, "reason", s->reason);
}

void cli_json_speed(struct json_writer *w, const struct numaplace_prediction *p)
{
	const struct numaplace_speed *second;

	if (!p)
		return;
	json_begin_object(w, "predicted");
	json_speed(w, numaplace_prediction_speed(p, 0));
	second = numaplace_prediction_speed(p, 1);
	if (second) {
		json_begin_object(w, "runner_up");
		cli_json_comma(w, "nodes", second->nodes);
		json_speed(w, second);
		json_end(w);
	}
	json_end(w);
}

int cli_take_key(const char *verb, struct numaplace *np, struct numaplace_request *r, const char *argument,
		 struct error *err)
{
	size_t len = strcspn(argument, "=");
	cleanup_free char *key = NULL;
	int ret;

	if (!argument[len])
		return error_set(err, -EINVAL, "%s: %s: not of the form KEY=VALUE", verb, quote(argument).text);
	key = strndup(argument, len);
	if (!key)
		return error_set(err, -ENOMEM, "out of memory");
	if (strncmp(key, PREFIX, strlen(PREFIX)) == 0)
		return error_set(err, -EINVAL, "%s: no such key", quote(key).text);
	ret = cli_result(np, numaplace_request_set(r, key, argument + len + 1), err);
	return ret == -ENOENT ? err->status = -EINVAL : ret;
}
