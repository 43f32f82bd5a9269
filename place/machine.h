/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The machine of a transaction: its topology, from the cache in the state folder or from the kernel.
 */
#ifndef NUMAPLACE_PLACE_MACHINE_H
#define NUMAPLACE_PLACE_MACHINE_H

#include "place/state.h"
#include "plugin/machine/topology-cache.h"

/* The machine's topology, with the key under which it is cached. */
struct machine {
	struct topology *topology;
	bool keyed, fresh;       /* key is valid; the topology was read from the kernel, not from the cache */
	struct topology_key key;
};

/*
 * Reads the topology: from the cache in the state folder if that matches this boot and the online nodes and CPUs (never
 * for a recorded machine, whose files may have been edited), else from the kernel. From the cache, memory is 0 unless
 * @memory, and hugepages unless @huge. Close it with machine_close(), also after a failure.
 */
int machine_read(struct machine *m, const struct place_env *env, bool memory, bool huge, struct error *err);

void machine_close(struct machine *m);
#define cleanup_machine __attribute__((cleanup(machine_close)))

/* Writes a topology that was read from the kernel to the cache. Call it without the ledger's lock: it needs none. */
void machine_keep(const struct machine *m, const struct place_env *env);

static inline const char *machine_boot_id(const struct machine *m)
{
	return m->keyed ? m->key.boot_id : NULL;
}

#endif
