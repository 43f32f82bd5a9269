/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keys of a request: parsing, ranges, and consistency between keys. Errors name the key, the value and the
 * reason.
 */
#include "plugin/select/request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "plugin/base/name.h"
#include "plugin/base/number.h"
#include "plugin/base/util.h"

const char *const request_keys[KEY_COUNT] = {
	[KEY_CPU] = "limits.cpu",
	[KEY_CPU_NODES] = "limits.cpu.nodes",
	[KEY_CPU_EXCLUSIVE] = "limits.cpu.exclusive",
	[KEY_CPU_DEVICE] = "limits.cpu.device",
	[KEY_CPU_CLASS] = "limits.cpu.class",
	[KEY_CPU_THREADS] = "limits.cpu.threads",
	[KEY_CPU_WORK] = "limits.cpu.work",
	[KEY_CPU_IRQ] = "limits.cpu.irq",
	[KEY_MEMORY] = "limits.memory",
	[KEY_MEMORY_NODES] = "limits.memory.nodes",
	[KEY_MEMORY_HUGEPAGES] = "limits.memory.hugepages",
	[KEY_MEMORY_POLICY] = "limits.memory.policy",
	[KEY_VOLATILE_CPU_NODES] = "volatile.cpu.nodes",
	[KEY_VOLATILE_MEMORY_NODES] = "volatile.memory.nodes",
};

void request_init(struct request *r)
{
	memset(r, 0, sizeof(*r));
}

int request_find_key(const char *key)
{
	for (int i = 0; i < KEY_COUNT; i++)
		if (strcmp(key, request_keys[i]) == 0)
			return i;
	return -1;
}

#define A_LIST "a list like 0-3"

/* Parses a list; an error also says what the key takes. */
static int parse_list(const char *value, const char *expected, struct ids_out out, struct error *err)
{
	struct error fault = { 0 };
	int r = ids_parse(value, out, &fault);

	return r < 0 ? error_set(err, r, "%s; %s is expected", fault.text, expected) : 0;
}

static int set_cpu(struct request *r, const char *value, struct error *err)
{
	uint64_t count;
	int ret;

	if (!*value)
		return error_set(err, -EINVAL, "\"\": empty; a number of CPUs or a list is expected");
	if (!value[strspn(value, "0123456789")]) {
		if (!number_parse(value, CPU_COUNT_MAX, &count))
			return error_set(err, -EINVAL, "\"%s\": more than %u CPUs", quote(value).text, CPU_COUNT_MAX);
		if (count == 0)
			return error_set(err, -EINVAL, "\"0\": no CPU at all; leave the key out, or ask for 1 or more");
		r->cpu_count = (unsigned int)count;
		return 0;
	}
	ret = parse_list(value, "a whole number of CPUs or a list like 0-3,8", ids_into(&r->cpu_list), err);
	if (ret < 0)
		return ret;
	if (idset_empty(&r->cpu_list))
		return error_set(err, -EINVAL, "\"%s\": the list leaves no CPU", quote(value).text);
	r->cpu_listed = true;
	r->cpu_count = idset_count(&r->cpu_list);
	return 0;
}

static int parse_nodes(const char *value, const char *expected, struct nodeset *out, struct error *err)
{
	struct nodeset nodes;
	int r;

	r = parse_list(value, expected, ids_into(&nodes), err);
	if (r < 0)
		return r;
	if (nodeset_empty(&nodes))
		return error_set(err, -EINVAL, "\"%s\": the list leaves no node", quote(value).text);
	*out = nodes;
	return 0;
}

static int set_nodes(struct request *r, const char *value, struct error *err)
{
	if (strcmp(value, "balanced") == 0) {
		r->nodes_mode = NODES_BALANCED;
		return 0;
	}
	r->nodes_mode = NODES_LIST;
	if (strcmp(value, "all") != 0 && strncmp(value, "all:", 4) != 0)
		return parse_nodes(value, "balanced, a list like 0-3, or all:LIST", &r->nodes, err);
	r->all_nodes = true;
	if (!value[3] || !value[4] || strcmp(value + 4, "balanced") == 0)
		return error_set(err, -EINVAL, "\"%s\": all of which nodes? A list as in all:0-3 is expected",
				 quote(value).text);
	return parse_nodes(value + 4, A_LIST, &r->nodes, err);
}

static int set_class(struct request *r, const char *value, struct error *err)
{
	for (enum cpu_class i = 0; i <= CLASS_ISOLATED; i++) {
		if (strcmp(value, cpu_class_name(i)) == 0) {
			r->cpu_class = i;
			return 0;
		}
	}
	return error_set(err, -EINVAL, "\"%s\": not any, performance, efficient or isolated", quote(value).text);
}

static int set_threads(struct request *r, const char *value, struct error *err)
{
	r->one_thread = strcmp(value, "one") == 0;
	if (r->one_thread || strcmp(value, "all") == 0)
		return 0;
	return error_set(err, -EINVAL, "\"%s\": not all or one (thread of each core)", quote(value).text);
}

static int set_work(struct request *r, const char *value, struct error *err)
{
	for (enum work_kind i = 0; i < WORK_KINDS; i++) {
		if (strcmp(value, work_kind_name(i)) == 0) {
			r->work = (struct work_hint){ .given = true, .kind = i };
			return 0;
		}
	}
	return error_set(err, -EINVAL, "\"%s\": not compute, latency or bandwidth", quote(value).text);
}

static int set_irq(struct request *r, const char *value, struct error *err)
{
	for (enum irq_mode i = 0; i <= IRQ_NEAR; i++) {
		if (strcmp(value, irq_mode_name(i)) == 0) {
			r->irq = i;
			return 0;
		}
	}
	return error_set(err, -EINVAL, "\"%s\": not none, away or near", quote(value).text);
}

static int add_device(struct request *r, const char *name, struct error *err)
{
	char *device = r->device[r->ndevices];
	int ret = device_name_parse(name, device, err);

	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < r->ndevices; i++)
		if (strcmp(r->device[i], device) == 0)
			return error_set(err, -EINVAL, "\"%s\": named twice", quote(name).text);
	r->ndevices++;
	return 0;
}

/* "eth0,nvme0n1" */
static int add_devices(struct request *r, const char *value, struct error *err)
{
	for (const char *p = value;;) {
		size_t len = strcspn(p, ",");
		char item[DEVICE_NAME_MAX + 32];
		int ret;

		if (r->ndevices == REQUEST_DEVICES_MAX)
			return error_set(err, -EINVAL, "\"%s\": more than %d devices", quote(value).text,
					 REQUEST_DEVICES_MAX);
		/* an item too long for the buffer is too long for a name, too */
		snprintf(item, sizeof(item), "%.*s", (int)(len < sizeof(item) ? len : sizeof(item)), p);
		ret = add_device(r, item, err);
		if (ret < 0 || !p[len])
			return ret;
		p += len + 1;
	}
}

/* "auto", "none" or names; "require:" in front of auto or names. */
static int set_devices(struct request *r, const char *value, struct error *err)
{
	const char *what = value;

	r->devices_required = strncmp(value, REQUEST_REQUIRE, strlen(REQUEST_REQUIRE)) == 0;
	if (r->devices_required)
		what += strlen(REQUEST_REQUIRE);
	r->devices_mode = DEVICES_AUTO;
	if (strcmp(what, "auto") == 0)
		return 0;
	r->devices_mode = DEVICES_NONE;
	if (strcmp(what, "none") == 0)
		return !r->devices_required ? 0 :
					      error_set(err, -EINVAL, "\"%s\": names or auto are expected after " REQUEST_REQUIRE,
							quote(value).text);
	r->devices_mode = DEVICES_NAMED;
	return add_devices(r, what, err);
}

static int set_memory(struct request *r, const char *value, struct error *err)
{
	uint64_t bytes;
	int ret;

	ret = size_parse(value, &bytes, err);
	if (ret < 0)
		return ret;
	if (!bytes)
		return error_set(err, -EINVAL, "\"%s\": no memory at all", quote(value).text);
	r->memory = bytes;
	return 0;
}

static int add_huge(struct request *r, uint64_t size, uint64_t count, struct error *err)
{
	if (!size || (size & (size - 1)))
		return error_set(err, -EINVAL, "a page size of %llu bytes is not a power of two",
				 (unsigned long long)size);
	if (count && size > SIZE_LIMIT / count)
		return error_set(err, -EINVAL, "more than 1EiB of hugepages");
	for (unsigned int i = 0; i < r->nhuge; i++) {
		char text[32];

		if (r->huge[i].size != size)
			continue;
		size_format(size, text, sizeof(text));
		return error_set(err, -EINVAL, "page size %s is given twice", text);
	}
	if (!count)
		return 0;
	if (r->nhuge == HUGE_REQUEST_MAX)
		return error_set(err, -EINVAL, "more than %d page sizes", HUGE_REQUEST_MAX);
	r->huge[r->nhuge++] = (struct huge_request){ size, count };
	return 0;
}

/* "2MiB=64,1GiB=4" */
static int parse_huge_list(struct request *r, const char *value, struct error *err)
{
	char item[64];
	const char *p = value;

	for (;;) {
		size_t len = strcspn(p, ",");
		uint64_t size, count;
		char *eq;
		int ret;

		if (len >= sizeof(item))
			return error_set(err, -EINVAL, "\"%s\": not SIZE=PAGES", quote(p).text);
		memcpy(item, p, len);
		item[len] = '\0';
		eq = strchr(item, '=');
		if (!eq)
			return error_set(err, -EINVAL, "\"%s\": not true, false or SIZE=PAGES,...", quote(value).text);
		*eq++ = '\0';
		ret = size_parse_page(item, &size, err);
		if (ret < 0)
			return ret;
		if (!number_parse(eq, 1ULL << 40, &count))
			return error_set(err, -EINVAL, "\"%s\": not a number of pages", quote(eq).text);
		ret = add_huge(r, size, count, err);
		if (ret < 0)
			return ret;
		if (p[len] == '\0')
			return 0;
		p += len + 1;
	}
}

static int set_exclusive(struct request *r, const char *value, struct error *err)
{
	const bool isolated = strcasecmp(value, "isolated") == 0;
	bool on = isolated;

	if (!isolated && bool_parse(value, &on, NULL) < 0)
		return error_set(err, -EINVAL, "\"%s\": not true, false or isolated", quote(value).text);
	r->exclusive = on;
	r->isolated = isolated;
	return 0;
}

static int set_hugepages(struct request *r, const char *value, struct error *err)
{
	bool on;

	if (bool_parse(value, &on, NULL) == 0) {
		r->huge_memory = on;
		return 0;
	}
	return parse_huge_list(r, value, err);
}

static int set_key(struct request *r, enum request_key key, const char *value, struct error *err)
{
	switch (key) {
	case KEY_CPU:
		return set_cpu(r, value, err);
	case KEY_CPU_NODES:
		return set_nodes(r, value, err);
	case KEY_CPU_EXCLUSIVE:
		return set_exclusive(r, value, err);
	case KEY_CPU_DEVICE:
		return set_devices(r, value, err);
	case KEY_CPU_CLASS:
		return set_class(r, value, err);
	case KEY_CPU_THREADS:
		return set_threads(r, value, err);
	case KEY_CPU_WORK:
		return set_work(r, value, err);
	case KEY_CPU_IRQ:
		return set_irq(r, value, err);
	case KEY_MEMORY:
		return set_memory(r, value, err);
	case KEY_MEMORY_NODES:
		return parse_nodes(value, A_LIST, &r->mem_nodes, err);
	case KEY_MEMORY_HUGEPAGES:
		return set_hugepages(r, value, err);
	case KEY_MEMORY_POLICY:
		return memory_policy_parse(value, &r->policy, err);
	case KEY_VOLATILE_CPU_NODES:
		return parse_nodes(value, A_LIST, &r->last_nodes, err);
	case KEY_VOLATILE_MEMORY_NODES:
		return parse_nodes(value, A_LIST, &r->last_mems, err);
	case KEY_COUNT:
		break;
	}
	return -ENOENT;
}

/* Whether the fields set by one key are equal; most are compared as text. */
static bool same_value(const struct request *a, const struct request *b, enum request_key key)
{
	char ta[1024], tb[1024];

	switch (key) {
	case KEY_CPU:
		return a->cpu_count == b->cpu_count && a->cpu_listed == b->cpu_listed &&
		       idset_equal(&a->cpu_list, &b->cpu_list);
	case KEY_CPU_NODES:
		return a->nodes_mode == b->nodes_mode && a->all_nodes == b->all_nodes &&
		       nodeset_equal(&a->nodes, &b->nodes);
	case KEY_MEMORY_NODES:
		return nodeset_equal(&a->mem_nodes, &b->mem_nodes);
	case KEY_VOLATILE_CPU_NODES:
		return nodeset_equal(&a->last_nodes, &b->last_nodes);
	case KEY_VOLATILE_MEMORY_NODES:
		return nodeset_equal(&a->last_mems, &b->last_mems);
	default:
		return request_format(a, key, ta, sizeof(ta)) && request_format(b, key, tb, sizeof(tb)) &&
		       strcmp(ta, tb) == 0;
	}
}

int request_set(struct request *r, const char *key, const char *value, struct error *err)
{
	int k = request_find_key(key);
	struct request next;
	int ret;

	if (k < 0)
		return error_set(err, -ENOENT, "%s: no such key", quote(key).text);
	next = *r;
	if (r->given >> k & 1) {
		/* parse into an empty request, to compare the two */
		request_init(&next);
	}
	ret = set_key(&next, (enum request_key)k, value, err);
	if (ret < 0)
		return error_prefix(err, ret, "%s", request_keys[k]);
	next.given |= 1U << k;
	if (r->given >> k & 1) {
		if (!same_value(r, &next, (enum request_key)k))
			return error_set(err, -EINVAL, "%s: \"%s\": given twice with different values", request_keys[k],
					 quote(value).text);
		return 0;
	}
	*r = next;
	return 0;
}

void request_fallback_cpus(struct request *r, int64_t quota, uint64_t period)
{
	uint64_t cpus;

	if (r->cpu_count || quota <= 0 || !period)
		return;
	cpus = (uint64_t)quota / period + ((uint64_t)quota % period != 0);
	r->cpu_count = cpus < CPU_COUNT_MAX ? (unsigned int)cpus : CPU_COUNT_MAX;
}

static void parse_pin(const char *text, struct ids_out out)
{
	if (text && *text)
		ids_parse_kernel(text, out, NULL);
}

void request_pin(struct request *r, const char *cpus, const char *mems)
{
	parse_pin(cpus, ids_into(&r->pin_cpus));
	parse_pin(mems, ids_into(&r->pin_mems));
}

void request_follow_pins(struct request *r, const char *cpus, const char *mems)
{
	struct idset pin = { { 0 } };

	parse_pin(cpus, ids_into(&pin));
	if (idset_empty(&pin) || (mems && *mems))
		return;
	r->cpu_list = pin;
	r->cpu_listed = true;
	r->cpu_count = idset_count(&pin);
	r->given |= 1U << KEY_CPU;
}

void request_fallback_memory(struct request *r, int64_t limit)
{
	if (limit <= 0 || (uint64_t)limit > SIZE_LIMIT)
		return;
	if (!r->memory)
		r->memory = (uint64_t)limit;
	else if (!r->huge_memory && (uint64_t)limit < r->memory)
		r->memory_limit = (uint64_t)limit;
}

int request_fallback_hugepages(struct request *r, uint64_t page_size, uint64_t limit_bytes, struct error *err)
{
	if (r->given & 1U << KEY_MEMORY_HUGEPAGES || !page_size || limit_bytes > SIZE_LIMIT)
		return 0;
	return add_huge(r, page_size, limit_bytes / page_size, err);
}

bool request_asks(const struct request *r)
{
	return (r->given & ~(1U << KEY_VOLATILE_CPU_NODES | 1U << KEY_VOLATILE_MEMORY_NODES)) != 0;
}

int request_finish(struct request *r, struct error *err)
{
	if (r->exclusive && !r->cpu_count)
		return error_set(err, -EINVAL, "limits.cpu.exclusive: \"%s\": needs limits.cpu to say how many",
				 r->isolated ? "isolated" : "true");
	if (r->irq == IRQ_AWAY && !r->exclusive)
		return error_set(err, -EINVAL, "limits.cpu.irq: \"away\": needs limits.cpu.exclusive: interrupts are not moved "
				 "away from CPUs that others use");
	if (r->irq == IRQ_NEAR && r->devices_mode == DEVICES_NONE)
		return error_set(err, -EINVAL, "limits.cpu.irq: \"near\": not allowed beside limits.cpu.device = none: no "
				 "device is left whose interrupts could be moved");
	if (r->one_thread && r->cpu_listed)
		return error_set(err, -EINVAL, "limits.cpu.threads: \"one\": needs limits.cpu to be a number of cores");
	if (r->cpu_class != CLASS_ANY && r->cpu_listed)
		return error_set(err, -EINVAL, "limits.cpu.class: \"%s\": not allowed beside a list in limits.cpu",
				 cpu_class_name(r->cpu_class));
	if (r->huge_memory && !r->memory)
		return error_set(err, -EINVAL,
				 "limits.memory.hugepages: \"true\": needs limits.memory to say how much");
	return 0;
}
