/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The XML of domains: one that libvirt 9 gave to a hook (tests/hooks/libvirt), sizes and hugepages in all their forms, and
 * text that is hostile or no XML at all.
 */
#include "plugin/base/file.h"
#include "plugin/base/util.h"
#include "runtime-hooks/libvirt/domain.h"
#include "runtime-hooks/libvirt/xml.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define NAMED "<name>vm1</name><uuid>78c29c17-b93d-4bd8-9612-6428356e11cd</uuid>"

static struct error err;

static int parse(struct domain *d, const char *text)
{
	*d = (struct domain){ 0 };
	return domain_parse(text, strlen(text), d, &err);
}

/* A domain with these elements. */
static int parse_with(struct domain *d, const char *elements)
{
	char text[8192];

	snprintf(text, sizeof(text), "<domain>" NAMED "%s</domain>", elements);
	return parse(d, text);
}

/* The keys of its request: "limits.cpu=2 ...". */
static const char *request_of(const char *elements)
{
	static char out[1024];
	struct domain d;
	struct request r;
	size_t used = 0;

	snprintf(out, sizeof(out), "error");
	if (parse_with(&d, elements) < 0 || domain_request(&d, &r, &err) < 0)
		return out;
	for (int k = 0; k < KEY_COUNT; k++) {
		char value[256];

		if (request_format(&r, (enum request_key)k, value, sizeof(value)))
			used += (size_t)snprintf(out + used, sizeof(out) - used, "%s%s=%s", used ? " " : "", request_keys[k],
						 value);
	}
	return out;
}

static void test_golden(void)
{
	cleanup_free char *text = NULL;
	struct domain d = { 0 };
	ssize_t n = file_read_all(AT_FDCWD, "tests/hooks/libvirt/auto.xml", DOMAIN_XML_MAX, &text);

	ok(n > 0 && domain_parse(text, (size_t)n, &d, &err) == 0, "the XML that libvirt gives to a hook is parsed");
	ok(strcmp(d.name, "vm1") == 0 && strcmp(d.uuid, "90b0d213-cd49-430e-a346-22d2b8c60e40") == 0, "it has a name and a UUID");
	ok(d.vcpus == 2 && d.memory == 96 << 20, "it has 2 vCPUs and 96 MiB");
	ok(d.auto_cpus && d.auto_mems && domain_asks(&d), "it asks for the place of both");
}

static void test_sizes(void)
{
	is_str(request_of("<vcpu>4</vcpu><memory>1048576</memory>"), "limits.cpu=4 limits.memory=1GiB",
	       "memory without a unit is in KiB");
	is_str(request_of("<vcpu> 4\n</vcpu><memory unit='GiB'>3</memory>"), "limits.cpu=4 limits.memory=3GiB",
	       "a unit counts, and blanks do not");
	is_str(request_of("<vcpu current='2'>4</vcpu><memory unit='b'>1048576</memory>"), "limits.cpu=2 limits.memory=1MiB",
	       "only the vCPUs that are online count");
	is_str(request_of("<vcpu>x</vcpu><memory>1</memory>"), "error", "vCPUs that are no number are refused");
	is_str(request_of("<vcpu>2</vcpu><memory unit='TiB'>99999999999999999</memory>"), "error",
	       "more memory than can be is refused");
	is_str(request_of("<vcpu>2</vcpu><memory unit='acres'>9</memory>"), "error", "an unknown unit is refused");
	is_str(request_of("<memory>4096</memory>"), "error", "a domain without vCPUs has no request");
	is_str(request_of("<vcpu>2</vcpu><memory unit='MiB'>64</memory><numatune><memory mode='interleave' nodeset='0-1'/></numatune>"),
	       "limits.cpu=2 limits.memory=64MiB limits.memory.policy=interleave", "the mode of numatune is the policy");
}

static void test_hugepages(void)
{
#define HUGE(pages) "<vcpu>2</vcpu><memory unit='GiB'>2</memory><memoryBacking><hugepages>" pages "</hugepages></memoryBacking>"
#define CELLS "<cpu><numa><cell id='0' memory='1' unit='GiB'/><cell id='1' memory='1048576'/></numa></cpu>"
	is_str(request_of(HUGE("<page size='2048' unit='KiB'/>")), "limits.cpu=2 limits.memory.hugepages=2MiB=1024",
	       "all memory is in the hugepages of the named size");
	is_str(request_of("<vcpu>2</vcpu><memory unit='GiB'>2</memory><memoryBacking><hugepages/></memoryBacking>"),
	       "limits.cpu=2 limits.memory=2GiB limits.memory.hugepages=true", "without a size, they have the default size");
	is_str(request_of(HUGE("<page size='1' unit='G' nodeset='1'/><page size='2' unit='M'/>") CELLS),
	       "limits.cpu=2 limits.memory.hugepages=2MiB=512,1GiB=1", "cells of the guest have pages of their own sizes");
	is_str(request_of(HUGE("<page size='1' unit='G' nodeset='1'/>") CELLS), "limits.cpu=2 limits.memory.hugepages=1GiB=1",
	       "the memory of a cell without hugepages is not counted as hugepages");
}

static void test_names(void)
{
	struct domain d;

	ok(parse(&d, "<domain><name>a b$(x)</name><uuid>78c29c17-b93d-4bd8-9612-6428356e11cd</uuid></domain>") == 0 &&
		   strcmp(domain_id(&d), d.uuid) == 0,
	   "a domain whose name is not plain has its UUID as id");
	ok(parse(&d, "<domain><name>aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa</name>"
		      "<uuid>78c29c17-b93d-4bd8-9612-6428356e11cd</uuid></domain>") == 0 && strcmp(domain_id(&d), d.uuid) == 0,
	   "so has one with a name of 65 bytes");
	ok(parse_with(&d, "") == 0 && strcmp(domain_id(&d), "vm1") == 0, "another one its name");
	ok(parse(&d, "<domain><name>vm1</name></domain>") == -EINVAL, "a domain without a UUID is refused");
	ok(parse(&d, "<domain><name>vm1</name><uuid>../../x</uuid></domain>") == -EINVAL, "so is one with another text as its UUID");
	ok(parse(&d, "<domain><name>a b</name><uuid>-8c29c17-b93d-4bd8-9612-6428356e11cd</uuid></domain>") == -EINVAL,
	   "and one whose UUID begins with a dash, which is no id of a record");
	ok(parse(&d, "<domain><name>a b</name><uuid>78c29c17cb93d-4bd8-9612-6428356e11cd</uuid></domain>") == -EINVAL,
	   "and one whose UUID has a digit in the place of a dash");
}

static void test_hostile(void)
{
	static char deep[200000];
	struct domain d;
	size_t used = 0;

	ok(parse(&d, "") == -EINVAL && parse(&d, "no XML") == -EINVAL, "text that is no XML is refused");
	ok(parse(&d, "<domain>" NAMED "<vcpu>2</vcpu>") == -EINVAL, "truncated XML is refused");
	ok(parse(&d, "<!DOCTYPE domain [<!ENTITY a 'aa'>]><domain>" NAMED "</domain>") == -EINVAL &&
		   strstr(err.text, "document type"),
	   "a document type is refused");
	ok(parse(&d, "<!DOCTYPE d SYSTEM 'file:///etc/passwd'><domain>" NAMED "</domain>") == -EINVAL,
	   "so is one in another file");
	for (int i = 0; i < 20000; i++)
		used += (size_t)snprintf(deep + used, sizeof(deep) - used, "<a>");
	ok(parse(&d, deep) == -EINVAL && strstr(err.text, "nested"), "elements that are nested deeply are refused");
	snprintf(deep, sizeof(deep), "<domain>" NAMED "<vcpu cpuset='%0*d'>2</vcpu></domain>", 100000, 0);
	ok(parse(&d, deep) == -EINVAL && strstr(err.text, "longer than"), "a long value is refused");
	ok(domain_parse("<domain>\0</domain>", 18, &d, &err) == -EINVAL, "so is a NUL");
	ok(!strchr(err.text, '\n'), "the message is one line");
}

int main(void)
{
	test_golden();
	test_sizes();
	test_hugepages();
	test_names();
	test_hostile();
	return done();
}
