/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs virsh and diff, without a shell. The text of a domain is in memory only, because it may hold passwords.
 */
#ifndef NUMAPLACE_VIRSH_H
#define NUMAPLACE_VIRSH_H

#include "plugin/base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* "qemu:///system", or what VIRSH_DEFAULT_CONNECT_URI names on this host. -EINVAL: it names another host. */
int virsh_uri(const char **uri, struct error *err);

/* -EINVAL: not the name of a domain: empty, too long, with a slash or a control character, or it begins with "-". */
int virsh_check_name(const char *name, struct error *err);

/*
 * The XML that the domain (a name or a UUID) will have at its next start; with @secret, its passwords, too. The caller
 * frees *@out. -ENOENT: virsh is not installed; -EINVAL: virsh refuses, for example because there is no such domain.
 */
int virsh_xml(const char *uri, const char *name, bool secret, char **out, size_t *len, struct error *err);

/* Whether it runs, is paused or in another state than "shut off". */
int virsh_is_active(const char *uri, const char *uuid, bool *active, struct error *err);

/* The UUIDs of the domains that do not run, one per line. The caller frees *@out. */
int virsh_inactive(const char *uri, char **out, struct error *err);

/* Defines a domain. -EINVAL: libvirt refuses the XML. */
int virsh_define(const char *uri, const char *text, size_t len, struct error *err);

/* Prints the difference of two texts, as `diff -u` does. */
int print_difference(const char *name, const char *before, const char *after, struct error *err);

#endif
