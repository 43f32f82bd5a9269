/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * at-each-call HOOK STAGE GROUP kill|fail|all: runs HOOK (oci-hook or lxc-hook) once for each of its system calls, for a
 * process in the cgroup GROUP (below /sys/fs/cgroup, made again each time). kill: each run is killed before another call.
 * fail: in each run another call fails, with EIO, ENOSPC, EACCES, EINTR and ENOMEM in turn; all: each call with each of
 * these errors. After each run, the container must be placed as the ledger says, or unchanged; then HOOK runs again without
 * interference and must complete or undo the placement. Reports errors and the number of calls; exit status 1 if there was
 * an error, 77 if this architecture cannot let calls fail.
 *
 * MADE_BY and MADE_FOR in the environment: GROUP is a folder of regular files, which the program MADE_BY (stage of
 * bench/hook) makes for the process MADE_FOR, which is alive during all runs.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define CONF "/run/tests/at-each-call/conf"
#define CONFIG_DIR "/run/tests/at-each-call/crash"
#define CONFIG CONFIG_DIR "/config"
#define CONFIG_TEXT "lxc.uts.name = crash\nlimits.cpu = 4\nlimits.memory = 8MiB\nlimits.cpu.nodes = balanced\n"
#define MARK "trusted.numaplace.record"
/* The system call of libc's alarm(): arm64 and riscv64 have no call of that name. */
#ifdef SYS_alarm
#define CALL_OF_ALARM SYS_alarm
#else
#define CALL_OF_ALARM SYS_setitimer
#endif

static const char *hook, *stage;
static char group[256], all_cpus[64], all_mems[64];
static pid_t inhabitant, told; /* told: the process in the state that the hook reads */
static char said[4096];
static int bad, shown;
static bool lxc; /* it is lxc-hook */
static const char *made_by; /* NULL: the cgroup is the kernel's */

struct found {
	char cpus[64], mems[64], now_cpus[64], now_mems[64]; /* of the cgroup, as set and as effective */
	char noted_cpus[64], noted_mems[64];                 /* of the record */
	bool marked, named, noted;                           /* named: the cgroup has the attributes with its nodes */
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

static void read_all(const char *dir, const char *name, char *out, size_t size)
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
}

static void read_text(const char *dir, const char *name, char *out, size_t size)
{
	read_all(dir, name, out, size);
	out[strcspn(out, size > 1000 ? "" : "\n")] = '\0';
}

static void write_text(const char *name, const char *text)
{
	char path[400];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", group, name);
	fd = open(path, O_WRONLY | O_CLOEXEC | (made_by ? O_CREAT : 0), 0644);
	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		perror(path);
		exit(2);
	}
	close(fd);
}

/* Like the hook that is linked for such folders: an empty cpuset has the effective CPUs and nodes of its parent. */
static void read_effective(const char *name, const char *around, char *out, size_t size)
{
	read_text(group, name, out, size);
	if (made_by && !*out)
		snprintf(out, size, "%s", getenv(around));
}

/* The files that MADE_BY made for the cgroup; some are links to others. */
static struct made {
	char name[64], text[400];
	ino_t inode;
} made[64];
static size_t made_count;

static void run_made_by(void)
{
	char pid[16];
	int status;
	pid_t child = fork();

	if (child == 0) {
		snprintf(pid, sizeof(pid), "%d", inhabitant);
		execl(made_by, "stage", "cgroup", "/sys/fs/cgroup", group + strlen("/sys/fs/cgroup"), pid, (char *)NULL);
		_exit(126);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0 || status) {
		fprintf(stderr, "%s failed\n", made_by);
		exit(2);
	}
}

static void keep_made(void)
{
	DIR *dir = opendir(group);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (*entry->d_name == '.')
			continue;
		if (made_count == sizeof(made) / sizeof(*made) || strlen(entry->d_name) >= sizeof(made->name)) {
			fprintf(stderr, "%s: too many files\n", group);
			exit(2);
		}
		strcpy(made[made_count].name, entry->d_name);
		made[made_count].inode = entry->d_ino;
		read_all(group, entry->d_name, made[made_count].text, sizeof(made->text));
		made_count++;
	}
	if (dir)
		closedir(dir);
}

/* Links made[@n] to an earlier file of the same inode. */
static bool linked(int dir, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (made[i].inode == made[n].inode)
			return linkat(dir, made[i].name, dir, made[n].name, 0) == 0;
	return false;
}

/* Makes the same folder again, in a tenth of the time of MADE_BY. */
static void make_again(void)
{
	int dir = -1;

	if (mkdir(group, 0755) < 0 || (dir = open(group, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		perror(group);
		exit(2);
	}
	for (size_t i = 0; i < made_count; i++)
		if (!linked(dir, i))
			write_text(made[i].name, made[i].text);
	close(dir);
}

/* Regular files must be removed before their folder. */
static void end_made(void)
{
	DIR *dir = opendir(group);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	if (rmdir(group) < 0 && errno != ENOENT) {
		perror(group);
		exit(2);
	}
}

static void end_group(void)
{
	if (made_by) {
		end_made();
		return;
	}
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
	if (made_by) {
		if (made_count) {
			make_again();
		} else {
			run_made_by();
			keep_made();
		}
		told = inhabitant;
		return;
	}
	if (mkdir(group, 0755) < 0) {
		perror(group);
		exit(2);
	}
	inhabitant = fork();
	if (inhabitant == 0)
		for (;;)
			pause();
	told = inhabitant;
	snprintf(text, sizeof(text), "%d", inhabitant);
	write_text("cgroup.procs", text);
}

/* Ends the processes of the cgroup, as a runtime does before it calls the hook at poststop. */
static void empty_group(void)
{
	char text[64] = "";

	if (made_by) {
		write_text("cgroup.events", "populated 0\nfrozen 0\n");
		return;
	}
	kill(inhabitant, SIGKILL);
	waitpid(inhabitant, NULL, 0);
	inhabitant = 0;
	for (int i = 0; i < 1000 && !strstr(text, "populated 0"); i++) {
		read_text(group, "cgroup.events", text, sizeof(text));
		usleep(strstr(text, "populated 0") ? 0 : 1000);
	}
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
	read_effective("cpuset.cpus.effective", "NUMAPLACE_BENCH_CPUS", f->now_cpus, 64);
	read_effective("cpuset.mems.effective", "NUMAPLACE_BENCH_MEMS", f->now_mems, 64);
	f->marked = getxattr(group, MARK, NULL, 0) > 0;
	f->named = getxattr(group, "trusted.volatile.cpu.nodes", NULL, 0) >= 0 ||
		   getxattr(group, "trusted.volatile.memory.nodes", NULL, 0) >= 0;
	read_text(lxc ? "/run/numaplace/containers/lxc:crash" : "/run/numaplace/containers/oci:crash", "", record, sizeof(record));
	/* A record of the previous cgroup does not belong to this container. */
	noted(record, "\ninode=", inode);
	f->noted = *record && stat(group, &st) == 0 && strtoull(inode, NULL, 10) == st.st_ino;
	if (!f->noted)
		*record = '\0';
	noted(record, "\ncpus=", f->noted_cpus);
	noted(record, "\nmems=", f->noted_mems);
}

/* A file with the OCI state of the container, positioned at its beginning. */
static int state_fd(void)
{
	int fd = memfd_create("state", 0);

	dprintf(fd, "{\"ociVersion\":\"1.0.2\",\"id\":\"crash\",\"status\":\"created\",\"pid\":%d,\"bundle\":\"/none\","
		"\"annotations\":{\"limits.cpu\":\"4\",\"limits.memory\":\"8MiB\",\"limits.cpu.nodes\":\"balanced\"}}",
		told);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void become_hook(int in, int words)
{
	dup2(in, 0);
	dup2(words, 2);
	if (lxc) {
		char pid[16];

		snprintf(pid, sizeof(pid), "%d", told);
		setenv("LXC_PID", pid, 1);
		setenv("LXC_CONFIG_FILE", CONFIG, 1);
		execl(hook, "lxc-hook", "--conf", CONF, "--timeout", "60", "crash", "lxc", stage, (char *)NULL);
		_exit(126);
	}
	execl(hook, "oci-hook", "--conf", CONF, "--timeout", "60", stage, (char *)NULL);
	_exit(126);
}

static void take_words(int words)
{
	ssize_t n = pread(words, said, sizeof(said) - 1, 0);

	said[n > 0 ? n : 0] = '\0';
}

/* Runs the hook without interference. */
static int run_hook(const char *which)
{
	int in = state_fd(), words = memfd_create("words", 0), status;
	const char *old = stage;
	pid_t pid;

	stage = which;
	/* The child only opens the descriptors of the hook and executes it. */
	pid = vfork();
	if (pid == 0)
		become_hook(in, words);
	stage = old;
	waitpid(pid, &status, 0);
	take_words(words);
	close(in);
	close(words);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A system call of the hook after its first alarm(), that is, after the loader: the @nth of its number. */
struct call {
	long number;
	int nth;
};

/* Stops for the tracer at alarm() and at calls of @number only: each stop costs as much as the start of a process. */
static void stop_at(long number)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALL_OF_ALARM, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(*code), .filter = code };

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		_exit(125);
}

/* The hook, which stops for the tracer. */
static pid_t start_traced(int words, long number)
{
	int in = state_fd(), status;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		stop_at(number);
		become_hook(in, words);
	}
	close(in);
	waitpid(pid, &status, 0);
	ptrace(PTRACE_SETOPTIONS, pid, NULL,
	       (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEEXEC));
	return pid;
}

/* Suppresses the call that is about to begin, and makes its result -@error. */
static void inject(pid_t pid, long number, int error)
{
#ifdef __x86_64__
	struct user_regs_struct regs;

	ptrace(PTRACE_GETREGS, pid, NULL, &regs);
	regs.orig_rax = (unsigned long long)-1;
	regs.rax = number == SYS_brk ? 0 : (unsigned long long)-error;
	ptrace(PTRACE_SETREGS, pid, NULL, &regs);
#else
	(void)pid;
	(void)number;
	(void)error;
#endif
}

static bool by_filter(int status)
{
	return status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8);
}

/*
 * Lets the hook continue, with @each to its next system call, otherwise to the next one at which the filter stops it. *@nr
 * is the number of that call, or -1. False: the hook has ended.
 */
static bool next_stop(pid_t pid, bool each, long *nr, int *status)
{
	static long sig;
	struct __ptrace_syscall_info info;

	ptrace(each ? PTRACE_SYSCALL : PTRACE_CONT, pid, NULL, (void *)sig);
	sig = 0;
	*nr = -1;
	if (waitpid(pid, status, 0) < 0 || !WIFSTOPPED(*status))
		return false;
	if (WSTOPSIG(*status) != (SIGTRAP | 0x80) && !by_filter(*status)) {
		sig = *status >> 16 ? 0 : WSTOPSIG(*status);
		return true;
	}
	ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info);
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
		*nr = (long)info.entry.nr;
	else if (info.op == PTRACE_SYSCALL_INFO_SECCOMP)
		*nr = (long)info.seccomp.nr;
	return true;
}

/* Runs the hook without interference and records its calls. */
static struct call calls[1000];
static int call_count;
static int record_calls(void)
{
	int words = memfd_create("words", 0), status = 0;
	pid_t pid = start_traced(words, CALL_OF_ALARM);
	bool began = false;

	for (long nr; next_stop(pid, began, &nr, &status);) {
		/* The filter stops each alarm() after the first a second time, behind the stop at its entry. */
		if (nr < 0 || (began && by_filter(status)))
			continue;
		began = true;
		if (call_count == sizeof(calls) / sizeof(*calls)) {
			fputs("too many calls\n", stderr);
			exit(2);
		}
		calls[call_count] = (struct call){ nr, 1 };
		for (int i = 0; i < call_count; i++)
			calls[call_count].nth += calls[i].number == nr;
		call_count++;
	}
	take_words(words);
	close(words);
	return status;
}

/* Kills the hook before call @n (@error 0), or lets this call fail with @error. */
static int run_traced(int n, int error)
{
	int words = memfd_create("words", 0), status = 0, seen = 0;
	struct call at = calls[n];
	pid_t pid = start_traced(words, at.number);
	bool began = false;

	for (long nr; next_stop(pid, false, &nr, &status);) {
		began = began || nr == CALL_OF_ALARM;
		if (!began || nr != at.number || ++seen != at.nth)
			continue;
		if (!error)
			kill(pid, SIGKILL);
		/* An exit that fails cannot be handled. */
		else if (nr != SYS_exit_group)
			inject(pid, nr, error);
	}
	take_words(words);
	close(words);
	if (seen < at.nth)
		wrong("not reached", n, "call %ld for the %dth time", at.number, at.nth);
	return status;
}

static bool untouched(const struct found *f)
{
	return !f->marked && !f->named && strcmp(f->now_cpus, all_cpus) == 0 && strcmp(f->now_mems, all_mems) == 0;
}

static bool placed(const struct found *f)
{
	return f->marked && f->noted && strcmp(f->cpus, f->noted_cpus) == 0 && strcmp(f->mems, f->noted_mems) == 0 &&
	       strcmp(f->now_cpus, f->cpus) == 0 && strcmp(f->now_mems, f->mems) == 0;
}

/* An interrupted placement: the cpuset that was written is the one in the record, and a marked cgroup is completely written. */
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
	wrong(what, n, "%s: set %s/%s, in effect %s/%s, noted %d %s/%s, marked %d, named %d", why, f->cpus, f->mems,
	      f->now_cpus, f->now_mems, f->noted, f->noted_cpus, f->noted_mems, f->marked, f->named);
}

static void check_repair(const char *what, int n)
{
	struct found f;
	int status = run_hook(stage);

	look(&f);
	if (status != 0)
		wrong(what, n, "the next hook ended with %d", status);
	else if (releases() ? f.noted || f.marked || f.named : !placed(&f))
		tell(what, n, &f, "the next hook did not complete or undo the placement");
}

static void write_config(void)
{
	FILE *f = fopen(CONFIG, "w");

	if (!f || fputs(CONFIG_TEXT, f) < 0 || fclose(f)) {
		perror(CONFIG);
		exit(2);
	}
}

/* The file is unchanged or has all added lines, never a part of them. */
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
	if (releases())
		empty_group();
}

static void kill_one(int n)
{
	struct found f;

	begin_one();
	run_traced(n, 0);
	look(&f);
	/* The hook removes the mark first, then the record. */
	if (releases() && !f.noted ? f.marked || f.named : !on_the_way(&f))
		tell("killed", n, &f, "half of it");
	check_config("killed", n);
	check_repair("killed", n);
	check_config("killed, then repaired,", n);
}

/* liblxc may have printed messages before. */
static const char *own_words(void)
{
	const char *line = lxc ? strstr(said, "\nnumaplace: ") : NULL;

	return line ? line + 1 : said;
}

static void fail_one(int n, int error)
{
	struct found f;
	int status;
	char what[80];

	begin_one();
	status = run_traced(n, error);
	look(&f);
	snprintf(what, sizeof(what), "call %ld failing with %s", calls[n].number, strerror(error));
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 2)
		wrong(what, n, "ended with status %x", (unsigned int)status);
	else if (releases())
		; /* the remaining state is checked by the next run */
	else if (WEXITSTATUS(status) == 0 && !placed(&f))
		tell(what, n, &f, "said to be placed");
	else if (WEXITSTATUS(status) && (!untouched(&f) || f.noted))
		tell(what, n, &f, "said to have failed");
	if (WIFEXITED(status) && WEXITSTATUS(status) && strncmp(own_words(), "numaplace: ", 11) != 0)
		wrong(what, n, "failed without a word");
	check_config(what, n);
	check_repair(what, n);
}

/* With the error in turn at call @n, or with each error. */
static void fail_with(int n, bool all)
{
	static const int errors[] = { EIO, ENOSPC, EACCES, EINTR, ENOMEM };

	for (int i = 0; i < (all ? 5 : 1); i++)
		fail_one(n, errors[(n + i) % 5]);
}

static void prepare(char **argv)
{
	const char *made_for = getenv("MADE_FOR");

	hook = argv[1];
	stage = argv[2];
	lxc = strstr(hook, "/lxc-hook");
	snprintf(group, sizeof(group), "/sys/fs/cgroup/%s", argv[3]);
	made_by = getenv("MADE_BY");
	inhabitant = made_by && made_for ? atoi(made_for) : 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	mkdir("/run/tests", 0755);
	mkdir("/run/tests/at-each-call", 0755);
	mkdir(CONFIG_DIR, 0755);
	close(open(CONF, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
}

int main(int argc, char **argv)
{
	int status;

	if (argc != 5)
		return 2;
#ifndef __x86_64__
	return 77;
#endif
	prepare(argv);
	/* The first run enables cpuset in the parents of the group, reads the machine and makes folders. */
	begin_one();
	if (run_hook(stage) != 0)
		wrong("the first", -1, releases() ? "not released" : "not placed");
	begin_one();
	if (releases())
		new_group();
	read_effective("cpuset.cpus.effective", "NUMAPLACE_BENCH_CPUS", all_cpus, 64);
	read_effective("cpuset.mems.effective", "NUMAPLACE_BENCH_MEMS", all_mems, 64);
	begin_one();
	status = record_calls();
	if (!*all_cpus || !*all_mems || !WIFEXITED(status) || WEXITSTATUS(status) || call_count < 40) {
		printf("undisturbed, it ended with %x after %d calls, on %s/%s\n%s", (unsigned int)status, call_count,
		       all_cpus, all_mems, said);
		return 1;
	}
	for (int n = 0; n < call_count; n++) {
		if (strcmp(argv[4], "kill") == 0)
			kill_one(n);
		else
			fail_with(n, strcmp(argv[4], "all") == 0);
	}
	end_group();
	printf("%s, each of %d calls: %d wrong\n", argv[4], call_count, bad);
	return bad ? 1 : 0;
}
