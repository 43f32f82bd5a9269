/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads and writes the file `interrupts`.
 */
#include "place/irq-state.h"

#include "plugin/base/atomic-file.h"
#include "plugin/base/file.h"
#include "plugin/base/number.h"
#include "plugin/base/strbuf.h"
#include "plugin/base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define HEAD "numaplace-interrupts 1 "
#define TEMPORARY IRQ_STATE ".new"
#define FIELDS_MAX 7

/* --- the sets --- */

void irq_state_free(struct irq_state *s)
{
	while (s->nholders)
		irq_state_drop_holder(s, &s->holder[s->nholders - 1]);
	while (s->nchanges)
		irq_state_drop(s, &s->change[s->nchanges - 1]);
	free(s->holder);
	free(s->change);
	*s = (struct irq_state){ .nholders = 0 };
}

struct irq_change *irq_state_find(const struct irq_state *s, int what)
{
	for (unsigned int i = 0; i < s->nchanges; i++)
		if (s->change[i].what == what)
			return &s->change[i];
	return NULL;
}

struct irq_holder *irq_state_holder(const struct irq_state *s, uint64_t inode)
{
	for (unsigned int i = 0; i < s->nholders; i++)
		if (s->holder[i].inode == inode)
			return &s->holder[i];
	return NULL;
}

void irq_state_drop(struct irq_state *s, struct irq_change *c)
{
	free(c->original);
	free(c->before);
	free(c->after);
	*c = s->change[--s->nchanges];
}

void irq_state_drop_holder(struct irq_state *s, struct irq_holder *h)
{
	free(h->near.irq);
	*h = s->holder[--s->nholders];
}

static struct irq_change *add_change(struct irq_state *s, int what, const char *original, const char *before,
				     const char *after)
{
	struct irq_change *c = vec_push(s->change, s->nchanges, s->changes_room);

	if (!c)
		return NULL;
	*c = (struct irq_change){ what, strdup(original), strdup(before), strdup(after) };
	if (c->original && c->before && c->after)
		return c;
	irq_state_drop(s, c);
	return NULL;
}

struct irq_change *irq_state_add(struct irq_state *s, int what, const char *original)
{
	return add_change(s, what, original, original, original);
}

bool irq_list_has(const struct irq_list *l, int irq)
{
	for (unsigned int i = 0; i < l->n; i++)
		if (l->irq[i] == irq)
			return true;
	return false;
}

int irq_list_add(struct irq_list *l, int irq)
{
	int *slot;

	if (irq_list_has(l, irq))
		return 0;
	if (l->n == IRQ_DEVICES_MAX)
		return -E2BIG;
	slot = vec_push(l->irq, l->n, l->room);
	if (!slot)
		return -ENOMEM;
	*slot = irq;
	return 0;
}

/* --- reading --- */

bool irq_state_exists(int dir)
{
	return dir >= 0 && faccessat(dir, IRQ_STATE, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Splits @line at single blanks; the number of fields, or FIELDS_MAX + 1: there are more. */
static unsigned int split(char *line, char *field[FIELDS_MAX])
{
	unsigned int n = 0;

	for (char *at = line; at; n++) {
		if (n == FIELDS_MAX)
			return n + 1;
		field[n] = strsep(&at, " ");
	}
	return n;
}

static bool parse_set(const char *text, struct idset *out)
{
	*out = (struct idset){ { 0 } };
	return strcmp(text, "-") == 0 || idset_parse(text, out, NULL) == 0;
}

static bool parse_irqs(char *text, struct irq_list *out)
{
	if (strcmp(text, "-") == 0)
		return true;
	for (char *one; (one = strsep(&text, ","));) {
		uint64_t irq;

		if (!number_parse(one, INT_MAX, &irq) || irq_list_add(out, (int)irq) < 0)
			return false;
	}
	return true;
}

static bool parse_hold(char **field, struct irq_state *s)
{
	struct irq_holder *h = vec_push(s->holder, s->nholders, s->holders_room);

	if (!h || !number_parse(field[1], UINT64_MAX, &h->inode) || strlen(field[2]) >= sizeof(h->class) ||
	    strlen(field[3]) >= sizeof(h->id) || !parse_set(field[5], &h->cpus) || !parse_irqs(field[6], &h->near))
		return false;
	memcpy(h->class, field[2], strlen(field[2]) + 1);
	memcpy(h->id, field[3], strlen(field[3]) + 1);
	h->mode = strcmp(field[4], irq_mode_name(IRQ_NEAR)) == 0 ? IRQ_NEAR : IRQ_AWAY;
	return h->mode == IRQ_NEAR || strcmp(field[4], irq_mode_name(IRQ_AWAY)) == 0;
}

static bool parse_change(char **field, struct irq_state *s)
{
	struct idset set;
	int64_t what;

	for (unsigned int i = 2; i < 5; i++)
		if (!parse_set(field[i], &set))
			return false;
	return number_parse_signed(field[1], -2, INT_MAX, &what) && !irq_state_find(s, (int)what) &&
	       add_change(s, (int)what, field[2], field[3], field[4]);
}

static bool parse_line(char *line, struct irq_state *s)
{
	char *field[FIELDS_MAX] = { line };
	unsigned int n = split(line, field);

	if (strcmp(field[0], "seen") == 0)
		return n == 2 && parse_set(field[1], &s->seen);
	if (strcmp(field[0], "hold") == 0)
		return n == 7 && parse_hold(field, s);
	return strcmp(field[0], "change") == 0 && n == 5 && parse_change(field, s);
}

static int parse(char *text, struct irq_state *s, struct error *err)
{
	char *line = strsep(&text, "\n");
	unsigned int n = 1;
	bool good = strncmp(line, HEAD, strlen(HEAD)) == 0 && strlen(line) - strlen(HEAD) < sizeof(s->boot_id);

	if (good)
		memcpy(s->boot_id, line + strlen(HEAD), strlen(line) - strlen(HEAD) + 1);
	while (good && text && *text) {
		line = strsep(&text, "\n");
		n++;
		good = text && parse_line(line, s);
	}
	return good ? 0 : error_set(err, -EBADMSG, IRQ_STATE ":%u: damaged; no interrupt is moved: set their affinities, then "
				    "remove this file of the state folder", n);
}

static int read_text(int dir, char **out, struct error *err)
{
	ssize_t n = file_read_all(dir, IRQ_STATE, IRQ_STATE_MAX, out);

	return n < 0 && n != -ENOENT ? error_errno(err, (int)n, "read " IRQ_STATE) : (int)(n < 0 ? n : 0);
}

int irq_state_read(int dir, const char *boot_id, struct irq_state *out, struct error *err)
{
	cleanup_free char *text = NULL;
	int rc = read_text(dir, &text, err);

	if (rc == 0)
		rc = parse(text, out, err);
	else if (rc == -ENOENT)
		rc = 0;
	if (rc == 0 && boot_id && strcmp(out->boot_id, boot_id) != 0) {
		irq_state_free(out);
		snprintf(out->boot_id, sizeof(out->boot_id), "%s", boot_id);
	}
	return rc;
}

/* --- writing --- */

static void put_set(struct strbuf *to, const struct idset *s)
{
	cleanup_free char *text = malloc(IDSET_TEXT_MAX);

	if (!text) {
		to->failed = true;
		return;
	}
	idset_format(s, text, IDSET_TEXT_MAX);
	strbuf_puts(to, *text ? text : "-");
}

static void put_holder(struct strbuf *to, const struct irq_holder *h)
{
	strbuf_printf(to, "hold %" PRIu64 " %s %s %s ", h->inode, h->class, h->id, irq_mode_name(h->mode));
	put_set(to, &h->cpus);
	for (unsigned int i = 0; i < h->near.n; i++)
		strbuf_printf(to, "%c%d", i ? ',' : ' ', h->near.irq[i]);
	strbuf_puts(to, h->near.n ? "\n" : " -\n");
}

int irq_state_write(int dir, const struct irq_state *s, struct error *err)
{
	cleanup_strbuf struct strbuf text = { 0 };
	int rc;

	if (!s->nholders && !s->nchanges) {
		rc = unlinkat(dir, IRQ_STATE, 0) < 0 && errno != ENOENT ? -errno : 0;
		return rc < 0 ? error_errno(err, rc, "remove " IRQ_STATE) : 0;
	}
	strbuf_printf(&text, HEAD "%s\nseen ", s->boot_id);
	put_set(&text, &s->seen);
	strbuf_puts(&text, "\n");
	for (unsigned int i = 0; i < s->nholders; i++)
		put_holder(&text, &s->holder[i]);
	for (unsigned int i = 0; i < s->nchanges; i++) {
		const struct irq_change *c = &s->change[i];

		strbuf_printf(&text, "change %d %s %s %s\n", c->what, c->original, c->before, c->after);
	}
	if (text.failed)
		return error_errno(err, -ENOMEM, "write " IRQ_STATE);
	unlinkat(dir, TEMPORARY, 0); /* of a process that was killed */
	rc = atomic_file_write(dir, TEMPORARY, IRQ_STATE, text.text, text.len);
	return rc < 0 ? error_errno(err, rc, "write " IRQ_STATE) : 0;
}
