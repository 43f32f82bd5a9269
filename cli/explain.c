/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace explain ID`: a decision as the ledger recorded it: what was requested, what was chosen and why, how it was
 * applied. It is not decided again, so the output describes the machine at that time.
 */
#include "cli/cli.h"
#include "cli/table.h"
#include "cli/snapshot.h"
#include "runtime-hooks/common/json-write.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define VALUE_MAX (2 * IDSET_TEXT_MAX)

#define OWN_LIMITS 3

/* A limit of the runtime that the request used because no key set it. */
static bool own_limit(const struct request *r, unsigned int i, const char **name, char *value, size_t size)
{
	struct request as_key;

	switch (i) {
	case 0:
		*name = "cpus";
		snprintf(value, size, "%u", r->cpu_count);
		return r->cpu_count && !(r->given >> KEY_CPU & 1);
	case 1:
		*name = "memory";
		size_format(r->memory, value, size);
		return r->memory && !(r->given >> KEY_MEMORY & 1);
	default:
		*name = "hugepages";
		as_key = *r;
		as_key.given |= 1U << KEY_MEMORY_HUGEPAGES;
		request_format(&as_key, KEY_MEMORY_HUGEPAGES, value, size);
		return r->nhuge && !(r->given >> KEY_MEMORY_HUGEPAGES & 1);
	}
}

static uint64_t age_of(const struct record *r)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec > r->started ? (uint64_t)now.tv_sec - r->started : 0;
}

static void json_asked(struct json_writer *o, const struct request *r, char *value)
{
	const char *name;

	json_begin_object(o, "asked");
	for (int k = 0; k < KEY_COUNT; k++)
		if (request_format(r, (enum request_key)k, value, VALUE_MAX))
			json_put_string(o, request_keys[k], value);
	json_end(o);
	json_begin_object(o, "runtime_limits");
	for (unsigned int i = 0; i < OWN_LIMITS; i++)
		if (own_limit(r, i, &name, value, VALUE_MAX))
			json_put_string(o, name, value);
	json_end(o);
	json_put_list(o, "pinned_cpus", ids_of(&r->pin_cpus));
	json_put_list(o, "pinned_mems", ids_of(&r->pin_mems));
}

static void json_memory(struct json_writer *o, const struct share *s)
{
	json_begin_array(o, "memory");
	for (unsigned int i = 0; i < s->nmem; i++) {
		json_begin_object(o, NULL);
		json_put_uint(o, "node", s->mem[i].id);
		json_put_uint(o, "asked", s->mem[i].memory);
		json_put_uint(o, "seen", s->mem[i].seen);
		json_end(o);
	}
	json_end(o);
}

static void explain_print_json(const struct record *r, char *value)
{
	const struct placement *p = &r->placement;
	struct json_writer o = JSON_TO(stdout);

	json_begin_object(&o, NULL);
	json_put_string(&o, "id", r->id);
	json_put_string(&o, "runtime", r->runtime);
	json_put_string(&o, "cgroup", r->cgroup);
	json_put_uint(&o, "seconds_ago", age_of(r));
	json_asked(&o, &r->request, value);
	json_put_comma(&o, "nodes", ids_of(&p->nodes));
	json_put_list(&o, "cpus", ids_of(&p->share.cpus));
	json_put_list(&o, "mems", ids_of(&p->mems));
	json_put_list(&o, "held", ids_of(&p->share.held));
	json_put_uint(&o, "counts_for", p->share.count);
	json_memory(&o, &p->share);
	json_put_string(&o, "policy", memory_policy_name(p->policy));
	json_put_string(&o, "applied", r->applied);
	json_put_bool(&o, "overcommitted", p->overcommitted);
	cli_json_reasons(&o, &r->reasons);
	json_end(&o);
}

static void set_row(struct table *t, const char *name, struct ids s)
{
	if (ids_empty(s))
		return;
	table_cell(t, "%s", name);
	table_list(t, s);
}

static void row(struct table *t, const char *name, const char *value)
{
	table_cell(t, "%s", name);
	table_cell(t, "%s", value);
}

static void age_row(struct table *t, const struct record *r)
{
	uint64_t s = age_of(r);

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

static void fill_asked(struct table *t, const struct request *r, char *value)
{
	const char *name;
	char line[64];

	for (int k = 0; k < KEY_COUNT; k++) {
		if (!request_format(r, (enum request_key)k, value, VALUE_MAX))
			continue;
		snprintf(line, sizeof(line), "asked %s", request_keys[k]);
		row(t, line, value);
	}
	for (unsigned int i = 0; i < OWN_LIMITS; i++)
		if (own_limit(r, i, &name, value, VALUE_MAX)) {
			snprintf(line, sizeof(line), "runtime's limit, %s", name);
			row(t, line, value);
		}
	set_row(t, "runtime's pin, CPUs", ids_of(&r->pin_cpus));
	set_row(t, "runtime's pin, memory", ids_of(&r->pin_mems));
}

static void fill_chosen(struct table *t, const struct record *r)
{
	const struct placement *p = &r->placement;
	char size[32], seen[32];

	set_row(t, "chosen nodes", ids_of(&p->nodes));
	table_cell(t, "chosen CPUs");
	table_list(t, ids_of(&p->share.cpus));
	set_row(t, "held for itself", ids_of(&p->share.held));
	set_row(t, "chosen memory nodes", ids_of(&p->mems));
	for (unsigned int i = 0; i < p->share.nmem; i++) {
		const struct share_node *m = &p->share.mem[i];

		if (!m->memory)
			continue;
		size_human(m->memory, size, sizeof(size));
		size_human(m->seen, seen, sizeof(seen));
		table_cell(t, "memory on node %u", m->id);
		table_cell(t, "%s, of which %s was seen there", size, seen);
	}
	table_cell(t, "policy");
	table_cell(t, "%s, by %s", memory_policy_name(p->policy), r->applied);
	if (p->overcommitted)
		row(t, "crowded", "no nodes had room: its CPUs are over-committed");
}

static int explain_print_text(const struct record *r, char *value, struct error *err)
{
	cleanup_table struct table t;

	table_init(&t, stdout, "ll");
	row(&t, "container", r->id);
	row(&t, "runtime", r->runtime);
	row(&t, "cgroup", r->cgroup);
	age_row(&t, r);
	fill_asked(&t, &r->request, value);
	fill_chosen(&t, r);
	for (unsigned int i = 0; i < r->reasons.n; i++)
		row(&t, i ? "" : "why", r->reasons.text[i]);
	return table_print(&t, err);
}

int verb_explain(struct cli *cli, int argc, char **argv, struct error *err)
{
	cleanup_snapshot struct snapshot s = { 0 };
	cleanup_free char *value = malloc(VALUE_MAX);
	const struct record *r;
	int ret;

	if (!value)
		return error_set(err, -ENOMEM, "out of memory");
	if (argc < 1)
		return error_set(err, -EINVAL, "explain: a container is missing: see numaplace status");
	ret = cli_no_arguments("explain", argc - 1, argv + 1, err);
	if (ret == 0)
		ret = snapshot_take(cli, &s, err);
	if (ret == 0)
		ret = snapshot_find(&s, "explain", argv[0], &r, err);
	if (ret < 0)
		return ret;
	if (cli->json) {
		explain_print_json(r, value);
		return 0;
	}
	return explain_print_text(r, value, err);
}
