/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which containers of a pod share a home, and when it ends.
 */
#include "runtime-hooks/nri/nri-home.h"

#include "plugin/base/util.h"
#include "tests/unit/tap.h"

static struct nri_home on_node(unsigned int node, bool whole)
{
	struct nri_home h = { .whole = whole };

	nodeset_add(&h.nodes, node);
	nodeset_add(&h.mems, node);
	return h;
}

static void join(struct nri_homes *h, const char *pod, const char *name, const char *id, unsigned int node)
{
	const struct nri_home made = on_node(node, false);

	nri_home_join(h, pod, name, id, &made);
}

/* The node of the home for a new container, or -1. */
static int node_for(struct nri_homes *h, const char *pod, const char *name)
{
	const struct nri_home *home = nri_home_for(h, pod, name);

	for (unsigned int i = 0; home && i < 8; i++)
		if (nodeset_has(&home->nodes, i) && nodeset_has(&home->mems, i))
			return (int)i;
	return -1;
}

static void first_container(void)
{
	struct nri_homes h = { 0 };

	is_int(node_for(&h, "p", "app"), -1, "a pod without containers has no home");
	join(&h, "p", "app", "c1", 2);
	is_int(node_for(&h, "p", "log"), 2, "the nodes of the first container are the home");
	join(&h, "p", "log", "c2", 3);
	join(&h, "p", "log", "c2", 3);
	is_int(node_for(&h, "p", "more"), 2, "the second container does not change it");
	is_int(node_for(&h, "q", "more"), -1, "another pod does not have it");
	nri_home_leave(&h, "p", "c1");
	is_int(node_for(&h, "p", "more"), 2, "it stays while another container of the pod runs");
	nri_home_leave(&h, "p", "c1");
	nri_home_leave(&h, "p", "c2");
	is_int(node_for(&h, "p", "app"), 2, "the container that made it has it again when it restarts");
	is_int(node_for(&h, "p", "log"), -1, "when no container is left, another one makes a new home");
	is_int(node_for(&h, "p", "app"), -1, "and the old one is forgotten");
	nri_homes_free(&h);
}

static void init_container(void)
{
	struct nri_homes h = { 0 };

	join(&h, "p", "init", "c1", 0);
	nri_home_leave(&h, "p", "c1");
	is_int(node_for(&h, "p", "app"), -1, "an init container that has ended leaves no home");
	join(&h, "p", "app", "c2", 1);
	is_int(node_for(&h, "p", "log"), 1, "the next container makes it");
	nri_homes_free(&h);
}

static void whole_pod(void)
{
	const struct nri_home made = on_node(3, true);
	struct nri_homes h = { 0 };

	nri_home_join(&h, "p", "init", "c1", &made);
	nri_home_leave(&h, "p", "c1");
	is_int(node_for(&h, "p", "app"), 3, "a home of the whole pod outlives its init container");
	nri_home_forget(&h, "p");
	is_int(node_for(&h, "p", "init"), -1, "and ends with the pod");
	nri_homes_free(&h);
}

static void limits(void)
{
	struct nri_homes h = { 0 };
	char name[NAME_ID_MAX + 2];
	unsigned int wrong = 0;

	for (int i = 0; i < NRI_MEMBERS_MAX + 1; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		join(&h, "p", "app", name, 1);
		join(&h, "p", "app", name, 1);
	}
	is_int((int64_t)h.home[0].nmembers, NRI_MEMBERS_MAX + 1, "a container counts once");
	for (int i = 0; i < NRI_MEMBERS_MAX + 1; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		nri_home_leave(&h, "p", name);
	}
	is_int(node_for(&h, "p", "other"), 1, "with too many containers to remember, the home lasts as long as the pod");
	for (int i = 1; i < NRI_PODS_MAX + 10; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		join(&h, name, "app", "c", 1);
	}
	is_int((int64_t)h.n, NRI_PODS_MAX, "no more than %d homes are remembered", NRI_PODS_MAX);
	ok(!nri_homes_have_room(&h), "and no other one has room");
	nri_home_forget(&h, "p7");
	for (int i = 1; i < NRI_PODS_MAX; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		wrong += node_for(&h, name, "app") != (i == 7 ? -1 : 1);
	}
	is_int(wrong, 0, "the others are found after one is forgotten");
	nri_homes_free(&h);
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	join(&h, name, "app", "c", 1);
	join(&h, "", "app", "c", 1);
	is_int((int64_t)h.n, 0, "a pod without an id, or with one that is too long, has no home");
	nri_homes_free(&h);
}

int main(void)
{
	first_container();
	init_container();
	whole_pod();
	limits();
	return done();
}
