/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The container's own log, which LXC keeps to itself: what a hook prints gets there
 * at level DEBUG only, and nobody logs at that.
 */
#ifndef NUMAPLACE_LXC_LOG_H
#define NUMAPLACE_LXC_LOG_H

/*
 * Adds a line to the log that the monitor (our parent) has open, in LXC's form.  @level: LXC_LOG_LEVEL; what it
 * leaves out, or LXC logs itself, is not written.  @priority: LOG_ERR, LOG_WARNING.  Best effort.
 */
void lxc_log(int root, const char *name, const char *level, int priority, const char *text);

#endif
