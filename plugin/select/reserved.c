/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * reserved-memory of numaplace.conf: memory of each node that selection leaves to the host.
 */
#include "plugin/select/select.h"

#include <stdio.h>

uint64_t reserved_memory_of(const struct select_policy *p, unsigned int id)
{
	for (unsigned int i = 0; i < p->nreserved_memory; i++)
		if (id >= p->reserved_memory[i].first && id <= p->reserved_memory[i].last)
			return p->reserved_memory[i].bytes;
	return 0;
}

uint64_t reserved_memory_less(const struct select_policy *p, unsigned int id, uint64_t free)
{
	uint64_t kept = reserved_memory_of(p, id);

	return free > kept ? free - kept : 0;
}

void reserved_memory_text(const struct select_policy *p, const struct nodeset *nodes, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	if (!p->nreserved_memory)
		return;
	nodeset_foreach(id, nodes) {
		uint64_t kept = reserved_memory_of(p, (unsigned int)id);
		char value[32];

		if (!kept || used >= size)
			continue;
		size_human(kept, value, sizeof(value));
		used += (size_t)snprintf(buf + used, size - used, "%s %s of node %d", used ? "," : "; reserved-memory keeps",
					 value, id);
	}
}
