/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which pages of a process the kernel moves as one.  A transparent huge page is 512 addresses and one thing to move: one
 * address of it is enough, and each address more costs time, or moves it once more.
 */
#ifndef NUMAPLACE_FOLIOS_H
#define NUMAPLACE_FOLIOS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FOLIOS_STEP 4096 /* addresses that are looked at in one go: 16 MiB of small pages */

struct folio {
	uint64_t address, size; /* the first address of it that is mapped; bytes from there on */
};

struct folios {
	int pagemap, flags; /* of the process; of all frames. -1: may not be read */
	uint64_t page_size;
	uint64_t entry[FOLIOS_STEP], flag[FOLIOS_STEP];
};
#define FOLIOS_NONE ((struct folios){ .pagemap = -1, .flags = -1 })

/* Never fails: where the kernel does not tell, every address is a folio of its own. @root: the folder that holds proc/. */
void folios_open(int root, pid_t pid, struct folios *f);
void folios_close(struct folios *f);

/*
 * The folios with a page between *@at and @end, of at most FOLIOS_STEP addresses; *@at is moved behind these.
 * Returns how many.
 */
size_t folios_next(struct folios *f, uint64_t *at, uint64_t end, struct folio out[FOLIOS_STEP]);

#endif
