/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * runtime-hooks/oci/command and runtime-version: command lines of container engines, and version texts of runtimes.
 */
#include "plugin/base/util.h"
#include "runtime-hooks/oci/command.h"
#include "runtime-hooks/oci/runtime-version.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

static char words[1024];
static char *args[64];

/* Splits @line at spaces into args. */
static int split(const char *line)
{
	int n = 0;

	snprintf(words, sizeof(words), "%s", line);
	for (char *p = strtok(words, " "); p; p = strtok(NULL, " "))
		args[n++] = p;
	args[n] = NULL;
	return n;
}

static const char *joined(char **argv)
{
	static char text[1024];
	size_t used = 0;

	text[0] = '\0';
	for (; *argv; argv++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", used ? " " : "", *argv);
	return text;
}

static const struct {
	const char *line, *rest, *verb, *runtime, *bundle, *config, *id, *log;
} cases[] = {
	{ "n create --bundle /b c1", "n create --bundle /b c1", "create", NULL, "/b", NULL, "c1", NULL },
	{ "n --runtime crun create -b /b c1", "n create -b /b c1", "create", "crun", "/b", NULL, "c1", NULL },
	{ "n --runtime=/x/crun --root /r run -d -b=/b c1", "n --root /r run -d -b=/b c1", "run", "/x/crun", "/b", NULL,
	  "c1", NULL },
	{ "n --root create --log /l --log-format json --systemd-cgroup create --bundle /b --pid-file run c1",
	  "n --root create --log /l --log-format json --systemd-cgroup create --bundle /b --pid-file run c1", "create",
	  NULL, "/b", NULL, "c1", "/l" },
	{ "n --log=/l --runtime crun --cgroup-manager systemd run c1", "n --log=/l --cgroup-manager systemd run c1",
	  "run", "crun", NULL, NULL, "c1", "/l" },
	{ "n create -b/b -f other.json c1", "n create -b/b -f other.json c1", "create", NULL, "/b", "other.json", "c1",
	  NULL },
	{ "n -root /r create -bundle /b -- c1", "n -root /r create -bundle /b -- c1", "create", NULL, "/b", NULL, "c1",
	  NULL },
	{ "n --new-option value create c1", "n --new-option value create c1", "create", NULL, NULL, NULL, "c1", NULL },
	{ "n --log /l restore --image-path run --work-path=w -b /b --pid-file p -d c1",
	  "n --log /l restore --image-path run --work-path=w -b /b --pid-file p -d c1", "restore", NULL, "/b", NULL, "c1",
	  "/l" },
	{ "n restore --manage-cgroups-mode soft --tcp-established -- c1",
	  "n restore --manage-cgroups-mode soft --tcp-established -- c1", "restore", NULL, NULL, NULL, "c1", NULL },
	{ "n state c1", "n state c1", "state", NULL, NULL, NULL, NULL, NULL },
	{ "n exec c1 create --bundle /b", "n exec c1 create --bundle /b", "exec", NULL, NULL, NULL, NULL, NULL },
	{ "n exec c1 x --runtime y", "n exec c1 x --runtime y", "exec", NULL, NULL, NULL, NULL, NULL },
	{ "n --version", "n --version", NULL, NULL, NULL, NULL, NULL, NULL },
	/* As crun's getopt accepts them: short options combined, long options abbreviated if unambiguous. */
	{ "n run -db /b c1", "n run -db /b c1", "run", NULL, "/b", NULL, "c1", NULL },
	{ "n run -db/b c1", "n run -db/b c1", "run", NULL, "/b", NULL, "c1", NULL },
	{ "n run -dfx.json c1", "n run -dfx.json c1", "run", NULL, NULL, "x.json", "c1", NULL },
	{ "n run -ddb /b c1", "n run -ddb /b c1", "run", NULL, "/b", NULL, "c1", NULL },
	{ "n run -ddb/b c1", "n run -ddb/b c1", "run", NULL, "/b", NULL, "c1", NULL },
	{ "n run -dddfx.json -d -dd c1", "n run -dddfx.json -d -dd c1", "run", NULL, NULL, "x.json", "c1", NULL },
	{ "n run -no-subreaper -debug c1", "n run -no-subreaper -debug c1", "run", NULL, NULL, NULL, "c1", NULL },
	{ "n run -detach -b /b c1", "n run -detach -b /b c1", "run", NULL, "/b", NULL, "c1", NULL },
	{ "n --log-f json --roo /r run --bund /b --pid=p --conf x.json c1",
	  "n --log-f json --roo /r run --bund /b --pid=p --conf x.json c1", "run", NULL, "/b", "x.json", "c1", NULL },
	{ "n create --con /b c1", "n create --con /b c1", "create", NULL, NULL, NULL, "c1", NULL },
	{ "n create --no-pivot --no-new-keyring --preserve-fds 3 --console-socket s --pidfd-socket=t -b /b c1",
	  "n create --no-pivot --no-new-keyring --preserve-fds 3 --console-socket s --pidfd-socket=t -b /b c1",
	  "create", NULL, "/b", NULL, "c1", NULL },
	{ "n --debug --rootless true --criu run --log-level debug run --keep --no-subreaper c1 --bundle /b",
	  "n --debug --rootless true --criu run --log-level debug run --keep --no-subreaper c1 --bundle /b", "run",
	  NULL, "/b", NULL, "c1", NULL },
	{ "n create", "n create", "create", NULL, NULL, NULL, NULL, NULL },
	{ "n create --bundle", "n create --bundle", "create", NULL, NULL, NULL, NULL, NULL },
	{ "n", "n", NULL, NULL, NULL, NULL, NULL, NULL },
};

static void test_lines(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct command c;
		struct error err = { 0 };
		int n = split(cases[i].line);

		is_int(command_parse(n, args, &c, &err), 0, "command line \"%s\"", cases[i].line);
		is_str(joined(c.argv), cases[i].rest, "command line \"%s\": arguments for the runtime", cases[i].line);
		is_str(c.verb, cases[i].verb, "command line \"%s\": command", cases[i].line);
		is_str(c.runtime, cases[i].runtime, "command line \"%s\": runtime", cases[i].line);
		is_str(c.bundle, cases[i].bundle, "command line \"%s\": bundle", cases[i].line);
		is_str(c.config, cases[i].config, "command line \"%s\": config", cases[i].line);
		is_str(c.id, cases[i].id, "command line \"%s\": id", cases[i].line);
		is_str(c.log, cases[i].log, "command line \"%s\": log", cases[i].line);
	}
}

static void test_names(void)
{
	struct command c = { .self = "/usr/bin/numaplace-crun" };
	struct error err = { 0 };

	ok(command_is_called(&c, "crun") && !command_is_called(&c, "runc"), "numaplace-crun means crun");
	c.self = "crun";
	ok(!command_is_called(&c, "crun"), "crun does not mean crun");
	is_int(command_parse(split("n create --runtime"), args, &c, &err), 0,
	       "--runtime after the command is not our option");
	is_int(command_parse(split("n --runtime"), args, &c, &err), -EINVAL, "--runtime without a value is refused");
	is_str(err.text, "--runtime: needs a value", "--runtime without a value: message");
}

static void test_versions(void)
{
	static const struct {
		const char *text, *name;
		unsigned int major, minor;
		bool knows;
	} said[] = {
		{ "runc version 1.1.15+ds1\ncommit: x\n", "runc", 1, 1, false },
		{ "runc version 1.4.0-rc.1\n", "runc", 1, 4, true },
		{ "crun version 1.8.1\ncommit: y\n", "crun", 1, 8, false },
		{ "crun version 1.24\n", "crun", 1, 24, true },
		{ "crun version 2.0", "crun", 2, 0, true },
		{ "youki version 1.99", "youki", 1, 99, false },
	};
	struct runtime_version v;

	for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
		is_int(runtime_version_parse(said[i].text, &v), 0, "version text of %s: parsed", said[i].name);
		ok(strcmp(v.name, said[i].name) == 0 && v.major == said[i].major && v.minor == said[i].minor,
		   "version text: name and numbers");
		is_int(runtime_knows_memory_policy(&v), said[i].knows,
		       "version text: whether the runtime knows memoryPolicy");
	}
	is_int(runtime_version_parse("", &v), -EINVAL, "version text: an empty text is refused");
	is_int(runtime_version_parse("runsc version release-2024\n", &v), -EINVAL,
	       "version text: a text without a number is refused");
}

/* The number of entries in a folder. */
static unsigned int entries(const char *path)
{
	cleanup_closedir DIR *dir = opendir(path);
	unsigned int n = 0;

	for (struct dirent *e; dir && (e = readdir(dir));)
		n += *e->d_name != '.';
	return n;
}

/* A runtime that counts its calls in a file is queried twice. */
static void test_kept(const char *folder)
{
	static const char script[] = "#!/bin/sh\necho . >> \"$COUNT\"\necho crun version 1.24\n";
	char path[128], state_path[128], counted[128];
	cleanup_close int state = -1, file = -1, memory = -1;
	struct runtime_version v;
	struct error err = { 0 };
	struct stat st;

	snprintf(path, sizeof(path), "%s/crun", folder);
	snprintf(state_path, sizeof(state_path), "%s/state", folder);
	snprintf(counted, sizeof(counted), "%s/count", folder);
	setenv("COUNT", counted, 1);
	if (mkdir(state_path, 0700) < 0)
		ok(false, "query of a runtime: the test can make a folder");
	state = open(state_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	if (write(file, script, strlen(script)) < 0)
		ok(false, "query of a runtime: the test can write a script");
	close(steal_fd(&file));
	for (int i = 0; i < 2; i++)
		is_int(runtime_version_ask(path, state, &v, &err), 0, "query of a runtime: %s", err.text);
	ok(stat(counted, &st) == 0 && st.st_size == 2 && entries(state_path) == 1,
	   "query of a runtime: it runs once, and its version is cached");
	/* crun and runc run a copy of themselves from memory, which is a new file each time and has no path. */
	memory = memfd_create("crun", 0);
	if (write(memory, script, strlen(script)) < 0)
		ok(false, "query of a runtime in memory: the test can write a script");
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), memory);
	for (int i = 0; i < 2; i++)
		is_int(runtime_version_ask(path, state, &v, &err), 0, "query of a runtime in memory: %s", err.text);
	is_int(entries(state_path), 1, "query of a runtime in memory: not cached");
}

int main(void)
{
	char folder[] = "/tmp/numaplace-command-XXXXXX", clear[64];

	if (!mkdtemp(folder))
		return 1;
	test_kept(folder);
	snprintf(clear, sizeof(clear), "rm -r %s", folder);
	if (system(clear) != 0)
		ok(false, "%s", clear);
	test_lines();
	test_names();
	test_versions();
	return done();
}
