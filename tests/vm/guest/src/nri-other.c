/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nri-other INDEX CPUS FOLDER: an NRI plugin that sets the CPUs of each new container to CPUS ("": of none), beside
 * numaplace-nri. Makes FOLDER/connected when it has answered Synchronize, and writes the request of each CreateContainer
 * to FOLDER/NUMBER, which "protoc --decode_raw" reads. Ends with the connection.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SIZE (1 << 20)
#define EVENT_CREATE 8 /* bit 4 - 1 */

static int runtime;

struct bytes {
	size_t n;
	uint8_t b[512];
};

/* A field of protobuf with the number @field; all lengths are below 128. */
static void add(struct bytes *to, int field, const void *b, size_t n)
{
	to->b[to->n++] = (uint8_t)(field << 3 | 2);
	to->b[to->n++] = (uint8_t)n;
	memcpy(to->b + to->n, b, n);
	to->n += n;
}

/* @m becomes the field of another message. */
static void wrap(struct bytes *m, int field)
{
	struct bytes outer = { 0 };

	add(&outer, field, m->b, m->n);
	*m = outer;
}

static void put(uint8_t *at, size_t value)
{
	const uint32_t big = htonl((uint32_t)value);

	memcpy(at, &big, 4);
}

static void write_all(int fd, const void *b, size_t n)
{
	if (write(fd, b, n) != (ssize_t)n)
		exit(1);
}

/* A frame of ttrpc in one of the trunk. */
static void send_frame(unsigned int connection, uint32_t stream, int type, const struct bytes *m)
{
	uint8_t frame[18 + sizeof(m->b)] = { 0 };

	put(frame, connection);
	put(frame + 4, 10 + m->n);
	put(frame + 8, m->n);
	put(frame + 12, stream);
	frame[16] = (uint8_t)type;
	memcpy(frame + 18, m->b, m->n);
	write_all(runtime, frame, 18 + m->n);
}

static void connect_as(const char *index)
{
	const struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "/var/run/nri/nri.sock" };
	const char *service = "nri.pkg.api.v1alpha1.Runtime", *method = "RegisterPlugin";
	struct bytes request = { 0 }, plugin = { 0 };

	runtime = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(runtime, (const struct sockaddr *)&at, sizeof(at)) < 0)
		exit(1);
	add(&plugin, 1, "other", 5);
	add(&plugin, 2, index, strlen(index));
	add(&request, 1, service, strlen(service));
	add(&request, 2, method, strlen(method));
	add(&request, 3, plugin.b, plugin.n);
	send_frame(2, 1, 1, &request);
}

static void read_all(uint8_t *b, size_t n)
{
	for (ssize_t have; n; b += have, n -= (size_t)have) {
		have = read(runtime, b, n);
		if (have <= 0)
			exit(0);
	}
}

static uint32_t number(const uint8_t *at)
{
	uint32_t big;

	memcpy(&big, at, 4);
	return ntohl(big);
}

/* The next frame of ttrpc on connection 1, where the runtime sends requests; its length. */
static size_t next(uint8_t *frame)
{
	static uint8_t other[SIZE];
	size_t have = 0;

	while (have < 10 || have < 10 + (size_t)number(frame)) {
		uint8_t header[8];
		size_t n;

		read_all(header, sizeof(header));
		n = number(header + 4);
		if (n > SIZE - have)
			exit(1);
		read_all(number(header) == 1 ? frame + have : other, n);
		have += number(header) == 1 ? n : 0;
	}
	return have;
}

static void write_file(const char *folder, const char *name, const void *b, size_t n)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	if (!f || fwrite(b, 1, n, f) != n || fclose(f))
		exit(1);
}

/* Whether the request in @frame, which begins with its service and its method, has this method. */
static int is(const uint8_t *frame, size_t n, const char *method)
{
	return memmem(frame, n < 80 ? n : 80, method, strlen(method)) != NULL;
}

/* The answer to the request in @frame. */
static void answer(const uint8_t *frame, size_t n, const char *cpus, const char *folder)
{
	const uint8_t events[] = { 2 << 3, EVENT_CREATE }; /* field 2, a number */
	struct bytes reply = { 0 }, m = { 0 };
	static int created;
	char name[16];

	if (is(frame, n, "Configure")) {
		m.n = sizeof(events);
		memcpy(m.b, events, m.n);
	} else if (is(frame, n, "CreateContainer")) {
		snprintf(name, sizeof(name), "%d", ++created);
		write_file(folder, name, frame + 10, n - 10);
		if (*cpus) {
			add(&m, 6, cpus, strlen(cpus)); /* cpu.cpus */
			wrap(&m, 2);                    /* resources.cpu */
			wrap(&m, 2);                    /* linux.resources */
			wrap(&m, 6);                    /* adjust.linux */
			wrap(&m, 1);                    /* adjust */
		}
	}
	add(&reply, 1, "", 0);
	add(&reply, 2, m.b, m.n);
	send_frame(1, number(frame + 4), 2, &reply);
	if (is(frame, n, "Synchronize"))
		write_file(folder, "connected", "", 0);
}

int main(int argc, char **argv)
{
	static uint8_t frame[SIZE];

	if (argc != 4 || strlen(argv[2]) > 60)
		return 2;
	connect_as(argv[1]);
	for (;;) {
		size_t n = next(frame);

		answer(frame, n, argv[2], argv[3]);
	}
}
