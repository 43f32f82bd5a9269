/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds folios with /proc/PID/pagemap (the frame of each address) and /proc/kpageflags (whether a frame is a head or a
 * tail). Consecutive frames alone are no proof: a process that has just touched its memory often has them.
 */
#include "cgroup/folios.h"

#include "plugin/base/file.h"
#include "plugin/base/util.h"

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

/* Bits of an entry of /proc/PID/pagemap. Without CAP_SYS_ADMIN all frames are 0. */
#define ENTRY_PRESENT (1ULL << 63)
#define ENTRY_FRAME   ((1ULL << 55) - 1)

/* Bits of an entry of /proc/kpageflags. */
#define FLAG_TAIL (1ULL << 16)

#define LARGE 512 /* frames: the transparent huge page of most machines */

void folios_open(int root, pid_t pid, struct folios *f)
{
	char path[64];

	snprintf(path, sizeof(path), "proc/%d/pagemap", (int)pid);
	f->pagemap = file_open(root, path);
	f->flags = f->pagemap < 0 ? -1 : file_open(root, "proc/kpageflags");
	f->page_size = (uint64_t)sysconf(_SC_PAGESIZE);
}

void folios_close(struct folios *f)
{
	cleanup_closep(&f->pagemap);
	cleanup_closep(&f->flags);
	f->pagemap = f->flags = -1;
}

static uint64_t frame_of(uint64_t entry)
{
	return entry & ENTRY_PRESENT ? entry & ENTRY_FRAME : 0;
}

/* The number of entries from @i (and below @n) whose frames are consecutive. */
static size_t row_of(const struct folios *f, size_t i, size_t n)
{
	uint64_t first = frame_of(f->entry[i]);
	size_t len = 1;

	while (first && i + len < n && frame_of(f->entry[i + len]) == first + len)
		len++;
	return len;
}

/* Reads the flags of @n frames into f->flag; false: they cannot be read. */
static bool read_flags(struct folios *f, uint64_t frame, size_t n)
{
	const size_t size = n * sizeof(f->flag[0]);

	return f->flags >= 0 && pread(f->flags, f->flag, size, (off_t)(frame * sizeof(f->flag[0]))) == (ssize_t)size;
}

/*
 * The size of the folio of at least LARGE and at most @max frames that starts at @frame; 0: no such folio. The first
 * frame of a folio is a multiple of its size. So if the frame in the middle of an aligned block is a tail, the whole
 * block is in one folio, and one entry of /proc/kpageflags is enough to tell.
 */
static size_t large_folio(struct folios *f, uint64_t frame, size_t max)
{
	for (size_t size = FOLIOS_STEP; size >= LARGE; size /= 2)
		if (size <= max && frame % size == 0 && read_flags(f, frame + size / 2, 1) && f->flag[0] & FLAG_TAIL)
			return size;
	return 0;
}

/* Splits @len consecutive frames into folios: a tail belongs to the folio before it. */
static size_t split_row(struct folios *f, uint64_t address, uint64_t frame, size_t len, struct folio *out)
{
	size_t n = 0, count;

	for (size_t at = 0; at < len; at += count) {
		size_t to_next = LARGE - (size_t)((frame + at) % LARGE);
		bool known;

		count = large_folio(f, frame + at, len - at);
		if (count) {
			out[n++] = (struct folio){ address + at * f->page_size, count * f->page_size };
			continue;
		}
		count = len - at < to_next ? len - at : to_next;
		known = len > 1 && read_flags(f, frame + at, count);
		for (size_t i = 0; i < count; i++) {
			if (n && known && f->flag[i] & FLAG_TAIL)
				out[n - 1].size += f->page_size;
			else
				out[n++] = (struct folio){ address + (at + i) * f->page_size, f->page_size };
		}
	}
	return n;
}

/* The page table cannot be read: every address may be a folio. */
static size_t all_addresses(const struct folios *f, uint64_t address, size_t n, struct folio *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (struct folio){ address + i * f->page_size, f->page_size };
	return n;
}

size_t folios_next(struct folios *f, uint64_t *at, uint64_t end, struct folio out[FOLIOS_STEP])
{
	const uint64_t step = FOLIOS_STEP * f->page_size, from = *at;
	/* End at a multiple of the step, so that no huge page is split between two calls. */
	uint64_t to = from - from % step + step;
	size_t want, n = 0;

	if (to > end)
		to = end;
	want = (size_t)((to - from) / f->page_size);
	*at = to;
	if (f->pagemap < 0 || pread(f->pagemap, f->entry, want * sizeof(f->entry[0]),
				    (off_t)(from / f->page_size * sizeof(f->entry[0]))) !=
				      (ssize_t)(want * sizeof(f->entry[0])))
		return all_addresses(f, from, want, out);
	for (size_t i = 0, len; i < want; i += len) {
		len = row_of(f, i, want);
		if (f->entry[i] & ENTRY_PRESENT)
			n += split_row(f, from + i * f->page_size, frame_of(f->entry[i]), len, &out[n]);
	}
	return n;
}
