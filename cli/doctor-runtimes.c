/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The doctor's checks of runtimes: which are installed, whether each finds numaplace's hook, and which known problems
 * apply to this host.
 */
#include "cli/doctor-runtimes.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOOKS_D "usr/share/containers/oci/hooks.d"
#define HOOK_FILE HOOKS_D "/50-numaplace.json"
#define ALWAYS "numaplace/hooks.d-always"
#define PRECREATE "50-numaplace-precreate.json"
#define PODMAN_CONF "share/numaplace/podman/50-numaplace.conf"

/* Finds the first "1.2.3" in @text; false: none. */
static bool find_version(const char *text, unsigned int v[3])
{
	for (const char *p = text; *p; p++)
		if (*p >= '0' && *p <= '9') {
			v[2] = 0;
			if (sscanf(p, "%u.%u.%u", &v[0], &v[1], &v[2]) >= 2)
				return true;
			p += strspn(p, "0123456789") - 1;
		}
	return false;
}

static bool older(const unsigned int v[3], unsigned int major, unsigned int minor, unsigned int patch)
{
	if (v[0] != major)
		return v[0] < major;
	if (v[1] != minor)
		return v[1] < minor;
	return v[2] < patch;
}

/* Reports an installed runtime, with its version if possible. */
static bool found(struct doctor *d, const char *name, unsigned int v[3])
{
	char path[128], line[160];

	memset(v, 0, 3 * sizeof(*v));
	if (!*doctor_program(d, name, path, sizeof(path)))
		return false;
	if (doctor_version(d, path, line, sizeof(line))) {
		find_version(line, v);
		doctor_say(d, VERDICT_FINE, name, "/%s: %.120s", path, line);
	} else {
		doctor_say(d, VERDICT_FINE, name, "/%s", path);
	}
	return true;
}

/* Extracts the "path" of the hooks.d file, "/usr/libexec/numaplace/oci-hook", without the leading slash. */
static bool hook_path(const char *json, char *out, size_t size)
{
	const char *p = strstr(json, "\"path\"");
	size_t len;

	p = p ? strchr(p + 6, '/') : NULL;
	len = p ? strcspn(p, "\"") : 0;
	if (len < 2 || len > size)
		return false;
	memcpy(out, p + 1, len - 1);
	out[len - 1] = '\0';
	return true;
}

/* --- containers.conf: the folders in which podman looks for hooks --- */

struct hooks_dir {
	char file[300]; /* the file that sets hooks_dir; "": none does, and the usual folder applies */
	char value[1024];
};

static void read_hooks_dir(const struct doctor *d, const char *path, struct hooks_dir *h)
{
	char conf[16384];
	const char *at = conf;

	if (!doctor_read(d, path, conf, sizeof(conf)))
		return;
	for (; at; at = (at = strchr(at, '\n')) ? at + 1 : NULL) {
		const char *word = at + strspn(at, " \t"), *value = word + strlen("hooks_dir");

		if (strncmp(word, "hooks_dir", strlen("hooks_dir")) != 0 || (*value != '=' && *value != ' ' && *value != '\t'))
			continue;
		snprintf(h->file, sizeof(h->file), "%s", path);
		snprintf(h->value, sizeof(h->value), "%.*s", (int)strcspn(value, "]"), value);
	}
}

static int is_conf(const struct dirent *e)
{
	const char *dot = strrchr(e->d_name, '.');

	return dot && strcmp(dot, ".conf") == 0;
}

/* If several files set hooks_dir, only the last counts. */
static void find_hooks_dir(const struct doctor *d, struct hooks_dir *h)
{
	static const char folder[] = "etc/containers/containers.conf.d";
	struct dirent **entry;
	char path[300];
	int n;

	*h = (struct hooks_dir){ 0 };
	read_hooks_dir(d, "usr/share/containers/containers.conf", h);
	read_hooks_dir(d, "etc/containers/containers.conf", h);
	n = scandirat(d->cli->root, folder, &entry, is_conf, alphasort);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry[i]->d_name);
		read_hooks_dir(d, path, h);
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
}

/* The usual hooks.d entry runs for containers with keys only; a default in numaplace.conf needs the hook for all. */
static void check_hooks_dir(struct doctor *d)
{
	struct hooks_dir h;
	struct conf conf;

	if (!d->podman)
		return;
	find_hooks_dir(d, &h);
	if (*h.file && !strstr(h.value, "/" HOOKS_D) && !strstr(h.value, ALWAYS))
		doctor_say(d, VERDICT_DO, "hooks.d", "/%s sets hooks_dir without /" HOOKS_D ": add that folder there", h.file);
	if (cli_conf(d->cli, &conf, NULL) < 0 || conf.without_keys == DEFAULT_NONE || strstr(h.value, ALWAYS))
		return;
	doctor_say(d, VERDICT_DO, "default", "numaplace.conf sets one, but podman runs the hook only for containers with keys: "
		   "add /usr/share/" ALWAYS " to hooks_dir in /%s", *h.file ? h.file : "etc/containers/containers.conf");
}

static void check_hooks_d(struct doctor *d)
{
	char json[4096], path[256];

	if (!d->podman && !d->crio)
		return;
	if (!doctor_read(d, HOOK_FILE, json, sizeof(json))) {
		doctor_say(d, VERDICT_DO, "hooks.d", "podman and CRI-O do not know the hook: no /%s: make install "
			   "prefix=/usr, or install the package", HOOK_FILE);
		return;
	}
	if (!hook_path(json, path, sizeof(path)) || !doctor_has(d, path)) {
		doctor_say(d, VERDICT_DO, "hooks.d", "/%s names a hook that does not exist, so no container with our keys "
			   "starts: install numaplace again, or remove that file", HOOK_FILE);
		return;
	}
	doctor_say(d, VERDICT_FINE, "hooks.d", "/%s", HOOK_FILE);
	check_hooks_dir(d);
}

/* A stage that only podman knows. CRI-O does not start if it finds this file. */
static void check_precreate(struct doctor *d)
{
	if (d->crio && doctor_has(d, HOOKS_D "/" PRECREATE))
		doctor_say(d, VERDICT_DO, "precreate", "CRI-O does not start while /" HOOKS_D "/" PRECREATE " exists: it "
			   "belongs in a folder that only podman reads");
	if (!d->podman)
		return;
	if (doctor_has(d, "etc/containers/containers.conf.d/50-numaplace.conf"))
		doctor_say(d, VERDICT_FINE, "precreate", "enabled: podman inspect shows the nodes chosen");
	else
		doctor_say(d, VERDICT_NOTE, "precreate", "not enabled, so podman inspect does not show the nodes chosen: "
			   "ln -s /usr/" PODMAN_CONF " /etc/containers/containers.conf.d/");
}

static void check_docker(struct doctor *d)
{
	char json[16384];

	if (d->docker && (!doctor_read(d, "etc/docker/daemon.json", json, sizeof(json)) ||
			  !strstr(json, "numaplace-runtime")))
		doctor_say(d, VERDICT_NOTE, "docker", "has no hooks.d: containers are placed once /etc/docker/daemon.json "
			   "names numaplace-runtime as a runtime (README, Docker)");
	else if (d->docker)
		doctor_say(d, VERDICT_FINE, "docker", "has numaplace-runtime as a runtime");
	if (d->containerd && !d->docker && !d->nri &&
	    (!doctor_read(d, "etc/containerd/config.toml", json, sizeof(json)) || !strstr(json, "numaplace-runtime")))
		doctor_say(d, VERDICT_NOTE, "containerd", "has no hooks.d: containers are placed once its config.toml names "
			   "numaplace-runtime as BinaryName (README, containerd), or numaplace-nri is enabled");
}

static void check_lxc(struct doctor *d)
{
	if (d->lxc && !doctor_has(d, "usr/share/lxc/config/numaplace.conf"))
		doctor_say(d, VERDICT_DO, "lxc", "no /usr/share/lxc/config/numaplace.conf to include: install with prefix=/usr");
	else if (d->lxc && !doctor_has(d, "usr/share/lxc/config/common.conf.d/50-numaplace.conf"))
		doctor_say(d, VERDICT_NOTE, "lxc", "a container is placed if its config has lxc.include = "
			   "/usr/share/lxc/config/numaplace.conf; for all of them, copy "
			   "/usr/share/numaplace/lxc/50-numaplace.conf to /usr/share/lxc/config/common.conf.d/");
	if (d->incus || d->lxd)
		doctor_say(d, VERDICT_NOTE, d->incus ? "incus" : "lxd", "instances are placed once their profile has the "
			   "hook: see /usr/share/numaplace/incus/README.md");
}

#define CRIU_HOOK "libexec/numaplace/criu-hook"

/* crun and LXC call no hook at a restore, but CRIU does. A program that it does not find ends each checkpoint and restore. */
static void check_criu(struct doctor *d)
{
	char path[128], conf[4096];
	bool named = doctor_read(d, "etc/criu/default.conf", conf, sizeof(conf)) && strstr(conf, CRIU_HOOK);

	if (named && !doctor_has(d, "usr/" CRIU_HOOK) && !doctor_has(d, "usr/local/" CRIU_HOOK))
		doctor_say(d, VERDICT_DO, "criu", "/etc/criu/default.conf names a criu-hook that does not exist, so each checkpoint and "
			   "restore fails: remove the line, or install numaplace again");
	else if (named)
		doctor_say(d, VERDICT_FINE, "criu", "restored containers are placed");
	else if (*doctor_program(d, "criu", path, sizeof(path)))
		doctor_say(d, VERDICT_NOTE, "criu", "restored containers of crun and LXC are not placed: "
			   "/usr/share/numaplace/criu/install enables that");
}

void doctor_check_runtimes(struct doctor *d)
{
	unsigned int v[3];

	if (found(d, "runc", v))
		d->runc_scopes = v[0] && older(v, 1, 1, 6);
	if (found(d, "crun", v) && v[0] && older(v, 1, 17, 0))
		doctor_say(d, VERDICT_NOTE, "crun", "before 1.17 it ends a container if a hook does not read "
			   "stdin: this hook reads it");
	d->podman = found(d, "podman", v);
	d->crio = found(d, "crio", v);
	d->docker = found(d, "dockerd", v);
	d->containerd = found(d, "containerd", v);
	d->lxc = found(d, "lxc-start", v);
	d->incus = found(d, "incusd", v);
	d->lxd = found(d, "lxd", v);
	if (!d->podman && !d->crio && !d->docker && !d->containerd && !d->lxc && !d->incus && !d->lxd)
		doctor_say(d, VERDICT_NOTE, "runtimes", "no known engine is installed");
	check_hooks_d(d);
	check_precreate(d);
	check_docker(d);
	check_lxc(d);
	check_criu(d);
}

/* --- traps --- */

static void check_numad(struct doctor *d)
{
	if (doctor_runs(d, "numad"))
		doctor_say(d, VERDICT_DO, "numad", "it moves processes away from their chosen nodes: systemctl "
			   "disable --now numad");
}

static void check_incus(struct doctor *d)
{
	if (doctor_runs(d, "incusd") || doctor_runs(d, "lxd"))
		doctor_say(d, VERDICT_NOTE, "scheduler", "Incus or LXD runs and rewrites the CPUs of its instances at every "
			   "start and stop: memory follows them (incus-mode = follow in numaplace.conf)");
}

static void check_balancing(struct doctor *d)
{
	char text[16];

	if (doctor_read(d, "proc/sys/kernel/numa_balancing", text, sizeof(text)) && *text != '0')
		doctor_say(d, VERDICT_NOTE, "numa_balancing", "on: within a container's nodes it still moves pages, which "
			   "costs faults where all are on one node: sysctl kernel.numa_balancing=0 turns it off");
	else
		doctor_say(d, VERDICT_FINE, "numa_balancing", "off");
}

static void check_kubelet(struct doctor *d)
{
	char text[4096];

	if (!doctor_read(d, "var/lib/kubelet/cpu_manager_state", text, sizeof(text)))
		return;
	if (strstr(text, "\"static\""))
		doctor_say(d, VERDICT_DO, "kubelet", "its CPU manager is static and rewrites cpuset.cpus of containers: set "
			   "cpuManagerPolicy: none on nodes that numaplace places on");
	else
		doctor_say(d, VERDICT_FINE, "kubelet", "its CPU manager leaves CPUs alone");
}

/* Since Linux 7.0, systemd may reset a unit's cpuset at a daemon-reload. */
static void check_scopes(struct doctor *d)
{
	unsigned int v[3] = { 0 };
	char text[256];

	if (!doctor_has(d, "run/systemd/system") && !d->cli->sysroot)
		return;
	if (d->runc_scopes && d->many_cpus)
		doctor_say(d, VERDICT_DO, "runc", "before 1.1.6 a cpuset in the spec becomes wrong AllowedCPUs above 8 CPUs "
			   "under systemd: update runc, use crun, or --cgroup-manager=cgroupfs");
	if (doctor_read(d, "proc/sys/kernel/osrelease", text, sizeof(text)) && find_version(text, v) && v[0] >= 7 &&
	    (d->podman || d->crio))
		doctor_say(d, VERDICT_NOTE, "systemd scopes", "from Linux 7.0 on, daemon-reload resets a cpuset that "
			   "systemd did not set; the hook sets it in systemd (AllowedCPUs), and reports a failure");
}

void doctor_check_traps(struct doctor *d)
{
	check_scopes(d);
	check_numad(d);
	check_incus(d);
	check_balancing(d);
	check_kubelet(d);
}
