/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace explain ID`: a decision as the ledger recorded it: what was requested, what was chosen and why, how it was
 * applied. It is not decided again, so the output describes the machine at that time; only the predicted speed is that of
 * now.
 */
#include "cli/cli.h"
#include "cli/find.h"
#include "cli/table.h"
#include "plugin/base/clock.h"
#include "plugin/base/size.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* The limits of the runtime that a request uses if the key is not set, by their names here. */
static const struct {
	const char *key, *name;
} limits[] = {
	{ "limits.cpu", "cpus" },
	{ "limits.memory", "memory" },
	{ "limits.memory.hugepages", "hugepages" },
};

static uint64_t age_of(const struct numaplace_placement *p)
{
	uint64_t now = clock_boot_seconds(), decided = numaplace_placement_decided(p);

	return now > decided ? now - decided : 0;
}

static void json_asked(struct json_writer *o, const struct numaplace_placement *p)
{
	const char *key, *value;

	json_begin_object(o, "asked");
	for (unsigned int k = 0; (key = numaplace_key(k)); k++)
		if ((value = numaplace_placement_request(p, key)))
			json_put_string(o, key, value);
	json_end(o);
	json_begin_object(o, "runtime_limits");
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if ((value = numaplace_placement_limit(p, limits[i].key)))
			json_put_string(o, limits[i].name, value);
	json_end(o);
	json_put_string(o, "pinned_cpus", numaplace_placement_pinned_cpus(p));
	json_put_string(o, "pinned_mems", numaplace_placement_pinned_mems(p));
}

static void json_memory(struct json_writer *o, const struct numaplace_placement *p)
{
	const struct numaplace_node_memory *m;

	json_begin_array(o, "memory");
	for (unsigned int i = 0; (m = numaplace_placement_memory(p, i)); i++) {
		json_begin_object(o, NULL);
		json_put_uint(o, "node", m->id);
		json_put_uint(o, "asked", m->requested);
		json_put_uint(o, "seen", m->seen);
		json_end(o);
	}
	json_end(o);
}

static void explain_print_json(const struct numaplace_placement *p, const struct numaplace_prediction *speed)
{
	struct json_writer o = JSON_TO(stdout);

	json_begin_object(&o, NULL);
	json_put_string(&o, "id", numaplace_placement_id(p));
	json_put_string(&o, "runtime", numaplace_placement_runtime(p));
	json_put_string(&o, "cgroup", numaplace_placement_cgroup(p));
	json_put_uint(&o, "seconds_ago", age_of(p));
	json_asked(&o, p);
	cli_json_comma(&o, "nodes", numaplace_placement_nodes(p));
	json_put_string(&o, "cpus", numaplace_placement_cpus(p));
	json_put_string(&o, "mems", numaplace_placement_mems(p));
	json_put_string(&o, "held", numaplace_placement_held(p));
	if (*numaplace_placement_exclusive(p))
		json_put_string(&o, "exclusive", numaplace_placement_exclusive(p));
	json_put_uint(&o, "counts_for", numaplace_placement_count(p));
	json_memory(&o, p);
	json_put_string(&o, "policy", numaplace_placement_policy(p));
	json_put_string(&o, "applied", numaplace_placement_applied(p));
	json_put_bool(&o, "overcommitted", numaplace_placement_overcommitted(p));
	cli_json_reasons(&o, p);
	cli_json_speed(&o, speed);
	json_end(&o);
}

static void row(struct table *t, const char *name, const char *value)
{
	table_cell(t, "%s", name);
	table_cell(t, "%s", value);
}

static void list_row(struct table *t, const char *name, const char *list)
{
	if (*list)
		row(t, name, list);
}

static void age_row(struct table *t, const struct numaplace_placement *p)
{
	uint64_t s = age_of(p);

	table_cell(t, "decided");
	if (s < 120)
		table_cell(t, "%" PRIu64 " s ago", s);
	else if (s < 7200)
		table_cell(t, "%" PRIu64 " min ago", s / 60);
	else if (s < 172800)
		table_cell(t, "%" PRIu64 " h ago", s / 3600);
	else
		table_cell(t, "%" PRIu64 " days ago", s / 86400);
}

static void fill_asked(struct table *t, const struct numaplace_placement *p)
{
	const char *key, *value;

	for (unsigned int k = 0; (key = numaplace_key(k)); k++) {
		value = numaplace_placement_request(p, key);
		if (!value)
			continue;
		table_cell(t, "asked %s", key);
		table_cell(t, "%s", value);
	}
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		value = numaplace_placement_limit(p, limits[i].key);
		if (!value)
			continue;
		table_cell(t, "runtime's limit, %s", limits[i].name);
		table_cell(t, "%s", value);
	}
	list_row(t, "runtime's pin, CPUs", numaplace_placement_pinned_cpus(p));
	list_row(t, "runtime's pin, memory", numaplace_placement_pinned_mems(p));
}

static const char *exclusive_text(const struct numaplace_placement *p)
{
	const char *by = numaplace_placement_exclusive(p);

	return strcmp(by, "placed containers") == 0 ? "numaplace, from placed containers only" : *by ? "the kernel" : "";
}

static void fill_chosen(struct table *t, const struct numaplace_placement *p)
{
	const struct numaplace_node_memory *m;
	char size[32], seen[32];

	list_row(t, "chosen nodes", numaplace_placement_nodes(p));
	table_cell(t, "chosen CPUs");
	table_list_text(t, numaplace_placement_cpus(p));
	list_row(t, "held for itself", numaplace_placement_held(p));
	list_row(t, "kept from others by", exclusive_text(p));
	list_row(t, "chosen memory nodes", numaplace_placement_mems(p));
	for (unsigned int i = 0; (m = numaplace_placement_memory(p, i)); i++) {
		if (!m->requested)
			continue;
		size_human(m->requested, size, sizeof(size));
		size_human(m->seen, seen, sizeof(seen));
		table_cell(t, "memory on node %u", m->id);
		table_cell(t, "%s, of which %s was seen there", size, seen);
	}
	table_cell(t, "policy");
	table_cell(t, "%s, by %s", numaplace_placement_policy(p), numaplace_placement_applied(p));
	if (numaplace_placement_overcommitted(p))
		row(t, "crowded", "no nodes had room: its CPUs are over-committed");
}

static int explain_print_text(const struct numaplace_placement *p, const struct numaplace_prediction *speed,
			      struct error *err)
{
	cleanup_table struct table t;
	const char *line;
	char text[400];

	table_init(&t, stdout, "ll");
	row(&t, "container", numaplace_placement_id(p));
	row(&t, "runtime", numaplace_placement_runtime(p));
	row(&t, "cgroup", numaplace_placement_cgroup(p));
	age_row(&t, p);
	fill_asked(&t, p);
	fill_chosen(&t, p);
	for (unsigned int i = 0; (line = numaplace_placement_reason(p, i)); i++)
		row(&t, i ? "" : "why", line);
	if (speed) {
		cli_speed_text(speed, text, sizeof(text));
		row(&t, "predicted now", text);
	}
	return table_print(&t, err);
}

int verb_explain(struct cli *cli, int argc, char **argv, struct error *err)
{
	cleanup_numaplace struct numaplace *np = NULL;
	cleanup_snapshot struct numaplace_snapshot *s = NULL;
	cleanup_prediction struct numaplace_prediction *speed = NULL;
	const struct numaplace_placement *p;
	int ret;

	if (argc < 1)
		return error_set(err, -EINVAL, "explain: a container is missing: see numaplace status");
	ret = cli_no_arguments("explain", argc - 1, argv + 1, err);
	if (ret == 0)
		ret = cli_snapshot(cli, &s, err);
	if (ret == 0)
		ret = find_container(s, "explain", argv[0], &p, err);
	if (ret == 0)
		ret = cli_open(cli, NUMAPLACE_READ_ONLY, &np, err);
	if (ret == 0)
		ret = cli_predict(np, p, &speed, err);
	if (ret < 0)
		return ret;
	if (!cli->json)
		return explain_print_text(p, speed, err);
	explain_print_json(p, speed);
	return 0;
}
