/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's texts about cgroups and pages: /proc/PID/cgroup and stat, mountinfo, lists of
 * words, memory.numa_stat, hugetlb.SIZE.numa_stat, numa_maps.
 */
#include "tests/fuzz/fuzz.h"

#include "cgroup/open.h"
#include "cgroup/pages.h"
#include "cgroup/text.h"

/* The start time is a number after the last bracket. */
static void check_start(const char *text)
{
	char number[24];
	uint64_t start;

	if (!stat_start_parse(text, &start))
		return;
	snprintf(number, sizeof(number), "%ju ", (uintmax_t)start);
	must(strrchr(text, ')') && strstr(strrchr(text, ')'), number));
}

static void check_stat(const struct numa_stat *s)
{
	must(s->n <= NODESET_MAX);
	for (unsigned int i = 0; i < s->n; i++)
		must(s->node[i].id < NODESET_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct numa_stat stat;
	static struct pages pages;
	cleanup_free char *text = fuzz_text(data, size);
	char path[CGROUP_PATH_MAX], small[32], *rest = text;
	struct cgroup_mounts mounts;
	struct pressure pressure;
	struct error err = { 0 };
	uint64_t usec;

	if (membership_parse(text, path, sizeof(path)) == 0) {
		must(path_is_plain(path));
	}
	if (membership_parse(text, small, sizeof(small)) == 0)
		must(strlen(small) < sizeof(small));
	mountinfo_parse(text, &mounts);
	check_start(text);
	words_have(text, "cpuset");
	if (numa_stat_parse(text, &stat, &err) == 0)
		check_stat(&stat);
	if (hugetlb_stat_parse(text, &stat, &err) == 0)
		check_stat(&stat);
	if (pressure_parse(text, &pressure, &err) == 0)
		must(pressure.now >= 0 && pressure.now < 1.01 && pressure.minute >= 0 && pressure.minute < 1.01);
	cpu_usage_parse(text, &usec, &err);
	pages.n = 0;
	for (char *line; (line = strsep(&rest, "\n"));)
		pages_add_line(&pages, line);
	must(pages.n <= NODESET_MAX);
	return 0;
}
