/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the API server says of a request that it refuses.
 */
#ifndef NUMAPLACE_KUBE_ANSWER_H
#define NUMAPLACE_KUBE_ANSWER_H

#include <stddef.h>

#define ANSWER_BYTES_MAX 8192 /* of an answer that are kept */
#define ANSWER_SAID_MAX 256

/*
 * Writes the message of the Status object in the @len bytes at @text, as printable ASCII, which may be cut; "" if it is
 * another object, or none. @secret: an answer that contains it gives "".
 */
void answer_message(const char *text, size_t len, const char *secret, char out[ANSWER_SAID_MAX]);

#endif
