/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A placement of the public API: a copy as text, independent of the context and the ledger that it came from.
 */
#ifndef NUMAPLACE_LIB_PLACEMENT_H
#define NUMAPLACE_LIB_PLACEMENT_H

#include "include/numaplace.h"
#include "plugin/ledger/record.h"

/* What a plan was made of, for numaplace_predict(). */
struct lib_plan {
	struct request request;
	struct placement placement;
};

struct numaplace_placement {
	char *id, *runtime, *cgroup;
	char *nodes, *cpus, *mems, *held;
	char *pinned_cpus, *pinned_mems;
	char applied[32];
	const char *exclusive;   /* as numaplace_placement_exclusive(); NULL: "" */
	enum memory_policy policy;
	bool overcommitted;
	unsigned int count;
	uint64_t inode, decided;
	struct reasons reasons;
	char *value[KEY_COUNT];  /* by key: its value, or the limit of the runtime that was used in its place; NULL: neither */
	unsigned int limits;     /* bits 1 << enum request_key: the value is such a limit */
	unsigned int nmemory;
	struct numaplace_node_memory *memory;
	struct lib_plan *plan;   /* NULL: the placement of a record */
};

/*
 * Copies; NULL if out of memory. The caller frees them with numaplace_placement_free(). That of a plan takes over what
 * @p owns.
 */
struct numaplace_placement *placement_of_plan(const char *id, const struct request *request, struct placement *p,
					      const struct reasons *why);
struct numaplace_placement *placement_of_record(const struct record *r);

/* A list of placements, which belong to it. placements_add() appends that of a record; it is for ledger_each(). */
struct placements {
	size_t n, room;
	struct numaplace_placement **placement;
};
int placements_add(void *list, const struct record *r);
void placements_free(struct placements *list);

/* The list of a set, for the caller to free; NULL if out of memory. */
char *lib_list_text(struct ids s);

#endif
