/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The names of record files. Containers of different roots, namespaces or users may have the same id: each has a slot
 * of that id.
 */
#include "plugin/ledger/slots.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "plugin/base/name.h"

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
	       c == '.';
}

/* The longest names of units, which have a longer class, are refused. */
_Static_assert(sizeof("incus:~7f") + NAME_ID_MAX <= LEDGER_NAME_MAX, "each id of a container has a file name");

/* "class:id~7f" must fit in a directory entry. */
int file_name(const char *runtime_class, const char *id, char name[LEDGER_NAME_MAX], struct error *err)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t used = strspn(runtime_class, "abcdefghijklmnopqrstuvwxyz");

	if (!used || used > 15 || runtime_class[used])
		return error_set(err, -EINVAL, "ledger: \"%s\": not a runtime class", quote(runtime_class).text);
	if (!*id)
		return error_set(err, -EINVAL, "ledger: the container id is empty");
	memcpy(name, runtime_class, used);
	name[used++] = ':';
	for (const char *p = id; *p; p++) {
		bool plain = is_plain(*p) && !(*p == '.' && p == id);

		if (used + (plain ? 1 : 3) + strlen("~7f") >= LEDGER_NAME_MAX)
			return error_set(err, -ENAMETOOLONG, "ledger: container id \"%s\": too long for a file name",
					 quote(id).text);
		if (plain) {
			name[used++] = *p;
			continue;
		}
		name[used++] = '%';
		name[used++] = hex[(unsigned char)*p >> 4];
		name[used++] = hex[*p & 15];
	}
	name[used] = '\0';
	return 0;
}

/* Fixed width and ascending, so that the slots of an id sort in order. */
static const char slot_digits[] = "0123456789abcdef";

void slot_name(const char *base, unsigned int slot, char name[LEDGER_NAME_MAX])
{
	size_t len = strnlen(base, LEDGER_NAME_MAX - 4);

	memcpy(name, base, len);
	if (slot) {
		name[len++] = '~';
		name[len++] = slot_digits[slot >> 4 & 15];
		name[len++] = slot_digits[slot & 15];
	}
	name[len] = '\0';
}

unsigned int slot_of(const char *name, char base[LEDGER_NAME_MAX])
{
	size_t len = strnlen(name, LEDGER_NAME_MAX - 1);
	const char *high = len > 3 && name[len - 3] == '~' ? strchr(slot_digits, name[len - 2]) : NULL;
	const char *low = high ? strchr(slot_digits, name[len - 1]) : NULL;
	unsigned int slot = low ? (unsigned int)((high - slot_digits) << 4 | (low - slot_digits)) : 0;

	if (slot)
		len -= 3;
	memcpy(base, name, len);
	base[len] = '\0';
	return slot;
}
