/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container that CRIU restores: LXC runs no start-host hook for it.
 */
#ifndef NUMAPLACE_LXC_RESTORED_H
#define NUMAPLACE_LXC_RESTORED_H

#include "plugin/base/error.h"

/*
 * Executes the start-host hook of this program that the config @file has, as LXC would: with a shell, and with what the
 * environment says (LXC_NAME, LXC_PID, LXC_HOOK_TYPE). Returns 0 if the config has no such hook; else only after an error.
 */
int lxc_restored(const char *name, const char *file, struct error *err);

#endif
