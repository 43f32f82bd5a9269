/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds the folios of a process: the groups of pages that the kernel moves as one. A transparent huge page has 512
 * addresses, and moving one of them moves it; passing the others to move_pages(2) as well costs time, or moves it
 * again.
 */
#ifndef NUMAPLACE_FOLIOS_H
#define NUMAPLACE_FOLIOS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FOLIOS_STEP 4096 /* addresses per call: 16 MiB of small pages */

struct folio {
	uint64_t address, size; /* first mapped address; bytes from there */
};

struct folios {
	int pagemap, flags; /* /proc/PID/pagemap; /proc/kpageflags; -1: cannot be read */
	uint64_t page_size;
	uint64_t entry[FOLIOS_STEP], flag[FOLIOS_STEP];
};
#define FOLIOS_NONE ((struct folios){ .pagemap = -1, .flags = -1 })

/*
 * Opens the process's page tables; @root is the sysroot. Never fails: if they cannot be read, every address counts as a
 * folio of its own.
 */
void folios_open(int root, pid_t pid, struct folios *f);
void folios_close(struct folios *f);

/*
 * Finds the folios with a present page in *@at to @end, at most FOLIOS_STEP addresses of them, and advances *@at past
 * these. Returns the number of folios.
 */
size_t folios_next(struct folios *f, uint64_t *at, uint64_t end, struct folio out[FOLIOS_STEP]);

#endif
