/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One JSON object in each file. The name of a file is a number, which the container's uid and name give: repeated
 * refusals of one container do not fill the folder. The reader renames a file before it reads it, so that a new refusal
 * in the meantime is not removed with the old one.
 */
#include "runtime-hooks/kube/refusal.h"

#include "plugin/base/atomic-file.h"
#include "plugin/base/file.h"
#include "plugin/base/hash.h"
#include "plugin/base/util.h"
#include "plugin/ledger/ledger.h"
#include "runtime-hooks/common/json-write.h"
#include "runtime-hooks/common/json.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define NEW "new"     /* the temporary file of the writer */
#define TAKEN "taken" /* the file that the reader reads */

struct slot_name {
	char text[16];
};

static struct slot_name slot_name(uint64_t number)
{
	struct slot_name name;

	snprintf(name.text, sizeof(name.text), "%02u", (unsigned int)(number % REFUSALS_MAX));
	return name;
}

int refusal_check(const struct refusal *r, struct error *err)
{
	if (!kube_is_label(r->namespace))
		return error_set(err, -EINVAL, "namespace \"%s\": not a name of Kubernetes", quote(r->namespace).text);
	if (!kube_is_name(r->pod))
		return error_set(err, -EINVAL, "pod \"%s\": not a name of Kubernetes", quote(r->pod).text);
	if (!kube_is_uid(r->uid))
		return error_set(err, -EINVAL, "uid \"%s\": not a uid of Kubernetes", quote(r->uid).text);
	if (!kube_is_label(r->container))
		return error_set(err, -EINVAL, "container \"%s\": not a name of Kubernetes", quote(r->container).text);
	return 0;
}

/* --- writing --- */

static int write_file(int dir, const struct refusal *r, const struct json_writer *o)
{
	const struct slot_name name = slot_name(hash_text(hash_text(HASH_START, r->uid), r->container));
	int rc = atomic_file_write(dir, NEW, name.text, o->out.text, o->out.len);

	/* A killed process has left one: this program has one thread, and runs once. */
	if (rc == -EEXIST && unlinkat(dir, NEW, 0) == 0)
		rc = atomic_file_write(dir, NEW, name.text, o->out.text, o->out.len);
	return rc;
}

int refusal_leave(const char *state, const struct refusal *r, struct error *err)
{
	cleanup_json struct json_writer o = JSON_IN_MEMORY;
	cleanup_free char *path = NULL;
	cleanup_close int dir = -1;
	int rc;

	if (asprintf(&path, "%s/" REFUSALS_FOLDER, state) < 0) {
		path = NULL;
		return error_errno(err, -ENOMEM, "refusal");
	}
	dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : error_errno(err, -errno, "%s", path);
	if (refusal_check(r, err) < 0)
		return error_prefix(err, -EINVAL, "the refusal is not reported to Kubernetes");
	json_begin_object(&o, NULL);
	json_put_string(&o, "namespace", r->namespace);
	json_put_string(&o, "pod", r->pod);
	json_put_string(&o, "uid", r->uid);
	json_put_string(&o, "container", r->container);
	json_put_string(&o, "message", r->message);
	json_put_uint(&o, "time", r->time);
	json_end(&o);
	rc = o.out.failed ? -ENOMEM : write_file(dir, r, &o);
	return rc < 0 ? error_errno(err, rc, "%s", path) : 0;
}

/* --- reading --- */

static int copy(char *to, size_t size, const struct json_value *v, struct error *err)
{
	if (v->len >= size)
		return error_set(err, -EINVAL, "longer than %zu bytes", size - 1);
	memcpy(to, v->text, v->len + 1);
	return 0;
}

static int set_namespace(void *arg, const struct json_value *v, struct error *err)
{
	struct refusal *r = arg;

	return copy(r->namespace, sizeof(r->namespace), v, err);
}

static int set_pod(void *arg, const struct json_value *v, struct error *err)
{
	struct refusal *r = arg;

	return copy(r->pod, sizeof(r->pod), v, err);
}

static int set_uid(void *arg, const struct json_value *v, struct error *err)
{
	struct refusal *r = arg;

	return copy(r->uid, sizeof(r->uid), v, err);
}

static int set_container(void *arg, const struct json_value *v, struct error *err)
{
	struct refusal *r = arg;

	return copy(r->container, sizeof(r->container), v, err);
}

static int set_message(void *arg, const struct json_value *v, struct error *err)
{
	struct refusal *r = arg;
	int rc = copy(r->message, sizeof(r->message), v, err);

	if (rc == 0)
		make_printable(r->message);
	return rc;
}

static int set_time(void *arg, const struct json_value *v, struct error *err)
{
	struct refusal *r = arg;

	if (v->integer < 0 || v->integer > UINT32_MAX)
		return error_set(err, -EINVAL, "not a time: %s", v->text);
	r->time = (uint64_t)v->integer;
	return 0;
}

int refusal_parse(const char *text, size_t len, struct refusal *out, struct error *err)
{
	static const struct json_rule rules[] = {
		{ .path = "namespace", .types = JSON_STRING, .set = set_namespace },
		{ .path = "pod", .types = JSON_STRING, .set = set_pod },
		{ .path = "uid", .types = JSON_STRING, .set = set_uid },
		{ .path = "container", .types = JSON_STRING, .set = set_container },
		{ .path = "message", .types = JSON_STRING, .set = set_message },
		{ .path = "time", .types = JSON_INTEGER, .set = set_time },
	};
	struct refusal r = { .time = 0 };
	int rc = json_parse(text, len, REFUSAL_BYTES_MAX, rules, ARRAY_SIZE(rules), &r, err);

	if (rc == 0)
		rc = refusal_check(&r, err);
	if (rc == 0 && !*r.message)
		rc = error_set(err, -EINVAL, "message: missing");
	if (rc == 0)
		*out = r;
	return rc;
}

int refusals_open(const char *state, struct error *err)
{
	cleanup_close int dir = open(state, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int folder;

	if (dir < 0)
		return error_errno(err, -errno, "%s", state);
	/* Another folder in it would make an unmarked folder one that is not a ledger's. */
	if (ledger_folder(dir) != FOLDER_OURS)
		return error_set(err, -ENOENT, "%s: not the folder of a ledger yet", state);
	if (mkdirat(dir, REFUSALS_FOLDER, 0700) < 0 && errno != EEXIST)
		return error_errno(err, -errno, "%s/" REFUSALS_FOLDER, state);
	folder = openat(dir, REFUSALS_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return folder < 0 ? error_errno(err, -errno, "%s/" REFUSALS_FOLDER, state) : folder;
}

void refusals_take(int dir, void (*each)(void *arg, const struct refusal *r), void (*bad)(const char *line), void *arg)
{
	char text[REFUSAL_BYTES_MAX + 1];

	for (uint64_t i = 0; i < REFUSALS_MAX; i++) {
		const struct slot_name name = slot_name(i);
		struct error err = { 0 };
		struct refusal r;
		ssize_t n;
		int rc;

		if (renameat(dir, name.text, dir, TAKEN) < 0)
			continue;
		n = file_read(dir, TAKEN, text, sizeof(text));
		rc = n < 0 ? error_errno(&err, (int)n, "file") : refusal_parse(text, (size_t)n, &r, &err);
		unlinkat(dir, TAKEN, 0);
		if (rc == 0) {
			each(arg, &r);
		} else {
			error_prefix(&err, rc, REFUSALS_FOLDER "/%s", name.text);
			bad(err.text);
		}
	}
}
