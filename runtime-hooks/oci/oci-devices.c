/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The runtime validates the devices of its config; what is not understood here does not count.
 */
#include "runtime-hooks/oci/oci-devices.h"

#include <string.h>

int oci_devices_flush(struct oci_devices *d, struct error *err)
{
	struct oci_device now = d->now;

	d->now = (struct oci_device){ .major = -1, .minor = -1 };
	if (!now.open)
		return 0;
	if (!now.is_rule)
		return now.type == 'b' || now.type == 'c' ?
			       device_refs_add_number(&d->refs, now.type == 'b', now.major, now.minor, err) :
			       0;
	/* A privileged container has a rule for every device, and all of the machine's device nodes. The last such rule counts. */
	if (now.type == 'a' && now.major < 0 && now.minor < 0)
		d->refs.all = now.allow;
	return 0;
}

int oci_devices_see_device(struct oci_devices *d, struct error *err)
{
	int r = oci_devices_flush(d, err);

	d->now.open = true;
	return r;
}

int oci_devices_see_rule(struct oci_devices *d, struct error *err)
{
	int r = oci_devices_flush(d, err);

	d->now.open = d->now.is_rule = true;
	d->now.type = 'a'; /* without a type */
	return r;
}

void oci_devices_set_type(struct oci_devices *d, const char *type)
{
	/* "u" is another name of "c". */
	d->now.type = strlen(type) == 1 && strchr("abcu", *type) ? *type : 0;
	if (d->now.type == 'u')
		d->now.type = 'c';
}
