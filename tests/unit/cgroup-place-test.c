/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroup/place and cgroup/choose as far as they go without a real cgroup2: the
 * state folder, the host's ceilings, plans on a mock machine, the world's answers where
 * nothing can be told. Placements themselves are shown in the VM.
 */
#include "cgroup/choose.h"
#include "cgroup/place.h"
#include "plugin/util.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static char dir[] = "/tmp/numaplace-place-XXXXXX";
static char state[64];
static char said[1024];

static void hear(const char *line)
{
	snprintf(said, sizeof(said), "%s", line);
}

static void sh(const char *command)
{
	char line[1024];

	snprintf(line, sizeof(line), "cd %s && %s", dir, command);
	if (system(line) != 0)
		diag("failed: %s", command);
}

/* Two nodes of two CPUs and 1 GiB. */
static void make_machine(void)
{
	sh("mkdir -p proc/sys/kernel/random sys/devices/system/node sys/devices/system/cpu && "
	   "echo 11111111-2222-3333-4444-555555555555 > proc/sys/kernel/random/boot_id && "
	   "echo 0-3 | tee sys/devices/system/cpu/online sys/devices/system/cpu/possible "
	   "sys/devices/system/cpu/present > sys/devices/system/cpu/x && "
	   "for n in 0 1; do d=sys/devices/system/node/node$n; mkdir -p $d; "
	   "echo $((n*2))-$((n*2+1)) > $d/cpulist; "
	   "printf 'Node %d MemTotal: 1048576 kB\\nNode %d MemFree: 1048576 kB\\n' $n $n > $d/meminfo; "
	   "done; cd sys/devices/system/node; echo 10 20 > node0/distance; echo 20 10 > node1/distance; "
	   "echo 0-1 | tee online possible has_cpu has_memory > has_normal_memory");
	for (int i = 0; i < 4; i++) {
		char line[512];

		snprintf(line, sizeof(line),
			 "d=sys/devices/system/cpu/cpu%d/topology; mkdir -p $d && echo %d | tee $d/core_id "
			 "$d/thread_siblings_list $d/core_cpus_list > $d/y && echo %d > $d/physical_package_id",
			 i, i, i / 2);
		sh(line);
	}
}

static struct place_env make_env(void)
{
	struct place_env env = { .state = -1, .state_path = state, .timeout_ms = 2000, .message = hear };

	env.root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	env.conf.devices_allowed = true;
	select_policy_init(&env.conf.select);
	said[0] = '\0';
	return env;
}

static void close_env(struct place_env *env)
{
	close(env->root);
	if (env->state >= 0)
		close(env->state);
}

/* A machine of its own, on which a ledger may be written to. */
static int open_state(struct place_env *env, struct error *err)
{
	int r;

	env->real = true;
	r = place_open_state(env, err);
	env->real = false;
	return r;
}

static unsigned int mode(void)
{
	struct stat st;

	return stat(state, &st) < 0 ? 0 : st.st_mode & 07777;
}

static void test_state(void)
{
	struct place_env env = make_env();
	struct error err;

	env.looking = true;
	is_int(place_find_state(&env, &err), -ENOENT, "state: not there, not made");
	is_int(open_state(&env, &err), 0, "state: made");
	is_int(mode(), 0700, "state: 0700");
	close_env(&env);
	env = make_env();
	is_int(place_open_state(&env, &err), -EINVAL, "state: below a sysroot it is not opened for writing (%s)", err.text);
	chmod(state, 0755);
	env.looking = true;
	is_int(place_find_state(&env, &err), 0, "state: one that others may read is looked at");
	is_int(mode(), 0755, "state: and stays as it is");
	close_env(&env);
	env = make_env();
	is_int(open_state(&env, &err), 0, "state: for a placement it is taken");
	is_int(mode(), 0700, "state: and made private");
	close_env(&env);
	sh("rm run/format; touch run/lock run/others && mkdir run/containers && chmod 755 run");
	env = make_env();
	is_int(open_state(&env, &err), -EPERM, "state: a folder of other things is refused");
	ok(strstr(err.text, "not a ledger folder"), "state: message (%s)", err.text);
	is_int(mode(), 0755, "state: and its mode left alone");
	close_env(&env);
	sh("printf numause1 > run/usage");
	env = make_env();
	is_int(open_state(&env, &err), 0, "state: with the sums of an older version's ledger in it, it is one");
	close_env(&env);
	sh("rm -r run/usage run/lock run/others run/containers");
	chmod(state, 0770);
	env = make_env();
	is_int(open_state(&env, &err), -EPERM, "state: one that others may write to is refused");
	ok(strstr(err.text, "mode 0770"), "state: message (%s)", err.text);
	close_env(&env);
	rmdir(state);
	sh("ln -s / run");
	env = make_env();
	is_int(open_state(&env, &err), -ENOTDIR, "state: a symlink is not followed");
	close_env(&env);
	sh("rm run && touch run");
	env = make_env();
	is_int(open_state(&env, &err), -ENOTDIR, "state: a file");
	close_env(&env);
	sh("rm run");
	env = make_env();
	env.state_path = NULL;
	is_int(open_state(&env, &err), -ENOENT, "state: none given");
	close_env(&env);
}

/* A folder that was named with --state: known by a file of ours, and never repaired. */
static void test_named_state(void)
{
	static const struct {
		const char *made, *what;
		int for_looking, for_writing;
	} folders[] = {
		{ "true", "empty", 0, 0 },
		{ "ln -s numaplace-ledger-1 run/format; touch run/lock", "of a ledger that was begun", 0, 0 },
		{ "ln -s numaplace-ledger-1 run/format; chmod 755 run", "of a ledger, that others may read", 0, -EPERM },
		{ "printf numause1xxx > run/usage", "of an older version's ledger", 0, 0 },
		{ "mkdir run/containers; echo 'numaplace-record 1' > run/containers/oci:a", "with a record", 0, 0 },
		{ "mkdir run/lock", "with a folder lock", -EINVAL, -EINVAL },
		{ "touch run/lock", "with a file lock", -EINVAL, -EINVAL },
		{ "mkdir -p run/containers/web1", "with a folder containers", -EINVAL, -EINVAL },
		{ "mkdir run/containers; echo x > run/containers/a:b", "with a file in containers", -EINVAL, -EINVAL },
		{ "echo numaplace > run/usage", "with another file usage", -EINVAL, -EINVAL },
		{ "mkfifo run/usage", "with a fifo usage", -EINVAL, -EINVAL },
		{ "printf numause1 > u; ln -s ../u run/usage", "with a symlink usage", -EINVAL, -EINVAL },
		{ "ln -s others run/format", "with another link format", -EINVAL, -EINVAL },
		{ "echo numaplace-ledger-1 > run/format", "with a file format", -EINVAL, -EINVAL },
	};
	struct error err = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		struct place_env env;
		char line[256];

		snprintf(line, sizeof(line), "rm -rf run; mkdir -m 700 run; %s; find run -printf '%%p %%m %%T@ %%l\\n' | sort > before",
			 folders[i].made);
		sh(line);
		for (int writing = 0; writing < 2; writing++) {
			int want = writing ? folders[i].for_writing : folders[i].for_looking, r;

			env = make_env();
			env.looking = !writing;
			place_name_state(&env, state, NULL);
			r = writing ? open_state(&env, &err) : place_find_state(&env, &err);
			is_int(r, want, "state: a folder %s, for %s %s", folders[i].what, writing ? "writing" : "looking",
			       want ? err.text : "");
			close_env(&env);
			if (!writing || want < 0) {
				snprintf(line, sizeof(line), "cd %s && find run -printf '%%p %%m %%T@ %%l\\n' | sort | cmp -s - before", dir);
				is_int(system(line), 0, "state: a folder %s stays as it is", folders[i].what);
			}
		}
	}
	sh("rm -rf run u before");
}

static struct request want(const char *cpus, const char *key, const char *value)
{
	struct request r;
	struct error err;

	request_init(&r);
	if (request_set(&r, "limits.cpu", cpus, &err) < 0 || (key && request_set(&r, key, value, &err) < 0) ||
	    request_finish(&r, &err) < 0)
		diag("request: %s", err.text);
	return r;
}

/* What is planned, as its nodes; or the error's text. */
static int plan(struct place_env *env, const struct request *r, char nodes[64], struct error *err)
{
	cleanup_placement struct placement p = { 0 };
	struct reasons why = { 0 };
	int rc = place_plan(env, r, NULL, &p, &why, err);

	nodes[0] = '\0';
	if (rc == 0)
		idset_format(&p.nodes, nodes, 64);
	return rc;
}

static void test_plan(void)
{
	struct place_env env = make_env();
	struct request r = want("2", NULL, NULL);
	struct error err = { 0 };
	char nodes[64];
	struct stat st;

	is_int(plan(&env, &r, nodes, &err), 0, "plan: without a ledger (%s)", err.text);
	is_str(nodes, "0", "plan: two CPUs, one node");
	ok(stat(state, &st) < 0, "plan: no folder is made for it");
	r = want("4", NULL, NULL);
	is_int(plan(&env, &r, nodes, &err), 0, "plan: four CPUs");
	is_str(nodes, "0-1", "plan: two nodes");
	open_state(&env, &err);
	r = want("2", NULL, NULL);
	is_int(plan(&env, &r, nodes, &err), 0, "plan: on an empty ledger (%s)", err.text);
	is_str(nodes, "0", "plan: the same");
	close_env(&env);
}

static void test_ceilings(void)
{
	struct place_env env = make_env();
	struct request r = want("3", NULL, NULL);
	struct error err;
	char nodes[64];

	env.conf.max_cpus = 2;
	is_int(plan(&env, &r, nodes, &err), -ENOSPC, "max-cpus: over it");
	is_str(err.text, "limits.cpu: 3 CPUs, this host allows a container 2 (max-cpus)", "max-cpus: message");
	r = want("0-2", NULL, NULL);
	is_int(plan(&env, &r, nodes, &err), -ENOSPC, "max-cpus: a list over it");
	r = want("2", NULL, NULL);
	is_int(plan(&env, &r, nodes, &err), 0, "max-cpus: just fits");
	env.conf.max_exclusive_cpus = 1;
	is_int(plan(&env, &r, nodes, &err), 0, "max-exclusive-cpus: is not about shared ones");
	r = want("2", "limits.cpu.exclusive", "true");
	is_int(plan(&env, &r, nodes, &err), -ENOSPC, "max-exclusive-cpus: over it");
	is_str(err.text,
	       "limits.cpu.exclusive: 2 more on top of 0 held, this host allows 1 in all (max-exclusive-cpus)",
	       "max-exclusive-cpus: message");
	env.conf.max_exclusive_cpus = 2;
	is_int(plan(&env, &r, nodes, &err), 0, "max-exclusive-cpus: just fits");
	env.conf.devices_allowed = false;
	r = want("2", "limits.cpu.device", "eth0");
	is_int(plan(&env, &r, nodes, &err), -EPERM, "devices = false");
	is_str(err.text, "limits.cpu.device: not allowed on this host (devices = false)", "devices: message");
	close_env(&env);
}

static void test_refusals(void)
{
	struct place_env env = make_env();
	struct place_job job = { .runtime = "runc", .runtime_class = "oci", .id = "a", .pid = 1 };
	cleanup_record struct record r = { 0 };
	char long_id[RECORD_ID_MAX + 2];
	struct error err;

	job.request = want("2", NULL, NULL);
	job.id = "";
	is_int(place_container(&env, &job, &r, &err), -EINVAL, "id: empty");
	memset(long_id, 'x', sizeof(long_id) - 1);
	long_id[sizeof(long_id) - 1] = '\0';
	job.id = long_id;
	is_int(place_container(&env, &job, &r, &err), -EINVAL, "id: too long");
	ok(!r.id[0], "the output is untouched by failure");
	env.real = true;
	is_int(place_release(&env, "oci", "a", &err), 0, "release: of what was never placed");
	close_env(&env);
}

/* A record of a container whose cgroup nobody can look at. */
static void add_record(struct place_env *env, const struct topology *t, const char *id)
{
	cleanup_ledger struct ledger *l = NULL;
	cleanup_record struct record r = { .runtime = "runc", .cgroup_inode = 7, .started = 1 };
	struct world world;
	struct error err = { 0 };

	world_init(&world, env->root, -1, t, NULL);
	snprintf(r.id, sizeof(r.id), "%s", id);
	r.cgroup = strdup("/gone");
	request_init(&r.request);
	idset_add(&r.placement.nodes, 0);
	idset_add(&r.placement.mems, 0);
	idset_add_range(&r.placement.share.cpus, 0, 1);
	r.placement.share.count = 2;
	ok(ledger_open(env->state, t, &world.ledger, 1000, &l, &err) == 0 && ledger_add(l, "oci", &r, &err) == 0,
	   "world: a record is added (%s)", err.text);
}

static void test_world(void)
{
	struct place_env env = make_env();
	cleanup_topology struct topology *t = NULL;
	struct ledger *l = NULL;
	struct request two = want("2", NULL, NULL);
	struct error err = { 0 };
	char nodes[64];

	is_int(topology_read(env.root, &t, &err), 0, "world: topology (%s)", err.text);
	open_state(&env, &err);
	add_record(&env, t, "a");
	is_int(plan(&env, &two, nodes, &err), 0, "world: plan beside one that cannot be told to live");
	is_str(nodes, "1", "world: it counts");
	is_int(place_look(&env, t, &l, &err), 0, "place_look (%s)", err.text);
	is_int(l ? ledger_usage(l)->containers : 99, 1, "place_look: has it");
	ledger_close(l);
	env.looking = false;
	is_int(place_release(&env, "oci", "a", &err), 0, "release (%s)", err.text);
	is_int(plan(&env, &two, nodes, &err), 0, "world: plan after it");
	is_str(nodes, "1", "world: what may live keeps its place");
	sh("echo 99999999-2222-3333-4444-555555555555 > proc/sys/kernel/random/boot_id");
	is_int(place_release(&env, "oci", "a", &err), 0, "release: again, after a reboot");
	is_int(plan(&env, &two, nodes, &err), 0, "world: plan after the reboot");
	is_str(nodes, "0", "world: its place is free");
	sh("true > proc/sys/kernel/random/boot_id");
	is_int(place_release(&env, "oci", "a", &err), -ENODATA, "release: in a boot that cannot be told (%s)", err.text);
	close_env(&env);
	sh("rm -rf run");
	env = make_env();
	l = (struct ledger *)&env;
	is_int(place_look(&env, t, &l, &err), 0, "place_look: no folder");
	ok(!l, "place_look: no ledger");
	close_env(&env);
}

int main(void)
{
	char clean[128];

	if (!mkdtemp(dir))
		return 1;
	snprintf(state, sizeof(state), "%s/run", dir);
	make_machine();
	test_state();
	test_named_state();
	test_refusals();
	test_plan();
	sh("rm -rf run");
	test_ceilings();
	test_world();
	snprintf(clean, sizeof(clean), "rm -rf %s", dir);
	ok(system(clean) == 0, "cleaned up");
	return done();
}
