/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * numaplace.h - places containers on NUMA nodes. Link with -lnumaplace (pkg-config numaplace).
 *
 * The library chooses as the hooks and the command `numaplace` do, and shares their ledger. All objects are opaque. Sets
 * of CPUs and of nodes are kernel lists ("0-3,8"), so that no layout of a struct is part of the ABI.
 *
 * Errors: functions that return int return 0 or a negative errno. -EINVAL means bad input, -ENOSPC that the machine has
 * no room or that a ceiling of numaplace.conf is exceeded. numaplace_error() has one line with the reason. Outputs are
 * unchanged on failure.
 *
 * Threads: one thread at a time may use a context and the objects that were made with it. Two contexts are independent,
 * also in two threads. The process must not change its effective user after its first call.
 *
 * The library prints nothing, installs no signal handler, reads no environment variable, starts no process and does not
 * end its caller. Its files are close-on-exec.
 *
 * Each function names the version that it came with (Since). A later version does not change what a function does; the
 * ABI may change with the soname until 1.0.
 */
#ifndef NUMAPLACE_H
#define NUMAPLACE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) && __GNUC__ >= 4
#define NUMAPLACE_API __attribute__((visibility("default")))
#else
#define NUMAPLACE_API
#endif

struct numaplace;           /* a context: one machine, its configuration and its ledger */
struct numaplace_request;   /* what one container requests */
struct numaplace_placement; /* what one container gets, or has */

/**
 * numaplace_version - the version of the library that is loaded
 *
 * Returns: text such as "0.1.0", never NULL; static.
 * Since: 0.1
 */
NUMAPLACE_API const char *numaplace_version(void);

/* --- contexts --- */

#define NUMAPLACE_READ_ONLY 1u /* a flag of numaplace_open(): the context creates and changes nothing */

/**
 * numaplace_open - opens a context
 * @out:   the context. It is set after a failure, too, so that numaplace_error() can report the reason; NULL only after
 *         -ENOMEM. Close it with numaplace_close() in all cases.
 * @root:  NULL or "/": this machine. Otherwise a recorded machine, the folder that holds its sys/ and proc/; nothing of
 *         this host is read then, and the context is read-only.
 * @state: the state folder, which has the ledger. NULL: /run/numaplace on this machine, none for a recorded one. The
 *         ledger of rootless containers is in $XDG_RUNTIME_DIR/numaplace, which the caller passes.
 * @conf:  the configuration file, which must exist. NULL: /etc/numaplace/numaplace.conf below @root, if it exists.
 * @flags: 0 or NUMAPLACE_READ_ONLY
 *
 * The configuration is read once, here. The machine and the ledger are read in each call that needs them. The first
 * placement creates the state folder (mode 0700); numaplace_open() creates nothing.
 *
 * Returns: 0; -EINVAL: @root has no sys/, @conf cannot be read or contains an error, or an unknown flag; -EPERM: users
 * other than root or the caller's can change @conf; -ENOMEM; or another negative errno.
 * Since: 0.1
 */
NUMAPLACE_API int numaplace_open(struct numaplace **out, const char *root, const char *state, const char *conf,
				 unsigned int flags);

/**
 * numaplace_close - closes a context
 * @np: the context; NULL is allowed
 *
 * Free its requests before. Placements stay valid.
 *
 * Since: 0.1
 */
NUMAPLACE_API void numaplace_close(struct numaplace *np);

/**
 * numaplace_error - the reason of the last failure
 * @np: the context; NULL: numaplace_open() had no memory for one
 *
 * Returns: one line of printable ASCII without a newline, never NULL; "" if no call has failed. It is valid until the
 * next call that fails on this context or on a request of it.
 * Since: 0.1
 */
NUMAPLACE_API const char *numaplace_error(const struct numaplace *np);

/**
 * numaplace_set_log - sets the function that receives warnings
 * @np:  the context
 * @log: called during other calls, in the calling thread. @arg is that of numaplace_set_log(), @priority one of
 *       syslog(3), @line one line of printable ASCII without a newline. It must not use the context. NULL, as at first:
 *       warnings are dropped.
 * @arg: passed to @log
 *
 * A warning is something that a call survives, such as CPUs that are shared, or a repaired ledger.
 *
 * Since: 0.1
 */
NUMAPLACE_API void numaplace_set_log(struct numaplace *np, void (*log)(void *arg, int priority, const char *line),
				     void *arg);

/* --- requests --- */

/**
 * numaplace_request_new - makes an empty request
 * @np:  the context that receives the errors of this request, and that must outlive it
 * @out: the request; free it with numaplace_request_free()
 *
 * Returns: 0 or -ENOMEM.
 * Since: 0.1
 */
NUMAPLACE_API int numaplace_request_new(struct numaplace *np, struct numaplace_request **out);

/**
 * numaplace_request_set - sets one key
 * @r:     the request
 * @key:   a key of numaplace(1), such as "limits.cpu", also with the prefix "org.numaplace."
 * @value: its value, in the same spelling as in a container's configuration: "4", "8GiB", "0-3"
 *
 * The keys are checked against each other when the request is used.
 *
 * Returns: 0; -EINVAL: the value is invalid, or the key has another value already; -ENOENT: there is no such key, which
 * a caller that passes all annotations of a container ignores.
 * Since: 0.1
 */
NUMAPLACE_API int numaplace_request_set(struct numaplace_request *r, const char *key, const char *value);

/**
 * numaplace_request_pin - sets the CPUs and memory nodes that a user or a runtime has chosen
 * @r:    the request
 * @cpus: a list of CPUs; NULL or "": no pin
 * @mems: a list of memory nodes; NULL or "": no pin
 *
 * The placement stays within them. numaplace_place() also respects the cpuset that it finds on the cgroup. A second
 * call replaces the pins of the first one.
 *
 * Returns: 0 or -EINVAL (not a list).
 * Since: 0.1
 */
NUMAPLACE_API int numaplace_request_pin(struct numaplace_request *r, const char *cpus, const char *mems);

/**
 * numaplace_request_limit - sets the limits that the runtime applies to the container
 * @r:      the request
 * @quota:  CPU time in microseconds for each @period; 0 or less: not limited
 * @period: microseconds; 0: not limited
 * @memory: bytes; 0 or less: not limited
 *
 * They are used instead of the keys limits.cpu and limits.memory if these are not set, and only if some key is set. A
 * second call replaces the limits of the first one.
 *
 * Since: 0.1
 */
NUMAPLACE_API void numaplace_request_limit(struct numaplace_request *r, int64_t quota, uint64_t period, int64_t memory);

/**
 * numaplace_request_free - frees a request
 * @r: the request; NULL is allowed
 *
 * Since: 0.1
 */
NUMAPLACE_API void numaplace_request_free(struct numaplace_request *r);

/* --- transactions --- */

/**
 * numaplace_plan - chooses as numaplace_place() would, without writing anything
 * @np:  the context
 * @r:   the request, in which at least one key other than a volatile one is set
 * @id:  the id of an OCI container, whose previous nodes are preferred if they are as good as others; NULL: none
 * @out: the placement, without a cgroup; free it with numaplace_placement_free()
 *
 * A ledger that the caller may not read is a warning; the plan is then that of an empty machine.
 *
 * Returns: 0; -EINVAL: the request, or @id; -ENOSPC; -EPERM: numaplace.conf does not allow devices; -ENOMEM; or another
 * negative errno.
 * Since: 0.1
 */
NUMAPLACE_API int numaplace_plan(struct numaplace *np, const struct numaplace_request *r, const char *id,
				 struct numaplace_placement **out);

/**
 * struct numaplace_target - the container that numaplace_place() places
 * @size:    sizeof(struct numaplace_target): later versions append fields, and take a shorter struct with 0 in them
 * @pid:     its first process, in the cgroup of the container. The runtime holds it before its first instruction, and
 *           has not waited for it, so that the number is not reused.
 * @id:      its id: letters, digits and . _ + : @ -
 * @runtime: the runtime's name as `numaplace status` shows it, at most 15 bytes; NULL: "oci". "lxc", "incus" and "lxd"
 *           have ids of their own, all others share theirs.
 * @planned: an earlier placement from numaplace_plan(). The container gets the same memory nodes or -EAGAIN, and CPUs
 *           of that plan. A policy other than strict needs it, because only the runtime can set a memory policy: the
 *           caller promises that the process has, or gets, the policy numaplace_placement_policy() on these nodes.
 *           NULL: none.
 *
 * Since: 0.1
 */
struct numaplace_target {
	size_t size;
	pid_t pid;
	const char *id;
	const char *runtime;
	const struct numaplace_placement *planned;
};

/**
 * numaplace_place - places a container: chooses, records, writes its cpuset, reads it back
 * @np:     the context
 * @r:      the request, as for numaplace_plan()
 * @target: the container
 * @out:    its placement, to be freed with numaplace_placement_free(); may be NULL
 *
 * A second call for the same container changes nothing and returns the first placement. If a step fails, the cgroup is
 * restored and the record removed. The call may wait for the ledger's lock; a process that holds that lock for ten
 * seconds without progress is killed, as by any other placement, and so is the caller if it is stopped in a call.
 *
 * Returns: 0; -EINVAL: the request, or @target; -ENOSPC; -EPERM, -EBUSY or -EOPNOTSUPP: the cgroup is not this
 * container's own, or the state folder is not the caller's; -ESRCH: no such process; -ENOTSUP: a memory policy without
 * a plan; -E2BIG: @target has fields that this version does not know; -EAGAIN: the plan cannot be kept, or a lost ledger is not rebuilt yet: try again; -EXDEV: the kernel did not
 * apply what was written; -ETIMEDOUT: the lock; -EROFS: the context is read-only; -ENOMEM; or another negative errno.
 * Since: 0.1
 */
NUMAPLACE_API int numaplace_place(struct numaplace *np, const struct numaplace_request *r,
				  const struct numaplace_target *target, struct numaplace_placement **out);

/**
 * numaplace_release - removes the records of a container that has ended
 * @np:      the context
 * @runtime: as in struct numaplace_target
 * @id:      the id
 *
 * Live containers with this id keep their records. A placement finds ended containers itself, so a call that is missed
 * does no harm.
 *
 * Returns: 0, also if there is no record; -EINVAL: @runtime or @id; -EROFS; -ETIMEDOUT; or another negative errno.
 * Since: 0.1
 */
NUMAPLACE_API int numaplace_release(struct numaplace *np, const char *runtime, const char *id);

/**
 * numaplace_move - moves a live container, memory first, to other nodes
 * @np:       the context
 * @name:     its id, or its cgroup, beginning with "/", if several containers have that id
 * @nodes:    the list of nodes to choose from
 * @seconds:  the time limit; 0: none
 * @progress: called in the calling thread a few times per second: bytes on the new nodes, and bytes in all. It must not
 *            use the context. NULL: none.
 * @arg:      passed to @progress
 * @out:      the new placement, to be freed with numaplace_placement_free(); may be NULL
 *
 * The call returns when all pages are on the new nodes. After a failure the container is on its previous nodes.
 *
 * Returns: 0; -EINVAL: @nodes, or nodes that do not exist; -ENOENT: no such container; -ENOTUNIQ: several have this id;
 * -ENOSPC; -ENOTSUP: its memory policy cannot be moved; -EBUSY: pages that cannot be moved, or another move of it;
 * -ETIMEDOUT; -EROFS; -ENOMEM; or another negative errno.
 * Since: 0.1
 */
NUMAPLACE_API int numaplace_move(struct numaplace *np, const char *name, const char *nodes, unsigned int seconds,
				 void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
				 struct numaplace_placement **out);

/**
 * numaplace_find - reads the placement of one live container
 * @np:   the context
 * @name: its id, or its cgroup, beginning with "/"
 * @out:  the placement; free it with numaplace_placement_free()
 *
 * Returns: 0; -ENOENT: no such container is placed; -ENOTUNIQ: several have this id: give the cgroup; -EACCES: the
 * ledger is another user's; -ENOMEM; or another negative errno.
 * Since: 0.1
 */
NUMAPLACE_API int numaplace_find(struct numaplace *np, const char *name, struct numaplace_placement **out);

/**
 * numaplace_list - reads the placements of all live containers
 * @np:   the context
 * @each: called for each; @p is valid during the call only. A return other than 0 ends the list. It may use the context.
 * @arg:  passed to @each
 *
 * Returns: 0, also without a ledger; what @each returned if that was not 0; -EACCES: the ledger is another user's;
 * -ENOMEM; or another negative errno.
 * Since: 0.1
 */
NUMAPLACE_API int numaplace_list(struct numaplace *np, int (*each)(void *arg, const struct numaplace_placement *p),
				 void *arg);

/* --- placements: the returned text is valid until numaplace_placement_free(), and never NULL if not said so --- */

/**
 * numaplace_placement_id - the container's id
 *
 * Returns: the id; "" for a plan without one.
 * Since: 0.1
 */
NUMAPLACE_API const char *numaplace_placement_id(const struct numaplace_placement *p);

/**
 * numaplace_placement_runtime - the runtime's name
 *
 * Returns: "crun", "lxc", ...; "" for a plan.
 * Since: 0.1
 */
NUMAPLACE_API const char *numaplace_placement_runtime(const struct numaplace_placement *p);

/**
 * numaplace_placement_cgroup - the container's cgroup
 *
 * Returns: its path below the cgroup2 mount, beginning with "/"; "" for a plan.
 * Since: 0.1
 */
NUMAPLACE_API const char *numaplace_placement_cgroup(const struct numaplace_placement *p);

/**
 * numaplace_placement_nodes - the nodes of its CPUs
 *
 * Returns: a list, "0-1".
 * Since: 0.1
 */
NUMAPLACE_API const char *numaplace_placement_nodes(const struct numaplace_placement *p);

/**
 * numaplace_placement_cpus - its CPUs, for cpuset.cpus
 *
 * Returns: a list, "0-3,8".
 * Since: 0.1
 */
NUMAPLACE_API const char *numaplace_placement_cpus(const struct numaplace_placement *p);

/**
 * numaplace_placement_mems - its memory nodes, for cpuset.mems and a memory policy
 *
 * Returns: a list, "0-1".
 * Since: 0.1
 */
NUMAPLACE_API const char *numaplace_placement_mems(const struct numaplace_placement *p);

/**
 * numaplace_placement_policy - its memory policy
 *
 * Returns: "strict" (a cpuset alone), "preferred", "interleave" or "weighted-interleave".
 * Since: 0.1
 */
NUMAPLACE_API const char *numaplace_placement_policy(const struct numaplace_placement *p);

/**
 * numaplace_placement_overcommitted - whether its CPUs are shared beyond their number
 *
 * Returns: 1: no set of nodes had enough free CPUs; 0: its CPUs are not over-committed by this placement.
 * Since: 0.1
 */
NUMAPLACE_API int numaplace_placement_overcommitted(const struct numaplace_placement *p);

/**
 * numaplace_placement_reason - why it was chosen, for a person
 * @p: the placement
 * @i: the number of the line, from 0
 *
 * Returns: one line; NULL after the last one.
 * Since: 0.1
 */
NUMAPLACE_API const char *numaplace_placement_reason(const struct numaplace_placement *p, unsigned int i);

/**
 * numaplace_placement_free - frees a placement
 * @p: the placement; NULL is allowed
 *
 * Since: 0.1
 */
NUMAPLACE_API void numaplace_placement_free(struct numaplace_placement *p);

#ifdef __cplusplus
}
#endif

#endif
