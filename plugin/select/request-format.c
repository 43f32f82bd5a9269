/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The values of a request as text, as request_set() reads them.
 */
#include "plugin/select/request.h"

#include "plugin/base/size.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static size_t format_huge(const struct request *r, char *buf, size_t size)
{
	size_t used = 0;

	if (!r->nhuge)
		return (size_t)snprintf(buf, size, "%s", r->huge_memory ? "true" : "false");
	for (unsigned int i = 0; i < r->nhuge && used < size; i++) {
		char page[32];

		size_format(r->huge[i].size, page, sizeof(page));
		used += (size_t)snprintf(buf + used, size - used, "%s%s=%llu", i ? "," : "", page,
					 (unsigned long long)r->huge[i].count);
	}
	return used;
}

static void format_devices(const struct request *r, char *buf, size_t size)
{
	static const char *const words[] = { [DEVICES_AUTO] = "auto", [DEVICES_NONE] = "none", [DEVICES_NAMED] = "" };
	size_t used = (size_t)snprintf(buf, size, "%s%s", r->devices_required ? REQUEST_REQUIRE : "", words[r->devices_mode]);

	for (unsigned int i = 0; i < r->ndevices && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? "," : "", r->device[i]);
}

bool request_format(const struct request *r, enum request_key key, char *buf, size_t size)
{
	if (!(r->given >> key & 1))
		return false;
	switch (key) {
	case KEY_CPU:
		if (r->cpu_listed) {
			size_t n = idset_format(&r->cpu_list, buf, size);

			/* a single CPU would be parsed as a count: write "3-3" */
			if (!strpbrk(buf, ",-") && n * 2 + 2 <= size) {
				buf[n] = '-';
				memcpy(buf + n + 1, buf, n);
				buf[2 * n + 1] = '\0';
			}
		} else {
			snprintf(buf, size, "%u", r->cpu_count);
		}
		break;
	case KEY_CPU_NODES:
		if (r->nodes_mode == NODES_LIST && r->all_nodes && size > 4)
			nodeset_format(&r->nodes, stpcpy(buf, "all:"), size - 4);
		else if (r->nodes_mode == NODES_LIST)
			nodeset_format(&r->nodes, buf, size);
		else
			snprintf(buf, size, "balanced");
		break;
	case KEY_CPU_EXCLUSIVE:
		snprintf(buf, size, "%s", r->isolated ? "isolated" : r->exclusive ? "true" : "false");
		break;
	case KEY_CPU_DEVICE:
		format_devices(r, buf, size);
		break;
	case KEY_CPU_CLASS:
		snprintf(buf, size, "%s", cpu_class_name(r->cpu_class));
		break;
	case KEY_CPU_THREADS:
		snprintf(buf, size, "%s", r->one_thread ? "one" : "all");
		break;
	case KEY_CPU_WORK:
		snprintf(buf, size, "%s", work_kind_name(r->work.kind));
		break;
	case KEY_CPU_IRQ:
		snprintf(buf, size, "%s", irq_mode_name(r->irq));
		break;
	case KEY_MEMORY:
		size_format(r->memory, buf, size);
		break;
	case KEY_MEMORY_NODES:
		nodeset_format(&r->mem_nodes, buf, size);
		break;
	case KEY_MEMORY_HUGEPAGES:
		format_huge(r, buf, size);
		break;
	case KEY_MEMORY_POLICY:
		snprintf(buf, size, "%s", memory_policy_name(r->policy));
		break;
	case KEY_VOLATILE_CPU_NODES:
		nodeset_format_comma(&r->last_nodes, buf, size);
		break;
	case KEY_VOLATILE_MEMORY_NODES:
		nodeset_format_comma(&r->last_mems, buf, size);
		break;
	case KEY_COUNT:
		return false;
	}
	return true;
}
