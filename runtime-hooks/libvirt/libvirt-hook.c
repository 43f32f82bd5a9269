/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hook of libvirt's QEMU driver: libvirt-hook NAME OPERATION SUBOPERATION EXTRA, with the domain's XML on stdin.
 *
 * prepare, before libvirt asks numad: reserves a place for a domain with placement='auto', and the pins of one that
 * `numaplace virt` has placed. started and reconnect: records the domain as it runs. release: drops its record and its
 * reservation. Other operations do nothing.
 *
 * Only a domain that asks for a place, or has one, and does not fit is refused, unless numaplace.conf says
 * on-failure = warn. Any other failure is a warning, because the record is for others, and the domain runs without it.
 * The hook prints nothing on stdout, where libvirt would read a changed XML.
 */
#include "place/note.h"
#include "plugin/base/util.h"
#include "runtime-hooks/common/confine.h"
#include "runtime-hooks/common/hook.h"
#include "runtime-hooks/libvirt/advice.h"
#include "runtime-hooks/libvirt/domain.h"
#include "runtime-hooks/libvirt/qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#define WORDS 4 /* from libvirt */

struct options {
	struct hook_options common;
	const char *name, *operation;
};

enum operation { OPERATION_RESERVE, OPERATION_NOTE, OPERATION_RELEASE, OPERATION_OTHER };

static enum operation find_operation(const char *name)
{
	if (strcmp(name, "prepare") == 0)
		return OPERATION_RESERVE;
	if (strcmp(name, "started") == 0 || strcmp(name, "reconnect") == 0)
		return OPERATION_NOTE;
	return strcmp(name, "release") == 0 ? OPERATION_RELEASE : OPERATION_OTHER;
}

/* A domain may be named like an option: the last four words are never options. */
static int parse_options(int argc, char **argv, struct options *o, struct error *err)
{
	int words;

	if (argc < 1 + WORDS)
		return error_set(err, -EINVAL, "usage: libvirt-hook [--conf FILE] [--state DIR] [--timeout SECONDS] NAME "
				 "OPERATION SUBOPERATION EXTRA");
	o->name = argv[argc - WORDS];
	o->operation = argv[argc - WORDS + 1];
	argv[argc - WORDS] = NULL;
	words = hook_options_parse(&o->common, argc - 1 - WORDS, argv + 1, err);
	return words > 0 ? error_set(err, -EINVAL, "%s: not an option", quote(argv[1]).text) : words;
}

/* A domain asks for a place, or has one from `numaplace virt`, which others may have taken since. */
static bool needs_place(const struct domain *d)
{
	struct request request;

	return domain_asks(d) || domain_start_request(d, &request, NULL) != -ENOENT;
}

static int reserve(struct place_env *env, const struct domain *d, struct error *err)
{
	const bool asks = domain_asks(d);
	struct place_job job = { .runtime = LIBVIRT_RUNTIME, .runtime_class = LIBVIRT_CLASS, .id = domain_id(d),
				 .offered = asks ? NOTE_ASKED : NOTE_PINNED, .applied = LIBVIRT_RUNTIME };
	cleanup_record struct record r = { 0 };
	char cgroup[sizeof(LIBVIRT_SLICE) + NAME_ID_MAX + 1];
	int rc = asks ? domain_request(d, &job.request, err) : domain_start_request(d, &job.request, err);

	/* Its cgroup does not exist yet: the name is only for the ledger. */
	snprintf(cgroup, sizeof(cgroup), LIBVIRT_SLICE "/%s", job.id);
	if (asks && !d->auto_cpus)
		job.request.pin_cpus = d->cpus;
	if (asks && !d->auto_mems)
		job.request.pin_mems = d->mems;
	if (rc == 0)
		rc = place_reserve(env, &job, cgroup, &r, err);
	if (rc == -ENOSPC && !asks)
		error_prefix(err, rc, "others have what numaplace had chosen for it; run numaplace virt again");
	return rc;
}

static int note(struct place_env *env, const struct domain *d, struct error *err)
{
	struct note_job job = { .runtime = LIBVIRT_RUNTIME, .runtime_class = LIBVIRT_CLASS, .id = domain_id(d) };
	cleanup_free struct qemu *q = calloc(1, sizeof(*q));
	cleanup_record struct record r = { 0 };
	int rc = domain_request(d, &job.request, err);

	if (!q)
		return error_errno(err, -ENOMEM, "domain");
	if (rc == 0)
		rc = qemu_look(env->root, d->name, q, err);
	if (rc < 0)
		return rc;
	job.pid = q->pid;
	job.cgroup = q->cgroup;
	job.cpus = q->cpus;
	job.mems = q->mems;
	/* A policy narrows an allocation within what the cpuset allows. */
	if (job.request.policy != POLICY_PREFERRED && nodeset_intersects(&job.mems, &d->mems))
		nodeset_and(&job.mems, &d->mems);
	return place_note(env, &job, &r, err);
}

static int act(struct place_env *env, enum operation operation, const struct domain *d, struct error *err)
{
	switch (operation) {
	case OPERATION_RESERVE:
		return needs_place(d) ? reserve(env, d, err) : 0;
	case OPERATION_NOTE:
		return note(env, d, err);
	case OPERATION_RELEASE:
		return place_release(env, LIBVIRT_CLASS, domain_id(d), err);
	default:
		return 0;
	}
}

/* *@refused: the failure stops the domain. */
static int run(struct place_env *env, const struct options *o, bool *refused, struct error *err)
{
	const enum operation operation = find_operation(o->operation);
	cleanup_free struct domain *d = calloc(1, sizeof(*d));
	cleanup_free char *text = NULL;
	struct error conf_err;
	int conf, rc;
	size_t len;

	if (operation == OPERATION_OTHER) {
		hook_drain(STDIN_FILENO);
		return 0;
	}
	conf = conf_read(AT_FDCWD, o->common.conf, &env->conf, &conf_err);
	rc = hook_read(STDIN_FILENO, DOMAIN_XML_MAX, &text, &len, err);
	if (!d)
		return error_errno(err, -ENOMEM, "domain");
	if (rc == 0)
		rc = domain_parse(text, len, d, err);
	if (rc < 0)
		return rc;
	hook_subject("domain %s", domain_id(d));
	if (strcmp(d->name, o->name) != 0)
		return error_set(err, -EINVAL, "its XML is of domain \"%s\"", quote(d->name).text);
	if (conf < 0 && operation == OPERATION_RESERVE && needs_place(d)) {
		*refused = true;
		*err = conf_err;
		return conf;
	}
	if (conf < 0)
		hook_warn(conf_err.text);
	env->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (env->root < 0)
		return error_errno(err, -errno, "/");
	rc = act(env, operation, d, err);
	*refused = operation == OPERATION_RESERVE && rc == -ENOSPC && !env->conf.warn_only;
	return rc;
}

int main(int argc, char **argv)
{
	struct options o = { .common.conf = PLACE_CONF };
	struct place_env env = {
		.root = -1, .state = -1, .mount = -1, .timeout_ms = HOOK_LOCK_SECONDS * 1000, .message = hook_warn
	};
	struct error err = { 0 };
	bool refused = false;
	int rc;

	hook_begin_place(&env);
	hook_time_up_status(0);
	rc = parse_options(argc, argv, &o, &err);
	if (rc < 0) {
		hook_drain(STDIN_FILENO);
		hook_say(LOG_ERR, err.text);
		return error_exit_status(rc);
	}
	hook_time_limit(o.common.seconds, &env);
	env.real = true;
	place_name_state(&env, o.common.state, place_usual_state(true));
	/* Before reading any byte that the user of a domain may have written. */
	confine_privileges(0);
	confine_calls(0);
	rc = run(&env, &o, &refused, &err);
	if (rc == 0)
		return 0;
	hook_say(refused ? LOG_ERR : LOG_WARNING, err.text);
	return refused ? error_exit_status(rc) : 0;
}
