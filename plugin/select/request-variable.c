/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The names of keys as variables of an environment.
 */
#include "plugin/select/request.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int request_find_variable(const char *name, size_t len)
{
	static const char front[] = REQUEST_VARIABLE;
	const size_t skip = strlen("NUMAPLACE_");

	if (len < strlen(front) || memcmp(name, front, strlen(front)) != 0)
		return -1;
	for (int k = 0; k < KEY_COUNT; k++) {
		const char *key = request_keys[k];
		size_t i = 0;

		while (skip + i < len && key[i] &&
		       name[skip + i] == (key[i] == '.' ? '_' : (char)toupper((unsigned char)key[i])))
			i++;
		if (skip + i == len && !key[i])
			return k;
	}
	return -ENOENT;
}

struct variable_name request_variable(enum request_key key)
{
	struct variable_name n;
	size_t used = (size_t)snprintf(n.text, sizeof(n.text), "NUMAPLACE_");

	for (const char *p = request_keys[key]; *p && used + 1 < sizeof(n.text); p++)
		n.text[used++] = *p == '.' ? '_' : (char)toupper((unsigned char)*p);
	n.text[used] = '\0';
	return n;
}
