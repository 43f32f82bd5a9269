/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file is UNIT.d/numaplace, in the folder where systemd keeps the properties; systemd reads only *.conf there, and
 * `systemctl revert` removes the folder. It has a line "pin CPUS NODES" and two lines "set CPUS NODES", the sets that are
 * being set and those before: it is written first, so that after a kill between the two writes, either may be in effect.
 */
#include "place/unit.h"

#include "cgroup/systemd.h"
#include "place/place.h"
#include "plugin/base/atomic-file.h"
#include "plugin/base/file.h"
#include "plugin/base/path.h"
#include "plugin/base/strbuf.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define SYSTEMD_MS 1500 /* of a hook's few seconds, for systemd's answer */
#define SERVICE_MS 20000 /* a service does not start without it */
#define FILE_NAME "numaplace"
#define FILE_MAX (4U * IDSET_TEXT_MAX)

struct sets {
	struct idset cpus;
	struct nodeset mems;
};

struct kept {
	struct sets pin, set[2];
};

const char *unit_of_cgroup(const char *runtime_class, const char *cgroup)
{
	const char *name = strrchr(cgroup, '/');

	if (strcmp(runtime_class, UNIT_CLASS) != 0)
		return systemd_unit_of(cgroup);
	return name && name[1] ? name + 1 : NULL;
}

/* --- the file --- */

/* "-" is an empty set: a line has three words. */
static bool read_line(const char *line, const char *word, struct sets *out)
{
	size_t len = strlen(word), cpus;
	cleanup_free char *text = NULL;
	char *mems;

	if (strncmp(line, word, len) != 0 || line[len] != ' ')
		return false;
	text = strndup(line + len + 1, strcspn(line + len + 1, "\n"));
	cpus = text ? strcspn(text, " ") : 0;
	if (!text || !text[cpus])
		return false;
	text[cpus] = '\0';
	mems = text + cpus + 1;
	return idset_parse_kernel(strcmp(text, "-") == 0 ? "" : text, &out->cpus, NULL) == 0 &&
	       nodeset_parse_kernel(strcmp(mems, "-") == 0 ? "" : mems, &out->mems, NULL) == 0;
}

static const char *next_line(const char *line)
{
	line += strcspn(line, "\n");
	return *line ? line + 1 : line;
}

/* A missing or damaged file gives no sets: what is found on the cgroup is then a pin. */
static void read_kept(const struct place_systemd *sd, const char *unit, struct kept *out)
{
	char path[sizeof(sd->control) + SYSTEMD_UNIT_MAX + 32];
	cleanup_free char *text = NULL;
	const char *second, *third;

	*out = (struct kept){ 0 };
	snprintf(path, sizeof(path), "%s/%s.d/" FILE_NAME, sd->control, unit);
	if (file_read_all(AT_FDCWD, path, FILE_MAX, &text) < 0)
		return;
	second = next_line(text);
	third = next_line(second);
	if (!read_line(text, "pin", &out->pin) || !read_line(second, "set", &out->set[0]) ||
	    !read_line(third, "set", &out->set[1]))
		*out = (struct kept){ 0 };
}

static void add_line(struct strbuf *s, const char *word, const struct sets *sets)
{
	cleanup_free char *cpus = calloc(1, IDSET_TEXT_MAX), *mems = calloc(1, NODESET_TEXT_MAX);

	if (!cpus || !mems) {
		s->failed = true;
		return;
	}
	idset_format(&sets->cpus, cpus, IDSET_TEXT_MAX);
	nodeset_format(&sets->mems, mems, NODESET_TEXT_MAX);
	strbuf_printf(s, "%s %s %s\n", word, *cpus ? cpus : "-", *mems ? mems : "-");
}

/* Opens a folder, and makes it if necessary, readable for all users as systemd's. */
static int make_folder(const char *path)
{
	bool made = mkdir(path, 0755) == 0;
	cleanup_close int fd = -1;

	if (!made && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || (made && fchmod(fd, 0755) < 0))
		return -errno;
	return steal_fd(&fd);
}

/* Opens UNIT.d. */
static int open_folder(const struct place_systemd *sd, const char *unit)
{
	char path[sizeof(sd->control) + SYSTEMD_UNIT_MAX + 8];
	int control = make_folder(sd->control);

	if (control < 0)
		return control;
	close(control);
	snprintf(path, sizeof(path), "%s/%s.d", sd->control, unit);
	return make_folder(path);
}

static int write_kept(const struct place_systemd *sd, const char *unit, const struct kept *k, struct error *err)
{
	cleanup_strbuf struct strbuf s = { 0 };
	cleanup_close int dir = open_folder(sd, unit);
	int rc = dir;

	add_line(&s, "pin", &k->pin);
	add_line(&s, "set", &k->set[0]);
	add_line(&s, "set", &k->set[1]);
	if (dir >= 0 && s.failed)
		rc = -ENOMEM;
	else if (dir >= 0) {
		unlinkat(dir, FILE_NAME ".new", 0); /* of a killed process; the lock of the ledger is not held */
		rc = atomic_file_write(dir, FILE_NAME ".new", FILE_NAME, s.text, s.len);
	}
	return rc < 0 ? error_errno(err, rc, "write %.100s/%.200s.d/" FILE_NAME, sd->control, unit) : 0;
}

/* --- the sets --- */

static bool is_set(const struct kept *k, const struct cpuset *now, bool cpus)
{
	for (size_t i = 0; i < ARRAY_SIZE(k->set); i++)
		if (cpus ? !idset_empty(&k->set[i].cpus) && idset_equal(&k->set[i].cpus, &now->cpus) :
			   !nodeset_empty(&k->set[i].mems) && nodeset_equal(&k->set[i].mems, &now->mems))
			return true;
	return false;
}

int unit_read_pins(const struct place_systemd *sd, const char *unit, const struct cpuset *before, struct idset *cpus,
		   struct nodeset *mems, struct error *err)
{
	cleanup_free struct kept *k = malloc(sizeof(*k));

	if (!k)
		return error_errno(err, -ENOMEM, "read the pins of %.200s", unit);
	read_kept(sd, unit, k);
	*cpus = is_set(k, before, true) ? k->pin.cpus : before->cpus;
	*mems = is_set(k, before, false) ? k->pin.mems : before->mems;
	return 0;
}

int unit_set_cpuset(const struct place_systemd *sd, const char *unit, const char *cgroup, const struct idset *cpus,
		    const struct nodeset *mems, const struct idset *pin_cpus, const struct nodeset *pin_mems,
		    struct error *err)
{
	cleanup_free struct kept *k = pin_cpus ? malloc(sizeof(*k)) : NULL;
	int rc = 0;

	if (pin_cpus && !k)
		return error_errno(err, -ENOMEM, "set the cpuset of %.200s", unit);
	if (k) {
		read_kept(sd, unit, k);
		k->set[1] = k->set[0];
		k->set[0] = (struct sets){ *cpus, *mems };
		k->pin = (struct sets){ *pin_cpus, *pin_mems };
		rc = write_kept(sd, unit, k, err);
	}
	return rc < 0 ? rc : systemd_set_cpuset(&sd->at, unit, cgroup, cpus, mems,
						  k ? SERVICE_MS : SYSTEMD_MS, err);
}
