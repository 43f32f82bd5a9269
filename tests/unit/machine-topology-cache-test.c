/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cached topology: it equals the one that was read, and is ignored if the file is damaged or the machine has
 * changed.
 */
#include "plugin/machine/topology-cache.h"

#include "plugin/base/util.h"
#include "tests/unit/shell.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static char dir[] = "/tmp/numaplace-topology-XXXXXX";
static int root, state;

static _Noreturn void bail_out(const char *why)
{
	printf("Bail out! %s\n", why);
	exit(1);
}

static void sh(const char *command)
{
	shell_in(dir, command);
}

/* Four nodes with two CPUs, which are threads of one core; node 3 has no memory. */
static void make_machine(void)
{
	sh("mkdir -p proc/sys/kernel/random proc/sys/vm sys/devices/system/node sys/devices/system/cpu state && "
	   "chmod 700 state && echo 11111111-2222-3333-4444-555555555555 > proc/sys/kernel/random/boot_id && "
	   "echo 4096 > proc/sys/vm/min_free_kbytes && "
	   "printf 'MemTotal: 3145728 kB\\nHugepagesize: 2048 kB\\n' > proc/meminfo && "
	   "echo 0-7 > sys/devices/system/cpu/online && echo 0-3 > sys/devices/system/node/online && "
	   "for n in 0 1 2 3; do d=sys/devices/system/node/node$n; mkdir -p $d/hugepages/hugepages-2048kB; "
	   "echo $((n*2))-$((n*2+1)) > $d/cpulist; echo 16 > $d/hugepages/hugepages-2048kB/nr_hugepages; "
	   "echo 8 > $d/hugepages/hugepages-2048kB/free_hugepages; "
	   "t=1048576; [ $n = 3 ] && t=0; "
	   "printf 'Node %d MemTotal: %d kB\\nNode %d MemFree: %d kB\\n' $n $t $n $((t/2)) > $d/meminfo; done; "
	   "mkdir -p sys/kernel/mm/hugepages/hugepages-2048kB; "
	   "cd sys/devices/system/node; echo 10 12 20 22 > node0/distance; echo 12 10 20 20 > node1/distance; "
	   "echo 20 20 10 12 > node2/distance; echo 22 20 12 10 > node3/distance");
	for (int i = 0; i < 8; i++) {
		char line[300];

		snprintf(line, sizeof(line),
			 "d=sys/devices/system/cpu/cpu%d; mkdir -p $d/topology $d/cache/index3 && echo %d-%d | tee "
			 "$d/topology/thread_siblings_list > $d/cache/index3/shared_cpu_list",
			 i, i / 2 * 2, i / 2 * 2 + 1);
		sh(line);
	}
}

static bool same_array(const void *a, const void *b, size_t n, size_t size)
{
	return memcmp(a, b, n * size) == 0;
}

/* Compares all that the cache keeps. */
static void is_same(const struct topology *a, const struct topology *b, const char *what)
{
	size_t n = a->nnodes;
	bool nodes = a->nnodes == b->nnodes;

	for (unsigned int i = 0; nodes && i < n; i++) {
		const struct topo_node *x = &a->nodes[i], *y = &b->nodes[i];

		nodes = x->id == y->id && x->package == y->package && x->has_memory == y->has_memory &&
			x->mem_known == y->mem_known && x->memory_kind == y->memory_kind &&
			x->movable_only == y->movable_only && x->offline == y->offline &&
			x->first_cpu == y->first_cpu && x->ncpus == y->ncpus;
	}
	ok(nodes, "%s: nodes", what);
	ok(a->ncpus == b->ncpus && same_array(a->cpus, b->cpus, a->ncpus, sizeof(*a->cpus)), "%s: CPUs", what);
	ok(same_array(a->distance, b->distance, n * n, 2) && same_array(a->near, b->near, n * n, 2) &&
		   same_array(a->twin, b->twin, n, 2) && a->near_least == b->near_least,
	   "%s: distances", what);
	ok(a->cpu_ids == b->cpu_ids && same_array(a->cpu_index, b->cpu_index, a->cpu_ids, 2) &&
		   same_array(a->node_index, b->node_index, NODE_ID_MAX, 2),
	   "%s: indexes", what);
	ok(idset_equal(&a->online, &b->online) && idset_equal(&a->isolated, &b->isolated) &&
		   idset_equal(&a->offline, &b->offline) &&
		   nodeset_equal(&a->mem_nodes, &b->mem_nodes) && nodeset_equal(&a->cpu_nodes, &b->cpu_nodes) &&
		   nodeset_equal(&a->merged, &b->merged),
	   "%s: sets", what);
	ok(a->ncores == b->ncores && a->nllcs == b->nllcs && a->nhuge == b->nhuge &&
		   same_array(a->huge_size, b->huge_size, HUGE_SIZES_MAX, 8) && a->huge_default == b->huge_default &&
		   a->nodes_bytes == b->nodes_bytes && a->arc == b->arc,
	   "%s: numbers", what);
}

static struct topology *read_machine(void)
{
	struct topology *t = NULL;
	struct error err;

	if (topology_read(root, &t, &err) < 0)
		bail_out(err.text);
	return t;
}

static struct topology_key read_key(void)
{
	struct topology_key key;

	if (!topology_key_read(root, &key))
		bail_out("no key");
	return key;
}

static void keep_machine(void)
{
	cleanup_topology struct topology *t = read_machine();
	struct topology_key key = read_key();

	topology_keep(state, &key, t);
}

static int try_load(void)
{
	cleanup_topology struct topology *t = NULL;
	struct topology_key key = read_key();

	return topology_load(state, &key, &t);
}

static void test_same(void)
{
	cleanup_topology struct topology *read = read_machine(), *kept = NULL, *again = NULL;
	struct topology_key key = read_key();
	struct error err;
	struct stat st;

	is_int(topology_load(state, &key, &kept), -ENOENT, "cache: nothing is stored yet");
	topology_keep(state, &key, read);
	ok(fstatat(state, "topology", &st, 0) == 0 && (st.st_mode & 07777) == 0600, "cache: stored with mode 0600");
	ok(faccessat(state, "topology.tmp", F_OK, 0) < 0, "cache: no temporary file is left");
	is_int(topology_load(state, &key, &kept), 0, "cache: loaded");
	if (!kept)
		bail_out("not kept");
	is_same(read, kept, "loaded topology");
	ok(kept->nodes[0].mem_total == 0 && kept->nodes[0].mem_free == 0 && kept->nodes[0].huge_free[0] == 0,
	   "cache: memory and hugepages are not stored");
	is_int(topology_refresh(root, kept, true, &err), 0, "refresh: memory and hugepages");
	for (unsigned int i = 0; i < kept->nnodes; i++)
		ok(kept->nodes[i].mem_total == read->nodes[i].mem_total &&
			   kept->nodes[i].mem_free == read->nodes[i].mem_free &&
			   kept->nodes[i].huge_free[0] == read->nodes[i].huge_free[0] &&
			   kept->nodes[i].huge_total[0] == read->nodes[i].huge_total[0],
		   "refresh: node %u: memory and hugepages are read", kept->nodes[i].id);
	sh("printf 'Node 1 MemTotal: 1048576 kB\\nNode 1 MemFree: 262144 kB\\n' > "
	   "sys/devices/system/node/node1/meminfo; "
	   "echo 1024 > proc/sys/vm/min_free_kbytes");
	again = read_machine();
	is_int(topology_refresh(root, kept, false, &err), 0, "refresh: memory alone, after a change");
	ok(kept->nodes[1].mem_free == again->nodes[1].mem_free && kept->nodes[1].mem_free != read->nodes[1].mem_free,
	   "refresh: changed memory and watermark are read");
	sh("printf 'Node 1 MemTotal: 3145728 kB\\nNode 1 MemFree: 3145728 kB\\n' > "
	   "sys/devices/system/node/node1/meminfo; echo 400000 > proc/sys/vm/min_free_kbytes; "
	   "printf 'MemTotal: 5242880 kB\\nHugepagesize: 2048 kB\\n' > proc/meminfo");
	topology_free(steal_ptr(again));
	again = read_machine();
	is_int(topology_refresh(root, kept, false, &err), 0, "refresh: memory was added");
	for (unsigned int i = 0; i < kept->nnodes; i++)
		is_int((int64_t)kept->nodes[i].mem_free, (int64_t)again->nodes[i].mem_free,
		       "refresh: node %u: its part of the watermark is of all memory", kept->nodes[i].id);
	ok(kept->nodes[0].huge_total[0] == 0, "refresh: hugepages are not read without request");
}

static void test_changes(void)
{
	cleanup_topology struct topology *t = NULL;
	struct topology_key key = read_key(), none;
	struct error err;

	sh("echo 99999999-2222-3333-4444-555555555555 > proc/sys/kernel/random/boot_id");
	is_int(try_load(), -ENOENT, "cache: ignored after a reboot");
	sh("echo 11111111-2222-3333-4444-555555555555 > proc/sys/kernel/random/boot_id");
	is_int(try_load(), 0, "cache: used for the same boot");
	sh("echo 0-6 > sys/devices/system/cpu/online");
	is_int(try_load(), -ENOENT, "cache: ignored with a CPU offline");
	sh("echo 0-7 > sys/devices/system/cpu/online && echo 0-2 > sys/devices/system/node/online");
	is_int(try_load(), -ENOENT, "cache: ignored with a node offline");
	sh("echo 0-3 > sys/devices/system/node/online");
	is_int(topology_load(state, &key, &t), 0, "cache: used with all nodes and CPUs online again");
	sh("printf 'Node 3 MemTotal: 4096 kB\\nNode 3 MemFree: 4096 kB\\n' > sys/devices/system/node/node3/meminfo");
	is_int(topology_refresh(root, t, false, &err), -ESTALE, "refresh: a node got memory");
	sh("printf 'Node 3 MemTotal: 0 kB\\nNode 3 MemFree: 0 kB\\n' > sys/devices/system/node/node3/meminfo; "
	   "mv sys/devices/system/node/node2/meminfo sys/devices/system/node/node2/was");
	is_int(topology_refresh(root, t, false, &err), -ESTALE, "refresh: a node's memory cannot be read");
	sh("mv sys/devices/system/node/node2/was sys/devices/system/node/node2/meminfo; "
	   "cp -r sys/devices/system/node sys/devices/system/copy; mv sys/devices/system/node sys/devices/system/old; "
	   "mv sys/devices/system/copy sys/devices/system/node");
	is_int(try_load(), -ENOENT, "cache: ignored with another sysroot");
	sh("rm -r sys/devices/system/node; mv sys/devices/system/old sys/devices/system/node");
	sh("mv sys/devices/system/node/online sys/devices/system/node/was");
	ok(!topology_key_read(root, &none), "cache: no key without the list of online nodes");
	sh("mv sys/devices/system/node/was sys/devices/system/node/online");
}

/* A topology read while a CPU goes offline, with a key of the new state. */
static void test_torn(void)
{
	cleanup_topology struct topology *t = read_machine();
	struct topology_key key;

	sh("rm state/topology; echo 0-6 > sys/devices/system/cpu/online");
	key = read_key();
	topology_keep(state, &key, t);
	ok(faccessat(state, "topology", F_OK, 0) < 0, "cache: a topology that does not match its key is not stored");
	sh("echo 0-7 > sys/devices/system/cpu/online");
}

static void test_damage(void)
{
	char image[65536], byte;
	ssize_t len;
	int fd, taken = 0;

	keep_machine();
	fd = openat(state, "topology", O_RDWR | O_CLOEXEC);
	len = pread(fd, image, sizeof(image), 0);
	ok(len > 1000 && len < (ssize_t)sizeof(image), "damage: the file has %zd bytes", len);
	for (ssize_t i = 0; i < len; i++) {
		byte = (char)(image[i] ^ (1 << i % 8));
		if (pwrite(fd, &byte, 1, i) != 1)
			diag("not written");
		taken += try_load() != -ENOENT;
		if (pwrite(fd, image + i, 1, i) != 1)
			diag("not written");
	}
	is_int(taken, 0, "damage: a flipped bit anywhere: ignored");
	is_int(try_load(), 0, "damage: the restored file is used");
	taken = 0;
	for (ssize_t i = len - 1; i >= 0; i -= 7) {
		if (ftruncate(fd, i) < 0)
			diag("not cut");
		taken += try_load() != -ENOENT;
	}
	is_int(taken, 0, "damage: truncated anywhere: ignored");
	close(fd);
}

static void is_refused(const char *make, const char *what)
{
	sh("rm -rf state/topology");
	keep_machine();
	sh(make);
	is_int(try_load(), -ENOENT, "not our file: %s is ignored", what);
}

static void test_not_a_file(void)
{
	is_refused("mv state/topology good; ln -s ../good state/topology", "a symbolic link");
	is_refused("ln state/topology good2", "a file with two hard links");
	is_refused("rm state/topology; mkfifo state/topology", "a FIFO");
	is_refused("rm state/topology; mkdir state/topology", "a directory");
	is_refused(": > state/topology", "an empty file");
	is_refused("head -c 20000000 /dev/zero > state/topology", "a too large file");
	sh("rm -rf state/topology; mkdir state/topology.tmp");
	keep_machine();
	is_int(try_load(), -ENOENT, "cache: none without permission to create the temporary file");
	sh("rmdir state/topology.tmp; echo cut > state/topology.tmp");
	keep_machine();
	is_int(try_load(), 0, "cache: stored in spite of an old temporary file");
}

/* A correct checksum does not make an index valid. */
static void test_forged(void)
{
	cleanup_topology struct topology *t = read_machine();
	struct topology_key key = read_key();

	for (int what = 0; what < 6; what++) {
		uint16_t *field[] = { &t->cpus[1].node, &t->cpus[1].core,   &t->cpus[1].llc,
				      &t->cpus[1].id,	&t->cpu_index[2], &t->twin[1] };
		uint16_t was = *field[what];

		*field[what] = 999;
		topology_keep(state, &key, t);
		is_int(try_load(), -ENOENT, "forged: index %d beyond its array: ignored", what);
		*field[what] = was;
	}
	t->nodes[1].ncpus = 4000;
	topology_keep(state, &key, t);
	is_int(try_load(), -ENOENT, "forged: CPUs of a node beyond the last: ignored");
}

int main(void)
{
	if (!mkdtemp(dir))
		bail_out("mkdtemp");
	make_machine();
	root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	state = openat(root, "state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_same();
	test_changes();
	test_torn();
	test_damage();
	test_not_a_file();
	test_forged();
	sh("rm -rf ./*; rmdir \"$PWD\"");
	return done();
}
