/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules of the API server for names (RFC 1123, in lower case). Nothing depends on the locale.
 */
#include "runtime-hooks/kube/kube-name.h"

#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

/* The length of the part at @name: letters and digits at both ends. 0: no such part. */
static size_t part_length(const char *name)
{
	size_t len = strspn(name, LETTERS DIGITS "-");

	return len && name[0] != '-' && name[len - 1] != '-' ? len : 0;
}

bool kube_is_label(const char *name)
{
	size_t len = part_length(name);

	return len && len <= KUBE_LABEL_MAX && !name[len];
}

bool kube_is_name(const char *name)
{
	const char *at = name;
	size_t len;

	while ((len = part_length(at)) && at[len] == '.')
		at += len + 1;
	return len && !at[len] && strlen(name) <= KUBE_NAME_MAX;
}

bool kube_is_uid(const char *uid)
{
	size_t len = strlen(uid);

	return len && len <= KUBE_UID_MAX && strspn(uid, LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "-") == len;
}
