/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numad -w CPUS[:MB], as libvirt runs it for placement='auto': prints the nodes for a virtual machine with so many
 * CPUs and so much memory. The libvirt hook has reserved a place for it; without the hook, it gets an offer, which ends
 * if it does not start.
 *
 * This is the part of numad that programs ask for advice. There is no daemon.
 */
#include "place/note.h"
#include "plugin/base/clock.h"
#include "plugin/base/number.h"
#include "plugin/base/options.h"
#include "plugin/base/util.h"
#include "runtime-hooks/common/confine.h"
#include "runtime-hooks/common/hook.h"
#include "runtime-hooks/libvirt/advice.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#define USAGE "usage: numad -w CPUS[:MB]"
#define MB_MAX (1ULL << 33)

struct options {
	const char *conf, *state, *sysroot, *timeout, *wanted;
	unsigned int seconds;
	bool help;
};

static int parse_options(int argc, char **argv, struct options *o, struct error *err)
{
	const struct option_rule rules[] = {
		{ .name = "conf", .value = &o->conf },	     { .name = "state", .value = &o->state },
		{ .name = "sysroot", .value = &o->sysroot }, { .name = "timeout", .value = &o->timeout },
		{ .name = "want", .letter = 'w', .value = &o->wanted },
		{ .name = "help", .letter = 'h', .flag = &o->help },
	};
	const struct option_table table = { .rule = rules, .n = ARRAY_SIZE(rules) };
	int words = options_parse(&table, argc - 1, argv + 1, err);

	if (words < 0)
		return error_prefix(err, words, "numad gives advice with -w alone, and is no daemon");
	if (words > 0 || (!o->wanted && !o->help))
		return error_set(err, -EINVAL, USAGE);
	return o->timeout ? hook_timeout_parse(o->timeout, &o->seconds, err) : 0;
}

/* CPUS[:MB] */
static int parse_wanted(const char *text, struct request *out, struct error *err)
{
	uint64_t cpus, mb = 0;
	const char *at = text;
	char value[32];
	int rc;

	if (!number_prefix(&at, CPU_COUNT_MAX, &cpus) || !cpus ||
	    (*at && (*at != ':' || !number_parse(at + 1, MB_MAX, &mb))))
		return error_set(err, -EINVAL, "-w: \"%s\": not CPUS[:MB], such as 4:8192", quote(text).text);
	request_init(out);
	snprintf(value, sizeof(value), "%" PRIu64, cpus);
	rc = request_set(out, "limits.cpu", value, err);
	snprintf(value, sizeof(value), "%" PRIu64 "MiB", mb);
	if (rc == 0 && mb)
		rc = request_set(out, "limits.memory", value, err);
	return rc < 0 ? rc : request_finish(out, err);
}

/* For a recorded machine, and where numaplace cannot place anything: nothing is reserved. */
static int advise_unrecorded(struct place_env *env, const struct request *request, struct nodeset *nodes,
			     struct error *err)
{
	cleanup_placement struct placement p = { 0 };
	int rc = place_plan(env, request, NULL, &p, NULL, err);

	if (rc < 0)
		return rc;
	*nodes = p.nodes;
	nodeset_or(nodes, &p.mems);
	return 0;
}

static int advise(struct place_env *env, const struct request *request, struct nodeset *nodes, struct error *err)
{
	char id[64], cgroup[96];
	struct place_job job = { .runtime = LIBVIRT_RUNTIME, .runtime_class = LIBVIRT_CLASS, .id = id, .request = *request };
	int rc = place_open(env, PLACE_WRITE, err);

	if (rc < 0)
		return rc;
	if (!env->real || place_need_mount(env, err) < 0)
		return advise_unrecorded(env, request, nodes, err);
	snprintf(id, sizeof(id), "numad-%d-%" PRIu64, (int)getpid(), clock_ns(CLOCK_BOOTTIME));
	snprintf(cgroup, sizeof(cgroup), LIBVIRT_SLICE "/%s", id);
	return place_advise(env, &job, cgroup, nodes, err);
}

/* With on-failure = warn, a machine that does not fit gets all nodes that are not reserved. */
static int advise_all(struct place_env *env, struct nodeset *nodes, struct error *err)
{
	cleanup_machine struct machine machine = { 0 };
	int rc;

	hook_warn(err->text);
	rc = machine_read(&machine, env, false, false, err);
	if (rc < 0)
		return rc;
	*nodes = machine.topology->cpu_nodes;
	nodeset_or(nodes, &machine.topology->mem_nodes);
	if (!nodeset_subset(nodes, &env->conf.select.reserved_nodes))
		nodeset_andnot(nodes, &env->conf.select.reserved_nodes);
	return 0;
}

static int run(struct place_env *env, const struct options *o, struct error *err)
{
	struct nodeset nodes = { { 0 } };
	char text[NODESET_TEXT_MAX];
	struct request request;
	int rc = parse_wanted(o->wanted, &request, err);

	if (rc == 0)
		rc = conf_read(AT_FDCWD, o->conf, &env->conf, err);
	if (rc < 0)
		return rc;
	env->real = !o->sysroot || strcmp(o->sysroot, "/") == 0;
	place_name_state(env, o->state, env->real ? place_usual_state(true) : NULL);
	env->root = open(env->real ? "/" : o->sysroot, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (env->root < 0)
		return error_errno(err, -errno, "%s", quote(o->sysroot ? o->sysroot : "/").text);
	rc = advise(env, &request, &nodes, err);
	if (rc == -ENOSPC && env->conf.warn_only)
		rc = advise_all(env, &nodes, err);
	if (rc < 0)
		return rc;
	nodeset_format(&nodes, text, sizeof(text));
	if (printf("%s\n", text) < 0 || fflush(stdout))
		return error_errno(err, errno ? -errno : -EIO, "write the nodes");
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = { .conf = PLACE_CONF };
	struct place_env env = {
		.root = -1, .state = -1, .mount = -1, .timeout_ms = HOOK_LOCK_SECONDS * 1000, .message = hook_warn
	};
	struct error err = { 0 };
	int rc;

	hook_begin_place(&env);
	hook_subject("numad");
	rc = parse_options(argc, argv, &o, &err);
	if (rc == 0 && o.help) {
		puts(USAGE "\nPrints the NUMA nodes for a virtual machine of CPUS CPUs and MB MiB. See numaplace-numad(8).");
		return 0;
	}
	if (rc == 0) {
		hook_time_limit(o.seconds, &env);
		confine_privileges(0);
		confine_calls(0);
		rc = run(&env, &o, &err);
	}
	if (rc == 0)
		return 0;
	hook_say(LOG_ERR, err.text);
	return error_exit_status(rc);
}
