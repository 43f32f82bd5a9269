/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Retries for a long time: the daemon refuses changes while an instance starts, and after a reboot it does not answer
 * until all instances have started.
 */
#include "runtime-hooks/incus/incus-agent.h"
#include "runtime-hooks/incus/incus-api.h"

#include "plugin/base/util.h"
#include "runtime-hooks/common/hook.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define PAUSE_MS 500

/* One attempt; with the user.* key if the daemon does not know the first. */
static int tell_once(const char *socket, const char *project, const char *instance, const char *list,
		     struct error *err)
{
	const char *const native[] = { "volatile.cpu.nodes", list, NULL };
	const char *const of_user[] = { INCUS_PREFIX "volatile.cpu.nodes", list, NULL };
	int r = incus_set(socket, project, instance, native, err);

	return r == -EINVAL ? incus_set(socket, project, instance, of_user, err) : r;
}

bool agent_may_change(int status)
{
	static const int passing[] = { -EBUSY, -ETIMEDOUT, -ECONNREFUSED, -ECONNRESET, -ENOENT, -EPROTO, -EAGAIN };

	for (size_t i = 0; i < ARRAY_SIZE(passing); i++)
		if (status == passing[i])
			return true;
	return false;
}

int agent_tell(const char *socket, const char *runtime, const char *id, const struct nodeset *nodes)
{
	char project[256], instance[256], list[NODESET_TEXT_MAX];
	time_t until = time(NULL) + TELL_SECONDS;
	struct error err = { 0 };
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGALRM, SIG_DFL);
	alarm(TELL_SECONDS + 30);
	hook_subject("container %s", id);
	incus_split(id, project, instance, sizeof(project));
	nodeset_format_comma(nodes, list, sizeof(list));
	do {
		const char *path = socket ? socket : incus_socket(runtime);

		r = path ? tell_once(path, project, instance, list, &err) :
			   error_set(&err, -ENOENT, "the socket of %s does not exist", runtime);
		if (r == 0)
			return 0;
		poll(NULL, 0, PAUSE_MS);
	} while (agent_may_change(r) && time(NULL) < until);
	error_prefix(&err, r, "set volatile.cpu.nodes to %s", list);
	hook_warn(err.text);
	return 1;
}
