/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The folder of refusals between numaplace-nri and numaplace-kube, the names in it, and the messages of the API server.
 */
#include "runtime-hooks/kube/refusal.h"

#include "plugin/base/util.h"
#include "runtime-hooks/kube/answer.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static char state[] = "/tmp/numaplace-kube-XXXXXX";
static struct refusal got[REFUSALS_MAX];
static unsigned int ngot, nbad;

static void note(void *arg, const struct refusal *r)
{
	(void)arg;
	got[ngot++] = *r;
}

static void bad(const char *line)
{
	(void)line;
	nbad++;
}

static void take(int dir)
{
	ngot = nbad = 0;
	refusals_take(dir, note, bad, NULL);
}

static struct refusal refusal(const char *pod, const char *uid)
{
	struct refusal r = { .namespace = "shop", .container = "app", .message = "limits.cpu: \"9\" requested", .time = 1700000000 };

	snprintf(r.pod, sizeof(r.pod), "%s", pod);
	snprintf(r.uid, sizeof(r.uid), "%s", uid);
	return r;
}

static void folder(void)
{
	struct refusal r = refusal("web-0", "u1");
	struct error err = { 0 };
	char path[64], uid[16];
	int dir;

	is_int(refusal_leave(state, &r, &err), 0, "without the folder, leaving a refusal succeeds");
	snprintf(path, sizeof(path), "%s/" REFUSALS_FOLDER, state);
	ok(access(path, F_OK) < 0, "and makes none");
	is_int(refusals_open(state, &err), -ENOENT, "in a folder that is not a ledger's, none is made");
	snprintf(path, sizeof(path), "%s/format", state);
	if (symlink("numaplace-ledger-1", path) < 0)
		diag("cannot mark the folder");
	dir = refusals_open(state, &err);
	ok(dir >= 0, "in a ledger's folder, it is made");
	is_int(refusal_leave(state, &r, &err), 0, "then a refusal is left");
	r.time++;
	refusal_leave(state, &r, &err);
	take(dir);
	is_int(ngot, 1, "two refusals of one container are one file");
	ok(memcmp(&got[0], &r, sizeof(r)) == 0, "which has all that was written, of the last one");
	take(dir);
	is_int(ngot, 0, "it is taken once");
	for (unsigned int i = 0; i < 10 * REFUSALS_MAX; i++) {
		snprintf(uid, sizeof(uid), "u%u", i);
		r = refusal("web-0", uid);
		refusal_leave(state, &r, &err);
	}
	take(dir);
	ok(ngot > REFUSALS_MAX / 2 && ngot <= REFUSALS_MAX, "the number of files is bounded (%u)", ngot);
	close(openat(dir, "new", O_CREAT | O_WRONLY, 0600));
	is_int(refusal_leave(state, &r, &err), 0, "a temporary file of a killed process is no hindrance");
	take(dir);
	ok(ngot == 1 && nbad == 0, "the refusal is there");
	r.pod[0] = '.';
	is_int(refusal_leave(state, &r, &err), -EINVAL, "an invalid name is not written");
	close(dir);
}

static void parsing(void)
{
	static const char *const texts[] = {
		"", "{}", "[]", "{\"namespace\":\"a\"}", "\xff",
		"{\"namespace\":\"a/b\",\"pod\":\"p\",\"uid\":\"u\",\"container\":\"c\",\"message\":\"m\",\"time\":1}",
		"{\"namespace\":\"a\",\"pod\":\"p/..\",\"uid\":\"u\",\"container\":\"c\",\"message\":\"m\",\"time\":1}",
		"{\"namespace\":\"a\",\"pod\":\"p\",\"uid\":\"u?\",\"container\":\"c\",\"message\":\"m\",\"time\":1}",
		"{\"namespace\":\"a\",\"pod\":\"p\",\"uid\":\"u\",\"container\":\"C\",\"message\":\"m\",\"time\":1}",
		"{\"namespace\":\"a\",\"pod\":\"p\",\"uid\":\"u\",\"container\":\"c\",\"message\":\"\",\"time\":1}",
		"{\"namespace\":\"a\",\"pod\":\"p\",\"uid\":\"u\",\"container\":\"c\",\"message\":\"m\",\"time\":-1}",
		"{\"namespace\":\"a\",\"pod\":\"p\",\"uid\":\"u\",\"container\":\"c\",\"message\":\"m\",\"time\":99999999999999}",
	};
	const char *fine = "{\"namespace\":\"a\",\"pod\":\"p.q\",\"uid\":\"u\",\"container\":\"c\",\"message\":\"m\\n\\u0007\",\"time\":1}";
	struct refusal r;
	struct error err;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		is_int(refusal_parse(texts[i], strlen(texts[i]), &r, &err), -EINVAL, "not a refusal: %s", i == 4 ? "no UTF-8" : texts[i]);
	is_int(refusal_parse(fine, strlen(fine), &r, &err), 0, "a refusal");
	is_str(r.message, "m??", "its message is printable");
}

static void names(void)
{
	static const char *const names[] = { "a", "0", "a-b", "worker-1.example.com", "1.2.3" };
	static const char *const bad_names[] = { "", "-a", "a-", "a..b", ".a", "a.", "a.-b", "A", "a_b", "a/b", "a b", "\xc3\xa4" };
	char longest[KUBE_NAME_MAX + 2];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		ok(kube_is_name(names[i]), "a name: %s", names[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad_names); i++)
		ok(!kube_is_name(bad_names[i]) && !kube_is_label(bad_names[i]), "not a name: \"%s\"", bad_names[i]);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	ok(!kube_is_name(longest), "not a name: 254 characters");
	longest[KUBE_NAME_MAX] = '\0';
	ok(kube_is_name(longest), "a name: 253 characters");
	longest[KUBE_LABEL_MAX + 1] = '\0';
	ok(!kube_is_label(longest), "not a name of a namespace: 64 characters");
	longest[KUBE_LABEL_MAX] = '\0';
	ok(kube_is_label(longest) && !kube_is_label("a.b"), "one of 63, but none with a dot");
	ok(kube_is_uid("0b5C-1") && !kube_is_uid("") && !kube_is_uid("a/b"), "uids");
}

static void answers(void)
{
	const char *echo = "{\"kind\":\"Status\",\"message\":\"s\\u0065cret\"}";
	char said[ANSWER_SAID_MAX];

#define SAYS(text, want) (answer_message(text, strlen(text), "secret", said), is_str(said, want, "the message of %s", text))
	SAYS("{\"kind\":\"Status\",\"message\":\"no\",\"code\":409}", "no");
	SAYS("{\"kind\":\"Status\",\"message\":\"two\\nlines\\u001b[31m\"}", "two?lines?[31m");
	SAYS("{\"kind\":\"Pod\",\"message\":\"no\"}", "");
	SAYS("{\"kind\":\"Status\",\"message\":7}", "");
	SAYS("{\"kind\":\"Status\",\"message\":\"the secret\"}", "");
	SAYS("<html>", "");
	SAYS("", "");
#undef SAYS
	answer_message(echo, strlen(echo), "secret", said);
	is_str(said, "", "a token that is written with escapes is not repeated either");
}

int main(void)
{
	char command[64];

	if (!mkdtemp(state))
		return 1;
	folder();
	parsing();
	names();
	answers();
	snprintf(command, sizeof(command), "rm -rf %s", state);
	return system(command) != 0 || done();
}
