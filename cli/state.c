/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state folder: that which is used without --state, and the check of --state before a verb runs. A missing folder is
 * no error; a folder with other contents is.
 */
#include "cli/cli.h"

#include "place/paths.h"
#include "plugin/ledger/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

const char *cli_usual_state(void)
{
	const char *own = place_usual_state(true);

	return access(own, F_OK) == 0 ? own : PLACE_STATE;
}

int cli_check_state(const struct cli *cli, struct error *err)
{
	cleanup_close int fd = -1;
	struct stat st;

	if (!cli->state)
		return 0;
	if (lstat(cli->state, &st) < 0)
		return errno == ENOENT ? 0 : error_set(err, -EINVAL, "--state %s: %s", quote(cli->state).text,
						       strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return error_set(err, -EINVAL, "--state %s: %s", quote(cli->state).text, strerror(ENOTDIR));
	fd = open(cli->state, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && strcmp(cli->state, PLACE_STATE) != 0 && ledger_folder(fd) == FOLDER_FOREIGN)
		return error_set(err, -EINVAL, "--state %s: not a ledger folder: it contains other files",
				 quote(cli->state).text);
	return 0;
}
