/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes the text of a record: lines of key=value in a fixed order, unsafe bytes escaped, a checksum at the end. The
 * text parses back to the same record; truncated, changed or hand-made text is refused.
 */
#include "plugin/base/crc32.h"
#include "plugin/ledger/record-text.h"

#include <errno.h>
#include <string.h>

#include "plugin/base/name.h"
#include "plugin/base/util.h"

void record_free(struct record *r)
{
	free(steal_ptr(r->cgroup));
	placement_free(&r->placement);
}

/* --- valid contents, for writing and parsing --- */

bool record_good_cgroup(const char *path)
{
	return !*path || name_check_cgroup(path, RECORD_CGROUP_MAX, NULL) == 0;
}

static bool good_share(const struct share *s)
{
	struct nodeset seen = { { 0 } };

	if (s->count > CPU_COUNT_MAX || s->nmem > NODE_ID_MAX)
		return false;
	for (unsigned int i = 0; i < s->nmem; i++) {
		const struct share_node *m = &s->mem[i];

		if (m->id >= NODE_ID_MAX || nodeset_has(&seen, m->id))
			return false;
		nodeset_add(&seen, m->id);
		if (m->memory > RECORD_BYTES_LIMIT || m->seen > RECORD_BYTES_LIMIT)
			return false;
		for (unsigned int h = 0; h < HUGE_SIZES_MAX; h++)
			if (m->huge[h] > RECORD_PAGES_LIMIT || m->huge_seen[h] > RECORD_PAGES_LIMIT)
				return false;
	}
	return true;
}

/* What is wrong with @r, or NULL. */
static const char *fault_of(const struct record *r)
{
	if (name_check_id(r->id, NULL) < 0)
		return "the id is not valid";
	if (name_check_id(r->runtime, NULL) < 0)
		return "the runtime has no name";
	if (r->cgroup && !record_good_cgroup(r->cgroup))
		return "the cgroup is not an absolute path";
	if (r->placement.policy > POLICY_WEIGHTED)
		return "the policy is unknown";
	if (r->partition > PARTITION_ISOLATED)
		return "the partition is unknown";
	if (r->reasons.n > REASONS_MAX)
		return "there are too many reasons";
	if (!good_share(&r->placement.share))
		return "the share has a node twice or a number out of bounds";
	return NULL;
}

/* --- writing --- */

#define RECORD_TEXT_SHORT 2048

struct text {
	char *buf;         /* room for size bytes, the checksum line and a NUL */
	size_t used, size; /* used > size: the text did not fit */
};

/* Bytes left, plus one for a NUL. */
static size_t room_of(const struct text *t)
{
	return t->used <= t->size ? t->size - t->used + 1 : 0;
}

static void put_byte(struct text *t, char c)
{
	if (t->used < t->size)
		t->buf[t->used] = c;
	t->used++;
}

static void put(struct text *t, const char *plain)
{
	while (*plain)
		put_byte(t, *plain++);
}

static void put_key(struct text *t, const char *key)
{
	put(t, key);
	put_byte(t, '=');
}

static void put_number(struct text *t, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + n % 10);
	while (n /= 10);
	while (at < sizeof(digits))
		put_byte(t, digits[at++]);
}

static void put_count(struct text *t, const char *key, uint64_t n)
{
	put_key(t, key);
	put_number(t, n);
	put_byte(t, '\n');
}

/* Escapes all but printable ASCII as %XX, so that a value stays on one line. */
static void put_escaped(struct text *t, const char *key, const char *value)
{
	static const char hex[] = "0123456789ABCDEF";

	put_key(t, key);
	for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
		if (*p >= 0x20 && *p < 0x7f && *p != '%') {
			put_byte(t, (char)*p);
			continue;
		}
		put_byte(t, '%');
		put_byte(t, hex[*p >> 4]);
		put_byte(t, hex[*p & 15]);
	}
	put_byte(t, '\n');
}

static void put_set(struct text *t, const char *key, struct ids set)
{
	size_t room;

	put_key(t, key);
	room = room_of(t);
	t->used += ids_format(set, room ? t->buf + t->used : NULL, room);
	put_byte(t, '\n');
}

static void put_set_if_any(struct text *t, const char *key, struct ids set)
{
	if (!ids_empty(set))
		put_set(t, key, set);
}

/* False for memory that a limit has reduced to 0: the parser would refuse it. */
static bool asks_by(const struct request *r, enum request_key key)
{
	return key != KEY_MEMORY || r->memory;
}

/* What keys requested, the runtime's own limits, and pins. */
static int put_request(struct text *t, const struct request *r)
{
	size_t size = t->size + 2; /* a value truncated at this size does not fit into the text either */
	cleanup_free char *value = malloc(size);
	char key[64];

	if (!value)
		return -ENOMEM;
	for (int k = 0; k < KEY_COUNT; k++) {
		if (!asks_by(r, (enum request_key)k) || !request_format(r, (enum request_key)k, value, size))
			continue;
		snprintf(key, sizeof(key), "ask.%s", request_keys[k]);
		put_escaped(t, key, value);
	}
	if (r->cpu_count && !(r->given >> KEY_CPU & 1))
		put_count(t, "own.cpus", r->cpu_count);
	if (r->memory && !(r->given >> KEY_MEMORY & 1))
		put_count(t, "own.memory", r->memory);
	for (unsigned int i = 0; i < r->nhuge && !(r->given >> KEY_MEMORY_HUGEPAGES & 1); i++) {
		if (!r->huge[i].count)
			continue;
		put_key(t, "own.huge");
		put_number(t, r->huge[i].size);
		put_byte(t, ',');
		put_number(t, r->huge[i].count);
		put_byte(t, '\n');
	}
	for (unsigned int i = 0; i < r->nfound; i++) {
		char found[DEVICE_FOUND_NAME + 8];

		snprintf(found, sizeof(found), "%u %s", r->found[i].node, r->found[i].name);
		put_escaped(t, "own.device", found);
	}
	put_set_if_any(t, "pin.cpus", ids_of(&r->pin_cpus));
	put_set_if_any(t, "pin.mems", ids_of(&r->pin_mems));
	return 0;
}

static void put_pages(struct text *t, const uint64_t *pages)
{
	for (unsigned int h = 0; h < HUGE_SIZES_MAX; h++) {
		if (h)
			put_byte(t, ':');
		put_number(t, pages[h]);
	}
}

/* "mem.0=1073741824,0,0:0:0:0/0:0:0:0" */
static void put_memory(struct text *t, const struct share_node *m)
{
	put(t, "mem.");
	put_number(t, m->id);
	put_byte(t, '=');
	put_number(t, m->memory);
	put_byte(t, ',');
	put_number(t, m->seen);
	put_byte(t, ',');
	put_pages(t, m->huge);
	put_byte(t, '/');
	put_pages(t, m->huge_seen);
	put_byte(t, '\n');
}

static void put_placement(struct text *t, const struct placement *p)
{
	put_count(t, "count", p->share.count);
	put_set(t, "cpus", ids_of(&p->share.cpus));
	put_set_if_any(t, "held", ids_of(&p->share.held));
	put_set(t, "nodes", ids_of(&p->nodes));
	put_set(t, "mems", ids_of(&p->mems));
	put_escaped(t, "policy", memory_policy_name(p->policy));
	put_count(t, "overcommitted", p->overcommitted);
	for (unsigned int i = 0; i < p->share.nmem; i++)
		put_memory(t, &p->share.mem[i]);
}

/* Writes all but the checksum. */
static int put_record(struct text *t, const struct record *r)
{
	int ret;

	put(t, RECORD_FIRST_LINE);
	put_escaped(t, "id", r->id);
	put_escaped(t, "runtime", r->runtime);
	put_escaped(t, "cgroup", r->cgroup ? r->cgroup : "");
	put_count(t, "inode", r->cgroup_inode);
	put_count(t, "started", r->started);
	put_escaped(t, "applied", r->applied);
	if (r->partition != PARTITION_MEMBER)
		put_escaped(t, "partition", partition_name(r->partition));
	ret = put_request(t, &r->request);
	if (ret < 0)
		return ret;
	put_placement(t, &r->placement);
	for (unsigned int i = 0; i < r->reasons.n; i++)
		put_escaped(t, "why", r->reasons.text[i]);
	return t->used <= t->size ? 0 : -E2BIG;
}

static int format_within(const struct record *r, size_t size, char **text, size_t *len)
{
	cleanup_free char *buf = malloc(size + 1);
	struct text t = { .buf = buf, .size = size - RECORD_CRC_LINE_LEN };
	int ret = buf ? put_record(&t, r) : -ENOMEM;

	if (ret < 0)
		return ret;
	*len = t.used + (size_t)sprintf(buf + t.used, RECORD_CRC_LINE, crc32_of(buf, t.used));
	*text = steal_ptr(buf);
	return 0;
}

int record_format(const struct record *r, char **text, size_t *len, struct error *err)
{
	const char *fault = fault_of(r);
	int ret;

	if (fault)
		return error_set(err, -EINVAL, "record of \"%s\": %s", quote(r->id).text, fault);
	/* Nearly all records are short; a large buffer would touch more pages. */
	ret = format_within(r, RECORD_TEXT_SHORT, text, len);
	if (ret == -E2BIG)
		ret = format_within(r, RECORD_TEXT_MAX, text, len);
	if (ret == -E2BIG)
		return error_set(err, ret, "record of \"%s\": more than %d bytes", quote(r->id).text, RECORD_TEXT_MAX);
	return ret < 0 ? error_errno(err, ret, "record of \"%s\"", quote(r->id).text) : 0;
}

int record_begin(struct record *r, const struct record *old, struct error *err)
{
	memcpy(r->id, old->id, sizeof(r->id));
	memcpy(r->runtime, old->runtime, sizeof(r->runtime));
	memcpy(r->applied, old->applied, sizeof(r->applied));
	r->cgroup_inode = old->cgroup_inode;
	r->started = old->started;
	r->cgroup = strdup(old->cgroup);
	return r->cgroup ? 0 : error_errno(err, -ENOMEM, "record the placement");
}

/* Without the reasons, and without what the container has touched. */
static char *format_decision(const struct record *r, size_t *len)
{
	cleanup_free struct record *brief = malloc(sizeof(*brief));
	char *text;

	if (!brief)
		return NULL;
	*brief = *r; /* a view; @r owns the pointers */
	brief->reasons.n = 0;
	brief->placement.share.nmem = 0;
	return record_format(brief, &text, len, NULL) == 0 ? text : NULL;
}

bool record_equal(const struct record *a, const struct record *b)
{
	size_t len_a = 0, len_b = 0;
	cleanup_free char *text_a = format_decision(a, &len_a), *text_b = format_decision(b, &len_b);

	return text_a && text_b && len_a == len_b && memcmp(text_a, text_b, len_a) == 0;
}

bool record_is_expected_in(const struct record *r, const char *cgroup)
{
	size_t len = r->cgroup ? strlen(r->cgroup) : 0;

	if (!record_is_reserved(r) || len < 2)
		return false;
	for (const char *at = cgroup; (at = strstr(at, r->cgroup)); at++)
		if (!at[len] || at[len] == '/')
			return true;
	return false;
}

const char *const record_classes[] = { "oci", "lxc", "incus", "lxd", "run", "systemd", "libvirt", NULL };

const char *record_class_of(const char *runtime)
{
	for (size_t i = 1; record_classes[i]; i++)
		if (strcmp(runtime, record_classes[i]) == 0)
			return record_classes[i];
	return record_classes[0];
}

const char *record_class(const struct record *r)
{
	return record_class_of(r->runtime);
}
