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
struct numaplace_prediction; /* how fast it is there */
struct numaplace_snapshot;  /* a machine and the containers placed on it, at one moment */
struct numaplace_pages;     /* the nodes of the pages of a container or a process */

/**
 * numaplace_version - the version of the library that is loaded
 *
 * Returns: text such as "0.1.0", never NULL; static.
 * Since: 0.1
 */
NUMAPLACE_API const char *numaplace_version(void);

/* --- contexts --- */

/* Flags of numaplace_open(). */
#define NUMAPLACE_READ_ONLY 1u     /* the context creates and changes nothing */
#define NUMAPLACE_DEFAULT_STATE 2u /* @state is the default folder of this user, and not one that a person has named */
#define NUMAPLACE_NO_CONF 4u       /* the configuration is not read: the context has its defaults, and is read-only */

/**
 * numaplace_open - opens a context
 * @out:   the context. It is set after a failure, too, so that numaplace_error() can report the reason; NULL only after
 *         -ENOMEM. Close it with numaplace_close() in all cases.
 * @root:  NULL or "/": this machine. Otherwise a recorded machine, the folder that holds its sys/ and proc/; nothing of
 *         this host is read then, and the context is read-only.
 * @state: the state folder, which has the ledger. NULL: /run/numaplace on this machine, none for a recorded one. The
 *         ledger of rootless containers is in $XDG_RUNTIME_DIR/numaplace, which the caller passes.
 * @conf:  the configuration file, which must exist. NULL: /etc/numaplace/numaplace.conf below @root, if it exists.
 * @flags: 0, or the sum of NUMAPLACE_READ_ONLY, NUMAPLACE_DEFAULT_STATE and NUMAPLACE_NO_CONF
 *
 * A default state folder is made private again if other users could read it. One that a person has named must be empty
 * or a ledger's, and its mode is not changed.
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
 * numaplace_key - the keys that a request can have
 * @i: the number of the key, from 0
 *
 * Returns: its name, such as "limits.cpu"; NULL after the last one.
 * Since: 0.1
 */
NUMAPLACE_API const char *numaplace_key(unsigned int i);

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
 * numaplace_predict - predicts the speed of a container
 * @np:  the context
 * @p:   the placement of numaplace_plan(), or of a placed container
 * @out: the prediction; free it with numaplace_prediction_free()
 *
 * The speed is that of a model of memory, beside the containers that are placed now, compared with the same container
 * alone on an idle machine. The call takes longer than a plan and writes nothing. The choice of a placement is not made
 * by it.
 *
 * Returns: 0; -EINVAL; -ENOENT: the container is no longer placed, or this machine has none of its CPUs; -ENOMEM; or
 * another negative errno.
 * Since: 0.1
 */
NUMAPLACE_API int numaplace_predict(struct numaplace *np, const struct numaplace_placement *p,
				    struct numaplace_prediction **out);

/**
 * struct numaplace_speed - the predicted speed of a container on some nodes
 * @nodes:   a list: the nodes of its CPUs
 * @percent: of its speed alone on an idle machine, at most 100 on its own nodes
 * @reason:  what slows it most, for a person; "" at 100 per cent
 *
 * Since: 0.1
 */
struct numaplace_speed {
	const char *nodes;
	unsigned int percent;
	const char *reason;
};

/**
 * numaplace_prediction_speed - the speed at one place
 * @p: the prediction
 * @i: 0: on the nodes of the placement; 1: on the runner-up's, the best other nodes at this moment
 *
 * Returns: the speed; NULL: there is no such place; valid until numaplace_prediction_free().
 * Since: 0.1
 */
NUMAPLACE_API const struct numaplace_speed *numaplace_prediction_speed(const struct numaplace_prediction *p,
								       unsigned int i);

/**
 * numaplace_prediction_free - frees a prediction
 * @p: the prediction; NULL is allowed
 *
 * Since: 0.1
 */
NUMAPLACE_API void numaplace_prediction_free(struct numaplace_prediction *p);

/**
 * struct numaplace_target - the container that numaplace_place() places
 * @size:    sizeof(struct numaplace_target): later versions append fields, and take a shorter struct with 0 in them
 * @pid:     its first process, in the cgroup of the container. The runtime holds it before its first instruction, and
 *           has not waited for it, so that the number is not reused.
 * @id:      its id: letters, digits and . _ + : @ -
 * @runtime: the runtime's name as `numaplace status` shows it, at most 15 bytes; NULL: "oci". "lxc", "incus", "lxd",
 *           "run" and "systemd" have ids of their own, all others share theirs.
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
 * numaplace_move_plan - chooses as numaplace_move() would, and moves nothing
 * @np:    the context
 * @name:  as in numaplace_move()
 * @nodes: the list of nodes to choose from
 * @out:   the new placement, to be freed with numaplace_placement_free(); may be NULL
 *
 * Returns: as numaplace_move().
 * Since: 0.1
 */
NUMAPLACE_API int numaplace_move_plan(struct numaplace *np, const char *name, const char *nodes,
				      struct numaplace_placement **out);

/**
 * numaplace_resize - gives a live container other resources
 * @np:       the context
 * @name:     as in numaplace_move()
 * @changes:  the keys to replace in the container's request, set with numaplace_request_set(); without pins and limits
 * @seconds:  the time limit; 0: none
 * @progress: as in numaplace_move(); not called if no memory moves
 * @arg:      passed to @progress
 * @out:      the new placement, to be freed with numaplace_placement_free(); may be NULL
 *
 * The container stays on its nodes if they have room; otherwise it gets the nearest ones, and its memory moves. The
 * limits that the runtime sets (cpu.max, memory.max) are not changed. After a failure the container has its previous
 * placement.
 *
 * Returns: 0; -EINVAL: @changes, or keys that do not fit those of the container; -ENOENT: no such container; -ENOTUNIQ:
 * several have this id; -ENOSPC: no room, or a ceiling of the host; -EBUSY: it uses more memory than is requested, pages
 * that cannot be moved, or another move of it; -ENOTSUP: another program assigns its CPUs, or its memory policy cannot
 * change; -ETIMEDOUT; -EROFS; -ENOMEM; or another negative errno.
 * Since: 0.1
 */
NUMAPLACE_API int numaplace_resize(struct numaplace *np, const char *name, const struct numaplace_request *changes,
				   unsigned int seconds, void (*progress)(void *arg, uint64_t done, uint64_t total),
				   void *arg, struct numaplace_placement **out);

/**
 * numaplace_resize_plan - chooses as numaplace_resize() would, and changes nothing
 * @np:      the context
 * @name:    as in numaplace_move()
 * @changes: as in numaplace_resize()
 * @out:     the new placement, to be freed with numaplace_placement_free(); may be NULL
 *
 * Returns: as numaplace_resize().
 * Since: 0.1
 */
NUMAPLACE_API int numaplace_resize_plan(struct numaplace *np, const char *name, const struct numaplace_request *changes,
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

/* --- snapshots --- */

/* Flags of numaplace_snapshot_take(). */
#define NUMAPLACE_MACHINE_ONLY 1u    /* the ledger is not read: there is no load and no placement */
#define NUMAPLACE_LEDGER_OPTIONAL 2u /* as NUMAPLACE_MACHINE_ONLY if the caller may not read the ledger */
#define NUMAPLACE_LEDGER_ONLY 4u     /* memory and hugepages of the nodes are not read, and are 0: the quickest */

/**
 * numaplace_snapshot_take - reads the machine, and the containers that are placed on it
 * @np:    the context
 * @flags: 0, NUMAPLACE_MACHINE_ONLY, NUMAPLACE_LEDGER_OPTIONAL or NUMAPLACE_LEDGER_ONLY
 * @out:   the snapshot; free it with numaplace_snapshot_free()
 *
 * The load and the placements are of the same moment. Containers that have ended are left out, and nothing is written.
 * The snapshot stays valid when the context is closed. Problems of the machine's description are warnings, but not with
 * NUMAPLACE_LEDGER_ONLY, which reads the description that the last hook has cached.
 *
 * Returns: 0; -EINVAL: @flags, or the machine or the state folder is invalid; -EACCES: the ledger is another user's;
 * -ENOMEM; or another negative errno.
 * Since: 0.1
 */
NUMAPLACE_API int numaplace_snapshot_take(struct numaplace *np, unsigned int flags, struct numaplace_snapshot **out);

/**
 * numaplace_snapshot_free - frees a snapshot, and all that was read from it
 * @s: the snapshot; NULL is allowed
 *
 * Since: 0.1
 */
NUMAPLACE_API void numaplace_snapshot_free(struct numaplace_snapshot *s);

/**
 * struct numaplace_machine - the whole machine
 * @nnodes:       the number of nodes
 * @ncpus:        the number of online CPUs
 * @ncores:       the number of cores with an online CPU
 * @ncaches:      the number of last-level caches
 * @memory_nodes: the nodes with memory, as a list
 * @isolated:     the CPUs of isolcpus, which containers get only if a list names them; this and the following are lists
 * @reserved:     the CPUs that numaplace.conf reserves
 * @not_allowed:  the CPUs that the root cgroup does not have
 * @offline:      the CPUs that are offline
 * @held:         the CPUs that placed containers hold exclusively
 *
 * The library makes these structs. Later versions append fields.
 *
 * Since: 0.1
 */
struct numaplace_machine {
	unsigned int nnodes, ncpus, ncores, ncaches;
	const char *memory_nodes;
	const char *isolated, *reserved, *not_allowed, *offline, *held;
};

/**
 * numaplace_snapshot_machine - the whole machine
 * @s: the snapshot
 *
 * Returns: the machine, never NULL; valid until numaplace_snapshot_free().
 * Since: 0.1
 */
NUMAPLACE_API const struct numaplace_machine *numaplace_snapshot_machine(const struct numaplace_snapshot *s);

/**
 * struct numaplace_node - a node
 * @id:               the kernel's number
 * @package:          that of its first CPU; 0: not known
 * @first_cpu:        the number of its first CPU for numaplace_snapshot_cpu()
 * @ncpus:            the number of its online CPUs
 * @noffline:         the number of its offline CPUs, if the kernel reports them
 * @cpus:             its online CPUs; this and the following are lists
 * @usable:           of these, the CPUs that a container can get without naming them
 * @isolated:         as in struct numaplace_machine; the same holds for the following four
 * @memory_kind:      "none", "ordinary", "slow", "fast", "device" or "unknown". Containers get the last four only if a
 *                    list names the node.
 * @memory_known:     1: its meminfo was readable; 0: the sizes of its memory are not known
 * @memory_movable:   1: it has only movable memory, which the kernel cannot use for itself
 * @memory_allowed:   0: numaplace.conf reserves its memory, or the root cgroup does not have it
 * @memory:           bytes of memory
 * @memory_free:      bytes that a new process can get, with @memory_cached
 * @memory_cached:    bytes that the cache of ZFS (ARC) releases when they are needed
 * @memory_requested: bytes that placed containers have requested on it
 * @memory_pending:   of these, bytes that they have not touched yet
 * @memory_kept:      bytes of its memory that numaplace.conf keeps free (reserved-memory)
 *
 * Since: 0.1
 */
struct numaplace_node {
	unsigned int id, package;
	unsigned int first_cpu, ncpus, noffline;
	const char *cpus, *usable;
	const char *isolated, *reserved, *not_allowed, *offline, *held;
	const char *memory_kind;
	int memory_known, memory_movable, memory_allowed;
	uint64_t memory, memory_free, memory_cached;
	uint64_t memory_requested, memory_pending;
	uint64_t memory_kept;
};

/**
 * numaplace_snapshot_node - a node
 * @s: the snapshot
 * @i: the number of the node, from 0, in ascending order of ids
 *
 * Returns: the node; NULL after the last one; valid until numaplace_snapshot_free().
 * Since: 0.1
 */
NUMAPLACE_API const struct numaplace_node *numaplace_snapshot_node(const struct numaplace_snapshot *s, unsigned int i);

/**
 * struct numaplace_cpu - an online CPU
 * @id:    the kernel's number
 * @node:  the number of its node for numaplace_snapshot_node()
 * @core:  the number of its core, from 0, on the whole machine
 * @cache: the number of its last-level cache, from 0, on the whole machine
 *
 * Since: 0.1
 */
struct numaplace_cpu {
	unsigned int id, node, core, cache;
};

/**
 * numaplace_snapshot_cpu - a CPU
 * @s: the snapshot
 * @i: the number of the CPU, from 0: by nodes, and within a node in ascending order of ids
 *
 * Returns: the CPU; NULL after the last one; valid until numaplace_snapshot_free().
 * Since: 0.1
 */
NUMAPLACE_API const struct numaplace_cpu *numaplace_snapshot_cpu(const struct numaplace_snapshot *s, unsigned int i);

/**
 * struct numaplace_hugepages - the hugepages of one size
 * @size:     bytes of a page
 * @total:    the number of pages
 * @free:     the number of free pages
 * @reserved: of these, pages that running programs have reserved; known for the whole machine alone, else 0
 * @pending:  of the free pages, those that placed containers have requested and not touched yet
 *
 * Since: 0.1
 */
struct numaplace_hugepages {
	uint64_t size, total, free, reserved;
	uint64_t pending;
};

#define NUMAPLACE_ALL_NODES 0xffffffffu

/**
 * numaplace_snapshot_hugepages - the hugepages of a node or of the machine
 * @s:    the snapshot
 * @node: the number of the node, or NUMAPLACE_ALL_NODES
 * @i:    the number of the page size, from 0, in ascending order; the same sizes for all nodes
 *
 * Returns: the hugepages; NULL after the last size; valid until numaplace_snapshot_free().
 * Since: 0.1
 */
NUMAPLACE_API const struct numaplace_hugepages *numaplace_snapshot_hugepages(const struct numaplace_snapshot *s,
									     unsigned int node, unsigned int i);

/**
 * numaplace_snapshot_distance - the distance between two nodes
 * @s:    the snapshot
 * @from: the number of a node
 * @to:   the number of a node
 *
 * Returns: the kernel's number, 10 within a node; 0: there is no such node.
 * Since: 0.1
 */
NUMAPLACE_API unsigned int numaplace_snapshot_distance(const struct numaplace_snapshot *s, unsigned int from,
						       unsigned int to);

/**
 * numaplace_snapshot_load - the load of placed containers on some CPUs
 * @s:    the snapshot
 * @cpus: a list of CPUs
 *
 * A container loads its CPUs evenly with the CPUs that it has requested.
 *
 * Returns: the number of CPUs in use, 0 or more; -1: the ledger was not read, or @cpus is not a list.
 * Since: 0.1
 */
NUMAPLACE_API double numaplace_snapshot_load(const struct numaplace_snapshot *s, const char *cpus);

/**
 * numaplace_snapshot_placement - a placement
 * @s: the snapshot
 * @i: the number of the placement, from 0
 *
 * Returns: the placement; NULL after the last one; valid until numaplace_snapshot_free(), which frees it.
 * Since: 0.1
 */
NUMAPLACE_API const struct numaplace_placement *numaplace_snapshot_placement(const struct numaplace_snapshot *s,
									     unsigned int i);

/**
 * numaplace_snapshot_find_pid - the placed container that a process belongs to
 * @s:   the snapshot
 * @pid: the process
 *
 * Returns: the placement, as numaplace_snapshot_placement(); NULL: its cgroup is not that of a placed container.
 * Since: 0.1
 */
NUMAPLACE_API const struct numaplace_placement *numaplace_snapshot_find_pid(const struct numaplace_snapshot *s,
									    pid_t pid);

#define NUMAPLACE_BUCKETS 10

/**
 * struct numaplace_counters - what the hooks have done since the boot
 * @placed:       containers that they placed
 * @refused:      containers that they refused: no room, a ceiling, or invalid keys
 * @failed:       containers that they failed to place
 * @released:     containers that they removed from the ledger
 * @hooks:        hooks that have placed, refused or failed
 * @microseconds: the sum of the times that these took
 * @bound:        ascending limits of time in microseconds
 * @bucket:       how many of these took at most the bound, and longer than the bound before it
 *
 * Since: 0.1
 */
struct numaplace_counters {
	uint64_t placed, refused, failed, released;
	uint64_t hooks, microseconds;
	uint64_t bound[NUMAPLACE_BUCKETS], bucket[NUMAPLACE_BUCKETS];
};

/**
 * numaplace_snapshot_counters - what the hooks have done since the boot
 * @s: the snapshot
 *
 * Returns: the counters, never NULL; all 0 if the ledger was not read; valid until numaplace_snapshot_free().
 * Since: 0.1
 */
NUMAPLACE_API const struct numaplace_counters *numaplace_snapshot_counters(const struct numaplace_snapshot *s);

/* --- the cpuset --- */

/**
 * struct numaplace_cpuset - what the kernel allows a container now
 * @cpus: its CPUs, a list
 * @mems: its memory nodes, a list
 * @partition: "member", "root", "isolated", or the last two with " invalid" and a reason of the kernel; "": the kernel has
 *             no cpuset partitions
 * @memory: the bytes of memory that its cgroup and those above it allow; UINT64_MAX: no limit
 * @interrupts: with limits.cpu.irq = away, the interrupts that numaplace has moved away from its CPUs and another program has
 *              moved back, with commas (the first of them, if there are many); ""
 *
 * They differ from its placement if another program has written its cgroup, or a CPU is offline.
 *
 * Since: 0.1
 */
struct numaplace_cpuset {
	const char *cpus, *mems;
	const char *partition;
	uint64_t memory;
	const char *interrupts;
};

/**
 * numaplace_cpuset_read - reads the effective cpuset of a container
 * @np:  the context
 * @p:   the placement of the container
 * @out: the cpuset; free it with numaplace_cpuset_free()
 *
 * Returns: 0; -ENOENT: no cgroup2, the container has ended, or its cgroup was replaced; -ENOMEM; or another negative errno.
 * Since: 0.1
 */
NUMAPLACE_API int numaplace_cpuset_read(struct numaplace *np, const struct numaplace_placement *p,
					struct numaplace_cpuset **out);

/**
 * numaplace_cpuset_free - frees a cpuset
 * @c: the cpuset; NULL: nothing
 *
 * Since: 0.1
 */
NUMAPLACE_API void numaplace_cpuset_free(struct numaplace_cpuset *c);

/* --- pages --- */

#define NUMAPLACE_CGROUP_ONLY 1u /* a flag of numaplace_pages_read(): the sums of the cgroup alone, which are quick to read */

/**
 * numaplace_pages_read - finds the nodes of the pages of a container
 * @np:    the context
 * @p:     the placement of the container
 * @flags: 0 or NUMAPLACE_CGROUP_ONLY
 * @out:   the pages; free them with numaplace_pages_free()
 *
 * The pages of all processes in its cgroup and below are summed up, from numa_maps; shared pages count once for each
 * process. The sums of the cgroup itself are added if the memory controller is enabled. The call takes longer for more
 * memory, and changes nothing.
 *
 * With NUMAPLACE_CGROUP_ONLY, only the members cgroup_... are set, and a new cgroup with the path of an ended container
 * is an error.
 *
 * Returns: 0; -EINVAL: @flags; -ENOENT: no cgroup2, or with NUMAPLACE_CGROUP_ONLY no such cgroup or no memory controller;
 * -ENOMEM; or another negative errno.
 * Since: 0.1
 */
NUMAPLACE_API int numaplace_pages_read(struct numaplace *np, const struct numaplace_placement *p,
				       unsigned int flags, struct numaplace_pages **out);

/**
 * numaplace_pages_read_pid - finds the nodes of the pages of a process
 * @np:  the context
 * @pid: the process
 * @out: the pages; free them with numaplace_pages_free()
 *
 * Returns: 0; -ESRCH: the process has ended; -ENOENT: a kernel without NUMA; -ENOMEM; or another negative errno.
 * Since: 0.1
 */
NUMAPLACE_API int numaplace_pages_read_pid(struct numaplace *np, pid_t pid, struct numaplace_pages **out);

/**
 * struct numaplace_node_pages - bytes on a node
 * @id:              the node
 * @anonymous:       of the processes alone, with their private copies of pages of files
 * @shared:          of shared memory without a file on disk
 * @huge:            hugepages
 * @files:           of files on disk, which another process may have read in
 * @mixed:           in mappings with private pages and pages of a file that could not be distinguished
 * @cgroup_known:    1: the following three are known
 * @cgroup_anonymous: anonymous memory of the cgroup
 * @cgroup_files:    the cgroup's pages of files, and shared memory
 * @cgroup_kernel:   memory that the kernel uses for the cgroup
 *
 * Since: 0.1
 */
struct numaplace_node_pages {
	unsigned int id;
	uint64_t anonymous, shared, huge, files, mixed;
	int cgroup_known;
	uint64_t cgroup_anonymous, cgroup_files, cgroup_kernel;
};

/**
 * numaplace_pages_node - the pages on one node
 * @pages: the pages
 * @i:     the number of the entry, from 0, in ascending order of ids; nodes without pages have none
 *
 * Returns: the entry; NULL after the last one; valid until numaplace_pages_free().
 * Since: 0.1
 */
NUMAPLACE_API const struct numaplace_node_pages *numaplace_pages_node(const struct numaplace_pages *pages,
								      unsigned int i);

/**
 * numaplace_pages_free - frees pages
 * @pages: the pages; NULL is allowed
 *
 * Since: 0.1
 */
NUMAPLACE_API void numaplace_pages_free(struct numaplace_pages *pages);

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
 * numaplace_placement_held - the CPUs that it withholds from others
 *
 * Returns: a list of the CPUs of whole cores; "" if it is not exclusive.
 * Since: 0.1
 */
NUMAPLACE_API const char *numaplace_placement_held(const struct numaplace_placement *p);

/**
 * numaplace_placement_exclusive - what keeps others from its CPUs
 *
 * Returns: "kernel": a cpuset partition, no process outside of the container runs there; "placed containers": numaplace
 * gives them to no other container, and a reason says why the kernel does not keep other processes away; "": it is not
 * exclusive, or a plan.
 * Since: 0.1
 */
NUMAPLACE_API const char *numaplace_placement_exclusive(const struct numaplace_placement *p);

/**
 * numaplace_placement_count - the CPUs that it counts for
 *
 * Returns: the number of CPUs that it loads, spread evenly over its CPUs.
 * Since: 0.1
 */
NUMAPLACE_API unsigned int numaplace_placement_count(const struct numaplace_placement *p);

/**
 * struct numaplace_node_memory - the memory of a container on one node
 * @id:        the node
 * @requested: bytes
 * @seen:      of these, bytes that the last sweep has found in use
 *
 * Since: 0.1
 */
struct numaplace_node_memory {
	unsigned int id;
	uint64_t requested, seen;
};

/**
 * numaplace_placement_memory - its memory, by node
 * @p: the placement
 * @i: the number of the entry, from 0
 *
 * Returns: the entry; NULL after the last one.
 * Since: 0.1
 */
NUMAPLACE_API const struct numaplace_node_memory *numaplace_placement_memory(const struct numaplace_placement *p,
									     unsigned int i);

/**
 * numaplace_placement_applied - what applies its memory policy
 *
 * Returns: "cpuset", "memoryPolicy", "inherited", "caller" and so on; "cpuset.mems": its runtime writes cpuset.cpus;
 * "" for a plan.
 * Since: 0.1
 */
NUMAPLACE_API const char *numaplace_placement_applied(const struct numaplace_placement *p);

/**
 * numaplace_placement_decided - when it was chosen
 *
 * Returns: seconds of CLOCK_BOOTTIME; 0 for a plan.
 * Since: 0.1
 */
NUMAPLACE_API uint64_t numaplace_placement_decided(const struct numaplace_placement *p);

/**
 * numaplace_placement_request - a key of its request
 * @p:   the placement
 * @key: as numaplace_key() names it
 *
 * Returns: the value as it was understood; NULL: the key was not set, or there is no such key, or @p is a plan.
 * Since: 0.1
 */
NUMAPLACE_API const char *numaplace_placement_request(const struct numaplace_placement *p, const char *key);

/**
 * numaplace_placement_limit - a limit of its runtime that was used because the key was not set
 * @p:   the placement
 * @key: "limits.cpu", "limits.memory" or "limits.memory.hugepages"
 *
 * Returns: the limit as a value of that key; NULL: none was used, or @p is a plan.
 * Since: 0.1
 */
NUMAPLACE_API const char *numaplace_placement_limit(const struct numaplace_placement *p, const char *key);

/**
 * numaplace_placement_pinned_cpus - the CPUs that its user or runtime had chosen
 *
 * Returns: a list; "": no pin, or a plan.
 * Since: 0.1
 */
NUMAPLACE_API const char *numaplace_placement_pinned_cpus(const struct numaplace_placement *p);

/**
 * numaplace_placement_pinned_mems - the memory nodes that its user or runtime had chosen
 *
 * Returns: a list; "": no pin, or a plan.
 * Since: 0.1
 */
NUMAPLACE_API const char *numaplace_placement_pinned_mems(const struct numaplace_placement *p);

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
