/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Growable arrays: a pointer to the elements, their number, and the number that there is room for, as three fields of
 * the struct that owns them. The owner frees the pointer.
 *
 * 	pid_t *p = vec_push(list->pid, list->n, list->room);
 *
 * 	if (!p)
 * 		return -ENOMEM;
 * 	*p = pid;
 */
#ifndef NUMAPLACE_VEC_H
#define NUMAPLACE_VEC_H

#include <stdlib.h>
#include <string.h>

#define VEC_FIRST 64 /* elements of the first allocation; each next one doubles it */

/*
 * Adds an element to the end of @array, which has @n elements and room for @room. Returns a pointer to it, of the type
 * of @array; all its bytes are 0. NULL: out of memory, and nothing has changed. The arguments are lvalues without side
 * effects.
 */
#define vec_push(array, n, room)                                                                   \
	__extension__({                                                                            \
		__typeof__(array) vec_ = (array);                                                  \
		if ((n) == (room)) {                                                               \
			__typeof__(room) more_ = (room) ? 2 * (room) : VEC_FIRST;                  \
			vec_ = reallocarray(vec_, more_, sizeof(*vec_));                           \
			if (vec_) {                                                                \
				(array) = vec_;                                                    \
				(room) = more_;                                                    \
			}                                                                          \
		}                                                                                  \
		vec_ ? (__typeof__(array))memset(&vec_[(n)++], 0, sizeof(*vec_)) : NULL;           \
	})

#endif
