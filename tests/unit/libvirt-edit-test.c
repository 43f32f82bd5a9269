/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The XML that numaplace virt writes: ten domains, with placements made by hand on a machine of two nodes with four cores
 * of two threads each. Each result is edited again, which changes nothing, and has the request of the domain.
 */
#include "plugin/base/util.h"
#include "runtime-hooks/libvirt/domain-layout.h"
#include "runtime-hooks/libvirt/virsh.h"
#include "runtime-hooks/libvirt/xml-tree.h"
#include "tests/unit/made.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <string.h>

#define HEAD "<domain><name>vm1</name><uuid>78c29c17-b93d-4bd8-9612-6428356e11cd</uuid>"
#define GIB (1ULL << 30)

static struct error err;
static struct topology *machine;
static char *out; /* of the last edit */

static void make_machine(void)
{
	static const struct made_node node[] = { { 0, 8, 32 * GIB }, { 1, 8, 32 * GIB } };

	machine = made(node, 2, 2, 0, NULL);
}

/* A placement: CPUs, and bytes on node 0 and node 1. */
static struct placement placed(const char *cpus, uint64_t bytes0, uint64_t bytes1)
{
	struct placement p = { .policy = POLICY_STRICT };
	const uint64_t bytes[] = { bytes0, bytes1 };

	idset_parse(cpus, &p.share.cpus, NULL);
	p.share.mem = calloc(2, sizeof(*p.share.mem));
	for (unsigned int i = 0; i < 2; i++)
		if (bytes[i]) {
			nodeset_add(&p.mems, i);
			p.share.mem[p.share.nmem++] = (struct share_node){ .id = (uint16_t)i, .memory = bytes[i] };
		}
	topology_nodes_of(machine, &p.share.cpus, &p.nodes);
	return p;
}

static bool same_request(const struct domain *a, const struct domain *b)
{
	struct request x, y;

	return domain_request(a, &x, NULL) == 0 && domain_request(b, &y, NULL) == 0 && x.cpu_count == y.cpu_count &&
	       x.memory == y.memory && x.nhuge == y.nhuge && memcmp(x.huge, y.huge, sizeof(x.huge)) == 0 &&
	       x.exclusive == y.exclusive && x.policy == y.policy;
}

/* Lays out and writes @text into @out. @asked: a key and its value, or NULL. Frees the placements. */
static int edit(const char *text, const char *key, const char *value, struct placement *part, unsigned int n)
{
	cleanup_free struct domain *d = calloc(1, sizeof(*d)), *again = calloc(1, sizeof(*d));
	cleanup_free struct domain_layout *l = calloc(1, sizeof(*l));
	size_t len;
	int rc;

	free(steal_ptr(out));
	err = (struct error){ 0 };
	rc = domain_parse(text, strlen(text), d, &err);
	if (rc == 0 && key)
		rc = request_set(&d->asked, key, value, &err);
	for (unsigned int i = 0; i < n && rc == 0; i++)
		part[i].policy = d->asked.given & 1U << KEY_MEMORY_POLICY ? d->asked.policy : d->policy;
	if (rc == 0)
		rc = domain_lay_out(d, machine, part, n, l, &err);
	if (rc == 0)
		rc = domain_edit(text, strlen(text), d, l, &out, &len, &err);
	if (rc == 0) {
		cleanup_free char *second = NULL;

		ok(domain_parse(out, len, again, &err) == 0 && domain_check(again, l, &err) == 0,
		   "the result has the pins, nodes and cells that were chosen");
		ok(same_request(d, again), "it has the request of the domain");
		ok(domain_edit(out, len, again, l, &second, &len, &err) == 0 && strcmp(out, second) == 0,
		   "a second edit changes nothing");
	}
	for (unsigned int i = 0; i < n; i++)
		placement_free(&part[i]);
	return rc;
}

#define EDIT(text, key, value, ...)                                                                                    \
	edit(text, key, value, (struct placement[]){ __VA_ARGS__ },                                                    \
	     sizeof((struct placement[]){ __VA_ARGS__ }) / sizeof(struct placement))

static bool has(const char *part)
{
	return out && strstr(out, part);
}

static void test_plain(void)
{
	ok(EDIT(HEAD "<memory unit='GiB'>2</memory><vcpu placement='auto'>2</vcpu></domain>", NULL, NULL,
		placed("4,6", 2 * GIB, 0)) == 0, "a domain without tuning is edited");
	ok(has("<vcpu placement=\"static\" cpuset=\"4,6\">2</vcpu>"), "placement='auto' becomes static");
	ok(has("<vcpupin vcpu=\"0\" cpuset=\"4\"/>") && has("<vcpupin vcpu=\"1\" cpuset=\"6\"/>"), "each vCPU has a CPU");
	ok(has("<emulatorpin cpuset=\"4,6\"/>") && !has("iothreadpin"), "the emulator has those of the vCPUs");
	ok(has("<memory mode=\"strict\" nodeset=\"0\"/>"), "the memory is bound to the node");
	ok(!has("<numa>") && !has("memnode"), "on one node, the guest gets no cells");
}

static void test_kept(void)
{
	static const char text[] =
		"<!-- first -->" HEAD "<memory unit='GiB'>2</memory><vcpu cpuset='0-7'>2</vcpu><iothreads>2</iothreads>"
		"<cputune><shares>512</shares><vcpupin vcpu='0' cpuset='1'/><vcpupin vcpu='1' cpuset='0-7'/>"
		"<vcpupin vcpu='5' cpuset='3'/><emulatorpin cpuset='7'/><iothreadpin iothread='9' cpuset='7'/>"
		"<vcpusched vcpus='0' scheduler='fifo' priority='1'/></cputune>"
		"<numatune><memory mode='restrictive' placement='auto'/></numatune>"
		"<x:y xmlns:x='urn:z' a='&lt;&quot;'>t &amp; \xc3\xa9<!-- inner --></x:y></domain>";

	ok(EDIT(text, "limits.cpu.exclusive", "true", placed("2,4", 2 * GIB, 0)) == 0, "a tuned domain is edited");
	ok(has("<!-- first -->") && has("<!-- inner -->") && has("<shares>512</shares>") && has("scheduler=\"fifo\"") &&
		   has("<x:y xmlns:x=\"urn:z\" a=\"&lt;&quot;\">t &amp; \xc3\xa9"),
	   "comments and elements that it does not know are kept");
	ok(has("<vcpupin vcpu=\"0\" cpuset=\"2\"/><vcpupin vcpu=\"1\" cpuset=\"4\"/>") && !has("vcpu=\"5\""),
	   "pins are changed where they are, and those of no vCPU removed");
	ok(has("iothread=\"1\"") && has("iothread=\"2\"") && !has("iothread=\"9\""), "I/O threads are pinned, too");
	ok(has("mode=\"restrictive\" nodeset=\"0\""), "restrictive stays");
	ok(has("keys=\"limits.cpu.exclusive=true\""), "the key is kept for the next call");
}

static void test_threads(void)
{
	struct placement p = placed("0,2", 2 * GIB, 0);

	idset_parse("0-3", &p.share.held, NULL);
	ok(EDIT(HEAD "<memory unit='GiB'>2</memory><vcpu>2</vcpu></domain>", NULL, NULL, p) == 0, "a domain holds cores");
	ok(has("<emulatorpin cpuset=\"1,3\"/>"), "the emulator has the threads beside those of the vCPUs");
	ok(EDIT(HEAD "<memory unit='GiB'>2</memory><vcpu>4</vcpu><cpu><topology sockets='1' cores='2' threads='2'/></cpu></domain>",
		NULL, NULL, placed("2-3,6-7", 2 * GIB, 0)) == 0, "a guest has threads");
	ok(has("vcpu=\"0\" cpuset=\"2\"") && has("vcpu=\"1\" cpuset=\"3\"") && has("vcpu=\"2\" cpuset=\"6\"") &&
		   has("vcpu=\"3\" cpuset=\"7\""), "the threads of a core of the guest are those of a core");
}

/* CPUs 0 and 2 are a core, and so are 1 and 3. */
static void test_far_threads(void)
{
	machine->cpus[1].core = machine->cpus[3].core;
	machine->cpus[2].core = machine->cpus[0].core;
	ok(EDIT(HEAD "<memory unit='GiB'>2</memory><vcpu>4</vcpu><cpu><topology sockets='1' cores='2' threads='2'/></cpu></domain>",
		NULL, NULL, placed("0-3", 2 * GIB, 0)) == 0, "the threads of a core have numbers far apart");
	ok(has("vcpu=\"0\" cpuset=\"0\"") && has("vcpu=\"1\" cpuset=\"2\"") && has("vcpu=\"2\" cpuset=\"1\"") &&
		   has("vcpu=\"3\" cpuset=\"3\""), "the threads of a core of the guest are those of a core here, too");
	machine->cpus[1].core = machine->cpus[0].core;
	machine->cpus[2].core = machine->cpus[3].core;
}

static void test_made_cells(void)
{
	static const char text[] = HEAD "<memory unit='GiB'>5</memory><vcpu current='3'>6</vcpu></domain>";
	cleanup_free char *first = NULL;

	ok(EDIT(text, NULL, NULL, placed("0,2,8", 3 * GIB, 2 * GIB)) == 0, "a domain is on two nodes");
	ok(has("<cell id=\"0\" cpus=\"0-1,3,5\" memory=\"3145728\" unit=\"KiB\"/>") &&
		   has("<cell id=\"1\" cpus=\"2,4\" memory=\"2097152\" unit=\"KiB\"/>"),
	   "it gets a cell for each, with the shares of the placement, and vCPUs for later in turn");
	ok(has("<memnode cellid=\"0\" mode=\"strict\" nodeset=\"0\"/>") && has("<memnode cellid=\"1\" mode=\"strict\" nodeset=\"1\"/>"),
	   "the memory of each cell is on its node");
	ok(has("nodeset=\"0-1\"") && has("cells=\"made\""), "the domain has both nodes");
	ok(!has("vcpupin vcpu=\"3\""), "a vCPU that is not online has no pin");
	first = steal_ptr(out);
	ok(EDIT(first, NULL, NULL, placed("8,10,12", 0, 5 * GIB)) == 0 && !has("<numa>") && !has("<cpu>") && !has("memnode") &&
		   !has("cells="), "on one node later, the cells that were made are removed");
	ok(EDIT(text, "limits.memory.policy", "interleave", placed("0,2,8", 3 * GIB, 2 * GIB)) == 0 && !has("<cell") &&
		   has("mode=\"interleave\" nodeset=\"0-1\""), "interleaved memory is in no cells");
	is_int(EDIT(text, "limits.memory.policy", "weighted-interleave", placed("0,2,8", 3 * GIB, 2 * GIB)), -ENOTSUP,
	       "libvirt has no weighted interleaving");
	is_int(EDIT(HEAD "<memory unit='GiB'>5</memory><vcpu>3</vcpu><devices><memory model='dimm'/></devices></domain>", NULL,
		    NULL, placed("0,2,8", 3 * GIB, 2 * GIB)), -ENOTSUP, "memory devices need cells of the user");
	is_int(EDIT(HEAD "<memory unit='GiB'>5</memory><vcpu>3</vcpu><memoryBacking><hugepages><page size='2' unit='MiB' nodeset='0'/>"
		    "</hugepages></memoryBacking></domain>", NULL, NULL, placed("0,2,8", 3 * GIB, 2 * GIB)), -ENOTSUP,
	       "so do hugepages of some cells");
}

static void test_own_cells(void)
{
#define OWN HEAD "<memory unit='GiB'>4</memory><vcpu>4</vcpu><memoryBacking><hugepages><page size='2' unit='MiB'/></hugepages>"  \
	"</memoryBacking><cpu><numa><cell id='0' cpus='0,2' memory='1' unit='GiB'/>"                                       \
	"<cell id='1' cpus='1,3' memory='3' unit='GiB'/></numa></cpu>"
	ok(EDIT(OWN "</domain>", NULL, NULL, placed("8,10", 0, GIB), placed("0,2", 3 * GIB, 0)) == 0, "a domain has two cells");
	ok(has("<cell id=\"0\" cpus=\"0,2\" memory=\"1\" unit=\"GiB\"/>"), "they are not changed");
	ok(has("vcpu=\"0\" cpuset=\"8\"") && has("vcpu=\"1\" cpuset=\"0\"") && has("vcpu=\"2\" cpuset=\"10\""),
	   "each vCPU is on the node of its cell");
	ok(has("memnode cellid=\"0\" mode=\"strict\" nodeset=\"1\"") && has("memnode cellid=\"1\" mode=\"strict\" nodeset=\"0\""),
	   "and so is the memory");
	is_int(EDIT(OWN "</domain>", NULL, NULL, placed("8,10", GIB, GIB), placed("0,2", 3 * GIB, 0)), -ENOSPC,
	       "a cell on two nodes is refused");
	is_int(EDIT(HEAD "<memory unit='GiB'>1</memory><vcpu>2</vcpu><cpu><numa><cell id='0' cpus='0' memory='1' unit='GiB'/>"
		    "</numa></cpu></domain>", NULL, NULL, placed("8,10", GIB, 0)), -EINVAL, "a vCPU in no cell is refused");
}

static void test_refused(void)
{
	is_int(EDIT(HEAD "<memory unit='GiB'>2</memory><vcpu>3</vcpu></domain>", NULL, NULL, placed("4,6", 2 * GIB, 0)), -ENOSPC,
	       "fewer CPUs than vCPUs are refused");
	is_str(err.text, "3 virtual CPUs need one CPU each, 2 can be given", "with both numbers");
	is_int(EDIT(HEAD "<memory unit='GiB'>2</memory></domain>", NULL, NULL, placed("4,6", 2 * GIB, 0)), -EINVAL,
	       "a domain without vCPUs is refused");
}

/* What the hook needs at a start of such a domain. */
static void test_start(void)
{
	cleanup_free struct domain *d = calloc(1, sizeof(*d));
	struct request r;
	char list[64];

	EDIT(HEAD "<memory unit='GiB'>2</memory><vcpu>2</vcpu></domain>", "limits.cpu.exclusive", "true",
	     placed("4,6", 2 * GIB, 0));
	ok(domain_parse(out, strlen(out), d, &err) == 0 && d->planned && domain_start_request(d, &r, &err) == 0,
	   "a placed domain has a request for its start");
	idset_format(&r.cpu_list, list, sizeof(list));
	is_str(list, "4,6", "it is for exactly its CPUs");
	ok(r.exclusive && nodeset_has(&r.mem_nodes, 0) && nodeset_count(&r.mem_nodes) == 1, "exclusive, with its memory node");
	d->pin[0].cpu = 6;
	idset_parse("6", &d->pinned, NULL);
	is_int(domain_start_request(d, &r, &err), -ENOENT, "a domain whose pins were changed has none");
	d->planned = false;
	is_int(domain_start_request(d, &r, &err), -ENOENT, "so has one that numaplace has not placed");
}

static void test_names(void)
{
	const char *const bad[] = { "", "-x", "--all", "a/b", "../x", "a\nb", "a\x1b[0m", "a\x7f" };
	char name[DOMAIN_NAME_MAX + 2];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		is_int(virsh_check_name(bad[i], &err), -EINVAL, "name %zu is refused", i);
	memset(name, 'a', sizeof(name));
	name[DOMAIN_NAME_MAX + 1] = '\0';
	is_int(virsh_check_name(name, &err), -EINVAL, "a name of 256 bytes is refused");
	name[DOMAIN_NAME_MAX] = '\0';
	is_int(virsh_check_name(name, &err), 0, "one of 255 bytes is not");
	is_int(virsh_check_name("a b$(x);'\"", &err), 0, "one with characters of the shell is not");
}

static int devices_in(const char *text)
{
	cleanup_device_refs struct device_refs refs = { 0 };

	return domain_devices(text, strlen(text), &refs, &err) < 0 ? -1 : (int)refs.n;
}

static void test_devices(void)
{
#define PCI "<address domain='0x0000' bus='0x3b' slot='0x02' function='0x1'/>"
	is_int(devices_in(HEAD "<devices><hostdev type='pci'><source>" PCI "</source></hostdev></devices></domain>"), 1,
	       "a PCI device of the host");
	is_int(devices_in(HEAD "<devices><hostdev type='usb'><source><address bus='1' device='2'/></source></hostdev>"
			  "<hostdev><source><address domain='x' bus='0x3b' slot='0x02' function='0x1'/></source></hostdev>"
			  "<disk type='file'><source file='/x'/></disk><interface type='bridge'><source bridge='br0'/></interface>"
			  "<disk type='block'>" PCI "</disk></devices></domain>"), 0,
	       "none: a USB device, a malformed address, a file, a bridge, and the address in the guest");
	is_int(devices_in(HEAD "<devices><interface type='hostdev'><source>" PCI "</source></interface>"
			  "<interface type='direct'><source dev='eth0' mode='bridge'/></interface>"
			  "<disk type='block'><source dev='/dev/sda'/></disk></devices></domain>"), 3,
	       "an interface of the host, one of macvtap, and a disk");
}

int main(void)
{
	make_machine();
	test_plain();
	test_kept();
	test_threads();
	test_far_threads();
	test_made_cells();
	test_own_cells();
	test_refused();
	test_start();
	test_names();
	test_devices();
	free(out);
	topology_free(machine);
	return done();
}
