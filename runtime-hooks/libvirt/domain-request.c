/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The requests of a domain: what it has as a whole, what each cell of the guest has, and what it needs at its start.
 */
#include "plugin/base/util.h"
#include "runtime-hooks/libvirt/domain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* "2MiB=64" for each size. */
static int set_hugepages(const struct huge_request *huge, unsigned int n, struct request *r, struct error *err)
{
	char text[HUGE_REQUEST_MAX * 48] = "";
	size_t used = 0;

	for (unsigned int i = 0; i < n; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%" PRIu64 "KiB=%" PRIu64, i ? "," : "",
					 huge[i].size / 1024, huge[i].count);
	return request_set(r, "limits.memory.hugepages", text, err);
}

/* @huge: none, or their sizes; a size of 0 is the default size of the host, for all of @bytes. */
static int set_memory(uint64_t bytes, const struct huge_request *huge, unsigned int n, struct request *r,
		      struct error *err)
{
	const bool sized = n && huge[0].size;
	char text[32];
	int rc = 0;

	snprintf(text, sizeof(text), "%" PRIu64, bytes);
	if (!sized) /* also for hugepages of the default size */
		rc = request_set(r, "limits.memory", text, err);
	if (rc < 0 || !n)
		return rc;
	return sized ? set_hugepages(huge, n, r, err) : request_set(r, "limits.memory.hugepages", "true", err);
}

static int set_cpus(unsigned int n, struct request *r, struct error *err)
{
	char text[32];

	snprintf(text, sizeof(text), "%u", n);
	return request_set(r, "limits.cpu", text, err);
}

static int set_policy(const struct domain *d, struct request *r, struct error *err)
{
	return d->policy == POLICY_STRICT ? 0 :
					    request_set(r, "limits.memory.policy", memory_policy_name(d->policy), err);
}

static int finish(const struct domain *d, struct request *r, struct error *err)
{
	int rc = set_policy(d, r, err);

	if (rc < 0)
		return rc;
	if (d->asked.given)
		request_change(r, &d->asked);
	return request_finish(r, err);
}

int domain_request(const struct domain *d, struct request *out, struct error *err)
{
	int rc;

	request_init(out);
	rc = set_cpus(d->vcpus, out, err);
	if (rc == 0)
		rc = set_memory(d->memory, d->huge, d->nhuge, out, err);
	return rc < 0 ? rc : finish(d, out, err);
}

int domain_cell_request(const struct domain *d, unsigned int cell, struct request *out, struct error *err)
{
	const struct domain_cell *c = &d->cell[cell];
	struct idset online = c->vcpus;
	struct huge_request huge = { .size = c->page };
	int rc = 0;

	if (c->page)
		huge.count = (c->bytes + c->page - 1) / c->page;
	idset_and(&online, &d->online);
	request_init(out);
	if (!idset_empty(&online))
		rc = set_cpus(idset_count(&online), out, err);
	if (rc == 0)
		rc = set_memory(c->bytes, &huge, c->huge, out, err);
	return rc < 0 ? rc : finish(d, out, err);
}

/* Whether each virtual CPU is pinned to a CPU of its own. */
static bool one_to_one(const struct domain *d)
{
	for (unsigned int i = 0; i < d->npins; i++)
		if (d->pin[i].cpu == DOMAIN_PIN_SEVERAL)
			return false;
	return d->npins == d->vcpus && idset_count(&d->pinned) == d->npins;
}

/* A number alone would be a count. */
static void format_list(const struct idset *cpus, char *buf, size_t size)
{
	if (idset_count(cpus) == 1)
		snprintf(buf, size, "%d-%d", idset_next(cpus, 0), idset_next(cpus, 0));
	else
		idset_format(cpus, buf, size);
}

int domain_start_request(const struct domain *d, struct request *out, struct error *err)
{
	cleanup_free char *cpus = malloc(IDSET_TEXT_MAX), *mems = malloc(NODESET_TEXT_MAX);
	int rc;

	if (!cpus || !mems)
		return error_errno(err, -ENOMEM, "domain");
	if (!d->planned || domain_asks(d) || !one_to_one(d) || nodeset_empty(&d->mems))
		return error_set(err, -ENOENT, "it has no pins of numaplace");
	format_list(&d->pinned, cpus, IDSET_TEXT_MAX);
	nodeset_format(&d->mems, mems, NODESET_TEXT_MAX);
	request_init(out);
	rc = request_set(out, "limits.cpu", cpus, err);
	if (rc == 0)
		rc = request_set(out, "limits.memory.nodes", mems, err);
	if (rc == 0 && d->asked.exclusive)
		rc = request_set(out, "limits.cpu.exclusive", "true", err);
	if (rc == 0)
		rc = set_memory(d->memory, d->huge, d->nhuge, out, err);
	if (rc == 0)
		rc = set_policy(d, out, err);
	return rc < 0 ? rc : request_finish(out, err);
}
