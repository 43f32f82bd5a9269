/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The devices of an instance that are hardware of the host. The daemon validates them; what is not understood here does
 * not count. An instance that gets every GPU has no preference among them.
 */
#include "runtime-hooks/incus/incus-config.h"

#include "plugin/base/strbuf.h"
#include "plugin/base/util.h"

#include <string.h>

static const char *const properties[INCUS_PROPERTIES] = {
	[INCUS_TYPE] = "type",     [INCUS_NICTYPE] = "nictype", [INCUS_PARENT] = "parent",   [INCUS_PCI] = "pci",
	[INCUS_ADDRESS] = "address", [INCUS_CARD] = "id",       [INCUS_SOURCE] = "source", [INCUS_PATH] = "path",
};

static bool is(const struct incus_device *d, enum incus_property p, const char *text)
{
	return d->value[p] && strcmp(d->value[p], text) == 0;
}

static int add_name(struct incus_config *c, const char *name, struct error *err)
{
	return name ? device_refs_add_name(&c->devices, name, err) : 0;
}

static int add_path(struct incus_config *c, const char *path, struct error *err)
{
	return path ? device_refs_add_path(&c->devices, path, err) : 0;
}

static int add_gpu(struct incus_config *c, const struct incus_device *d, struct error *err)
{
	char card[32];

	if (!d->value[INCUS_CARD] || strlen(d->value[INCUS_CARD]) > 8)
		return add_name(c, d->value[INCUS_PCI], err);
	snprintf(card, sizeof(card), "card%s", d->value[INCUS_CARD]);
	return add_name(c, card, err);
}

static int add(struct incus_config *c, const struct incus_device *d, struct error *err)
{
	if (is(d, INCUS_TYPE, "gpu"))
		return add_gpu(c, d, err);
	if (is(d, INCUS_TYPE, "pci"))
		return add_name(c, d->value[INCUS_ADDRESS], err);
	if ((is(d, INCUS_TYPE, "nic") || is(d, INCUS_TYPE, "infiniband")) &&
	    (is(d, INCUS_NICTYPE, "physical") || is(d, INCUS_NICTYPE, "sriov")))
		return add_name(c, d->value[INCUS_PARENT], err);
	if (is(d, INCUS_TYPE, "disk"))
		return add_path(c, d->value[INCUS_SOURCE], err);
	if (is(d, INCUS_TYPE, "unix-char") || is(d, INCUS_TYPE, "unix-block"))
		return add_path(c, d->value[INCUS_SOURCE] ? d->value[INCUS_SOURCE] : d->value[INCUS_PATH], err);
	return 0;
}

int incus_device_end(struct incus_config *c, struct error *err)
{
	int r = add(c, &c->device, err);

	incus_device_free(&c->device);
	return r;
}

int incus_device_set(struct incus_config *c, const char *property, const char *value, struct error *err)
{
	for (int i = 0; i < INCUS_PROPERTIES; i++)
		if (strcmp(property, properties[i]) == 0)
			return string_keep(&c->device.value[i], value, err);
	return 0;
}

void incus_device_free(struct incus_device *d)
{
	for (int i = 0; i < INCUS_PROPERTIES; i++)
		free(d->value[i]);
	*d = (struct incus_device){ { 0 } };
}
