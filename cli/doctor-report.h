/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared by `numaplace doctor` and its checks: a list of findings, and functions to examine a host. All files are read
 * below the sysroot, so that tests can examine a simulated host. Programs are asked for their version only on this
 * host.
 */
#ifndef NUMAPLACE_DOCTOR_REPORT_H
#define NUMAPLACE_DOCTOR_REPORT_H

#include "cli/engine.h"

enum verdict {
	VERDICT_FINE,
	VERDICT_NOTE, /* information only */
	VERDICT_DO,   /* something must be done: exit status 1 */
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
	bool nri; /* numaplace-nri is used: doctor_check_nri() */
	bool docker, containerd, podman, crio, lxc, incus, lxd; /* found by doctor_check_runtimes() */
	bool many_cpus;   /* more than 8 */
	bool runc_scopes; /* runc before 1.1.6: with over 8 CPUs its systemd scopes get wrong CPUs */
};

void doctor_say(struct doctor *d, enum verdict v, const char *subject, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Reads a file below the sysroot as text, truncated at @size. false: cannot be read. @path has no leading slash. */
bool doctor_read(const struct doctor *d, const char *path, char *buf, size_t size);
bool doctor_has(const struct doctor *d, const char *path);
/* The path of a program in one of the usual folders, without the leading slash; "": not found. */
const char *doctor_program(const struct doctor *d, const char *name, char *buf, size_t size);
/* Whether a process with this name is running. */
bool doctor_runs(const struct doctor *d, const char *name);
/* The first line that `PROGRAM --version` prints. false: none within three seconds, or below a sysroot. */
bool doctor_version(const struct doctor *d, const char *program, char *buf, size_t size);

#endif
