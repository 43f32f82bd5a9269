/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `numaplace virt NAME`, which executes this program: chooses CPUs and memory nodes for a domain of libvirt that does
 * not run, and defines it with them. It is a program of its own so that the command does not need libxml2.
 *
 * A domain that runs is refused: it is in the ledger, so the choice would avoid its own CPUs and memory.
 */
#include "place/devices.h"
#include "place/plan-parts.h"
#include "plugin/base/file.h"
#include "plugin/base/options.h"
#include "plugin/base/size.h"
#include "plugin/base/util.h"
#include "runtime-hooks/common/hook.h"
#include "runtime-hooks/common/json-write.h"
#include "runtime-hooks/libvirt/domain-layout.h"
#include "runtime-hooks/libvirt/virsh.h"
#include "runtime-hooks/libvirt/xml-tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LOCK_TIMEOUT_MS 10000

struct options {
	const char *conf, *state, *sysroot, *xml;
	bool json, dry_run, drop_pins;
	const char *name; /* NULL: --xml */
	int nkeys;
	char **keys;
};

struct virt {
	const struct options *o;
	const char *uri;
	struct place_env *env;
	struct machine machine;
	char *text;              /* the XML before */
	size_t len;
	struct domain *d;
	struct device_refs devices;
	unsigned int nparts;
	struct request *request; /* of each part */
	struct placement *part;
	struct reasons why;
	unsigned int nothers;
	struct share *others;    /* of domains that numaplace has placed and that do not run */
	struct domain_layout *layout;
	char *before, *after;    /* both as xml-tree.c writes them */
	size_t after_len;
};

static void virt_free(struct virt *v)
{
	for (unsigned int i = 0; i < v->nparts && v->part; i++)
		placement_free(&v->part[i]);
	for (unsigned int i = 0; i < v->nothers; i++)
		share_free(&v->others[i]);
	machine_close(&v->machine);
	device_refs_free(&v->devices);
	free(v->text);
	free(v->d);
	free(v->request);
	free(v->part);
	free(v->others);
	free(v->layout);
	free(v->before);
	free(v->after);
}
#define cleanup_virt __attribute__((cleanup(virt_free)))

static void warn(const char *line)
{
	fprintf(stderr, "numaplace: warning: %s\n", line);
}

/* --- the command line --- */

static int parse_options(int argc, char **argv, struct options *o, struct error *err)
{
	const struct option_rule rules[] = {
		{ .name = "conf", .value = &o->conf },	     { .name = "state", .value = &o->state },
		{ .name = "sysroot", .value = &o->sysroot }, { .name = "json", .flag = &o->json },
		{ .name = "dry-run", .flag = &o->dry_run },  { .name = "drop-pins", .flag = &o->drop_pins },
		{ .name = "xml", .value = &o->xml },
	};
	const struct option_table table = { .verb = "virt", .rule = rules, .n = ARRAY_SIZE(rules) };
	int words = options_parse(&table, argc - 1, argv + 1, err);

	if (words < 0)
		return words;
	o->keys = argv + 1;
	o->nkeys = words;
	if (!o->xml) {
		if (!words)
			return error_set(err, -EINVAL, "virt: a domain is missing");
		o->name = *o->keys++;
		o->nkeys--;
		if (o->sysroot)
			return error_set(err, -EINVAL, "virt: --sysroot: a domain is on this machine; use --xml FILE");
	}
	return o->name ? virsh_check_name(o->name, err) : 0;
}

/* Keys that the XML of a domain answers itself. */
static int check_keys(const struct request *asked, struct error *err)
{
	static const enum request_key own[] = { KEY_CPU, KEY_MEMORY, KEY_MEMORY_HUGEPAGES, KEY_VOLATILE_CPU_NODES,
						KEY_VOLATILE_MEMORY_NODES };

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (asked->given >> own[i] & 1)
			return error_set(err, -EINVAL, "virt: %s: the domain has its own: <vcpu>, <memory> and <memoryBacking>",
					 request_keys[own[i]]);
	return 0;
}

/* The keys replace all keys of an earlier call; without any, those are used again. */
static int take_keys(struct virt *v, struct error *err)
{
	struct domain *d = v->d;
	struct request asked;
	int rc = 0;

	if (!v->o->nkeys)
		return check_keys(&d->asked, err);
	request_init(&asked);
	for (int i = 0; rc == 0 && i < v->o->nkeys; i++) {
		char *word = v->o->keys[i], *value = strchr(word, '=');
		cleanup_free char *key = value ? strndup(word, (size_t)(value - word)) : NULL;

		if (!value)
			return error_set(err, -EINVAL, "virt: %s: not of the form KEY=VALUE", quote(word).text);
		if (!key)
			return error_set(err, -ENOMEM, "out of memory");
		rc = request_set(&asked, key, value + 1, err);
	}
	if (rc < 0)
		return rc == -ENOENT ? err->status = -EINVAL : rc;
	d->asked = asked;
	return check_keys(&asked, err);
}

/* --- what is read --- */

static int read_file(struct virt *v, struct error *err)
{
	const bool standard = strcmp(v->o->xml, "-") == 0;
	cleanup_close int file = standard ? -1 : open(v->o->xml, O_RDONLY | O_CLOEXEC);

	if (!standard && file < 0)
		return error_set(err, -EINVAL, "virt: --xml %s: %s", quote(v->o->xml).text, strerror(errno));
	return hook_read(standard ? STDIN_FILENO : file, DOMAIN_XML_MAX, &v->text, &v->len, err);
}

static int read_domain(struct virt *v, struct error *err)
{
	bool active = false;
	int rc;

	if (v->o->xml) {
		rc = read_file(v, err);
		return rc < 0 ? rc : domain_parse(v->text, v->len, v->d, err);
	}
	rc = virsh_xml(v->uri, v->o->name, !v->o->dry_run, &v->text, &v->len, err);
	if (rc == 0)
		rc = domain_parse(v->text, v->len, v->d, err);
	if (rc < 0)
		return rc;
	/* virsh takes a number for the id of a running domain. */
	if (strcmp(v->d->name, v->o->name) != 0 && strcmp(v->d->uuid, v->o->name) != 0)
		return error_set(err, -EINVAL, "it is the id of domain \"%s\": give its name", quote(v->d->name).text);
	rc = virsh_is_active(v->uri, v->d->uuid, &active, err);
	if (rc == 0 && active)
		return error_set(err, -EBUSY, "it is running: its CPUs and memory are in use by itself, so shut it down first");
	return rc;
}

/* The pins of the user: those of the XML, unless numaplace has written them. */
static void find_pins(struct virt *v)
{
	struct domain *d = v->d;

	if (v->o->drop_pins) {
		d->pin_cpus = (struct idset){ { 0 } };
		d->pin_mems = (struct nodeset){ { 0 } };
	} else if (!d->planned) {
		d->pin_cpus = (struct idset){ { 0 } };
		if (!d->auto_cpus)
			d->pin_cpus = idset_empty(&d->pinned) ? d->cpus : d->pinned;
		if (!d->auto_mems)
			d->pin_mems = d->mems;
	}
}

static int share_of(const struct virt *v, const struct domain *d, struct share *out, struct error *err)
{
	const unsigned int n = nodeset_count(&d->mems);
	const struct topology *t = v->machine.topology;
	unsigned int i = 0;

	out->cpus = d->pinned;
	out->count = d->npins;
	if (d->asked.exclusive)
		topology_whole_cores(t, &d->pinned, &out->held);
	out->mem = calloc(n + 1UL, sizeof(*out->mem));
	if (!out->mem)
		return error_errno(err, -ENOMEM, "domain");
	out->nmem = n;
	/* In equal parts, which is what most cells have. */
	nodeset_foreach(id, &d->mems) {
		out->mem[i].id = (uint16_t)id;
		out->mem[i].memory = d->nhuge ? 0 : d->memory / n;
		for (unsigned int k = 0; k < d->nhuge; k++)
			for (unsigned int h = 0; h < t->nhuge; h++)
				if (t->huge_size[h] == (d->huge[k].size ? d->huge[k].size : t->huge_default))
					out->mem[i].huge[h] += (d->huge[k].size ? d->huge[k].count : d->memory / t->huge_size[h]) / n;
		i++;
	}
	return 0;
}

/* A domain that cannot be read does not count. */
static int add_other(struct virt *v, const char *uuid, struct error *err)
{
	cleanup_free struct domain *d = calloc(1, sizeof(*d));
	cleanup_free char *text = NULL;
	struct error why;
	size_t len;
	int rc;

	if (!d)
		return error_errno(err, -ENOMEM, "domain");
	if (virsh_xml(v->uri, uuid, false, &text, &len, &why) < 0 || domain_parse(text, len, d, &why) < 0) {
		warn(why.text);
		return 0;
	}
	if (!d->planned || !d->npins)
		return 0;
	rc = share_of(v, d, &v->others[v->nothers], err);
	v->nothers += rc == 0;
	return rc;
}

/* Those that numaplace has placed and that do not run are not in the ledger, and may start at any time. */
static int find_others(struct virt *v, struct error *err)
{
	cleanup_free char *list = NULL;
	unsigned int lines = 1;
	char *save = NULL;
	int rc;

	if (v->o->xml)
		return 0;
	rc = virsh_inactive(v->uri, &list, err);
	if (rc < 0)
		return rc;
	for (const char *c = list; *c; c++)
		lines += *c == '\n';
	v->others = calloc(lines, sizeof(*v->others));
	if (!v->others)
		return error_set(err, -ENOMEM, "out of memory");
	for (char *uuid = strtok_r(list, "\n", &save); uuid && rc == 0; uuid = strtok_r(NULL, "\n", &save))
		if (strcmp(uuid, v->d->uuid) != 0)
			rc = add_other(v, uuid, err);
	return rc;
}

/* --- the choice --- */

/*
 * The threads of a core of the guest become those of a core of the host: only an exclusive choice is of whole cores.
 * That is not kept.
 */
static int want_cores(const struct domain *d, const struct topology *t, struct request *r, struct error *err)
{
	struct request exclusive;

	if (d->threads < 2 || t->ncores == t->ncpus || r->one_thread || r->exclusive || !r->cpu_count)
		return 0;
	request_init(&exclusive);
	if (request_set(&exclusive, "limits.cpu.exclusive", "true", err) < 0)
		return err->status;
	request_change(r, &exclusive);
	return request_finish(r, err);
}

static int make_requests(struct virt *v, struct error *err)
{
	const unsigned int cells = domain_own_cells(v->d);
	int rc = 0;

	v->nparts = cells ? cells : 1;
	v->request = calloc(v->nparts, sizeof(*v->request));
	v->part = calloc(v->nparts, sizeof(*v->part));
	if (!v->request || !v->part)
		return error_set(err, -ENOMEM, "out of memory");
	/* It may have neither CPUs nor memory, which is not to be found out by a cell. */
	rc = domain_request(v->d, &v->request[0], err);
	for (unsigned int i = 0; i < v->nparts && rc == 0; i++) {
		if (cells)
			rc = domain_cell_request(v->d, i, &v->request[i], err);
		if (rc == 0)
			rc = want_cores(v->d, v->machine.topology, &v->request[i], err);
		if (rc < 0)
			return rc;
		v->request[i].pin_cpus = v->d->pin_cpus;
		v->request[i].pin_mems = v->d->pin_mems;
		place_find_devices(v->env, &v->devices, &v->request[i]);
	}
	return rc;
}

static int choose(struct virt *v, struct error *err)
{
	struct plan_parts parts = { .what = "cell", .one_node = domain_own_cells(v->d) };
	int rc = place_open(v->env, PLACE_READ, err);

	if (rc == 0)
		rc = machine_read(&v->machine, v->env, true, true, err);
	if (rc == 0)
		rc = domain_devices(v->text, v->len, &v->devices, err);
	if (rc == 0)
		rc = make_requests(v, err);
	if (rc == 0)
		rc = find_others(v, err);
	if (rc < 0)
		return rc;
	parts.n = v->nparts;
	parts.request = v->request;
	parts.nothers = v->nothers;
	parts.others = v->others;
	rc = place_plan_parts(v->env, &v->machine, &parts, v->part, &v->why, err);
	return rc < 0 ? rc : domain_lay_out(v->d, v->machine.topology, v->part, v->nparts, v->layout, err);
}

/* The text before, as the editor writes it, so that a difference is one of content. */
static int edit(struct virt *v, struct error *err)
{
	cleanup_xml_tree struct xml_tree *tree = NULL;
	size_t len;
	int rc = xml_tree_parse(v->text, v->len, &tree, err);

	if (rc == 0)
		rc = xml_tree_format(tree, &v->before, &len, err);
	return rc < 0 ? rc : domain_edit(v->text, v->len, v->d, v->layout, &v->after, &v->after_len, err);
}

/* --- what is written --- */

/* Defines the domain and reads it back; if libvirt has kept something else, the domain is defined as it was. */
static int define(struct virt *v, struct error *err)
{
	cleanup_free struct domain *now = calloc(1, sizeof(*now));
	cleanup_free char *text = NULL;
	struct error undo;
	size_t len;
	int rc;

	if (!now)
		return error_errno(err, -ENOMEM, "domain");
	rc = virsh_define(v->uri, v->after, v->after_len, err);
	if (rc < 0)
		return rc;
	rc = virsh_xml(v->uri, v->d->uuid, false, &text, &len, err);
	if (rc == 0)
		rc = domain_parse(text, len, now, err);
	if (rc == 0)
		rc = domain_check(now, v->layout, err);
	if (rc == 0)
		return 0;
	error_prefix(err, rc, "libvirt has not defined what was chosen, so the domain is as before");
	if (virsh_define(v->uri, v->text, v->len, &undo) < 0)
		return error_set(err, -EIO, "libvirt has defined another domain than was chosen, and refuses the earlier one: %s",
				 undo.text);
	return rc;
}

static void print_json(const struct virt *v, bool changed)
{
	const struct domain_layout *l = v->layout;
	struct json_writer o = JSON_TO(stdout);
	struct nodeset nodes;

	topology_nodes_of(v->machine.topology, &l->cpus, &nodes);
	json_begin_object(&o, NULL);
	json_put_string(&o, "domain", v->d->name);
	json_put_string(&o, "uuid", v->d->uuid);
	json_put_bool(&o, "changed", changed);
	json_put_bool(&o, "defined", changed && !v->o->dry_run && !v->o->xml);
	json_put_comma(&o, "nodes", ids_of(&nodes));
	json_put_list(&o, "cpus", ids_of(&l->cpus));
	json_put_list(&o, "other_threads", ids_of(&l->others));
	json_put_list(&o, "mems", ids_of(&l->mems));
	json_put_string(&o, "mode", l->mode);
	json_begin_array(&o, "vcpus");
	for (unsigned int i = 0; i < l->npins; i++) {
		json_begin_object(&o, NULL);
		json_put_uint(&o, "vcpu", l->pin[i].vcpu);
		json_put_uint(&o, "cpu", l->pin[i].cpu);
		json_end(&o);
	}
	json_end(&o);
	json_begin_array(&o, "cells");
	for (unsigned int i = 0; i < l->ncells; i++) {
		json_begin_object(&o, NULL);
		json_put_uint(&o, "id", l->cell[i].id);
		json_put_uint(&o, "node", l->cell[i].node);
		json_put_uint(&o, "memory", l->cell[i].kib * 1024);
		json_put_list(&o, "vcpus", ids_of(&l->cell[i].vcpus));
		json_end(&o);
	}
	json_end(&o);
	json_begin_array(&o, "reasons");
	for (unsigned int i = 0; v->nparts == 1 && i < v->why.n; i++)
		json_put_string(&o, NULL, v->why.text[i]);
	json_end(&o);
	json_end(&o);
}

static void print_cells(const struct domain_layout *l, char *list)
{
	for (unsigned int i = 0; i < l->ncells; i++) {
		char memory[32];

		size_human(l->cell[i].kib * 1024, memory, sizeof(memory));
		idset_format(&l->cell[i].vcpus, list, IDSET_TEXT_MAX);
		printf("cell %u: node %u, %s, virtual CPUs %s\n", l->cell[i].id, l->cell[i].node, memory, *list ? list : "none");
	}
}

static int print_text(const struct virt *v, bool changed, struct error *err)
{
	cleanup_free char *cpus = malloc(IDSET_TEXT_MAX), *mems = malloc(NODESET_TEXT_MAX);

	if (!cpus || !mems)
		return error_set(err, -ENOMEM, "out of memory");
	idset_format(&v->layout->cpus, cpus, IDSET_TEXT_MAX);
	nodeset_format(&v->layout->mems, mems, NODESET_TEXT_MAX);
	printf("%s: %u virtual CPU%s on CPU%s %s, memory on node%s %s, %s\n", quote(v->d->name).text, v->layout->npins,
	       v->layout->npins == 1 ? "" : "s", v->layout->npins == 1 ? "" : "s", cpus,
	       nodeset_count(&v->layout->mems) == 1 ? "" : "s", mems, v->layout->mode);
	print_cells(v->layout, cpus);
	/* The reasons of a domain with cells of its own are those of the largest cell alone. */
	for (unsigned int i = 0; v->nparts == 1 && i < v->why.n; i++)
		puts(v->why.text[i]);
	puts(changed ? "defined: it has this place from its next start on" : "nothing to change: it is defined so");
	return 0;
}

static int act(struct virt *v, struct error *err)
{
	const bool changed = strcmp(v->before, v->after) != 0;
	int rc = 0;

	if (!v->o->xml && !v->o->dry_run && changed)
		rc = define(v, err);
	if (rc < 0)
		return rc;
	if (v->o->json)
		print_json(v, changed);
	else if (v->o->dry_run)
		rc = print_difference(v->d->name, v->before, v->after, err);
	else if (v->o->xml)
		printf("%s%s", v->after, v->after[v->after_len - 1] == '\n' ? "" : "\n");
	else
		rc = print_text(v, changed, err);
	return rc;
}

static int run(const struct options *o, struct place_env *env, struct error *err)
{
	cleanup_virt struct virt v = { .o = o, .env = env };
	int rc = 0;

	v.d = calloc(1, sizeof(*v.d));
	v.layout = calloc(1, sizeof(*v.layout));
	if (!v.d || !v.layout)
		return error_set(err, -ENOMEM, "out of memory");
	if (o->name)
		rc = virsh_uri(&v.uri, err);
	if (rc == 0)
		rc = read_domain(&v, err);
	if (rc == 0)
		rc = take_keys(&v, err);
	if (rc < 0)
		return rc;
	find_pins(&v);
	rc = choose(&v, err);
	if (rc == 0)
		rc = edit(&v, err);
	return rc < 0 ? rc : act(&v, err);
}

static int open_all(const struct options *o, struct place_env *env, struct error *err)
{
	int rc;

	env->real = !o->sysroot;
	env->root = open(o->sysroot ? o->sysroot : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (env->root < 0)
		return error_set(err, -EINVAL, "--sysroot %s: %s", quote(o->sysroot ? o->sysroot : "/").text, strerror(errno));
	if (o->conf && access(o->conf, R_OK) < 0)
		return error_set(err, -EINVAL, "--conf %s: %s", quote(o->conf).text, strerror(errno));
	rc = o->conf ? conf_read(AT_FDCWD, o->conf, &env->conf, err) :
		       conf_read(env->root, o->sysroot ? &PLACE_CONF[1] : PLACE_CONF, &env->conf, err);
	place_name_state(env, o->state, o->sysroot ? NULL : place_usual_state(true));
	return rc;
}

int main(int argc, char **argv)
{
	struct place_env env = PLACE_ENV_NONE;
	struct options o = { 0 };
	struct error err = { 0 };
	int rc;

	setenv("LC_ALL", "C", 1); /* of virsh and diff */
	conf_init(&env.conf);
	env.timeout_ms = LOCK_TIMEOUT_MS;
	env.message = warn;
	rc = parse_options(argc, argv, &o, &err);
	if (rc == 0)
		rc = open_all(&o, &env, &err);
	if (rc == 0) {
		rc = run(&o, &env, &err);
		if (rc < 0)
			error_prefix(&err, rc, "domain %s", quote(o.name ? o.name : o.xml).text);
	}
	place_close(&env);
	if (rc == 0 && (fflush(stdout) || ferror(stdout)))
		rc = error_errno(&err, errno ? -errno : -EIO, "stdout");
	if (rc < 0 && o.json) {
		struct json_writer out = JSON_TO(stdout);

		json_begin_object(&out, NULL);
		json_put_string(&out, "error", err.text);
		json_end(&out);
	} else if (rc < 0) {
		fprintf(stderr, "numaplace: %s\n", err.text);
	}
	return error_exit_status(rc);
}
