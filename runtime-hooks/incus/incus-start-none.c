/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In place of incus-start.c where libyaml is not installed: instances start, with a warning. The hook cannot refuse
 * only those that have keys, because the keys are in backup.yaml.
 */
#include "runtime-hooks/incus/incus-hook.h"

int incus_start(struct place_env *env, const struct incus_instance *i, pid_t pid, const struct error *conf_fault,
		struct error *err)
{
	(void)i;
	(void)pid;
	(void)conf_fault;
	(void)err;
	if (env->message)
		env->message("not placed, even if it has keys: this lxc-hook was built without libyaml");
	return 0;
}
