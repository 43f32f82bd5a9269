/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes to the container's own log. LXC itself logs a hook's output only at level DEBUG, which is rarely enabled.
 */
#ifndef NUMAPLACE_LXC_LOG_H
#define NUMAPLACE_LXC_LOG_H

/*
 * Appends a line in LXC's format to the log that the monitor (the parent process) has open. @level: LXC_LOG_LEVEL;
 * lines below it, and lines that LXC logs itself, are skipped. @priority: LOG_ERR or LOG_WARNING. Errors are ignored.
 */
void lxc_log(int root, const char *name, const char *level, int priority, const char *text);

#endif
