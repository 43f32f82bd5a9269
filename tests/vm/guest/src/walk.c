/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The workload whose accesses the plugin of QEMU counts (tests/vm/accesses.c), and the commands for the plugin. Linked
 * statically, so that it runs in any container.
 *
 * walk run DIR WINDOW THREADS MIB ACCESSES: threads with MIB of memory, a quarter of which they share. The first thread
 * takes the shared pages, and each thread its own; then the process writes "ready" to the FIFO DIR/ready. For each line
 * of the FIFO DIR/go, the threads free their pages and take new ones; then each thread reads ACCESSES words, one of
 * four from the shared pages, in an order that looks random and is always the same; then the process writes "done" to
 * DIR/ready. All data is in the window, and nothing else.
 *
 * walk machine: tells the plugin the CPUs, and the node of each block of memory.
 *
 * walk clear, walk report: clears, reports the counters.
 *
 * Ends with status 3 on any error.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* As in tests/vm/accesses.c. */
#define WINDOWS	       0x100000000000
#define WINDOW_SIZE    0x001000000000
#define COMMANDS       0x200000000000
#define COMMAND_CLEAR  0x0
#define COMMAND_REPORT 0x8
#define COMMAND_CPUS   0x100
#define COMMAND_NODES  0x1000
#define BLOCK_SIZE     (1UL << 27)
#define BLOCKS	       4096
#define MAX_CPUS       64
#define MAX_NODES      16

#define AREA_SIZE   (1UL << 31) /* the largest area, own or shared */
#define MAX_THREADS 30
#define PAGE	    4096

static const char *dir;
static char *window;
static unsigned long threads, own_pages, shared_pages, accesses;
static volatile unsigned long rounds; /* changes only while all threads wait */
static pthread_barrier_t barrier;

static void fail(const char *what)
{
	perror(what);
	exit(3);
}

static void *map_at(uintptr_t address, size_t size)
{
	void *p = mmap((void *)address, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

/* --- the workload */

/* The kernel allocates new pages as if the thread had written to each, so that the only accesses are those of walk(). */
static void take(char *area, unsigned long pages)
{
	if (madvise(area, pages * PAGE, MADV_DONTNEED) || madvise(area, pages * PAGE, MADV_POPULATE_WRITE))
		fail("madvise");
}

static uint64_t next(uint64_t *state)
{
	*state = *state * 6364136223846793005U + 1442695040888963407U;
	return *state >> 33;
}

static void walk(char *own, char *shared, uint64_t state)
{
	for (unsigned long i = 0; i < accesses; i++) {
		char *area = i % 4 ? own : shared;
		uint64_t pages = i % 4 ? own_pages : shared_pages, at = next(&state);

		(void)*(volatile uint64_t *)(area + at % pages * PAGE + at / pages % (PAGE / 8) * 8);
	}
}

static void *worker(void *number)
{
	uintptr_t n = (uintptr_t)number;
	char *own = window + (n + 1) * AREA_SIZE;

	for (;;) {
		if (n == 0)
			take(window, shared_pages);
		take(own, own_pages);
		pthread_barrier_wait(&barrier);
		if (rounds)
			walk(own, window, n + 1);
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void say(const char *word)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/ready", dir);
	f = fopen(path, "w");
	if (!f)
		fail(path);
	fprintf(f, "%s\n", word);
	fclose(f);
}

static void wait_for_go(void)
{
	char path[256], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/go", dir);
	f = fopen(path, "r");
	if (!f || !fgets(line, sizeof(line), f))
		fail(path);
	fclose(f);
}

static void run(char **arg)
{
	unsigned long pages = strtoul(arg[3], NULL, 10) << 8;
	pthread_t thread;

	dir = arg[0];
	window = (char *)(WINDOWS + strtoul(arg[1], NULL, 10) * WINDOW_SIZE);
	threads = strtoul(arg[2], NULL, 10);
	accesses = strtoul(arg[4], NULL, 10);
	shared_pages = pages / 4;
	own_pages = threads ? (pages - shared_pages) / threads : 0;
	if (!own_pages || !shared_pages || threads > MAX_THREADS || pages > AREA_SIZE / PAGE) {
		fprintf(stderr,
			"walk: %s threads with %s MiB: 1 to %d threads with at most 2048 MiB, and 2 pages for each\n",
			arg[2], arg[3], MAX_THREADS);
		exit(3);
	}
	map_at((uintptr_t)window, shared_pages * PAGE);
	for (unsigned long i = 0; i < threads; i++)
		map_at((uintptr_t)window + (i + 1) * AREA_SIZE, own_pages * PAGE);
	pthread_barrier_init(&barrier, NULL, (unsigned int)threads + 1);
	for (uintptr_t i = 0; i < threads; i++)
		if (pthread_create(&thread, NULL, worker, (void *)i))
			fail("pthread_create");
	for (;; rounds++) {
		pthread_barrier_wait(&barrier); /* all have their pages */
		pthread_barrier_wait(&barrier); /* all have read */
		say(rounds ? "done" : "ready");
		wait_for_go();
		pthread_barrier_wait(&barrier);
	}
}

/* --- commands for the plugin */

static void command(uintptr_t offset)
{
	static char *area;

	if (!area)
		area = map_at(COMMANDS, COMMAND_NODES + MAX_NODES * BLOCKS);
	*(volatile char *)(area + offset) = 1;
}

static void tell_node(unsigned long node)
{
	unsigned long block, size = 0;
	char path[64];
	struct dirent *d;
	FILE *f;
	DIR *blocks;

	f = fopen("/sys/devices/system/memory/block_size_bytes", "r");
	if (!f || fscanf(f, "%lx", &size) != 1 || size % BLOCK_SIZE)
		fail("block_size_bytes");
	fclose(f);
	snprintf(path, sizeof(path), "/sys/devices/system/node/node%lu", node);
	blocks = opendir(path);
	if (!blocks)
		return;
	while ((d = readdir(blocks)))
		if (sscanf(d->d_name, "memory%lu", &block) == 1)
			for (unsigned long i = 0; i < size / BLOCK_SIZE; i++)
				if (block * (size / BLOCK_SIZE) + i < BLOCKS)
					command(COMMAND_NODES + node * BLOCKS + block * (size / BLOCK_SIZE) + i);
	closedir(blocks);
}

static void tell_cpu(unsigned int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one) == 0)
		command(COMMAND_CPUS + cpu);
}

int main(int argc, char **argv)
{
	if (argc == 7 && strcmp(argv[1], "run") == 0) {
		run(argv + 2);
	} else if (argc == 2 && strcmp(argv[1], "machine") == 0) {
		for (unsigned long node = 0; node < MAX_NODES; node++)
			tell_node(node);
		for (unsigned int cpu = 0; cpu < MAX_CPUS; cpu++)
			tell_cpu(cpu);
	} else if (argc == 2 && strcmp(argv[1], "clear") == 0) {
		command(COMMAND_CLEAR);
	} else if (argc == 2 && strcmp(argv[1], "report") == 0) {
		command(COMMAND_REPORT);
	} else {
		fprintf(stderr, "walk: run DIR WINDOW THREADS MIB ACCESSES, machine, clear, or report\n");
		return 3;
	}
	return 0;
}
