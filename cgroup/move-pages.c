/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages are moved by move_pages(2), because migrate_pages(2) moves all pages of a process in one call, which can
 * neither be interrupted nor report progress. Each call makes the kernel wait for all CPUs, and the kernel walks the
 * page table for each read of numa_maps or pagemap and for each query of a page's node: so calls are few, and pages are
 * queried only where numa_maps does not tell their node.
 */
#include "cgroup/move-pages.h"

#include "cgroup/cgroup.h"
#include "cgroup/folios.h"
#include "plugin/machine/topology.h"
#include "plugin/base/clock.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define CHUNK (2ULL << 20) /* unit that goes to one node: the huge page size of most machines */

static time_t now(void)
{
	return (time_t)(clock_ms() / 1000);
}

void page_move_limit(struct page_move *m, unsigned int seconds)
{
	m->seconds = seconds;
	m->end = seconds ? now() + seconds : 0;
}

int page_move_check_time(const struct page_move *m, struct error *err)
{
	if (!m->end || now() < m->end)
		return 0;
	return error_set(err, -ETIMEDOUT, "not done in %u seconds (%" PRIu64 " of %" PRIu64 " MiB moved)",
			 m->seconds, m->done >> 20, m->total >> 20);
}

void page_move_tell(const struct page_move *m)
{
	if (m->progress)
		m->progress(m->arg, m->done < m->total ? m->done : m->total, m->total);
}

void page_move_begin(struct page_move *m, const struct topology *t, const struct placement *placement)
{
	const struct share *share = &placement->share;
	unsigned int n = 0;

	nodeset_foreach(id, m->nodes) {
		m->node[n] = id;
		m->small.given[n] = m->huge.given[n] = m->small.weight[n] = m->huge.weight[n] = 0;
		for (unsigned int i = 0; i < share->nmem; i++) {
			if (share->mem[i].id != id)
				continue;
			m->small.weight[n] = share->mem[i].memory;
			for (unsigned int h = 0; h < t->nhuge; h++)
				m->huge.weight[n] += share->mem[i].huge[h] * t->huge_size[h];
		}
		n++;
	}
	m->nnodes = n;
}

/* The node whose part is furthest from complete. */
static unsigned int next_node(const struct page_move *m, const struct page_deal *d)
{
	uint64_t asked = 0;
	double least = 0;
	unsigned int best = 0;

	for (unsigned int i = 0; i < m->nnodes; i++)
		asked += d->weight[i];
	for (unsigned int i = 0; i < m->nnodes; i++) {
		double weight = asked ? (double)d->weight[i] : 1;
		double level = weight > 0 ? (double)(d->given[i] + 1) / weight : HUGE_VAL;

		if (i == 0 || level < least) {
			best = i;
			least = level;
		}
	}
	return best;
}

/*
 * Each move_pages(2) call waits for all CPUs to empty their page lists, so a call takes pages of many mappings. A move
 * cannot be interrupted within a call, so the call is limited: to one of these, and one more read of pagemap.
 */
#define CALL_BYTES (32ULL << 20)
#define CALL_FOLIOS (FOLIOS_STEP * 3 / 4)

struct call {
	size_t n;
	uint64_t bytes;
	bool shared_too;
	void *page[CALL_FOLIOS + FOLIOS_STEP];
	int node[CALL_FOLIOS + FOLIOS_STEP], status[CALL_FOLIOS + FOLIOS_STEP];
	struct dealt {
		uint64_t size;
		struct page_deal *deal;
		unsigned int to; /* index of its node */
	} dealt[CALL_FOLIOS + FOLIOS_STEP];
};

struct step {
	struct folios folios;
	size_t n; /* folios of the present part of a mapping */
	struct folio folio[FOLIOS_STEP];
	void *page[FOLIOS_STEP];
	int status[FOLIOS_STEP];
	struct call call[2]; /* the next calls; [true]: with shared_too */
	uint64_t chunk;	     /* the last chunk dealt */
	unsigned int to;     /* index of its node */
};

/*
 * Picks the node for the folio at @address; returns its index. One CHUNK goes to one node: if folios are unknown
 * (/proc/kpageflags cannot be read), the addresses of a huge page would otherwise go to different nodes in turn, and
 * each would move the whole page again.
 */
static unsigned int deal(const struct page_move *m, struct page_deal *d, struct step *s, const struct folio *f)
{
	if (s->chunk != f->address / CHUNK) {
		s->chunk = f->address / CHUNK;
		s->to = next_node(m, d);
	}
	d->given[s->to] += f->size;
	return s->to;
}

/* Moves the folios of the call, if there are any. A process that has ended is not an error. */
static int make_call(struct page_move *m, pid_t pid, struct call *c, struct error *err)
{
	size_t n = c->n;
	int rc = n ? libnuma_move_pages(pid, n, c->page, c->node, c->status, c->shared_too) : 0;

	c->n = 0;
	c->bytes = 0;
	if (!n)
		return 0;
	if (rc < 0 && rc != -ESRCH && rc != -ENOMEM)
		return error_errno(err, rc, "pid %d: move its pages", (int)pid);
	/* A later pass retries the folios that could not be moved. */
	for (size_t i = 0; i < n; i++)
		if (c->status[i] == c->node[i])
			m->done += c->dealt[i].size;
		else
			c->dealt[i].deal->given[c->dealt[i].to] -= c->dealt[i].size;
	page_move_tell(m);
	return page_move_check_time(m, err);
}

static void add_to_call(const struct page_move *m, struct step *s, struct call *c, const struct folio *f,
			struct page_deal *d)
{
	unsigned int to = deal(m, d, s, f);

	c->page[c->n] = (void *)(uintptr_t)f->address;
	c->node[c->n] = m->node[to];
	c->status[c->n] = -EAGAIN;
	c->dealt[c->n++] = (struct dealt){ f->size, d, to };
	c->bytes += f->size;
}

/* Queries the nodes of the folios of @s. -ESRCH: the process has ended. */
static int ask(pid_t pid, struct step *s)
{
	for (size_t i = 0; i < s->n; i++)
		s->page[i] = (void *)(uintptr_t)s->folio[i].address;
	return s->n ? libnuma_move_pages(pid, s->n, s->page, NULL, s->status, false) : 0;
}

/* Collects the folios of the next part of a mapping. In a hugetlb mapping each page is a folio. */
static void next_folios(struct step *s, const struct mapping *map, uint64_t *at)
{
	s->n = 0;
	if (map->page_size == s->folios.page_size)
		s->n = folios_next(&s->folios, at, map->end, s->folio);
	else
		for (uint64_t bytes = 0; *at < map->end && bytes < CALL_BYTES && s->n < FOLIOS_STEP;
		     bytes += map->page_size, *at += map->page_size)
			s->folio[s->n++] = (struct folio){ *at, map->page_size };
}

/*
 * Whether the nodes of a mapping's folios must be queried. Not in the first pass if numa_maps shows no page of it on
 * the new nodes and pagemap shows which addresses have pages. The exception is the zero page, which pagemap shows and
 * numa_maps does not count: it cannot be moved, and may take the place of pages in @map->elsewhere; so later passes
 * always query.
 */
static bool must_ask(const struct page_move *m, const struct step *s, const struct mapping *map)
{
	return m->again || map->partly || s->folios.pagemap < 0 || map->page_size != s->folios.page_size;
}

/* Adds folios of one mapping to the next call, until @map->elsewhere bytes are found; makes the call if it is full. */
static int move_mapping(struct page_move *m, pid_t pid, const struct mapping *map, struct step *s, struct error *err)
{
	struct page_deal *d = map->page_size == s->folios.page_size ? &m->small : &m->huge;
	struct call *c = &s->call[map->own];
	bool asked = must_ask(m, s, map);
	uint64_t found = 0;
	int rc = 0;

	for (uint64_t at = map->start; at < map->end && rc == 0 && found < map->elsewhere;) {
		next_folios(s, map, &at);
		rc = asked ? ask(pid, s) : 0;
		if (rc < 0)
			return rc == -ESRCH ? 0 : error_errno(err, rc, "pid %d: ask where its pages are", (int)pid);
		for (size_t i = 0; i < s->n; i++) {
			if (asked && (s->status[i] < 0 || nodeset_has(m->nodes, (unsigned int)s->status[i])))
				continue;
			add_to_call(m, s, c, &s->folio[i], d);
			found += s->folio[i].size;
		}
		if (c->n >= CALL_FOLIOS || c->bytes >= CALL_BYTES)
			rc = make_call(m, pid, c, err);
		else
			rc = page_move_check_time(m, err);
	}
	return rc;
}

static int move_process(struct page_move *m, pid_t pid, struct step *s, struct error *err)
{
	cleanup_mappings struct mappings maps = { 0 };
	int rc = mappings_of_pid(m->root, pid, m->nodes, &maps, err);

	if (rc < 0)
		return rc == -ESRCH ? 0 : rc;
	folios_open(m->root, pid, &s->folios);
	for (size_t i = 0; i < maps.n && rc == 0; i++)
		rc = move_mapping(m, pid, &maps.map[i], s, err);
	for (size_t i = 0; i < ARRAY_SIZE(s->call) && rc == 0; i++)
		rc = make_call(m, pid, &s->call[i], err);
	folios_close(&s->folios);
	return rc;
}

static struct pages *look_at_pages(const struct page_move *m, struct error *err)
{
	cleanup_free struct pages *p = malloc(sizeof(*p));

	if (!p)
		error_errno(err, -ENOMEM, "check its pages");
	else if (pages_of_cgroup(m->root, m->mount, m->cgroup, p, err) == 0)
		return steal_ptr(p);
	return NULL;
}

int page_move_elsewhere(const struct page_move *m, uint64_t *bytes, struct error *err)
{
	cleanup_free struct pages *p = look_at_pages(m, err);

	if (!p)
		return err->status;
	*bytes = pages_elsewhere(p, m->nodes);
	return 0;
}

int page_move_count_first(struct page_move *m, struct error *err)
{
	cleanup_free struct pages *p = look_at_pages(m, err);

	if (!p)
		return err->status;
	m->total = pages_elsewhere(p, m->nodes);
	for (unsigned int n = 0; n < m->nnodes; n++)
		for (unsigned int i = 0; i < p->n; i++)
			if (p->node[i].id == m->node[n]) {
				m->small.given[n] = p->node[i].anon + p->node[i].shared;
				m->huge.given[n] = p->node[i].huge;
			}
	return 0;
}

int page_move_round(struct page_move *m, struct error *err)
{
	cleanup_cgroup_pids struct cgroup_pids pids = { 0 };
	cleanup_free struct step *s = calloc(1, sizeof(*s));
	int rc = s ? cgroup_read_pids(m->mount, m->cgroup, &pids, err) : error_errno(err, -ENOMEM, "move");

	if (s)
		s->call[true].shared_too = true;
	for (size_t i = 0; i < pids.n && rc == 0; i++)
		rc = move_process(m, pids.pid[i], s, err);
	m->again = true;
	return rc;
}

