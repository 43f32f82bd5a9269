/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A machine counts as one that requests a placement if it has the profile, whose raw.lxc the daemon does not use for
 * machines, or a user.numaplace key; what it requests is decided as for containers.
 */
#include "runtime-hooks/incus/incus-vm.h"

#include "place/devices.h"
#include "place/enter.h"
#include "place/move.h"
#include "plugin/base/name.h"
#include "place/message.h"
#include "plugin/base/path.h"
#include "plugin/base/strbuf.h"
#include "plugin/base/util.h"
#include "runtime-hooks/common/hook.h"
#include "runtime-hooks/incus/incus-agent.h"
#include "runtime-hooks/incus/incus-api.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define PAUSE_MS 500
#define SLICE "machine.slice"
#define THREADS_MAX 16384

/* What a machine has without limits.cpu and limits.memory. */
#define DEFAULT_CPUS "1"
#define DEFAULT_MEMORY "1GiB"

/* The pid may belong to another process now. */
static bool runs(const struct place_env *env, const struct vm_ref *ref)
{
	char comm[32];

	return path_read(env->root, comm, sizeof(comm), "proc/%d/comm", (int)ref->pid) > 0 &&
	       strncmp(comm, "qemu", 4) == 0;
}

/* Asks the daemon until the machine runs and no operation is in progress. 1: it has ended. */
static int wait_for_start(const struct place_env *env, const struct vm_ref *ref, struct incus_answer *out,
			  struct error *err)
{
	char project[256], instance[256];
	time_t until = time(NULL) + TELL_SECONDS;
	int r;

	incus_split(ref->id, project, instance, sizeof(project));
	for (;;) {
		const char *path = ref->socket ? ref->socket : incus_socket(ref->runtime);

		if (!runs(env, ref))
			return 1;
		r = path ? incus_get(path, project, instance, out, err) :
			   error_set(err, -ENOENT, "the socket of %s does not exist", ref->runtime);
		/* The daemon says "Stopped" until the end of the start. */
		if (r == 0 && strcmp(out->status, "Stopped") != 0)
			return 0;
		if (r == 0) {
			incus_config_free(&out->config);
			*out = (struct incus_answer){ 0 };
			r = error_set(err, -EAGAIN, "it does not finish its start");
		}
		if (!agent_may_change(r) || time(NULL) > until)
			return r;
		poll(NULL, 0, PAUSE_MS);
	}
}

static bool asks(const struct incus_config *c)
{
	bool found = c->profile || c->mode;

	for (int k = 0; k < KEY_COUNT; k++)
		found |= c->asked[k] != NULL;
	return found;
}

/* A list in limits.cpu.nodes has bound the memory: a choice of `numaplace incus place`, or a user's. */
static int settle(struct incus_config *c, struct error *err)
{
	int r = 0;

	if (c->native[KEY_CPU_NODES] && strcmp(c->native[KEY_CPU_NODES], "balanced") != 0) {
		free(c->asked[KEY_CPU_NODES]);
		c->asked[KEY_CPU_NODES] = NULL;
	}
	if (!c->native[KEY_CPU])
		r = string_keep(&c->native[KEY_CPU], DEFAULT_CPUS, err);
	if (r == 0 && !c->native[KEY_MEMORY])
		r = string_keep(&c->native[KEY_MEMORY], DEFAULT_MEMORY, err);
	return r;
}

static int plan(struct place_env *env, struct incus_config *c, enum incus_way *way, struct request *out,
		struct error *err)
{
	const uint64_t memory = incus_host_memory(env->root);
	int r;

	*way = INCUS_LEAVE;
	if (!asks(c))
		return 0;
	r = conf_read(AT_FDCWD, PLACE_CONF, &env->conf, err);
	if (r == 0)
		r = incus_config_settle(c, &env->conf, err);
	if (r == 0)
		r = settle(c, err);
	if (r == 0)
		r = incus_plan(c, &env->conf, memory, way, out, err);
	if (r < 0 || *way == INCUS_LEAVE)
		return r;
	incus_doubts(c, memory, env->message);
	if (*way == INCUS_AHEAD)
		place_find_devices(env, &c->devices, out);
	return 0;
}

/*
 * The daemon has limited each virtual CPU to the nodes of its own choice, of which the scope may have some. A list in
 * limits.cpu is a CPU for each of them, and stays.
 */
static void free_threads(const struct place_env *env, pid_t pid)
{
	cleanup_closedir DIR *list = NULL;
	char path[64];

	snprintf(path, sizeof(path), "proc/%d/task", (int)pid);
	list = path_list(env->root, path);
	for (unsigned int n = 0; list && n < THREADS_MAX; n++) {
		const struct dirent *entry = readdir(list);

		if (!entry)
			break;
		if (*entry->d_name != '.')
			cgroup_widen_affinity((pid_t)atoi(entry->d_name));
	}
}

static int resize(struct place_env *env, const struct place_job *job, const struct record *r, struct error *err)
{
	cleanup_record struct record before = { 0 }, after = { 0 };
	struct move_job move = { .id = job->id, .cgroup_inode = r->cgroup_inode };
	struct request changes;

	if (job->mems_only)
		return place_revise(env, job, &after, err);
	request_init(&changes);
	move.changes = &changes;
	if (job->request.cpu_count != r->request.cpu_count) {
		changes.given = 1U << KEY_CPU;
		changes.cpu_count = job->request.cpu_count;
	}
	if (job->request.memory != r->request.memory) {
		changes.given |= 1U << KEY_MEMORY;
		changes.memory = job->request.memory;
	}
	return place_move(env, &move, &before, &after, err);
}

/* A live change of limits.cpu or limits.memory. */
static int follow_limits(struct place_env *env, const struct place_job *job, const struct record *r, struct error *err)
{
	char now[32], counted[32];
	int rc;

	if (job->request.cpu_count == r->request.cpu_count && job->request.memory == r->request.memory)
		return 0;
	size_human(job->request.memory, now, sizeof(now));
	size_human(r->request.memory, counted, sizeof(counted));
	rc = resize(env, job, r, err);
	if (rc < 0)
		return error_prefix(err, rc, "it has %u CPUs and %s now, its record still counts %u and %s",
				    job->request.cpu_count, now, r->request.cpu_count, counted);
	place_say(env, "it has %u CPUs and %s now, its record counts that instead of %u and %s", job->request.cpu_count, now,
		  r->request.cpu_count, counted);
	return 0;
}

static int place(struct place_env *env, const struct vm_ref *ref, struct incus_config *c, struct error *err)
{
	/* At a shutdown, the daemon stops its machines in order. */
	static const char *const daemons[] = { "incus.service", "incus-startup.service", "lxd.service", NULL };
	cleanup_record struct record r = { 0 };
	struct place_job job = { .runtime = ref->runtime, .runtime_class = ref->runtime, .id = ref->id, .pid = ref->pid };
	char prefix[32], description[NAME_ID_MAX + 64];
	const struct enter_scope scope = { .prefix = prefix, .slice = SLICE, .description = description, .before = daemons };
	enum incus_way way;
	int rc = plan(env, c, &way, &job.request, err);

	if (rc < 0 || way == INCUS_LEAVE)
		return rc;
	job.mems_only = way == INCUS_BEHIND;
	snprintf(prefix, sizeof(prefix), "%s-vm", ref->runtime);
	snprintf(description, sizeof(description), "virtual machine %s of %s", ref->id, ref->runtime);
	rc = place_adopt(env, &job, &scope, &r, err);
	if (rc < 0)
		return error_prefix(err, rc, "it is not placed");
	rc = follow_limits(env, &job, &r, err);
	if (way == INCUS_AHEAD && !job.request.cpu_listed)
		free_threads(env, ref->pid);
	return rc;
}

int vm_place(struct place_env *env, const struct vm_ref *ref)
{
	struct incus_answer answer = { 0 };
	struct error err = { 0 };
	int r = name_check_id(ref->id, &err);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGALRM, SIG_DFL);
	alarm(TELL_SECONDS + 120);
	hook_subject("virtual machine %s", ref->id);
	if (r == 0 && !ref->pid)
		r = place_release(env, ref->runtime, ref->id, &err);
	else if (r == 0)
		r = wait_for_start(env, ref, &answer, &err);
	if (r == 0 && ref->pid && answer.config.type && strcmp(answer.config.type, "virtual-machine") == 0)
		r = place(env, ref, &answer.config, &err);
	incus_config_free(&answer.config);
	place_close(env);
	/* Its end is reported by the next look. */
	if (r < 0 && ref->pid && !runs(env, ref))
		return 0;
	if (r < 0)
		hook_warn(err.text);
	return r < 0;
}
