/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace simulate`: starts and stops containers by JSON lines on stdin and places them on an initially idle
 * machine, in memory only. A driver may write a line and wait for the answer.
 *
 * A malformed line ends the simulation. A start that cannot be placed, or has invalid keys, is answered with the
 * reason.
 */
#include "cli/engine.h"
#include "place/admit.h"
#include "plugin/base/clock.h"
#include "plugin/base/hash.h"
#include "plugin/base/util.h"
#include "plugin/machine/device-node.h"
#include "runtime-hooks/common/json.h"
#include "runtime-hooks/common/json-write.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define LINE_MAX_BYTES (1U << 20)

struct container {
	struct container *next; /* in its bucket */
	char *id;
	bool counted;           /* @share is added to the usage; false for a refused container */
	struct share share;
};

struct simulation {
	const struct cli *cli;
	struct topology *topology;
	struct usage *usage;
	struct conf conf;
	bool flush;             /* a reader may be waiting for each answer */
	unsigned long line;
	unsigned long ignored;  /* starts of running containers, stops of unknown ones */
	struct container **bucket;
	size_t nbuckets, ncontainers;
};

enum op { OP_NONE, OP_START, OP_STOP };

struct line {
	enum op op;
	char id[RECORD_ID_MAX + 1];
	struct request request;
	struct error refused;   /* the first invalid key */
};

/* --- containers by id --- */

/* The pointer to the container, or where to insert it. */
static struct container **find_container(struct simulation *s, const char *id)
{
	struct container **c = &s->bucket[hash_text(HASH_START, id) & (s->nbuckets - 1)];

	while (*c && strcmp((*c)->id, id) != 0)
		c = &(*c)->next;
	return c;
}

static int grow_buckets(struct simulation *s)
{
	size_t n = s->nbuckets ? s->nbuckets * 2 : 256;
	struct container **bucket = calloc(n, sizeof(*bucket));

	if (!bucket)
		return -ENOMEM;
	for (size_t i = 0; i < s->nbuckets; i++) {
		while (s->bucket[i]) {
			struct container *c = s->bucket[i];
			struct container **to = &bucket[hash_text(HASH_START, c->id) & (n - 1)];

			s->bucket[i] = c->next;
			c->next = *to;
			*to = c;
		}
	}
	free(s->bucket);
	s->bucket = bucket;
	s->nbuckets = n;
	return 0;
}

/* Takes ownership of @share on success. */
static int add_container(struct simulation *s, const char *id, bool counted, struct share *share)
{
	cleanup_free struct container *c = calloc(1, sizeof(*c));
	struct container **slot;

	if (!c || (s->ncontainers >= s->nbuckets && grow_buckets(s) < 0))
		return -ENOMEM;
	c->id = strdup(id);
	if (!c->id)
		return -ENOMEM;
	c->counted = counted;
	c->share = *share;
	*share = (struct share){ 0 };
	slot = find_container(s, id);
	*slot = steal_ptr(c);
	s->ncontainers++;
	return 0;
}

static void remove_container(struct simulation *s, struct container **slot)
{
	struct container *c = *slot;

	*slot = c->next;
	s->ncontainers--;
	if (c->counted)
		usage_remove(s->usage, &c->share);
	share_free(&c->share);
	free(c->id);
	free(c);
}

static void simulation_free(struct simulation *s)
{
	for (size_t i = 0; i < s->nbuckets; i++)
		while (s->bucket[i])
			remove_container(s, &s->bucket[i]);
	free(s->bucket);
	usage_free(s->usage);
	topology_free(s->topology);
}

/* --- input --- */

static int set_op(void *arg, const struct json_value *v, struct error *err)
{
	struct line *l = arg;

	l->op = !strcmp(v->text, "start") ? OP_START : !strcmp(v->text, "stop") ? OP_STOP : OP_NONE;
	if (l->op == OP_NONE)
		return error_set(err, -EINVAL, "\"%s\": neither start nor stop", quote(v->text).text);
	return 0;
}

static int set_id(void *arg, const struct json_value *v, struct error *err)
{
	struct line *l = arg;

	if (!v->len || v->len >= sizeof(l->id))
		return error_set(err, -EINVAL, "must be 1 to %d bytes long", RECORD_ID_MAX);
	memcpy(l->id, v->text, v->len + 1);
	return 0;
}

/* An invalid key does not make the line invalid: the answer to the start reports it. */
static int set_config(void *arg, const struct json_value *v, struct error *err)
{
	const char *text = v->type == JSON_BOOL ? (v->boolean ? "true" : "false") : v->text;
	struct line *l = arg;

	(void)err;
	if (!l->refused.status)
		cli_set_key(&l->request, v->key, text, &l->refused);
	return 0;
}

static int read_line(const char *text, size_t len, struct line *l, struct error *err)
{
	static const struct json_rule rules[] = {
		{ .path = "op", .types = JSON_STRING, .set = set_op },
		{ .path = "id", .types = JSON_STRING, .set = set_id },
		{ .path = "config/*", .types = JSON_STRING | JSON_INTEGER | JSON_BOOL, .set = set_config },
	};
	int ret;

	*l = (struct line){ 0 };
	request_init(&l->request);
	ret = json_parse(text, len, LINE_MAX_BYTES, rules, ARRAY_SIZE(rules), l, err);
	if (ret < 0)
		return ret;
	if (l->op == OP_NONE)
		return error_set(err, -EINVAL, "op is missing");
	if (!*l->id)
		return error_set(err, -EINVAL, "id is missing");
	return 0;
}

/* --- output --- */

static void simulate_answer(const struct simulation *s, const char *id, const struct placement *p, const char *error,
			    uint64_t ns)
{
	struct json_writer o = JSON_TO(stdout);

	json_begin_object(&o, NULL);
	json_put_string(&o, "id", id);
	if (error) {
		json_put_string(&o, "error", error);
	} else {
		json_put_comma(&o, "nodes", ids_of(&p->nodes));
		json_put_list(&o, "cpus", ids_of(&p->share.cpus));
		json_put_list(&o, "mems", ids_of(&p->mems));
	}
	json_put_uint(&o, "ns", ns);
	json_end(&o);
	if (s->flush)
		fflush(stdout);
}

/* Checks the request, places it, and adds it to the usage; *@ns is the time of the decision alone. */
static int simulate_place(struct simulation *s, struct line *l, struct placement *p, uint64_t *ns, struct error *err)
{
	struct select_input in = {
		.topology = s->topology,
		.usage = s->usage,
		.request = &l->request,
		.policy = &s->conf.select,
	};
	uint64_t start;
	int ret = request_finish(&l->request, err);

	if (ret < 0)
		return ret;
	if (!request_asks(&l->request) && s->conf.without_keys != DEFAULT_BALANCED)
		return 0;
	ret = admit_claim(&s->conf, &l->request, s->topology->huge_default, err);
	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < l->request.ndevices; i++) {
		int node;

		ret = device_node(s->cli->root, l->request.device[i], &node, err);
		if (ret < 0)
			return ret;
		device_nodes_add(&in.devices, i, node);
	}
	start = clock_ns(CLOCK_MONOTONIC);
	ret = select_placement(&in, p, NULL, err);
	*ns = clock_ns(CLOCK_MONOTONIC) - start;
	if (ret < 0)
		return ret;
	ret = usage_add(s->usage, &p->share);
	if (ret < 0)
		return error_errno(err, ret, "update the usage");
	return 0;
}

static int start_container(struct simulation *s, struct line *l, struct error *err)
{
	cleanup_placement struct placement p = { 0 };
	struct container **old = find_container(s, l->id);
	struct error refused = l->refused;
	uint64_t ns = 0;

	if (*old && (*old)->counted) {
		s->ignored++;
		simulate_answer(s, l->id, NULL, "is running already", 0);
		return 0;
	}
	if (*old)
		remove_container(s, old);
	if (!refused.status)
		simulate_place(s, l, &p, &ns, &refused);
	simulate_answer(s, l->id, &p, refused.status ? refused.text : NULL, ns);
	if (add_container(s, l->id, !refused.status, &p.share) < 0)
		return error_set(err, -ENOMEM, "out of memory");
	return 0;
}

/* Stopping a refused container is not an error: drivers need not remember refusals. */
static void stop_container(struct simulation *s, const struct line *l)
{
	struct container **c = find_container(s, l->id);

	if (*c) {
		remove_container(s, c);
		return;
	}
	s->ignored++;
	fprintf(stderr, "numaplace: simulate: line %lu: stop: %s: no such container\n", s->line, quote(l->id).text);
}

static int follow_lines(struct simulation *s, FILE *in, struct error *err)
{
	cleanup_free char *text = NULL;
	size_t room = 0;
	struct line l;
	ssize_t len;

	while ((len = getline(&text, &room, in)) >= 0) {
		int ret;

		s->line++;
		if (strspn(text, " \t\r\n") == (size_t)len)
			continue;
		ret = read_line(text, (size_t)len, &l, err);
		if (ret == 0 && l.op == OP_START)
			ret = start_container(s, &l, err);
		else if (ret == 0)
			stop_container(s, &l);
		if (ret < 0)
			return error_prefix(err, ret, "simulate: line %lu", s->line);
	}
	if (ferror(in))
		return error_errno(err, -errno, "simulate: stdin");
	return 0;
}

/* Only with a regular file on stdout can answers stay buffered. */
static bool somebody_waits(void)
{
	struct stat st;

	return fstat(STDOUT_FILENO, &st) < 0 || !S_ISREG(st.st_mode);
}

int verb_simulate(struct cli *cli, int argc, char **argv, struct error *err)
{
	__attribute__((cleanup(simulation_free))) struct simulation s = { .cli = cli, .flush = somebody_waits() };
	const struct topology *t;
	int ret = cli_no_arguments("simulate", argc, argv, err);

	if (ret < 0)
		return ret;
	ret = cli_conf(cli, &s.conf, err);
	if (ret < 0)
		return ret;
	ret = cli_topology(cli, &s.topology, err);
	if (ret < 0)
		return ret;
	t = s.topology;
	topology_idle(s.topology);
	s.usage = usage_new(t->cpu_ids, t->nnodes ? t->nodes[t->nnodes - 1].id + 1U : 0);
	if (!s.usage || grow_buckets(&s) < 0)
		return error_set(err, -ENOMEM, "out of memory");
	ret = follow_lines(&s, stdin, err);
	if (ret < 0)
		return ret;
	if (s.ignored)
		return error_set(err, -EINVAL, "simulate: %lu lines ignored (duplicate start or unknown stop)",
				 s.ignored);
	return 0;
}
