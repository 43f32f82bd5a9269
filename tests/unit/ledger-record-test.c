/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text of a record: parsed back it is the same record; truncated, flipped or forged anywhere it is refused.
 */
#include "plugin/base/crc32.h"
#include "plugin/ledger/record.h"

#include <errno.h>

#include "tests/unit/records.h"
#include "tests/unit/tap.h"

#include "plugin/base/util.h"

/* @text with a correct checksum appended, as a forger would do. */
static char *with_crc(const char *text)
{
	char *out;

	if (asprintf(&out, "%scrc=%08x\n", text, crc32_of(text, strlen(text))) < 0)
		abort();
	return out;
}

static int parse(const char *text, size_t len, struct error *err)
{
	cleanup_record struct record r;

	return record_parse(text, len, &r, err);
}

static void test_crc(void)
{
	const char *nine = "123456789";
	unsigned char bytes[64];
	uint32_t crc = ~0U;

	is_int(crc32_of(nine, 9), 0xcbf43926, "CRC-32: check value");
	is_int(crc32_of("", 0), 0, "CRC-32: of nothing");
	for (unsigned int i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (unsigned char)(i * 37 + 5);
		crc ^= bytes[i];
		for (int b = 0; b < 8; b++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
	}
	is_int(crc32_of(bytes, sizeof(bytes)), ~crc, "CRC-32: the same as byte by byte");
}

static void test_round_trip(void)
{
	uint64_t seed = 7;
	int bad = 0, differ = 0;

	for (int i = 0; i < 2000; i++) {
		cleanup_record struct record r = { 0 }, back = { 0 };
		cleanup_free char *text = NULL, *again = NULL;
		struct error err = { 0 };
		char id[RECORD_ID_MAX + 1];
		size_t len, len2;

		random_name(&seed, id, 1 + random_below(&seed, RECORD_ID_MAX / 3));
		random_record(&seed, id, IDSET_MAX, NODE_ID_MAX, &r);
		if (record_format(&r, &text, &len, &err) < 0 || record_parse(text, len, &back, &err) < 0) {
			diag("%d: %s", i, err.text);
			bad++;
			continue;
		}
		record_format(&back, &again, &len2, NULL);
		if (!same_record(&r, &back) || len != len2 || memcmp(text, again, len) != 0)
			differ++;
		if (strlen(text) != len || strspn(text, "\n") || text[len - 1] != '\n')
			bad++;
		for (size_t k = 0; k < len; k++)
			bad += text[k] != '\n' && (text[k] < 0x20 || text[k] > 0x7e);
	}
	is_int(bad, 0, "round trip: 2000 random records are written in printable lines and parsed");
	is_int(differ, 0, "round trip: records and texts are the same");
}

/* What a container touches, and the reasons, are not part of the decision; its request and its place are. */
static void test_equal(void)
{
	uint64_t seed = 11;
	int same = 0, differ = 0;

	for (int i = 0; i < 500; i++) {
		cleanup_record struct record r = { 0 }, other = { 0 };
		uint64_t again = seed;

		random_record(&seed, "web", 64, 8, &r);
		random_record(&again, "web", 64, 8, &other);
		for (unsigned int k = 0; k < other.placement.share.nmem; k++)
			other.placement.share.mem[k].seen += 4096;
		other.reasons.n = 0;
		same += record_equal(&r, &other);
		switch (i % 4) {
		case 0:
			other.request.memory += 4096;
			other.request.given |= 1U << KEY_MEMORY;
			break;
		case 1:
			idset_add(&other.placement.share.cpus, 99);
			break;
		case 2:
			nodeset_add(&other.placement.mems, 9);
			break;
		default:
			other.cgroup_inode++;
		}
		differ += !record_equal(&r, &other);
	}
	is_int(same, 500, "records that differ in touched memory and reasons are equal");
	is_int(differ, 500, "records that differ in the request, the CPUs, the memory nodes or the cgroup are not");
}

/* A container whose limits leave nothing of its claim has a normal record. */
static void test_cut_to_nothing(void)
{
	static const struct {
		const char *memory, *huge; /* keys */
		int64_t own_memory;
		uint64_t own_huge;
	} claims[] = {
		{ "1GiB", NULL, 0, 0 }, { "1GiB", "true", 0, 0 }, { NULL, "2MiB=64,1GiB=1", 0, 0 },
		{ NULL, NULL, 1 << 30, 0 }, { NULL, NULL, 0, 2 << 20 }, { NULL, "true", 1 << 30, 0 },
	};
	uint64_t seed = 11;

	for (size_t i = 0; i < ARRAY_SIZE(claims); i++) {
		cleanup_record struct record r = { 0 }, back = { 0 };
		cleanup_free char *text = NULL;
		struct request *q = &r.request;
		struct error err = { .text = "" };
		size_t len;

		random_record(&seed, "web", 64, 4, &r);
		request_init(q);
		request_set(q, "limits.cpu", "2", &err);
		if (claims[i].memory)
			request_set(q, "limits.memory", claims[i].memory, &err);
		if (claims[i].huge)
			request_set(q, "limits.memory.hugepages", claims[i].huge, &err);
		request_fallback_memory(q, claims[i].own_memory);
		if (claims[i].own_huge)
			request_fallback_hugepages(q, claims[i].own_huge, claims[i].own_huge, &err);
		q->memory = 0;
		for (unsigned int h = 0; h < q->nhuge; h++)
			q->huge[h].count = 0;
		is_int(record_format(&r, &text, &len, &err), 0, "claim %zu reduced to nothing: written", i);
		is_int(record_parse(text, len, &back, &err), 0, "claim reduced to nothing: parsed%s%s",
		       *err.text ? ": " : "", err.text);
		ok(!back.request.memory && !back.request.nhuge && back.request.cpu_count == 2,
		   "claim reduced to nothing: no memory is requested");
	}
}

/* A record with every kind of line. */
static char *example(size_t *len, struct record *r)
{
	char *text = NULL;
	uint64_t seed = 3;

	random_record(&seed, "web@1", 64, 8, r);
	snprintf(r->applied, sizeof(r->applied), "a%%\nb");
	snprintf(r->reasons.text[0], sizeof(r->reasons.text[0]), "two nodes\nheld=0-63");
	r->reasons.n = 1;
	r->placement.share.held = r->placement.share.cpus;
	r->partition = PARTITION_ISOLATED;
	record_format(r, &text, len, NULL);
	return text;
}

static void test_cut_and_flipped(void)
{
	cleanup_record struct record r = { 0 };
	cleanup_free char *text = NULL, *copy = NULL;
	int cut = 0, flipped = 0, grown = 0;
	size_t len;

	text = example(&len, &r);
	for (size_t i = 0; i < len; i++)
		cut += parse(text, i, NULL) != -EBADMSG;
	is_int(cut, 0, "damaged: truncated at each of %zu bytes: refused", len);
	copy = malloc(len + 1);
	memcpy(copy, text, len + 1);
	for (size_t i = 0; i < len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			copy[i] = (char)(text[i] ^ 1 << bit);
			flipped += parse(copy, len, NULL) != -EBADMSG;
		}
		copy[i] = '\0';
		flipped += parse(copy, len, NULL) != -EBADMSG;
		copy[i] = text[i];
	}
	is_int(flipped, 0, "damaged: each bit flipped and each byte replaced by NUL: refused");
	for (int c = 0; c < 256; c++) {
		copy[len] = (char)c;
		grown += parse(copy, len + 1, NULL) != -EBADMSG;
	}
	is_int(grown, 0, "damaged: one byte too many: refused");
	is_int(parse(text, len, NULL), 0, "damaged: the original is parsed");
	ok(strstr(text, "applied=a%25%0Ab\n") != NULL, "escapes: a newline in a value starts no line");
	ok(strstr(text, "partition=isolated\n") != NULL, "a partition has a line");
	ok(strstr(text, "why=two nodes%0Aheld=0-63\n") != NULL, "escapes: a newline in a reason starts no line");
}

/* A valid record with one line replaced, left out, doubled or moved must be refused. */
static void forged(const char *good, const char *line, const char *by, const char *what)
{
	cleanup_free char *body = strndup(good, strlen(good) - 13), *text = NULL, *whole = NULL;
	char *at = strstr(body, line);
	struct error err = { 0 };
	int r;

	if (!at) {
		ok(false, "%s: the record has no \"%s\"", what, line);
		return;
	}
	if (asprintf(&text, "%.*s%s%s", (int)(at - body), body, by, at + strlen(line)) < 0)
		abort();
	whole = with_crc(text);
	r = parse(whole, strlen(whole), &err);
	if (!is_int(r, -EBADMSG, "forged record is refused: %s", what))
		diag("%s", whole);
	if (r == -EBADMSG && !*err.text)
		diag("no message");
}

static void test_forged(void)
{
	static const struct {
		const char *line, *by, *what;
	} cases[] = {
		{ "id=a\n", "", "without an id" },
		{ "id=a\n", "id=\n", "empty id" },
		{ "id=a\n", "id=a\nid=a\n", "two ids" },
		{ "id=a\nruntime=runc\n", "runtime=runc\nid=a\n", "lines in another order" },
		{ "id=a\n", "id=%61\n", "unnecessary escape" },
		{ "id=a\n", "id=%0a\n", "escape in lower case" },
		{ "id=a\n", "id=%0\n", "incomplete escape" },
		{ "id=a\n", "id=%00\n", "escaped NUL" },
		{ "id=a\n", "id=%0A\n", "invalid id" },
		{ "id=a\n", "id=$(a)\n", "id with shell characters" },
		{ "id=a\n", "id=a%C3%A9\n", "id beyond ASCII" },
		{ "id=a\n", "id=..\n", "id of two dots" },
		{ "runtime=runc\n", "runtime=r c\n", "invalid runtime name" },
		{ "cgroup=/c\n", "cgroup=/c%0A\n", "cgroup with a newline" },
		{ "cgroup=/c\n", "cgroup=/`c`\n", "cgroup with shell characters" },
		{ "id=a\n", "id=a\tb\n", "unescaped control byte" },
		{ "id=a\n", "id=a\x80\n", "unescaped byte beyond ASCII" },
		{ "id=a\n", "id=a\nnew=1\n", "unknown key" },
		{ "id=a\n", "id=a\n\n", "empty line" },
		{ "id=a\n", "id=a\nheld\n", "line without =" },
		{ "runtime=runc\n", "runtime=0123456789abcdef\n", "too long runtime" },
		{ "cgroup=/c\n", "cgroup=c\n", "relative cgroup" },
		{ "cgroup=/c\n", "cgroup=/../etc\n", "cgroup with two dots" },
		{ "cgroup=/c\n", "cgroup=/a/..\n", "cgroup that ends in two dots" },
		{ "inode=5\n", "inode=05\n", "number with a leading zero" },
		{ "inode=5\n", "inode=+5\n", "number with a sign" },
		{ "inode=5\n", "inode= 5\n", "number with a space" },
		{ "inode=5\n", "inode=18446744073709551616\n", "number 2^64" },
		{ "inode=5\n", "inode=\n", "missing number" },
		{ "count=2\n", "count=1000001\n", "too many CPUs" },
		{ "count=2\n", "ask.limits.cpu=2\nask.limits.cpu=2\ncount=2\n", "requested key twice" },
		{ "count=2\n", "ask.limits.cpus=2\ncount=2\n", "unknown requested key" },
		{ "count=2\n", "ask.limits.cpu=0\ncount=2\n", "requested key with a bad value" },
		{ "count=2\n", "ask.limits.cpu=2\nown.cpus=2\ncount=2\n", "CPUs both by key and by the runtime" },
		{ "count=2\n", "own.cpus=0\ncount=2\n", "runtime's limit of 0 CPUs" },
		{ "count=2\n", "own.memory=0\ncount=2\n", "runtime's limit of 0 bytes" },
		{ "count=2\n", "own.huge=1\ncount=2\n", "incomplete hugepage line" },
		{ "count=2\n", "own.huge=1,1\nown.huge=1,2\ncount=2\n", "page size twice" },
		{ "count=2\n", "own.device=1024 sda\ncount=2\n", "device on a node id too large" },
		{ "count=2\n", "own.device=1\ncount=2\n", "device without a name" },
		{ "count=2\n", "own.device=1 \ncount=2\n", "device with an empty name" },
		{ "count=2\n", "own.device=1 0123456789012345678901234567890123456789\ncount=2\n",
		  "device whose name is too long" },
		{ "cpus=1-2\n", "cpus=1-8192\n", "CPU id too large" },
		{ "cpus=1-2\n", "cpus=2-1\n", "backward range" },
		{ "nodes=0\n", "nodes=1024\n", "node id too large" },
		{ "policy=strict\n", "policy=lax\n", "unknown policy" },
		{ "overcommitted=0\n", "overcommitted=2\n", "overcommitted neither 0 nor 1" },
		{ "mem.0=10,2,0:0:0:0/0:0:0:0\n", "mem.0=10\n", "incomplete memory line" },
		{ "mem.0=10,2,0:0:0:0/0:0:0:0\n", "mem.0=10,2,0:0:0/0:0:0:0\n",
		  "memory line with a page size missing" },
		{ "mem.0=10,2,0:0:0:0/0:0:0:0\n", "mem.0=10,2,0:0:0:0/0:0:0:0:0\n",
		  "memory line with a page size too many" },
		{ "mem.0=10,2,0:0:0:0/0:0:0:0\n", "mem.0=1152921504606846977,2,0:0:0:0/0:0:0:0\n",
		  "memory above 2^60" },
		{ "mem.0=10,2,0:0:0:0/0:0:0:0\n", "mem.1024=10,2,0:0:0:0/0:0:0:0\n", "memory of a node id too large" },
		{ "mem.0=10,2,0:0:0:0/0:0:0:0\n", "mem.0=10,2,0:0:0:0/0:0:0:0\nmem.0=10,2,0:0:0:0/0:0:0:0\n",
		  "memory of a node twice" },
		{ "applied=\n", "applied=\npartition=member\n", "partition of the kind member" },
		{ "applied=\n", "applied=\npartition=root \n", "partition with a space" },
		{ "numaplace-record 1\n", "numaplace-record 2\n", "unknown version" },
	};
	struct share_node mem = { .id = 0, .memory = 10, .seen = 2 };
	struct record r = { .id = "a", .runtime = "runc", .cgroup = (char *)"/c", .cgroup_inode = 5 };
	cleanup_free char *good = NULL;
	size_t len;

	idset_add_range(&r.placement.share.cpus, 1, 2);
	nodeset_add(&r.placement.nodes, 0);
	r.placement.share.count = 2;
	r.placement.share.nmem = 1;
	r.placement.share.mem = &mem;
	is_int(record_format(&r, &good, &len, NULL), 0, "forged record: the original is written");
	forged(good, "applied=\n", "", "line left out, with a correct checksum");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		forged(good, cases[i].line, cases[i].by, cases[i].what);
	{
		cleanup_free char *many = malloc(REASONS_MAX * 8 + 100);
		char *p = many;

		p += sprintf(p, "overcommitted=0\n");
		for (int i = 0; i <= REASONS_MAX; i++)
			p += sprintf(p, "why=x\n");
		forged(good, "overcommitted=0\nmem.0=10,2,0:0:0:0/0:0:0:0\n", many, "too many reasons");
		memset(many, 'a', 16);
		p = many + sprintf(many, "overcommitted=0\nwhy=");
		many = realloc(many, 400);
		p = many + strlen(many);
		memset(p, 'a', 200);
		memcpy(p + 200, "\n", 2);
		forged(good, "overcommitted=0\nmem.0=10,2,0:0:0:0/0:0:0:0\n", many, "too long reason");
	}
}

static void test_refused(void)
{
	cleanup_record struct record r = { 0 };
	cleanup_free char *text = NULL;
	struct error err = { 0 };
	uint64_t seed = 9;
	size_t len;

	random_record(&seed, "a", 8, 2, &r);
	*r.id = '\0';
	is_int(record_format(&r, &text, &len, &err), -EINVAL, "record_format: an empty id is refused");
	strcpy(r.id, "a");
	free(r.cgroup);
	r.cgroup = strdup("relative");
	is_int(record_format(&r, &text, &len, &err), -EINVAL, "record_format: a relative cgroup is refused");
	is_str(err.text, "record of \"a\": the cgroup is not an absolute path",
	       "record_format: message for a relative cgroup");
	free(r.cgroup);
	r.cgroup = NULL;
	is_int(record_format(&r, &text, &len, &err), 0, "record_format: an unknown cgroup is allowed");
	ok(strstr(text, "cgroup=\n") != NULL, "record_format: an unknown cgroup is written as empty");
	free(text);
	text = NULL;
	for (unsigned int i = 0; i < IDSET_MAX; i += 2) {
		idset_add(&r.placement.share.cpus, i);
		idset_add(&r.placement.share.held, i);
		idset_add(&r.request.pin_cpus, i);
	}
	free(r.placement.share.mem);
	r.placement.share.nmem = NODE_ID_MAX;
	r.placement.share.mem = calloc(NODE_ID_MAX, sizeof(*r.placement.share.mem));
	for (unsigned int i = 0; i < NODE_ID_MAX; i++)
		r.placement.share.mem[i].id = (uint16_t)i;
	is_int(record_format(&r, &text, &len, &err), -E2BIG, "record_format: a too long text is refused");
	ok(text == NULL, "record_format: no text after a refusal");
}

/* Paths of every length, so that the text grows from one that fits a small buffer to one that does not. */
static void test_lengths(void)
{
	cleanup_record struct record r = { 0 };
	size_t least = SIZE_MAX, most = 0;
	uint64_t seed = 11;
	int bad = 0;

	random_record(&seed, "a", 8, 2, &r);
	free(r.cgroup);
	r.cgroup = calloc(1, RECORD_CGROUP_MAX + 1);
	r.cgroup[0] = '/';
	for (size_t n = 1; n < RECORD_CGROUP_MAX; n++) {
		cleanup_record struct record back = { 0 };
		cleanup_free char *text = NULL;
		size_t len = 0;

		bad += record_format(&r, &text, &len, NULL) < 0 || strlen(text) != len ||
		       record_parse(text, len, &back, NULL) < 0 || strcmp(back.cgroup, r.cgroup) != 0;
		least = len < least ? len : least;
		most = len > most ? len : most;
		r.cgroup[n] = 'a';
	}
	ok(!bad && least < 1500 && most > 4096, "record_format: %d errors in texts of %zu to %zu bytes", bad, least,
	   most);
}

static void test_reservation(void)
{
	static const struct {
		const char *expected, *cgroup;
		uint64_t inode;
		bool want;
	} cases[] = {
		{ "/a.slice/c.scope", "/a.slice/c.scope", 0, true },
		{ "/a.slice/c.scope", "/a.slice/c.scope/container", 0, true },
		{ "/a.slice/c.scope", "/outer/a.slice/c.scope", 0, true },
		{ "/a/a", "/a/ab/a/a", 0, true },
		{ "/a.slice/c.scope", "/a.slice/c.scope", 7, false },
		{ "/a.slice/c.scope", "/a.slice/c.scope2", 0, false },
		{ "/a.slice/c.scope", "/a.slice", 0, false },
		{ "/a.slice/c.scope", "/ba.slice/c.scope", 0, false },
		{ "/a.slice/c.scope", "/a.slice/b.slice/c.scope", 0, false },
		{ "/", "/a", 0, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct record r = { .cgroup = (char *)(uintptr_t)cases[i].expected, .cgroup_inode = cases[i].inode };

		is_int(record_is_expected_in(&r, cases[i].cgroup), cases[i].want, "a %s for %s is %sfor %s",
		       cases[i].inode ? "record" : "reservation", cases[i].expected, cases[i].want ? "" : "not ",
		       cases[i].cgroup);
	}
}

int main(void)
{
	test_reservation();
	test_crc();
	test_round_trip();
	test_equal();
	test_cut_to_nothing();
	test_lengths();
	test_cut_and_flipped();
	test_forged();
	test_refused();
	return done();
}
