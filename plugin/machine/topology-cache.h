/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Saves the machine to a file, so that a hook need not read thousands of files.
 *
 * topology_load() returns what topology_read() would return at that moment. A file of another boot, of other online
 * nodes or CPUs, or of another struct layout, or a damaged or truncated file, counts as missing. Memory, hugepages
 * and the kernel's watermark are never taken from the file. What it holds (distances, caches, cores, page sizes,
 * bandwidth of memory) the kernel fixes when a node or CPU is added. Interleave weights can change and are left out
 * (0). CPUs that a partition isolates later are missing from every other cgroup's effective set, so they are never
 * chosen. The file is in the ledger's folder and is trusted like the ledger: only root can write there.
 */
#ifndef NUMAPLACE_TOPOLOGY_CACHE_H
#define NUMAPLACE_TOPOLOGY_CACHE_H

#include "plugin/machine/topology.h"

/* Identifies the machine that a file was saved for. */
struct topology_key {
	char boot_id[40];
	uint64_t device, inode;   /* of the folder of nodes: distinguishes sysroots */
	/* Online, as the kernel reports. */
	struct nodeset nodes;
	struct idset cpus;
};

/* Reads the key of the machine below @root. False if the kernel lacks a part of it; do not save then. */
bool topology_key_read(int root, struct topology_key *out);

/*
 * Loads the machine saved in @dir for this key, with memory and hugepages 0; the caller frees *@out with
 * topology_free(). Returns 0, -ENOENT (no usable file), or -ENOMEM.
 */
int topology_load(int dir, const struct topology_key *key, struct topology **out);

/*
 * Saves @t. The caller read @key before @t, and read it again afterwards and found it unchanged. Writes a temporary
 * file and renames it. Best effort: on failure, the next hook reads the machine itself. Needs no lock: two writers at
 * once share the temporary file's name, so that one may rename the file of the other before it is complete; its size
 * and checksum are then wrong until the other has written all of it, and topology_load() does not use it.
 */
void topology_keep(int dir, const struct topology_key *key, const struct topology *t);

#endif
