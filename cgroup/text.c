/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parsers of /proc/PID/cgroup, mountinfo, controller lists and *.numa_stat. They read the kernel's text only, but check
 * every length and number anyway.
 */
#include "cgroup/text.h"

#include "cgroup/open.h"
#include "plugin/base/number.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DELETED " (deleted)"

/* The length of the line at @p, without its newline. */
static size_t line_length(const char *p)
{
	return strcspn(p, "\n");
}

static const char *next_line(const char *p)
{
	p += line_length(p);
	return *p ? p + 1 : p;
}

static bool ends_with(const char *p, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len >= n && memcmp(p + len - n, end, n) == 0;
}

int membership_parse(const char *text, char *path, size_t size)
{
	for (const char *p = text; *p; p = next_line(p)) {
		size_t len = line_length(p);
		char found[CGROUP_PATH_MAX];

		if (strncmp(p, "0::", 3) != 0)
			continue;
		p += 3;
		len -= 3;
		if (ends_with(p, len, DELETED))
			return -ESRCH;
		if (len >= sizeof(found) || len >= size)
			return -ENAMETOOLONG;
		memcpy(found, p, len);
		found[len] = '\0';
		if (strncmp(found, "/..", 3) == 0 && (found[3] == '/' || !found[3]))
			return -EXDEV;
		if (!path_is_plain(found))
			return -EINVAL;
		memcpy(path, found, len + 1);
		return 0;
	}
	return -ENOENT;
}

/* Reads the next word of a mountinfo line and decodes its octal escapes; false at the end of the line. */
static bool next_word(const char **at, char *word, size_t size)
{
	const char *p = *at + strspn(*at, " ");
	size_t n = 0;

	if (!*p || *p == '\n')
		return false;
	for (; *p && *p != ' ' && *p != '\n'; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == '\\' && strspn(p + 1, "01234567") >= 3) {
			c = (unsigned char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			p += 3;
		}
		if (n + 1 < size)
			word[n++] = (char)c;
	}
	word[n] = '\0';
	*at = p;
	return true;
}

/* Whether a comma-separated list of options has this one. */
static bool options_have(const char *options, const char *option)
{
	size_t n = strlen(option);

	for (const char *p = options; *p;) {
		size_t len = strcspn(p, ",");

		if (len == n && memcmp(p, option, n) == 0)
			return true;
		p += len + (p[len] == ',');
	}
	return false;
}

/* "36 35 98:0 ROOT MOUNTPOINT options [tags] - TYPE source super-options" */
static void mountinfo_line(const char *line, struct cgroup_mounts *out, bool *whole)
{
	char root[CGROUP_PATH_MAX], point[CGROUP_PATH_MAX], word[CGROUP_PATH_MAX], type[32];

	for (int i = 0; i < 3; i++)
		if (!next_word(&line, word, sizeof(word)))
			return;
	if (!next_word(&line, root, sizeof(root)) || !next_word(&line, point, sizeof(point)))
		return;
	do
		if (!next_word(&line, word, sizeof(word)))
			return;
	while (strcmp(word, "-") != 0);
	if (!next_word(&line, type, sizeof(type)))
		return;
	if (strcmp(type, "cgroup2") == 0) {
		bool is_whole = strcmp(root, "/") == 0;

		if (!out->v2[0] || (is_whole && !*whole)) {
			memcpy(out->v2, point, sizeof(out->v2));
			*whole = is_whole;
		}
	} else if (strcmp(type, "cgroup") == 0) {
		out->v1 = true;
		if (next_word(&line, word, sizeof(word)) && next_word(&line, word, sizeof(word)) &&
		    options_have(word, "cpuset") && !out->v1_cpuset[0])
			memcpy(out->v1_cpuset, point, sizeof(out->v1_cpuset));
	}
}

void mountinfo_parse(const char *text, struct cgroup_mounts *out)
{
	bool whole = false;

	memset(out, 0, sizeof(*out));
	for (const char *p = text; *p; p = next_line(p))
		mountinfo_line(p, out, &whole);
}

bool words_have(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = text; *p;) {
		size_t len = strcspn(p, " \n");

		if (len == n && memcmp(p, word, n) == 0)
			return true;
		p += len;
		p += strspn(p, " \n");
	}
	return false;
}

/* Index of each node in numa_stat.node, plus 1; 0: absent. Each line has all nodes, up to a thousand. */
struct places {
	uint16_t of[NODESET_MAX];
};

/* The index of node @id in @s, added if it is new. */
static unsigned int node_place(struct numa_stat *s, struct places *places, unsigned int id)
{
	if (!places->of[id]) {
		memset(&s->node[s->n], 0, sizeof(s->node[s->n]));
		s->node[s->n].id = (uint16_t)id;
		places->of[id] = (uint16_t)++s->n;
	}
	return places->of[id] - 1U;
}

/* Parses "N12=34567"; returns its end, or NULL if it is something else. */
static const char *node_value(const char *p, unsigned int *id, uint64_t *bytes)
{
	uint64_t n;

	if (*p++ != 'N' || !number_prefix(&p, NODESET_MAX - 1, &n) || *p++ != '=' ||
	    !number_prefix(&p, UINT64_MAX, bytes) || (*p && *p != ' ' && *p != '\n'))
		return NULL;
	*id = (unsigned int)n;
	return p;
}

enum kind { KIND_ANON, KIND_FILE, KIND_KERNEL, KIND_OTHER };

/* The kinds that do not overlap; others, as inactive_anon and file_mapped, are parts of these. */
static enum kind kind_of(const char *p, size_t len)
{
	static const struct {
		const char *name;
		enum kind kind;
	} kinds[] = {
		{ "anon", KIND_ANON },
		{ "file", KIND_FILE },
		{ "kernel_stack", KIND_KERNEL },
		{ "pagetables", KIND_KERNEL },
		{ "sec_pagetables", KIND_KERNEL },
		{ "slab_reclaimable", KIND_KERNEL },
		{ "slab_unreclaimable", KIND_KERNEL },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strlen(kinds[i].name) == len && memcmp(kinds[i].name, p, len) == 0)
			return kinds[i].kind;
	return KIND_OTHER;
}

/* Parses the " N0=.. N1=.." after the name of a line. */
static int stat_values(const char *p, enum kind kind, struct numa_stat *out, struct places *places)
{
	while (*p && *p != '\n') {
		unsigned int id, place;
		uint64_t bytes;
		const char *end = node_value(p += strspn(p, " "), &id, &bytes);

		if (!*p || *p == '\n')
			break;
		if (!end)
			return -EINVAL;
		place = node_place(out, places, id);
		if (kind == KIND_ANON)
			out->node[place].anon += bytes;
		else if (kind == KIND_FILE)
			out->node[place].file += bytes;
		else
			out->node[place].kernel += bytes;
		p = end;
	}
	return 0;
}

/*
 * Field @wanted of /proc/PID/stat, counted from 1. The process chooses its own name, which may contain brackets; the
 * other fields begin after the last bracket.
 */
static bool stat_field(const char *text, int wanted, uint64_t *out)
{
	const char *p = strrchr(text, ')');
	uint64_t value;

	for (int field = 3; p && field <= wanted; field++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	if (!p || !number_prefix(&p, UINT64_MAX, &value) || *p != ' ')
		return false;
	*out = value;
	return true;
}

bool stat_start_parse(const char *text, uint64_t *ticks)
{
	return stat_field(text, 22, ticks);
}

bool stat_parent_parse(const char *text, uint64_t *parent)
{
	uint64_t pid;

	if (!stat_field(text, 4, &pid) || pid > INT32_MAX)
		return false;
	*parent = pid;
	return true;
}

int numa_stat_parse(const char *text, struct numa_stat *out, struct error *err)
{
	struct places places = { { 0 } };

	out->n = 0;
	for (const char *p = text; *p; p = next_line(p)) {
		size_t name = strcspn(p, " \n");
		enum kind kind = kind_of(p, name);

		if (kind != KIND_OTHER && stat_values(p + name, kind, out, &places) < 0)
			return error_set(err, -EINVAL, "memory.numa_stat: malformed line \"%s\"", quote(p).text);
	}
	return 0;
}

/* Spelled as by the kernel's mem_fmt(). */
void hugetlb_file(uint64_t size, const char *what, char *buf, size_t len)
{
	static const struct {
		unsigned int shift;
		const char *unit;
	} units[] = { { 30, "GB" }, { 20, "MB" }, { 10, "KB" } };
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(units) && size >> units[i].shift == 0)
		i++;
	snprintf(buf, len, "hugetlb.%" PRIu64 "%s.%s", size >> units[i].shift, units[i].unit, what);
}

int hugetlb_stat_parse(const char *text, struct numa_stat *out, struct error *err)
{
	size_t name = strcspn(text, " \n");
	struct places places = { { 0 } };

	out->n = 0;
	if (strncmp(text, "total=", 6) != 0 || stat_values(text + name, KIND_ANON, out, &places) < 0)
		return error_set(err, -EINVAL, "hugetlb numa_stat: malformed line \"%s\"", quote(text).text);
	return 0;
}

/* Reads "@name" and a number from *@at, and moves *@at behind them. */
static bool named_number(const char **at, const char *name, uint64_t *out)
{
	size_t len = strlen(name);
	const char *p = *at + len;

	if (strncmp(*at, name, len) != 0 || !number_prefix(&p, UINT64_MAX, out))
		return false;
	*at = p;
	return true;
}

/* Reads "@name" and a per cent number with two decimals. */
static bool named_part(const char **at, const char *name, double *out)
{
	uint64_t whole, hundredths;

	if (!named_number(at, name, &whole) || !named_number(at, ".", &hundredths) || whole > 100 || hundredths > 99)
		return false;
	*out = (double)(whole * 100 + hundredths) / 10000;
	return true;
}

/* "some avg10=0.00 avg60=1.25 avg300=0.31 total=12345" */
int pressure_parse(const char *text, struct pressure *out, struct error *err)
{
	struct pressure p;
	const char *at = text;

	if (strncmp(at, "some", 4) == 0)
		at += 4;
	if (at == text || !named_part(&at, " avg10=", &p.now) || !named_part(&at, " avg60=", &p.minute) || *at != ' ')
		return error_set(err, -EINVAL, "pressure: malformed line \"%s\"", quote(text).text);
	*out = p;
	return 0;
}

int cpu_usage_parse(const char *text, uint64_t *usec, struct error *err)
{
	const char *p = text;

	if (!named_number(&p, "usage_usec ", usec) || (*p && *p != '\n'))
		return error_set(err, -EINVAL, "cpu.stat: malformed line \"%s\"", quote(text).text);
	return 0;
}
