/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parts of place/ that need no real cgroup2: the state folder, the ceilings, plans on a
 * mock machine, and a ledger whose containers cannot be queried. Placements themselves are tested in the VM.
 */
#include "place/place.h"
#include "plugin/base/util.h"
#include "tests/unit/shell.h"
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
	shell_in(dir, command);
}

/* Two nodes, each with two CPUs and 1 GiB. */
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
	place_close(env);
	close(env->root);
}

/* Opens the ledger for writing, which is only allowed on a real machine. */
static int open_state(struct place_env *env, struct error *err)
{
	int r;

	env->real = true;
	place_open(env, PLACE_CREATE, NULL);
	r = place_need_state(env, err);
	env->real = false;
	return r;
}

static int find_state(struct place_env *env, struct error *err)
{
	place_open(env, PLACE_READ, NULL);
	return place_need_state(env, err);
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

	is_int(find_state(&env, &err), -ENOENT, "state: reading does not create a missing folder");
	is_int(open_state(&env, &err), 0, "state: writing creates the folder");
	is_int(mode(), 0700, "state: a new folder has mode 0700");
	close_env(&env);
	env = make_env();
	place_open(&env, PLACE_CREATE, NULL);
	is_int(place_need_state(&env, &err), -EINVAL, "state: below a sysroot it is not opened for writing (%s)",
	       err.text);
	close_env(&env);
	env = make_env();
	chmod(state, 0755);
	is_int(find_state(&env, &err), 0, "state: a folder with mode 0755 can be read");
	is_int(mode(), 0755, "state: reading does not change mode 0755");
	close_env(&env);
	env = make_env();
	is_int(open_state(&env, &err), 0, "state: a folder with mode 0755 can be opened for writing");
	is_int(mode(), 0700, "state: writing changes mode 0755 to 0700");
	close_env(&env);
	sh("rm run/format; touch run/lock run/others && mkdir run/containers && chmod 755 run");
	env = make_env();
	is_int(open_state(&env, &err), -EPERM, "state: a folder with foreign files is refused");
	ok(strstr(err.text, "not a ledger folder"), "state: message for foreign files (%s)", err.text);
	is_int(mode(), 0755, "state: the mode of a folder with foreign files is unchanged");
	close_env(&env);
	sh("printf numause1 > run/usage");
	env = make_env();
	is_int(open_state(&env, &err), 0, "state: a folder with the sums of an older version is a ledger's");
	close_env(&env);
	sh("rm -r run/usage run/lock run/others run/containers");
	chmod(state, 0770);
	env = make_env();
	is_int(open_state(&env, &err), -EPERM, "state: a folder that others may write to is refused");
	ok(strstr(err.text, "mode 0770"), "state: message for a folder that others may write to (%s)", err.text);
	close_env(&env);
	rmdir(state);
	sh("ln -s / run");
	env = make_env();
	is_int(open_state(&env, &err), -ENOTDIR, "state: a symlink is not followed");
	close_env(&env);
	sh("rm run && touch run");
	env = make_env();
	is_int(open_state(&env, &err), -ENOTDIR, "state: a regular file is refused");
	close_env(&env);
	sh("rm run");
	env = make_env();
	env.state_path = NULL;
	is_int(open_state(&env, &err), -ENOENT, "state: without a path it does not exist");
	close_env(&env);
}

/* A folder given with --state is recognised by our own files, and never repaired. */
static void test_named_state(void)
{
	static const struct {
		const char *made, *what;
		int for_looking, for_writing;
	} folders[] = {
		{ "true", "that is empty", 0, 0 },
		{ "ln -s numaplace-ledger-1 run/format; touch run/lock", "of a new ledger", 0, 0 },
		{ "ln -s numaplace-ledger-1 run/format; chmod 755 run", "of a ledger, with mode 0755", 0, -EPERM },
		{ "printf numause1xxx > run/usage", "of an older version's ledger", 0, 0 },
		{ "mkdir run/containers; echo 'numaplace-record 1' > run/containers/oci:a", "with a record", 0, 0 },
		{ "mkdir run/lock", "with a directory named lock", -EINVAL, -EINVAL },
		{ "touch run/lock", "with a file named lock", -EINVAL, -EINVAL },
		{ "mkdir -p run/containers/web1", "with a foreign directory in containers", -EINVAL, -EINVAL },
		{ "mkdir run/containers; echo x > run/containers/a:b", "with a foreign file in containers", -EINVAL,
		  -EINVAL },
		{ "echo numaplace > run/usage", "with a foreign file named usage", -EINVAL, -EINVAL },
		{ "mkfifo run/usage", "with a FIFO named usage", -EINVAL, -EINVAL },
		{ "printf numause1 > u; ln -s ../u run/usage", "with a symlink named usage", -EINVAL, -EINVAL },
		{ "ln -s others run/format", "with a foreign symlink named format", -EINVAL, -EINVAL },
		{ "echo numaplace-ledger-1 > run/format", "with a file named format", -EINVAL, -EINVAL },
	};
	struct error err = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		struct place_env env;
		char line[256];

		snprintf(line, sizeof(line),
			 "rm -rf run; mkdir -m 700 run; %s; find run -printf '%%p %%m %%T@ %%l\\n' | sort > before",
			 folders[i].made);
		sh(line);
		for (int writing = 0; writing < 2; writing++) {
			int want = writing ? folders[i].for_writing : folders[i].for_looking, r;

			env = make_env();
			place_name_state(&env, state, NULL);
			r = writing ? open_state(&env, &err) : find_state(&env, &err);
			is_int(r, want, "--state: a folder %s, for %s %s", folders[i].what,
			       writing ? "writing" : "reading", want ? err.text : "");
			close_env(&env);
			if (!writing || want < 0) {
				snprintf(line, sizeof(line),
					 "cd %s && find run -printf '%%p %%m %%T@ %%l\\n' | sort | cmp -s - before",
					 dir);
				is_int(system(line), 0, "--state: a folder %s is unchanged", folders[i].what);
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

/* Plans and returns the result code; @nodes becomes the planned nodes, or "". */
static int plan(struct place_env *env, const struct request *r, char nodes[64], struct error *err)
{
	cleanup_placement struct placement p = { 0 };
	struct reasons why = { 0 };
	int rc = place_plan(env, r, NULL, &p, &why, err);

	nodes[0] = '\0';
	if (rc == 0)
		nodeset_format(&p.nodes, nodes, 64);
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
	is_str(nodes, "0", "plan: two CPUs are on one node");
	ok(stat(state, &st) < 0, "plan: no state folder is created");
	r = want("4", NULL, NULL);
	is_int(plan(&env, &r, nodes, &err), 0, "plan: four CPUs on two nodes of two");
	is_str(nodes, "0-1", "plan: four CPUs use both nodes");
	open_state(&env, &err);
	r = want("2", NULL, NULL);
	is_int(plan(&env, &r, nodes, &err), 0, "plan: on an empty ledger (%s)", err.text);
	is_str(nodes, "0", "plan: an empty ledger gives the same nodes");
	r.nfound = 1;
	r.found[0] = (struct device_found){ "nvme0n1", 1 };
	is_int(plan(&env, &r, nodes, &err), 0, "plan: with a device of node 1 (%s)", err.text);
	is_str(nodes, "1", "plan: the node of a device that was found is preferred");
	r.devices_mode = DEVICES_NONE;
	plan(&env, &r, nodes, &err);
	is_str(nodes, "0", "plan: limits.cpu.device=none: a device that was found does not count");
	close_env(&env);
}

static void test_ceilings(void)
{
	struct place_env env = make_env();
	struct request r = want("3", NULL, NULL);
	struct error err;
	char nodes[64];

	env.conf.max_cpus = 2;
	is_int(plan(&env, &r, nodes, &err), -ENOSPC, "max-cpus: more CPUs are refused");
	is_str(err.text, "limits.cpu: 3 CPUs, this host allows a container 2 (max-cpus)",
	       "max-cpus: message of the refusal");
	r = want("0-2", NULL, NULL);
	is_int(plan(&env, &r, nodes, &err), -ENOSPC, "max-cpus: a longer list is refused");
	r = want("2", NULL, NULL);
	is_int(plan(&env, &r, nodes, &err), 0, "max-cpus: as many CPUs are allowed");
	env.conf.max_exclusive_cpus = 1;
	is_int(plan(&env, &r, nodes, &err), 0, "max-exclusive-cpus: shared CPUs do not count");
	r = want("2", "limits.cpu.exclusive", "true");
	is_int(plan(&env, &r, nodes, &err), -ENOSPC, "max-exclusive-cpus: more CPUs are refused");
	is_str(err.text,
	       "limits.cpu.exclusive: 2 more on top of 0 held, this host allows 1 in all (max-exclusive-cpus)",
	       "max-exclusive-cpus: message of the refusal");
	env.conf.max_exclusive_cpus = 2;
	is_int(plan(&env, &r, nodes, &err), 0, "max-exclusive-cpus: as many CPUs are allowed");
	env.conf.devices_allowed = false;
	r = want("2", "limits.cpu.device", "eth0");
	is_int(plan(&env, &r, nodes, &err), -EPERM, "devices = false: a device is refused");
	is_str(err.text, "limits.cpu.device: not allowed on this host (devices = false)",
	       "devices = false: message of the refusal");
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
	is_int(place_container(&env, &job, &r, NULL, &err), -EINVAL, "place_container: an empty id is refused");
	memset(long_id, 'x', sizeof(long_id) - 1);
	long_id[sizeof(long_id) - 1] = '\0';
	job.id = long_id;
	is_int(place_container(&env, &job, &r, NULL, &err), -EINVAL, "place_container: a too long id is refused");
	ok(!r.id[0], "place_container: the output is unchanged after a failure");
	place_close(&env);
	env.real = true;
	is_int(place_release(&env, "oci", "a", &err), 0, "place_release: a container that was never placed");
	close_env(&env);
}

/* Adds the record of a container whose cgroup cannot be queried. */
static void add_record(struct place_env *env, const struct topology *t, const char *id)
{
	cleanup_ledger struct ledger *l = NULL;
	cleanup_record struct record r = { .runtime = "runc", .cgroup_inode = 7, .started = 1 };
	struct ledger_world world;
	struct error err = { 0 };

	liveness_init(&env->live, env->root, -1, -1, t, NULL);
	world = liveness_world(&env->live);
	snprintf(r.id, sizeof(r.id), "%s", id);
	r.cgroup = strdup("/gone");
	request_init(&r.request);
	nodeset_add(&r.placement.nodes, 0);
	nodeset_add(&r.placement.mems, 0);
	idset_add_range(&r.placement.share.cpus, 0, 1);
	r.placement.share.count = 2;
	ok(ledger_open(env->state, t, &world, 1000, &l, &err) == 0 && ledger_add(l, "oci", &r, &err) == 0,
	   "no cgroup2: a record is added (%s)", err.text);
}

static void test_world(void)
{
	struct place_env env = make_env();
	cleanup_topology struct topology *t = NULL;
	struct ledger *l = NULL;
	struct request two = want("2", NULL, NULL);
	struct error err = { 0 };
	char nodes[64];

	is_int(topology_read(env.root, &t, &err), 0, "no cgroup2: the topology is read (%s)", err.text);
	open_state(&env, &err);
	add_record(&env, t, "a");
	is_int(plan(&env, &two, nodes, &err), 0, "no cgroup2: plan beside a container of unknown state");
	is_str(nodes, "1", "no cgroup2: the container of unknown state keeps its CPUs");
	is_int(place_look(&env, t, &l, &err), 0, "place_look: a ledger with one record (%s)", err.text);
	is_int(l ? ledger_usage(l)->containers : 99, 1, "place_look: the record counts");
	ledger_close(l);
	is_int(place_release(&env, "oci", "a", &err), 0, "no cgroup2: place_release (%s)", err.text);
	is_int(plan(&env, &two, nodes, &err), 0, "no cgroup2: plan after place_release");
	is_str(nodes, "1", "no cgroup2: a container that may be alive is not released");
	sh("echo 99999999-2222-3333-4444-555555555555 > proc/sys/kernel/random/boot_id");
	is_int(place_release(&env, "oci", "a", &err), 0, "reboot: place_release of a container of the previous boot");
	is_int(plan(&env, &two, nodes, &err), 0, "reboot: plan after a reboot");
	is_str(nodes, "0", "reboot: the place of the previous boot's container is free");
	sh("true > proc/sys/kernel/random/boot_id");
	is_int(place_release(&env, "oci", "a", &err), -ENODATA, "place_release: without a boot id (%s)", err.text);
	close_env(&env);
	sh("rm -rf run");
	env = make_env();
	l = (struct ledger *)&env;
	is_int(place_look(&env, t, &l, &err), 0, "place_look: no state folder");
	ok(!l, "place_look: no ledger without a state folder");
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
	ok(system(clean) == 0, "the test's folder is removed");
	return done();
}
