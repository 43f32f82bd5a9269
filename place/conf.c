/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numaplace.conf: one key per line, each known, in range and given once. Anything else is refused with its line
 * number, as a guess could place containers wrongly.
 */
#include "place/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "plugin/base/file.h"
#include "plugin/base/number.h"
#include "plugin/base/util.h"

#define CONF_SIZE_MAX 65536
#define OVERFLOW_UID 65534 /* shown for owners that are not mapped */
#define SECTION "[numaplace]"
#define ALL_KEYS ((1U << KEY_COUNT) - 1)
/* Written by numaplace itself: hints of a container's last nodes. */
#define HINT_KEYS (1U << KEY_VOLATILE_CPU_NODES | 1U << KEY_VOLATILE_MEMORY_NODES)

void conf_init(struct conf *c)
{
	*c = (struct conf){
		.without_keys = DEFAULT_NONE,
		.container_keys = ALL_KEYS,
		.devices_allowed = true,
		.record = RECORD_CONFIG,
		.incus_mode = INCUS_FOLLOW,
	};
	select_policy_init(&c->select);
}

/* Edit distance of @a and @b; for names of up to 31 characters. */
static unsigned int distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	unsigned int row[32];

	if (la > 31 || lb > 31)
		return 32;
	for (unsigned int k = 0; k <= lb; k++)
		row[k] = k;
	for (unsigned int i = 1; i <= la; i++) {
		unsigned int diagonal = row[0];

		row[0] = i;
		for (unsigned int k = 1; k <= lb; k++) {
			unsigned int best = diagonal + (a[i - 1] != b[k - 1]);

			diagonal = row[k];
			if (row[k] + 1 < best)
				best = row[k] + 1;
			if (row[k - 1] + 1 < best)
				best = row[k - 1] + 1;
			row[k] = best;
		}
	}
	return row[lb];
}

/* Index of @value in @names, a NULL-terminated array; else -EINVAL and a message that lists them. */
static int one_of(const char *value, const char *const *names, struct error *err)
{
	char list[128] = "";

	for (int i = 0; names[i]; i++) {
		size_t used = strlen(list);

		if (strcmp(value, names[i]) == 0)
			return i;
		snprintf(list + used, sizeof(list) - used, "%s%s", !i ? "" : names[i + 1] ? ", " : " or ", names[i]);
	}
	return error_set(err, -EINVAL, "\"%s\": not %s", quote(value).text, list);
}

static int parse_switch(const char *value, bool *out, struct error *err)
{
	static const char *const names[] = { "false", "true", NULL };
	int i = one_of(value, names, err);

	if (i < 0)
		return i;
	*out = i;
	return 0;
}

static int parse_count(const char *value, unsigned int max, unsigned int *out, struct error *err)
{
	uint64_t v;

	if (!*value)
		return error_set(err, -EINVAL, "\"\": a number is missing");
	if (value[strspn(value, "0123456789")])
		return error_set(err, -EINVAL, "\"%s\": not a number", quote(value).text);
	if (!number_parse(value, max, &v))
		return error_set(err, -EINVAL, "\"%s\": more than %u", quote(value).text, max);
	*out = (unsigned int)v;
	return 0;
}

/* Parses a list; an empty value is the empty set. */
static int parse_ids(const char *value, struct ids_out out, struct error *err)
{
	return *value ? ids_parse(value, out, err) : ids_parse_kernel(value, out, err);
}

static int set_default(struct conf *c, char *value, struct error *err)
{
	static const char *const names[] = { "none", "balanced", "follow-pins", NULL };
	int i = one_of(value, names, err);

	if (i < 0)
		return i;
	c->without_keys = (enum conf_default)i;
	return 0;
}

static int set_on_failure(struct conf *c, char *value, struct error *err)
{
	static const char *const names[] = { "fail", "warn", NULL };
	int i = one_of(value, names, err);

	if (i < 0)
		return i;
	c->warn_only = i;
	return 0;
}

static int set_reserved_cpus(struct conf *c, char *value, struct error *err)
{
	return parse_ids(value, ids_into(&c->select.reserved_cpus), err);
}

static int set_reserved_nodes(struct conf *c, char *value, struct error *err)
{
	return parse_ids(value, ids_into(&c->select.reserved_nodes), err);
}

static bool reserved_overlap(const struct select_policy *p, unsigned int first, unsigned int last)
{
	for (unsigned int i = 0; i < p->nreserved_memory; i++)
		if (first <= p->reserved_memory[i].last && last >= p->reserved_memory[i].first)
			return true;
	return false;
}

/* "0:4GiB" or "0-3:4GiB"; modifies @item. */
static int add_reserved_memory(struct select_policy *p, char *item, struct error *err)
{
	struct reserved_memory *r = &p->reserved_memory[p->nreserved_memory];
	char *size = strchr(item, ':'), *last;
	unsigned int first_id, last_id;
	int rc;

	if (!size)
		return error_set(err, -EINVAL, "\"%s\": not NODE:SIZE or NODE-NODE:SIZE", quote(item).text);
	if (p->nreserved_memory == RESERVED_MEMORY_MAX)
		return error_set(err, -EINVAL, "more than %d entries; nodes that keep the same size can be a range",
				 RESERVED_MEMORY_MAX);
	*size++ = '\0';
	last = strchr(item, '-');
	if (last)
		*last++ = '\0';
	rc = parse_count(item, NODE_ID_MAX - 1, &first_id, err);
	if (rc == 0)
		rc = parse_count(last ? last : item, NODE_ID_MAX - 1, &last_id, err);
	if (rc == 0)
		rc = size_parse(size, &r->bytes, err);
	if (rc < 0)
		return rc;
	if (last_id < first_id)
		return error_set(err, -EINVAL, "\"%u-%u\": the range runs backwards", first_id, last_id);
	if (reserved_overlap(p, first_id, last_id))
		return error_set(err, -EINVAL, "node %u%s: given twice", first_id, last ? " or one after it" : "");
	r->first = (uint16_t)first_id;
	r->last = (uint16_t)last_id;
	p->nreserved_memory++;
	return 0;
}

static int set_reserved_memory(struct conf *c, char *value, struct error *err)
{
	char *rest = value;

	for (char *item; (item = strsep(&rest, ", \t"));) {
		int rc = *item ? add_reserved_memory(&c->select, item, err) : 0;

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int set_share_out(struct conf *c, char *value, struct error *err)
{
	static const char *const names[] = { "nearest", "even", NULL };
	int i = one_of(value, names, err);

	if (i < 0)
		return i;
	c->select.even_shares = i;
	return 0;
}

static int set_balance(struct conf *c, char *value, struct error *err)
{
	return parse_count(value, 100, &c->select.balance, err);
}

static int set_work(struct conf *c, char *value, struct error *err)
{
	/* in the order of enum work_kind */
	static const char *const names[] = { "any", "compute", "latency", "bandwidth", NULL };
	int i = one_of(value, names, err);

	if (i < 0)
		return i;
	c->select.work.given = i > 0;
	c->select.work.kind = i ? (enum work_kind)(i - 1) : WORK_COMPUTE;
	return 0;
}

static int set_container_keys(struct conf *c, char *value, struct error *err)
{
	unsigned int keys = HINT_KEYS;
	char *rest = value;

	if (strcmp(value, "all") == 0) {
		c->container_keys = ALL_KEYS;
		return 0;
	}
	if (strcmp(value, "none") == 0) {
		c->container_keys = HINT_KEYS;
		return 0;
	}
	for (char *word; (word = strsep(&rest, ", \t"));) {
		int key;

		if (!*word)
			continue;
		key = request_find_key(word);
		if (key < 0)
			return error_set(err, -EINVAL, "\"%s\": not all, none or names of keys", quote(word).text);
		keys |= 1U << key;
	}
	if (keys == HINT_KEYS)
		return error_set(err, -EINVAL, "\"\": all, none or names of keys are expected");
	c->container_keys = keys;
	return 0;
}

static int set_max_cpus(struct conf *c, char *value, struct error *err)
{
	return parse_count(value, CPU_COUNT_MAX, &c->max_cpus, err);
}

static int set_max_exclusive(struct conf *c, char *value, struct error *err)
{
	return parse_count(value, CPU_COUNT_MAX, &c->max_exclusive_cpus, err);
}

static int set_max_exclusive_each(struct conf *c, char *value, struct error *err)
{
	return parse_count(value, CPU_COUNT_MAX, &c->max_exclusive_each, err);
}

static int set_max_cpus_each(struct conf *c, char *value, struct error *err)
{
	return parse_count(value, CPU_COUNT_MAX, &c->max_cpus_each, err);
}

static int set_max_memory(struct conf *c, char *value, struct error *err)
{
	return size_parse(value, &c->max_memory, err);
}

static int set_max_memory_each(struct conf *c, char *value, struct error *err)
{
	return size_parse(value, &c->max_memory_each, err);
}

static int set_max_hugepages(struct conf *c, char *value, struct error *err)
{
	return size_parse(value, &c->max_hugepages, err);
}

static int set_max_hugepages_each(struct conf *c, char *value, struct error *err)
{
	return size_parse(value, &c->max_hugepages_each, err);
}

/* "/a.slice" or "/kubepods/pod*": absolute; a * may only end a path component. */
static bool is_tenant(const char *path)
{
	const char *p = path;

	while (*p == '/') {
		size_t len = strcspn(++p, "/");

		if (!len || (p[0] == '.' && (len == 1 || (len == 2 && p[1] == '.'))))
			return false;
		if (memchr(p, '*', len - 1))
			return false;
		p += len;
	}
	return p > path && !*p;
}

static int set_tenants(struct conf *c, char *value, struct error *err)
{
	bool none = strcmp(value, "none") == 0;
	char *rest = value;
	size_t used = 0;

	for (char *word; (word = strsep(&rest, ", \t"));) {
		size_t len = strlen(word);

		if (!len)
			continue;
		if (!none && !is_tenant(word))
			return error_set(err, -EINVAL, "\"%s\": not none, or paths of cgroups such as /a.slice or /b/*",
					 quote(word).text);
		if (used + len + 2 > sizeof(c->tenants))
			return error_set(err, -EINVAL, "more than %d bytes", CONF_TENANTS_MAX - 1);
		used += (size_t)snprintf(c->tenants + used, sizeof(c->tenants) - used, "%s%s", used ? " " : "", word);
	}
	if (!used)
		return error_set(err, -EINVAL, "\"\": none or paths of cgroups are expected");
	return 0;
}

static int set_pods(struct conf *c, char *value, struct error *err)
{
	static const char *const names[] = { "none", "balanced", "guaranteed", NULL };
	static const enum conf_default values[] = { DEFAULT_NONE, DEFAULT_BALANCED, DEFAULT_GUARANTEED };
	int i = one_of(value, names, err);

	if (i < 0)
		return i;
	c->pods = values[i];
	return 0;
}

/* Words as Kubernetes names its objects. */
static int set_names(char out[CONF_NAMES_MAX], char *value, struct error *err)
{
	char *rest = value;
	size_t used = 0;

	for (char *word; (word = strsep(&rest, ", \t"));) {
		size_t len = strlen(word);

		if (len != strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789.-"))
			return error_set(err, -EINVAL, "\"%s\": not a name", quote(word).text);
		if (used + len + 2 > CONF_NAMES_MAX)
			return error_set(err, -EINVAL, "more than %d bytes", CONF_NAMES_MAX - 1);
		if (len)
			used += (size_t)snprintf(out + used, CONF_NAMES_MAX - used, "%s%s", used ? " " : "", word);
	}
	return 0;
}

static int set_pod_namespaces(struct conf *c, char *value, struct error *err)
{
	return set_names(c->pod_namespaces, value, err);
}

static int set_pod_classes(struct conf *c, char *value, struct error *err)
{
	return set_names(c->pod_classes, value, err);
}

static int set_devices(struct conf *c, char *value, struct error *err)
{
	return parse_switch(value, &c->devices_allowed, err);
}

static int set_environment_keys(struct conf *c, char *value, struct error *err)
{
	bool on;
	int r = parse_switch(value, &on, err);

	if (r == 0)
		c->environment = on ? ENVIRONMENT_ON : ENVIRONMENT_OFF;
	return r;
}

bool conf_takes_environment(const struct conf *c)
{
	if (c->environment == ENVIRONMENT_USUAL)
		return c->container_keys == ALL_KEYS;
	return c->environment == ENVIRONMENT_ON;
}

static int set_record(struct conf *c, char *value, struct error *err)
{
	static const char *const names[] = { "config", "file", "none", NULL };
	int i = one_of(value, names, err);

	if (i < 0)
		return i;
	c->record = (enum conf_record)i;
	return 0;
}

static int set_incus_mode(struct conf *c, char *value, struct error *err)
{
	static const char *const names[] = { "follow", "lead", NULL };
	int i = one_of(value, names, err);

	if (i < 0)
		return i;
	c->incus_mode = (enum conf_incus_mode)i;
	return 0;
}

static const struct conf_key {
	const char *name;
	int (*set)(struct conf *c, char *value, struct error *err);
} keys[] = {
	{ "default", set_default },
	{ "on-failure", set_on_failure },
	{ "reserved-cpus", set_reserved_cpus },
	{ "reserved-nodes", set_reserved_nodes },
	{ "reserved-memory", set_reserved_memory },
	{ "balance", set_balance },
	{ "share-out", set_share_out },
	{ "work", set_work },
	{ "container-keys", set_container_keys },
	{ "environment-keys", set_environment_keys },
	{ "max-cpus", set_max_cpus },
	{ "max-cpus-each", set_max_cpus_each },
	{ "max-exclusive-cpus", set_max_exclusive },
	{ "max-exclusive-cpus-each", set_max_exclusive_each },
	{ "max-memory", set_max_memory },
	{ "max-memory-each", set_max_memory_each },
	{ "max-hugepages", set_max_hugepages },
	{ "max-hugepages-each", set_max_hugepages_each },
	{ "tenants", set_tenants },
	{ "devices", set_devices },
	{ "record", set_record },
	{ "incus-mode", set_incus_mode },
	{ "pods", set_pods },
	{ "pod-namespaces", set_pod_namespaces },
	{ "pod-classes", set_pod_classes },
};

static int unknown_key(const char *name, struct error *err)
{
	const char *near = NULL;
	unsigned int best = 4;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		unsigned int d = distance(name, keys[i].name);

		if (d < best && d * 2 < strlen(keys[i].name)) {
			best = d;
			near = keys[i].name;
		}
	}
	if (near)
		return error_set(err, -EINVAL, "%s: unknown key; did you mean %s?", quote(name).text, near);
	return error_set(err, -EINVAL, "%s: unknown key", quote(name).text);
}

/* Removes blanks at both ends. */
static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t\r");
	len = strlen(text);
	while (len && strchr(" \t\r", text[len - 1]))
		len--;
	text[len] = '\0';
	return text;
}

static int parse_line(char *line, struct conf *c, unsigned int *given, struct error *err)
{
	char *name = trim(line), *value;
	int r;

	if (!*name || *name == '#' || *name == ';')
		return 0;
	if (*name == '[') {
		if (strcmp(name, SECTION) == 0)
			return 0;
		return error_set(err, -EINVAL, "\"%s\": unknown section; " SECTION " is the only one",
				 quote(name).text);
	}
	value = strchr(name, '=');
	if (!value)
		return error_set(err, -EINVAL, "\"%s\": not key = value", quote(name).text);
	*value++ = '\0';
	name = trim(name);
	value = trim(value);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(name, keys[i].name) != 0)
			continue;
		if (*given >> i & 1)
			return error_set(err, -EINVAL, "%s: given twice", name);
		*given |= 1U << i;
		r = keys[i].set(c, value, err);
		return r < 0 ? error_prefix(err, r, "%s", name) : 0;
	}
	return unknown_key(name, err);
}

int conf_parse(const char *text, const char *name, struct conf *c, struct error *err)
{
	cleanup_free char *copy = strdup(text);
	unsigned int given = 0, number = 0;
	char *rest = copy;
	struct conf conf;
	int r = 0;

	if (!copy)
		return error_errno(err, -ENOMEM, "%s", name);
	conf_init(&conf);
	for (char *line; r == 0 && (line = strsep(&rest, "\n"));) {
		number++;
		r = parse_line(line, &conf, &given, err);
	}
	if (r < 0)
		return error_prefix(err, r, "%s:%u", name, number);
	*c = conf;
	return 0;
}

/*
 * Whether the owner is root outside of our user namespace, shown as the overflow uid. If all users are mapped,
 * the file really belongs to that uid.
 */
static bool is_outer_root(uid_t uid)
{
	unsigned int inside, outside, count;
	char map[4096];

	return uid == OVERFLOW_UID && file_read(AT_FDCWD, "/proc/self/uid_map", map, sizeof(map)) > 0 &&
	       sscanf(map, "%u %u %u", &inside, &outside, &count) == 3 && count != UINT32_MAX;
}

/* The owner, and every user with write permission, decides about all containers. */
static int check_file(const struct stat *st, const char *path, struct error *err)
{
	if (S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3))
		return 0; /* /dev/null means no configuration */
	if (!S_ISREG(st->st_mode))
		return error_set(err, -EINVAL, "%s: not a regular file", path);
	if (st->st_uid && st->st_uid != own_uid() && !is_outer_root(st->st_uid))
		return error_set(err, -EPERM, "%s: owned by uid %u, must be root's%s: run chown 0 on it", path, st->st_uid,
				 own_uid() ? " or your own" : "");
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return error_set(err, -EPERM, "%s: writable by other users (mode %04o): run chmod go-w on it", path,
				 st->st_mode & 07777);
	if (st->st_size > CONF_SIZE_MAX)
		return error_set(err, -EINVAL, "%s: larger than 64KiB", path);
	return 0;
}

int conf_read(int dir, const char *path, struct conf *c, struct error *err)
{
	cleanup_close int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	cleanup_free char *text = NULL;
	struct stat st;
	size_t size;
	ssize_t n;
	int r;

	if (fd < 0 && errno == ENOENT) {
		conf_init(c);
		return 0;
	}
	if (fd < 0)
		return error_errno(err, -errno, "%s", path);
	if (fstat(fd, &st) < 0)
		return error_errno(err, -errno, "%s", path);
	r = check_file(&st, path, err);
	if (r < 0)
		return r;
	/* Size at open; bytes appended later are not read. */
	size = S_ISREG(st.st_mode) ? (size_t)st.st_size : 0;
	text = malloc(size + 1);
	if (!text)
		return error_errno(err, -ENOMEM, "%s", path);
	n = file_read_fd(fd, text, size);
	if (n < 0)
		return error_errno(err, (int)n, "%s", path);
	text[n] = '\0';
	if (strlen(text) != (size_t)n)
		return error_set(err, -EINVAL, "%s: holds a NUL byte", path);
	return conf_parse(text, path, c, err);
}
