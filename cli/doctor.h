/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Between `numaplace doctor` and its checks: a report of rows, and the few
 * ways of looking at a host.  All reading goes through the sysroot, so that a made host can be
 * looked at; programs are asked for their version on this host alone.
 */
#ifndef NUMAPLACE_DOCTOR_H
#define NUMAPLACE_DOCTOR_H

#include "cli/cli.h"

enum verdict {
	VERDICT_FINE,
	VERDICT_NOTE, /* good to know */
	VERDICT_DO,   /* something needs doing: exit status 1 */
};

#define FINDINGS_MAX 64

struct doctor {
	const struct cli *cli;
	unsigned int n;
	struct finding {
		enum verdict verdict;
		const char *subject;
		char text[400];
	} finding[FINDINGS_MAX];
	bool docker, containerd, podman, crio, lxc, incus, lxd; /* found by the runtimes' check */
	bool many_cpus;   /* more than 8 */
	bool runc_scopes; /* runc from before 1.1.6: its systemd scopes get wrong CPUs above 8 */
};

void doctor_say(struct doctor *d, enum verdict v, const char *subject, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* A file below the sysroot, as text, cut at @size; false: not there. @path without a leading slash. */
bool doctor_read(const struct doctor *d, const char *path, char *buf, size_t size);
bool doctor_has(const struct doctor *d, const char *path);
/* Where a program is, below the usual folders; "" if nowhere. Without a leading slash. */
const char *doctor_program(const struct doctor *d, const char *name, char *buf, size_t size);
/* Whether a process of this name runs. */
bool doctor_runs(const struct doctor *d, const char *name);
/* The first line that `PROGRAM --version` prints, where it comes within three seconds; false on a made host. */
bool doctor_version(const struct doctor *d, const char *program, char *buf, size_t size);

void doctor_check_host(struct doctor *d);     /* kernel, cgroups, conf, ledger: cli/doctor.c */
void doctor_check_runtimes(struct doctor *d); /* runtimes and hooks: cli/doctor-runtimes.c */
void doctor_check_traps(struct doctor *d);    /* what else meddles: cli/doctor-runtimes.c */

#endif
