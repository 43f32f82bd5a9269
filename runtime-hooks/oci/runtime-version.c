/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs `RUNTIME --version`. The answer is cached as the target of a symbolic link, whose name identifies the file. A
 * link is created and read with one system call each, so concurrent processes cannot corrupt it.
 */
#include "runtime-hooks/oci/runtime-version.h"

#include "plugin/base/file.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define ANSWER_MAX 4096

int runtime_version_parse(const char *text, struct runtime_version *out)
{
	struct runtime_version v = { 0 };

	if (sscanf(text, "%15[a-zA-Z0-9_-] version %u.%u", v.name, &v.major, &v.minor) != 3)
		return -EINVAL;
	*out = v;
	return 0;
}

bool runtime_knows_memory_policy(const struct runtime_version *v)
{
	unsigned int since = 0;

	if (strcmp(v->name, "runc") == 0)
		since = 4;
	else if (strcmp(v->name, "crun") == 0)
		since = 24;
	return since && (v->major > 1 || (v->major == 1 && v->minor >= since));
}

/* In the child process: connects only stdout, then executes the program. */
static void become(const char *path, int out)
{
	char *const argv[] = { "runtime", "--version", NULL };

	if (dup2(out, STDOUT_FILENO) < 0)
		_exit(127);
	execv(path, argv);
	_exit(127);
}

static int run(const char *path, char *answer, size_t size, struct error *err)
{
	cleanup_close int in = -1, out = -1;
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, -errno, "%.200s --version", path);
	in = fds[0];
	out = fds[1];
	pid = fork();
	if (pid < 0)
		return error_errno(err, -errno, "%.200s --version", path);
	if (pid == 0)
		become(path, out);
	close(steal_fd(&out));
	n = file_read_fd(in, answer, size - 1);
	close(steal_fd(&in));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n < 0)
		return error_errno(err, (int)n, "%.200s --version", path);
	answer[n] = '\0';
	return 0;
}

/*
 * Makes the link's name. false: the file has no name on disk, like the copy of itself that a runtime executes from
 * memory, and differs at each start. The device number is left out: a runtime may be on a new mount each time.
 */
static bool link_name(const char *path, char *name, size_t size)
{
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || !st.st_nlink)
		return false;
	snprintf(name, size, "runtime-%llx-%llx-%llx.%lx", (unsigned long long)st.st_ino,
		 (unsigned long long)st.st_size, (unsigned long long)st.st_mtim.tv_sec,
		 (unsigned long)st.st_mtim.tv_nsec);
	return true;
}

int runtime_version_ask(const char *path, int state, struct runtime_version *out, struct error *err)
{
	char name[128], answer[ANSWER_MAX];
	bool keep = state >= 0 && link_name(path, name, sizeof(name));
	ssize_t n = keep ? readlinkat(state, name, answer, sizeof(answer) - 1) : -1;
	int r;

	if (n > 0) {
		answer[n] = '\0';
		if (runtime_version_parse(answer, out) == 0)
			return 0;
	}
	r = run(path, answer, sizeof(answer), err);
	if (r < 0)
		return r;
	if (runtime_version_parse(answer, out) < 0)
		return error_set(err, -EINVAL, "%.200s --version: \"%s\": not a version of an OCI runtime", path,
				 quote(answer).text);
	answer[strcspn(answer, "\n")] = '\0';
	if (keep && symlinkat(answer, state, name) < 0)
		keep = false; /* not cached: the next call runs the program again */
	return 0;
}
