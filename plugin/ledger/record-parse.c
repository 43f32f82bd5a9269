/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parses the text of a record. Nothing in it is trusted: the checksum is verified first, each key has a fixed
 * position, each value a valid range.
 */
#include "plugin/base/crc32.h"
#include "plugin/ledger/record-text.h"

#include <errno.h>
#include <string.h>

#include "plugin/base/number.h"
#include "plugin/base/util.h"

/* Setters return false for an invalid value. @key is the part behind the dot of a field's name. */
typedef bool setter(struct record *r, const char *key, char *value);

/* Decimal digits without sign, space or leading zero. Advances *@p past them. */
static bool take_number(const char **p, uint64_t max, uint64_t *out)
{
	const char *s = *p;

	return !(s[0] == '0' && s[1] >= '0' && s[1] <= '9') && number_prefix(p, max, out);
}

static bool take_char(const char **p, char c)
{
	return *(*p)++ == c;
}

static bool number(const char *text, uint64_t max, uint64_t *out)
{
	return take_number(&text, max, out) && !*text;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* In place; false for text that record_format() would not have written. */
static bool unescape(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++) {
		unsigned char c = (unsigned char)*p;
		int high, low;

		if (c < 0x20 || c >= 0x7f)
			return false;
		if (*p != '%') {
			*to++ = *p;
			continue;
		}
		high = hex_digit(p[1]);
		low = high < 0 ? -1 : hex_digit(p[2]);
		if (low < 0)
			return false;
		c = (unsigned char)(high << 4 | low);
		if (!c || (c >= 0x20 && c < 0x7f && c != '%'))
			return false;
		*to++ = (char)c;
		p += 2;
	}
	*to = '\0';
	return true;
}

static bool set_string(char *value, char *out, size_t size)
{
	size_t len;

	if (!unescape(value))
		return false;
	len = strlen(value);
	if (len >= size)
		return false;
	memcpy(out, value, len + 1);
	return true;
}

static bool set_id(struct record *r, const char *key, char *value)
{
	(void)key;
	return set_string(value, r->id, sizeof(r->id)) && name_check_id(r->id, NULL) == 0;
}

static bool set_runtime(struct record *r, const char *key, char *value)
{
	(void)key;
	return set_string(value, r->runtime, sizeof(r->runtime)) && name_check_id(r->runtime, NULL) == 0;
}

static bool set_cgroup(struct record *r, const char *key, char *value)
{
	(void)key;
	return set_string(value, r->cgroup, RECORD_CGROUP_MAX) && record_good_cgroup(r->cgroup);
}

static bool set_inode(struct record *r, const char *key, char *value)
{
	(void)key;
	return number(value, UINT64_MAX, &r->cgroup_inode);
}

static bool set_started(struct record *r, const char *key, char *value)
{
	(void)key;
	return number(value, UINT64_MAX, &r->started);
}

static bool set_applied(struct record *r, const char *key, char *value)
{
	(void)key;
	return set_string(value, r->applied, sizeof(r->applied));
}

static bool set_partition(struct record *r, const char *key, char *value)
{
	(void)key;
	for (enum partition p = PARTITION_ROOT; p <= PARTITION_ISOLATED; p++) {
		if (strcmp(value, partition_name(p)) != 0)
			continue;
		r->partition = p;
		return true;
	}
	return false;
}

static bool set_ask(struct record *r, const char *key, char *value)
{
	int k = request_find_key(key);

	if (k < 0 || r->request.given >> k & 1 || !unescape(value))
		return false;
	return request_set(&r->request, key, value, NULL) == 0;
}

static bool set_own_cpus(struct record *r, const char *key, char *value)
{
	uint64_t n;

	(void)key;
	if (r->request.cpu_count || !number(value, CPU_COUNT_MAX, &n) || !n)
		return false;
	r->request.cpu_count = (unsigned int)n;
	return true;
}

static bool set_own_memory(struct record *r, const char *key, char *value)
{
	(void)key;
	return !r->request.memory && number(value, RECORD_BYTES_LIMIT, &r->request.memory) && r->request.memory;
}

static bool set_own_huge(struct record *r, const char *key, char *value)
{
	struct huge_request h;
	const char *p = value;

	(void)key;
	if (r->request.given >> KEY_MEMORY_HUGEPAGES & 1 || r->request.nhuge == HUGE_REQUEST_MAX)
		return false;
	if (!take_number(&p, RECORD_BYTES_LIMIT, &h.size) || !take_char(&p, ',') ||
	    !number(p, RECORD_BYTES_LIMIT, &h.count) || !h.size || !h.count)
		return false;
	for (unsigned int i = 0; i < r->request.nhuge; i++)
		if (r->request.huge[i].size == h.size)
			return false;
	r->request.huge[r->request.nhuge++] = h;
	return true;
}

/* "1 nvme0n1" */
static bool set_own_device(struct record *r, const char *key, char *value)
{
	struct device_found *found = &r->request.found[r->request.nfound];
	const char *p = value;
	uint64_t node;

	(void)key;
	if (r->request.nfound == DEVICES_FOUND_MAX || !take_number(&p, NODE_ID_MAX - 1, &node) || !take_char(&p, ' ') ||
	    !set_string(value + (p - value), found->name, sizeof(found->name)) || !*found->name)
		return false;
	found->node = (uint16_t)node;
	r->request.nfound++;
	return true;
}

static bool set_pin_cpus(struct record *r, const char *key, char *value)
{
	(void)key;
	return idset_parse_kernel(value, &r->request.pin_cpus, NULL) == 0;
}

static bool set_pin_mems(struct record *r, const char *key, char *value)
{
	(void)key;
	return nodeset_parse_kernel(value, &r->request.pin_mems, NULL) == 0;
}

static bool set_count(struct record *r, const char *key, char *value)
{
	uint64_t n;

	(void)key;
	if (!number(value, CPU_COUNT_MAX, &n))
		return false;
	r->placement.share.count = (unsigned int)n;
	return true;
}

static bool set_cpus(struct record *r, const char *key, char *value)
{
	(void)key;
	return idset_parse_kernel(value, &r->placement.share.cpus, NULL) == 0;
}

static bool set_held(struct record *r, const char *key, char *value)
{
	(void)key;
	return idset_parse_kernel(value, &r->placement.share.held, NULL) == 0;
}

static bool set_nodes(struct record *r, const char *key, char *value)
{
	(void)key;
	return nodeset_parse_kernel(value, &r->placement.nodes, NULL) == 0;
}

static bool set_mems(struct record *r, const char *key, char *value)
{
	(void)key;
	return nodeset_parse_kernel(value, &r->placement.mems, NULL) == 0;
}

static bool set_policy(struct record *r, const char *key, char *value)
{
	(void)key;
	return memory_policy_parse(value, &r->placement.policy, NULL) == 0;
}

static bool set_overcommitted(struct record *r, const char *key, char *value)
{
	uint64_t n;

	(void)key;
	if (!number(value, 1, &n))
		return false;
	r->placement.overcommitted = n;
	return true;
}

static bool take_pages(const char **p, uint64_t *pages)
{
	for (unsigned int h = 0; h < HUGE_SIZES_MAX; h++)
		if ((h && !take_char(p, ':')) || !take_number(p, RECORD_PAGES_LIMIT, &pages[h]))
			return false;
	return true;
}

/* mem.<node>=<bytes>,<seen>,<pages of each size>/<seen of each> */
static bool set_mem(struct record *r, const char *key, char *value)
{
	struct share *s = &r->placement.share;
	struct share_node m = { 0 };
	const char *p = value;
	uint64_t id;

	if (!number(key, NODE_ID_MAX - 1, &id))
		return false;
	m.id = (uint16_t)id;
	for (unsigned int i = 0; i < s->nmem; i++)
		if (s->mem[i].id == id)
			return false;
	if (!take_number(&p, RECORD_BYTES_LIMIT, &m.memory) || !take_char(&p, ',') ||
	    !take_number(&p, RECORD_BYTES_LIMIT, &m.seen) || !take_char(&p, ',') || !take_pages(&p, m.huge) ||
	    !take_char(&p, '/') || !take_pages(&p, m.huge_seen) || *p)
		return false;
	s->mem[s->nmem++] = m;
	return true;
}

static bool set_why(struct record *r, const char *key, char *value)
{
	(void)key;
	if (r->reasons.n == REASONS_MAX ||
	    !set_string(value, r->reasons.text[r->reasons.n], sizeof(r->reasons.text[0])))
		return false;
	r->reasons.n++;
	return true;
}

/* In the order of the lines. A key that ends with a dot is a prefix. */
static const struct field {
	const char *key;
	setter *set;
	bool must, many;
} fields[] = {
	{ "id", set_id, true, false },
	{ "runtime", set_runtime, true, false },
	{ "cgroup", set_cgroup, true, false },
	{ "inode", set_inode, true, false },
	{ "started", set_started, true, false },
	{ "applied", set_applied, true, false },
	{ "partition", set_partition, false, false },
	{ "ask.", set_ask, false, true },
	{ "own.cpus", set_own_cpus, false, false },
	{ "own.memory", set_own_memory, false, false },
	{ "own.huge", set_own_huge, false, true },
	{ "own.device", set_own_device, false, true },
	{ "pin.cpus", set_pin_cpus, false, false },
	{ "pin.mems", set_pin_mems, false, false },
	{ "count", set_count, true, false },
	{ "cpus", set_cpus, true, false },
	{ "held", set_held, false, false },
	{ "nodes", set_nodes, true, false },
	{ "mems", set_mems, true, false },
	{ "policy", set_policy, true, false },
	{ "overcommitted", set_overcommitted, true, false },
	{ "mem.", set_mem, false, true },
	{ "why", set_why, false, true },
};

static bool field_is(const struct field *f, const char *key)
{
	size_t len = strlen(f->key);

	return f->key[len - 1] == '.' ? strncmp(key, f->key, len) == 0 : strcmp(key, f->key) == 0;
}

/* Parses one line. *@at is the first field that may follow; a mandatory field cannot be skipped. */
static int parse_line(struct record *r, char *line, size_t *at, struct error *err)
{
	char *value = strchr(line, '=');

	if (!value)
		return error_set(err, -EBADMSG, "record: \"%s\": not key=value", quote(line).text);
	*value++ = '\0';
	for (size_t i = *at; i < ARRAY_SIZE(fields); i++) {
		const struct field *f = &fields[i];

		if (field_is(f, line)) {
			if (!f->set(r, line + strlen(f->key), value))
				return error_set(err, -EBADMSG, "record: %s: \"%s\": invalid value",
						 quote(line).text, quote(value).text);
			*at = f->many ? i : i + 1;
			return 0;
		}
		if (f->must)
			break;
	}
	return error_set(err, -EBADMSG, "record: key \"%s\": unknown or out of order", quote(line).text);
}

static int parse_lines(struct record *r, char *text, struct error *err)
{
	size_t at = 0;

	while (*text) {
		char *end = strchr(text, '\n');
		int ret;

		if (!end)
			return error_set(err, -EBADMSG, "record: the last line has no newline");
		*end = '\0';
		ret = parse_line(r, text, &at, err);
		if (ret < 0)
			return ret;
		text = end + 1;
	}
	for (; at < ARRAY_SIZE(fields); at++)
		if (fields[at].must)
			return error_set(err, -EBADMSG, "record: %s is missing", fields[at].key);
	return 0;
}

/* Checks first line and checksum, and that there is no NUL inside. */
static int check_whole(const char *text, size_t len, struct error *err)
{
	size_t first = strlen(RECORD_FIRST_LINE);
	char crc[RECORD_CRC_LINE_LEN + 1];

	if (len > RECORD_TEXT_MAX)
		return error_set(err, -EBADMSG, "record: more than %d bytes", RECORD_TEXT_MAX);
	if (len < first || memcmp(text, RECORD_FIRST_LINE, first) != 0)
		return error_set(err, -EBADMSG, "record: wrong first line");
	if (len < first + RECORD_CRC_LINE_LEN)
		return error_set(err, -EBADMSG, "record: truncated");
	snprintf(crc, sizeof(crc), RECORD_CRC_LINE, crc32_of(text, len - RECORD_CRC_LINE_LEN));
	if (memcmp(text + len - RECORD_CRC_LINE_LEN, crc, RECORD_CRC_LINE_LEN) != 0)
		return error_set(err, -EBADMSG, "record: the checksum does not match");
	if (memchr(text, '\0', len))
		return error_set(err, -EBADMSG, "record: holds a NUL byte");
	return 0;
}

/* Allocates everything first, so that a setter can fail only because of the text. */
static int make_room(const char *lines, struct record *r)
{
	size_t nmem = 0;

	for (const char *p = lines; (p = strstr(p, "\nmem.")); p++)
		nmem++;
	r->cgroup = calloc(1, RECORD_CGROUP_MAX);
	r->placement.share.mem = calloc(nmem + 1, sizeof(*r->placement.share.mem));
	return r->cgroup && r->placement.share.mem ? 0 : -ENOMEM;
}

int record_parse(const char *text, size_t len, struct record *r, struct error *err)
{
	size_t first = strlen(RECORD_FIRST_LINE);
	cleanup_free char *lines = NULL;
	int ret;

	memset(r, 0, sizeof(*r));
	ret = check_whole(text, len, err);
	if (ret < 0)
		return ret;
	lines = strndup(text + first, len - first - RECORD_CRC_LINE_LEN);
	ret = lines ? make_room(lines, r) : -ENOMEM;
	if (ret < 0)
		error_errno(err, ret, "record");
	else
		ret = parse_lines(r, lines, err);
	if (ret < 0) {
		record_free(r);
		memset(r, 0, sizeof(*r));
	}
	return ret;
}
