/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Affinities as lists and as maps, and the interrupts of devices, in a folder of files in place of /proc and /sys.
 */
#include "cgroup/irq.h"
#include "plugin/base/file.h"
#include "plugin/base/util.h"
#include "plugin/machine/device-irq.h"
#include "tests/unit/shell.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>

static char dir[] = "/tmp/numaplace-irq-XXXXXX";
static int root;

static const char *content(const char *path)
{
	static char text[4096];

	if (file_read(root, path, text, sizeof(text)) < 0)
		snprintf(text, sizeof(text), "cannot be read");
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static const char *list_of(int what)
{
	static char text[200];
	struct idset cpus;
	int rc = irq_read(root, what, &cpus);

	if (rc < 0)
		snprintf(text, sizeof(text), "error %d", -rc);
	else
		idset_format(&cpus, text, sizeof(text));
	return text;
}

static int write_list(int what, const char *list)
{
	struct idset cpus;

	idset_parse(list, &cpus, NULL);
	return irq_write(root, what, &cpus);
}

static void test_affinities(void)
{
	static const char *const lists[] = { "0", "0-31", "32", "5,63-64", "0-8191", "8191" };
	static const char *const maps[] = { "1", "ffffffff", "1,00000000", "1,80000000,00000020", NULL, NULL };

	is_str(list_of(24), "0-3,8", "an interrupt: a list");
	is_str(list_of(IRQ_DEFAULT), "0-3,32", "the default affinity: a map of two words");
	is_str(list_of(IRQ_WORKQUEUE), "0-7", "workqueues: a map");
	shell_in(dir, "echo ff > sys/devices/virtual/workqueue/cpumask_requested && echo 3 > sys/devices/virtual/workqueue/cpumask");
	is_str(list_of(IRQ_WORKQUEUE), "0-7", "workqueues: with what the kernel leaves out for isolated partitions");
	is_str(list_of(99), "error 2", "an interrupt that does not exist");
	is_int(write_list(24, "1,5-6"), 0, "an interrupt is written");
	is_str(content("proc/irq/24/smp_affinity_list"), "1,5-6", "as a list");
	is_int(write_list(99, "1"), -ENOENT, "an interrupt that does not exist is not written");
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		is_int(write_list(IRQ_DEFAULT, lists[i]), 0, "the default affinity %s is written", lists[i]);
		is_str(list_of(IRQ_DEFAULT), lists[i], "and can be read again");
		if (maps[i])
			is_str(content("proc/irq/default_smp_affinity"), maps[i], "as a map without words that are 0 in front");
	}
	is_int(write_list(IRQ_WORKQUEUE, "4-7"), 0, "workqueues are written");
	is_str(content("sys/devices/virtual/workqueue/cpumask"), "f0", "as a map");
	is_int(irq_may_write(root), 0, "affinities may be written");
}

static int add_up(void *arg, int irq)
{
	*(int *)arg += irq;
	return 0;
}

static int stop(void *arg, int irq)
{
	(void)irq;
	++*(int *)arg;
	return 7;
}

static void test_each(void)
{
	int sum = 0, calls = 0;

	is_int(irq_each(root, add_up, &sum), 0, "each interrupt");
	is_int(sum, 24 + 25, "other names in the folder are left out");
	is_int(irq_each(root, stop, &calls), 7, "stops when the function says so");
	is_int(calls, 1, "after one call");
}

static void of_device(const char *name, int status, int expected, const char *what)
{
	int sum = 0;

	is_int(device_each_irq(root, name, add_up, &sum), status, "%s: status", what);
	is_int(sum, expected, "%s: the sum of its interrupts", what);
}

static void test_devices(void)
{
	shell_in(dir, "d=sys/devices/pci0000:00/0000:00:04.0 && mkdir -p $d/msi_irqs $d/virtio1/net/eth0 sys/class/net sys/bus/pci/devices && "
		      "touch $d/msi_irqs/24 $d/msi_irqs/25 $d/uevent $d/virtio1/uevent && echo 11 > $d/irq && "
		      "ln -s ../.. $d/virtio1/net/eth0/device && ln -s ../../../$d/virtio1/net/eth0 sys/class/net/eth0 && "
		      "e=sys/devices/pci0000:00/0000:00:05.0 && mkdir -p $e && echo 17 > $e/irq && touch $e/uevent && "
		      "f=sys/devices/pci0000:00/0000:00:06.0 && mkdir -p $f && echo 0 > $f/irq && touch $f/uevent && "
		      "ln -s ../../../../$e ../../../../$f ../../../../$d sys/bus/pci/devices && "
		      "mkdir -p sys/kernel/iommu_groups/3/devices && ln -s ../../../../../$e ../../../../../$d sys/kernel/iommu_groups/3/devices");
	of_device("eth0", 0, 49, "a network interface of virtio, below the PCI function with MSI");
	of_device("0000:00:04.0", 0, 49, "a PCI function with MSI");
	of_device("0000:00:05.0", 0, 17, "a PCI function without MSI");
	of_device("0000:00:06.0", -ENOENT, 0, "a PCI function without an interrupt");
	of_device("vfio group 3", 0, 66, "a VFIO group: of all of its devices");
	of_device("vfio group x", -ENOENT, 0, "not the number of a group");
	of_device("eth1", -ENOENT, 0, "no such device");
	of_device("../net/eth0", -ENOENT, 0, "not a name");
}

int main(void)
{
	char clean[64];

	if (!mkdtemp(dir))
		return 1;
	root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	is_int(irq_may_write(root), -ENOENT, "a kernel without affinities");
	is_int(irq_each(root, add_up, NULL), -ENOENT, "a kernel without interrupts");
	shell_in(dir, "mkdir -p proc/irq/24 proc/irq/25 proc/irq/x sys/devices/virtual/workqueue && echo 0-3,8 > proc/irq/24/smp_affinity_list && "
		      "echo 1,0000000f > proc/irq/default_smp_affinity && echo ff > sys/devices/virtual/workqueue/cpumask");
	test_affinities();
	test_each();
	test_devices();
	close(root);
	snprintf(clean, sizeof(clean), "rm -rf %s", dir);
	ok(system(clean) == 0, "cleaned up");
	return done();
}
