/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A child writes to files in memory, so that it never waits for this process.
 */
#include "runtime-hooks/libvirt/virsh.h"

#include "plugin/base/file.h"
#include "plugin/base/util.h"
#include "runtime-hooks/libvirt/domain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define USUAL_URI "qemu:///system"
#define WORDS_MAX 12
#define FILES 4 /* of a child: the standard ones, and one more for diff */
#define NOT_FOUND 127

int virsh_uri(const char **uri, struct error *err)
{
	const char *given = getenv("VIRSH_DEFAULT_CONNECT_URI");

	if (!given || !*given)
		given = USUAL_URI;
	if (strncmp(given, "qemu:///", strlen("qemu:///")) != 0)
		return error_set(err, -EINVAL, "VIRSH_DEFAULT_CONNECT_URI: \"%s\": not this host's QEMU, such as " USUAL_URI,
				 quote(given).text);
	*uri = given;
	return 0;
}

int virsh_check_name(const char *name, struct error *err)
{
	const char *why = !*name			  ? "it is empty" :
			  *name == '-'			  ? "it begins with \"-\"" :
			  strlen(name) > DOMAIN_NAME_MAX  ? "it is too long" :
			  strchr(name, '/')		  ? "it has a slash" : NULL;

	for (const char *c = name; *c && !why; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			why = "it has a control character";
	return why ? error_set(err, -EINVAL, "\"%s\": not the name of a domain: %s", quote(name).text, why) : 0;
}

/* A file in memory with this text. */
static int memory_file(const char *text, size_t len, struct error *err)
{
	int fd = memfd_create("numaplace", MFD_CLOEXEC), rc;

	if (fd < 0)
		return error_errno(err, -errno, "memfd_create");
	rc = file_pwrite_all(fd, text, len, 0);
	if (rc < 0) {
		close(fd);
		return error_errno(err, rc, "write to memory");
	}
	return fd;
}

/* In the child: only async-signal-safe calls. */
static void become(const char *const *argv, const int fd[FILES])
{
	for (int i = 0; i < FILES; i++)
		if (fd[i] >= 0 && (fd[i] == i ? fcntl(i, F_SETFD, 0) : dup2(fd[i], i)) < 0)
			_exit(NOT_FOUND);
	execvp(argv[0], (char *const *)(void *)argv);
	_exit(NOT_FOUND);
}

/* Runs a program with these files (-1: as in this process). Returns its exit status, or -errno. */
static int run(const char *const *argv, const int fd[FILES], struct error *err)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return error_errno(err, -errno, "fork");
	if (pid == 0)
		become(argv, fd);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return error_errno(err, -errno, "wait for %s", argv[0]);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_FOUND)
		return error_set(err, -ENOENT, "%s: not found: it is needed for this", argv[0]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : error_set(err, -EIO, "%s was killed", argv[0]);
}

/* What a child has written; the caller frees *@out. */
static int collect(int fd, const char *what, char **out, size_t *len, struct error *err)
{
	cleanup_free char *text = malloc(DOMAIN_XML_MAX + 1);
	ssize_t n;

	if (!text)
		return error_set(err, -ENOMEM, "out of memory");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, -errno, "%s", what);
	n = file_read_fd(fd, text, DOMAIN_XML_MAX + 1);
	if (n < 0)
		return error_errno(err, (int)n, "%s", what);
	if (n > DOMAIN_XML_MAX)
		return error_set(err, -EINVAL, "%s: more than %u MiB", what, DOMAIN_XML_MAX >> 20);
	text[n] = '\0';
	*len = (size_t)n;
	*out = steal_ptr(text);
	return 0;
}

/* virsh's message, in one line. */
static int say_refused(int fd, const char *verb, struct error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int rc = collect(fd, "virsh", &text, &len, err);

	if (rc < 0)
		return rc;
	while (len && text[len - 1] == '\n')
		text[--len] = '\0';
	for (char *c = text; *c; c++)
		if (*c == '\n')
			*c = ' ';
	make_printable(text);
	rc = strstr(text, "failed to connect") ? -EIO : -EINVAL;
	return error_set(err, rc, "virsh %s: %.700s", verb, strncmp(text, "error: ", 7) == 0 ? text + 7 : text);
}

/* @argv ends with NULL and begins with the verb. @in -1: nothing to read. */
static int virsh(const char *uri, const char *const *argv, int in, char **out, size_t *len, struct error *err)
{
	const char *words[WORDS_MAX] = { "virsh", "--quiet", "--connect", uri };
	cleanup_close int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	cleanup_close int said = memory_file("", 0, err), failed = memory_file("", 0, err);
	unsigned int n = 4;
	int rc;

	while (*argv && n < WORDS_MAX - 1)
		words[n++] = *argv++;
	if (null < 0 || said < 0 || failed < 0)
		return err->status;
	rc = run(words, (const int[FILES]){ in < 0 ? null : in, said, failed, -1 }, err);
	if (rc > 0)
		return say_refused(failed, words[4], err);
	return rc < 0 || !out ? rc : collect(said, "virsh", out, len, err);
}

int virsh_xml(const char *uri, const char *name, bool secret, char **out, size_t *len, struct error *err)
{
	const char *const argv[] = { "dumpxml", "--inactive", "--domain", name, secret ? "--security-info" : NULL, NULL };

	return virsh(uri, argv, -1, out, len, err);
}

int virsh_is_active(const char *uri, const char *uuid, bool *active, struct error *err)
{
	const char *const argv[] = { "domstate", "--domain", uuid, NULL };
	cleanup_free char *text = NULL;
	size_t len;
	int rc = virsh(uri, argv, -1, &text, &len, err);

	if (rc == 0)
		*active = strncmp(text, "shut off", strlen("shut off")) != 0;
	return rc;
}

int virsh_inactive(const char *uri, char **out, struct error *err)
{
	const char *const argv[] = { "list", "--inactive", "--uuid", NULL };
	size_t len;

	return virsh(uri, argv, -1, out, &len, err);
}

int virsh_define(const char *uri, const char *text, size_t len, struct error *err)
{
	const char *const argv[] = { "define", "--validate", "--file", "/dev/stdin", NULL };
	cleanup_close int in = memory_file(text, len, err);

	return in < 0 ? in : virsh(uri, argv, in, NULL, NULL, err);
}

int print_difference(const char *name, const char *before, const char *after, struct error *err)
{
	cleanup_close int a = memory_file(before, strlen(before), err), b = memory_file(after, strlen(after), err);
	char label[2][DOMAIN_NAME_MAX + 16];
	const char *const argv[] = { "diff", "-u", "--label", label[0], "--label", label[1], "/dev/fd/0", "/dev/fd/3", NULL };
	int rc;

	if (a < 0 || b < 0)
		return a < 0 ? a : b;
	snprintf(label[0], sizeof(label[0]), "%s", name);
	snprintf(label[1], sizeof(label[1]), "%s, placed", name);
	rc = run(argv, (const int[FILES]){ a, -1, -1, b }, err);
	return rc > 1 ? error_set(err, -EIO, "diff has failed") : rc < 0 ? rc : 0;
}
