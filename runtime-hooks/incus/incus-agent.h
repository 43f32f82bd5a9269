/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The agent's child processes, which report an instance's nodes to the Incus or LXD daemon.
 */
#ifndef NUMAPLACE_INCUS_AGENT_H
#define NUMAPLACE_INCUS_AGENT_H

#include "plugin/base/idset.h"

#include <stdbool.h>

#define TELL_SECONDS 600 /* an instance's start may take long, and so may a daemon with many instances after a reboot */

/*
 * Sets volatile.cpu.nodes of the instance once no operation on it is in progress; if the daemon does not know that key,
 * user.numaplace.volatile.cpu.nodes. @socket NULL: the default socket of @runtime. Returns the exit status: 0, or 1
 * after a message.
 */
int agent_tell(const char *socket, const char *runtime, const char *id, const struct nodeset *nodes);

/* Whether a request to the daemon that has failed with @status may succeed later. */
bool agent_may_change(int status);

#endif
