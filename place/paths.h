/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where numaplace looks if no option says otherwise.
 */
#ifndef NUMAPLACE_PATHS_H
#define NUMAPLACE_PATHS_H

#include "cgroup/systemd.h"

#include <stdbool.h>

#define PLACE_STATE "/run/numaplace"
#define PLACE_CONF  "/etc/numaplace/numaplace.conf"

/*
 * The state folder of this process: PLACE_STATE for the machine's root. For other users, and for root in a user
 * namespace (rootless podman), which do not own /run, it is XDG_RUNTIME_DIR/numaplace, or /run/user/UID/numaplace
 * without XDG_RUNTIME_DIR. The text stays valid until the next call.
 *
 * Root without XDG_RUNTIME_DIR is assumed to be the machine's root, which saves a system call, unless @bare: podman's
 * precreate and poststop may run without any environment.
 */
const char *place_usual_state(bool bare);

/* The systemd that manages the units of this process: the system's, or that of the user whose state folder is used. */
struct place_systemd {
	bool user;
	struct systemd_at at;
	char control[256]; /* the folder of the properties that are set until reboot */
};
void place_systemd(struct place_systemd *out);

#endif
