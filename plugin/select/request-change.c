/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A request that replaces some keys of another one.
 */
#include "plugin/select/request.h"

#include <string.h>

static void change_key(struct request *r, enum request_key key, const struct request *changes)
{
	switch (key) {
	case KEY_CPU:
		r->cpu_count = changes->cpu_count;
		r->cpu_listed = changes->cpu_listed;
		r->cpu_list = changes->cpu_list;
		break;
	case KEY_CPU_NODES:
		r->nodes_mode = changes->nodes_mode;
		r->nodes = changes->nodes;
		r->all_nodes = changes->all_nodes;
		break;
	case KEY_CPU_EXCLUSIVE:
		r->exclusive = changes->exclusive;
		r->isolated = changes->isolated;
		break;
	case KEY_CPU_DEVICE:
		r->devices_mode = changes->devices_mode;
		r->devices_required = changes->devices_required;
		r->ndevices = changes->ndevices;
		memcpy(r->device, changes->device, sizeof(r->device));
		break;
	case KEY_CPU_CLASS:
		r->cpu_class = changes->cpu_class;
		break;
	case KEY_CPU_THREADS:
		r->one_thread = changes->one_thread;
		break;
	case KEY_CPU_WORK:
		r->work = changes->work;
		break;
	case KEY_CPU_IRQ:
		r->irq = changes->irq;
		break;
	case KEY_MEMORY:
		r->memory = changes->memory;
		break;
	case KEY_MEMORY_NODES:
		r->mem_nodes = changes->mem_nodes;
		break;
	case KEY_MEMORY_HUGEPAGES:
		r->huge_memory = changes->huge_memory;
		r->nhuge = changes->nhuge;
		memcpy(r->huge, changes->huge, sizeof(r->huge));
		break;
	case KEY_MEMORY_POLICY:
		r->policy = changes->policy;
		break;
	case KEY_VOLATILE_CPU_NODES:
		r->last_nodes = changes->last_nodes;
		break;
	case KEY_VOLATILE_MEMORY_NODES:
		r->last_mems = changes->last_mems;
		break;
	case KEY_COUNT:
		break;
	}
	r->given |= 1U << key;
}

void request_change(struct request *r, const struct request *changes)
{
	for (unsigned int k = 0; k < KEY_COUNT; k++)
		if (changes->given >> k & 1)
			change_key(r, (enum request_key)k, changes);
}
