/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plans or places a container: cc place.c $(pkg-config --cflags --libs numaplace) -o place
 *
 *	./place / 0 limits.cpu=4 limits.memory=8GiB     what a container would get on this machine
 *	./place /recorded/machine 0 limits.cpu=4        the same on a recorded machine
 *	./place / 4711 limits.cpu=4                     places process 4711 and its cgroup, as root
 */
#include <numaplace.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct numaplace_target target = { .size = sizeof(target), .id = "example" };
	struct numaplace *np = NULL;
	struct numaplace_request *request = NULL;
	struct numaplace_placement *p = NULL;
	int rc = numaplace_open(&np, argc > 1 ? argv[1] : NULL, NULL, NULL, 0);

	if (rc == 0)
		rc = numaplace_request_new(np, &request);
	for (int i = 3; i < argc && rc == 0; i++) {
		char *value = strchr(argv[i], '=');

		if (value)
			*value++ = '\0';
		rc = numaplace_request_set(request, argv[i], value);
	}
	target.pid = argc > 2 ? atoi(argv[2]) : 0;
	if (rc == 0)
		rc = target.pid ? numaplace_place(np, request, &target, &p) : numaplace_plan(np, request, NULL, &p);
	if (rc < 0)
		fprintf(stderr, "place: %s\n", numaplace_error(np));
	else
		printf("nodes %s, CPUs %s, memory nodes %s\n", numaplace_placement_nodes(p), numaplace_placement_cpus(p),
		       numaplace_placement_mems(p));
	for (unsigned int i = 0; p && numaplace_placement_reason(p, i); i++)
		printf("%s\n", numaplace_placement_reason(p, i));
	numaplace_placement_free(p);
	numaplace_request_free(request);
	numaplace_close(np);
	return rc < 0;
}
