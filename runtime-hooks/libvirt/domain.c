/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt writes the XML, but its values are those of the user who defined the domain.
 */
#include "runtime-hooks/libvirt/domain.h"

#include "plugin/base/name.h"
#include "plugin/base/number.h"
#include "plugin/base/util.h"
#include "runtime-hooks/libvirt/xml.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define MEMORY_MAX (1ULL << 53)
#define PAGES_MAX  (2 * HUGE_REQUEST_MAX)

struct page {
	uint64_t size;        /* bytes; 0: the default size of the host */
	bool named;           /* for @cells alone */
	struct idset cells;
};

struct parse {
	struct domain *d;
	char unit[8];         /* of the element that is open */
	unsigned int current; /* <vcpu current>; 0: not given */
	struct page page[PAGES_MAX], next;
	unsigned int npages;
	bool huge;            /* <hugepages/> */
	unsigned int ncells;
	unsigned int cell_id;
	struct {
		unsigned int id;
		uint64_t bytes;
	} cell[DOMAIN_CELLS_MAX];
	char memory[32];      /* <cell memory>, until its unit is known */
};

static int set_name(void *arg, const char *value, struct error *err)
{
	struct parse *p = arg;

	if (strlen(value) > DOMAIN_NAME_MAX)
		return error_set(err, -EINVAL, "longer than %d bytes", DOMAIN_NAME_MAX);
	snprintf(p->d->name, sizeof(p->d->name), "%s", value);
	return 0;
}

/* 8-4-4-4-12 digits: domain_id() may return it, and an id begins with no dash. */
static bool is_uuid(const char *text)
{
	static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (strlen(text) != sizeof(shape) - 1)
		return false;
	for (size_t i = 0; shape[i]; i++)
		if (shape[i] == '-' ? text[i] != '-' : !strchr("0123456789abcdef", text[i]))
			return false;
	return true;
}

static int set_uuid(void *arg, const char *value, struct error *err)
{
	struct parse *p = arg;

	if (!is_uuid(value))
		return error_set(err, -EINVAL, "\"%s\": not a UUID", quote(value).text);
	snprintf(p->d->uuid, sizeof(p->d->uuid), "%s", value);
	return 0;
}

static int set_unit(void *arg, const char *value, struct error *err)
{
	struct parse *p = arg;

	if (strlen(value) >= sizeof(p->unit))
		return error_set(err, -EINVAL, "\"%s\": not a unit", quote(value).text);
	snprintf(p->unit, sizeof(p->unit), "%s", value);
	return 0;
}

/* A number in the unit that was read before it; KiB without one. */
static int size_of(struct parse *p, const char *value, uint64_t *out, struct error *err)
{
	static const struct {
		const char *name;
		uint64_t bytes;
	} units[] = { { "", 1024 }, { "KiB", 1024 }, { "k", 1024 }, { "b", 1 }, { "bytes", 1 }, { "KB", 1000 },
		      { "M", 1 << 20 }, { "MiB", 1 << 20 }, { "MB", 1000000 }, { "G", 1 << 30 }, { "GiB", 1 << 30 },
		      { "GB", 1000000000 }, { "T", 1ULL << 40 }, { "TiB", 1ULL << 40 }, { "TB", 1000000000000 } };
	uint64_t n;

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(units[i].name, p->unit) != 0)
			continue;
		p->unit[0] = '\0';
		if (!number_parse(value, MEMORY_MAX / units[i].bytes, &n))
			break;
		*out = n * units[i].bytes;
		return 0;
	}
	return error_set(err, -EINVAL, "\"%s\": not a size", quote(value).text);
}

static int set_memory(void *arg, const char *value, struct error *err)
{
	struct parse *p = arg;

	return size_of(p, value, &p->d->memory, err);
}

static int count_of(const char *value, unsigned int *out, struct error *err)
{
	uint64_t n;

	if (!number_parse(value, CPU_COUNT_MAX, &n))
		return error_set(err, -EINVAL, "\"%s\": not a number of CPUs", quote(value).text);
	*out = (unsigned int)n;
	return 0;
}

static int set_vcpus(void *arg, const char *value, struct error *err)
{
	return count_of(value, &((struct parse *)arg)->d->vcpus, err);
}

static int set_current(void *arg, const char *value, struct error *err)
{
	return count_of(value, &((struct parse *)arg)->current, err);
}

static int set_auto_cpus(void *arg, const char *value, struct error *err)
{
	(void)err;
	((struct parse *)arg)->d->auto_cpus = strcmp(value, "auto") == 0;
	return 0;
}

static int set_auto_mems(void *arg, const char *value, struct error *err)
{
	(void)err;
	((struct parse *)arg)->d->auto_mems = strcmp(value, "auto") == 0;
	return 0;
}

static int set_cpus(void *arg, const char *value, struct error *err)
{
	return idset_parse(value, &((struct parse *)arg)->d->cpus, err);
}

static int add_mems(void *arg, const char *value, struct error *err)
{
	struct parse *p = arg;
	struct nodeset more = { { 0 } };
	int rc = nodeset_parse(value, &more, err);

	nodeset_or(&p->d->mems, &more);
	return rc;
}

/* restrictive: a cpuset of strict nodes, without a policy of the kernel. */
static int set_mode(void *arg, const char *value, struct error *err)
{
	struct parse *p = arg;

	if (strcmp(value, "restrictive") == 0)
		p->d->policy = POLICY_STRICT;
	else
		return memory_policy_parse(value, &p->d->policy, err);
	return 0;
}

static int set_page_size(void *arg, const char *value, struct error *err)
{
	struct parse *p = arg;

	return size_of(p, value, &p->next.size, err);
}

static int set_page_cells(void *arg, const char *value, struct error *err)
{
	struct parse *p = arg;

	p->next.named = true;
	return idset_parse(value, &p->next.cells, err);
}

static int add_page(void *arg, const char *value, struct error *err)
{
	struct parse *p = arg;

	(void)value;
	if (p->npages == PAGES_MAX)
		return error_set(err, -EINVAL, "more than %d", PAGES_MAX);
	p->page[p->npages++] = p->next;
	p->next = (struct page){ 0 };
	return 0;
}

static int set_huge(void *arg, const char *value, struct error *err)
{
	(void)value, (void)err;
	((struct parse *)arg)->huge = true;
	return 0;
}

static int set_cell_id(void *arg, const char *value, struct error *err)
{
	return count_of(value, &((struct parse *)arg)->cell_id, err);
}

static int set_cell_memory(void *arg, const char *value, struct error *err)
{
	struct parse *p = arg;
	uint64_t bytes;
	int rc = size_of(p, value, &bytes, err);

	if (rc < 0 || p->ncells == DOMAIN_CELLS_MAX)
		return rc;
	p->cell[p->ncells].id = p->cell_id;
	p->cell[p->ncells++].bytes = bytes;
	return 0;
}

static int add_huge(struct domain *d, uint64_t size, uint64_t bytes, struct error *err)
{
	const uint64_t count = (bytes + size - 1) / size;

	for (unsigned int i = 0; i < d->nhuge; i++)
		if (d->huge[i].size == size) {
			d->huge[i].count += count;
			return 0;
		}
	if (d->nhuge == HUGE_REQUEST_MAX)
		return error_set(err, -EINVAL, "hugepages: more than %d sizes", HUGE_REQUEST_MAX);
	d->huge[d->nhuge++] = (struct huge_request){ .size = size, .count = count };
	return 0;
}

/* The pages of a cell: those that name it, else those for all. */
static const struct page *page_of(const struct parse *p, unsigned int cell)
{
	const struct page *all = NULL;

	for (unsigned int i = 0; i < p->npages; i++) {
		if (p->page[i].named && idset_has(&p->page[i].cells, cell))
			return &p->page[i];
		if (!p->page[i].named && !all)
			all = &p->page[i];
	}
	return all;
}

/* Without a size, the pages are of the host's default size: limits.memory.hugepages = true. */
static int count_huge(struct parse *p, struct error *err)
{
	struct domain *d = p->d;
	int rc = 0;

	if (!p->npages && p->huge)
		d->nhuge = 1;
	if (p->npages && !p->ncells)
		return p->page[0].size ? add_huge(d, p->page[0].size, d->memory, err) : 0;
	for (unsigned int i = 0; p->npages && rc == 0 && i < p->ncells; i++) {
		const struct page *page = page_of(p, p->cell[i].id);

		if (page && page->size)
			rc = add_huge(d, page->size, p->cell[i].bytes, err);
	}
	return rc;
}

static int check(struct parse *p, struct error *err)
{
	struct domain *d = p->d;

	if (!*d->name || !*d->uuid)
		return error_set(err, -EINVAL, "it has no name or no uuid");
	if (p->current && p->current < d->vcpus)
		d->vcpus = p->current;
	return count_huge(p, err);
}

int domain_parse(const char *text, size_t len, struct domain *out, struct error *err)
{
	/* A unit is read before the number that it belongs to, an id before the memory of its cell. */
	static const struct xml_rule rules[] = {
		{ "domain/name", set_name },
		{ "domain/uuid", set_uuid },
		{ "domain/memory@unit", set_unit },
		{ "domain/memory", set_memory },
		{ "domain/vcpu@placement", set_auto_cpus },
		{ "domain/vcpu@cpuset", set_cpus },
		{ "domain/vcpu@current", set_current },
		{ "domain/vcpu", set_vcpus },
		{ "domain/numatune/memory@mode", set_mode },
		{ "domain/numatune/memory@placement", set_auto_mems },
		{ "domain/numatune/memory@nodeset", add_mems },
		{ "domain/numatune/memnode@nodeset", add_mems },
		{ "domain/memoryBacking/hugepages/page@unit", set_unit },
		{ "domain/memoryBacking/hugepages/page@size", set_page_size },
		{ "domain/memoryBacking/hugepages/page@nodeset", set_page_cells },
		{ "domain/memoryBacking/hugepages/page", add_page },
		{ "domain/memoryBacking/hugepages", set_huge },
		{ "domain/cpu/numa/cell@id", set_cell_id },
		{ "domain/cpu/numa/cell@unit", set_unit },
		{ "domain/cpu/numa/cell@memory", set_cell_memory },
	};
	struct domain d = { .policy = POLICY_STRICT };
	cleanup_free struct parse *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return error_errno(err, -ENOMEM, "domain");
	p->d = &d;
	rc = xml_parse(text, len, rules, ARRAY_SIZE(rules), p, err);
	if (rc == 0)
		rc = check(p, err);
	if (rc < 0)
		return error_prefix(err, rc, "domain XML");
	*out = d;
	return 0;
}

const char *domain_id(const struct domain *d)
{
	return strlen(d->name) <= DOMAIN_ID_MAX && name_check_id(d->name, NULL) == 0 ? d->name : d->uuid;
}

bool domain_asks(const struct domain *d)
{
	return d->auto_cpus || d->auto_mems;
}

/* "2MiB=64" for each size. */
static int set_hugepages(const struct domain *d, struct request *r, struct error *err)
{
	char text[HUGE_REQUEST_MAX * 48] = "";
	size_t used = 0;

	for (unsigned int i = 0; i < d->nhuge; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%" PRIu64 "KiB=%" PRIu64, i ? "," : "",
					 d->huge[i].size / 1024, d->huge[i].count);
	return request_set(r, "limits.memory.hugepages", text, err);
}

int domain_request(const struct domain *d, struct request *out, struct error *err)
{
	const bool huge = d->nhuge && d->huge[0].size;
	char text[32];
	int rc;

	request_init(out);
	snprintf(text, sizeof(text), "%u", d->vcpus);
	rc = request_set(out, "limits.cpu", text, err);
	snprintf(text, sizeof(text), "%" PRIu64, d->memory);
	if (rc == 0 && !huge) /* also for hugepages of the default size */
		rc = request_set(out, "limits.memory", text, err);
	if (rc == 0 && d->nhuge)
		rc = huge ? set_hugepages(d, out, err) : request_set(out, "limits.memory.hugepages", "true", err);
	if (rc == 0 && d->policy != POLICY_STRICT)
		rc = request_set(out, "limits.memory.policy", memory_policy_name(d->policy), err);
	return rc < 0 ? rc : request_finish(out, err);
}
