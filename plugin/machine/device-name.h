/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NUMAPLACE_DEVICE_NAME_H
#define NUMAPLACE_DEVICE_NAME_H

#include "plugin/base/error.h"

#define DEVICE_NAME_MAX 128

/*
 * Converts a device name to its form in /sys: "eth0" unchanged, a PCI address in any usual spelling to
 * "0000:3b:00.0". Returns 0, or -EINVAL with a message that lists accepted forms.
 */
int device_name_parse(const char *text, char name[DEVICE_NAME_MAX], struct error *err);

#endif
