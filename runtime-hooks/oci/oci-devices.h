/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Collects the devices of a config.json while it is parsed: linux.devices, where engines also put those of CDI and of
 * --gpus; linux.netDevices; device nodes that are mounted; and whether every device is allowed.
 */
#ifndef NUMAPLACE_OCI_DEVICES_H
#define NUMAPLACE_OCI_DEVICES_H

#include "plugin/machine/device-ref.h"
#include "runtime-hooks/common/json.h"

/* An element of linux.devices or linux.resources.devices, whose members come in any order. */
struct oci_device {
	bool open, is_rule, allow;
	char type;            /* 'a', 'b', 'c'; 0: not given, or another one */
	int64_t major, minor; /* -1: not given */
};

struct oci_devices {
	struct device_refs refs;
	struct oci_device now;
};

/* Adds a device or a rule that is complete. Call it after the parse, too. */
int oci_devices_flush(struct oci_devices *d, struct error *err);

/* For rules of json_parse(); each takes a struct oci_devices. */
int oci_devices_see_device(struct oci_devices *d, struct error *err);
int oci_devices_see_rule(struct oci_devices *d, struct error *err);
void oci_devices_set_type(struct oci_devices *d, const char *type);

#endif
