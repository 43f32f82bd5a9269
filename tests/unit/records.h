/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records for tests: random ones (reproducible from a seed) that use every field, and a comparison of all fields.
 */
#ifndef NUMAPLACE_RECORDS_H
#define NUMAPLACE_RECORDS_H

#include "plugin/ledger/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline uint64_t random_below(uint64_t *seed, uint64_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return below ? *seed % below : 0;
}

static inline void random_set(uint64_t *seed, unsigned int below, unsigned int n, struct ids_out out)
{
	memset(out.word, 0, out.nwords * sizeof(*out.word));
	while (n--) {
		unsigned int id = (unsigned int)random_below(seed, below);

		ids_add_range(out, id, id);
	}
}

/* Bytes of every value except NUL. */
static inline void random_text(uint64_t *seed, char *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (char)(1 + random_below(seed, 255));
	out[len] = '\0';
}

/* A valid name. */
static inline void random_name(uint64_t *seed, char *out, size_t len)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+:@-";

	for (size_t i = 0; i < len; i++)
		out[i] = letters[random_below(seed, i ? sizeof(letters) - 1 : 63)];
	out[len] = '\0';
}

static inline void random_request(uint64_t *seed, struct request *r)
{
	static const char *const values[KEY_COUNT][4] = {
		[KEY_CPU] = { "4", "0-3,8", "2-2", "1000000" },
		[KEY_CPU_NODES] = { "balanced", "0-4,^3", "all:0-3", "0,2,4" },
		[KEY_CPU_EXCLUSIVE] = { "true", "false", "1", "0" },
		[KEY_CPU_DEVICE] = { "eth0", "0000:3b:00.0,0001:00:1f.7", "cciss!c0d0", "nvme0n1,eth0,sda" },
		[KEY_CPU_CLASS] = { "any", "performance", "efficient", "isolated" },
		[KEY_CPU_THREADS] = { "all", "one", "all", "one" },
		[KEY_CPU_WORK] = { "compute", "latency", "bandwidth", "latency" },
		[KEY_CPU_IRQ] = { "none", "away", "near", "away" },
		[KEY_MEMORY] = { "30GiB", "512MB", "1", "1073741825" },
		[KEY_MEMORY_NODES] = { "8", "0-7,1023", "2", "0,2" },
		[KEY_MEMORY_HUGEPAGES] = { "true", "2MiB=64,1GiB=4", "false", "64KiB=1" },
		[KEY_MEMORY_POLICY] = { "strict", "preferred", "interleave", "weighted-interleave" },
		[KEY_VOLATILE_CPU_NODES] = { "0,1", "3", "0-7", "1023" },
		[KEY_VOLATILE_MEMORY_NODES] = { "0,1", "3", "0-7", "1023" },
	};

	request_init(r);
	for (int k = 0; k < KEY_COUNT; k++)
		if (random_below(seed, 2))
			request_set(r, request_keys[k], values[k][random_below(seed, 4)], NULL);
	if (random_below(seed, 2))
		request_fallback_cpus(r, (int64_t)random_below(seed, 1000000), 1000);
	if (random_below(seed, 2))
		request_fallback_memory(r, (int64_t)random_below(seed, 1ULL << 40));
	if (random_below(seed, 2))
		request_fallback_hugepages(r, 2U << 20, random_below(seed, 1ULL << 40), NULL);
	for (unsigned int n = (unsigned int)random_below(seed, 2) * 3; r->nfound < n; r->nfound++) {
		struct device_found *f = &r->found[r->nfound];

		snprintf(f->name, sizeof(f->name), "vfio group %u", (unsigned int)random_below(seed, 90));
		f->node = (uint16_t)random_below(seed, NODE_ID_MAX);
	}
	if (random_below(seed, 2))
		random_set(seed, IDSET_MAX, 5, ids_into(&r->pin_cpus));
	if (random_below(seed, 2))
		random_set(seed, 64, 3, ids_into(&r->pin_mems));
}

static inline void random_share(uint64_t *seed, unsigned int cpus, unsigned int nodes, struct share *s)
{
	uint16_t first = (uint16_t)random_below(seed, nodes);

	random_set(seed, cpus, 1 + (unsigned int)random_below(seed, 8), ids_into(&s->cpus));
	if (random_below(seed, 3) == 0)
		s->held = s->cpus;
	s->count = 1 + (unsigned int)random_below(seed, 8);
	s->nmem = (unsigned int)random_below(seed, 4);
	if (s->nmem > nodes)
		s->nmem = nodes;
	s->mem = calloc(s->nmem + 1, sizeof(*s->mem));
	for (unsigned int i = 0; i < s->nmem; i++) {
		struct share_node *m = &s->mem[i];

		m->id = (uint16_t)((first + i) % nodes);
		m->memory = random_below(seed, 1ULL << 36);
		m->seen = random_below(seed, 1ULL << 36);
		for (unsigned int h = 0; h < HUGE_SIZES_MAX; h++) {
			m->huge[h] = random_below(seed, 1000);
			m->huge_seen[h] = random_below(seed, 1000);
		}
	}
}

/* For a machine with @cpus CPU ids and @nodes node ids. The caller frees it with record_free(). */
static inline void random_record(uint64_t *seed, const char *id, unsigned int cpus, unsigned int nodes,
				 struct record *r)
{
	static const char *const runtimes[] = { "runc", "crun", "oci" };

	memset(r, 0, sizeof(*r));
	snprintf(r->id, sizeof(r->id), "%s", id);
	snprintf(r->runtime, sizeof(r->runtime), "%s", runtimes[random_below(seed, 3)]);
	if (asprintf(&r->cgroup, "/machine.slice/a\\x2db@%llx", (unsigned long long)*seed) < 0)
		abort();
	r->cgroup_inode = 1 + random_below(seed, UINT64_MAX);
	r->started = random_below(seed, 1U << 30);
	snprintf(r->applied, sizeof(r->applied), "cpuset");
	random_request(seed, &r->request);
	random_share(seed, cpus, nodes, &r->placement.share);
	random_set(seed, nodes, 2, ids_into(&r->placement.nodes));
	random_set(seed, nodes, 2, ids_into(&r->placement.mems));
	r->placement.policy = (enum memory_policy)random_below(seed, 4);
	r->placement.overcommitted = random_below(seed, 2);
	for (unsigned int n = (unsigned int)random_below(seed, REASONS_MAX + 1); r->reasons.n < n; r->reasons.n++)
		random_text(seed, r->reasons.text[r->reasons.n], random_below(seed, 40));
}

static inline bool same_share(const struct share *a, const struct share *b)
{
	if (!idset_equal(&a->cpus, &b->cpus) || !idset_equal(&a->held, &b->held) || a->count != b->count ||
	    a->nmem != b->nmem)
		return false;
	for (unsigned int i = 0; i < a->nmem; i++) {
		const struct share_node *x = &a->mem[i], *y = &b->mem[i];

		if (x->id != y->id || x->memory != y->memory || x->seen != y->seen ||
		    memcmp(x->huge, y->huge, sizeof(x->huge)) != 0 ||
		    memcmp(x->huge_seen, y->huge_seen, sizeof(x->huge_seen)) != 0)
			return false;
	}
	return true;
}

static inline bool same_devices(const struct request *a, const struct request *b)
{
	if (a->ndevices != b->ndevices || a->devices_mode != b->devices_mode ||
	    a->devices_required != b->devices_required || a->nfound != b->nfound)
		return false;
	for (unsigned int i = 0; i < a->nfound; i++)
		if (a->found[i].node != b->found[i].node || strcmp(a->found[i].name, b->found[i].name) != 0)
			return false;
	for (unsigned int i = 0; i < a->ndevices; i++)
		if (strcmp(a->device[i], b->device[i]) != 0)
			return false;
	return true;
}

static inline bool same_request(const struct request *a, const struct request *b)
{
	return a->given == b->given && a->cpu_count == b->cpu_count && a->cpu_listed == b->cpu_listed &&
	       idset_equal(&a->cpu_list, &b->cpu_list) && a->nodes_mode == b->nodes_mode &&
	       nodeset_equal(&a->nodes, &b->nodes) && a->exclusive == b->exclusive && a->all_nodes == b->all_nodes &&
	       a->cpu_class == b->cpu_class && a->one_thread == b->one_thread && a->irq == b->irq && same_devices(a, b) &&
	       nodeset_equal(&a->mem_nodes, &b->mem_nodes) && a->memory == b->memory &&
	       a->huge_memory == b->huge_memory && a->nhuge == b->nhuge &&
	       memcmp(a->huge, b->huge, sizeof(a->huge[0]) * a->nhuge) == 0 && a->policy == b->policy &&
	       nodeset_equal(&a->last_nodes, &b->last_nodes) && nodeset_equal(&a->last_mems, &b->last_mems) &&
	       idset_equal(&a->pin_cpus, &b->pin_cpus) && nodeset_equal(&a->pin_mems, &b->pin_mems);
}

static inline bool same_record(const struct record *a, const struct record *b)
{
	if (a->reasons.n != b->reasons.n)
		return false;
	for (unsigned int i = 0; i < a->reasons.n; i++)
		if (strcmp(a->reasons.text[i], b->reasons.text[i]) != 0)
			return false;
	return strcmp(a->id, b->id) == 0 && strcmp(a->runtime, b->runtime) == 0 &&
	       strcmp(a->cgroup, b->cgroup) == 0 && a->cgroup_inode == b->cgroup_inode && a->started == b->started &&
	       strcmp(a->applied, b->applied) == 0 && same_request(&a->request, &b->request) &&
	       same_share(&a->placement.share, &b->placement.share) &&
	       nodeset_equal(&a->placement.nodes, &b->placement.nodes) &&
	       nodeset_equal(&a->placement.mems, &b->placement.mems) && a->placement.policy == b->placement.policy &&
	       a->placement.overcommitted == b->placement.overcommitted;
}

#endif
