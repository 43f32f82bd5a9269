/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rule for names is a list of allowed characters. A list of forbidden ones would never be complete: Unicode alone
 * has hundreds of characters that are invisible, reorder a line, or look like another.
 */
#include "plugin/base/name.h"

#include <errno.h>
#include <string.h>

#define ALLOWED "letters, digits and . _ + : @ -"

/* <ctype.h> would depend on the locale. */
static bool is_allowed(char c, const char *more)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && (strchr("._+:@-", c) || strchr(more, c)));
}

/* First character that is not allowed, or NULL. */
static const char *find_wrong(const char *text, const char *more)
{
	while (*text && is_allowed(*text, more))
		text++;
	return *text ? text : NULL;
}

static int refuse(const char *text, const char *wrong, const char *more, struct error *err)
{
	const char one[] = { *wrong, '\0' };

	return error_set(err, -EINVAL, "\"%s\": contains \"%s\"; allowed are " ALLOWED "%s%s", quote(text).text,
			 quote(one).text, *more ? " " : "", more);
}

static int check(const char *name, size_t max, const char *more, struct error *err)
{
	const char *wrong;

	if (!*name)
		return error_set(err, -EINVAL, "\"\": empty");
	if (strlen(name) > max)
		return error_set(err, -EINVAL, "\"%s\": longer than %zu bytes", quote(name).text, max);
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return error_set(err, -EINVAL, "\"%s\": not a name", name);
	/* Programs that get it as an argument would parse it as an option. */
	if (*name == '-')
		return error_set(err, -EINVAL, "\"%s\": begins with a dash", quote(name).text);
	wrong = find_wrong(name, more);
	return wrong ? refuse(name, wrong, more, err) : 0;
}

/* The length in the name of a file (plugin/ledger/slots.c). */
static size_t file_size(const char *id)
{
	size_t size = *id == '.' ? 2 : 0;

	for (; *id; id++)
		size += strchr("+:@", *id) ? 3 : 1;
	return size;
}

int name_check_id(const char *id, struct error *err)
{
	int rc = check(id, NAME_ID_MAX, "", err);

	if (rc == 0 && file_size(id) > NAME_ID_MAX)
		return error_set(err, -EINVAL, "\"%s\": longer than %d bytes (each of + : @ counts as 3)", quote(id).text,
				 NAME_ID_MAX);
	return rc;
}

int name_check_device(const char *name, size_t size, struct error *err)
{
	if (*name == '.')
		return error_set(err, -EINVAL, "\"%s\": begins with a dot", quote(name).text);
	return check(name, size - 1, "!", err);
}

int name_check_cgroup(const char *path, size_t size, struct error *err)
{
	const char *wrong = find_wrong(path, "/\\");

	if (*path != '/')
		return error_set(err, -EINVAL, "cgroup \"%s\": not an absolute path", quote(path).text);
	if (strlen(path) >= size)
		return error_set(err, -EINVAL, "cgroup \"%s\": longer than %zu bytes", quote(path).text, size - 1);
	for (const char *p = path; (p = strstr(p, "/..")); p += 3)
		if (p[3] == '/' || p[3] == '\0')
			return error_set(err, -EINVAL, "cgroup \"%s\": contains \"..\"", quote(path).text);
	return wrong ? error_prefix(err, refuse(path, wrong, "/ \\", err), "cgroup") : 0;
}
