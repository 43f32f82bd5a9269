/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * at-each-call HOOK STAGE GROUP kill|fail [SEED]: runs HOOK (oci-hook or lxc-hook) as often as it makes system calls,
 * for a process in the cgroup GROUP (below /sys/fs/cgroup, made anew each time), and each time it is killed before
 * another one of them, or that one fails: with EIO, ENOSPC, EACCES, EINTR and ENOMEM in turn, or by SEED (0 to 4) with the
 * one that begins there, so that five runs are all of them.  Each time it is looked at what is left: placed
 * as the ledger has it, or untouched; then HOOK runs undisturbed and must make it good.  Says what was wrong, and how
 * many calls there were; exit status 1 if anything was wrong.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define CONFIG_DIR "/run/tests/at-each-call/crash"
#define CONFIG CONFIG_DIR "/config"
#define CONFIG_TEXT "lxc.uts.name = crash\nlimits.cpu = 4\nlimits.memory = 8MiB\nlimits.cpu.nodes = balanced\n"
#define MARK "trusted.numaplace.record"

static const char *hook, *stage;
static char group[256], all_cpus[64], all_mems[64];
static pid_t inhabitant;
static char said[4096];
static int bad, shown;
static bool lxc; /* it is lxc-hook */

struct found {
	char cpus[64], mems[64], now_cpus[64], now_mems[64]; /* of the cgroup, as set and as effective */
	char noted_cpus[64], noted_mems[64];                 /* of the record */
	bool marked, noted;
};

static void wrong(const char *what, int n, const char *fmt, ...)
{
	va_list ap;

	bad++;
	if (shown++ > 20)
		return;
	printf("%s at call %d: ", what, n);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n%s", said);
}

static void read_text(const char *dir, const char *name, char *out, size_t size)
{
	char path[400];
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "%s%s%s", dir, *name ? "/" : "", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, out, size - 1);
	if (fd >= 0)
		close(fd);
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, size > 1000 ? "" : "\n")] = '\0';
}

static void write_text(const char *name, const char *text)
{
	char path[400];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", group, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		perror(path);
		exit(2);
	}
	close(fd);
}

static void end_group(void)
{
	if (inhabitant) {
		kill(inhabitant, SIGKILL);
		waitpid(inhabitant, NULL, 0);
	}
	inhabitant = 0;
	for (int i = 0; i < 1000 && rmdir(group) < 0 && errno != ENOENT; i++)
		usleep(1000);
}

static void new_group(void)
{
	char text[32];

	end_group();
	if (mkdir(group, 0755) < 0) {
		perror(group);
		exit(2);
	}
	inhabitant = fork();
	if (inhabitant == 0)
		for (;;)
			pause();
	snprintf(text, sizeof(text), "%d", inhabitant);
	write_text("cgroup.procs", text);
}

static void noted(const char *text, const char *key, char *out)
{
	const char *at = strstr(text, key);

	*out = '\0';
	if (at)
		snprintf(out, 64, "%.*s", (int)strcspn(at + strlen(key), "\n"), at + strlen(key));
}

static bool releases(void)
{
	return strncmp(stage, "post", 4) == 0;
}

static void look(struct found *f)
{
	static char record[70000];
	char inode[64];
	struct stat st;

	read_text(group, "cpuset.cpus", f->cpus, 64);
	read_text(group, "cpuset.mems", f->mems, 64);
	read_text(group, "cpuset.cpus.effective", f->now_cpus, 64);
	read_text(group, "cpuset.mems.effective", f->now_mems, 64);
	f->marked = getxattr(group, MARK, NULL, 0) > 0;
	read_text(lxc ? "/run/numaplace/containers/lxc:crash" : "/run/numaplace/containers/oci:crash", "", record, sizeof(record));
	/* One of the cgroup before this is not this container's. */
	noted(record, "\ninode=", inode);
	f->noted = *record && stat(group, &st) == 0 && strtoull(inode, NULL, 10) == st.st_ino;
	if (!f->noted)
		*record = '\0';
	noted(record, "\ncpus=", f->noted_cpus);
	noted(record, "\nmems=", f->noted_mems);
}

/* The state of a container whose process is the inhabitant, as a file at its beginning. */
static int state_fd(void)
{
	int fd = memfd_create("state", 0);

	dprintf(fd, "{\"ociVersion\":\"1.0.2\",\"id\":\"crash\",\"status\":\"created\",\"pid\":%d,\"bundle\":\"/none\","
		"\"annotations\":{\"limits.cpu\":\"4\",\"limits.memory\":\"8MiB\",\"limits.cpu.nodes\":\"balanced\"}}",
		inhabitant);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void become_hook(int in, int words)
{
	dup2(in, 0);
	dup2(words, 2);
	if (lxc) {
		char pid[16];

		snprintf(pid, sizeof(pid), "%d", inhabitant);
		setenv("LXC_PID", pid, 1);
		setenv("LXC_CONFIG_FILE", CONFIG, 1);
		execl(hook, "lxc-hook", "--timeout", "60", "crash", "lxc", stage, (char *)NULL);
		_exit(126);
	}
	execl(hook, "oci-hook", "--timeout", "60", stage, (char *)NULL);
	_exit(126);
}

static void take_words(int words)
{
	ssize_t n = pread(words, said, sizeof(said) - 1, 0);

	said[n > 0 ? n : 0] = '\0';
}

/* Undisturbed. */
static int run_hook(const char *which)
{
	int in = state_fd(), words = memfd_create("words", 0), status;
	const char *old = stage;
	pid_t pid;

	stage = which;
	pid = fork();
	if (pid == 0)
		become_hook(in, words);
	stage = old;
	waitpid(pid, &status, 0);
	take_words(words);
	close(in);
	close(words);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Kills it before call @kill_at or lets call @fail_at fail; counts from its first alarm(), behind the loader. */
static int run_traced(int kill_at, int fail_at, int error, int *calls, long *number)
{
	int in = state_fd(), words = memfd_create("words", 0), status, n = -1;
	bool failing = false;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		become_hook(in, words);
	}
	waitpid(pid, &status, 0);
	ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
	for (int sig = 0;;) {
		struct __ptrace_syscall_info info;
		struct user_regs_struct regs;

		ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(long)sig);
		sig = 0;
		if (waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
			break;
		if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
			sig = WSTOPSIG(status);
			continue;
		}
		ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info);
		if (info.op == PTRACE_SYSCALL_INFO_EXIT && failing) {
			ptrace(PTRACE_GETREGS, pid, NULL, &regs);
			regs.rax = *number == SYS_brk ? 0 : (unsigned long long)-error;
			ptrace(PTRACE_SETREGS, pid, NULL, &regs);
			failing = false;
		}
		if (info.op != PTRACE_SYSCALL_INFO_ENTRY || (n < 0 && info.entry.nr != SYS_alarm))
			continue;
		n++;
		if (n == kill_at) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			break;
		}
		/* Nobody can live with an end that fails. */
		if (n == fail_at && info.entry.nr != SYS_exit_group) {
			*number = (long)info.entry.nr;
			ptrace(PTRACE_GETREGS, pid, NULL, &regs);
			regs.orig_rax = (unsigned long long)-1;
			ptrace(PTRACE_SETREGS, pid, NULL, &regs);
			failing = true;
		}
	}
	take_words(words);
	close(in);
	close(words);
	*calls = n + 1;
	return status;
}

static bool untouched(const struct found *f)
{
	return !f->marked && strcmp(f->now_cpus, all_cpus) == 0 && strcmp(f->now_mems, all_mems) == 0;
}

static bool placed(const struct found *f)
{
	return f->marked && f->noted && strcmp(f->cpus, f->noted_cpus) == 0 && strcmp(f->mems, f->noted_mems) == 0 &&
	       strcmp(f->now_cpus, f->cpus) == 0 && strcmp(f->now_mems, f->mems) == 0;
}

/* As far as it came: what is written is what is noted, and what is marked is wholly written. */
static bool on_the_way(const struct found *f)
{
	if (f->marked)
		return placed(f);
	if (!f->noted)
		return untouched(f);
	return (!*f->cpus || strcmp(f->cpus, f->noted_cpus) == 0) && (!*f->mems || strcmp(f->mems, f->noted_mems) == 0);
}

static void tell(const char *what, int n, const struct found *f, const char *why)
{
	wrong(what, n, "%s: set %s/%s, in effect %s/%s, noted %d %s/%s, marked %d", why, f->cpus, f->mems, f->now_cpus,
	      f->now_mems, f->noted, f->noted_cpus, f->noted_mems, f->marked);
}

static void check_repair(const char *what, int n)
{
	struct found f;
	int status = run_hook(stage);

	look(&f);
	if (status != 0)
		wrong(what, n, "the next hook ended with %d", status);
	else if (releases() ? f.noted || f.marked : !placed(&f))
		tell(what, n, &f, "the next hook did not make it good");
}

static void write_config(void)
{
	FILE *f = fopen(CONFIG, "w");

	if (!f || fputs(CONFIG_TEXT, f) < 0 || fclose(f)) {
		perror(CONFIG);
		exit(2);
	}
}

/* As it was, or with all of the lines that are added; never a part of it. */
static void check_config(const char *what, int n)
{
	static char text[8192];
	const char *rest;

	if (!lxc)
		return;
	read_text(CONFIG, "", text, sizeof(text));
	rest = text + strlen(CONFIG_TEXT);
	if (strncmp(text, CONFIG_TEXT, strlen(CONFIG_TEXT)) != 0 ||
	    (*rest && (!strstr(rest, "volatile.cpu.nodes = ") || !strstr(rest, "volatile.numaplace.origin = ") ||
		       rest[strlen(rest) - 1] != '\n')))
		wrong(what, n, "the config is now: %s", text);
}

static void begin_one(void)
{
	new_group();
	if (lxc)
		write_config();
	if (releases() && run_hook(lxc ? "start-host" : "createRuntime") != 0)
		wrong("setting up", -1, "not placed");
}

static void kill_one(int n)
{
	struct found f;
	int calls;
	long number;

	begin_one();
	run_traced(n, -1, 0, &calls, &number);
	look(&f);
	/* The mark goes first, then the record. */
	if (releases() && !f.noted ? f.marked : !on_the_way(&f))
		tell("killed", n, &f, "half of it");
	check_config("killed", n);
	check_repair("killed", n);
	check_config("killed, then repaired,", n);
}

/* liblxc may have said something of its own before. */
static const char *own_words(void)
{
	const char *line = lxc ? strstr(said, "\nnumaplace: ") : NULL;

	return line ? line + 1 : said;
}

static void fail_one(int n, int error)
{
	struct found f;
	int calls, status;
	long number = -1;
	char what[80];

	begin_one();
	status = run_traced(-1, n, error, &calls, &number);
	look(&f);
	snprintf(what, sizeof(what), "call %ld failing with %s", number, strerror(error));
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 2)
		wrong(what, n, "ended with status %x", (unsigned int)status);
	else if (releases())
		; /* what is left is looked at by the next */
	else if (WEXITSTATUS(status) == 0 && !placed(&f))
		tell(what, n, &f, "said to be placed");
	else if (WEXITSTATUS(status) && (!untouched(&f) || f.noted))
		tell(what, n, &f, "said to have failed");
	if (WIFEXITED(status) && WEXITSTATUS(status) && strncmp(own_words(), "numaplace: ", 11) != 0)
		wrong(what, n, "failed without a word");
	check_config(what, n);
	check_repair(what, n);
}

int main(int argc, char **argv)
{
	static const int errors[] = { EIO, ENOSPC, EACCES, EINTR, ENOMEM };
	int calls, status, seed = argc > 5 ? atoi(argv[5]) : 0;
	bool killing;
	long number;

	if (argc < 5)
		return 2;
	hook = argv[1];
	stage = argv[2];
	lxc = strstr(hook, "/lxc-hook");
	snprintf(group, sizeof(group), "/sys/fs/cgroup/%s", argv[3]);
	killing = strcmp(argv[4], "kill") == 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	mkdir("/run/tests/at-each-call", 0755);
	mkdir(CONFIG_DIR, 0755);
	/* The first one turns cpuset on around the group, and reads the machine. */
	begin_one();
	if (!releases() && run_hook(stage) != 0)
		wrong("the first", -1, "not placed");
	begin_one();
	if (releases())
		new_group();
	read_text(group, "cpuset.cpus.effective", all_cpus, 64);
	read_text(group, "cpuset.mems.effective", all_mems, 64);
	begin_one();
	status = run_traced(-1, -1, 0, &calls, &number);
	if (!*all_cpus || !*all_mems || !WIFEXITED(status) || WEXITSTATUS(status) || calls < 40) {
		printf("undisturbed, it ended with %x after %d calls, on %s/%s\n%s", (unsigned int)status, calls,
		       all_cpus, all_mems, said);
		return 1;
	}
	for (int n = 0; n < calls; n++) {
		if (killing)
			kill_one(n);
		else
			fail_one(n, errors[(n + seed) % 5]);
	}
	end_group();
	printf("%s, each of %d calls: %d wrong\n", argv[4], calls, bad);
	return bad ? 1 : 0;
}
