/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ledger of a recorded machine, in which each container counts as placed: for tests that fill a state folder which
 * libnumaplace then reads.
 */
#ifndef TEST_MACHINE_LEDGER_H
#define TEST_MACHINE_LEDGER_H

#include "plugin/base/util.h"
#include "plugin/ledger/ledger.h"
#include "tests/unit/tap.h"

#include <fcntl.h>
#include <sys/stat.h>

static inline enum life life_placed(void *arg, struct record *r, bool *changed)
{
	(void)arg;
	(void)r;
	(void)changed;
	return LIFE_PLACED;
}

/* Makes the folder @state, and lets @fill add the containers of the boot @boot to its ledger. */
static inline void fill_machine_ledger(const char *machine, const char *state, const char *boot,
				       void (*fill)(struct ledger *l))
{
	static const struct liveness liveness = { .life = life_placed };
	const struct ledger_world world = { .liveness = &liveness, .boot_id = boot, .now = 2, .patience = 600 };
	cleanup_close int root = open(machine, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
	cleanup_topology struct topology *t = NULL;
	cleanup_ledger struct ledger *l = NULL;
	struct error err = { 0 };

	mkdir(state, 0700);
	fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (topology_read(root, &t, &err) < 0 || ledger_folder_mark(fd, &err) < 0 ||
	    ledger_open(fd, t, &world, 1000, &l, &err) < 0)
		diag("ledger: %s", err.text);
	else
		fill(l);
}

#endif
