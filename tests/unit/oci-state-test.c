/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * runtime-hooks/oci-state: states as runc and crun write them, ids that are not file names, annotations with and
 * without our prefix.
 */
#include "plugin/base/util.h"
#include "runtime-hooks/oci/oci-state.h"
#include "tests/unit/tap.h"

#include <errno.h>

#define ALL_KEYS (~0U)

/* The request of a state with these annotations. */
static int request_of(const char *annotations, unsigned int allowed, struct request *r, struct error *err)
{
	cleanup_oci_state struct oci_state s = { 0 };
	char text[8192];
	int ret;

	snprintf(text, sizeof(text), "{\"id\":\"web1\",\"pid\":7,\"annotations\":{%s}}", annotations);
	ret = oci_state_parse(text, strlen(text), &s, err);
	return ret < 0 ? ret : oci_annotations_request(&s.annotations, allowed, r, err);
}

static void bad_request(const char *annotations, const char *message)
{
	struct request r;
	struct error err = { 0 };

	is_int(request_of(annotations, ALL_KEYS, &r, &err), -EINVAL, "refused annotations: %s", annotations);
	is_str(err.text, message, "message: %s", message);
}

static void bad_state(const char *text, const char *message)
{
	cleanup_oci_state struct oci_state s = { 0 };
	struct error err = { 0 };

	is_int(oci_state_parse(text, strlen(text), &s, &err), -EINVAL, "refused state: %s", quote(text).text);
	is_str(err.text, message, "message: %s", message);
}

static void test_runtimes(void)
{
	static const char runc[] = "{\"ociVersion\":\"1.0.2\",\"id\":\"web1\",\"status\":\"creating\",\"pid\":4242,"
				   "\"bundle\":\"/run/b\",\"annotations\":{\"limits.cpu\":\"4\",\"other\":\"x\"}}";
	static const char crun[] = "{\n  \"ociVersion\": \"1.0\",\n  \"id\": \"web1\",\n  \"pid\": 4242,\n"
				   "  \"root\": \"\\/var\\/lib\",\n  \"bundle\": \"\\/run\\/b\",\n"
				   "  \"status\": \"created\"\n}\n";
	cleanup_oci_state struct oci_state a = { 0 }, b = { 0 }, c = { 0 };

	is_int(oci_state_parse(runc, strlen(runc), &a, NULL), 0, "runc's state: parsed");
	is_str(a.id, "web1", "runc's state: id");
	is_int(a.pid, 4242, "runc's state: pid");
	is_str(a.status, "creating", "runc's state: status");
	is_str(a.bundle, "/run/b", "runc's state: bundle");
	is_str(a.annotations.bare[KEY_CPU], "4", "runc's state: annotation");
	ok(a.annotations.any && oci_annotations_ask(&a.annotations), "runc's state: its annotation is a request");
	is_int(oci_state_parse(crun, strlen(crun), &b, NULL), 0, "crun's state, indented and without annotations");
	is_str(b.bundle, "/run/b", "crun's state: bundle");
	is_str(b.status, "created", "crun's state: status");
	ok(!b.annotations.any && !oci_annotations_ask(&b.annotations), "crun's state: no request");
	is_int(oci_state_parse("{\"id\":\"w\",\"status\":\"stopped\"}", 29, &c, NULL), 0,
	       "state without a pid, as at poststop");
	is_int(c.pid, 0, "state without a pid: pid 0");
}

static void test_sandbox(void)
{
	static const struct {
		const char *annotation;
		bool sandbox;
	} cases[] = {
		{ "\"io.kubernetes.cri-o.ContainerType\":\"sandbox\"", true },
		{ "\"io.kubernetes.cri.container-type\":\"sandbox\",\"limits.cpu\":\"2\"", true },
		{ "\"io.kubernetes.cri-o.ContainerType\":\"container\"", false },
		{ "\"io.kubernetes.cri.container-type\":\"\"", false },
		{ "\"limits.cpu\":\"2\"", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_oci_state struct oci_state s = { 0 };
		char text[256];

		snprintf(text, sizeof(text), "{\"id\":\"p\",\"annotations\":{%s}}", cases[i].annotation);
		oci_state_parse(text, strlen(text), &s, NULL);
		is_int(s.annotations.sandbox, cases[i].sandbox, "sandbox or not: %s", cases[i].annotation);
	}
}

static void test_ids(void)
{
	const char *odd = "{\"id\":\"$(a b)\\/\xc2\x85\\n..\"}";
	char text[400], id[300];
	struct oci_state s;

	bad_state("{}", "the id is missing");
	bad_state("", "empty: a runtime writes it to stdin of the hook");
	bad_state("{\"id\":null}", "the id is missing");
	bad_state("{\"id\":\"\"}", "the id is missing");
	bad_state("{\"id\":\"a\\u0000b\"}", "id: contains a NUL (byte 16)");
	bad_state("{\"id\":7}", "id: a string is expected (byte 7)");
	is_int(oci_state_parse(odd, strlen(odd), &s, NULL), 0, "a state with an invalid id is parsed");
	is_str(s.id, "$(a b)/\xc2\x85\n..", "an invalid id is kept unchanged");
	oci_state_free(&s);
	memset(id, 'a', sizeof(id));
	id[299] = '\0';
	snprintf(text, sizeof(text), "{\"id\":\"%s\"}", id);
	is_int(oci_state_parse(text, strlen(text), &s, NULL), 0, "a state with an id of 299 bytes is parsed");
	is_str(s.id, id, "an id of 299 bytes is not cut");
	oci_state_free(&s);
}

static void test_pids(void)
{
	bad_state("{\"id\":\"w\",\"pid\":-1}", "pid: -1 is not a process id");
	bad_state("{\"id\":\"w\",\"pid\":4294967297}", "pid: 4294967297 is not a process id");
	bad_state("{\"id\":\"w\",\"pid\":1e2}", "pid: a whole number is expected (byte 19)");
	bad_state("{\"id\":\"w\",\"pid\":\"7\"}", "pid: a whole number is expected (byte 19)");
	bad_state("{\"id\":\"w\",\"pid\":7,\"pid\":7}", "pid: given twice (byte 23)");
	bad_state("{\"id\":\"w\",\"annotations\":[]}", "annotations: an object is expected (byte 25)");
	bad_state("{\"id\":\"w\",\"annotations\":{},\"annotations\":{}}", "annotations: given twice (byte 40)");
	bad_state("{\"id\":\"w\",\"annotations\":{\"limits.cpu\":4}}",
		  "annotations.limits.cpu: a string is expected (byte 39)");
}

static void test_spellings(void)
{
	struct error err = { 0 };
	struct request r;

	is_int(request_of("\"org.numaplace.limits.cpu\":\"4\"", ALL_KEYS, &r, &err), 0,
	       "org.numaplace.limits.cpu: parsed");
	is_int(r.cpu_count, 4, "org.numaplace.limits.cpu: its value is used");
	is_int(request_of("\"org.numaplace.limits.cpu\":\"4\",\"limits.cpu\":\"4\"", ALL_KEYS, &r, &err), 0,
	       "a key in both spellings with the same value: parsed");
	is_int(r.cpu_count, 4, "a key in both spellings: the value counts once");
	is_int(request_of("\"limits.cpu\":\"0-3\",\"limits.cpu.nodes\":\"0-4,^3\",\"x\":\"y\"", ALL_KEYS, &r, &err), 0,
	       "two keys: parsed");
	ok(r.cpu_listed && r.nodes_mode == NODES_LIST, "two keys: both are used");
	is_int(request_of("\"limits.cpu.node\":\"1\",\"limits.network\":\"1\"", ALL_KEYS, &r, &err), 0,
	       "unknown limits.* annotations are ignored");
	ok(!request_asks(&r), "unknown limits.* annotations are not a request");
	is_int(request_of("\"volatile.cpu.nodes\":\"1\"", 0, &r, &err), 0,
	       "a hint is allowed without permission for its key");
	ok(!request_asks(&r) && nodeset_has(&r.last_nodes, 1), "a hint is not a request");
	is_int(request_of("\"volatile.cpu.nodes\":\"x\"", 0, &r, &err), 0,
	       "a malformed hint without a request is ignored");
	is_int(request_of("\"limits.cpu\":\"1\",\"volatile.cpu.nodes\":\"x\"", ~0U, &r, &err), -EINVAL,
	       "a malformed hint beside a request is refused");
	bad_request("\"limits.cpu\":\"4\",\"org.numaplace.limits.cpu\":\"8\"",
		    "limits.cpu is \"4\" but org.numaplace.limits.cpu is \"8\"");
	bad_request("\"org.numaplace.limits.cpus\":\"4\"", "org.numaplace.limits.cpus: no such key");
	bad_request("\"org.numaplace.\":\"4\"", "org.numaplace.: no such key");
	is_int(request_of("\"limits.cpu\":\"4\"", ALL_KEYS & ~(1U << KEY_CPU), &r, &err), -EINVAL,
	       "a key that container-keys does not allow is refused");
	is_str(err.text, "limits.cpu: containers may not set this key (container-keys)",
	       "a key that is not allowed: message");
}

static void test_untouched(void)
{
	struct error err = { 0 };
	struct request r;

	memset(&r, 0x5a, sizeof(r));
	is_int(request_of("\"limits.cpu\":\"4\",\"limits.memory\":\"x\"", ALL_KEYS, &r, &err), -EINVAL,
	       "a bad value is refused");
	ok(strncmp(err.text, "limits.memory: \"x\"", 18) == 0, "a bad value: the message names it: %s", err.text);
	is_int(r.cpu_count, 0x5a5a5a5a, "a bad value: the request is unchanged");
}

int main(void)
{
	test_runtimes();
	test_sandbox();
	test_ids();
	test_pids();
	test_spellings();
	test_untouched();
	return done();
}
