/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The notification socket of systemd.
 */
#include "runtime-hooks/common/notify.h"

#include "plugin/base/util.h"
#include "runtime-hooks/common/hook.h"

#include <stddef.h>
#include <string.h>
#include <sys/un.h>

void notify_systemd(const char *text)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	cleanup_close int fd = -1;
	size_t len = path ? strlen(path) : 0;

	if (!len || len >= sizeof(to.sun_path) || (*path != '/' && *path != '@'))
		return;
	memcpy(to.sun_path, path, len);
	if (*path == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&to,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		hook_warn("cannot notify systemd");
}
