/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text of a record, as in the ledger and on cgroups. Each input is parsed as it is, and again with a valid first line
 * and checksum, so that the lines between them are parsed, too. A parsed record must be formatted to the same text.
 */
#include "tests/fuzz/fuzz.h"

#include "plugin/base/crc32.h"
#include "plugin/ledger/record-text.h"

#include <errno.h>

static void check(const char *text, size_t len)
{
	cleanup_record struct record r = { 0 }, again = { 0 };
	cleanup_free char *written = NULL, *twice = NULL;
	struct error err = { 0 };
	size_t n, m;
	int ret = record_parse(text, len, &r, &err);

	fuzz_check_error(ret, &err);
	if (ret < 0)
		return;
	must(*r.id && record_good_cgroup(r.cgroup));
	ret = record_format(&r, &written, &n, &err);
	fuzz_check_error(ret, &err);
	must(ret == 0 || ret == -E2BIG);
	if (ret < 0)
		return;
	must(record_parse(written, n, &again, NULL) == 0);
	must(record_format(&again, &twice, &m, NULL) == 0);
	must(n == m && memcmp(written, twice, n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t first = strlen(RECORD_FIRST_LINE);
	cleanup_free char *text = fuzz_text(data, size), *whole = malloc(first + size + RECORD_CRC_LINE_LEN + 1);

	check(text, size);
	memcpy(whole, RECORD_FIRST_LINE, first);
	memcpy(whole + first, text, size);
	sprintf(whole + first + size, RECORD_CRC_LINE, crc32_of(whole, first + size));
	check(whole, first + size + RECORD_CRC_LINE_LEN);
	return 0;
}
