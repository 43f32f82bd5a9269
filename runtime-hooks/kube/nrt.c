/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An object of the API topology.node.k8s.io/v1alpha2, one zone for each NUMA node.
 *
 * The capacity is what the hardware has, the allocatable amount what containers can get without naming it, and the
 * available amount what placed containers and other processes leave of that.
 */
#include "runtime-hooks/kube/nrt.h"

#include "plugin/base/file.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct amounts {
	uint64_t capacity, allocatable, available;
};

/* --- the name of the node --- */

/* Of the machine that is shown, which may be a recorded one. */
static int read_host_name(int root, char *out, size_t size, struct error *err)
{
	ssize_t n = file_read(root, "proc/sys/kernel/hostname", out, size);

	if (n < 0)
		return error_set(err, -EINVAL, "the name of the host is not known: give --node-name");
	out[strcspn(out, "\n")] = '\0';
	for (char *p = out; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return 0;
}

int nrt_node_name(int root, const char *option, char out[KUBE_NAME_MAX + 1], struct error *err)
{
	const char *given = option ? option : getenv("NODE_NAME");
	const char *from = option ? "--node-name" : given ? "NODE_NAME" : "the name of the host";
	char name[KUBE_NAME_MAX + 2];
	int rc = 0;

	if (given)
		snprintf(name, sizeof(name), "%s", given);
	else
		rc = read_host_name(root, name, sizeof(name), err);
	if (rc < 0)
		return rc;
	if (!kube_is_name(name))
		return error_set(err, -EINVAL, "%s: \"%s\": not the name of a node of Kubernetes (lower-case letters, digits, - and .)",
				 from, quote(name).text);
	memcpy(out, name, strlen(name) + 1);
	return 0;
}

/* --- amounts --- */

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static struct idset set_of(const char *list)
{
	struct idset set = { { 0 } };

	idset_parse_kernel(list, &set, NULL);
	return set;
}

/* In thousandths of a CPU. CPUs that a container holds exclusively are not available, whatever their load is. */
static struct amounts cpus_of(const struct numaplace_snapshot *s, const struct numaplace_node *n)
{
	struct idset usable = set_of(n->usable), held = set_of(n->held);
	struct amounts a = { .capacity = n->ncpus * 1000ULL, .allocatable = (uint64_t)idset_count(&usable) * 1000 };
	char list[IDSET_TEXT_MAX];
	double load;

	idset_andnot(&usable, &held);
	idset_format(&usable, list, sizeof(list));
	load = *list ? numaplace_snapshot_load(s, list) * 1000 : 0;
	a.available = less((uint64_t)idset_count(&usable) * 1000, load > 0 ? (uint64_t)(load + 0.5) : 0);
	return a;
}

/* Containers get memory of another kind, and its hugepages, only if they name the node. */
static bool is_given(const struct numaplace_node *n)
{
	return n->memory_allowed && (!strcmp(n->memory_kind, "ordinary") || !strcmp(n->memory_kind, "none"));
}

/* Hugepages are resources of their own, so they are no part of the allocatable memory. */
static struct amounts memory_of(const struct numaplace_snapshot *s, unsigned int i, const struct numaplace_node *n)
{
	struct amounts a = { .capacity = n->memory };
	const struct numaplace_hugepages *huge;
	uint64_t pools = 0;

	for (unsigned int h = 0; (huge = numaplace_snapshot_hugepages(s, i, h)); h++)
		pools += huge->total * huge->size;
	if (!is_given(n))
		return a;
	a.allocatable = less(less(n->memory, pools), n->memory_kept);
	a.available = least(less(less(n->memory_free, n->memory_kept), n->memory_pending), a.allocatable);
	return a;
}

/* Pages that a new container can get, on all nodes together: see numaplace_snapshot_hugepages(). */
static uint64_t pages_left(const struct numaplace_hugepages *all)
{
	return less(all->free, all->pending > all->reserved ? all->pending : all->reserved);
}

/* In bytes. The kernel knows reserved pages for the whole machine alone, so no node can give more than is left there. */
static struct amounts pages_of(const struct numaplace_snapshot *s, const struct numaplace_node *n,
			       const struct numaplace_hugepages *huge, unsigned int h)
{
	const struct numaplace_hugepages *all = numaplace_snapshot_hugepages(s, NUMAPLACE_ALL_NODES, h);
	struct amounts a = { .capacity = huge->total * huge->size };

	if (!is_given(n))
		return a;
	a.allocatable = a.capacity;
	a.available = least(less(huge->free, huge->pending), pages_left(all)) * huge->size;
	return a;
}

/* --- the object --- */

/* A quantity of Kubernetes: "2", or "1500m" for thousandths. */
static void put_quantity(struct json_writer *o, const char *key, uint64_t value, bool thousandths)
{
	char text[32];

	if (thousandths && value % 1000)
		snprintf(text, sizeof(text), "%" PRIu64 "m", value);
	else
		snprintf(text, sizeof(text), "%" PRIu64, thousandths ? value / 1000 : value);
	json_put_string(o, key, text);
}

static void put_resource(struct json_writer *o, const char *name, struct amounts a, bool thousandths)
{
	json_begin_object(o, NULL);
	json_put_string(o, "name", name);
	put_quantity(o, "capacity", a.capacity, thousandths);
	put_quantity(o, "allocatable", a.allocatable, thousandths);
	put_quantity(o, "available", a.available, thousandths);
	json_end(o);
}

/* "hugepages-2Mi" */
static void pages_name(uint64_t bytes, char *buf, size_t size)
{
	static const char units[] = "KMGTPE";
	unsigned int u = 0;

	bytes /= 1024;
	while (bytes && bytes % 1024 == 0 && units[u + 1]) {
		bytes /= 1024;
		u++;
	}
	snprintf(buf, size, "hugepages-%" PRIu64 "%ci", bytes, units[u]);
}

static void put_zone_name(struct json_writer *o, const struct numaplace_node *n)
{
	char name[24];

	snprintf(name, sizeof(name), "node-%u", n->id);
	json_put_string(o, "name", name);
}

static void put_zone(struct json_writer *o, const struct numaplace_snapshot *s, unsigned int i)
{
	const struct numaplace_node *n = numaplace_snapshot_node(s, i), *to;
	const struct numaplace_hugepages *huge;
	char name[40];

	json_begin_object(o, NULL);
	put_zone_name(o, n);
	json_put_string(o, "type", "Node");
	json_begin_array(o, "costs");
	for (unsigned int k = 0; (to = numaplace_snapshot_node(s, k)); k++) {
		json_begin_object(o, NULL);
		put_zone_name(o, to);
		json_put_uint(o, "value", numaplace_snapshot_distance(s, i, k));
		json_end(o);
	}
	json_end(o);
	json_begin_array(o, "resources");
	put_resource(o, "cpu", cpus_of(s, n), true);
	put_resource(o, "memory", memory_of(s, i, n), false);
	for (unsigned int h = 0; (huge = numaplace_snapshot_hugepages(s, i, h)); h++) {
		pages_name(huge->size, name, sizeof(name));
		put_resource(o, name, pages_of(s, n, huge, h), false);
	}
	json_end(o);
	json_end(o);
}

static void put_attribute(struct json_writer *o, const char *name, const char *value)
{
	json_begin_object(o, NULL);
	json_put_string(o, "name", name);
	json_put_string(o, "value", value);
	json_end(o);
}

void nrt_write(struct json_writer *o, const struct numaplace_snapshot *s, const char *node_name)
{
	json_begin_object(o, NULL);
	json_put_string(o, "apiVersion", NRT_GROUP "/" NRT_VERSION);
	json_put_string(o, "kind", "NodeResourceTopology");
	json_begin_object(o, "metadata");
	json_put_string(o, "name", node_name);
	json_end(o);
	/* The kubelet's managers, which these describe, do nothing on a node of numaplace. */
	json_begin_array(o, "attributes");
	put_attribute(o, "topologyManagerPolicy", "none");
	put_attribute(o, "topologyManagerScope", "container");
	json_end(o);
	json_begin_array(o, "zones");
	for (unsigned int i = 0; numaplace_snapshot_node(s, i); i++)
		put_zone(o, s, i);
	json_end(o);
	json_end(o);
}
