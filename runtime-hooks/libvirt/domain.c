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
	struct domain_cell cell;    /* that is open */
	unsigned int iothreads;     /* <iothreads> */
	unsigned int vcpu;          /* of the <vcpu> of <vcpus>, or of the <vcpupin>, that is open */
	bool named_online;          /* <vcpus> names those that are online */
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

/* The number of a virtual CPU, smaller than DOMAIN_VCPUS_MAX. */
static int set_vcpu(void *arg, const char *value, struct error *err)
{
	uint64_t n;

	if (!number_parse(value, DOMAIN_VCPUS_MAX - 1, &n))
		return error_set(err, -EINVAL, "\"%s\": not the number of a virtual CPU", quote(value).text);
	((struct parse *)arg)->vcpu = (unsigned int)n;
	return 0;
}

static int set_enabled(void *arg, const char *value, struct error *err)
{
	struct parse *p = arg;

	(void)err;
	p->named_online = true;
	if (strcmp(value, "yes") == 0)
		idset_add(&p->d->online, p->vcpu);
	return 0;
}

static int add_pin(void *arg, const char *value, struct error *err)
{
	struct parse *p = arg;
	struct domain *d = p->d;
	struct idset cpus = { { 0 } };
	int rc = idset_parse(value, &cpus, err);

	if (rc < 0)
		return rc;
	if (d->npins == DOMAIN_VCPUS_MAX)
		return error_set(err, -EINVAL, "more than %d", DOMAIN_VCPUS_MAX);
	idset_or(&d->pinned, &cpus);
	d->pin[d->npins++] = (struct domain_pin){ (uint16_t)p->vcpu, idset_count(&cpus) == 1 ?
						  (uint16_t)idset_next(&cpus, 0) : DOMAIN_PIN_SEVERAL };
	return 0;
}

static int set_threads(void *arg, const char *value, struct error *err)
{
	return count_of(value, &((struct parse *)arg)->d->threads, err);
}

static int set_iothreads(void *arg, const char *value, struct error *err)
{
	return count_of(value, &((struct parse *)arg)->iothreads, err);
}

static int add_iothread(void *arg, const char *value, struct error *err)
{
	uint64_t n;

	if (!number_parse(value, IDSET_MAX - 1, &n))
		return error_set(err, -EINVAL, "\"%s\": not the number of an I/O thread", quote(value).text);
	idset_add(&((struct parse *)arg)->d->iothreads, (unsigned int)n);
	return 0;
}

static int set_dimms(void *arg, const char *value, struct error *err)
{
	(void)value, (void)err;
	((struct parse *)arg)->d->dimms = true;
	return 0;
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
		p->d->restrictive = true;
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

	p->next.named = p->d->pages_of_cells = true;
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
	return count_of(value, &((struct parse *)arg)->cell.id, err);
}

static int set_cell_memory(void *arg, const char *value, struct error *err)
{
	struct parse *p = arg;

	return size_of(p, value, &p->cell.bytes, err);
}

static int set_cell_vcpus(void *arg, const char *value, struct error *err)
{
	return idset_parse(value, &((struct parse *)arg)->cell.vcpus, err);
}

/* Its text: the element ends. */
static int add_cell(void *arg, const char *value, struct error *err)
{
	struct parse *p = arg;
	struct domain *d = p->d;

	(void)value, (void)err;
	if (d->ncells < DOMAIN_CELLS_MAX)
		d->cell[d->ncells++] = p->cell;
	p->cell = (struct domain_cell){ .id = d->ncells };
	return 0;
}

/* --- what numaplace has written --- */

/* "KEY=VALUE KEY=VALUE" */
static int set_asked(void *arg, const char *value, struct error *err)
{
	struct domain *d = ((struct parse *)arg)->d;
	char text[XML_VALUE_MAX], *save = NULL;

	d->planned = true;
	snprintf(text, sizeof(text), "%s", value);
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		char *equals = strchr(word, '=');
		int rc;

		if (!equals)
			return error_set(err, -EINVAL, "\"%s\": not of the form KEY=VALUE", quote(word).text);
		*equals = '\0';
		rc = request_set(&d->asked, word, equals + 1, err);
		if (rc < 0)
			return rc == -ENOENT ? err->status = -EINVAL : rc;
	}
	return 0;
}

static int set_made_cells(void *arg, const char *value, struct error *err)
{
	(void)err;
	((struct parse *)arg)->d->made_cells = strcmp(value, "made") == 0;
	return 0;
}

static int set_pin_cpus(void *arg, const char *value, struct error *err)
{
	return idset_parse(value, &((struct parse *)arg)->d->pin_cpus, err);
}

static int set_pin_mems(void *arg, const char *value, struct error *err)
{
	return nodeset_parse(value, &((struct parse *)arg)->d->pin_mems, err);
}

/* --- the whole --- */

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
	for (unsigned int i = 0; i < d->ncells; i++) {
		const struct page *page = page_of(p, d->cell[i].id);

		d->cell[i].huge = page || (p->huge && !p->npages);
		d->cell[i].page = page ? page->size : 0;
		if (page && page->size && rc == 0)
			rc = add_huge(d, page->size, d->cell[i].bytes, err);
	}
	if (p->npages && !d->ncells)
		return p->page[0].size ? add_huge(d, p->page[0].size, d->memory, err) : 0;
	return rc;
}

static int check(struct parse *p, struct error *err)
{
	struct domain *d = p->d;

	if (!*d->name || !*d->uuid)
		return error_set(err, -EINVAL, "it has no name or no uuid");
	d->vcpus_max = d->vcpus;
	if (p->current && p->current < d->vcpus)
		d->vcpus = p->current;
	if (!p->named_online && d->vcpus)
		idset_add_range(&d->online, 0, d->vcpus < DOMAIN_VCPUS_MAX ? d->vcpus - 1 : DOMAIN_VCPUS_MAX - 1);
	if (p->iothreads && idset_empty(&d->iothreads))
		idset_add_range(&d->iothreads, 1, p->iothreads < IDSET_MAX ? p->iothreads : IDSET_MAX - 1);
	if (!d->threads)
		d->threads = 1;
	return count_huge(p, err);
}

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
	{ "domain/cpu/topology@threads", set_threads },
	{ "domain/cpu/numa/cell@id", set_cell_id },
	{ "domain/cpu/numa/cell@cpus", set_cell_vcpus },
	{ "domain/cpu/numa/cell@unit", set_unit },
	{ "domain/cpu/numa/cell@memory", set_cell_memory },
	{ "domain/cpu/numa/cell", add_cell },
	{ "domain/vcpus/vcpu@id", set_vcpu },
	{ "domain/vcpus/vcpu@enabled", set_enabled },
	{ "domain/cputune/vcpupin@vcpu", set_vcpu },
	{ "domain/cputune/vcpupin@cpuset", add_pin },
	{ "domain/iothreads", set_iothreads },
	{ "domain/iothreadids/iothread@id", add_iothread },
	{ "domain/devices/memory", set_dimms },
	{ "domain/metadata/" DOMAIN_PLACE "@keys", set_asked },
	{ "domain/metadata/" DOMAIN_PLACE "@cells", set_made_cells },
	{ "domain/metadata/" DOMAIN_PLACE "@cpus", set_pin_cpus },
	{ "domain/metadata/" DOMAIN_PLACE "@nodes", set_pin_mems },
};

int domain_parse(const char *text, size_t len, struct domain *out, struct error *err)
{
	cleanup_free struct domain *d = calloc(1, sizeof(*d));
	cleanup_free struct parse *p = calloc(1, sizeof(*p));
	int rc;

	if (!p || !d)
		return error_errno(err, -ENOMEM, "domain");
	d->policy = POLICY_STRICT;
	request_init(&d->asked);
	p->d = d;
	rc = xml_parse(text, len, rules, ARRAY_SIZE(rules), p, err);
	if (rc == 0)
		rc = check(p, err);
	if (rc < 0)
		return error_prefix(err, rc, "domain XML");
	*out = *d;
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
