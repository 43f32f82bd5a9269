/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Converts lxc.cgroup2 lines for a request: cpuset to pins; cpu.max, memory.max and hugetlb.SIZE.max to sizes. LXC
 * writes the values unchanged to the kernel's files, so they are parsed as the kernel does.
 */
#include "plugin/base/util.h"
#include "plugin/base/strbuf.h"
#include "runtime-hooks/lxc/lxc-config.h"
#include "runtime-hooks/lxc/lxc-keys.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define PREFIX "lxc.cgroup2."
#define DEFAULT_PERIOD 100000U

/* Like the kernel's memparse(): a number with an optional K, M, G, T, P or E. 0: "max" or invalid. */
static uint64_t parse_bytes(const char *text)
{
	static const char units[] = "KMGTPE";
	char *end, upper;
	uint64_t v;

	if (*text < '0' || *text > '9')
		return 0;
	errno = 0;
	v = strtoull(text, &end, 0);
	if (errno)
		return 0;
	upper = (char)(*end & ~0x20);
	for (unsigned int i = 0; *end && i < sizeof(units) - 1; i++)
		if (upper == units[i])
			return v > ((uint64_t)INT64_MAX >> (10 * (i + 1))) ? 0 : v << (10 * (i + 1));
	return v > INT64_MAX ? 0 : v;
}

/* "QUOTA [PERIOD]" */
static void parse_cpu_max(const char *text, struct lxc_limits *out)
{
	const char *blank = text + strcspn(text, " \t");
	uint64_t quota = parse_bytes(text), period = parse_bytes(blank + strspn(blank, " \t"));

	out->cpu_quota = (int64_t)quota;
	out->cpu_period = period ? period : DEFAULT_PERIOD;
}

/* The size of "2MB.max" (from hugetlb.2MB.max), with powers of 1024; 0: not of that form. */
static uint64_t parse_page(const char *key)
{
	char text[16] = "";
	size_t len = strcspn(key, ".");

	if (len < 3 || len >= sizeof(text) || strcmp(key + len, ".max") != 0 || key[len - 1] != 'B')
		return 0;
	memcpy(text, key, len - 1);
	return parse_bytes(text);
}

static void set_huge(const char *key, const char *value, struct lxc_limits *out)
{
	uint64_t page = parse_page(key);
	unsigned int i = 0;

	if (!page)
		return;
	while (i < out->nhuge && out->huge[i].page_size != page)
		i++;
	if (i == LXC_HUGE_MAX)
		return;
	out->huge[i].page_size = page;
	out->huge[i].limit = parse_bytes(value);
	if (i == out->nhuge)
		out->nhuge++;
}

static int set_limit(const char *key, const char *value, struct lxc_limits *out, struct error *err)
{
	static const char huge[] = "hugetlb.";

	if (strcmp(key, "cpuset.cpus") == 0)
		return string_keep(&out->cpus, value, err);
	if (strcmp(key, "cpuset.mems") == 0)
		return string_keep(&out->mems, value, err);
	if (strcmp(key, "devices.allow") == 0)
		return device_refs_add_rule(&out->devices, value, err);
	if (strcmp(key, "devices.deny") == 0 && *value == 'a')
		out->devices.all = false;
	if (strcmp(key, "memory.max") == 0)
		out->memory_limit = (int64_t)parse_bytes(value);
	else if (strcmp(key, "cpu.max") == 0)
		parse_cpu_max(value, out);
	else if (strncmp(key, huge, strlen(huge)) == 0)
		set_huge(key + strlen(huge), value, out);
	return 0;
}

int lxc_limits_parse(const char *text, struct lxc_limits *out, struct error *err)
{
	const char *at = text, *end = text + strlen(text);
	struct lxc_line l;

	while (lxc_line_next(&at, end, &l)) {
		cleanup_free char *key = NULL, *value = NULL;
		int r;

		if (!l.value || l.key_len <= strlen(PREFIX) || memcmp(l.key, PREFIX, strlen(PREFIX)) != 0)
			continue;
		key = strndup(l.key + strlen(PREFIX), l.key_len - strlen(PREFIX));
		value = strndup(l.value, l.value_len);
		if (!key || !value)
			return error_set(err, -ENOMEM, "out of memory");
		r = set_limit(key, value, out, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int lxc_mounts_parse(const char *text, struct lxc_limits *out, struct error *err)
{
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n"), word;
		cleanup_free char *path = NULL;
		int r;

		while (*line == ' ' || *line == '\t')
			line++, len--;
		word = strcspn(line, " \t\n");
		path = strndup(line, word);
		if (!path)
			return error_set(err, -ENOMEM, "out of memory");
		r = device_refs_add_path(&out->devices, path, err);
		if (r < 0)
			return r;
		line += len;
		line += *line == '\n';
	}
	return 0;
}

void lxc_limits_free(struct lxc_limits *l)
{
	free(l->cpus);
	free(l->mems);
	free(l->inner);
	device_refs_free(&l->devices);
	*l = (struct lxc_limits){ 0 };
}

int lxc_limits_fallback(const struct lxc_limits *l, struct request *r, struct error *err)
{
	request_fallback_cpus(r, l->cpu_quota, l->cpu_period);
	request_fallback_memory(r, l->memory_limit);
	for (unsigned int i = 0; i < l->nhuge; i++) {
		int ret = request_fallback_hugepages(r, l->huge[i].page_size, l->huge[i].limit, err);

		if (ret < 0)
			return error_prefix(err, ret, PREFIX "hugetlb");
	}
	request_pin(r, l->cpus, l->mems);
	return 0;
}
