/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parses device names: the kernel's names, and PCI addresses in the spellings of common tools.
 */
#include "plugin/machine/device-name.h"

#include "plugin/base/name.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define UNDERSTOOD "names like eth0, nvme0n1, mlx5_0 and PCI addresses like 0000:3b:00.0 or 3b:00.0 are understood"

/* Reads up to @max hexadecimal digits of a number below @limit; advances *@p past them. */
static bool take_hex(const char **p, unsigned int max, unsigned long limit, unsigned long *out)
{
	unsigned long v = 0;
	unsigned int n = 0;

	for (;; n++, ++*p) {
		char c = **p;

		if (c >= '0' && c <= '9')
			v = v << 4 | (unsigned long)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			v = v << 4 | (unsigned long)((c | 0x20) - 'a' + 10);
		else
			break;
		if (n == max)
			return false;
	}
	*out = v;
	return n && v < limit;
}

static bool take_char(const char **p, char c)
{
	if (**p != c)
		return false;
	++*p;
	return true;
}

/* BUS:DEVICE.FUNCTION, preceded by a domain if @domain. @between and @last are the separators, '_' in libvirt. */
static bool take_address(const char *p, bool domain, char between, char last, char *out, size_t size)
{
	unsigned long d = 0, bus, device, function;

	if (domain && !(take_hex(&p, 8, 1UL << 32, &d) && take_char(&p, between)))
		return false;
	if (!take_hex(&p, 2, 0x100, &bus) || !take_char(&p, between) || !take_hex(&p, 2, 0x20, &device) ||
	    !take_char(&p, last) || !take_hex(&p, 1, 8, &function) || *p)
		return false;
	snprintf(out, size, "%04lx:%02lx:%02lx.%lx", d, bus, device, function);
	return true;
}

/* The spellings of lspci, nvidia-smi, udev (pci-), lshw (pci@) and libvirt (pci_). */
static bool parse_pci(const char *text, char *out, size_t size)
{
	if (strncmp(text, "pci_", 4) == 0)
		return take_address(text + 4, true, '_', '_', out, size);
	if (strncmp(text, "pci", 3) == 0 && text[3] && strchr(":-@", text[3]))
		text += 4;
	return take_address(text, true, ':', '.', out, size) || take_address(text, false, ':', '.', out, size);
}

int device_name_parse(const char *text, char name[DEVICE_NAME_MAX], struct error *err)
{
	static const char folder[] = "/dev/";
	const char *plain = strncmp(text, folder, strlen(folder)) == 0 ? text + strlen(folder) : text;
	size_t len = strlen(plain);

	if (!len || len >= DEVICE_NAME_MAX)
		return error_set(err, -EINVAL, "\"%s\": a device name of 1 to %d characters is expected",
				 quote(text).text, DEVICE_NAME_MAX - 1);
	if (name_check_device(plain, DEVICE_NAME_MAX, NULL) < 0)
		return error_set(err, -EINVAL, "\"%s\": not a device name; " UNDERSTOOD, quote(text).text);
	if (parse_pci(plain, name, DEVICE_NAME_MAX))
		return 0;
	/* Kernel device names have no colon. */
	if (strchr(plain, ':'))
		return error_set(err, -EINVAL, "\"%s\": not a PCI address; " UNDERSTOOD, quote(text).text);
	memcpy(name, plain, len + 1);
	return 0;
}
