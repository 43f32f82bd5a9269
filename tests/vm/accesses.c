/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A TCG plugin of QEMU that counts the data accesses of the workload of a guest (guest/src/walk.c), by the CPU that
 * executes the instruction and the node that holds the page. It counts instructions of user mode in the code of walk
 * whose data lies in a window: an area of virtual addresses that one container uses for its data.
 *
 * walk controls it by stores to the addresses from COMMANDS on (walk.c has the same numbers): each store is one
 * command, and its value does not matter. Argument out=FILE: where the report goes, as lines "WINDOW CPU NODE ACCESSES"
 * and a line "end".
 *
 * Where one thread emulates all CPUs, QEMU 10 passes the number of the CPU that translated the code, and not of the
 * one that executes it. So the plugin knows the CPU by the register k_gs_base, which in user mode has the address
 * of the kernel's data for this CPU. From QEMU 9 on, plugins can read registers, and qemu_plugin_hwaddr_phys_addr()
 * returns the guest's physical address; boot makes sure of the version. QEMU's header is in no package of Debian, so
 * what is used is declared here.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define API __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
struct qemu_info;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;
struct qemu_plugin_register;
struct register_descriptor {
	struct qemu_plugin_register *handle;
	const char *name, *feature;
};
struct register_list { /* GArray of GLib */
	struct register_descriptor *data;
	unsigned int len;
};
struct bytes { /* GByteArray of GLib */
	uint8_t *data;
	unsigned int len;
};
typedef void (*vcpu_callback)(qemu_plugin_id_t id, unsigned int cpu);
typedef void (*tb_callback)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*mem_callback)(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *data);
enum { CB_R_REGS = 1, MEM_R = 1, MEM_W = 2 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_callback cb);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, mem_callback cb, int flags, int rw, void *data);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(qemu_plugin_meminfo_t info, uint64_t vaddr);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *at);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *at);
void qemu_plugin_register_vcpu_init_cb(qemu_plugin_id_t id, vcpu_callback cb);
struct register_list *qemu_plugin_get_registers(void);
int qemu_plugin_read_register(struct qemu_plugin_register *handle, struct bytes *value);
struct bytes *g_byte_array_new(void);
struct bytes *g_byte_array_set_size(struct bytes *array, unsigned int size);

API int qemu_plugin_version = 2;
API int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv);

#define CODE	       0x70000000UL /* where walk is linked to (build) */
#define CODE_SIZE      0x01000000UL
#define WINDOWS	       0x100000000000 /* the data of container number i begins at WINDOWS + i * WINDOW_SIZE */
#define WINDOW_SIZE    0x001000000000
#define COMMANDS       0x200000000000
#define COMMAND_CLEAR  0x0
#define COMMAND_REPORT 0x8
#define COMMAND_CPUS   0x100  /* + CPU: this CPU executes the store */
#define COMMAND_NODES  0x1000 /* + node * BLOCKS + block: this block of physical memory is of this node */
#define BLOCK_SHIFT    27
#define BLOCKS	       4096

enum { MAX_WINDOWS = 16, MAX_CPUS = 64, MAX_NODES = 16 };
/* The CPU and the node of an access after the last number: unknown. */

static uint64_t counts[MAX_WINDOWS][MAX_CPUS + 1][MAX_NODES + 1];
static uint64_t base_of_cpu[MAX_CPUS];
static uint8_t node_of_block[BLOCKS];
static const char *out;
static struct qemu_plugin_register *base_register;
static struct bytes *base_value;

static uint64_t base(void)
{
	uint64_t value = 0;

	g_byte_array_set_size(base_value, 0);
	if (qemu_plugin_read_register(base_register, base_value) == sizeof(value))
		memcpy(&value, base_value->data, sizeof(value));
	return value;
}

static unsigned int this_cpu(void)
{
	uint64_t value = base();
	unsigned int cpu = 0;

	while (cpu < MAX_CPUS && (!value || base_of_cpu[cpu] != value))
		cpu++;
	return cpu;
}

static void report(void)
{
	FILE *f = fopen(out, "a");

	if (!f) {
		perror(out);
		return;
	}
	for (int w = 0; w < MAX_WINDOWS; w++)
		for (int c = 0; c <= MAX_CPUS; c++)
			for (int n = 0; n <= MAX_NODES; n++)
				if (counts[w][c][n])
					fprintf(f, "%d %d %d %" PRIu64 "\n", w, c, n, counts[w][c][n]);
	fprintf(f, "end\n");
	fclose(f);
}

static void command(uint64_t offset)
{
	if (offset == COMMAND_CLEAR) {
		memset(counts, 0, sizeof(counts));
	} else if (offset == COMMAND_REPORT) {
		report();
	} else if (offset >= COMMAND_CPUS && offset < COMMAND_CPUS + MAX_CPUS) {
		base_of_cpu[offset - COMMAND_CPUS] = base();
	} else if (offset >= COMMAND_NODES && offset < COMMAND_NODES + MAX_NODES * BLOCKS) {
		offset -= COMMAND_NODES;
		node_of_block[offset % BLOCKS] = (uint8_t)(offset / BLOCKS);
	}
}

static void count(unsigned int window, qemu_plugin_meminfo_t info, uint64_t vaddr)
{
	struct qemu_plugin_hwaddr *at = qemu_plugin_get_hwaddr(info, vaddr);
	unsigned int node = MAX_NODES;

	if (at && !qemu_plugin_hwaddr_is_io(at)) {
		uint64_t block = qemu_plugin_hwaddr_phys_addr(at) >> BLOCK_SHIFT;

		if (block < BLOCKS)
			node = node_of_block[block];
	}
	counts[window][this_cpu()][node]++;
}

static void on_access(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *data)
{
	(void)cpu;
	(void)data;
	if (vaddr < WINDOWS || vaddr >= COMMANDS + COMMAND_NODES + MAX_NODES * BLOCKS)
		return;
	if (vaddr >= COMMANDS)
		command(vaddr - COMMANDS);
	else if (vaddr < WINDOWS + MAX_WINDOWS * WINDOW_SIZE)
		count((unsigned int)((vaddr - WINDOWS) / WINDOW_SIZE), info, vaddr);
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (qemu_plugin_insn_vaddr(insn) - CODE < CODE_SIZE)
			qemu_plugin_register_vcpu_mem_cb(insn, on_access, CB_R_REGS, MEM_R | MEM_W, NULL);
	}
}

static void on_cpu(qemu_plugin_id_t id, unsigned int cpu)
{
	struct register_list *all;

	(void)id;
	(void)cpu;
	if (base_register)
		return;
	all = qemu_plugin_get_registers();
	for (unsigned int i = 0; i < all->len; i++)
		if (strcmp(all->data[i].name, "k_gs_base") == 0)
			base_register = all->data[i].handle;
	if (!base_register)
		fprintf(stderr, "accesses: this CPU has no register k_gs_base\n");
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++)
		if (strncmp(argv[i], "out=", 4) == 0)
			out = strdup(argv[i] + 4);
	if (!out)
		return -1;
	memset(node_of_block, MAX_NODES, sizeof(node_of_block));
	base_value = g_byte_array_new();
	qemu_plugin_register_vcpu_init_cb(id, on_cpu);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	return 0;
}
