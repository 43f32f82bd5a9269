/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * runtime-hooks/oci-config: the runtime's own limits as a request; and bundles that are missing, not ours, or
 * malformed.
 */
#include "plugin/base/util.h"
#include "runtime-hooks/oci/oci-config.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static int config_request(const char *resources, struct request *r, struct error *err)
{
	cleanup_oci_config struct oci_config c = { 0 };
	char text[2048];
	int ret;

	snprintf(text, sizeof(text), "{\"ociVersion\":\"1.0.2\",\"linux\":{\"resources\":{%s}}}", resources);
	ret = oci_config_parse(text, strlen(text), &c, err);
	return ret < 0 ? ret : oci_config_fallback(&c, r, err);
}

static void test_fallback(void)
{
	struct error err = { 0 };
	struct request r;

	request_init(&r);
	is_int(config_request("\"cpu\":{\"quota\":250000,\"period\":100000,\"cpus\":\"0-3\",\"mems\":\"\"},"
			      "\"memory\":{\"limit\":1073741824},"
			      "\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":134217728},"
			      "{\"pageSize\":\"1GB\",\"limit\":0}]",
			      &r, &err),
	       0, "fallback: podman's resources");
	is_int(r.cpu_count, 3, "fallback: a quota of 2.5 CPUs becomes three CPUs");
	is_int(r.memory, 1073741824, "fallback: memory limit");
	is_int(r.nhuge, 1, "fallback: a page size with a limit of 0 is ignored");
	ok(r.huge[0].size == 2 << 20 && r.huge[0].count == 64, "fallback: 64 pages of 2 MiB");
	ok(idset_count(&r.pin_cpus) == 4 && nodeset_empty(&r.pin_mems),
	   "fallback: pinned to four CPUs, and to no nodes");
	ok(!request_asks(&r), "fallback: limits alone are not a request");

	request_init(&r);
	request_set(&r, "limits.cpu", "8", NULL);
	is_int(config_request("\"cpu\":{\"quota\":50000}", &r, &err), 0, "fallback: limits.cpu beside a quota");
	is_int(r.cpu_count, 8, "fallback: limits.cpu is used instead of the quota");
	request_init(&r);
	is_int(config_request("\"cpu\":{\"quota\":150000,\"period\":0,\"cpus\":\"0-7:1/2\"}", &r, &err), 0,
	       "fallback: no period, and a list syntax that only the kernel knows");
	is_int(r.cpu_count, 2, "fallback: without a period the kernel's default is used");
	ok(idset_empty(&r.pin_cpus), "fallback: a list that we cannot parse is not a pin");
	request_init(&r);
	is_int(config_request("\"cpu\":{\"quota\":-1},\"memory\":{\"limit\":-1},\"hugepageLimits\":"
			      "[{\"pageSize\":\"2MB\",\"limit\":18446744073709551615}]",
			      &r, &err),
	       0, "fallback: unlimited resources");
	ok(!r.cpu_count && !r.memory && !r.nhuge, "fallback: unlimited resources give no request");
}

static void test_refused(void)
{
	static const struct {
		const char *resources, *message;
	} cases[] = {
		{ "\"hugepageLimits\":[{\"pageSize\":\"2QB\",\"limit\":1}]",
		  "linux.resources.hugepageLimits[0].pageSize: \"2QB\": unknown unit \"QB\"; known are KB, MB, "
		  "GB or KiB, MiB, GiB, all powers of 1024" },
		{ "\"hugepageLimits\":[{\"pageSize\":\"0MB\",\"limit\":1}]",
		  "linux.resources.hugepageLimits[0].pageSize: \"0MB\": a page size is a power of two, up to 1EiB" },
		{ "\"hugepageLimits\":[{\"pageSize\":\"99999999999999999999MB\",\"limit\":1}]",
		  "linux.resources.hugepageLimits[0].pageSize: \"99999999999999999999MB\": a page size like 2MB, 1GiB "
		  "or a number of bytes is expected" },
		{ "\"hugepageLimits\":[{\"limit\":1.5}]",
		  "linux.resources.hugepageLimits[0].limit: a whole number is expected" },
		{ "\"cpu\":{\"quota\":\"1\"}", "linux.resources.cpu.quota: a whole number is expected (byte 62)" },
		{ "\"cpu\":{\"cpus\":0}", "linux.resources.cpu.cpus: a string is expected (byte 59)" },
		{ "\"memory\":{\"limit\":1},\"memory\":{\"limit\":2}",
		  "linux.resources.memory: given twice (byte 73)" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = { 0 };
		struct request r;

		request_init(&r);
		is_int(config_request(cases[i].resources, &r, &err), -EINVAL, "refused resources: %s",
		       cases[i].resources);
		is_str(err.text, cases[i].message, "message: %s", cases[i].message);
	}
}

static void test_follow_pins(void)
{
	static const struct {
		const char *cpus, *mems;
		unsigned int count;
	} cases[] = { { "2-3", NULL, 2 }, { "2", "", 1 }, { "0-1,8190-8191", NULL, 4 },
		      { "2-3", "1", 0 },  { "", "", 0 },  { NULL, NULL, 0 } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *cpus = cases[i].cpus, *mems = cases[i].mems;
		struct request r;

		request_init(&r);
		request_follow_pins(&r, cpus, mems);
		is_int(r.cpu_count, cases[i].count, "follow-pins: number of requested CPUs: CPUs %s, memory nodes %s",
		       cpus ? cpus : "-", mems ? mems : "-");
		is_int(r.cpu_listed, cases[i].count != 0, "follow-pins: CPUs are requested as a list");
	}
}

static void write_text(int dir, const char *name, const char *text)
{
	cleanup_close int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		diag("%s: %m", name);
}

static void read_bundle(const char *bundle, int want, const char *message, const char *what)
{
	cleanup_oci_config struct oci_config c = { 0 };
	struct error err = { 0 };

	is_int(oci_config_read(bundle, &c, &err), want, "bundle: %s", what);
	is_str(err.text, message, "bundle: message: %s", message);
	is_int(c.memory_limit, 0, "bundle: no limit is read");
}

static void test_bundles(void)
{
	cleanup_oci_config struct oci_config c = { 0 };
	char folder[] = "/tmp/numaplace-bundle-XXXXXX", path[64];
	cleanup_close int dir = mkdtemp(folder) ? open(folder, O_DIRECTORY | O_RDONLY) : -1;

	read_bundle(NULL, 0, "", "no bundle");
	read_bundle("/", 0, "", "/ (crun without a bundle)");
	read_bundle("//", 0, "", "//");
	read_bundle("relative", 0, "", "a relative path");
	read_bundle("/no/such/folder", 0, "", "a path that does not exist");
	read_bundle(folder, 0, "", "without config.json");
	write_text(dir, "good",
		   "{\"linux\":{\"resources\":{\"memory\":{\"limit\":5}}},\"annotations\":{\"limits.cpu\":\"2\"}}");
	is_int(symlinkat("good", dir, "config.json"), 0, "bundle: a symlink is made");
	read_bundle(folder, -ELOOP, "config.json: open: Too many levels of symbolic links", "config.json is a symlink");
	unlinkat(dir, "config.json", 0);
	mkfifoat(dir, "config.json", 0600);
	read_bundle(folder, -EINVAL, "config.json: not a regular file", "config.json is a FIFO");
	unlinkat(dir, "config.json", 0);
	write_text(dir, "config.json", "{");
	read_bundle(folder, -EINVAL, "config.json: parse error: premature EOF (byte 1)", "config.json is incomplete");
	is_int(truncate(strcat(strcpy(path, folder), "/config.json"), OCI_CONFIG_MAX + 1L), 0,
	       "bundle: config.json is extended");
	read_bundle(folder, -EINVAL, "config.json: more than 16 MiB", "config.json has 16 MiB and a byte");
	renameat(dir, "good", dir, "config.json");
	is_int(oci_config_read(folder, &c, NULL), 0, "bundle: a valid config.json");
	is_int(c.memory_limit, 5, "bundle: the limit of a valid config.json");
	ok(c.annotations.any && c.annotations.bare[KEY_CPU], "bundle: the annotations of a valid config.json");
	unlinkat(dir, "config.json", 0);
	rmdir(folder);
}

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* podman's container ids, from the cgroup paths that it sets; other paths have no id, and are never an error. */
static void test_id(void)
{
	static const struct {
		const char *path, *id;
	} cases[] = {
		{ "\"machine.slice:libpod:" ID "\"", ID },
		{ "\"machine-libpod_pod_ab.slice:libpod:" ID "\"", ID },
		{ "\"/libpod_parent/libpod-" ID "\"", ID },
		{ "\"/libpod_parent/ab/libpod-" ID "\"", ID },
		{ "\"/docker/" ID "\"", "-" },
		{ "\"system.slice:docker:" ID "\"", "-" },
		{ "\"/libpod_parent/libpod-\"", "-" },
		{ "\"/libpod_parent/libpod-web1\"", "-" },
		{ "\"\"", "-" },
		{ "null", "-" },
	};
	static char text[OCI_VALUE_MAX + 200], name[OCI_VALUE_MAX];
	struct error err = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_oci_config struct oci_config c = { 0 };
		const char *id;

		snprintf(text, sizeof(text), "{\"linux\":{\"cgroupsPath\":%s}}", cases[i].path);
		is_int(oci_config_parse(text, strlen(text), &c, &err), 0, "cgroupsPath %s: parsed", cases[i].path);
		id = oci_config_id(&c);
		is_str(id ? id : "-", cases[i].id, "cgroupsPath %s: id", cases[i].path);
	}
	{
		cleanup_oci_config struct oci_config c = { 0 };

		memset(name, 'a', sizeof(name));
		snprintf(text, sizeof(text), "{\"linux\":{\"cgroupsPath\":\"/libpod-%.*s\"}}", OCI_VALUE_MAX, name);
		is_int(oci_config_parse(text, strlen(text), &c, &err), 0, "a very long cgroupsPath is not an error");
		ok(!oci_config_id(&c), "a very long cgroupsPath has no id");
	}
}

int main(void)
{
	test_fallback();
	test_refused();
	test_follow_pins();
	test_bundles();
	test_id();
	return done();
}
