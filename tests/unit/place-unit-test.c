/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * place/unit.c: what numaplace has set for a service is not a pin at its next start; what an administrator has set is. The
 * folder of systemd's properties is a temporary one, and no systemd runs.
 */
#include "place/unit.h"
#include "plugin/base/util.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define UNIT "web@1.service"
#define CGROUP "/system.slice/web@1.service"

static struct place_systemd sd;
static struct error err;

static struct idset cpus_of(const char *list)
{
	struct idset s;

	idset_parse_kernel(list, &s, NULL);
	return s;
}

static struct nodeset mems_of(const char *list)
{
	struct nodeset s;

	nodeset_parse_kernel(list, &s, NULL);
	return s;
}

static int set(const char *cpus, const char *mems, const char *pin_cpus, const char *pin_mems)
{
	const struct idset c = cpus_of(cpus), pc = cpus_of(pin_cpus);
	const struct nodeset m = mems_of(mems), pm = mems_of(pin_mems);

	return unit_set_cpuset(&sd, UNIT, CGROUP, &c, &m, &pc, &pm, &err);
}

/* The pins of a start that finds @cpus and @mems in the cgroup, as "CPUS NODES". */
static const char *pins(const char *cpus, const char *mems)
{
	const struct cpuset before = { .cpus = cpus_of(cpus), .mems = mems_of(mems) };
	static char text[100];
	struct idset c;
	struct nodeset m;
	size_t n;

	if (unit_read_pins(&sd, UNIT, &before, &c, &m, &err) < 0)
		return err.text;
	n = idset_format(&c, text, sizeof(text));
	text[n++] = ' ';
	nodeset_format(&m, text + n, sizeof(text) - n);
	return text;
}

static void write_file(const char *text)
{
	char path[400];
	FILE *f;

	snprintf(path, sizeof(path), "%s/" UNIT ".d/numaplace", sd.control);
	f = fopen(path, "w");
	if (!f)
		return;
	fputs(text, f);
	fclose(f);
}

static void names(void)
{
	is_str(unit_of_cgroup("systemd", "/a.slice/b.service"), "b.service", "the unit of a service");
	is_str(unit_of_cgroup("oci", "/a.slice/b.service"), NULL, "a container in a cgroup named like a service has no unit");
	is_str(unit_of_cgroup("run", "/a.slice/b.scope"), "b.scope", "the unit of a command");
	is_str(unit_of_cgroup("systemd", "/"), NULL, "the root cgroup is no unit");
}

static void all(void)
{
	char path[400];
	struct stat st;

	is_str(pins("", ""), " ", "first start: no pin");
	is_str(pins("0-3", "0"), "0-3 0", "first start: AllowedCPUs= of the unit is a pin");
	is_int(set("0-1", "0", "", ""), 0, "a place is set");
	is_str(pins("0-1", "0"), " ", "next start: what numaplace has set is not a pin");
	is_str(pins("4-5", "0"), "4-5 ", "next start: CPUs that another program has set are a pin, the nodes are not");
	is_str(pins("", ""), " ", "next start: properties that were removed are no pin");
	is_int(set("2", "1", "0-3", ""), 0, "a place within a pin is set");
	is_str(pins("2", "1"), "0-3 ", "next start: the pin is what was there before numaplace");
	is_str(pins("0-1", "0"), "0-3 ", "killed before systemd got the place: the place before is not a pin");
	is_int(set("3", "1", "0-3", ""), 0, "a third place is set");
	is_str(pins("0-1", "0"), "0-1 0", "a place of long ago is a pin");
	snprintf(path, sizeof(path), "%s/" UNIT ".d", sd.control);
	is_int(stat(path, &st) == 0 ? st.st_mode & 0777 : 0, 0755, "the folder can be read by all users, as systemd's");
	write_file("pin 0-3 -\nset 3 1\n");
	is_str(pins("3", "1"), "3 1", "a damaged file: what is there is a pin");
	write_file("pin x -\nset 3 1\nset 3 1\n");
	is_str(pins("3", "1"), "3 1", "a file with an invalid list: what is there is a pin");
}

int main(void)
{
	char dir[] = "/tmp/numaplace-unit.XXXXXX", command[200];

	if (!mkdtemp(dir))
		return 1;
	umask(0077);
	snprintf(sd.control, sizeof(sd.control), "%s/system.control", dir);
	snprintf(sd.at.socket, sizeof(sd.at.socket), "%s/none", dir);
	names();
	all();
	snprintf(command, sizeof(command), "rm -r %s", dir);
	if (system(command))
		return 1;
	return done();
}
