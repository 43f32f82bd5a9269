/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the agent's children do: tell the daemon which nodes an instance was given.
 */
#ifndef NUMAPLACE_INCUS_AGENT_H
#define NUMAPLACE_INCUS_AGENT_H

#include "plugin/idset.h"

#define TELL_SECONDS 600 /* an instance's start may take its time, and so may a daemon with many of them after a reboot */

/*
 * Sets volatile.cpu.nodes of the instance, as soon as no operation on it is under way; for a daemon that does not know
 * the key, user.numaplace.volatile.cpu.nodes.  The exit status: 0; 1, and why not is said.  @socket NULL: @runtime's.
 */
int agent_tell(const char *socket, const char *runtime, const char *id, const struct idset *nodes);

#endif
