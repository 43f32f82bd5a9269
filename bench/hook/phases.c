/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For the bench only: the cost of each part of a placement. Linked around the objects of the hook with ld's --wrap. Time
 * and page faults are counted for the innermost part that runs, and printed to descriptor 9 at the end, one line each:
 * PART NANOSECONDS FAULTS. With NUMAPLACE_BENCH_MARK set, a write to descriptor -1 with the name of the part marks each
 * change for strace, so that the system calls can be counted for each part, too.
 */
#include "bench/hook/wrap.h"

#include "place/decide.h"
#include "place/machine.h"
#include "plugin/ledger/counters.h"
#include "plugin/base/util.h"
#include "runtime-hooks/common/confine.h"
#include "runtime-hooks/common/hook.h"
#include "runtime-hooks/oci/oci-config.h"
#include "runtime-hooks/oci/oci-state.h"

#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum part { REST, CONFINE, CONF, INPUT, TOPOLOGY, CGROUP, LEDGER, DECIDE, RECORD, WRITE, READ_BACK, MARK, COUNTING, PARTS };

static const char *const names[PARTS] = { "rest",   "confine", "conf",	"input",     "topology", "cgroup", "ledger",
					  "decide", "record",  "write", "read-back", "mark",	 "counters" };

static enum part part;
static uint64_t since, ns[PARTS];
static long seen, faults[PARTS];
static bool marks, count_faults;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static long faults_now(void)
{
	struct rusage u;

	return getrusage(RUSAGE_SELF, &u) == 0 ? u.ru_minflt : 0;
}

static enum part turn_to(enum part next)
{
	enum part was = part;
	uint64_t t = now();
	long f = count_faults ? faults_now() : 0;

	ns[part] += t - since;
	faults[part] += f - seen;
	part = next;
	if (marks && write(-1, names[next], strlen(names[next])) >= 0)
		abort();
	seen = count_faults ? faults_now() : 0;
	since = now();
	return was;
}

static __attribute__((constructor)) void begin(void)
{
	marks = getenv("NUMAPLACE_BENCH_MARK");
	count_faults = getenv("NUMAPLACE_BENCH_FAULTS");
	seen = count_faults ? faults_now() : 0;
	since = now();
}

static __attribute__((destructor)) void end(void)
{
	turn_to(REST);
	for (int i = 0; i < PARTS && !marks; i++)
		dprintf(9, "%s %llu %ld\n", names[i], (unsigned long long)ns[i], faults[i]);
}

/* A read during the write of the cpuset is its read-back. */
void bench_reads(const char *path, bool begins)
{
	(void)path;
	if (part == (begins ? WRITE : READ_BACK))
		turn_to(begins ? READ_BACK : WRITE);
}

#define AROUND(type, name, parameters, arguments, its_part)                \
	type __real_##name parameters;                                     \
	type __wrap_##name parameters;                                     \
	type __wrap_##name parameters                                      \
	{                                                                  \
		enum part was_ = turn_to(its_part);                        \
		type result_ = __real_##name arguments;                    \
                                                                           \
		turn_to(was_);                                             \
		return result_;                                            \
	}

#define AROUND_VOID(name, parameters, arguments, its_part)                 \
	void __real_##name parameters;                                     \
	void __wrap_##name parameters;                                     \
	void __wrap_##name parameters                                      \
	{                                                                  \
		enum part was_ = turn_to(its_part);                        \
                                                                           \
		__real_##name arguments;                                   \
		turn_to(was_);                                             \
	}

AROUND(uint64_t, hook_begin, (void), (), CONFINE)
AROUND_VOID(confine_privileges, (unsigned int keep), (keep), CONFINE)

void __real_confine_calls(unsigned int keep);
void __wrap_confine_calls(unsigned int keep);
void __wrap_confine_calls(unsigned int keep)
{
	enum part was = turn_to(CONFINE);

	if (!count_faults) /* the filter no longer allows getrusage() */
		__real_confine_calls(keep);
	turn_to(was);
}

AROUND(int, conf_read, (int dir, const char *path, struct conf *c, struct error *err), (dir, path, c, err), CONF)
AROUND(int, hook_read, (int fd, size_t max, char **text, size_t *len, struct error *err), (fd, max, text, len, err),
       INPUT)
AROUND(int, oci_state_parse, (const char *text, size_t len, struct oci_state *out, struct error *err),
       (text, len, out, err), INPUT)
AROUND(int, oci_config_read, (const char *bundle, struct oci_config *out, struct error *err), (bundle, out, err), INPUT)
AROUND(int, machine_read,
       (struct machine *m, const struct place_env *env, bool memory, bool huge, struct error *err),
       (m, env, memory, huge, err), TOPOLOGY)
AROUND(int, cgroup_mount_any, (int *fd, struct error *err), (fd, err), CGROUP)
AROUND(int, cgroup_of_pid, (int mount, pid_t pid, struct cgroup_dir *out, struct error *err), (mount, pid, out, err),
       CGROUP)
AROUND(int, cgroup_read_cpuset, (const struct cgroup_dir *c, struct cpuset *out, struct error *err), (c, out, err),
       CGROUP)
AROUND(int, cgroup_parent, (int mount, const struct cgroup_dir *c, struct cgroup_dir *out, struct error *err),
       (mount, c, out, err), CGROUP)
AROUND(int, ledger_open,
       (int dir, const struct topology *t, const struct ledger_world *w, unsigned int ms, struct ledger **out,
	struct error *err),
       (dir, t, w, ms, out, err), LEDGER)
AROUND(int, ledger_find, (struct ledger *l, const char *class, const char *id, struct record *out, struct error *err),
       (l, class, id, out, err), LEDGER)
AROUND(int, ledger_find_cgroup,
       (struct ledger *l, const char *class, const char *id, uint64_t inode, struct record *out, struct error *err),
       (l, class, id, inode, out, err), LEDGER)
AROUND(int, ledger_sweep, (struct ledger *l, bool all, struct error *err), (l, all, err), LEDGER)
AROUND_VOID(ledger_close, (struct ledger *l), (l), LEDGER)
AROUND(int, select_placement,
       (const struct select_input *in, struct placement *out, struct reasons *why, struct error *err),
       (in, out, why, err), DECIDE)
AROUND(int, ledger_add_text,
       (struct ledger *l, const char *class, const struct record *r, const char *text, size_t len, struct error *err),
       (l, class, r, text, len, err), RECORD)
AROUND(int, cgroup_write_cpuset,
       (const struct cgroup_writer *w, const struct cgroup_dir *c, const struct cpuset *before, const struct idset *cpus,
	const struct idset *mems, struct error *err),
       (w, c, before, cpus, mems, err), WRITE)
AROUND(int, record_format, (const struct record *r, char **text, size_t *len, struct error *err), (r, text, len, err),
       RECORD)
AROUND(int, cgroup_set_xattr,
       (const struct cgroup_dir *c, const char *name, const void *value, size_t len, struct error *err),
       (c, name, value, len, err), MARK)
AROUND(int, cgroup_widen_affinity, (pid_t pid), (pid), WRITE)
AROUND_VOID(counters_add, (int dir, enum counter what, uint64_t us), (dir, what, us), COUNTING)
