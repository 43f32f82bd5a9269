/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Measures the time of programs from fork to end, in turn, so that other load of the machine affects all of them alike.
 *
 * drive RUNS [WARM]             reads lines from stdin, words separated by spaces:
 *	run NAME INPUT PROGRAM ARG...     a program, and the file that is its stdin
 *	after NAME PROGRAM ARG...         run after each run of NAME with the same stdin, not measured
 *	empty NAME FILE                   a file that is emptied after each run of NAME
 *	prints a line for each run line:  NAME MEDIAN P99 LEAST (microseconds) MEMORY (KiB, the most)
 * drive --at-once N TOTAL INPUT PROGRAM ARG...
 *	TOTAL runs, N of them at a time; every "%" of INPUT and of the ARGs is replaced by the
 *	number of the run. Prints runs per second.
 *
 * A run that fails ends drive, so that no failed run is measured.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS_MAX 40
#define CASES_MAX 16

extern char **environ;

struct command {
	char *input, *argv[WORDS_MAX];
};

struct run {
	char *name;
	struct command command, after;
	char *empty[4];
	unsigned int nempty;
	double *us;
	long memory;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "drive: %s: %s\n", what, why);
	exit(1);
}

static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static pid_t start(const struct command *c)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, c->input, O_RDONLY, 0);
	r = posix_spawn(&pid, c->argv[0], &actions, NULL, c->argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r)
		die(c->argv[0], strerror(r));
	return pid;
}

static void check(const struct command *c, int status)
{
	char text[40];

	if (status == 0)
		return;
	snprintf(text, sizeof(text), "ended with status 0x%x", (unsigned int)status);
	die(c->argv[0], text);
}

static double time_one(struct run *r)
{
	struct rusage usage;
	double began = now_us(), us;
	pid_t pid = start(&r->command);
	int status;

	if (wait4(pid, &status, 0, &usage) != pid)
		die("wait4", strerror(errno));
	us = now_us() - began;
	check(&r->command, status);
	if (usage.ru_maxrss > r->memory)
		r->memory = usage.ru_maxrss;
	return us;
}

static void tidy_up(const struct run *r)
{
	int status;

	if (r->after.argv[0]) {
		pid_t pid = start(&r->after);

		if (waitpid(pid, &status, 0) != pid)
			die("waitpid", strerror(errno));
		check(&r->after, status);
	}
	for (unsigned int i = 0; i < r->nempty; i++)
		if (truncate(r->empty[i], 0) < 0)
			die(r->empty[i], strerror(errno));
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static struct run *find(struct run *runs, unsigned int n, const char *name)
{
	for (unsigned int i = 0; i < n; i++)
		if (strcmp(runs[i].name, name) == 0)
			return &runs[i];
	die(name, "no such run");
	return NULL;
}

static unsigned int split(char *line, char **word)
{
	unsigned int n = 0;

	for (char *w = strtok(line, " \n"); w; w = strtok(NULL, " \n")) {
		if (n == WORDS_MAX - 1)
			die(line, "too many words");
		word[n++] = strdup(w);
	}
	word[n] = NULL;
	return n;
}

static unsigned int read_runs(struct run *runs)
{
	char line[8192], *word[WORDS_MAX];
	unsigned int n = 0;

	while (fgets(line, sizeof(line), stdin)) {
		unsigned int words = split(line, word);

		if (!words)
			continue;
		if (words >= 4 && strcmp(word[0], "run") == 0 && n < CASES_MAX) {
			runs[n] = (struct run){ .name = word[1], .command.input = word[2] };
			memcpy(runs[n++].command.argv, word + 3, (words - 2) * sizeof(*word));
		} else if (words >= 3 && strcmp(word[0], "after") == 0) {
			struct run *r = find(runs, n, word[1]);

			r->after.input = r->command.input;
			memcpy(r->after.argv, word + 2, (words - 1) * sizeof(*word));
		} else if (words == 3 && strcmp(word[0], "empty") == 0) {
			struct run *r = find(runs, n, word[1]);

			if (r->nempty == sizeof(r->empty) / sizeof(r->empty[0]))
				die(word[2], "too many files");
			r->empty[r->nempty++] = word[2];
		} else {
			die(word[0], "not understood");
		}
	}
	return n;
}

/* A different order in each round, because it affects caches; the same orders in every bench. */
static void shuffle(unsigned int *order, unsigned int n)
{
	static uint64_t seed = 88172645463325252U;

	for (unsigned int i = n; i > 1; i--) {
		unsigned int j, was = order[i - 1];

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		j = (unsigned int)(seed % i);
		order[i - 1] = order[j];
		order[j] = was;
	}
}

static int in_turn(unsigned int times, unsigned int warm)
{
	static struct run runs[CASES_MAX];
	unsigned int n = read_runs(runs), order[CASES_MAX];

	for (unsigned int i = 0; i < n; i++) {
		order[i] = i;
		runs[i].us = calloc(times, sizeof(double));
		if (!runs[i].us)
			die("runs", strerror(ENOMEM));
	}
	for (unsigned int t = 0; t < warm + times; t++) {
		shuffle(order, n);
		for (unsigned int i = 0; i < n; i++) {
			struct run *r = &runs[order[i]];
			double us = time_one(r);

			if (t >= warm)
				r->us[t - warm] = us;
			tidy_up(r);
		}
	}
	for (unsigned int i = 0; i < n; i++) {
		struct run *r = &runs[i];

		qsort(r->us, times, sizeof(double), by_size);
		printf("%s %.1f %.1f %.1f %ld\n", r->name, r->us[times / 2], r->us[times * 99 / 100], r->us[0],
		       r->memory);
	}
	return 0;
}

/* @text with every "%" replaced by the number. */
static char *numbered(const char *text, unsigned int number)
{
	char out[8192];
	size_t used = 0;

	for (; *text && used < sizeof(out) - 12; text++) {
		if (*text == '%')
			used += (size_t)sprintf(out + used, "%u", number);
		else
			out[used++] = *text;
	}
	out[used] = '\0';
	return strdup(out);
}

static int at_once(unsigned int width, unsigned int total, char **words)
{
	struct command *commands = calloc(total, sizeof(*commands));
	unsigned int begun = 0, ended = 0;
	double began, seconds;
	int status;

	if (!commands)
		die("commands", strerror(ENOMEM));
	for (unsigned int i = 0; i < total; i++) {
		commands[i].input = numbered(words[0], i);
		for (unsigned int w = 1; words[w] && w < WORDS_MAX; w++)
			commands[i].argv[w - 1] = numbered(words[w], i);
	}
	began = now_us();
	while (ended < total) {
		while (begun < total && begun - ended < width)
			start(&commands[begun++]);
		if (waitpid(-1, &status, 0) < 0)
			die("waitpid", strerror(errno));
		check(&commands[0], status);
		ended++;
	}
	seconds = (now_us() - began) / 1e6;
	printf("%.1f\n", total / seconds);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 5 && strcmp(argv[1], "--at-once") == 0)
		return at_once((unsigned int)atoi(argv[2]), (unsigned int)atoi(argv[3]), argv + 4);
	if (argc == 2 || argc == 3)
		return in_turn((unsigned int)atoi(argv[1]), argc == 3 ? (unsigned int)atoi(argv[2]) : 10);
	fprintf(stderr, "usage: drive RUNS [WARM] | drive --at-once N TOTAL INPUT PROGRAM ARG...\n");
	return 2;
}
