/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A QEMU of libvirt in made files of /run and /proc.
 */
#include "plugin/base/util.h"
#include "runtime-hooks/libvirt/qemu.h"
#include "tests/unit/shell.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static char dir[] = "/tmp/numaplace-qemu-XXXXXX";
static struct error err;

static void sh(const char *command)
{
	shell_in(dir, command);
}

static void make(void)
{
	sh("mkdir -p run/libvirt/qemu proc/70/task && echo 70 > run/libvirt/qemu/vm1.pid && "
	   "echo '0::/machine.slice/machine-qemu\\x2d1\\x2dvm1.scope/libvirt/emulator' > proc/70/cgroup && "
	   "thread() { mkdir proc/70/task/$1; echo \"$2\" > proc/70/task/$1/comm; "
	   "printf 'Name:\\tx\\nCpus_allowed_list:\\t%s\\nMems_allowed:\\t1\\nMems_allowed_list:\\t%s\\n' $3 $4 > "
	   "proc/70/task/$1/status; }; "
	   "thread 70 qemu-system-x86 0-7 0-3; thread 71 'CPU 0/KVM' 2 1; thread 72 'CPU 1/KVM' 3 1; "
	   "thread 73 'IO mon_iothread' 0-7 0-3");
}

static void test_cgroups(void)
{
	static const struct {
		const char *path, *machine; /* NULL: not of libvirt */
	} cases[] = {
		{ "/machine.slice/machine-qemu\\x2d1\\x2dvm1.scope/libvirt/emulator", "/machine.slice/machine-qemu\\x2d1\\x2dvm1.scope" },
		{ "/machine.slice/machine-qemu\\x2d1\\x2dvm1.scope/libvirt/vcpu12", "/machine.slice/machine-qemu\\x2d1\\x2dvm1.scope" },
		{ "/machine/qemu-1-vm1.libvirt-qemu/emulator", "/machine/qemu-1-vm1.libvirt-qemu" },
		{ "/system.slice/libvirtd.service", NULL },
		{ "/emulator", NULL },
		{ "/x/vcpu", NULL },
		{ "/x/vcpu1a", NULL },
		{ "/", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char path[CGROUP_PATH_MAX];
		bool is;

		snprintf(path, sizeof(path), "%s", cases[i].path);
		is = qemu_machine_cgroup(path);
		ok(is == !!cases[i].machine && (!is || strcmp(path, cases[i].machine) == 0), "the machine of %s is %s",
		   cases[i].path, cases[i].machine ? cases[i].machine : "none");
	}
}

static void test_look(int root)
{
	struct qemu *q = calloc(1, sizeof(*q));
	char cpus[64], mems[64];

	ok(qemu_look(root, "vm1", q, &err) == 0 && q->pid == 70 && q->vcpus == 2, "a machine with two vCPUs is found");
	idset_format(&q->cpus, cpus, sizeof(cpus));
	nodeset_format(&q->mems, mems, sizeof(mems));
	is_str(cpus, "2-3", "its CPUs are those of the threads of its vCPUs");
	is_str(mems, "1", "so are its memory nodes");
	sh("for t in 71 72; do echo qemu-system-x86 > proc/70/task/$t/comm; done");
	ok(qemu_look(root, "vm1", q, &err) == 0 && idset_count(&q->cpus) == 8, "without names, the CPUs of all threads count");
	ok(qemu_look(root, "vm2", q, &err) == -ENOENT, "a machine without a pid file is not found");
	ok(qemu_look(root, "../vm1", q, &err) == -EINVAL && qemu_look(root, ".vm1", q, &err) == -EINVAL,
	   "a name that leaves the folder is refused");
	sh("echo 99 > run/libvirt/qemu/gone.pid; echo 1x > run/libvirt/qemu/bad.pid; echo 1 > run/libvirt/qemu/init.pid");
	ok(qemu_look(root, "gone", q, &err) == -ESRCH, "a process that has ended is reported");
	ok(qemu_look(root, "bad", q, &err) == -EINVAL && qemu_look(root, "init", q, &err) == -EINVAL,
	   "a pid file without a pid is refused");
	sh("echo 0::/system.slice/libvirtd.service > proc/70/cgroup");
	ok(qemu_look(root, "vm1", q, &err) == -EPERM, "a machine in the cgroup of libvirtd has none of its own");
	free(q);
}

int main(void)
{
	int root;

	if (!mkdtemp(dir))
		return 1;
	make();
	root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_cgroups();
	test_look(root);
	close(root);
	sh("rm -rf \"$PWD\"");
	return done();
}
