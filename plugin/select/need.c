/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a set of nodes must have: CPUs, memory and hugepages of the request.
 */
#include "plugin/select/select-internal.h"

#include <errno.h>
#include <string.h>

static int huge_index(const struct topology *t, uint64_t size)
{
	for (unsigned int h = 0; h < t->nhuge; h++)
		if (t->huge_size[h] == size)
			return (int)h;
	return -1;
}

static int need_huge(struct choice *c, uint64_t size, uint64_t pages, struct error *err)
{
	int h = huge_index(c->t, size);

	if (h < 0)
		return error_set(err, -ENOSPC, "limits.memory.hugepages: no hugepages of %s on this machine",
				 size ? size_text(size).text : "the default size");
	c->search.need.huge[h] += pages;
	return 0;
}

void need_add_up(struct choice *c)
{
	struct need *need = &c->search.need;

	need->pages = (double)need->memory;
	for (unsigned int h = 0; h < c->t->nhuge; h++)
		need->pages += (double)need->huge[h] * (double)c->t->huge_size[h];
}

int need_find(struct choice *c, struct error *err)
{
	const struct request *req = c->req;
	struct need *need = &c->search.need;
	int r;

	memset(need, 0, sizeof(*need));
	need->count = req->cpu_count;
	need->memory = c->limits->memory;
	if (req->huge_memory) {
		uint64_t size = c->t->huge_default ? c->t->huge_default : c->t->huge_size[0];

		r = need_huge(c, size, size ? (c->limits->memory + size - 1) / size : 0, err);
		if (r < 0)
			return r;
		need->memory = 0;
	}
	for (unsigned int i = 0; i < req->nhuge; i++) {
		r = need_huge(c, req->huge[i].size, c->limits->huge_count[i], err);
		if (r < 0)
			return r;
	}
	need_add_up(c);
	c->asked = c->sought = *need;
	return 0;
}

int need_check_reserved(const struct choice *c, struct error *err)
{
	for (unsigned int h = 0; h < c->t->nhuge; h++) {
		uint64_t need = c->search.need.huge[h], left, there = 0;

		if (!need || !c->t->huge_reserved[h])
			continue;
		left = usage_huge_left(c->in->usage, c->t, h);
		for (unsigned int i = 0; i < c->t->nnodes; i++)
			there += c->t->nodes[i].huge_free[h];
		if (left < need && there >= need)
			return error_set(err, -ENOSPC,
					 "limits.memory.hugepages: %llu pages of %s requested, %llu available (%llu free, of which "
					 "%llu are reserved by running programs)",
					 (unsigned long long)need, size_text(c->t->huge_size[h]).text,
					 (unsigned long long)left, (unsigned long long)there,
					 (unsigned long long)c->t->huge_reserved[h]);
	}
	return 0;
}

void need_clamp(struct choice *c)
{
	struct need *need = &c->search.need;

	if (need->count > c->ncandidates && !c->req->exclusive) {
		struct left_out_text causes = c->why ? left_out(c, true) : (struct left_out_text){ "" };

		reasons_add(c->why, "limits.cpu: %u requested, %u available; using all %u%s%.90s%s", need->count,
			    c->ncandidates, c->ncandidates, causes.text[0] ? " (" : "", causes.text, causes.text[0] ? ")" : "");
		need->count = c->ncandidates;
	}
	need->room = (int64_t)(need->count ? need->count : 1) * LOAD_ONE;
}
