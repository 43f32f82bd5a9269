/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames that a second implementation of NRI's wire, in another language, has made; as hexadecimal text.
 */
#ifndef TEST_NRI_GOLDEN_H
#define TEST_NRI_GOLDEN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* RegisterPlugin("numaplace", "40"), stream 1 */
#define GOLDEN_REGISTER                                                                                       \
	"00000002000000490000003f0000000101000a1c6e72692e706b672e6170692e7631616c706861312e52756e74696d65"    \
	"120e5265676973746572506c7567696e1a0f0a096e756d61706c61636512023430"
/* the answer to CreateContainer, stream 7: cpus 0-3, mems 0, annotation volatile.cpu.nodes=0 */
#define GOLDEN_CREATED                                                                                        \
	"00000001000000370000002d0000000702000a0012290a2712170a12766f6c6174696c652e6370752e6e6f64"       \
	"6573120130320c120a12083203302d333a0130"
/* an error, stream 7, code 2 */
#define GOLDEN_ERROR                                                                                          \
	"00000001000000290000001f0000000702000a1d080212196c696d6974732e6d656d6f72793a203847694220"            \
	"61736b6564"

static inline unsigned int golden_digit(char c)
{
	return c <= '9' ? (unsigned int)(c - '0') : (unsigned int)(c - 'a' + 10);
}

static inline size_t golden_bytes(const char *hex, uint8_t *out)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(golden_digit(hex[2 * i]) << 4 | golden_digit(hex[2 * i + 1]));
	return n;
}

#endif
