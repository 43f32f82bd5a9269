/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CRC-32 (as in zlib and Ethernet), eight bytes at a time, as every transaction checks and writes the ledger's sums.
 */
#include "plugin/base/crc32.h"

/*
 * A CRC table is linear: the entry of a byte is the exclusive or of the entries of its bits. So eight constants
 * define each table; macros expand them at compile time.
 */
#define BIT(i, b, e) ((i) >> (b) & 1 ? (e) : 0U)
#define ENTRY(i, e0, e1, e2, e3, e4, e5, e6, e7)                                               \
	(BIT(i, 0, e0) ^ BIT(i, 1, e1) ^ BIT(i, 2, e2) ^ BIT(i, 3, e3) ^ BIT(i, 4, e4) ^       \
	 BIT(i, 5, e5) ^ BIT(i, 6, e6) ^ BIT(i, 7, e7))
#define FOUR(i, ...) ENTRY((i), __VA_ARGS__), ENTRY((i) + 1, __VA_ARGS__), ENTRY((i) + 2, __VA_ARGS__), \
	ENTRY((i) + 3, __VA_ARGS__)
#define SIXTEEN(i, ...) FOUR((i), __VA_ARGS__), FOUR((i) + 4, __VA_ARGS__), FOUR((i) + 8, __VA_ARGS__), \
	FOUR((i) + 12, __VA_ARGS__)
#define SIXTYFOUR(i, ...) SIXTEEN((i), __VA_ARGS__), SIXTEEN((i) + 16, __VA_ARGS__), \
	SIXTEEN((i) + 32, __VA_ARGS__), SIXTEEN((i) + 48, __VA_ARGS__)
#define SLICE(...) { SIXTYFOUR(0U, __VA_ARGS__), SIXTYFOUR(64U, __VA_ARGS__), \
	SIXTYFOUR(128U, __VA_ARGS__), SIXTYFOUR(192U, __VA_ARGS__) }

/* Row k: the CRC of a byte with one bit set, followed by k zero bytes. */
static const uint32_t slice[8][256] = {
	SLICE(0x77073096U, 0xee0e612cU, 0x076dc419U, 0x0edb8832U, 0x1db71064U, 0x3b6e20c8U, 0x76dc4190U, 0xedb88320U),
	SLICE(0x191b3141U, 0x32366282U, 0x646cc504U, 0xc8d98a08U, 0x4ac21251U, 0x958424a2U, 0xf0794f05U, 0x3b83984bU),
	SLICE(0x01c26a37U, 0x0384d46eU, 0x0709a8dcU, 0x0e1351b8U, 0x1c26a370U, 0x384d46e0U, 0x709a8dc0U, 0xe1351b80U),
	SLICE(0xb8bc6765U, 0xaa09c88bU, 0x8f629757U, 0xc5b428efU, 0x5019579fU, 0xa032af3eU, 0x9b14583dU, 0xed59b63bU),
	SLICE(0x3d6029b0U, 0x7ac05360U, 0xf580a6c0U, 0x30704bc1U, 0x60e09782U, 0xc1c12f04U, 0x58f35849U, 0xb1e6b092U),
	SLICE(0xcb5cd3a5U, 0x4dc8a10bU, 0x9b914216U, 0xec53826dU, 0x03d6029bU, 0x07ac0536U, 0x0f580a6cU, 0x1eb014d8U),
	SLICE(0xa6770bb4U, 0x979f1129U, 0xf44f2413U, 0x33ef4e67U, 0x67de9cceU, 0xcfbd399cU, 0x440b7579U, 0x8816eaf2U),
	SLICE(0xccaa009eU, 0x4225077dU, 0x844a0efaU, 0xd3e51bb5U, 0x7cbb312bU, 0xf9766256U, 0x299dc2edU, 0x533b85daU),
};

uint32_t crc32_of(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint32_t crc = ~0U;

	for (; len >= 8; p += 8, len -= 8) {
		uint32_t low =
			crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);

		crc = slice[7][low & 0xff] ^ slice[6][low >> 8 & 0xff] ^ slice[5][low >> 16 & 0xff] ^
		      slice[4][low >> 24] ^ slice[3][p[4]] ^ slice[2][p[5]] ^ slice[1][p[6]] ^ slice[0][p[7]];
	}
	for (; len; p++, len--)
		crc = crc >> 8 ^ slice[0][(crc ^ *p) & 0xff];
	return ~crc;
}
