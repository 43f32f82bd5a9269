/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How much one container may claim: the ceilings of numaplace.conf, and the limits of its cgroup and the ancestors,
 * which are plain directories here.
 */
#include "place/admit.h"
#include "place/claim.h"
#include "plugin/base/util.h"
#include "tests/unit/shell.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define GIB (1ULL << 30)
#define MIB (1ULL << 20)

static char dir[] = "/tmp/numaplace-claim-XXXXXX";

#define sh(...) shell_in_format(dir, __VA_ARGS__)

static struct request want(const char *memory, const char *huge)
{
	struct request r;
	struct error err;

	request_init(&r);
	if ((memory && request_set(&r, "limits.memory", memory, &err) < 0) ||
	    (huge && request_set(&r, "limits.memory.hugepages", huge, &err) < 0) || request_finish(&r, &err) < 0)
		diag("request: %s", err.text);
	return r;
}

/* --- ceilings --- */

static void is_checked(const struct conf *conf, const struct request *r, uint64_t page, const char *message)
{
	struct error err = { .text = "" };

	is_int(admit_claim(conf, r, page, &err), *message ? -ENOSPC : 0, "ceilings: %s",
	       *message ? message : "allowed");
	if (*message)
		is_str(err.text, message, "ceilings: message of the refusal");
}

static void test_ceilings(void)
{
	struct conf conf = { .max_memory = 2 * GIB, .devices_allowed = true };
	struct request r = want("2GiB", NULL);

	is_checked(&conf, &r, 0, "");
	r = want("2147483649", NULL);
	is_checked(&conf, &r, 0, "limits.memory: 2.0GiB requested, this host allows a container 2GiB (max-memory)");
	r = want(NULL, NULL);
	request_fallback_memory(&r, 3LL << 30);
	is_checked(&conf, &r, 0, "limits.memory: 3GiB requested, this host allows a container 2GiB (max-memory)");
	r = want("3GiB", "true");
	is_checked(&conf, &r, 0, "");
	conf = (struct conf){ .max_memory = 2 * GIB, .max_memory_each = GIB, .devices_allowed = true };
	r = want("2GiB", NULL);
	is_checked(&conf, &r, 0, "limits.memory: 2GiB requested, this host allows a container 1GiB (max-memory-each)");
	conf = (struct conf){ .max_hugepages = GIB, .devices_allowed = true };
	r = want("9GiB", NULL);
	is_checked(&conf, &r, 0, "");
	r = want(NULL, "2MiB=512");
	is_checked(&conf, &r, 0, "");
	r = want(NULL, "2MiB=513");
	is_checked(&conf, &r, 0,
		   "limits.memory.hugepages: 1.0GiB requested, this host allows a container 1GiB (max-hugepages)");
	r = want(NULL, "2MiB=1,1GiB=1");
	is_checked(&conf, &r, 0,
		   "limits.memory.hugepages: 1.0GiB requested, this host allows a container 1GiB (max-hugepages)");
	r = want("1GiB", "true");
	is_checked(&conf, &r, 0, "");
	r = want("2GiB", "true");
	is_checked(&conf, &r, 0,
		   "limits.memory.hugepages: 2GiB requested, this host allows a container 1GiB (max-hugepages)");
	conf.max_hugepages = 512 * MIB;
	r = want("1MiB", "true");
	is_checked(&conf, &r, 2 * MIB, "");
	is_checked(&conf, &r, GIB,
		   "limits.memory.hugepages: 1GiB requested, this host allows a container 512MiB (max-hugepages)");
	conf = (struct conf){ .max_hugepages_each = GIB, .devices_allowed = true };
	is_checked(&conf, &r, 0, "");
	r = want(NULL, "1GiB=1048576");
	is_checked(&conf, &r, 0,
		   "limits.memory.hugepages: 1PiB requested, this host allows a container 1GiB (max-hugepages-each)");
	conf = (struct conf){ .max_cpus = 4, .max_cpus_each = 3, .devices_allowed = true };
	r = want(NULL, NULL);
	request_set(&r, "limits.cpu", "4", NULL);
	is_checked(&conf, &r, 0, "limits.cpu: 4 CPUs, this host allows a container 3 (max-cpus-each)");
}

/* --- limits --- */

static struct cgroup_dir at(const char *path)
{
	struct cgroup_dir c = CGROUP_DIR_NONE;

	snprintf(c.path, sizeof(c.path), "%s", path);
	if (chdir(dir) == 0)
		c.fd = open(path + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return c;
}

/* Reduces a claim to the limits of /a/b/c. */
static int cut(const struct request *r, struct constraints *c)
{
	cleanup_close int mount = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_cgroup_dir struct cgroup_dir cgroup = at("/a/b/c");
	static struct topology t = { .nhuge = 2, .huge_size = { 2 << 20, 1 << 30 }, .huge_default = 2 << 20 };
	struct error err = { .text = "" };
	int rc;

	constraints_init(c, r);
	rc = claim_cut(c, r, &t, mount, &cgroup, &err);
	if (rc < 0)
		diag("%s", err.text);
	return rc;
}

static void is_cut(const char *memory, uint64_t left, const char *words)
{
	struct request r = want(memory, NULL);
	static struct constraints c;

	is_int(cut(&r, &c), 0, "memory.max: a claim of %s in /a/b/c", memory);
	is_int((int64_t)c.memory, (int64_t)left, "memory.max: the reduced claim");
	is_str(c.cut, words, "memory.max: the message about the reduction");
}

static void test_memory(void)
{
	sh("mkdir -p a/b/c");
	is_cut("2GiB", 2 * GIB, "");
	sh("echo max | tee a/memory.max a/b/memory.max > a/b/c/memory.max");
	is_cut("2GiB", 2 * GIB, "");
	sh("echo 1073741824 > a/b/c/memory.max");
	is_cut("2GiB", GIB, "limits.memory: 2GiB requested, counted as 1GiB: memory.max allows no more");
	is_cut("1GiB", GIB, "");
	is_cut("1073741825", GIB, "limits.memory: 1.0GiB requested, counted as 1GiB: memory.max allows no more");
	sh("echo 536870912 > a/memory.max");
	is_cut("2GiB", 512 * MIB, "limits.memory: 2GiB requested, counted as 512MiB: memory.max allows no more");
	sh("rm a/b/c/memory.max a/b/memory.max");
	is_cut("2GiB", 512 * MIB, "limits.memory: 2GiB requested, counted as 512MiB: memory.max allows no more");
	sh("echo 0 > a/memory.max");
	is_cut("2GiB", 0, "limits.memory: 2GiB requested, counted as 0B: memory.max allows no more");
}

/* The runtime's own limit is a claim like any other, and is reduced to the limits of the ancestors. */
static void test_fallback(void)
{
	struct request r = want(NULL, NULL);
	static struct constraints c;

	sh("echo 536870912 > a/memory.max");
	request_fallback_memory(&r, 1LL << 40);
	is_int(cut(&r, &c), 0, "fallback: the runtime's limit of 1TiB as a claim");
	is_int((int64_t)c.memory, 512 * MIB, "fallback: reduced to the memory.max of an ancestor");
	r = want("3GiB", NULL);
	request_fallback_memory(&r, 1LL << 30);
	constraints_init(&c, &r);
	claim_cut_known(&c, &r);
	is_int((int64_t)c.memory, GIB, "fallback: a plan reduces limits.memory to the runtime's limit");
	is_str(c.cut, "limits.memory: 3GiB requested, counted as 1GiB: the container's own memory limit allows no more",
	       "fallback: message about a reduction to the runtime's limit");
	r = want("3GiB", "true");
	request_fallback_memory(&r, 1LL << 30);
	ok(!r.memory_limit, "fallback: the runtime's memory limit does not limit hugepages");
}

static void test_odd(void)
{
	static const char *const texts[] = { "", "-1\\n", "1k\\n", "maximum\\n", "max", "1", " 1\\n", "+1\\n",
					     "99999999999999999999999\\n", "1\\n\\n" };
	struct request r = want("2GiB", NULL);
	static struct constraints c;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		sh("printf %%b '%s' > a/memory.max", texts[i]);
		is_int(cut(&r, &c), -EINVAL, "memory.max \"%s\" is refused", texts[i]);
		ok(c.memory == 2 * GIB, "malformed memory.max: the claim is unchanged");
	}
	sh("rm -f a/memory.max && ln -s /etc/hostname a/memory.max");
	is_int(cut(&r, &c), -ELOOP, "memory.max that is a symlink is refused");
	sh("rm -f a/memory.max");
}

static void test_hugepages(void)
{
	struct request r = want(NULL, "2MiB=64,1GiB=4");
	static struct constraints c;

	is_int(cut(&r, &c), 0, "hugetlb: a request of hugepages without limits");
	ok(c.huge_count[0] == 64 && c.huge_count[1] == 4 && !*c.cut,
	   "hugetlb: without limits the request is unchanged");
	sh("echo 67108863 > a/b/hugetlb.2MB.max; echo max > a/b/c/hugetlb.2MB.max; echo 1073741824 > "
	   "a/hugetlb.1GB.max");
	is_int(cut(&r, &c), 0, "hugetlb: a request of hugepages with limits on ancestors");
	is_int((int64_t)c.huge_count[0], 31, "hugetlb: 2MB pages reduced to the whole pages of the limit");
	is_int((int64_t)c.huge_count[1], 1, "hugetlb: 1GB pages reduced to the limit");
	is_str(c.cut, "limits.memory.hugepages: 4 pages requested, counted as 1: hugetlb.1GB.max allows no more",
	       "hugetlb: message about the reduced number of pages");
	r = want("1GiB", "true");
	sh("echo 1 > a/memory.max");
	is_int(cut(&r, &c), 0, "hugetlb: a claim of memory in hugepages");
	is_int((int64_t)c.memory, 67108863,
	       "hugetlb: memory in hugepages is reduced to the hugetlb limit, not to memory.max");
	is_str(c.cut, "limits.memory: 1GiB requested, counted as 64.0MiB: hugetlb.2MB.max allows no more",
	       "hugetlb: message about reduced memory in hugepages");
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	test_ceilings();
	test_memory();
	test_fallback();
	test_odd();
	test_hugepages();
	if (chdir("/") == 0)
		sh("rm -rf %s", dir);
	return done();
}
