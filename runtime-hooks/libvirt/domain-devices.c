/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's devices in the XML of a domain. A PCI address is four attributes, which become one name.
 */
#include "plugin/base/number.h"
#include "plugin/base/util.h"
#include "runtime-hooks/libvirt/domain.h"
#include "runtime-hooks/libvirt/xml.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum part { PCI_DOMAIN, PCI_BUS, PCI_SLOT, PCI_FUNCTION, PCI_PARTS };

struct found {
	struct device_refs *refs;
	unsigned int have; /* bits 1 << enum part of the address that is open */
	unsigned long part[PCI_PARTS];
};

/* "0x0000", or decimal; anything else is no address, and libvirt will say so. */
static int set_part(struct found *f, enum part part, const char *value)
{
	char *end;

	errno = 0;
	f->part[part] = strtoul(value, &end, 0);
	if (!errno && end != value && !*end && f->part[part] <= 0xffff)
		f->have |= 1U << part;
	return 0;
}

#define SET_PART(name, part)                                                                                           \
	static int name(void *arg, const char *value, struct error *err)                                               \
	{                                                                                                              \
		(void)err;                                                                                             \
		return set_part(arg, part, value);                                                                     \
	}
SET_PART(set_domain, PCI_DOMAIN)
SET_PART(set_bus, PCI_BUS)
SET_PART(set_slot, PCI_SLOT)
SET_PART(set_function, PCI_FUNCTION)

/* The element ends. An address of USB has other attributes. */
static int add_address(void *arg, const char *value, struct error *err)
{
	struct found *f = arg;
	char text[64];
	const bool whole = f->have == (1U << PCI_PARTS) - 1;

	(void)value;
	f->have = 0;
	if (!whole)
		return 0;
	snprintf(text, sizeof(text), "%04lx:%02lx:%02lx.%lx", f->part[PCI_DOMAIN], f->part[PCI_BUS], f->part[PCI_SLOT],
		 f->part[PCI_FUNCTION]);
	return device_refs_add_name(f->refs, text, err);
}

static int add_source(void *arg, const char *value, struct error *err)
{
	struct found *f = arg;

	return *value == '/' ? device_refs_add_path(f->refs, value, err) : device_refs_add_name(f->refs, value, err);
}

int domain_devices(const char *text, size_t len, struct device_refs *out, struct error *err)
{
#define ADDRESS(path)                                                                                                  \
	{ path "@domain", set_domain }, { path "@bus", set_bus }, { path "@slot", set_slot },                          \
		{ path "@function", set_function }, { path, add_address }
	static const struct xml_rule rules[] = {
		ADDRESS("domain/devices/hostdev/source/address"),
		ADDRESS("domain/devices/interface/source/address"),
		ADDRESS("domain/devices/disk/source/address"),
		{ "domain/devices/disk/source@dev", add_source },
		{ "domain/devices/interface/source@dev", add_source },
	};
	struct found f = { .refs = out };
	int rc = xml_parse(text, len, rules, ARRAY_SIZE(rules), &f, err);

	return rc < 0 ? error_prefix(err, rc, "domain XML") : 0;
}
